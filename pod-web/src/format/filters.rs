//! Template filters: `{{ execution.status|state }}`, `{{ at|time }}`, `{{ "plus"|icon }}`.

use std::{
    fmt::Display,
    time::{SystemTime, UNIX_EPOCH},
};

use askama::{Result, Values, filters::Safe};
use pod_core::domain::{Execution, Millis, Timestamp};

use super::{HasStatus, StatusStyle};
use crate::assets;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A symbol of the sprite, beside words: it says nothing by itself.
#[askama::filter_fn]
pub(crate) fn icon(name: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(symbol(&name)))
}

fn symbol(name: &impl Display) -> String {
    format!(r##"<svg class="icon" aria-hidden="true"><use href="{}#{name}"/></svg>"##, assets::address("icons.svg"))
}

/// A state: its shape and its word.
#[askama::filter_fn]
pub(crate) fn state(status: &impl HasStatus, _: &dyn Values) -> Result<Safe<String>> {
    let StatusStyle { shape, word } = status.style();
    let symbol = symbol(&format_args!("state-{shape}"));
    Ok(Safe(format!(r#"<span class="state state-{shape}">{symbol}{word}</span>"#)))
}

/// A moment: relative, with the exact one behind it.
#[askama::filter_fn]
pub(crate) fn time(at: &Timestamp, _: &dyn Values) -> Result<Safe<String>> {
    let relative = super::relative(*at, now());
    Ok(Safe(format!(r#"<time datetime="{}" title="{}">{relative}</time>"#, at.to_rfc3339(), super::exact(*at))))
}

/// How long ago a moment was, as a duration.
#[askama::filter_fn]
pub(crate) fn age(at: &Timestamp, _: &dyn Values) -> Result<String> {
    Ok(Millis(now().since(*at).0 / 1000 * 1000).to_string())
}

/// A size.
#[askama::filter_fn]
pub(crate) fn size(count: &u64, _: &dyn Values) -> Result<String> {
    Ok(super::bytes(*count))
}

/// The address of an activity's page. `new` is the address of the form, so the activity of that name is spelled out.
#[askama::filter_fn]
pub(crate) fn activity_address(name: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(super::activity_address(&name.to_string())))
}

/// How an execution ended, in words.
#[askama::filter_fn]
pub(crate) fn ending(execution: &Execution, _: &dyn Values) -> Result<String> {
    Ok(super::ending(execution))
}

/// The beginning of a text, on one line.
#[askama::filter_fn]
pub(crate) fn beginning(text: impl Display, _: &dyn Values, length: usize) -> Result<String> {
    Ok(super::beginning(&text.to_string(), length))
}

/// A number with its thousands apart.
#[askama::filter_fn]
pub(crate) fn number(number: impl Display, _: &dyn Values) -> Result<String> {
    let text = number.to_string();
    Ok(text.parse().map_or(text, super::thousands))
}

/// Rows of output, which [`crate::output`] has made: the one text that is HTML already.
#[askama::filter_fn]
pub(crate) fn output(html: &str, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(html.to_owned()))
}
