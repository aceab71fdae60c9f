//! No page is wider than the window, from a phone to a wide screen. With `POD_TEST_PICTURES=DIR` each is photographed, in
//! light and dark, to be looked at.

use std::{fs, path::PathBuf};

use pod_tests::Pod;
use serde_json::json;

use crate::{
    browser::{Browser, Scripts},
    manager,
};

/// How bright the text of a page is at most, from 0 to 1, as its darkest channel tells.
const BRIGHTEST: &str = "Math.max(...[...document.querySelectorAll('main, main *')].filter((part) => part.getClientRects().length \
     && [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && !part.closest('button, .button')).map((part) => \
     Math.min(...getComputedStyle(part).color.match(/[0-9.]+/g).slice(0, 3).map(Number)) / 255))";

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_page_is_printed_dark_on_white() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(
        &server,
        "colours",
        "printf '\\033[32mgreen\\033[0m \\033[97mwhite\\033[0m plain\\n'; echo wrong >&2",
    )
    .await;
    let id = manager::start(&server, "colours", "").await;
    manager::ended(&server, id).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.devtools("Emulation.setEmulatedMedia", &json!({ "media": "print" })).await;
    for path in ["/overview", "/executions", "/activities/colours", &format!("/executions/{id}")] {
        browser.go(path).await;
        browser
            .client
            .execute("document.documentElement.dataset.theme = 'dark'", Vec::new())
            .await
            .expect("it is dark");
        let brightest = browser.eval(BRIGHTEST).await.as_f64().expect("a number");
        assert!(brightest < 0.5, "{path} has text of {brightest} on white paper");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_wider_than_its_window() {
    let pictures = std::env::var_os("POD_TEST_PICTURES").map(PathBuf::from);
    let pod = Pod::new();
    let server = pod.serve(&["--output-cap", "64KiB"]);
    let main = "printf '\\033[1;32m✓ ok\\033[0m built in \\033[36m1.2 s\\033[0m\\n'; seq -f 'resizing picture-%.0f.png to 320x200' 30; \
                echo \"no such picture: $1\" >&2; head -c 3000 /dev/zero | tr '\\0' x; echo; exit \"${2:-3}\"";
    manager::register(&server, "thumbs", main).await;
    manager::register(&server, "long", "seq 300; sleep 1000").await;
    let failed =
        manager::start(&server, "thumbs", "a-rather-long-name-of-a-picture-that-does-not-break-anywhere.png").await;
    let running = manager::start(&server, "long", "").await;
    let build = "for n in 1 2 3; do echo \"compiling part $n of 3\"; sleep 0.1; echo \"warning: part $n uses something old\" >&2; \
                 sleep 0.1; printf '%s\\r' 10% 60%; printf '\\033[32m100%%\\033[0m done\\n'; done; seq -f 'line %.0f of a long report' 200000; \
                 echo error: it does not fit together >&2; exit 4";
    manager::register(&server, "build", build).await;
    let long = manager::start(&server, "build", "").await;
    manager::ended(&server, failed).await;
    manager::ended(&server, long).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    let pages = [
        ("overview", "/overview".to_owned()),
        ("activities", "/activities".to_owned()),
        ("activity", "/activities/thumbs".to_owned()),
        ("new", "/activities/new".to_owned()),
        ("edit", "/activities/thumbs/edit".to_owned()),
        ("revision", "/activities/thumbs/revisions/1".to_owned()),
        ("delete", "/activities/thumbs/delete".to_owned()),
        ("executions", "/executions".to_owned()),
        ("failed", format!("/executions/{failed}")),
        ("running", format!("/executions/{running}")),
        ("times", format!("/executions/{failed}?times=on")),
        ("gap", format!("/executions/{long}?line=2470#out-2470")),
        ("beginning", format!("/executions/{long}?times=on&part=0")),
        ("stdout", format!("/executions/{failed}?view=stdout")),
        ("search", format!("/executions/{long}?q=warn")),
        ("filtered", "/executions?status=failed&activity=thumbs&from=2026-01-01T00:00&to=soon".to_owned()),
        ("workers", "/workers".to_owned()),
        ("worker", "/workers/1".to_owned()),
        ("policies", "/policies".to_owned()),
        ("policy", "/policies/new".to_owned()),
        ("events", "/events".to_owned()),
        ("help", "/help".to_owned()),
        ("asked", "/POD/?action=newExecution&name=thumbs&input=cat.png".to_owned()),
        ("sign-in", "/login".to_owned()),
    ];
    let mut too_wide = Vec::new();
    let looks: &[(u32, &str)] = match pictures {
        Some(_) => &[(320, "light"), (700, "light"), (375, "light"), (375, "dark"), (1400, "light"), (1400, "dark")],
        None => &[(320, "light"), (700, "light"), (1400, "dark")],
    };
    for (width, theme) in looks {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
        for (name, path) in &pages {
            browser.go(path).await;
            let set = "document.documentElement.dataset.theme = arguments[0];";
            browser.client.execute(set, vec![json!(theme)]).await.expect("the theme changes");
            let over = browser.eval("document.documentElement.scrollWidth - innerWidth").await.as_i64().unwrap_or(0);
            if over > 0 {
                let culprit = "[...document.querySelectorAll('main *')].filter((part) => part.getBoundingClientRect().right \
                               > innerWidth).map((part) => part.outerHTML.slice(0, 120)).slice(-3).join(' | ')";
                let culprit = browser.eval(culprit).await;
                too_wide.push(format!("{path} is {over} px wider than {width} px: {culprit}"));
            }
            if let Some(pictures) = &pictures {
                let picture = browser.client.screenshot().await.expect("a picture can be taken");
                let name = pictures.join(format!("{name}-{width}-{theme}.png"));
                fs::write(name, picture).expect("the directory is there");
            }
        }
    }
    browser.close().await;
    assert!(too_wide.is_empty(), "{}", too_wide.join("\n"));
}
