//! How the script is served.

use crate::kit::wire::Request;
use crate::kit::world::{Setup, World};

const PATH: &str = "/refairn.js";

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_open_to_all_and_kept_by_browsers_until_it_changes() {
    let world = World::new().await;
    let ask = async |request: Request| request.send(world.addr()).await;
    let whole = ask(Request::new("GET", PATH)).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(whole.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(whole.header("set-cookie"), None);
    assert!(whole.text().starts_with("// Carries a visitor's referral code"), "{}", whole.text());
    // Nothing in it is what a policy of contents forbids.
    for forbidden in ["eval(", "new Function", "innerHTML", "document.write", "document.cookie =", "setTimeout(\""] {
        assert!(!whole.text().contains(forbidden), "{forbidden}");
    }
    let tag = whole.header("etag").expect("a tag").to_owned();
    for known in [tag.as_str(), tag.trim_start_matches("W/"), &format!("\"other\", {tag}"), "*"] {
        let again = ask(Request::new("GET", PATH).header("If-None-Match", known)).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    assert_eq!(ask(Request::new("GET", PATH).header("If-None-Match", "\"other\"")).await.status, 200);
    let head = ask(Request::new("HEAD", PATH)).await;
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag.as_str())));
    ask(Request::new("POST", PATH)).await.is_problem(405, "method_not_allowed");

    let small = ask(Request::new("GET", PATH).header("Accept-Encoding", "gzip, br, zstd")).await;
    assert_eq!(small.header("content-encoding"), Some("zstd"));
    assert_eq!(small.header("vary").map(str::to_lowercase).as_deref(), Some("accept-encoding"));
    assert!(small.body.len() < 2000, "{} bytes", small.body.len());
    assert_eq!(zstd::bulk::decompress(&small.body, 100_000).expect("a text"), whole.body);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_where_webhooks_come_in() {
    let world = Setup::new().key("server", "admin_listen", "127.0.0.1:0").start().await;
    assert_eq!(Request::new("GET", PATH).send(world.addr()).await.status, 200);
    Request::new("GET", PATH).send(world.app().admin_addr()).await.is_problem(404, "not_found");
    world.end().await;
}
