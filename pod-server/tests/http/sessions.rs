//! Sessions of browsers, and wrong tokens.

use pod_server::config::Secret;
use reqwest::{RequestBuilder, Response};

use crate::server::Server;

fn sign_in(server: &Server, token: &str) -> RequestBuilder {
    let request = server.anonymous("POST", "/login").header("content-type", "application/x-www-form-urlencoded");
    request.body(format!("token={token}"))
}

fn set_cookie(answer: &Response) -> String {
    answer.headers()["set-cookie"].to_str().unwrap().to_owned()
}

/// The cookie of a new session, as a browser sends it.
pub(crate) async fn signed_in(server: &Server, token: &str) -> String {
    let answer = sign_in(server, token).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    set_cookie(&answer).split(';').next().unwrap().to_owned()
}

async fn with_cookie(server: &Server, cookie: &str) -> u16 {
    server.anonymous("GET", "/api/v1/overview").header("cookie", cookie).send().await.unwrap().status().as_u16()
}

async fn with_token() -> Server {
    Server::with(|config| config.token = Some(Secret::new("s3cret"))).await
}

#[tokio::test]
async fn a_session_ends_with_the_sign_out_and_outlasts_a_restart() {
    let server = with_token().await;
    let [one, other] = [signed_in(&server, "s3cret").await, signed_in(&server, "s3cret").await];
    assert_ne!(one, other, "each session is one of its own");
    let server = server.again().await;
    assert_eq!((with_cookie(&server, &one).await, with_cookie(&server, &other).await), (200, 200));
    let out = server.anonymous("POST", "/logout").header("cookie", &one).send().await.unwrap();
    assert!(set_cookie(&out).contains("Max-Age=0"));
    assert_eq!((with_cookie(&server, &one).await, with_cookie(&server, &other).await), (401, 200));
    let server = server.again().await;
    assert_eq!((with_cookie(&server, &one).await, with_cookie(&server, &other).await), (401, 200));
}

#[tokio::test]
async fn another_token_has_other_sessions() {
    let server = with_token().await;
    let cookie = signed_in(&server, "s3cret").await;
    let server = server.again_with(|config| config.token = Some(Secret::new("an0ther"))).await;
    assert_eq!(with_cookie(&server, &cookie).await, 401);
    let asked = server.anonymous("GET", "/workers").header("cookie", &cookie).header("accept", "text/html");
    assert!(asked.send().await.unwrap().text().await.unwrap().contains("action=\"/login\""));
}

#[tokio::test]
async fn cookies_are_named_after_the_store_and_kept_to_the_browser() {
    let [one, other] = [with_token().await, with_token().await];
    let secure = sign_in(&one, "s3cret").header("x-forwarded-proto", "https").send().await.unwrap();
    assert!(set_cookie(&secure).contains("; Secure"), "{}", set_cookie(&secure));
    let plain = set_cookie(&sign_in(&one, "s3cret").send().await.unwrap());
    for said in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(plain.contains(said), "{plain}");
    }
    assert!(!plain.contains("Secure"), "{plain}");
    let (name, _) = plain.split_once('=').unwrap();
    let digits = name.strip_prefix("pod_session_").unwrap();
    assert!(digits.len() == 8 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    // One cookie jar for both, as a browser has: neither signs the other out.
    let jar = format!("{}; {}", signed_in(&one, "s3cret").await, signed_in(&other, "s3cret").await);
    assert_eq!((with_cookie(&one, &jar).await, with_cookie(&other, &jar).await), (200, 200));
}

#[tokio::test]
async fn wrong_tokens_are_slowed_and_the_right_one_is_not() {
    let server = with_token().await;
    let by_header = |token: &'static str| server.anonymous("GET", "/api/v1/overview").bearer_auth(token).send();
    for _ in 0..5 {
        assert_eq!(by_header("wrong").await.unwrap().status(), 401);
        assert_eq!(sign_in(&server, "wrong").send().await.unwrap().status(), 401);
    }
    let by_form = sign_in(&server, "wrong").send().await.unwrap();
    for slowed in [by_header("wrong").await.unwrap(), by_form, sign_in(&server, "s3cret").send().await.unwrap()] {
        assert_eq!(slowed.status(), 429);
        let wait: u64 = slowed.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
    }
    assert_eq!(by_header("s3cret").await.unwrap().status(), 200);
    let action = server.anonymous("GET", "/POD/?action=getWorkers").bearer_auth("wrong").send().await.unwrap();
    assert_eq!(action.status(), 429);
    assert!(action.text().await.unwrap().starts_with("{\"error\""));
}
