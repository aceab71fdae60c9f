//! The output of an execution as it is printed, and as it was.

use pod_tests::Pod;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// What stands in the rows, in order: their numbers with their text.
const ROWS: &str = "[...document.querySelectorAll('#lines .l')].map((row) => \
                    row.dataset.n + ' ' + row.querySelector('code').textContent)";
/// The times that show.
const TIMES: &str = "[...document.querySelectorAll('#lines .l > .t')].filter((time) => time.checkVisibility()) \
                     .map((time) => time.textContent)";

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_stay_as_they_came_with_the_time_of_each_line() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let main = "for i in 1 2 3 4; do echo out $i; sleep 0.4; echo err $i >&2; sleep 0.4; done; printf last";
    manager::register(&server, "turns", main).await;
    let id = manager::start(&server, "turns", "").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{id}")).await;
    browser.until_text("#lines", "last").await;
    browser.until_text("#state", "finished").await;
    let expected = [
        "1 out 1",
        "2 stderr: err 1",
        "3 out 2",
        "4 stderr: err 2",
        "5 out 3",
        "6 stderr: err 3",
        "7 out 4",
        "8 stderr: err 4",
        "9 last",
    ];
    assert_eq!(browser.eval(ROWS).await, json!(expected), "while it ran");
    browser.go(&format!("/executions/{id}")).await;
    assert_eq!(browser.eval(ROWS).await, json!(expected), "afterwards: links to lines stay what they were");
    browser.go(&format!("/executions/{id}?q=rr")).await;
    let found = "[...document.querySelectorAll('.found li a')].map((link) => link.textContent)";
    assert_eq!(browser.eval(found).await, json!(["2", "4", "6", "8"]), "the search has the same numbers");

    assert_eq!(browser.eval(TIMES).await, json!([]));
    browser.click("#times").await;
    let shown = browser.eval(TIMES).await;
    let times: Vec<&str> = shown.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(times.len(), 9);
    assert!(times.is_sorted() && times.iter().all(|time| time.len() == "12:00:00.000".len()), "{times:?}");
    assert!(
        browser.client.current_url().await.expect("a page").query().is_some_and(|query| query.contains("times=on"))
    );
    browser.go(&format!("/executions/{id}?view=stderr")).await;
    assert_eq!(browser.eval(TIMES).await, json!([times[1], times[3], times[5], times[7]]), "it is remembered");
    browser.click("#times").await;
    assert_eq!(browser.eval(TIMES).await, json!([]));
    browser.close().await;

    let browser = Browser::start(server.url(), Scripts::Off).await;
    browser.go(&format!("/executions/{id}?view=stdout")).await;
    assert!(!browser.text("#lines").await.contains(':'));
    browser.click("noscript a").await;
    browser.until_text("#lines", ":").await;
    browser.close().await;
}

/// How much of the thread that a page's scripts, layout and clicks share was used in three seconds, from 0 to 1. In
/// processor time: what else the machine does at that time takes nothing away from it and adds nothing.
async fn busy(browser: &Browser) -> f64 {
    browser.devtools("Performance.enable", &json!({})).await;
    let used = async || {
        let answer = browser.devtools("Performance.getMetrics", &json!({})).await;
        let metrics = answer["metrics"].as_array().expect("metrics").clone();
        let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name)?["value"].as_f64();
        (of("ThreadTime").expect("processor time, in s"), of("Timestamp").expect("a time, in s"))
    };
    let (used_before, begin) = used().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (used_after, end) = used().await;
    (used_after - used_before) / (end - begin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_stays_responsive_while_ten_thousand_lines_a_second_come() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let main = "n=0; while :; do seq -f 'line %.0f: resizing a picture of some size to a smaller one' $n $((n + 499)); \
                n=$((n + 500)); sleep 0.05; done";
    manager::register(&server, "flood", main).await;
    let flood = manager::start(&server, "flood", "").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{flood}")).await;
    let last = "Number([...document.querySelectorAll('#lines .block .l')].at(-1)?.dataset.n ?? 0)";
    // More than a page keeps.
    until("many lines come", async || browser.eval(last).await.as_u64() > Some(30_000)).await;
    let before = browser.eval(last).await.as_u64().unwrap_or(0);
    let busy = busy(&browser).await;
    let lines = browser.eval(last).await.as_u64().unwrap_or(0) - before;
    let rows = browser.eval("document.querySelectorAll('#lines .l').length").await.as_u64().unwrap_or(u64::MAX);
    assert!(lines > 0, "it follows");
    assert!(rows <= 5_600, "a window of the output is on the page, not {rows} rows");
    assert!(busy < 0.8, "the page has {busy:.2} of its time to do with what comes");
    // What one does is done: the end is let go, and the page stays where it is.
    browser.click("#follow").await;
    browser.until_text("#jump", "new lines").await;
    // It stays so where the page comes to its end: heights that settle scroll as people do.
    let scroll = "addEventListener('scroll', () => requestAnimationFrame(() => arguments[0](follow.checked)), { once: true }); \
                  scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });";
    let follows = browser.client.execute_async(scroll, Vec::new()).await.expect("the page scrolls");
    assert_eq!(follows, false);
    browser.until_text("#jump", "new lines").await;
    browser.click("#jump").await;
    until("it follows again", async || browser.eval("document.getElementById('follow').checked").await == true).await;
    browser.close().await;
}
