//! Many pages at a time, and one after the other. A browser opens six connections to a manager for all of them
//! together: a page that keeps one for itself for good makes the seventh wait for a minute.

use std::{
    fs,
    time::{Duration, Instant},
};

use fantoccini::wd::WindowHandle;
use pod_tests::{Pod, Server};

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// A page that waits for a connection waits for most of a minute. One that does not is there far sooner than this.
const SOON: Duration = Duration::from_secs(10);

/// How many connections somebody holds to the manager.
fn connections(server: &Server) -> usize {
    let port: u16 = server.url().rsplit_once(':').expect("an address has a port").1.parse().expect("a port");
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells of its connections");
    let (local, established) = (format!(":{port:04X}"), "01");
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split_whitespace().collect();
        rows += usize::from(fields[1].ends_with(&local) && fields[3] == established);
    }
    rows
}

/// Shows a page, and says how long that took.
async fn shown_soon(browser: &Browser, path: &str, heading: &str) {
    let began = Instant::now();
    browser.go(path).await;
    browser.until_text("h1", heading).await;
    let took = began.elapsed();
    assert!(took < SOON, "{path} takes {took:?}");
}

async fn new_tab(browser: &Browser) -> WindowHandle {
    let tab = browser.client.new_window(true).await.expect("a tab opens").handle;
    browser.client.switch_to_window(tab.clone()).await.expect("the tab is there");
    tab
}

#[tokio::test(flavor = "multi_thread")]
async fn one_walks_through_many_pages_and_back() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "long", "echo begun; sleep 1000").await;
    let running = manager::start(&server, "long", "").await;
    let execution = format!("/executions/{running}");
    let browser = Browser::start(server.url(), Scripts::On).await;
    let pages = [
        ("/overview", "Overview"),
        ("/activities", "Activities"),
        ("/executions", "Executions"),
        ("/workers", "Workers"),
        ("/activities/long", "long"),
        (execution.as_str(), "long"),
    ];
    browser.go("/help").await;
    // By the links of the pages themselves, which leave the page before to the browser's memory.
    for (path, heading) in pages.iter().cycle().take(12) {
        let began = Instant::now();
        let go = format!(
            "const link = document.createElement('a'); link.href = '{path}'; document.body.append(link); link.click()"
        );
        browser.client.execute(&go, Vec::new()).await.expect("a link is followed");
        until(&format!("{path} is shown"), async || browser.path().await == *path).await;
        browser.until_text("h1", heading).await;
        let took = began.elapsed();
        assert!(took < SOON, "{path} takes {took:?}");
    }
    for (path, _) in pages.iter().rev().cycle().skip(1).take(8) {
        let began = Instant::now();
        browser.client.back().await.expect("one can go back");
        until(&format!("{path} is shown again"), async || browser.path().await == *path).await;
        let took = began.elapsed();
        assert!(took < SOON, "going back to {path} takes {took:?}");
    }
    until("only the page that is shown has a stream", async || connections(&server) <= 2).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tabs_with_running_executions_are_all_there() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "10"]);
    let stop = pod.path("stop").display().to_string();
    let main = format!("while [ ! -e '{stop}' ]; do echo \"$1 $((i += 1))\"; sleep 0.1; done; echo \"the end of $1\"");
    manager::register(&server, "counting", &main).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    let mut tabs = Vec::new();
    for number in 1..=8 {
        let tab = new_tab(&browser).await;
        let name = format!("run-{number}");
        let id = manager::start(&server, "counting", &name).await;
        shown_soon(&browser, &format!("/executions/{id}"), "counting").await;
        browser.until_text("#lines", &format!("{name} 3")).await;
        tabs.push((tab, name));
    }
    for path in ["/overview", "/executions"] {
        new_tab(&browser).await;
        shown_soon(&browser, path, if path == "/overview" { "Overview" } else { "Executions" }).await;
    }
    until("tabs that nobody sees hold no stream", async || connections(&server) <= 3).await;

    // What was printed meanwhile is there when one comes back, once and in order, and it goes on.
    fs::write(&stop, "").expect("the directory takes a file");
    for (tab, name) in tabs {
        browser.client.switch_to_window(tab).await.expect("the tab is there");
        browser.until_text("#lines", &format!("the end of {name}")).await;
        let gaps = "[...document.querySelectorAll('#lines .block .l')].every((row, at, all) => at === 0 || +row.dataset.n === +all[at - 1].dataset.n + 1)";
        assert_eq!(browser.eval(gaps).await, true, "{name}: no line is missing, and none is there twice");
        browser.until_text("#state", "finished").await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_left_is_up_to_date_when_one_comes_back() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "true").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go("/executions").await;
    let list = browser.client.window().await.expect("there is a tab");
    browser.until_text("main", "Nothing has been run yet").await;
    new_tab(&browser).await;
    browser.go("/help").await;
    let id = manager::start(&server, "quick", "").await;
    manager::ended(&server, id).await;
    browser.client.switch_to_window(list).await.expect("the tab is there");
    browser.until_text("main", &format!("#{id}")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_side_by_side_take_turns() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "10"]);
    manager::register(&server, "counting", "while :; do echo \"$1 $((i += 1))\"; sleep 0.1; done").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    let mut windows = Vec::new();
    for number in 1..=8 {
        let window = browser.client.new_window(false).await.expect("a window opens").handle;
        browser.client.switch_to_window(window.clone()).await.expect("the window is there");
        let id = manager::start(&server, "counting", &format!("run-{number}")).await;
        shown_soon(&browser, &format!("/executions/{id}"), "counting").await;
        windows.push(window);
    }
    until("three connections are left for everything else", async || connections(&server) <= 4).await;
    let last = "Number(document.querySelector('#lines .block:nth-last-of-type(2) .l:last-child')?.dataset.n ?? 0)";
    for window in windows {
        browser.client.switch_to_window(window).await.expect("the window is there");
        let before = browser.eval(last).await.as_u64();
        until("what is printed is shown", async || browser.eval(last).await.as_u64() > before).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hear_of_news_over_plain_http_to_a_name_too() {
    let pod = Pod::new();
    let server = pod.serve(&["--token", "secret", "--allow-host", "rebound.test"]);
    let url = server.url().replace("127.0.0.1", "rebound.test");
    let browser = Browser::start(&url, Scripts::On).await;
    browser.go("/workers").await;
    browser.type_into("input[name=token]", "secret").await;
    browser.click("main button").await;
    browser.until_text("h1", "Workers").await;
    assert_eq!(browser.eval("navigator.locks === undefined").await, true, "pages know nothing of each other there");
    let post = async |path: &str, body: serde_json::Value| {
        let request =
            manager::client().post(format!("{}/api/v1/{path}", server.url())).bearer_auth("secret").json(&body);
        assert!(request.send().await.expect("the manager answers").status().is_success(), "{path}");
    };
    post("activities", serde_json::json!({ "name": "made", "script": "echo true > main.sh" })).await;
    browser.go("/executions").await;
    browser.until_text("main", "Nothing has been run yet").await;
    post("executions", serde_json::json!({ "activity": "made" })).await;
    browser.until_text("main", "#1").await;
    browser.until_text("main", "finished").await;
    browser.close().await;
}
