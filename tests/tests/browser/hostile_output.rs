//! Output that means no good to the page, or is no text at all.

use pod_tests::Pod;

use crate::{
    browser::{Browser, Scripts},
    manager,
};

const MAIN: &str = r#"
echo '<script>document.title = "taken over"</script><img src=x onerror="document.title=1">'
printf 'bad \xff\xfe\xc3( bytes\n'
printf '\033[31mred\033[0m \033]0;title\007\033[2J\033[?25lplain\033[1A\n'
printf '10%%\r50%%\r99%%\n'
echo 'wrong' >&2
head -c 1000000 /dev/zero | tr '\0' x; echo
echo 'the end'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn output_stays_text_whatever_it_holds() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    manager::register(&server, "hostile", MAIN).await;
    let id = manager::start(&server, "hostile", "</pre><script>document.title = 2</script>").await;
    manager::ended(&server, id).await;
    let browser = Browser::start(server.url(), Scripts::On).await;
    browser.go(&format!("/executions/{id}?view=stdout&line=1")).await;
    browser.until_text("#out-1", "<script>document.title = \"taken over\"</script><img src=x").await;
    browser.until_text("#out-2", "bad \u{fffd}\u{fffd}\u{fffd}( bytes").await;
    browser.until_text("#out-3", "red plain").await;
    assert_eq!(browser.text("#out-3 .f1").await, "red");
    browser.until_text("#out-4", "99%").await;
    assert!(!browser.text("#out-4").await.contains("50%"));
    browser.until_text(".input", "</pre><script>").await;
    assert_eq!(browser.eval("document.title").await, format!("#{id} hostile · POD"));
    assert_eq!(browser.eval("document.querySelectorAll('#lines script, #lines img').length").await, 0);

    // The long line, up to its end: rows by rows, and not one character is missing.
    browser.go(&format!("/executions/{id}?view=stdout")).await;
    browser.until_text("#out-6", "the end").await;
    let length =
        "[...document.querySelectorAll('.l[data-n=\"5\"] code')].reduce((sum, row) => sum + row.textContent.length, 0)";
    for _ in 0..100 {
        if browser.eval(length).await == 1_000_000 {
            break;
        }
        if browser.eval("!document.getElementById('earlier').hidden").await == true {
            browser
                .client
                .execute("document.querySelector('#earlier a').click()", Vec::new())
                .await
                .expect("it clicks");
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(browser.eval(length).await, 1_000_000);

    browser.go(&format!("/executions/{id}?view=stderr")).await;
    browser.until_text("#lines", "wrong").await;
    assert!(browser.find("#out-1.e").await.text().await.expect("it has text").contains("wrong"));
    browser.close().await;
}
