//! `newExecution`, `getExecutionStatus`, `terminateExecution`, `getAllExecutions`.

use crate::server::Server;

const GREET: &str = "printf '#!/bin/sh\\nprintf \"hello %%s\" \"$1\"; echo oops >&2; exit ${2:-3}\\n' > main.sh";

#[tokio::test]
async fn a_result_is_handed_out_once_and_stays_readable_elsewhere() {
    let server = Server::start().await;
    server.approved("greet", GREET).await;
    let started = server.action("action=newExecution&name=greet&input=w%C3%B6rld").await;
    let id = started["execution"]["id"].as_u64().unwrap();
    assert_eq!(started["execution"]["stdin"], "wörld");
    assert_eq!(started["execution"]["activityName"], "greet");
    assert!(["waiting", "in progress"].contains(&started["execution"]["status"].as_str().unwrap()), "{started}");
    assert!(started["execution"].get("finishTime").is_none() && started["execution"].get("stdout").is_none());

    server.ended(id).await;
    let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    let execution = &shown["execution"];
    assert_eq!(execution["status"], "finished", "whatever the exit code");
    assert_eq!(execution["exitCode"], 3);
    assert_eq!(execution["stdout"], "hello wörld");
    assert_eq!(execution["stderr"], "oops\n");
    assert!(execution["startTime"].as_i64().unwrap() <= execution["finishTime"].as_i64().unwrap());
    assert!(execution.get("error").is_none());

    let again = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    let gone = format!("Execution with id {id} doesn't exist, its result has already been retrieved or it expired");
    assert_eq!(again["error"], gone);
    let terminated = server.action(&format!("action=terminateExecution&executionId={id}")).await;
    assert_eq!(terminated["error"], "The given execution wasn't being processed");

    let (status, kept) = server.api("GET", &format!("/executions/{id}"), None).await;
    assert_eq!((status, kept["exitCode"].as_i64()), (200, Some(3)));
    let output = server.get(&format!("/api/v1/executions/{id}/output?stream=stdout")).await;
    assert_eq!(output.bytes().await.unwrap(), "hello wörld".as_bytes());
}

#[tokio::test]
async fn of_simultaneous_requests_one_gets_the_result() {
    let server = Server::start().await;
    server.approved("greet", GREET).await;
    let id = server.submitted("greet", Some("x")).await;
    server.ended(id).await;
    let query = format!("action=getExecutionStatus&executionId={id}");
    let answers = futures::future::join_all((0..8).map(|_| server.action(&query))).await;
    let results = answers.iter().filter(|answer| answer["execution"]["stdout"] == "hello x").count();
    let errors = answers.iter().filter(|answer| answer["error"].is_string()).count();
    assert_eq!((results, errors), (1, 7), "{answers:?}");
}

#[tokio::test]
async fn query_and_form_are_merged_and_an_empty_input_is_given() {
    let server = Server::start().await;
    server.approved("count", "printf '#!/bin/sh\\necho \"$#:$1\"\\n' > main.sh").await;
    for (query, form, expected) in [
        ("", "action=newExecution&name=count", "0:\n"),
        ("", "action=newExecution&name=count&input=", "1:\n"),
        ("?action=newExecution", "name=count&input=a+b%26", "1:a b&\n"),
        ("?action=newExecution&name=count&input=first", "input=second", "1:first\n"),
    ] {
        let answer = server
            .request("POST", &format!("/POD/{query}"))
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
            .body(form)
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        let id = answer["execution"]["id"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        server.ended(id).await;
        let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
        assert_eq!(shown["execution"]["stdout"], expected, "{query} {form}");
    }
}

#[tokio::test]
async fn an_execution_shows_its_output_so_far_and_is_terminated_whole() {
    let server = Server::start().await;
    server.approved("slow", "printf '#!/bin/sh\\necho begun; sleep 1000 & sleep 1000\\n' > main.sh").await;
    let id = server.submitted("slow", None).await;
    let query = format!("action=getExecutionStatus&executionId={id}");
    let running = server
        .eventually(async || {
            let shown = server.action(&query).await;
            (shown["execution"]["stdout"] == "begun\n").then_some(shown)
        })
        .await;
    assert_eq!(running["execution"]["status"], "in progress");
    assert_eq!(running["execution"]["stderr"], "");

    let ended = server.action(&format!("action=terminateExecution&executionId={id}")).await;
    assert_eq!(ended["execution"]["status"], "terminated", "{ended}");
    let again = server.action(&format!("action=terminateExecution&executionId={id}")).await;
    assert_eq!(again["error"], "The given execution wasn't being processed");
    let shown = server.action(&query).await;
    assert_eq!(
        (&shown["execution"]["status"], &shown["execution"]["stdout"]),
        (&"terminated".into(), &"begun\n".into())
    );
    assert!(server.action(&query).await["error"].is_string(), "it is retrievable once");
}

#[tokio::test]
async fn all_executions_are_listed_until_they_are_retrieved() {
    let server = Server::start().await;
    assert_eq!(server.action("action=getAllExecutions").await, serde_json::json!({}));
    server.approved("greet", GREET).await;
    let first = server.submitted("greet", Some("1")).await;
    let second = server.submitted("greet", Some("2")).await;
    server.ended(first).await;
    server.ended(second).await;
    let all = server.action("action=getAllExecutions").await;
    assert_eq!(all[first.to_string()], "activity=greet, status=finished");
    assert_eq!(all.as_object().unwrap().len(), 2);
    server.action(&format!("action=getExecutionStatus&executionId={first}")).await;
    let all = server.action("action=getAllExecutions").await;
    assert_eq!(all, serde_json::json!({ second.to_string(): "activity=greet, status=finished" }));
}

#[tokio::test]
async fn output_that_is_not_text_is_replaced_here_and_exact_elsewhere() {
    let server = Server::start().await;
    server.approved("bytes", "printf '#!/bin/sh\\nprintf \"a\\\\377b\"\\n' > main.sh").await;
    let id = server.submitted("bytes", None).await;
    server.ended(id).await;
    let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    assert_eq!(shown["execution"]["stdout"], "a\u{fffd}b");
    let output = server.get(&format!("/api/v1/executions/{id}/output")).await;
    assert_eq!(output.bytes().await.unwrap().as_ref(), b"a\xffb");
}

#[tokio::test]
async fn the_time_to_the_end_is_predicted_after_two_runs() {
    let server = Server::start().await;
    server.approved("greet", GREET).await;
    for expected in [false, false, true] {
        let started = server.action("action=newExecution&name=greet").await;
        assert_eq!(started["execution"].get("predictedTime").is_some(), expected, "{started}");
        server.ended(started["execution"]["id"].as_u64().unwrap()).await;
    }
}
