//! What one does with an execution, with scripts and without.

use pod_tests::Pod;

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

async fn terminate_and_run_again(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "napping", "echo \"good night $1\"; sleep 1000").await;
    let id = manager::start(&server, "napping", "<b>world</b>").await;
    let browser = Browser::start(server.url(), scripts).await;
    browser.go(&format!("/executions/{id}")).await;
    // Before it has ended; without scripts the page asks for itself again.
    browser.until_text("#lines", "good night <b>world</b>").await;
    browser.until_text("#state", "running").await;

    browser.click(".ask summary").await;
    browser.click(".ask button").await;
    browser.until_text(".flash", &format!("Execution #{id} is being terminated")).await;
    browser.until_text("#state", "terminated").await;
    browser.until_text("#story", "Terminated because someone asked.").await;

    browser.click("#actions button").await;
    browser.until_text(".flash", &format!("runs #{id} again")).await;
    let again = browser.path().await;
    assert_eq!(again, format!("/executions/{}", id + 1));
    browser.until_text("#lines", "good night <b>world</b>").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_terminated_and_run_again() {
    terminate_and_run_again(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_terminated_and_run_again_without_scripts() {
    terminate_and_run_again(Scripts::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_long_output_is_reached_by_links_without_scripts() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "much", "seq -f 'number %.0f' 20000").await;
    let id = manager::start(&server, "much", "").await;
    manager::ended(&server, id).await;
    let browser = Browser::start(server.url(), Scripts::Off).await;
    browser.go(&format!("/executions/{id}")).await;
    browser.until_text("#lines", "number 20000").await;
    let mut pages = 1;
    while browser.client.find(fantoccini::Locator::Css("#earlier:not([hidden]) a")).await.is_ok() {
        let path = browser.client.current_url().await.expect("there is a page");
        browser.click("#earlier a").await;
        until("the page changes", async || browser.client.current_url().await.ok().as_ref() != Some(&path)).await;
        pages += 1;
        assert!(pages < 50, "the links lead to the beginning");
    }
    assert!(pages > 3, "it does not come at once");
    browser.until_text("#out-1", "number 1").await;
    browser.close().await;
}

async fn run_by_the_form(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let browser = Browser::start(server.url(), scripts).await;
    browser.go("/activities/new").await;
    browser.type_into("#name", "greeting").await;
    browser.type_into("#script", "printf '#!/bin/sh\\necho \"hello $1\"\\nsleep 1000\\n' > main.sh").await;
    browser.click("main form.fields button.primary").await;
    // Verified while one looks on.
    browser.until_text("main", "approved").await;
    browser.type_into("#input", "form").await;
    browser.click("form.run button.primary").await;
    browser.until_text("#lines", "hello form").await;
    browser.until_text("#state", "running").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_made_and_run_by_forms_and_shows_its_output_before_it_ends() {
    run_by_the_form(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_made_and_run_by_forms_without_scripts() {
    run_by_the_form(Scripts::Off).await;
}

async fn apply_a_policy(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let browser = Browser::start(server.url(), scripts).await;
    browser.go("/policies/new").await;
    browser.type_into("#name", "two").await;
    browser.click("input[name=kind][value=fixed]").await;
    browser.find("#workers").await.clear().await.expect("a field can be emptied");
    browser.type_into("#workers", "2").await;
    browser.click("main form.fields button.primary").await;
    browser.until_text("main", "two").await;
    browser.go("/policies/two/apply").await;
    browser.until_text("main", "2").await;
    browser.click("main form button").await;
    browser.until_text(".flash", "two").await;
    browser.go("/workers").await;
    until("two workers are ready", async || {
        if scripts == Scripts::Off {
            browser.go("/workers").await;
        }
        browser.text("main").await.matches("ready").count() >= 2
    })
    .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_applied_and_its_workers_appear() {
    apply_a_policy(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_applied_without_scripts() {
    apply_a_policy(Scripts::Off).await;
}
