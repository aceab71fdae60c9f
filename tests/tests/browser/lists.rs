//! The list of executions: filters, what is done to many, what is new, and the keys.

use fantoccini::key::Key;
use pod_tests::{Pod, Server};
use serde_json::json;

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// What stands in the rows, from the top.
const ROWS: &str = "[...document.querySelectorAll('#rows tr')].map((row) => +row.dataset.key)";

async fn rows(browser: &Browser) -> Vec<u64> {
    let rows = browser.eval(ROWS).await;
    rows.as_array().expect("a list").iter().filter_map(serde_json::Value::as_u64).collect()
}

async fn waiting(server: &Server) -> u64 {
    manager::get(server, "/api/v1/overview").await["executions"]["waiting"].as_u64().expect("a number")
}

async fn start_many(server: &Server, activity: &str, count: usize) {
    let inputs: Vec<String> = (1..=count).map(|n| format!("item {n}")).collect();
    let body = json!({ "activity": activity, "inputs": inputs });
    let made = manager::client().post(format!("{}/api/v1/executions/batch", server.url())).json(&body).send().await;
    assert!(made.expect("the manager answers").status().is_success());
}

async fn act_on_many(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "napping", "sleep 1000").await;
    start_many(&server, "napping", 120).await;
    until("some run", async || waiting(&server).await < 120).await;
    let browser = Browser::start(server.url(), scripts).await;

    // Two that were chosen.
    browser.go("/executions?status=waiting").await;
    for id in [119, 118] {
        browser.click(&format!("input[name=id][value='{id}']")).await;
    }
    browser.click("button[value=terminate]").await;
    browser.until_text("h1", "Terminate 2 executions?").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "2 executions are being terminated.").await;
    assert_eq!(manager::get(&server, "/api/v1/executions/119").await["status"], "terminated");
    assert_eq!(manager::get(&server, "/api/v1/executions/120").await["status"], "waiting");

    // All that match, on other pages of the list, too.
    browser.click("button[value=terminate-all]").await;
    browser.until_text(".question", "All that match: state waiting.").await;
    browser.until_text("h1", "Terminate 1").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "executions are being terminated.").await;
    assert_eq!(browser.path().await, "/executions", "one is back where one was");
    until("nothing waits", async || waiting(&server).await == 0).await;
    browser.go("/executions?status=waiting").await;
    browser.until_text("main", "No execution matches").await;

    browser.go("/executions?status=terminated&q=item+11").await;
    browser.click("button[value=retry-all]").await;
    browser.until_text("h1", "Run 11 executions again?").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "11 executions run again.").await;
    until("they wait", async || waiting(&server).await == 11).await;
    manager::post(&server, "/api/v1/executions/terminate?activity=napping", &json!({})).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_were_chosen_and_all_that_match_are_acted_on() {
    act_on_many(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_were_chosen_and_all_that_match_are_acted_on_without_scripts() {
    act_on_many(Scripts::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_the_address_and_times_are_the_readers() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "[ \"$1\" != bad ]").await;
    for input in ["good", "bad", "other"] {
        let id = manager::start(&server, "quick", input).await;
        manager::ended(&server, id).await;
    }
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.devtools("Emulation.setTimezoneOverride", &json!({ "timezoneId": "Asia/Tokyo" })).await;
    browser.go("/executions?from=2020-03-01T00:00Z").await;
    assert_eq!(rows(&browser).await, [3, 2, 1]);
    assert_eq!(browser.eval("document.getElementById('from').value").await, "2020-03-01T09:00");
    browser.click("#status option[value=failed]").await;
    browser.click("form.filters .buttons button").await;
    until("it is filtered", async || rows(&browser).await == [2]).await;
    let address = browser.client.current_url().await.expect("there is a page");
    assert_eq!(address.query(), Some("status=failed&from=2020-03-01T00%3A00Z"), "exact, and nothing that is empty");
    browser.go("/executions?to=2020-03-01T00:00Z").await;
    browser.until_text("main", "No execution matches").await;
    browser.go("/executions?from=yesterday&status=failed").await;
    browser.until_text("#wrong-from", "is not a time").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_waits_behind_a_bar() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "true").await;
    for _ in 0..3 {
        manager::start(&server, "quick", "").await;
    }
    manager::ended(&server, 3).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go("/executions").await;
    assert_eq!(rows(&browser).await, [3, 2, 1]);
    let place = "document.querySelector('#rows tr').getBoundingClientRect().top + scrollY";
    let before = browser.eval(place).await;
    start_many(&server, "quick", 12).await;
    browser.until_text("[data-news]", "Show 12 new").await;
    assert_eq!(rows(&browser).await, [3, 2, 1], "nothing moves before one asks");
    assert_eq!((before.is_number(), browser.eval(place).await), (true, before), "not even by the bar");
    browser.click("[data-news]").await;
    until("they are there", async || rows(&browser).await == (1..=15).rev().collect::<Vec<u64>>()).await;
    assert!(browser.text("[data-news]").await.is_empty());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_rows_are_reached_by_keys() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "true").await;
    for _ in 0..2 {
        manager::start(&server, "quick", "").await;
    }
    manager::ended(&server, 2).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go("/overview").await;
    let press = async |keys: &str| browser.type_into("body", keys).await;
    for (keys, path) in [
        ("ga", "/activities"),
        ("gw", "/workers"),
        ("gp", "/policies"),
        ("gv", "/events"),
        ("?", "/help"),
        ("n", "/activities/new"),
    ] {
        press(keys).await;
        until(&format!("{keys} leads to {path}"), async || browser.path().await == path).await;
        // The field that has the focus takes letters for itself.
        browser.eval("document.activeElement.blur()").await;
    }
    press("ge").await;
    until("ge leads to the list", async || browser.path().await == "/executions").await;
    press("/").await;
    until("the search has the focus", async || browser.eval("document.activeElement.id").await == "q").await;
    browser.eval("document.activeElement.blur()").await;
    press("j").await;
    until("the first row", async || browser.eval("document.activeElement.textContent").await == "#2").await;
    browser.client.active_element().await.expect("one is").send_keys("j").await.expect("it takes keys");
    until("the second row", async || browser.eval("document.activeElement.textContent").await == "#1").await;
    let enter = String::from(char::from(Key::Enter));
    browser.client.active_element().await.expect("one is").send_keys(&enter).await.expect("it takes keys");
    until("it is opened", async || browser.path().await == "/executions/1").await;
    browser.close().await;
}
