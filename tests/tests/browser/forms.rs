//! Activities and policies, made, changed and deleted by their forms, with scripts and without.

use pod_tests::Pod;

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

const SAVE: &str = "main form.fields button.primary";

/// Puts another text into a field.
async fn retype(browser: &Browser, css: &str, text: &str) {
    browser.find(css).await.clear().await.expect("a field can be emptied");
    browser.type_into(css, text).await;
}

async fn an_activity_through_its_life(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let browser = Browser::start(server.url(), scripts).await;
    browser.go("/activities/new").await;
    browser.type_into("#name", "no good").await;
    browser.type_into("#script", "echo 'looking for a tool'; sleep 2; exit 7").await;
    browser.click(SAVE).await;
    // What is wrong is said beside the field, and what was typed is there still.
    browser.until_text("#name ~ .error", "is not allowed").await;
    assert_eq!(browser.value("#script").await, "echo 'looking for a tool'; sleep 2; exit 7");
    retype(&browser, "#name", "tool").await;
    browser.click(SAVE).await;
    // Its installation is watched, and why it is rejected is said.
    browser.until_text("#standing .log", "looking for a tool").await;
    browser.until_text("#standing .flash-refused", "It was rejected.").await;
    browser.until_text("#standing .flash-refused", "exit code 7").await;

    browser.click(".actions a[href$='/edit']").await;
    browser.until_text("h1", "Edit tool").await;
    retype(&browser, "#script", "echo 'echo fixed' > main.sh").await;
    browser.click(SAVE).await;
    browser.until_text(".flash", "Revision 2 of tool").await;
    browser.until_text("#standing", "approved").await;
    browser.go("/activities/tool/revisions/2?against=1").await;
    browser.until_text(".diff .removed", "looking for a tool").await;
    browser.until_text(".diff .added", "echo fixed").await;

    browser.go("/activities/tool").await;
    browser.click(".actions a[href$='/delete']").await;
    browser.until_text("h1", "Delete tool?").await;
    browser.click(".question .quiet").await;
    until("one is back", async || browser.path().await == "/activities/tool").await;
    browser.click(".actions a[href$='/delete']").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "tool is being removed").await;
    until("it is gone", async || {
        manager::get(&server, "/api/v1/activities/tool").await["type"] == "urn:pod:problem:no-such-activity"
    })
    .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_rejected_mended_and_deleted() {
    an_activity_through_its_life(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_rejected_mended_and_deleted_without_scripts() {
    an_activity_through_its_life(Scripts::Off).await;
}

async fn a_policy_through_its_life(scripts: Scripts) {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let workers = async |wanted: usize| {
        until(&format!("{wanted} workers are there"), async || {
            let overview = manager::get(&server, "/api/v1/overview").await;
            overview["workers"]["ready"].as_u64() == Some(wanted as u64)
        })
        .await;
    };
    workers(1).await;
    let browser = Browser::start(server.url(), scripts).await;
    browser.go("/policies/new").await;
    browser.type_into("#name", "more").await;
    browser.type_into("#workers", "many").await;
    browser.click(SAVE).await;
    browser.until_text("#workers ~ .error", "is not a whole number").await;
    assert_eq!(browser.value("#name").await, "more");
    retype(&browser, "#workers", "3").await;
    browser.click("button[name=preview]").await;
    browser.until_text("section[aria-labelledby=preview]", "2 workers would be launched at once").await;
    browser.click(SAVE).await;
    browser.until_text(".flash", "more was made.").await;
    workers(1).await;

    browser.click("a[href='/policies/more/apply']").await;
    browser.until_text(".question", "2 workers would be launched at once").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "more is the active policy").await;
    workers(3).await;

    browser.go("/policies/more/edit").await;
    retype(&browser, "#workers", "2").await;
    browser.click(SAVE).await;
    browser.until_text(".flash", "more was changed; the fleet is brought to it.").await;
    workers(2).await;

    browser.click("form[action='/policies/reset'] button").await;
    browser.until_text(".flash", "The default policy is the active one again.").await;
    workers(1).await;

    browser.click("a[href='/policies/more/delete']").await;
    browser.until_text(".question", "It is not active").await;
    browser.click(".question button").await;
    browser.until_text(".flash", "more was deleted.").await;
    browser.go("/workers").await;
    browser.until_text("#gone-list", "let go").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_previewed_applied_changed_reset_and_deleted() {
    a_policy_through_its_life(Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_previewed_applied_changed_reset_and_deleted_without_scripts() {
    a_policy_through_its_life(Scripts::Off).await;
}
