//! What every page must be: valid HTML, and usable by everyone as far as a program can tell.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pod_tests::{Pod, Server};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// Where tests/run installs the checkers.
pub(crate) fn checkers() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let installed = root.join("target/web-checks/node_modules");
    assert!(installed.is_dir(), "{} is missing; tests/run installs it", installed.display());
    installed
}

/// A manager with something of everything, and the paths of its pages.
pub(crate) async fn furnished(pod: &Pod) -> (Server, Vec<String>) {
    let server = pod.serve(&[]);
    let main =
        "printf '\\033[1;32mok\\033[0m \\033[31mred\\033[0m \\033[44mground\\033[0m\\n'; echo wrong >&2; exit \"$1\"";
    manager::register(&server, "some", main).await;
    manager::register(&server, "long", "seq 100; sleep 1000").await;
    let good = manager::start(&server, "some", "0").await;
    let bad = manager::start(&server, "some", "3").await;
    let running = manager::start(&server, "long", "two\nlines & <more>").await;
    manager::ended(&server, good).await;
    manager::ended(&server, bad).await;
    let rules = json!({ "name": "busy", "rules": { "fixedWorkers": "1" } });
    let made = manager::client().post(format!("{}/api/v1/policies", server.url())).json(&rules).send().await;
    assert!(made.expect("the manager answers").status().is_success());
    let again = json!({ "name": "some", "script": "printf 'exit 0\\n' > main.sh\n" });
    let changed = manager::client().put(format!("{}/api/v1/activities/some", server.url())).json(&again).send().await;
    assert!(changed.expect("the manager answers").status().is_success());
    until("the second revision serves", async || {
        manager::get(&server, "/api/v1/activities/some").await["revision"] == 2
    })
    .await;
    let broken = json!({ "name": "broken", "script": "echo no such tool >&2; exit 7\n" });
    let made = manager::client().post(format!("{}/api/v1/activities", server.url())).json(&broken).send().await;
    assert!(made.expect("the manager answers").status().is_success());
    until("it is rejected", async || manager::get(&server, "/api/v1/activities/broken").await["status"] == "rejected")
        .await;
    let paths = vec![
        "/overview".to_owned(),
        "/activities".to_owned(),
        "/activities/new".to_owned(),
        "/activities/some".to_owned(),
        "/activities/some/revisions/2".to_owned(),
        "/activities/some/revisions/1?against=2".to_owned(),
        "/activities/some/installations/1?revision=2".to_owned(),
        "/activities/broken".to_owned(),
        "/activities?q=nothing+holds+this".to_owned(),
        "/activities/some/edit".to_owned(),
        "/activities/some/delete".to_owned(),
        "/executions".to_owned(),
        "/executions?status=failed&activity=some".to_owned(),
        "/executions?status=nonsense".to_owned(),
        "/executions?from=soon&worker=one".to_owned(),
        "/executions?from=2026-01-01T00:00&to=2026-01-02".to_owned(),
        format!("/executions/{good}"),
        format!("/executions/{bad}?attempt=1&view=stderr"),
        format!("/executions/{running}"),
        format!("/executions/{running}?q=99&line=40"),
        "/executions/4711".to_owned(),
        "/workers".to_owned(),
        "/workers/1".to_owned(),
        "/workers/1/drain".to_owned(),
        "/policies".to_owned(),
        "/policies/new".to_owned(),
        "/policies/busy/apply".to_owned(),
        "/policies/busy/edit".to_owned(),
        "/policies/busy/delete".to_owned(),
        "/events".to_owned(),
        "/events?about=workers".to_owned(),
        "/help".to_owned(),
        "/nothing/here".to_owned(),
    ];
    (server, paths)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_valid_html() {
    let pod = Pod::new();
    let (server, paths) = furnished(&pod).await;
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (number, path) in paths.iter().enumerate() {
        let page = manager::client().get(format!("{}{path}", server.url())).header("accept", "text/html");
        let page = page.send().await.expect("the manager answers").text().await.expect("it is text");
        assert!(page.starts_with("<!doctype html>"), "{path}: {page}");
        fs::write(directory.path().join(format!("{number:02}.html")), page).expect("a file can be written");
    }
    let rules = json!({
        "root": true,
        "extends": ["html-validate:standard", "html-validate:a11y"],
        // What is a matter of taste, not of validity; and a page that changes has no other way to tell without scripts.
        "rules": {
            "meta-refresh": "off",
            "no-trailing-whitespace": "off", "attr-quotes": "off", "long-title": "off", "void-style": "off",
            "no-implicit-button-type": "off", "no-inline-style": "error", "doctype-style": "off"
        },
    });
    fs::write(directory.path().join(".htmlvalidate.json"), rules.to_string()).expect("a file can be written");
    let checked = Command::new("node")
        .arg(checkers().join("html-validate/bin/html-validate.mjs"))
        .args(["--formatter", "text", "."])
        .current_dir(directory.path())
        .output()
        .expect("node runs; tests/run installs it");
    let complaints = String::from_utf8_lossy(&checked.stdout);
    let names = paths.iter().enumerate().map(|(number, path)| format!("{number:02} {path}")).collect::<Vec<_>>();
    assert!(
        checked.status.success(),
        "{complaints}\n{}\n{}",
        String::from_utf8_lossy(&checked.stderr),
        names.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_light_and_dark() {
    let axe = fs::read_to_string(checkers().join("axe-core/axe.min.js")).expect("axe-core is installed");
    let pod = Pod::new();
    let (server, paths) = furnished(&pod).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    let mut complaints = Vec::new();
    for theme in ["light", "dark"] {
        for path in &paths {
            browser.go(path).await;
            let script = "document.documentElement.dataset.theme = arguments[0];";
            browser.client.execute(script, vec![json!(theme)]).await.expect("the theme changes");
            browser.client.execute(&axe, Vec::new()).await.expect("axe-core loads");
            let run = "const done = arguments[arguments.length - 1]; axe.run({ resultTypes: ['violations'] }).then(\
                 (found) => done(found.violations), (error) => done([{ id: String(error), nodes: [] }]));";
            let found = browser.client.execute_async(run, Vec::new()).await.expect("axe-core ends");
            for violation in found.as_array().into_iter().flatten() {
                complaints.push(format!("{theme} {path}: {}", told(violation)));
            }
        }
    }
    browser.close().await;
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn told(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let first = nodes.first().map_or_else(String::new, |node| {
        format!(
            "{} — {}",
            node["html"].as_str().unwrap_or_default(),
            node["failureSummary"].as_str().unwrap_or_default()
        )
    });
    format!("{} ({} times): {first}", violation["id"].as_str().unwrap_or_default(), nodes.len())
}
