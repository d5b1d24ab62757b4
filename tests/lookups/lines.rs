//! Invoices whose events show ten of their lines: the others are asked for, and then the sale is what it is.

use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, customer, event, invoice, thin};
use crate::kit::provider::{Asked, PROVIDER_KEY, Says, error};
use crate::kit::until;

on_both! {
    the_lines_that_an_event_leaves_out_are_asked_for_page_by_page
    lines_outside_of_the_program_end_the_sale
    trouble_with_lines_is_waited_out_over_a_restart
    answers_about_lines_that_are_none_leave_the_invoice_with_a_person
}

const PATH: &str = "/v1/invoices/in_1";
const FIRST: &str = "/v1/invoices/in_1/lines?limit=100";

/// A bridge that is told of what `price_team` brings, and of nothing else.
async fn bridge(data: Data) -> Bridge {
    let keys = "unmapped = \"ignore\"\nproducts = { price_team = \"prod_1\" }";
    Bridge::start_on(data, &format!("api_key = \"{PROVIDER_KEY}\"\n{keys}")).await
}

fn line(id: usize, price: &str, cents: i64) -> Value {
    json!({"id": format!("il_{id}"), "object": "line_item", "amount": cents, "price": {"id": price}})
}

fn page(lines: &[Value], has_more: bool) -> Says {
    Says::Object(json!({"object": "list", "data": lines, "has_more": has_more, "url": "/v1/invoices/in_1/lines"}))
}

/// An invoice of 200 and its first ten lines, of which each is 1 of something else.
fn long_invoice() -> Value {
    let mut invoice = invoice("in_1", "cus_1", Some("jane@example.com"));
    let lines: Vec<Value> = (0..10).map(|n| line(n, "price_seat", 100)).collect();
    for amount in ["amount_paid", "amount_due", "total", "subtotal"] {
        invoice[amount] = json!(20_000);
    }
    invoice["lines"] = json!({"object": "list", "data": lines, "has_more": true, "total_count": 130});
    invoice
}

/// All its lines: 30 of something else, and then 100 of `price` at 1.70 each.
fn pages(price: &str) -> [Says; 2] {
    let lines: Vec<Value> =
        (0..130).map(|n| if n < 30 { line(n, "price_seat", 100) } else { line(n, price, 170) }).collect();
    [page(&lines[..100], true), page(&lines[100..], false)]
}

const SECOND: &str = "/v1/invoices/in_1/lines?limit=100&starting_after=il_99";

async fn the_lines_that_an_event_leaves_out_are_asked_for_page_by_page(data: Data) {
    let bridge = bridge(data).await;
    let [first, second] = pages("price_team");
    bridge.provider.says(PATH, [Says::Object(long_invoice())]);
    bridge.provider.says(FIRST, [first]);
    bridge.provider.says(SECOND, [second]);
    let mut told = event("evt_1", "invoice.paid", long_invoice());
    told["account"] = json!("acct_9");
    bridge.stripe(&told).await;
    assert_eq!(bridge.calls(1).await[0]["amount"], json!(170));
    bridge.until("invoice.paid", "mapped", None, "").await;
    let events = bridge.events("invoice.paid").await;
    assert_eq!(events[1].reason.map(|r| r.code()), Some("already_reported"), "{events:?}");
    let asked = |path: &str| Asked { path: path.into(), account: Some("acct_9".into()) };
    assert_eq!(bridge.provider.asked(), [asked(PATH), asked(FIRST), asked(SECOND)]);
    // Sent again, and told by its other event: nothing more is asked, nothing told twice.
    bridge.stripe(&told).await;
    told["type"] = json!("invoice.payment_succeeded");
    bridge.stripe(&told).await;
    bridge.until("invoice.payment_succeeded", "ignored", Some("already_reported"), "").await;
    bridge.wait(86_400 * 2);
    bridge.idle().await;
    assert_eq!((bridge.provider.asked().len(), bridge.world.sandbox.calls().len()), (3, 1));
    bridge.end().await;
}

async fn lines_outside_of_the_program_end_the_sale(data: Data) {
    let bridge = bridge(data).await;
    let [first, second] = pages("price_other");
    bridge.provider.says(PATH, [Says::Object(long_invoice())]);
    bridge.provider.says(FIRST, [first]);
    bridge.provider.says(SECOND, [second]);
    bridge.stripe(&event("evt_1", "invoice.paid", long_invoice())).await;
    bridge.until("invoice.paid", "ignored", Some("product_unmapped"), "").await;
    // Of another the lines of the program give back what they cost.
    let mut other = long_invoice();
    other["id"] = json!("in_2");
    let lines = [line(1, "price_seat", 20_000), line(2, "price_team", 500), line(3, "price_team", -500)];
    bridge.provider.says("/v1/invoices/in_2", [Says::Object(other.clone())]);
    bridge.provider.says("/v1/invoices/in_2/lines?limit=100", [page(&lines, false)]);
    bridge.stripe(&event("evt_2", "invoice.payment_succeeded", other)).await;
    bridge.until("invoice.payment_succeeded", "ignored", Some("nothing_in_products"), "").await;
    bridge.wait(86_400 * 2);
    bridge.idle().await;
    assert_eq!((bridge.provider.asked().len(), bridge.world.sandbox.calls().len()), (5, 0));
    bridge.end().await;
}

async fn trouble_with_lines_is_waited_out_over_a_restart(data: Data) {
    let bridge = bridge(data).await;
    let [first, second] = pages("price_team");
    bridge.provider.says(PATH, [error(503, "Down"), Says::Object(long_invoice())]);
    bridge.provider.says(FIRST, [first]);
    bridge.provider.says(SECOND, [Says::HangUp, Says::Status(200, "<html>".into()), error(403, "No"), second]);
    bridge.stripe(&event("evt_1", "invoice.paid", long_invoice())).await;
    bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), "answered 503: Down").await;
    bridge.wait(2);
    bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), "connection broke").await;
    let bridge = bridge.restart().await;
    bridge.wait(4);
    bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), "not what was asked for (lines)").await;
    bridge.wait(8);
    // One permission that the key lacks keeps it from nothing else.
    bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), "answered 403: No").await;
    bridge.provider.says("/v1/customers/cus_2", [Says::Object(customer("cus_2", Some("john@example.org")))]);
    bridge
        .stripe(&event(
            "evt_2",
            "customer.subscription.updated",
            json!({"id": "sub_2", "customer": "cus_2",
        "status": "past_due"}),
        ))
        .await;
    bridge.until("customer.subscription.updated", "ignored", Some("no_payment_yet"), "").await;
    // What else is told of the customer leaves the note as it is.
    bridge.stripe(&event("evt_3", "customer.updated", customer("cus_1", Some("jane@example.com")))).await;
    bridge.idle().await;
    bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), "answered 403: No").await;
    bridge.wait(86_400 * 6 / 5);
    assert_eq!(bridge.calls(1).await[0]["amount"], json!(170));
    bridge.until("invoice.paid", "mapped", None, "").await;
    bridge.end().await;
}

async fn answers_about_lines_that_are_none_leave_the_invoice_with_a_person(data: Data) {
    let bridge = bridge(data).await;
    let mut another = long_invoice();
    another["id"] = json!("in_2");
    bridge.provider.says(PATH, [Says::Object(another), Says::Object(long_invoice())]);
    // Pages without end, each with lines of its own.
    let endless =
        |n: usize| page(&(n * 100..n * 100 + 100).map(|n| line(n, "price_team", 1)).collect::<Vec<_>>(), true);
    bridge.provider.says(FIRST, [page(&[line(1, "price_team", 1)], false), Says::Flood, page(&[], true), endless(0)]);
    for n in 1..40 {
        let path = format!("{FIRST}&starting_after=il_{}", n * 100 - 1);
        bridge.provider.says(&path, [endless(n)]);
    }
    bridge.stripe(&event("evt_1", "invoice.paid", long_invoice())).await;
    let answers = [
        ("not what was asked for", 2),
        ("too long", 86_400 * 6 / 5),
        ("not what was asked for (lines)", 8),
        ("more than 1000 lines", 0),
    ];
    for (note, wait) in answers {
        bridge.until("invoice.paid", "unmappable", Some("lines_not_seen"), note).await;
        bridge.wait(wait);
    }
    let asked = bridge.provider.asked();
    assert_eq!(asked.iter().filter(|a| a.path.contains("starting_after")).count(), 9, "{asked:?}");
    assert_eq!((bridge.events("invoice.paid").await.len(), bridge.world.sandbox.calls().len()), (1, 0));
    bridge.end().await;
}

/// A status that only thin events tell, and that no snapshot has: the subscription tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_only_thin_events_tell_reaches_refairn() {
    let bridge = Bridge::with_key().await;
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", Some("jane@example.com")))).await;
    bridge.calls(1).await;
    for (n, (word, told)) in [("past_due", "past_due"), ("active", "active"), ("unpaid", "past_due")].iter().enumerate()
    {
        let subscription = json!({"id": "sub_of_cus_1", "object": "subscription", "customer": "cus_1", "status": word});
        bridge.provider.says("/v1/subscriptions/sub_of_cus_1", [Says::Object(subscription)]);
        let event_type = format!("v1.customer.subscription.{word}");
        bridge.wait(3600);
        let mut thin = thin(
            &format!("evt_thin{n}"),
            &event_type,
            "subscription",
            "sub_of_cus_1",
            "/v1/subscriptions/sub_of_cus_1",
        );
        thin["created"] = json!(bridge.world.now().to_string());
        bridge.stripe(&thin).await;
        bridge.until(&event_type, "ignored", Some("looked_up"), "").await;
        until("the answer is an event", async || {
            (bridge.events("customer.subscription.updated").await.len() == n + 1).then_some(())
        })
        .await;
        bridge.idle().await;
        bridge.wait(86_400 * 5 / 2);
        let calls = bridge.calls(n + 2).await;
        assert_eq!((&calls[n + 1]["subscriptionStatus"], &calls[n + 1]["amount"]), (&json!(told), &json!(0)));
    }
    bridge.end().await;
}
