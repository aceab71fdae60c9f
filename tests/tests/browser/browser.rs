//! A browser of its own for a test: started with a fresh profile, and ended with the test.

use std::{
    future::Future,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Only so that a test that hangs fails with its name: nothing is expected to take as long.
const HANGS: Duration = Duration::from_secs(60);

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// A browser. Ended by [`Browser::close`], or with the test.
pub(crate) struct Browser {
    pub(crate) client: Client,
    url: String,
    driver: Driver,
}

/// The driver's process, and with it the browser's.
struct Driver {
    process: Child,
    profile: TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // The browser lives on without its driver where a test fails before it has closed it.
        pod_tests::end_all(self.profile.path());
    }
}

impl Browser {
    /// Starts one; pages are of the manager at this address.
    pub(crate) async fn start(url: &str, scripts: Scripts) -> Self {
        let profile = tempfile::tempdir().expect("a directory can be made");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs; tests/run installs it (Debian package chromium-driver)");
        let port = port_of(&mut process);
        let driver = Driver { process, profile };
        let mut arguments = vec![
            "--headless".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1400,900".to_owned(),
            // That of a proxy of a test is signed by nobody.
            "--ignore-certificate-errors".to_owned(),
            // A name of another site that leads to this machine.
            "--host-resolver-rules=MAP rebound.test 127.0.0.1".to_owned(),
            format!("--user-data-dir={}", driver.profile.path().display()),
        ];
        if rustix::process::getuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let mut options = json!({ "args": arguments });
        if scripts == Scripts::Off {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(connector)
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser starts");
        Self { client, url: url.to_owned(), driver }
    }

    /// Goes to a page of the manager.
    pub(crate) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.url)).await.expect("the page loads");
    }

    /// The path of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("there is a page");
        url.path().to_owned()
    }

    /// An element that is there, or comes.
    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(HANGS).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{css} does not come: {error}\n{}", self.text("body").await),
        }
    }

    /// Clicks on an element that is there, or comes.
    pub(crate) async fn click(&self, css: &str) {
        let deadline = Instant::now() + HANGS;
        loop {
            // A part of the page may just be put in place anew.
            match self.find(css).await.click().await {
                Ok(()) => return,
                Err(error) => assert!(Instant::now() < deadline, "{css} cannot be clicked: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.expect("a field takes text");
    }

    /// What a person reads in an element; nothing where it is not there.
    pub(crate) async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// What is typed into a field.
    pub(crate) async fn value(&self, css: &str) -> String {
        let value = self.find(css).await.prop("value").await.expect("the field is there");
        value.unwrap_or_default()
    }

    /// Waits until an element holds this text.
    pub(crate) async fn until_text(&self, css: &str, text: &str) {
        until(&format!("{css} holds {text:?}"), async || self.text(css).await.contains(text)).await;
    }

    /// The value of an expression on the page.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression};"), Vec::new()).await.expect("the expression has a value")
    }

    /// Sends a command of the developer tools; its answer.
    pub(crate) async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let command = Devtools { command: command.to_owned(), parameters: parameters.clone() };
        self.client.issue_cmd(command).await.expect("the developer tools take it")
    }

    /// Ends it.
    pub(crate) async fn close(self) {
        let _ = self.client.close().await;
        drop(self.driver);
    }
}

/// A command of Chromium's developer tools, which its driver passes on.
#[derive(Clone, Debug)]
struct Devtools {
    command: String,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()))
    }
}

/// Where the driver listens; it says so when it does.
fn port_of(process: &mut Child) -> u16 {
    let stdout = process.stdout.take().expect("stdout is a pipe");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let port =
        lines.find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
    // It is read to its end: a full pipe must not hold the driver up.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver says where it listens")
}

/// Waits for something to come true.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_true: impl FnMut() -> F) {
    let deadline = Instant::now() + HANGS;
    while !is_true().await {
        assert!(Instant::now() < deadline, "it does not come true that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
