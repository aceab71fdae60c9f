//! Forms of the dashboard: sent twice by an impatient hand or a slow link, and sent by two people at a time.

use reqwest::Response;
use serde_json::json;

use crate::server::{Server, encoded};

/// A form as a page shows it: where it is sent, and what it carries unseen.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Form {
    async fn of(server: &Server, page: &str, action: &str) -> Self {
        let answer = server.request("GET", page).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{page}");
        Self::in_text(&answer.text().await.unwrap(), action)
    }

    fn in_text(text: &str, action: &str) -> Self {
        let (_, form) = text.split_once(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("{action}: {text}"));
        let form = form.split("</form>").next().unwrap();
        let value = |input: &str, name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            Some(rest.split('"').next().unwrap().to_owned())
        };
        let inputs = form.split("<input type=\"hidden\"").skip(1);
        let hidden = inputs.map(|input| (value(input, " name").unwrap(), value(input, " value").unwrap())).collect();
        Self { action: action.to_owned(), hidden }
    }

    async fn send(&self, server: &Server, typed: &[(&str, &str)]) -> Response {
        let hidden = self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = hidden.chain(typed.iter().copied());
        let body: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let request = server.request("POST", &self.action).header("content-type", "application/x-www-form-urlencoded");
        request.header("accept", "text/html").body(body.join("&")).send().await.unwrap()
    }
}

fn place(answer: &Response) -> String {
    assert_eq!(answer.status(), 303, "a form leads to a page");
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn count(server: &Server) -> usize {
    let (_, list) = server.api("GET", "/executions?limit=1000", None).await;
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_starts_one() {
    let server = Server::start().await;
    server.approved("a", "echo 'echo \"$1\"' > main.sh").await;
    let run = Form::of(&server, "/activities/a", "/activities/a/run").await;
    let (first, second) = tokio::join!(run.send(&server, &[("input", "x")]), run.send(&server, &[("input", "x")]));
    assert_eq!((place(&first), count(&server).await), (place(&second), 1));
    // Whoever goes back and types something else, or opens the page again, means another one.
    assert_ne!(place(&run.send(&server, &[("input", "y")]).await), place(&first));
    let anew = Form::of(&server, "/activities/a", "/activities/a/run").await;
    assert_ne!(place(&anew.send(&server, &[("input", "x")]).await), place(&first));
    assert_eq!(count(&server).await, 3);

    let lines = [("input", "1\n2\n3"), ("each", "line")];
    for _ in 0..2 {
        place(&anew.send(&server, &lines).await);
        assert_eq!(count(&server).await, 6);
    }

    server.ended(1).await;
    let again = Form::of(&server, "/executions/1", "/executions/1/retry").await;
    assert_eq!(place(&again.send(&server, &[]).await), place(&again.send(&server, &[]).await));
    assert_eq!(count(&server).await, 7);

    let chosen = Form::of(&server, "/executions", "/executions/bulk").await;
    for _ in 0..2 {
        place(&chosen.send(&server, &[("do", "retry"), ("id", "1")]).await);
        assert_eq!(count(&server).await, 8);
    }
}

#[tokio::test]
async fn a_policy_that_is_applied_twice_by_one_form_does_not_undo_another() {
    let server = Server::start().await;
    server.api("PUT", "/policies/p", Some(json!({ "rules": { "fixedWorkers": 1 } }))).await;
    let apply = Form::of(&server, "/policies/p/apply", "/policies/p/apply").await;
    place(&apply.send(&server, &[]).await);
    server.api("POST", "/policies/default/apply", None).await;
    place(&apply.send(&server, &[]).await);
    assert_eq!(server.api("GET", "/policies/default", None).await.1["active"], true);
}

#[tokio::test]
async fn the_second_of_two_editors_is_shown_what_the_first_saved() {
    let server = Server::start().await;
    server.approved("doc", "echo 'echo first' > main.sh").await;
    let edit = "/activities/doc/edit";
    let form = Form::of(&server, edit, edit).await;
    let theirs = json!({ "script": "echo 'echo theirs' > main.sh", "retries": 7 });
    server.api("PUT", "/activities/doc", Some(theirs)).await;
    let mine = [("source", "script"), ("script", "echo 'echo mine' > main.sh")];
    let refused = form.send(&server, &mine).await;
    assert_eq!(refused.status(), 412);
    let text = refused.text().await.unwrap();
    assert!(text.contains("doc was changed meanwhile"), "{text}");
    for version in ["echo theirs", "echo mine", "Retries: 7"] {
        assert!(text.contains(version), "{version}: {text}");
    }
    let (_, shown) = server.api("GET", "/activities/doc", None).await;
    assert_eq!(shown["latestRevision"], 2, "nothing was saved: {shown}");
    place(&Form::in_text(&text, edit).send(&server, &mine).await);
    let (_, shown) = server.api("GET", "/activities/doc", None).await;
    assert_eq!(shown["latestRevision"], 3, "who has seen both decides: {shown}");

    server.api("PUT", "/policies/p", Some(json!({ "rules": { "maxWorkers": 2 } }))).await;
    let edit = "/policies/p/edit";
    let form = Form::of(&server, edit, edit).await;
    server.api("PUT", "/policies/p", Some(json!({ "rules": { "maxWorkers": 3, "maxWait": 5000 } }))).await;
    let mine = [("kind", "range"), ("most", "9"), ("wait", "60")];
    let refused = form.send(&server, &mine).await;
    assert_eq!(refused.status(), 412);
    let text = refused.text().await.unwrap();
    for version in ["p was changed meanwhile", "At most: 3", "At most: 9", "Longest wait, seconds: 5"] {
        assert!(text.contains(version), "{version}: {text}");
    }
    assert_eq!(server.api("GET", "/policies/p", None).await.1["rules"]["maxWorkers"], "3");
    place(&Form::in_text(&text, edit).send(&server, &mine).await);
    assert_eq!(server.api("GET", "/policies/p", None).await.1["rules"]["maxWorkers"], "9");
}

/// Somebody who does not change it sees no question, though much else became of it meanwhile.
#[tokio::test]
async fn what_merely_becomes_of_a_thing_is_no_change_of_it() {
    let server = Server::start().await;
    server.api("POST", "/activities", Some(json!({ "name": "a", "script": "echo 'echo hi' > main.sh" }))).await;
    let form = Form::of(&server, "/activities/a/edit", "/activities/a/edit").await;
    server.status_becomes("a", "approved").await;
    let id = server.submitted("a", None).await;
    server.ended(id).await;
    place(&form.send(&server, &[("source", "script"), ("script", "echo 'echo ho' > main.sh")]).await);
}
