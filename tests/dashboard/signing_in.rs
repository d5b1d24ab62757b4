//! Who gets in, and who does not.

use std::net::IpAddr;
use std::time::Duration;

use crate::kit::wire::{Reply, Request};
use crate::kit::world::{Setup, World};
use crate::visitor::{Visitor, form, set_cookie, sign_in};

const PAGES: [&str; 9] = [
    "/",
    "/attention",
    "/customers",
    "/payments",
    "/activity",
    "/calls",
    "/search?q=ada",
    "/set-up",
    "/deliveries/dlv_1",
];

fn location(reply: &Reply) -> &str {
    reply.header("location").expect("a place")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asked_for_without_a_session_leads_to_the_form_and_back() {
    let world = World::new().await;
    for path in PAGES {
        let reply = Request::new("GET", path).send(world.addr()).await;
        assert_eq!(reply.status, 303, "{path}");
        assert!(location(&reply).starts_with("/sign-in"), "{path}: {}", location(&reply));
        assert!(!reply.text().contains("refairn"), "{path}");
    }
    for method in ["POST", "PUT", "TRACE", "OPTIONS"] {
        let reply = Request::new(method, "/attention").send(world.addr()).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let reply = Request::new("GET", "/payments?month=2026-06&mode=test").send(world.addr()).await;
    let form = Request::new("GET", location(&reply)).send(world.addr()).await.text();
    assert!(form.contains("name=\"back\" value=\"/payments?month=2026-06&#38;mode=test\""), "{form}");
    let token = format!("admin-token-of-world-{}", world.n);
    let reply = sign_in(&world, &token, "/payments?month=2026-06&mode=test").await;
    assert_eq!(reply.status, 303);
    let on = Request::new("GET", location(&reply)).header("Cookie", set_cookie(&reply).0).send(world.addr()).await;
    assert_eq!((on.status, location(&on)), (303, "/payments?month=2026-06&mode=test"));
    for elsewhere in ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/sign-out"]
    {
        let reply = sign_in(&world, &token, elsewhere).await;
        assert_eq!(location(&reply), "/signed-in?back=%2F", "{elsewhere}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_the_server_alone_and_ends() {
    let world = World::new().await;
    let token = format!("admin-token-of-world-{}", world.n);
    let reply = sign_in(&world, &token, "/").await;
    let (cookie, attributes) = set_cookie(&reply);
    assert_eq!(attributes, ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"]);
    assert!(!cookie.contains(&token));
    let over_tls = |request: Request| request.header("Origin", "https://bridge.example.com");
    let secure = over_tls(form("/sign-in", &[("token", &token)])).send(world.addr()).await;
    assert!(set_cookie(&secure).1.contains(&"Secure".to_owned()), "{secure:?}");
    // Without the cookie the browser is told so, and not led in a circle.
    let lost = Request::new("GET", location(&reply)).send(world.addr()).await;
    assert_eq!(lost.status, 200);
    assert!(lost.text().contains("did not keep the cookie"), "{}", lost.text());

    let visitor = Visitor { world: &world, cookie: cookie.clone() };
    assert_eq!(visitor.get("/session").await.status, 200);
    for spoilt in [cookie.replacen("..", ".1.", 1), format!("{cookie}0"), "refairn_bridge_session=".to_owned()] {
        let visitor = Visitor { world: &world, cookie: spoilt };
        assert_eq!(visitor.get("/").await.status, 303);
        visitor.get("/api/v1/stats").await.is_problem(401, "unauthorized");
    }
    world.pass(Duration::from_secs(12 * 3600));
    assert_eq!(visitor.get("/").await.status, 303, "it has ended");
    visitor.get("/session").await.is_problem(401, "unauthorized");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_restart_and_ends_with_its_token() {
    let mut world = World::new().await;
    let cookie = Visitor::enter(&world).await.cookie;
    world.restart().await;
    assert_eq!(Visitor { world: &world, cookie: cookie.clone() }.get("/").await.status, 200);
    world.config.admin_token = refairn_bridge::domain::secret::Secret::parse("another-token-than-before").ok();
    world.restart().await;
    assert_eq!(Visitor { world: &world, cookie }.get("/").await.status, 303);
    // The checks at the end ask with the token of the beginning.
    world.config.admin_token =
        refairn_bridge::domain::secret::Secret::parse(format!("admin-token-of-world-{}", world.n)).ok();
    world.restart().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_limited_and_the_right_one_opens_all_the_same() {
    let world = World::new().await;
    let source: IpAddr = "127.0.0.9".parse().expect("an address");
    let mut statuses = Vec::new();
    for n in 0..15 {
        let request = form("/sign-in", &[("token", &format!("a guess {n}"))]);
        let reply = request.try_send_from(source, world.addr()).await.expect("an answer");
        assert!(reply.header("set-cookie").is_none());
        assert!(reply.text().contains("role=\"alert\""), "{}", reply.text());
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 5]].concat());
    let right = form("/sign-in", &[("token", &format!("admin-token-of-world-{}", world.n))]);
    assert_eq!(right.try_send_from(source, world.addr()).await.expect("an answer").status, 303);
    let empty = sign_in(&world, "", "/").await;
    assert_eq!(empty.status, 401);
    let long = form("/sign-in", &[("token", &"x".repeat(100_000))]).send(world.addr()).await;
    assert_eq!(long.status, 413);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_takes_a_form_of_the_session_and_deletes_the_cookie() {
    let world = World::new().await;
    let visitor = Visitor::enter(&world).await;
    let refused = visitor.send("/sign-out", &[("csrf", "a guess")]).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None));
    assert_eq!(visitor.get("/sign-out").await.status, 405);
    let csrf = visitor.csrf().await;
    let out = visitor.send("/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!((out.status, location(&out)), (303, "/sign-in"));
    let (cookie, attributes) = set_cookie(&out);
    assert_eq!(cookie, "refairn_bridge_session=");
    assert!(attributes.contains(&"Max-Age=0".to_owned()), "{attributes:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opens_the_api_for_looking_and_for_acting_with_its_form_token() {
    let world = World::new().await;
    let visitor = Visitor::enter(&world).await;
    for path in ["/api/v1/stats", "/api/v1/events", "/api/v1/deliveries", "/metrics"] {
        assert_eq!(visitor.get(path).await.status, 200, "{path}");
    }
    let path = "/api/v1/deliveries/dlv_1/retry";
    visitor.request("POST", path).send(world.addr()).await.is_problem(403, "not_our_form");
    let csrf = visitor.csrf().await;
    let with = |origin: &str| visitor.request("POST", path).header("X-CSRF-Token", &csrf).header("Origin", origin);
    with("http://evil.example").send(world.addr()).await.is_problem(403, "not_our_form");
    with("null").send(world.addr()).await.is_problem(403, "not_our_form");
    // There is no such delivery, and it is looked for.
    with("http://bridge.example.com").send(world.addr()).await.is_problem(404, "unknown_item");
    // A wrong token beside a right cookie is a wrong token.
    let both = visitor.request("GET", "/api/v1/stats").header("Authorization", "Bearer wrong");
    both.send(world.addr()).await.is_problem(401, "unauthorized");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_where_the_api_is() {
    let world = Setup::new().set("REFAIRN_BRIDGE__SERVER__ADMIN_LISTEN", "127.0.0.1:0").start().await;
    let at = |addr| async move { Request::new("GET", "/sign-in").send(addr).await.status };
    assert_eq!((at(world.addr()).await, at(world.app().admin_addr()).await), (404, 200));
    world.end().await;
}
