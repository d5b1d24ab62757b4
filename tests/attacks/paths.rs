//! Paths: what is not exactly the path of an endpoint is none, and nothing opens the API but its token.

use refairn_bridge::domain::provider::ProviderKind::Stripe;

use super::target::Expected::{Refused, Taken, TurnedAway};
use super::target::{Store, Target, signature};
use crate::kit::wire::Request;

on_both! { paths_that_lead_nowhere }

const NO_ENDPOINT: [&str; 29] = [
    "/webhooks",
    "/webhooks/",
    "/webhooks//",
    "/webhooks//stripe",
    "//webhooks/stripe",
    "/webhooks/stripe//",
    "/webhooks/stripe//stripe",
    "/webhooks/stripe//",
    "/webhooks/stripe/stripe/stripe",
    "/webhooks/stripe/paystack",
    "/webhooks/stripe/other",
    "/webhooks/Stripe",
    "/WEBHOOKS/stripe",
    "/webhooks/adyen",
    "/webhooks/stripe%2Fstripe",
    "/webhooks%2Fstripe",
    "/webhooks/stripe%00",
    "/webhooks/stripe%0d%0aX-A:%20b",
    "/webhooks/%73%74%72%69%70%65%",
    "/webhooks/%FF",
    "/webhooks/stripe/%C3%28",
    "/webhooks/%2e%2e/stripe",
    "/webhooks/./stripe",
    "/webhooks/x/../stripe",
    "/webhooks/stripe/../../api/v1/stats",
    "/webhooks/stripe;a=b",
    "/webhooks/stripe\\stripe",
    "/../webhooks/stripe",
    "/webhooks/stripe%20",
];

const NO_DOOR: [&str; 22] = [
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api/v1//stats",
    "//api/v1/stats",
    "/api//v1/stats",
    "/API/v1/stats",
    "/api/v2/stats",
    "/api%2Fv1/stats",
    "/api/v1%2Fstats",
    "/api/v1/stats/",
    "/api/v1/stats;a=b",
    "/api/v1/stats?token=admin-token-of-the-process",
    "/webhooks/../api/v1/stats",
    "/livez/../api/v1/stats",
    "/%2e%2e/metrics",
    "/metrics/",
    "/metrics%00",
    "/metrics?Authorization=Bearer%20admin-token-of-the-process",
    "/api/v1/events/..%2F..%2Fetc%2Fpasswd",
    "/.git/config",
];

async fn paths_that_lead_nowhere(store: Store) {
    let mut target = Target::start(store).await;
    for path in NO_ENDPOINT {
        let body = target.forged();
        let request = Request::new("POST", path).header("Stripe-Signature", signature(Stripe, &body)).body(&body);
        target.ask(path, &request, TurnedAway).await;
    }
    let long = format!("/webhooks/{}", "x".repeat(20_000));
    let deep = "/webhooks/stripe".to_owned() + &"/x".repeat(10_000);
    for path in [long, deep] {
        let request = Request::new("POST", &path).body(b"{}");
        target.ask(&path[..30], &request, Refused(&[404])).await;
    }
    for path in ["/webhooks/stripe?a=b", "/webhooks/stripe/stripe?", "/webhooks/stripe?../../x", "/webhooks/%73tripe"] {
        let (body, _) = target.genuine_of(Stripe);
        let request = Request::new("POST", path).header("Stripe-Signature", signature(Stripe, &body)).body(&body);
        target.ask(path, &request, Taken).await;
    }
    for method in ["GET", "POST"] {
        for path in NO_DOOR {
            let request = Request::new(method, path).header("X-Original-URL", "/api/v1/stats");
            let replies = target.ask(&format!("{method} {path}"), &request, TurnedAway).await;
            let tells = replies.iter().any(|r| r.text().contains("needs_attention") || r.text().contains("_total"));
            target.holds(path, !tells, || "it tells what only the token opens".to_owned());
        }
    }
    target.end().await;
}
