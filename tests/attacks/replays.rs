//! Genuine webhooks again: captured, repeated, said in other words. Each sale is told once.

use futures_util::future::join_all;
use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};
use serde_json::{Value, json};

use super::target::{Store, Target, signature, signature_by, signed};
use crate::kit::program::PAYSTACK_SECRET;
use crate::kit::wire::Reply;

on_both! { webhooks_again_and_again }

/// How often one request is sent in a row, and at once.
const TIMES: usize = 25;

async fn webhooks_again_and_again(store: Store) {
    let mut target = Target::start(store).await;
    for kind in [Stripe, Paystack] {
        let (body, email) = target.genuine_of(kind);
        // The very same bytes, all at once and then in a row.
        let request = signed(kind, &body);
        let replies = join_all((0..TIMES).map(|_| request.send(target.process.addr))).await;
        let mut replies: Vec<Reply> = replies.into_iter().collect();
        for _ in 0..TIMES {
            replies.push(request.send(target.process.addr).await);
        }
        one_event(&mut target, "the same bytes", &replies);
        target.taken += 1;
        target.is_told(&email).await;
    }
    // Signed anew at another time, as Stripe does when it sends again.
    let (body, _) = target.genuine_of(Stripe);
    let mut replies = Vec::new();
    for seconds in [-299, -100, 0, 100, 290] {
        let header = signature_by(Stripe, super::target::secret(Stripe), &body, seconds);
        let request = super::target::to(Stripe).header("Stripe-Signature", header).body(&body);
        replies.push(request.send(target.process.addr).await);
    }
    one_event(&mut target, "signed anew", &replies);
    target.taken += 1;
    other_words(&mut target).await;
    let (recorded, taken) = (target.recorded().await, target.taken);
    target.holds("events", recorded == taken, || format!("{recorded} are recorded, not {taken}"));
    target.idle().await;
    target.end().await;
}

/// All of these are answers to one event: it is new once.
fn one_event(target: &mut Target, name: &str, replies: &[Reply]) {
    let taken = replies.iter().all(|r| r.status == 200);
    target.holds(name, taken, || format!("{replies:?}"));
    let ids: std::collections::BTreeSet<String> = replies.iter().map(|r| r.json()["event"].to_string()).collect();
    let new = replies.iter().filter(|r| r.json()["duplicate"] == false).count();
    target.holds(name, (ids.len(), new) == (1, 1), || format!("{new} new of {ids:?}"));
}

/// The same sale in other words: an event of its own perhaps, and no second call.
async fn other_words(target: &mut Target) {
    // Stripe's id decides: another body under it is the same event.
    let (body, email) = target.genuine_of(Stripe);
    let event: Value = serde_json::from_slice(&body).expect("JSON");
    let mut other = event.clone();
    other["data"]["object"]["amount_paid"] = json!(999_999);
    let pretty = serde_json::to_vec_pretty(&event).expect("JSON");
    let mut replies = vec![signed(Stripe, &body).send(target.process.addr).await];
    for body in [other.to_string().into_bytes(), pretty, [&body[..], b"\n"].concat()] {
        replies.push(signed(Stripe, &body).send(target.process.addr).await);
    }
    one_event(target, "one id, other bodies", &replies);
    target.taken += 1;
    target.is_told(&email).await;
    // Another event about the same invoice is an event, and no call.
    let mut again = event;
    again["id"] = json!("evt_again");
    again["type"] = json!("invoice.payment_succeeded");
    let reply = target.send(&signed(Stripe, again.to_string().as_bytes())).await;
    target.holds("one invoice, two events", reply.json()["duplicate"] == false, || reply.text());
    target.taken += 1;
    // Paystack's events have no id: their bytes decide, and then the reference.
    let (body, email) = target.genuine_of(Paystack);
    let charge: Value = serde_json::from_slice(&body).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&charge).expect("JSON");
    for body in [body.clone(), pretty, [b" ", &body[..]].concat(), [&body[..], b"\n"].concat()] {
        let reply = target.send(&signed(Paystack, &body)).await;
        target.holds("one reference, other bytes", reply.json()["duplicate"] == false, || reply.text());
        target.taken += 1;
    }
    target.is_told(&email).await;
    // A signature of one provider's is none of the other's, even for the same bytes.
    let crossed = super::target::to(Stripe).header("Stripe-Signature", signature(Paystack, &body)).body(&body);
    let reply = crossed.send(target.process.addr).await;
    target.holds("sent to the other endpoint", reply.status == 401, || reply.text());
    let by_its_key = signature_by(Stripe, PAYSTACK_SECRET, &body, 0);
    let crossed = super::target::to(Stripe).header("Stripe-Signature", by_its_key).body(&body);
    let reply = crossed.send(target.process.addr).await;
    target.holds("signed with the other's secret", reply.status == 401, || reply.text());
}
