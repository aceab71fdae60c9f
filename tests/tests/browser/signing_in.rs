//! Signing in with a token, and forms of other sites.

use pod_tests::Pod;

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

async fn sign_in(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&["--token", "a-very-secret-one"]);
    let browser = Browser::start(server.url(), scripts).await;
    browser.go("/workers").await;
    browser.type_into("input[name=token]", "not this one").await;
    browser.click("main button").await;
    browser.until_text("main [role=alert]", "not the token").await;
    browser.type_into("input[name=token]", "a-very-secret-one").await;
    browser.click("main button").await;
    until("one is where one wanted to be", async || browser.path().await == "/workers").await;
    browser.until_text("h1", "Workers").await;
    browser.click("form[action='/logout'] button").await;
    until("one is asked again", async || browser.path().await == "/login").await;
    browser.go("/workers").await;
    browser.find("input[name=token]").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signs_in_and_out() {
    sign_in(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signs_in_and_out_without_scripts() {
    sign_in(Scripts::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_post_a_form() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "quick", "true").await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go("/activities/quick").await;
    let token = browser.eval("document.querySelector('form.run input[name=form]').value").await;
    let token = token.as_str().expect("a form carries its token").to_owned();
    let page = format!(
        "data:text/html,<form method=post action='{}/activities/quick/run'><input name=form value={token}>\
         <input name=input value=evil><button>ok</button></form>",
        server.url()
    );
    browser.client.goto(&page).await.expect("the page loads");
    browser.click("button").await;
    browser.until_text("body", "another").await;
    let listed = manager::get(&server, "/api/v1/executions").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(0), "nothing was run: {listed}");
    browser.close().await;
}
