//! What a browser has to fetch before a page shows.

use std::collections::BTreeSet;

use crate::server::Server;

/// With everything but images, and as it is sent: nothing is compressed on the way.
const FIRST_PAINT: usize = 100_000;

/// The style sheets and scripts that a page names.
fn named(html: &str) -> BTreeSet<&str> {
    let tags = html.split('<').filter(|tag| tag.starts_with("link rel=\"stylesheet\"") || tag.starts_with("script"));
    tags.filter_map(|tag| tag.split_once("href=\"").or_else(|| tag.split_once("src=\""))?.1.split('"').next()).collect()
}

#[tokio::test]
async fn a_page_is_small_with_its_styles_and_scripts() {
    let server = Server::start().await;
    let main = "seq -f 'line %.0f of an ordinary program' 250";
    server.approved("counts", &format!("printf '#!/bin/sh\\n{}\\n' > main.sh", main.replace('%', "%%"))).await;
    let mut id = 0;
    for input in 0..120 {
        id = server.submitted("counts", Some(&input.to_string())).await;
    }
    server.ended(id).await;
    for path in [
        "/overview".to_owned(),
        "/activities".to_owned(),
        "/activities/new".to_owned(),
        "/activities/counts".to_owned(),
        "/executions".to_owned(),
        format!("/executions/{id}"),
        "/workers".to_owned(),
        "/policies".to_owned(),
        "/events".to_owned(),
        "/help".to_owned(),
    ] {
        let page = server.request("GET", &path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        let html = page.text().await.unwrap();
        let mut weight = html.len();
        let parts = named(&html);
        assert!(parts.len() >= 2, "{path} has a style sheet and a script: {parts:?}");
        for part in parts {
            let part = server.get(&part.replace("&amp;", "&")).await;
            assert_eq!(part.status(), 200, "{path}");
            weight += part.bytes().await.unwrap().len();
        }
        assert!(weight < FIRST_PAINT, "{path} takes {weight} bytes");
    }
}
