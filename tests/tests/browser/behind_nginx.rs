//! A manager behind nginx: with its defaults, through TLS at a port of its own, and below a path.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use pod_tests::{Nginx, Pod, Server, Tls};
use reqwest::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Scripts, until},
    manager,
};

const TOKEN: &str = "a-very-secret-one";

/// The place where a manager is, passed on with these lines.
fn location(path: &str, server: &Server, to: &str, lines: &str) -> String {
    format!("location {path} {{ proxy_pass {}{to}; {lines} }}\n", server.url())
}

/// A client that takes no redirects and any certificate, and shows the token.
fn program() -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {TOKEN}").parse().expect("a header"));
    manager::client();
    let builder = reqwest::Client::builder().no_gzip().redirect(Policy::none()).tls_danger_accept_invalid_certs(true);
    builder.default_headers(headers).build().expect("a client is made")
}

async fn sign_in(browser: &Browser) {
    browser.type_into("input[name=token]", TOKEN).await;
    browser.click("main button").await;
}

/// All addresses in a page.
const ADDRESSES: &str = "[...document.querySelectorAll('[href], [src], [action], [formaction]')].flatMap((part) => \
     ['href', 'src', 'action', 'formaction'].map((name) => part.getAttribute(name)).filter((address) => address))";

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_below_a_path() {
    let pod = Pod::new();
    let server = pod.serve(&["--token", TOKEN, "--base-path", "/lab/pod"]);
    // The one takes the path off, the other leaves it to the manager.
    for to in ["/", ""] {
        let nginx = Nginx::start(Tls::Off, &location("/lab/pod/", &server, to, "proxy_set_header Host $http_host;"));
        let (url, program) = (format!("{}/lab/pod", nginx.url()), program());
        let browser = Browser::start(&url, Scripts::On).await;
        browser.go("/executions?status=failed").await;
        sign_in(&browser).await;
        until("one is where one wanted to be", async || browser.path().await == "/lab/pod/executions").await;

        // An activity is made, run and watched, by forms, redirects, scripts and streams.
        let name = if to.is_empty() { "kept" } else { "taken" };
        browser.go("/activities/new").await;
        browser.type_into("input[name=name]", name).await;
        browser
            .client
            .execute(
                "document.querySelector('textarea[name=script]').value = arguments[0]",
                vec![json!("printf '%s\\n' 'echo begun' 'sleep 1' 'echo \"<a href=\\\"/x\\\">\"' 'exit 3' > main.sh")],
            )
            .await
            .expect("a script is typed");
        browser.click("main form.fields button.primary").await;
        until("its page is shown", async || browser.path().await == format!("/lab/pod/activities/{name}")).await;
        browser.until_text("main", "approved").await;
        browser.click("form.run button.primary").await;
        until("the execution is shown", async || browser.path().await.starts_with("/lab/pod/executions/")).await;
        let execution = browser.path().await.trim_start_matches("/lab/pod").to_owned();
        browser.until_text("#lines", "begun").await;
        browser.until_text("#lines", "<a href=\"/x\">").await;
        browser.until_text("#state", "failed").await;

        // Whatever a page leads to is below the path, and there.
        let mut seen = BTreeSet::new();
        let mut waiting = vec!["/lab/pod/overview".to_owned(), format!("/lab/pod{execution}"), "/lab/pod/".to_owned()];
        waiting.push(format!("/lab/pod/activities/{name}/delete"));
        waiting.push("/lab/pod/nothing/here".to_owned());
        while let Some(path) = waiting.pop() {
            browser.client.goto(&format!("{}{path}", nginx.url())).await.expect("the page loads");
            for address in browser.eval(ADDRESSES).await.as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(
                    address.starts_with("/lab/pod/") || address.starts_with(['?', '#']),
                    "{path} leads to {address}"
                );
                let plain = address.split('#').next().unwrap_or_default().to_owned();
                if !plain.starts_with('/') || !seen.insert(plain.clone()) {
                    continue;
                }
                let answer = program.get(format!("{}{plain}", nginx.url())).header("accept", "text/html").send().await;
                let answer = answer.expect("nginx answers");
                assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{path} leads to {plain}");
                let is_page =
                    answer.headers().get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8");
                if is_page && answer.status() == StatusCode::OK && seen.len() < 60 {
                    waiting.push(plain);
                }
            }
        }
        assert!(seen.len() > 30, "it was walked through: {seen:?}");

        // An open page hears of news.
        browser.go("/executions").await;
        let started = program.post(format!("{url}/api/v1/executions")).json(&json!({ "activity": name })).send().await;
        let started = started.expect("nginx answers");
        let place = started.headers()[LOCATION].to_str().expect("it is text").to_owned();
        assert!(place.starts_with("/lab/pod/api/v1/executions/"), "{place}");
        browser.until_text("main", "Show 1 new").await;
        assert_eq!(program.get(format!("{}{place}", nginx.url())).send().await.expect("it answers").status(), 200);
        // The theme is remembered below the path, and by nobody else.
        browser.click("form.theme button").await;
        let cookies = browser.client.get_all_cookies().await.expect("there are cookies");
        for cookie in &cookies {
            assert_eq!(cookie.path(), Some("/lab/pod"), "{cookie:?}");
        }
        assert_eq!(cookies.len(), 2, "{cookies:?}");
        browser.close().await;

        let document: Value = program
            .get(format!("{url}/api/v1/openapi.json"))
            .send()
            .await
            .expect("it answers")
            .json()
            .await
            .expect("JSON");
        assert_eq!(document["servers"][0]["url"], "/lab/pod/api/v1");
        let directory = pod.program("hello", "echo \"hello $1\"");
        let run = pod.command(&["run", "--server", &url, &directory, "you"]).env("POD_TOKEN", TOKEN).output();
        assert_eq!(String::from_utf8_lossy(&run.expect("pod runs").stdout), "hello you\n");
    }
    // Beside the proxy it answers as ever.
    let beside = program().get(format!("{}/api/v1/overview", server.url())).send().await.expect("it answers");
    assert_eq!(beside.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_work_through_tls_at_a_port_and_a_lost_port_is_said() {
    let pod = Pod::new();
    let server = pod.serve(&["--token", TOKEN]);
    let lines = "proxy_set_header X-Forwarded-Proto $scheme;";
    let whole =
        Nginx::start(Tls::On, &location("/", &server, "", &format!("{lines} proxy_set_header Host $http_host;")));
    let browser = Browser::start(&whole.url(), Scripts::On).await;
    browser.go("/policies/new").await;
    sign_in(&browser).await;
    browser.type_into("#name", "evening").await;
    browser.click("input[name=kind][value=fixed]").await;
    browser.find("#workers").await.clear().await.expect("a field can be emptied");
    browser.type_into("#workers", "1").await;
    browser.click("main form.fields button.primary").await;
    browser.until_text(".flash", "evening").await;
    browser.click("form.theme button").await;
    browser.eval("document.documentElement.dataset.theme").await;
    for cookie in browser.client.get_all_cookies().await.expect("there are cookies") {
        assert_eq!(cookie.secure(), Some(true), "{cookie:?}");
        assert_eq!(cookie.same_site().map(|site| site.to_string()).as_deref(), Some("Lax"), "{cookie:?}");
    }
    browser.close().await;

    // The commonest line of guides drops the port.
    let cut = Nginx::start(Tls::On, &location("/", &server, "", &format!("{lines} proxy_set_header Host $host;")));
    let browser = Browser::start(&cut.url(), Scripts::On).await;
    browser.go("/overview").await;
    sign_in(&browser).await;
    browser.until_text("h1", "Refused").await;
    let said = browser.text(".lead").await;
    for part in [cut.url().as_str(), "\"127.0.0.1\"", "port"] {
        assert!(said.contains(part), "{part} is named: {said}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_prints_comes_through_nginx_while_it_runs() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let stop = pod.path("stop").display().to_string();
    let waiting = format!("echo first; echo wrong >&2; while [ ! -e '{stop}' ]; do sleep 0.1; done; echo last");
    manager::register(&server, "waiting", &waiting).await;
    let id = manager::start(&server, "waiting", "").await;
    // Its defaults: answers are buffered, and the host's name is that of the upstream.
    let nginx = Nginx::start(Tls::Off, &location("/", &server, "", ""));
    let url = nginx.url();

    let raw = manager::client().get(format!("{url}/api/v1/executions/{id}/output?stream=stdout&follow=true"));
    let mut raw = raw.send().await.expect("nginx answers");
    assert_eq!(raw.chunk().await.expect("it comes").as_deref(), Some(&b"first\n"[..]));

    let directory = pod.program("waits", &waiting);
    let (id, logs) = (id.to_string(), ["logs", "-f", "--server", &url]);
    for arguments in [[&logs[..], &[&id]].concat(), vec!["run", "--server", &url, &directory]] {
        // Both streams go to places of their own.
        let mut command = pod.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pod runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "first\n", "{arguments:?}");
        assert!(child.try_wait().expect("it is known").is_none(), "it follows: {arguments:?}");
        fs::write(&stop, "").expect("the directory takes a file");
        stdout.read_to_string(&mut line).expect("it can be read");
        assert_eq!(line, "first\nlast\n", "{arguments:?}");
        assert!(child.wait().expect("it ends").success(), "{arguments:?}");
        fs::remove_file(&stop).expect("it is there");
    }
    assert_eq!(raw.chunk().await.expect("it comes").as_deref(), Some(&b"last\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_scripts_of_others_and_long_ones_are_compressed() {
    let pod = Pod::new();
    let server = pod.serve(&["--token", TOKEN]);
    let program = program();
    let script = "printf '%s\\n' 'seq 2000' > main.sh";
    let made = json!({ "name": "much", "script": script });
    program.post(format!("{}/api/v1/activities", server.url())).json(&made).send().await.expect("it answers");
    let started =
        program.post(format!("{}/api/v1/executions", server.url())).json(&json!({ "activity": "much" })).send();
    let started: Value = started.await.expect("it answers").json().await.expect("JSON");
    let execution = format!("/executions/{}", started["id"]);
    let ended = program.get(format!("{}/api/v1{execution}?wait=50", server.url())).send().await.expect("it answers");
    assert_eq!(ended.status(), StatusCode::OK);
    let raw = format!("/api/v1{execution}/output?stream=stdout");
    for (method, path, accept, compressed) in [
        ("GET", "/overview", "text/html", true),
        ("GET", execution.as_str(), "text/html", true),
        ("GET", "/api/v1/openapi.json", "*/*", true),
        ("GET", "/api/v1/overview", "*/*", false),
        ("GET", raw.as_str(), "*/*", false),
        ("GET", "/stream?of=workers", "*/*", false),
        ("GET", "/api/v1/events", "*/*", false),
        ("GET", "/metrics", "*/*", false),
        ("GET", "/healthz", "*/*", false),
        ("GET", "/assets/missing", "*/*", false),
        ("GET", "/nothing/here", "text/html", true),
        ("GET", "/api/v1/nothing", "*/*", false),
        ("GET", "/POD/?action=getWorkers", "*/*", false),
        ("GET", "/POD/?action=nonsense", "*/*", false),
        ("POST", "/theme", "text/html", true),
        ("POST", "/logout", "*/*", false),
        ("PATCH", "/api/v1/executions", "*/*", false),
    ] {
        let method = method.parse().expect("a method");
        let request = program.request(method, format!("{}{path}", server.url())).header("accept", accept);
        let answer = request.header("accept-encoding", "gzip").send().await.expect("it answers");
        let headers = answer.headers();
        let policy = headers.get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()).unwrap_or_default();
        assert!(policy.contains("default-src"), "{path}: {headers:?}");
        let is_compressed = headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
        assert_eq!(is_compressed, compressed, "{path}: {headers:?}");
    }
    let refused = manager::client().get(format!("{}/overview", server.url())).send().await.expect("it answers");
    assert!(refused.headers().contains_key(CONTENT_SECURITY_POLICY) && refused.status() == StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_forms_carry_is_another_text_in_every_answer_and_good_in_each() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let client = program();
    let mut tokens = BTreeSet::new();
    for _ in 0..3 {
        let page = client.get(format!("{}/help", server.url())).send().await.expect("it answers");
        let page = page.text().await.expect("it is text");
        let (_, token) = page.split_once("name=\"form\" value=\"").expect("a form has its token");
        tokens.insert(token.split('"').next().unwrap_or_default().to_owned());
    }
    assert_eq!(tokens.len(), 3, "{tokens:?}");
    let first = tokens.first().expect("there is one").clone();
    let halves = first.split_at(first.len() / 2);
    let post = async |token: &str| {
        let form = [("form", token), ("theme", "dark")];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client.post(format!("{}/theme", server.url())).body(body);
        request.header("content-type", "application/x-www-form-urlencoded").send().await.expect("it answers")
    };
    for token in &tokens {
        let answer = post(token).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{token}");
        assert!(answer.headers()[SET_COOKIE].to_str().expect("text").starts_with("pod_theme_"));
    }
    for wrong in
        ["", "00", halves.0, &format!("{}{}", halves.1, halves.0).replace('0', "1"), &format!("{first}00"), "ää"]
    {
        assert_eq!(post(wrong).await.status(), StatusCode::FORBIDDEN, "{wrong}");
    }
}
