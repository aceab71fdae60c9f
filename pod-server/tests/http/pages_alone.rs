//! The dashboard in another application, without anything of the server: it is safe from other pages by itself.

use std::sync::Arc;

use pod_backends::{local::InProcessWorkers, sqlite::SqliteStore};
use pod_core::{CancellationToken, Limits, Pod};
use pod_web::Web;

#[tokio::test]
async fn a_page_of_another_origin_cannot_post_a_form_of_ours() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let pod = Pod::builder().store(store).backend(InProcessWorkers::new(directory.path())).start().await.unwrap();
    let id = pod.store_id().to_string();
    let pages = || Arc::new(Web::new(pod.clone(), Limits::default(), false, CancellationToken::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, pod_web::router::<()>(pages())).into_future());

    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let help = client.get(format!("{own}/help")).send().await.unwrap().text().await.unwrap();
    let token = help.split_once("name=\"form\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    for (headers, status) in [
        (vec![("origin", own.as_str())], 303),
        (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")], 303),
        (vec![], 303),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site"), ("origin", own.as_str())], 403),
        (vec![("user-agent", "Mozilla/5.0")], 403),
    ] {
        let form = format!("form={token}&name=p&kind=fixed&workers=1");
        let mut request = client.post(format!("{own}/policies/reset")).body(form);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{headers:?}");
        let text = answer.text().await.unwrap();
        assert!(status == 303 || text.contains("<!doctype html>"), "{text}");
    }
    // The token is a secret: it is not made of what is known, and another application has another one.
    let without = client.post(format!("{own}/policies/reset")).body("form=");
    let without = without.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(without.status(), 403);
    assert!(!token.is_empty() && !id.contains(&token));
    let headers = axum::http::HeaderMap::new();
    assert!(!pages().made_form(&headers, &token));
    serving.abort();
    pod.shutdown().await;
}
