//! Fuzz entry points for untrusted input of the dashboard. Each function takes any bytes, and panics where a parser
//! breaks a promise.

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use pod_core::domain::{AttemptNo, Stream};

use crate::{
    cookies::cookie,
    flash::{Flash, see_other},
    form::FormData,
    output::{Place, Rows, View},
    pages::archive::Directory,
};

/// What a program prints, as rows.
pub fn ansi(data: &[u8]) {
    let (cut, data) = data.split_first().map_or((0, data), |(cut, data)| (usize::from(*cut), data));
    let mut rows = Rows::at(Place::start(AttemptNo(1), View::Merged)).with_times(cut % 2 == 1);
    let mut stream = Stream::Stdout;
    for piece in data.chunks(cut.max(1) * 7) {
        rows.push(stream, &Bytes::copy_from_slice(piece), None);
        stream = if piece.len() % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
    }
    check(&rows.unfinished());
    rows.end();
    let (html, lines) = rows.take();
    check(&html);
    assert!(lines <= data.len() as u64 + 2);
    let text = rows.place().to_string();
    assert_eq!(text.parse::<Place>().map(|place| place.to_string()), Ok(text));
}

/// Nothing that was printed is part of the page but as text: every tag is one of ours.
fn check(html: &str) {
    for tag in html.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        assert!(["p", "span", "time", "a", "li", "div", "code", "b", "i"].contains(&name), "<{tag}");
        assert!(tag.contains('>'), "<{tag}");
    }
    let hidden = |c: char| {
        c != '\t' && c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    assert!(!html.contains(hidden), "{html:?}");
}

/// Cookies, and what stands in them.
pub fn cookies(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, value);
    for name in ["pod_session_0123abcd", "pod_flash_0123abcd", "pod_theme", ""] {
        let Some(value) = cookie(&headers, name) else { continue };
        if let Some(flash) = Flash::from_cookie(value) {
            let _ = (flash.at(&flash.text), flash.cookie("pod_flash_0123abcd", false));
        }
        let led = see_other(value);
        let place = led.headers()[header::LOCATION].as_bytes();
        assert!(place.starts_with(b"/") && !place.starts_with(b"//"), "{value:?} leads away");
    }
}

/// Forms, and the places in the output of an execution that addresses name.
pub fn queries(data: &[u8]) {
    if let Ok(filled) = FormData::parse(data) {
        let _ = (filled.get("form"), filled.has("input"), filled.back("/"), filled.all("id").count());
    }
    if let Ok(place) = String::from_utf8_lossy(data).parse::<Place>() {
        assert_eq!(place.to_string().parse(), Ok(place));
        let _ = place.position();
    }
}

/// The files of a revision.
pub fn archive(data: &[u8]) {
    let directory = Directory::of(data);
    assert!(directory.files.iter().all(|file| !file.path.starts_with('/')));
}
