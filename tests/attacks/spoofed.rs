//! Senders who say that they are somebody else. Without a trusted proxy no header is believed.

use std::net::{IpAddr, Ipv4Addr};

use refairn_bridge::domain::provider::ProviderKind::Paystack;
use serde_json::json;

use super::target::Expected::{Refused, TurnedAway};
use super::target::{Store, Target, signature_by};
use crate::kit::wire::Request;

on_both! { senders_who_say_they_are_somebody_else }

/// An endpoint that takes webhooks from one address only.
const LISTED: &str = r#"
    [[endpoints]]
    provider = "stripe"
    [[endpoints]]
    provider = "paystack"
    [[endpoints]]
    provider = "paystack"
    name = "listed"
    secrets = ["sk_live_of_the_listed"]
    allowed_ips = ["52.31.139.75"]
"#;
const SECRET: &str = "sk_live_of_the_listed";
/// Failed signatures that an address may send, and many more.
const FLOOD: usize = 150;

const HEADERS: [(&str, &str); 24] = [
    ("X-Forwarded-For", "52.31.139.75"),
    ("X-Forwarded-For", "52.31.139.75, 52.31.139.75"),
    ("X-Forwarded-For", "127.0.0.1, 52.31.139.75"),
    ("X-Forwarded-For", "52.31.139.75, 127.0.0.1"),
    ("X-Forwarded-For", "52.31.139.75:443"),
    ("X-Forwarded-For", "[52.31.139.75]"),
    ("X-Forwarded-For", "::ffff:52.31.139.75"),
    ("X-Forwarded-For", "[::ffff:52.31.139.75]:443"),
    ("X-Forwarded-For", "::1"),
    ("X-Forwarded-For", "localhost"),
    ("X-Forwarded-For", ",,,52.31.139.75,,,"),
    ("X-Forwarded-For", "\"52.31.139.75\""),
    ("X-Forwarded-For", "052.031.139.075"),
    ("X-Forwarded-For", "873434955"),
    ("X-Forwarded-For", "\u{ff15}2.31.139.75"),
    ("X-Forwarded-For", ""),
    ("X-FORWARDED-FOR", "52.31.139.75"),
    ("X_Forwarded_For", "52.31.139.75"),
    ("Forwarded", "for=52.31.139.75;proto=https;by=127.0.0.1"),
    ("X-Real-IP", "52.31.139.75"),
    ("True-Client-IP", "52.31.139.75"),
    ("CF-Connecting-IP", "52.31.139.75"),
    ("X-Client-IP", "52.31.139.75"),
    ("X-Originating-IP", "52.31.139.75"),
];

/// The address that the last refusal is laid to.
async fn laid_to(target: &Target) -> String {
    let stats = target.process.get("/api/v1/stats").await;
    stats["refused_requests"][0]["source"].as_str().expect("an address").to_owned()
}

async fn senders_who_say_they_are_somebody_else(store: Store) {
    let mut target = Target::start_with(store, &[], LISTED).await;
    target.secrets.push(SECRET.to_owned());
    let body = target.forged();
    // Signed as it should be, and from the wrong place all the same.
    let listed = Request::new("POST", "/webhooks/paystack/listed");
    let listed = listed.header("x-paystack-signature", signature_by(Paystack, SECRET, &body, 0)).body(&body);
    let unsigned = Request::new("POST", "/webhooks/paystack/paystack").body(b"{}");
    for (name, value) in HEADERS {
        for (request, status) in [(&listed, 403), (&unsigned, 401)] {
            let source = target.attacker().to_string();
            let shown = format!("{name}: {value}");
            target.ask(&shown, &request.clone().header(name, value), Refused(&[status])).await;
            let laid_to = laid_to(&target).await;
            target.holds(&shown, laid_to == source, || format!("laid to {laid_to}, not {source}"));
        }
    }
    let long = "52.31.139.75, ".repeat(4000);
    target.ask("a long list", &listed.clone().header("X-Forwarded-For", &long), Refused(&[403])).await;
    let lines = (0..50).fold(listed.clone(), |r, _| r.header("X-Forwarded-For", "52.31.139.75"));
    target.ask("many lines", &lines, Refused(&[403])).await;
    a_flood_under_many_names(&mut target).await;
    target.end().await;
}

/// Whoever floods is one sender, whatever it calls itself, and nobody else is turned away for it.
async fn a_flood_under_many_names(target: &mut Target) {
    let flooder: IpAddr = Ipv4Addr::new(127, 0, 0, 66).into();
    let mut turned_away = 0;
    for n in 0..FLOOD {
        let request = Request::new("POST", "/webhooks/paystack/paystack").body(b"{}");
        let request = request.header("X-Forwarded-For", format!("52.31.{}.{n}", n / 250));
        let replies = target.exchange(flooder, &request.bytes()).await.unwrap_or_default();
        turned_away += replies.iter().filter(|r| r.status == 429).count();
        let wrong = replies.iter().any(|r| ![401, 429].contains(&r.status));
        target.holds("a flood", !wrong, || format!("{replies:?}"));
    }
    target.holds("a flood", turned_away > FLOOD / 4, || format!("only {turned_away} of {FLOOD} were turned away"));
    let forged_by_others = Request::new("POST", "/webhooks/paystack/paystack").body(b"{}");
    let replies = target.ask("others are looked at", &forged_by_others, TurnedAway).await;
    let looked_at = replies.first().is_some_and(|r| r.json()["code"] == json!("signature_missing"));
    target.holds("others are looked at", looked_at, || format!("{replies:?}"));
}
