//! A name that was used before: what was made under it then is of another activity.

use serde_json::{Value, json};

use crate::server::Server;

async fn text(server: &Server, path: &str) -> String {
    let answer = server.request("GET", path).header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn ids(list: &Value) -> Vec<u64> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn old_executions_of_a_name_never_lead_to_the_activity_that_has_it_now() {
    let server = Server::start().await;
    server.approved("ghost", "echo 'echo old' > main.sh").await;
    let old = server.submitted("ghost", None).await;
    let first = server.ended(old).await["activityId"].clone();
    let (status, _) = server.api("DELETE", "/activities/ghost", None).await;
    assert_eq!(status, 202);
    server.eventually(async || (server.api("GET", "/activities/ghost", None).await.0 == 404).then_some(())).await;
    // Until another one has its name, the name finds what it left.
    assert_eq!(ids(&server.api("GET", "/executions?activity=ghost", None).await.1), [old]);
    server.approved("ghost", "echo 'echo new' > main.sh").await;
    let new = server.submitted("ghost", None).await;
    let second = server.ended(new).await["activityId"].clone();
    assert_ne!(first, second);

    for (query, found) in [
        ("activity=ghost".to_owned(), vec![new]),
        (format!("activityId={first}"), vec![old]),
        (format!("activityId={second}"), vec![new]),
        (format!("activityId={first}&activity=ghost"), vec![old]),
    ] {
        let (status, list) = server.api("GET", &format!("/executions?{query}"), None).await;
        assert_eq!((status, ids(&list)), (200, found), "{query}");
    }
    assert_eq!(server.api("GET", "/executions?activityId=x", None).await.0, 422);
    assert_eq!(server.api("GET", "/executions?activityId=999", None).await.0, 404);

    let gone = format!("The activity #{first} named ghost was deleted; another one has the name now");
    let (_, explanation) = server.api("GET", &format!("/executions/{old}/explain"), None).await;
    let said = explanation["sentences"].as_array().unwrap();
    assert!(said.iter().any(|sentence| sentence.as_str().unwrap().contains(&gone)), "{explanation}");
    let (status, refused) = server.api("POST", &format!("/executions/{old}/retry"), Some(json!({}))).await;
    assert!(status == 404 && refused["detail"].as_str().unwrap().contains(&gone), "{status} {refused}");

    let link = "href=\"/activities/ghost\"";
    let page = text(&server, &format!("/executions/{old}")).await;
    assert!(!page.contains("/activities/ghost\"") && page.contains(&gone), "{page}");
    assert!(text(&server, &format!("/executions/{new}")).await.contains(link));
    let events = text(&server, "/events").await;
    let row_of = |id: u64| {
        let mut rows = events.split("<tr ").filter(|row| row.contains(&format!("href=\"/executions/{id}\"")));
        rows.next().unwrap().to_owned()
    };
    assert!(!row_of(old).contains(link) && row_of(old).contains("of ghost"), "{}", row_of(old));
    assert!(row_of(new).contains(link), "{}", row_of(new));
}
