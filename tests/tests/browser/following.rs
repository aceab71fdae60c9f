//! Output that is watched while it is printed.

use std::fs;

use pod_tests::Pod;

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// Prints a number at a time until a file tells it to stop.
fn counting(stop: &str) -> String {
    format!("i=0; while [ ! -e '{stop}' ]; do i=$((i + 1)); echo \"line $i\"; sleep 0.05; done; echo the end")
}

/// The numbers of all lines on the page, in order.
const NUMBERS: &str = "[...document.querySelectorAll('#lines .block .l')].map((row) => row.textContent.trim())";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_a_program_through_the_end_of_its_manager() {
    let pod = Pod::new();
    let stop = pod.path("stop").display().to_string();
    let server = pod.serve(&[]);
    let address = server.url().trim_start_matches("http://").to_owned();
    manager::register(&server, "counting", &counting(&stop)).await;
    let id = manager::start(&server, "counting", "").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{id}")).await;
    browser.until_text("#lines", "line 5").await;
    browser.until_text("#state", "running").await;

    server.kill();
    browser.until_text("#connection", "reconnecting").await;
    let server = pod.serve_at(&address, &[]);
    until("the page goes on", async || browser.text("#connection").await.is_empty()).await;
    fs::write(&stop, "").expect("the directory takes a file");
    manager::ended(&server, id).await;
    browser.until_text("#lines", "the end").await;
    browser.until_text("#state", "finished").await;

    let shown = browser.eval(NUMBERS).await;
    let shown: Vec<&str> = shown.as_array().expect("a list").iter().filter_map(|row| row.as_str()).collect();
    let (last, rows) = shown.split_last().expect("there are rows");
    for (at, row) in rows.iter().enumerate() {
        let number = at + 1;
        assert_eq!(*row, format!("{number}line {number}"), "no line is missing, and none is there twice");
    }
    assert_eq!(*last, format!("{}the end", rows.len() + 1));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrolling_up_lets_the_end_go_and_a_button_takes_it_up_again() {
    let pod = Pod::new();
    let stop = pod.path("stop").display().to_string();
    let server = pod.serve(&[]);
    manager::register(&server, "counting", &format!("seq -f 'before %.0f' 500; {}", counting(&stop))).await;
    let id = manager::start(&server, "counting", "").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{id}")).await;
    until("the end is followed", async || {
        browser.eval("document.getElementById('follow').checked && scrollY > 1000").await == true
    })
    .await;
    browser.eval("scrollTo({ top: 400, behavior: 'instant' })").await;
    until("the end is let go", async || browser.eval("document.getElementById('follow').checked").await == false).await;
    browser.until_text("#jump", "new lines").await;
    assert_eq!(browser.eval("scrollY").await, 400, "what is read stays where it is");
    browser.click("#jump").await;
    until("the end is followed again", async || {
        browser.eval("document.getElementById('follow').checked && innerHeight + scrollY >= document.documentElement.scrollHeight - 100").await
            == true
    })
    .await;
    fs::write(&stop, "").expect("the directory takes a file");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_show_their_end_at_once_and_any_line_when_asked() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "much", "seq -f 'number %09.0f and some more text that makes it long' 1800000").await;
    let id = manager::start(&server, "much", "").await;
    manager::ended(&server, id).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{id}")).await;
    browser.until_text("#lines .block:nth-last-child(2) .l:last-child", "number 001800000").await;
    let rows = browser.eval("document.querySelectorAll('.l').length").await.as_u64().expect("a number");
    assert!(rows < 5000, "{rows} rows for the end of the output");

    browser.client.execute("scrollTo(0, 0)", Vec::new()).await.expect("it scrolls");
    browser.click("#earlier a").await;
    until("more is there", async || browser.eval("document.querySelectorAll('.l').length").await.as_u64() > Some(rows))
        .await;
    let gaps = "[...document.querySelectorAll('.l')].map((row) => +row.dataset.n).every((n, at, all) => at === 0 || n === all[at - 1] + 1)";
    assert_eq!(browser.eval(gaps).await, true, "rows that are loaded join on");

    // However far back one goes, a window of it is on the page.
    let first = "Number(document.querySelector('.l').dataset.n)";
    let end = browser.eval(first).await.as_u64().expect("a number");
    let earlier = "document.querySelector('#earlier a').click()";
    until("one goes back by more than a page keeps", async || {
        browser.client.execute(earlier, Vec::new()).await.expect("it clicks");
        browser.eval(first).await.as_u64().is_some_and(|first| first + 25_000 < end)
    })
    .await;
    let rows = browser.eval("document.querySelectorAll('.l').length").await.as_u64().expect("a number");
    assert!(rows <= 21_500, "{rows} rows are on the page");
    assert_eq!(browser.eval(gaps).await, true, "rows that are loaded join on");

    browser.type_into("input[name=q]", "number 000123456 and\n").await;
    browser.until_text(".found", "One line holds").await;
    let link = browser.text(".found li a").await;
    browser.click(".found li a").await;
    browser.until_text(&format!("#out-{link}"), "number 000123456 and").await;
    browser.close().await;
}
