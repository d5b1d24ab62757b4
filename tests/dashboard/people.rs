//! People with tokens of their own: what each may see and do, and what is kept of what they decided.

use std::time::Duration;

use refairn_bridge::domain::access::Role;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::http::rights::{RIGHTS, Right, Sees};
use refairn_bridge::providers::provider;
use serde_json::Value;

use crate::decided::audit;
use crate::kit::refairn::business;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::{Reply, Request};
use crate::kit::world::{Setup, World};
use crate::shop::Shop;
use crate::visitor::{Visitor, set_cookie, sign_in};

in_both! {
    every_route_asks_for_its_role
    a_token_of_one_business_sees_nothing_of_another
    a_token_that_is_taken_back_or_ends_opens_nothing_and_ends_its_sessions
    a_page_has_no_button_that_its_reader_may_not_press
}

/// Gives somebody a token.
pub async fn give(world: &World, name: &str, role: Role, days: u32, business: Option<&str>) -> String {
    let business = business.map_or_else(String::new, |business| format!("&business={business}"));
    let path = format!("/api/v1/access?name={name}&role={role}&days={days}{business}");
    let reply = world.act(&path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["token"].as_str().expect("a token").to_owned()
}

pub async fn with(world: &World, token: &str, method: &str, path: &str) -> Reply {
    let request = Request::new(method, path).header("Authorization", format!("Bearer {token}"));
    request.send(world.app().admin_addr()).await
}

pub async fn enter<'a>(world: &'a World, token: &str) -> Visitor<'a> {
    let reply = sign_in(world, token, "/").await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    Visitor { world, cookie: set_cookie(&reply).0 }
}

/// The route with something in the place of each name; none of it is there.
fn sample(right: &Right) -> String {
    let id = match right.path {
        path if path.contains("/events/") => "evt_999",
        path if path.contains("/deliveries/") => "dlv_999",
        _ => "bkf_999",
    };
    let action = if right.path.contains("backfills") { "record" } else { "retry" };
    let path = right.path.replace("{id}", id).replace("{action}", action);
    let path = path.replace("{email}", "nobody%40example.com").replace("{name}", "nobody");
    if path.ends_with("/search") || path.ends_with("/why") { format!("{path}?q=nobody") } else { path }
}

async fn every_route_asks_for_its_role(new: fn() -> Setup) {
    let world = new().start().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((*role, None, give(&world, &format!("all-{role}"), *role, 7, None).await));
    }
    for role in [Role::Read, Role::Operate] {
        tokens.push((role, Some("biz_1"), give(&world, &format!("one-{role}"), role, 7, Some("biz_1")).await));
    }
    for (role, business, token) in tokens {
        let visitor = enter(&world, &token).await;
        for right in RIGHTS {
            let path = sample(right);
            // A stream goes on for ever.
            let method = if right.path.ends_with("/stream") { "HEAD" } else { right.method };
            let is_page = !path.starts_with("/api/") && path != "/metrics";
            let reply = if is_page {
                visitor.request(method, &path).send(world.addr()).await
            } else {
                with(&world, &token, method, &path).await
            };
            let what = format!("{role} {business:?} {} {path}: {} {}", right.method, reply.status, reply.text());
            let refused = ["role_too_low", "one_business_only"].iter().any(|code| reply.text().contains(code));
            // Whoever sees one business begins with what needs them.
            if (right.path, business.is_some()) == ("/", true) {
                assert_eq!(reply.header("location"), Some("/attention"), "{what}");
                continue;
            }
            let may = role >= right.role && (business.is_none() || right.sees == Sees::OwnBusiness);
            let expected = if may { !refused && reply.status != 401 } else { reply.status == 403 };
            assert!(expected, "{what}");
            assert!(may || refused || method == "HEAD", "{what}");
            let led_away = reply.header("location").is_some_and(|place| place.starts_with("/sign-in"));
            assert!(!led_away, "{what}");
            // Nobody who has no token gets anywhere.
            let nobody = Request::new(method, &path).send(world.addr()).await;
            let turned_away = if is_page { nobody.status == 303 } else { nobody.status == 401 };
            assert!(turned_away, "{method} {path}: {}", nobody.status);
        }
    }
    world.end().await;
}

const TWO: &str = r#"
    [[businesses]]
    id = "biz_2"
    api_key = "key_2"
    product_id = "prod_1"
    [[endpoints]]
    name = "their-shop"
    provider = "stripe"
    business = "biz_1"
    secrets = ["whsec_their-shop"]
    [[endpoints]]
    name = "our-shop"
    provider = "stripe"
    business = "biz_2"
    secrets = ["whsec_our-shop"]
"#;

async fn two_businesses(new: fn() -> Setup) -> World {
    let setup = new().unset("STRIPE_WEBHOOK_SECRET").unset("PAYSTACK_SECRET_KEY").file(TWO);
    setup.business(business("biz_2", "key_2")).start().await
}

async fn post(world: &World, endpoint: &str, event: &Value) {
    let (stripe, body) = (provider(ProviderKind::Stripe), event.to_string());
    let signature = stripe.sign(&format!("whsec_{endpoint}"), body.as_bytes(), world.now());
    let request = Request::new("POST", &format!("/webhooks/stripe/{endpoint}")).body(body.as_bytes());
    let reply = request.header(stripe.signature_header(), signature).send(world.addr()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Where a right leads to what is another business's.
fn paths_of(right: &Right, encoded: &str, calls: [&str; 2], events: [&str; 2]) -> Vec<String> {
    let (held, their_event_at_stripe) = (calls[1], events[1]);
    let mut paths = vec![right.path.replace("{email}", encoded)];
    if right.path.contains("{id}") {
        let ids = if right.path.contains("events") { events } else { calls };
        paths = ids.iter().map(|id| right.path.replace("{id}", id)).collect();
    }
    if right.path.ends_with("/search") || right.path.ends_with("/why") {
        let sought = [encoded, "their", "in_their1", held, "biz_1", their_event_at_stripe];
        paths = sought.iter().map(|text| format!("{}?q={text}", right.path)).collect();
    }
    if right.path.contains("/customers/") {
        paths.push(format!("{}?business=biz_1", paths[0]));
    }
    if right.path.ends_with("/payments") || right.path.ends_with("/deliveries") {
        paths.push(format!("{}?after={held}", right.path));
    }
    paths
}

/// What is another business's cannot be decided about, and is not said to be there.
async fn cannot_decide(world: &World, held: &str, their_events: &[&str]) {
    let operate = give(world, "omar", Role::Operate, 7, Some("biz_2")).await;
    for path in [
        format!("/api/v1/deliveries/{held}/retry"),
        "/api/v1/deliveries/dlv_999/retry".to_owned(),
        format!("/api/v1/events/{}/remap", their_events[0]),
        format!("/api/v1/events/{}/remap", their_events[1]),
        "/api/v1/events/evt_999/remap".to_owned(),
    ] {
        with(world, &operate, "POST", &path).await.is_problem(404, "unknown_item");
    }
    let visitor = enter(world, &operate).await;
    let page = visitor.page("/customers").await;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let reply = visitor.send(&format!("/deliveries/{held}/retry"), &[("csrf", csrf), ("back", "/customers")]).await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert_eq!(world.get(&format!("/api/v1/deliveries/{held}")).await["state"], "discarded");
}

async fn a_token_of_one_business_sees_nothing_of_another(new: fn() -> Setup) {
    let world = two_businesses(new).await;
    let (ours, theirs) = (world.email("ours"), world.email("theirs"));
    for (endpoint, email, id) in
        [("their-shop", &theirs, "their1"), ("our-shop", &ours, "our1"), ("their-shop", &theirs, "their2")]
    {
        // The second payment of one day is held.
        post(&world, endpoint, &Sale::new(id, email, world.ago(600)).event()).await;
        world.idle().await;
    }
    let id_of = |all: &[Value]| all[0]["id"].as_str().expect("an id").to_owned();
    let (own_call, their_calls) = (id_of(&world.deliveries_to(&ours).await), world.deliveries_to(&theirs).await);
    let their_call = id_of(&their_calls);
    let held = their_calls.iter().find(|d| d["state"] == "held").expect("a held one")["id"].as_str().expect("an id");
    let events = world.all("events", "endpoint=their-shop").await;
    let (their_event, their_event_at_stripe) =
        (id_of(&events), events[0]["provider_event_id"].as_str().expect("an id"));
    // Somebody who decides in the other business leaves a trace there.
    let decided = world.act(&format!("/api/v1/deliveries/{held}/discard?note=for-their-eyes")).await;
    assert_eq!(decided.status, 200);

    let read = give(&world, "eva", Role::Read, 7, Some("biz_2")).await;
    let visitor = enter(&world, &read).await;
    let encoded = theirs.replace('@', "%40");
    let mut answers = Vec::new();
    for right in RIGHTS.iter().filter(|right| right.method == "GET" && right.sees == Sees::OwnBusiness) {
        let paths = paths_of(right, &encoded, [&their_call, held], [&their_event, their_event_at_stripe]);
        for path in paths {
            let is_api = path.starts_with("/api/");
            let reply = if is_api { with(&world, &read, "GET", &path).await } else { visitor.get(&path).await };
            assert!(![401, 403].contains(&reply.status), "{path}: {}", reply.text());
            answers.push((path, reply.text()));
        }
    }
    assert!(answers.len() > 25, "{}", answers.len());
    for (path, text) in &answers {
        // What was asked for may be repeated.
        let text = text.replace(&theirs, "").replace(&format!("value=\"{}", &theirs), "");
        let leaks = ["their1", "their2", "biz_1", "for-their-eyes", "their-shop"];
        let asked: Vec<&str> = leaks.iter().copied().filter(|leak| path.contains(leak)).collect();
        for leak in leaks.iter().filter(|leak| !asked.contains(*leak)) {
            assert!(!text.contains(leak), "{path} tells {leak}: {text}");
        }
    }
    for path in
        ["/api/v1/events", "/api/v1/deliveries", "/api/v1/payments", "/api/v1/search?q=ours", "/customers", "/payments"]
    {
        let text = if path.starts_with("/api/") {
            with(&world, &read, "GET", path).await.text()
        } else {
            visitor.page(path).await
        };
        assert!(text.contains(&ours) || text.contains("our1"), "{path}: {text}");
        assert!(!text.contains(&theirs), "{path}: {text}");
    }
    assert!(visitor.page(&format!("/deliveries/{own_call}")).await.contains("in_our1"));
    assert!(visitor.page("/attention").await.contains("Nothing needs a person."), "nothing of theirs is counted");

    cannot_decide(&world, held, &[&their_event, their_event_at_stripe]).await;
    world.end().await;
}

async fn a_token_that_is_taken_back_or_ends_opens_nothing_and_ends_its_sessions(new: fn() -> Setup) {
    let world = new().start().await;
    let finance = give(&world, "finance", Role::Read, 1, None).await;
    let support = give(&world, "support", Role::Read, 7, None).await;
    let again = world.act("/api/v1/access?name=finance&role=read&days=7").await;
    again.is_problem(409, "not_now");
    for (query, words) in [
        ("name=a%40b&role=read&days=7", "letters"),
        ("name=admin&role=read&days=7", "another"),
        ("name=eva&role=owner&days=7", "read, operate, admin"),
        ("name=eva&role=read", "days"),
        ("name=eva&role=read&days=400", "366"),
        ("name=eva&role=read&days=7&business=biz_9", "business"),
    ] {
        let reply = world.act(&format!("/api/v1/access?{query}")).await;
        reply.is_problem(400, "bad_parameter");
        assert!(reply.text().contains(words), "{query}: {}", reply.text());
    }
    let (of_finance, of_support) = (enter(&world, &finance).await, enter(&world, &support).await);
    assert!(of_finance.page("/attention").await.contains("finance"));
    // The token is in no answer but the first, and in no table.
    let listed = world.get("/api/v1/access").await.to_string();
    assert!(listed.contains("finance") && !listed.contains(&finance[4..]), "{listed}");

    let stream = of_support.request("GET", "/api/v1/stream");
    let open = tokio::time::timeout(Duration::from_secs(20), stream.send(world.addr()));
    let taken_back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.act("/api/v1/access/support/revoke?note=left").await.status, 200);
        assert_eq!(of_support.get("/attention").await.status, 303, "signed out at once");
        of_support.get("/session").await.is_problem(401, "unauthorized");
        with(&world, &support, "GET", "/api/v1/stats").await.is_problem(401, "unauthorized");
        assert_eq!(sign_in(&world, &support, "/").await.status, 401);
    };
    let (over, ()) = tokio::join!(open, taken_back);
    let over = over.expect("its stream ends");
    assert!(over.text().contains("event: state"), "{over:?}");
    world.act("/api/v1/access/support/revoke").await.is_problem(404, "unknown_item");
    // The name is free again, and its former sessions are not.
    give(&world, "support", Role::Read, 7, None).await;
    assert_eq!(of_support.get("/attention").await.status, 303);

    world.pass(Duration::from_secs(11 * 3600));
    let late = enter(&world, &finance).await;
    world.pass(Duration::from_secs(13 * 3600));
    assert_eq!(late.get("/attention").await.status, 303, "it ended with the token");
    with(&world, &finance, "GET", "/api/v1/stats").await.is_problem(401, "unauthorized");
    let states: Vec<Value> = world.get("/api/v1/access").await["access"].as_array().expect("a list").clone();
    let states: Vec<&str> = states.iter().map(|access| access["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["holds", "revoked", "ended"]);
    world.end().await;
}

async fn a_page_has_no_button_that_its_reader_may_not_press(new: fn() -> Setup) {
    let mut world = new().start().await;
    let shop = Shop::open(&world).await;
    world.leave.open = true;
    let pages = [
        "/".to_owned(),
        "/attention".to_owned(),
        "/set-up".to_owned(),
        format!("/deliveries/{}", shop.held_call),
        format!("/events/{}", shop.event),
        format!("/customers/{}", shop.held.replace('@', "%40")),
    ];
    let path = format!("/deliveries/{}/discard", shop.held_call);
    for (role, forms) in [(Role::Read, 0), (Role::Operate, 1), (Role::Admin, 2)] {
        let token = give(&world, &format!("a-{role}"), role, 7, None).await;
        let visitor = enter(&world, &token).await;
        let mut seen = (0, 0);
        for page in &pages {
            let text = visitor.page(page).await;
            seen.0 += text.matches("formaction=").count();
            seen.1 += text.matches("/revoke").count();
        }
        assert_eq!((seen.0 > 0, seen.1 > 0), (forms >= 1, forms == 2), "{role}");
        if role == Role::Read {
            let csrf = visitor.csrf().await;
            let fields = [("csrf", csrf.as_str()), ("back", "/attention"), ("note", "I try")];
            let reply = visitor.send(&path, &fields).await;
            assert_eq!(reply.status, 403);
            assert!(reply.text().contains("role_too_low"), "{}", reply.text());
        }
    }
    assert_eq!(world.get(&format!("/api/v1/deliveries/{}", shop.held_call)).await["state"], "held");
    until("nothing was written", async || (audit(&world, "decision=discard").await.is_empty()).then_some(())).await;
    // Access is taken back on the page, too.
    let visitor = Visitor::enter(&world).await;
    let reply = visitor.press("/set-up", "/access/a-read/revoke").await;
    assert_eq!(reply.header("location"), Some("/set-up?done=revoke"), "{}", reply.text());
    assert!(!visitor.page("/set-up").await.contains("/access/a-read/revoke"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_given_tokens_are_limited_and_read_the_store_no_more_than_once_a_second() {
    let world = World::new().await;
    let right = give(&world, "finance", Role::Read, 7, None).await;
    let wrong = format!("{}0", &right[..right.len() - 1]);
    let wrong = if wrong == right { format!("{}1", &right[..right.len() - 1]) } else { wrong };
    let mut statuses = Vec::new();
    for _ in 0..15 {
        statuses.push(with(&world, &wrong, "GET", "/api/v1/stats").await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 5]].concat());
    assert_eq!(with(&world, &right, "GET", "/api/v1/stats").await.status, 200, "the right one opens all the same");
    world.end().await;
}
