//! The dashboard as a browser without a script sees it: pages, filters, forms, messages.

use pod_server::config::Secret;
use reqwest::{RequestBuilder, Response};
use serde_json::json;

use crate::server::Server;

/// A page as text, and its status.
async fn page(server: &Server, path: &str) -> (u16, String) {
    let answer = server.request("GET", path).header("accept", "text/html").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What every form of a page carries.
async fn token(server: &Server) -> String {
    let (_, help) = page(server, "/help").await;
    let (_, rest) = help.split_once("name=\"form\" value=\"").expect("a form carries its token");
    rest.split('"').next().unwrap().to_owned()
}

/// A request with a form in it.
fn filled(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

async fn post(server: &Server, path: &str, fields: &[(&str, &str)]) -> Response {
    let form = token(server).await;
    let fields = fields.iter().copied().chain([("form", form.as_str())]);
    filled(server.request("POST", path), &fields.collect::<Vec<_>>()).send().await.unwrap()
}

fn place(answer: &Response) -> &str {
    assert_eq!(answer.status(), 303, "an action leads to a page");
    answer.headers()["location"].to_str().unwrap()
}

/// The message that an action leaves for the next page, and that it is shown once.
async fn message(server: &Server, answer: &Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    // A page that is still open may ask for its parts meanwhile.
    let part = server.request("GET", place(answer)).header("cookie", &cookie).header("sec-fetch-dest", "empty");
    assert!(!part.send().await.unwrap().headers().contains_key("set-cookie"), "the message is still to be shown");
    let next = server.request("GET", place(answer)).header("cookie", cookie).header("accept", "text/html");
    let next = next.send().await.unwrap();
    let gone = next.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(gone.starts_with("pod_flash_") && gone.contains("=;") && gone.contains("Max-Age=0"), "{gone}");
    let text = next.text().await.unwrap();
    let (_, flash) = text.split_once("<div class=\"flash").expect("the message is on the page");
    let (_, rest) = flash.split_once("<p>").unwrap();
    rest.split("</p>").next().unwrap().to_owned()
}

#[tokio::test]
async fn every_page_is_there_and_strict() {
    let server = Server::start().await;
    server.approved("echo", "echo 'echo $1' > main.sh").await;
    for path in [
        "/",
        "/overview",
        "/activities",
        "/activities/new",
        "/activities/echo",
        "/activities/echo/edit",
        "/activities/echo/delete",
        "/executions",
        "/workers",
        "/workers/1",
        "/workers/1/drain",
        "/policies",
        "/policies/new",
        "/policies/default/delete",
        "/events",
        "/help",
        "/activities/echo/installations/1",
    ] {
        let answer = server.request("GET", path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        let text = answer.text().await.unwrap();
        assert!(text.starts_with("<!doctype html>") && text.contains("<h1>"), "{path}");
        assert!(!text.contains("style=") && !text.contains("onclick") && !text.contains("<script>"), "{path}");
    }
    for path in ["/nope", "/activities/nope", "/workers/99", "/workers/x", "/policies/nope/apply"] {
        let (status, text) = page(&server, path).await;
        assert!(status == 404 && text.contains("class=\"rail\""), "{path}: {status}");
    }
    // Others than browsers get what they always got.
    assert_eq!(server.get("/").await.text().await.unwrap(), "Welcome to Processing On Demand");
    assert_eq!(server.get("/nope").await.headers()["content-type"], "application/problem+json");
    let action = server.request("GET", "/?action=getWorkers").header("accept", "text/html").send().await.unwrap();
    assert_eq!(action.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn style_and_script_are_kept_and_found_by_their_content() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    let (_, text) = page(&server, "/").await;
    let mut size = text.len();
    for start in ["/assets/pod.css?v=", "/assets/pod.js?v=", "/assets/icons.svg?v="] {
        let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} is named"));
        let hash: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        assert!(hash.len() >= 8, "{start}{hash}");
        // Also before one has signed in: the form has a style.
        let file = server.anonymous("GET", &format!("{start}{hash}")).send().await.unwrap();
        assert_eq!(file.status(), 200, "{start}");
        assert!(file.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        size += file.bytes().await.unwrap().len();
    }
    assert!(size < 100 << 10, "the first paint takes {size} bytes");
    assert_eq!(server.anonymous("GET", "/assets/../secret").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_activity_is_made_run_changed_and_deleted_by_forms() {
    let server = Server::start().await;
    let script = "echo 'echo \"got $1\"' > main.sh";
    let made = post(&server, "/activities/new", &[("name", "form"), ("source", "script"), ("script", script)]).await;
    assert_eq!(place(&made), "/activities/form");
    assert_eq!(message(&server, &made).await, "form was registered and is installed on one worker first.");
    server.status_becomes("form", "approved").await;

    let ran = post(&server, "/activities/form/run", &[("input", "a\r\nb")]).await;
    assert_eq!(place(&ran), "/executions/1");
    let ended = server.ended(1).await;
    assert_eq!((&ended["status"], &ended["input"]), (&json!("finished"), &json!("a\nb")));
    let ran = post(&server, "/activities/form/run", &[("input", "x\r\ny\r\n\r\nz"), ("each", "line")]).await;
    assert_eq!(place(&ran), "/executions?activity=form");
    assert_eq!(message(&server, &ran).await, "3 executions of form were submitted, #2 to #4.");

    let changed = [("source", "script"), ("script", "echo 'exit 4' > main.sh"), ("timeout", "2.5"), ("env", "A=b=c")];
    let saved = post(&server, "/activities/form/edit", &changed).await;
    assert_eq!(place(&saved), "/activities/form");
    let shown = server
        .eventually(async || {
            let (_, shown) = server.api("GET", "/activities/form", None).await;
            (shown["revision"] == 2).then_some(shown)
        })
        .await;
    assert_eq!(
        (&shown["timeoutSeconds"], &shown["env"]),
        (&json!(2.5), &json!({ "A": { "masked": true } })),
        "{shown}"
    );

    let (_, question) = page(&server, "/activities/form/delete").await;
    assert!(question.contains("Delete form?"), "{question}");
    let deleted = post(&server, "/activities/form/delete", &[]).await;
    assert_eq!(place(&deleted), "/activities");
    server.eventually(async || (server.api("GET", "/activities/form", None).await.0 == 404).then_some(())).await;
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays() {
    let server = Server::start().await;
    for (fields, said) in [
        (vec![("name", "a b"), ("source", "script"), ("script", "keep me <&>")], "is not allowed"),
        (
            vec![("name", "x"), ("source", "url"), ("url", "ftp://keep.me/"), ("script", "keep me <&>")],
            "role=\"alert\"",
        ),
        (vec![("name", "x"), ("source", "script"), ("script", " "), ("env", "keep me <&>")], "leaves a main.sh"),
        (vec![("name", "x"), ("script", "keep me <&>"), ("timeout", "soon")], "number of seconds"),
        (vec![("name", "x"), ("script", "keep me <&>"), ("env", "novalue")], "is not NAME=VALUE"),
    ] {
        let answer = post(&server, "/activities/new", &fields).await;
        assert_eq!(answer.status(), 422, "{fields:?}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{fields:?}");
        assert!(text.contains("keep me &#60;&#38;&#62;") || text.contains("keep me &lt;&amp;&gt;"), "{text}");
    }
    let twice = [("name", "p"), ("kind", "fixed"), ("workers", "many")];
    let text = post(&server, "/policies/new", &twice).await.text().await.unwrap();
    assert!(text.contains("is not a whole number") && text.contains("value=\"many\""), "{text}");
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let server = Server::start().await;
    server.approved("echo", "echo 'echo hi' > main.sh").await;
    let run = |form: &str| {
        let fields = [("input", "x"), ("form", form)];
        filled(server.request("POST", "/activities/echo/run"), &fields)
    };
    let good = token(&server).await;
    for wrong in ["", "wrong", &good[1..], &format!("{good}0")] {
        let answer = run(wrong).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{wrong}");
        assert!(answer.text().await.unwrap().contains("was not made by a page of this manager"));
    }
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")] {
        assert_eq!(run(&good).header(name, value).send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(server.api("GET", "/executions", None).await.1["items"], json!([]), "nothing was run");
    assert_eq!(run(&good).send().await.unwrap().status(), 303);
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let server = Server::start().await;
    server.approved("echo", "echo 'exit 1' > main.sh").await;
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    let id = server.submitted("echo", Some(evil)).await;
    server.ended(id).await;
    let rejected = format!("echo '{evil}'; exit 1");
    server.api("POST", "/activities", Some(json!({ "name": "evil", "script": rejected }))).await;
    server.status_becomes("evil", "rejected").await;
    let encoded: String = evil.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for path in [
        "/overview".to_owned(),
        "/executions".to_owned(),
        format!("/executions?q={encoded}"),
        format!("/executions?status={encoded}"),
        format!("/executions?activity={encoded}&worker={encoded}&before={encoded}"),
        format!("/activities?q={encoded}"),
        format!("/activities/{encoded}"),
        "/activities/echo".to_owned(),
        "/activities/evil".to_owned(),
        format!("/events?about={encoded}"),
        "/events".to_owned(),
        format!("/workers/{encoded}"),
        format!("/{encoded}"),
    ] {
        let (status, text) = page(&server, &path).await;
        assert!(status < 500, "{path}: {status}");
        assert!(!text.contains("<script>alert") && !text.contains("<img"), "{path}: {text}");
    }
}

#[tokio::test]
async fn the_list_is_filtered_by_its_address_and_paged_without_gaps() {
    let server = Server::start().await;
    server.approved("some", "echo '[ \"$1\" != bad ]' > main.sh").await;
    server.approved("other", "echo 'true' > main.sh").await;
    let inputs: Vec<String> =
        (1..=120).map(|n| if n % 40 == 0 { "bad".to_owned() } else { format!("Item {n}") }).collect();
    server.api("POST", "/executions/batch", Some(json!({ "activity": "some", "inputs": inputs }))).await;
    let last = server.submitted("other", None).await;
    for id in [1, 120, last] {
        server.ended(id).await;
    }
    server
        .eventually(async || {
            let (_, overview) = server.api("GET", "/overview", None).await;
            (overview["executions"]["waiting"] == 0 && overview["executions"]["running"] == 0).then_some(())
        })
        .await;
    let ids = |text: &str| -> Vec<u64> {
        let rows = text.split("<tr data-key=\"").skip(1);
        rows.map(|row| row.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let next = |text: &str, rel: &str| -> Option<String> {
        let (_, rest) = text.split_once(&format!("rel=\"{rel}\" href=\""))?;
        Some(rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
    };
    let (mut seen, mut path) = (Vec::new(), Some("/executions".to_owned()));
    let mut last_page = String::new();
    while let Some(here) = path {
        let (status, text) = page(&server, &here).await;
        assert_eq!(status, 200, "{here}");
        seen.extend(ids(&text));
        path = next(&text, "next");
        last_page = text;
    }
    assert_eq!(seen, (1..=121).rev().collect::<Vec<u64>>());
    let newer = next(&last_page, "prev").expect("the last page leads back");
    assert_eq!(ids(&page(&server, &newer).await.1), (22..=71).rev().collect::<Vec<u64>>());
    for (query, expected) in [
        ("status=failed", vec![120, 80, 40]),
        ("activity=other", vec![121]),
        ("status=failed&q=BAD", vec![120, 80, 40]),
        ("q=item+11", vec![119, 118, 117, 116, 115, 114, 113, 112, 111, 110, 11]),
        ("status=failed&worker=1&since=1h", vec![120, 80, 40]),
        ("worker=99", vec![]),
        ("status=waiting", vec![]),
    ] {
        let (status, text) = page(&server, &format!("/executions?{query}")).await;
        assert_eq!((status, ids(&text)), (200, expected), "{query}");
    }
    let (_, middle) = server.api("GET", "/executions/121", None).await;
    let moment = middle["submittedAt"].as_str().unwrap();
    for (query, expected) in [
        (format!("from={moment}"), vec![121]),
        (format!("from={moment}&to={moment}"), vec![]),
        (format!("to={moment}&status=failed"), vec![120, 80, 40]),
        ("from=2020-01-01T00:00&status=failed&to=2999-12-31".to_owned(), vec![120, 80, 40]),
        ("since=1h&to=2020-01-01T00:00Z".to_owned(), vec![]),
    ] {
        let (status, text) = page(&server, &format!("/executions?{query}")).await;
        assert_eq!((status, ids(&text)), (200, expected), "{query}");
    }
    let (_, text) = page(&server, "/executions?from=2026-11-24T15:05:00%2B01:00").await;
    assert!(text.contains("name=\"from\" step=\"any\" value=\"2026-11-24T14:05\""), "UTC without a script: {text}");
    let (_, overview) = page(&server, "/overview").await;
    assert!(overview.contains("3 of its executions that are kept failed"), "{overview}");
    for wrong in ["status=odd", "activity=nope", "worker=x", "since=ever", "before=x", "from=soon", "to=14:05"] {
        let (status, text) = page(&server, &format!("/executions?{wrong}")).await;
        assert!(status == 422 && text.contains("role=\"alert\""), "{wrong}: {status}");
    }
}

#[tokio::test]
async fn many_are_terminated_after_one_question_and_run_again() {
    let server = Server::start().await;
    server.approved("sleep", "echo 'sleep 60' > main.sh").await;
    for _ in 0..3 {
        server.submitted("sleep", None).await;
    }
    server
        .eventually(async || (server.api("GET", "/executions/2", None).await.1["startedAt"].is_string()).then_some(()))
        .await;
    let chosen = [("do", "terminate"), ("id", "1"), ("id", "2"), ("id", "3"), ("back", "/executions?status=running")];
    let question = post(&server, "/executions/bulk", &chosen).await;
    assert_eq!(question.status(), 200);
    let text = question.text().await.unwrap();
    assert!(text.contains("Terminate 3 executions?") && text.contains("2 run") && text.contains("1 waits"), "{text}");
    let sure: Vec<_> = chosen.into_iter().chain([("sure", "yes")]).collect();
    let done = post(&server, "/executions/bulk", &sure).await;
    assert_eq!(place(&done), "/executions?status=running");
    assert_eq!(message(&server, &done).await, "3 executions are being terminated.");
    for id in 1..=3 {
        assert_eq!(server.ended(id).await["status"], "terminated");
    }
    let again = post(&server, "/executions/bulk", &[("do", "retry"), ("id", "1"), ("id", "99")]).await;
    let said = message(&server, &again).await;
    assert!(said.starts_with("1 execution runs again. 1 could not be run again."), "{said}");
    let nothing = post(&server, "/executions/bulk", &[("do", "terminate")]).await;
    assert!(message(&server, &nothing).await.contains("Choose executions first"));
    server.api("POST", "/executions/4/terminate", None).await;
}

#[tokio::test]
async fn all_that_match_are_terminated_and_run_again_after_one_question() {
    let server = Server::start().await;
    server.approved("sleep", "echo 'sleep 60' > main.sh").await;
    server.approved("other", "echo 'sleep 60' > main.sh").await;
    let inputs: Vec<String> = (1..=1300).map(|n| n.to_string()).collect();
    server.api("POST", "/executions/batch", Some(json!({ "activity": "sleep", "inputs": inputs }))).await;
    let other = server.submitted("other", None).await;
    let count = async |query: &str| {
        let (_, overview) = server.api("GET", "/overview", None).await;
        overview["executions"][query].as_u64().unwrap()
    };
    server.eventually(async || (count("running").await == 2).then_some(())).await;

    let waiting = "/executions?activity=sleep&status=waiting";
    let question = post(&server, "/executions/bulk", &[("do", "terminate-all"), ("back", waiting)]).await;
    let text = question.text().await.unwrap();
    assert!(text.contains("Terminate 1,298 executions?"), "{text}");
    assert!(text.contains("All that match: state waiting, activity sleep."), "{text}");
    let (_, form) = text.split_once("class=\"question\"").unwrap();
    let hidden: Vec<(String, String)> = form
        .split("<input type=\"hidden\" name=\"")
        .filter_map(|field| {
            let (name, rest) = field.split_once("\" value=\"")?;
            Some((name.to_owned(), rest.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&")))
        })
        .filter(|(name, _)| ["do", "sure", "back", "name", "upto", "total"].contains(&name.as_str()))
        .collect();
    let sure: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let late = server.submitted("sleep", Some("late")).await;
    let done = post(&server, "/executions/bulk", &sure).await;
    let progress = format!("/executions/bulk/{}", sure.iter().find(|(name, _)| *name == "name").unwrap().1);
    assert!([waiting, &progress].contains(&place(&done)), "{}", place(&done));
    server
        .eventually(async || {
            page(&server, &progress).await.1.contains("1,298 executions are being terminated.").then_some(())
        })
        .await;
    assert_eq!(count("terminated").await, 1298, "what runs, is another one's, or came later is left alone");
    assert_eq!(server.api("GET", &format!("/executions/{late}"), None).await.1["status"], "waiting");
    assert_eq!(place(&post(&server, "/executions/bulk", &sure).await), waiting, "sent again, nothing is left to do");
    assert_eq!(count("terminated").await, 1298);

    let ended = "/executions?activity=sleep&status=terminated";
    let question = post(&server, "/executions/bulk", &[("do", "retry-all"), ("back", ended)]).await;
    assert!(question.text().await.unwrap().contains("Run 1,298 executions again?"));
    let none = post(&server, "/executions/bulk", &[("do", "terminate-all"), ("back", ended)]).await;
    assert!(message(&server, &none).await.contains("nothing to terminate"));
    let wrong = post(&server, "/executions/bulk", &[("do", "retry-all"), ("back", "/executions?from=x")]).await;
    assert_eq!(place(&wrong), "/executions?from=x");
    let lacking = post(&server, "/executions/bulk", &[("do", "retry-all"), ("sure", "yes"), ("back", ended)]).await;
    assert_eq!(lacking.status(), 422);
    let (status, _) = page(&server, "/executions/bulk/1-1").await;
    assert_eq!(status, 404);
    for id in [1, 2, late, other] {
        server.api("POST", &format!("/executions/{id}/terminate"), None).await;
    }
}

#[tokio::test]
async fn a_policy_is_previewed_made_changed_applied_and_deleted() {
    let server = Server::start().await;
    let worker = async || {
        let (_, overview) = server.api("GET", "/overview", None).await;
        (overview["workers"]["ready"] == 1).then_some(())
    };
    server.eventually(worker).await;
    let three = [("name", "more"), ("kind", "fixed"), ("workers", "3")];
    let preview = post(&server, "/policies/new", &[&three[..], &[("preview", "yes")]].concat()).await;
    let text = preview.text().await.unwrap();
    assert!(text.contains("Always 3 workers.") && text.contains("2 workers would be launched at once"), "{text}");
    assert_eq!(server.api("GET", "/policies/more", None).await.0, 404, "a preview changes nothing");
    let made = post(&server, "/policies/new", &three).await;
    assert_eq!(message(&server, &made).await, "more was made. Apply it to make it the active one.");
    assert!(page(&server, "/policies/more/apply").await.1.contains("2 workers would be launched at once"));
    let changed = post(&server, "/policies/more/edit", &[("kind", "fixed"), ("workers", "2")]).await;
    assert_eq!(message(&server, &changed).await, "more was changed. It is not active.");
    let applied = post(&server, "/policies/more/apply", &[]).await;
    assert_eq!(place(&applied), "/policies");
    let two = async || (server.api("GET", "/overview", None).await.1["workers"]["ready"] == 2).then_some(());
    server.eventually(two).await;
    let again = post(&server, "/policies/more/edit", &[("kind", "range"), ("least", "1"), ("most", "2")]).await;
    assert_eq!(message(&server, &again).await, "more was changed; the fleet is brought to it.");
    assert_eq!(server.api("GET", "/policies/more", None).await.1["active"], true);
    let (_, question) = page(&server, "/policies/more/delete").await;
    assert!(question.contains("the default one takes over") && question.contains("would be let go"), "{question}");
    post(&server, "/policies/more/delete", &[]).await;
    assert_eq!(server.api("GET", "/policies/default", None).await.1["active"], true);
}

#[tokio::test]
async fn one_signs_in_comes_back_and_signs_out() {
    let server = Server::with(|config| config.token = Some(Secret::new("s3cret"))).await;
    let asked =
        server.anonymous("GET", "/executions?status=failed").header("accept", "text/html").send().await.unwrap();
    assert_eq!(asked.status(), 401);
    let text = asked.text().await.unwrap();
    assert!(text.contains("name=\"next\" value=\"/executions?status=failed\""), "{text}");
    let log_in = |token: &str, next: &str| {
        filled(server.anonymous("POST", "/login"), &[("token", token), ("next", next)]).send()
    };
    let wrong = log_in("nope", "/workers").await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.text().await.unwrap().contains("not the token of this manager"));
    let right = log_in("s3cret", "/executions?status=failed").await.unwrap();
    assert_eq!(place(&right), "/executions?status=failed");
    let cookie = right.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let inside = server.anonymous("GET", "/executions").header("cookie", &cookie).header("accept", "text/html");
    assert!(inside.send().await.unwrap().text().await.unwrap().contains("Sign out"));
    assert_eq!(place(&log_in("s3cret", "//evil.example/").await.unwrap()), "/overview");
    let out = server.anonymous("POST", "/logout").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(place(&out), "/login");
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn an_open_page_hears_of_what_it_is_about_and_of_nothing_else() {
    let server = Server::start().await;
    let mut about_policies = server.get("/stream?of=policies").await;
    let mut about_activities = server.get("/stream?of=activities").await;
    server.approved("echo", "echo 'true' > main.sh").await;
    let heard = crate::server::within(about_activities.chunk()).await.unwrap().unwrap();
    assert!(heard.starts_with(b"event: changed\n"), "{heard:?}");
    server.api("POST", "/policies", Some(json!({ "name": "p", "rules": { "fixedWorkers": 1 } }))).await;
    let (_, newest) = server.api("GET", "/overview", None).await;
    assert!(newest.is_object());
    let heard = crate::server::within(about_policies.chunk()).await.unwrap().unwrap();
    let text = String::from_utf8(heard.to_vec()).unwrap();
    assert_eq!(text.matches("event: changed").count(), 1, "{text}");
}
