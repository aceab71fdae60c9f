//! Accessibility, best practices and what search engines want, by Lighthouse: nothing is missing, on a desk and on a phone.
//! A few pages, or every one where `POD_TEST_ALL` is set (`tests/run --all`).

use std::{path::Path, process::Command};

use pod_tests::Pod;
use serde_json::Value;

use crate::{
    checks::{checkers, furnished},
    manager,
};

/// What it looks at.
const CATEGORIES: &str = "accessibility,best-practices,seo";

/// What is wrong with pages.
fn complaints(form: &str, pages: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/lighthouse.mjs");
    let mut lighthouse = Command::new("node");
    lighthouse.arg(script).arg(checkers()).args([form, CATEGORIES]).args(pages);
    let looked = lighthouse.output().expect("node runs; tests/run installs it");
    let said = String::from_utf8_lossy(&looked.stdout);
    assert!(looked.status.success(), "{said}\n{}", String::from_utf8_lossy(&looked.stderr));
    let found: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(found.len(), pages.len(), "every page was looked at: {said}");
    let is_whole = |page: &Value| page["scores"].as_object().is_some_and(|all| all.values().all(|score| score == 100));
    found.iter().filter(|page| !is_whole(page)).map(|page| format!("{form}: {page}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_lighthouse_misses_nothing() {
    let pod = Pod::new();
    let (server, paths) = furnished(&pod).await;
    let every = std::env::var_os("POD_TEST_ALL").is_some();
    let some = ["/overview", "/executions", "/executions/3", "/activities/some"];
    let mut pages = Vec::new();
    for path in paths.into_iter().filter(|path| every || some.contains(&path.as_str())) {
        let page = format!("{}{path}", server.url());
        let answer = manager::client().get(&page).header("accept", "text/html").send().await;
        // It looks at no page that says that something is wrong.
        if answer.expect("the manager answers").status().is_success() {
            pages.push(page);
        }
    }
    assert!(pages.len() >= some.len(), "{pages:?}");
    let mut complaints = complaints("phone", &pages);
    if every {
        complaints.extend(self::complaints("desktop", &pages));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
