//! Links, pages of other sites, and addresses that are typed: nothing in a browser starts anything by itself.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use pod_tests::{Pod, Server};

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

/// A site of its own, at a name of its own, which has one page; what is in `{}` is the manager's address.
fn other_site(page: &str, manager: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://localhost:{}/", listener.local_addr().expect("it has an address").port());
    let page = page.replace("{}", manager);
    // Ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: ";
            let _ = write!(stream, "{head}{}\r\n\r\n{page}", page.len());
        }
    });
    address
}

async fn count(server: &Server) -> usize {
    manager::get(server, "/api/v1/executions").await["items"].as_array().map_or(0, Vec::len)
}

const RUN: &str = "/POD/?action=newExecution&name=quick&input=Ada";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_would_run_something_asks_first() {
    for scripts in [Scripts::On, Scripts::Off] {
        let pod = Pod::new();
        let server = pod.serve(&[]);
        manager::register(&server, "quick", "true").await;
        let browser = Browser::start(server.url(), scripts).await;
        browser.go(RUN).await;
        browser.until_text("h1", "Run quick?").await;
        browser.until_text(".question", "with the input Ada").await;
        browser.click(".question .quiet").await;
        until("one is back", async || browser.path().await == "/overview").await;
        assert_eq!(count(&server).await, 0, "being asked runs nothing");

        let site = other_site("<a href='{}/POD/?action=newExecution&name=quick&input=Ada'>look</a>", server.url());
        browser.client.goto(&site).await.expect("the page loads");
        browser.click("a").await;
        browser.until_text("h1", "Run quick?").await;
        assert_eq!(count(&server).await, 0, "neither does a link");
        browser.click(".question button").await;
        browser.until_text("body", "\"execution\"").await;
        assert_eq!(count(&server).await, 1, "a person's word does");
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_runs_nothing() {
    const ALL: &str = "<!doctype html><title>0</title><body><script>\
        const run = '{}/POD/?action=newExecution&name=quick&input=';\
        const done = () => { document.title = +document.title + 1; };\
        const add = (kind, set) => { const e = document.createElement(kind); e.onload = e.onerror = done;\
          set(e); document.body.append(e); };\
        add('img', e => e.src = run + 'image');\
        add('iframe', e => e.src = run + 'frame');\
        add('script', e => e.src = run + 'script');\
        add('link', e => { e.rel = 'stylesheet'; e.href = run + 'style'; });\
        add('link', e => { e.rel = 'prefetch'; e.href = run + 'prefetch'; });\
        const json = '{\"activity\":\"quick\"}';\
        for (const options of [{ mode: 'no-cors' }, { mode: 'no-cors', credentials: 'include' }, { mode: 'cors' },\
            { mode: 'no-cors', method: 'POST' }])\
          fetch(run + 'fetch', options).then(done, done);\
        for (const type of ['text/plain', 'application/x-www-form-urlencoded'])\
          fetch('{}/api/v1/executions', { mode: 'no-cors', method: 'POST', body: json, headers: { 'content-type': type } })\
            .then(done, done);\
        fetch('{}/api/v1/executions', { method: 'POST', body: json, headers: { 'content-type': 'application/json' } })\
          .then(done, done);\
        fetch('{}/api/v1/activities/quick', { method: 'DELETE' }).then(done, done);\
        navigator.sendBeacon('{}/api/v1/executions', json);\
        </script>";
    const FORM: &str = "<form method=post enctype='text/plain' action='{}/api/v1/executions'>\
        <input name='{\"activity\":\"quick\",\"input\":\"' value='\"}'><button>ok</button></form>";
    const ACTION: &str = "<form method=post action='{}/POD/'><input name=action value=newExecution>\
        <input name=name value=quick><button>ok</button></form>";
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "true").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.client.goto(&other_site(ALL, server.url())).await.expect("the page loads");
    until("all was tried", async || {
        let title = browser.eval("document.title").await;
        title.as_str().and_then(|title| title.parse::<u32>().ok()).is_some_and(|tried| tried >= 12)
    })
    .await;
    for form in [FORM, ACTION] {
        browser.client.goto(&other_site(form, server.url())).await.expect("the page loads");
        browser.click("button").await;
        browser.until_text("body", "another site").await;
    }
    // A name that leads here by the doing of another site.
    let port = server.url().rsplit(':').next().expect("it has a port").to_owned();
    browser.client.goto(&format!("http://rebound.test:{port}{RUN}")).await.expect("the page loads");
    browser.until_text("body", "rebound.test").await;
    assert_eq!(count(&server).await, 0, "nothing was run");
    assert_eq!(manager::get(&server, "/api/v1/activities/quick").await["status"], "approved");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_site_leads_into_the_session() {
    let pod = Pod::new();
    let server = pod.serve(&["--token", "a-very-secret-one"]);
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go("/workers").await;
    browser.type_into("input[name=token]", "a-very-secret-one").await;
    browser.click("main button").await;
    browser.until_text("h1", "Workers").await;
    browser
        .client
        .goto(&other_site("<a href='{}/executions?status=failed'>look</a>", server.url()))
        .await
        .expect("it loads");
    browser.click("a").await;
    browser.until_text("h1", "Executions").await;
    browser.close().await;
}
