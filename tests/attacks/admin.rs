//! The API: nobody without the token, and nothing but what it offers with it.

use super::target::Expected::{Refused, TurnedAway};
use super::target::{Store, Target};
use crate::kit::program::TOKEN;
use crate::kit::wire::Request;

on_both! { the_api_without_its_token_and_with_odd_questions }

const PATHS: [(&str, &str); 5] = [
    ("GET", "/api/v1/stats"),
    ("GET", "/api/v1/events"),
    ("POST", "/api/v1/events/evt_1/remap"),
    ("POST", "/api/v1/deliveries/dlv_1/discard"),
    ("GET", "/metrics"),
];

/// Parameters that are out of their range, or no values at all.
const VALUES: [&str; 18] = [
    "limit=0",
    "limit=501",
    "limit=-1",
    "limit=1.5",
    "limit=ten",
    "limit=99999999999999999999",
    "limit=%00",
    "limit=5%205",
    "after=-1",
    "after=0",
    "after=x",
    "after=evt_",
    "after=99999999999999999999",
    "after=1%27--",
    "state=nothing",
    "state=%00",
    "state=received%27%20OR%201=1",
    "limit=1&limit=2",
];

/// Texts to look for, as they stand in a path.
const TEXTS: [&str; 9] = ["%27", "%27%20OR%20%271%27=%271", "%25", "_", "%00", "%FF", "\u{e9}", "%F0%9F%98%80", "%5C"];

/// Ids of nothing.
const IDS: [&str; 19] = [
    "x",
    "evt_",
    "dlv_",
    "0",
    "-1",
    "evt_-1",
    "1.5",
    "evt_99999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "%00",
    "%FF",
    "%27",
    "evt_1%27",
    "evt_1%20",
    "EVT_1",
    "evt_0x1",
    "..",
    "%2e%2e",
];

async fn the_api_without_its_token_and_with_odd_questions(store: Store) {
    let mut target = Target::start(store).await;
    let before = target.idle().await;
    let credentials = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer \"\"".to_owned(),
        "Bearer wrong".to_owned(),
        TOKEN.to_owned(),
        format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]),
        format!("Bearer {TOKEN}x"),
        format!("Bearer {}", TOKEN.to_uppercase()),
        format!("Bearer {TOKEN} {TOKEN}"),
        format!("Bearer {TOKEN},{TOKEN}"),
        format!("Bearer:{TOKEN}"),
        format!("Bearer={TOKEN}"),
        format!("Basic {TOKEN}"),
        "Basic YWRtaW46YWRtaW4=".to_owned(),
        format!("Digest {TOKEN}"),
        format!("Token {TOKEN}"),
        format!("Bearer \u{e9}{TOKEN}"),
        format!("Bearer {}", "x".repeat(50_000)),
    ];
    for (method, path) in PATHS {
        let bare = Request::new(method, path);
        target.ask(path, &bare, Refused(&[401])).await;
        for header in ["Cookie", "X-Api-Key", "Proxy-Authorization", "X-Authorization", "BRIDGE_ADMIN_TOKEN"] {
            target.ask(header, &bare.clone().header(header, format!("Bearer {TOKEN}")), Refused(&[401])).await;
        }
        for value in &credentials {
            let shown = format!("{method} {path} {}", &value[..value.len().min(40)]);
            let replies = target.ask(&shown, &bare.clone().header("Authorization", value), Refused(&[401])).await;
            let tells = replies.iter().any(|r| r.text().contains("genuine") || r.text().contains("_total"));
            target.holds(&shown, !tells, || "it tells what only the token opens".to_owned());
        }
    }
    odd_questions(&mut target).await;
    let after = target.idle().await;
    target.holds("deliveries", before == after, || format!("{before:?} became {after:?}"));
    target.end().await;
}

fn with_token(method: &str, path: &str) -> Request {
    Request::new(method, path).header("Authorization", format!("Bearer {TOKEN}"))
}

/// What whoever has the token may ask, and gets no answer but why.
async fn odd_questions(target: &mut Target) {
    for list in ["events", "deliveries"] {
        for value in VALUES {
            let path = format!("/api/v1/{list}?{value}");
            target.ask(&path, &with_token("GET", &path), Refused(&[400])).await;
        }
        for value in ["attention=maybe", "kind=nothing"].iter().filter(|_| list == "deliveries") {
            let path = format!("/api/v1/{list}?{value}");
            target.ask(&path, &with_token("GET", &path), Refused(&[400])).await;
        }
    }
    // A text that is looked for is a text, whatever it looks like.
    let long = "x".repeat(9000);
    for list in ["events?type=", "events?endpoint=", "deliveries?email="] {
        for text in TEXTS.into_iter().chain([long.as_str()]) {
            let path = format!("/api/v1/{list}{text}");
            let reply = with_token("GET", &path).send(target.process.addr).await;
            let found = reply.text().contains("genuine");
            let fine = [200, 400].contains(&reply.status) && !found;
            target.holds(&path[..path.len().min(60)], fine, || format!("{}: {}", reply.status, reply.text()));
        }
    }
    odd_ids(target).await;
}

/// Ids that are none, and actions that are none or come too late.
async fn odd_ids(target: &mut Target) {
    let long = "9".repeat(5000);
    for id in IDS.into_iter().chain([long.as_str()]) {
        for (method, path) in [
            ("GET", format!("/api/v1/events/{id}")),
            ("POST", format!("/api/v1/events/{id}/remap")),
            ("GET", format!("/api/v1/deliveries/{id}")),
            ("POST", format!("/api/v1/deliveries/{id}/retry")),
            ("POST", format!("/api/v1/deliveries/{id}/release")),
            ("POST", format!("/api/v1/deliveries/{id}/discard")),
        ] {
            let shown = format!("{method} {}", &path[..path.len().min(60)]);
            target.ask(&shown, &with_token(method, &path), TurnedAway).await;
        }
    }
    for path in
        ["/api/v1/deliveries/dlv_1/forget", "/api/v1/deliveries/dlv_1/retry/retry", "/api/v1/events/evt_1/retry"]
    {
        target.ask(path, &with_token("POST", path), Refused(&[404])).await;
    }
    // What was delivered cannot be acted on.
    for action in ["retry", "release", "discard"] {
        let path = format!("/api/v1/deliveries/dlv_1/{action}");
        target.ask(&path, &with_token("POST", &path), Refused(&[409])).await;
    }
}
