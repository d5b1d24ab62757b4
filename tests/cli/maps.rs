//! `map` of more than one webhook, and of what is none.

use serde_json::{Value, json};

use crate::AT;
use crate::kit::command::{Dir, same_as_before};
use crate::kit::rules::fixtures;

#[test]
fn map_tells_what_comes_of_several_bodies_together() {
    let dir = Dir::new();
    let folder = |name: &str| fixtures().join("stripe/_sequence").join(name).display().to_string();
    let done = dir.run(&["map", "stripe", &folder("first-sale"), "--at", AT]).succeeds();
    assert_eq!(done.stderr, "");
    same_as_before("map-first-sale", &done.stdout);
}

#[test]
fn map_tells_files_of_one_name_apart() {
    let dir = Dir::new();
    let file = |name: &str| fixtures().join("stripe/invoice.paid").join(name).join("body.json").display().to_string();
    let (one, other) = (file("currency-jpy"), file("currency-kwd"));
    let told = dir.run(&["map", "stripe", &one, &other, "--at", AT]).succeeds().stdout;
    assert!(told.contains(&format!("1.  {one}\n")) && told.contains(&format!("2.  {other}\n")), "{told}");
}

/// Several bodies come to the calls of the sequences in the corpus that are one customer's and have no steps.
#[test]
fn map_of_several_agrees_with_the_corpus() {
    let dir = Dir::new();
    let check = |provider: &str, name: &str| {
        let folder = fixtures().join(provider).join("_sequence").join(name);
        let args = ["map", provider, folder.to_str().unwrap(), "--json", "--at", "2026-11-20T12:00:00Z"];
        let told: Value = serde_json::from_str(&dir.run(&args).succeeds().stdout).expect("JSON");
        let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let mut calls: Vec<Value> = Vec::new();
        for customer in told["customers"].as_array().unwrap() {
            calls.extend(customer["calls"].as_array().unwrap().iter().filter(|c| c["state"] == "queued").cloned());
        }
        let short = |call: &Value| {
            let body = &call["body"];
            json!([call["kind"], body["customerEmail"], body["amount"], body["paymentDate"], body["referralCode"]])
        };
        let expected: Vec<Value> = expected["calls"].as_array().unwrap().iter().map(short).collect();
        assert_eq!(calls.iter().map(short).collect::<Vec<_>>(), expected, "{name}: {told}");
    };
    check("stripe", "first-sale");
    check("stripe", "refund-by-link-before-sending");
    check("stripe", "referred-long-after-paying-heard-at-once");
    check("stripe", "four-events-one-payment");
    check("stripe", "code-in-session-of-intent");
    check("stripe", "two-customers-one-email");
    check("paystack", "first-charge-with-code");
    check("paystack", "refunded-and-cancelled-before-sending");
    check("paystack", "email-comes-with-a-later-event");
    check("paystack", "two-customers-mixed");
}

#[test]
fn map_takes_what_is_pasted_for_what_it_is() {
    let dir = Dir::new();
    let sample =
        |path: &str| -> Value { serde_json::from_slice(&std::fs::read(fixtures().join(path)).unwrap()).unwrap() };
    let check = |body: &Value, says: &str| {
        dir.write("body.json", &body.to_string());
        let shown = dir.run(&["map", "stripe", "body.json", "--at", AT]).succeeds().stdout;
        assert!(shown.contains(says) && !shown.contains("signature"), "{shown}");
        assert!(shown.contains("POST /api/events/payment-succeeded"), "{shown}");
    };
    let event = sample("stripe/invoice.paid/renewal-clover/body.json");
    check(&event["data"]["object"], "this is an invoice, not an event: read as invoice.paid");
    let charge = sample("paystack/charge.success/one-off-card-ngn/body.json");
    check(&charge, "this looks like Paystack's, not Stripe's");

    dir.write("body.json", r#"{"nothing":"of anybody's"}"#);
    let done = dir.run(&["map", "stripe", "body.json"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("This is no event as Stripe sends it") && !done.stdout.contains("signature"));
    dir.write("event.json", &event.to_string());
    let done = dir.run(&["map", "stripe", "event.json", "body.json", "--at", AT]);
    assert_eq!(done.code, Some(1), "one of two could not be read");
    assert!(
        done.stdout.contains("outcome  unmappable") && done.stdout.contains("payment-succeeded"),
        "{}",
        done.stdout
    );
}
