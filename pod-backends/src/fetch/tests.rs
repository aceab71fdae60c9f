//! What fetching gets right and what it refuses, against a local server.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect},
    routing::get,
};

use super::*;

fn fetcher(schemes: Schemes) -> HttpFetch {
    HttpFetch::new(FetchLimits { max_bytes: 1000, time: Millis(1500), schemes }).unwrap()
}

fn endless() -> Body {
    Body::from_stream(futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 100]))))
}

/// A body that begins and never goes on.
fn stalled() -> Body {
    use futures::StreamExt;
    let first = futures::stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"x")) });
    Body::from_stream(first.chain(futures::stream::pending()))
}

async fn server() -> SocketAddr {
    let router = Router::new()
        .route("/script", get(|| async { "echo hello\r\n" }))
        .route("/sized", get(|| async { "x".repeat(1000) }))
        .route("/oversize", get(|| async { "x".repeat(1001) }))
        .route("/endless", get(|| async { endless() }))
        .route("/hang", get(std::future::pending::<()>))
        .route("/stall", get(|| async { stalled() }))
        .route("/broken", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no") }))
        .route("/once", get(|| async { Redirect::temporary("/script") }))
        .route("/five", get(|| async { Redirect::temporary("/1") }))
        .route("/1", get(|| async { Redirect::permanent("/2") }))
        .route("/2", get(|| async { Redirect::to("/3") }))
        .route("/3", get(|| async { Redirect::to("/4") }))
        .route("/4", get(|| async { Redirect::to("/script") }))
        .route("/forever", get(|| async { Redirect::to("/forever") }))
        .route("/metadata", get(|| async { Redirect::to("http://169.254.169.254/latest/meta-data/") }))
        .route("/to-file", get(|| async { Redirect::to("file:///etc/passwd") }))
        .route("/nowhere", get(|| async { StatusCode::FOUND }))
        .route("/compressed", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], "as it came").into_response() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn scripts_come_as_they_are() {
    let address = server().await;
    let fetch = fetcher(Schemes::Http);
    for (path, expected) in [
        ("script", "echo hello\r\n".to_owned()),
        ("sized", "x".repeat(1000)),
        ("once", "echo hello\r\n".to_owned()),
        ("five", "echo hello\r\n".to_owned()),
        ("compressed", "as it came".to_owned()),
    ] {
        let fetched = fetch.fetch(&format!("http://{address}/{path}")).await;
        assert_eq!(fetched.unwrap_or_else(|error| panic!("{path}: {error}")).bytes, expected, "{path}");
    }
    let by_name = fetch.fetch(&format!("http://localhost:{}/script", address.port())).await;
    assert!(by_name.is_ok(), "{by_name:?}");
}

#[tokio::test]
async fn what_fails_gets_a_sentence_and_ends() {
    let address = server().await;
    let fetch = fetcher(Schemes::HttpAndFile);
    for (path, expected) in [
        ("missing", "HTTP status 404 Not Found"),
        ("broken", "HTTP status 500 Internal Server Error"),
        ("oversize", "is larger than the 1000 bytes allowed"),
        ("endless", "is larger than the 1000 bytes allowed"),
        ("hang", "could not be fetched within 1.5 s"),
        ("stall", "could not be fetched within 1.5 s"),
        ("forever", "more than 5 redirects"),
        ("metadata", "it is a link-local address"),
        ("to-file", "redirected to a file: address, which is not followed"),
        ("nowhere", "redirected to nowhere (HTTP status 302 Found)"),
    ] {
        let error = fetch.fetch(&format!("http://user:hunter2@{address}/{path}?key=hunter2")).await.unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
        assert!(!error.contains("hunter2"), "a secret is repeated: {error}");
    }
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = fetch.fetch(&format!("http://{refused}/x")).await.unwrap_err();
    assert!(error.contains("onnection refused"), "{error}");
    let error = fetch.fetch("http://no-such-host.invalid/x").await.unwrap_err();
    assert!(error.starts_with("The script at http://no-such-host.invalid/x could not be fetched: "), "{error}");
}

#[test]
fn addresses_are_checked_without_asking_them() {
    let fetch = fetcher(Schemes::Http);
    for (address, expected) in [
        ("", "is malformed"),
        ("not an address", "is malformed"),
        ("http://", "is malformed"),
        ("/etc/passwd", "is malformed"),
        ("ftp://host/x", "by http or https, not \"ftp\""),
        ("javascript:alert(1)", "by http or https, not \"javascript\""),
        ("file:///etc/passwd", "--allow-file-urls"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://0xa9fea9fe/latest", "link-local"),
        ("http://2852039166/", "link-local"),
        ("http://[fe80::1]/", "link-local"),
        ("http://[::ffff:169.254.169.254]/", "link-local"),
        ("http://100.100.100.200/", "metadata"),
    ] {
        let error = fetch.check(address).unwrap_err();
        assert!(error.contains(expected), "{address}: {error}");
    }
    for address in ["http://127.0.0.1:1/x", "https://host/install.sh?dl=1", "http://192.168.0.1/", "http://[::1]/"] {
        assert_eq!(fetch.check(address), Ok(()), "{address}");
    }
}

#[tokio::test]
async fn files_are_read_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("install script.sh");
    std::fs::write(&path, "echo").unwrap();
    let large = directory.path().join("large");
    std::fs::write(&large, "x".repeat(1001)).unwrap();
    let url = |path: &std::path::Path| Url::from_file_path(path).unwrap().to_string();
    let fetch = fetcher(Schemes::HttpAndFile);
    assert_eq!(fetch.fetch(&url(&path)).await.unwrap().bytes, "echo");
    for (address, expected) in [
        (url(&large), "larger than the 1000 bytes"),
        (url(directory.path()), "is not a regular file"),
        (url(&directory.path().join("missing")), "could not be read: No such file"),
        ("file://elsewhere/x".to_owned(), "is not the address of a file on this machine"),
        ("file:///dev/zero".to_owned(), "is not a regular file"),
    ] {
        let error = fetch.fetch(&address).await.unwrap_err();
        assert!(error.contains(expected), "{address}: {error}");
    }
    assert!(fetcher(Schemes::Http).fetch(&url(&path)).await.is_err());
}
