//! Every sentence of the action API, to the letter.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn without_an_action_it_says_welcome() {
    let server = Server::start().await;
    for path in ["/POD/", "/POD", "/POD/?name=a"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"), "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        assert_eq!(answer.text().await.unwrap(), "Welcome to Processing On Demand", "{path}");
    }
}

#[tokio::test]
async fn errors_are_sentences_with_status_200() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    let unknown = "this manager doesn't recognize that request";
    let no_activity = "The requested activity doesn't exist";
    let no_policy = "The requested policy doesn't exist";
    let not_processed = "The given execution wasn't being processed";
    for (query, error) in [
        ("action=", unknown),
        ("action=x", unknown),
        ("action=NewActivity", unknown),
        ("action=newActivity", "Parameter name is null"),
        ("action=newActivity&name=a", "Parameter installationScriptLocation is null"),
        (
            "action=newActivity&name=there&installationScriptLocation=http://h/x",
            "The activity name there already exists",
        ),
        ("action=getActivityStatus", "Parameter name is null"),
        ("action=getActivityStatus&name=nope", no_activity),
        ("action=getActivityStatus&name=", no_activity),
        ("action=deleteActivity", "Parameter name is null"),
        ("action=deleteActivity&name=nope", no_activity),
        ("action=newExecution", "Parameter name is null"),
        ("action=newExecution&name=nope", no_activity),
        ("action=newExecution&name=..%2f..%2fetc", no_activity),
        ("action=newExecution&name=there&input=%ff", "Parameter input is not valid UTF-8 text"),
        ("action=getExecutionStatus", "Parameter executionId is null"),
        ("action=getExecutionStatus&executionId=", "Parameter executionId is not an integer"),
        ("action=getExecutionStatus&executionId=x", "Parameter executionId is not an integer"),
        ("action=getExecutionStatus&executionId=1.0", "Parameter executionId is not an integer"),
        (
            "action=getExecutionStatus&executionId=77",
            "Execution with id 77 doesn't exist, its result has already been retrieved or it expired",
        ),
        (
            "action=getExecutionStatus&executionId=-1",
            "Execution with id -1 doesn't exist, its result has already been retrieved or it expired",
        ),
        (
            "action=getExecutionStatus&executionId=99999999999999999999",
            "Execution with id 99999999999999999999 doesn't exist, its result has already been retrieved or it expired",
        ),
        (
            "action=getExecutionStatus&executionId=18446744073709551615",
            "Execution with id 18446744073709551615 doesn't exist, its result has already been retrieved or it expired",
        ),
        ("action=terminateExecution", "Parameter executionId is null"),
        ("action=terminateExecution&executionId=x", "Parameter executionId is not an integer"),
        ("action=terminateExecution&executionId=77", not_processed),
        ("action=terminateExecution&executionId=99999999999999999999", not_processed),
        ("action=newPolicy", "Parameter name is null"),
        ("action=newPolicy&name=p", "Parameter rules is null"),
        ("action=newPolicy&name=p&rules=x", "Invalid rule x. It must have the form ruleName=ruleValue"),
        ("action=newPolicy&name=p&rules=minWorkers=1,x", "Invalid rule x. It must have the form ruleName=ruleValue"),
        ("action=newPolicy&name=default&rules=minWorkers=1", "The policy name default already exists"),
        ("action=applyPolicy", "Parameter name is null"),
        ("action=applyPolicy&name=nope", no_policy),
        ("action=deletePolicy&name=nope", no_policy),
        ("action=deletePolicy&name=default", "The default policy can't be deleted"),
        ("action=logs", "Parameter type is null"),
    ] {
        for path in ["/POD/", "/POD", "/"] {
            let answer = server.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status(), 200, "{query}");
            assert_eq!(answer.headers()["content-type"], "application/json", "{query}");
            assert_eq!(answer.headers()["cache-control"], "no-store", "{query}");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{query}");
            let answer: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(answer, json!({ "error": error }), "{query}");
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_gets_a_sentence_that_says_why() {
    let server = Server::start().await;
    server.approved("there", "echo 'echo hi' > main.sh").await;
    let long = "x".repeat(101);
    for (query, part) in [
        ("action=newActivity&name=&installationScriptLocation=http://h/x", "is not allowed"),
        ("action=newActivity&name=.a&installationScriptLocation=http://h/x", "is not allowed"),
        ("action=newActivity&name=a%2fb&installationScriptLocation=http://h/x", "is not allowed"),
        ("action=newActivity&name=..&installationScriptLocation=http://h/x", "is not allowed"),
        ("action=newActivity&name=a%0ab&installationScriptLocation=http://h/x", "is not allowed"),
        (&format!("action=newActivity&name={long}&installationScriptLocation=http://h/x"), "is not allowed"),
        ("action=newActivity&name=b&installationScriptLocation=", "malformed"),
        ("action=newActivity&name=b&installationScriptLocation=nonsense", "malformed"),
        ("action=newActivity&name=b&installationScriptLocation=ftp://h/x", "ftp"),
        ("action=newActivity&name=b&installationScriptLocation=http://169.254.169.254/x", "link-local"),
        ("action=newExecution&name=there&input=a%00b", "NUL"),
        ("action=newPolicy&name=p&rules=minWorkers=many", "minWorkers"),
        ("action=newPolicy&name=p&rules=minWorkers=5,maxWorkers=2", "minWorkers (5) is above maxWorkers (2)"),
        ("action=newPolicy&name=p&rules=weather=1", "Unknown rule weather"),
        ("action=newPolicy&name=a%20b&rules=minWorkers=1", "is not allowed"),
        ("action=logs&type=secret", "The types are setup, properties and server"),
    ] {
        let answer = server.action(query).await;
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        assert!(error.contains(part), "{query}: {error}");
    }
}

#[tokio::test]
async fn only_get_and_post_and_not_too_much() {
    let server = Server::start().await;
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/POD/?action=getWorkers", "/POD", "/?action=getWorkers"] {
            let answer = server.request(method, path).send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
        }
    }
    let huge = format!("action=newExecution&name=a&input={}", "x".repeat(50 << 20));
    let answer = server
        .request("POST", "/POD/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(huge)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert!(body["error"].as_str().unwrap().contains("larger than"), "{body}");
}
