//! Reconciliations: what a provider lists, beside what the bridge has. What was planted is found, each under its name, and
//! nothing else is.

use std::collections::BTreeMap;

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, days_ago, sales};
use crate::shop::{Sale, Webhook};

on_both! {
    what_is_alike_is_alike
    what_was_planted_at_stripe_is_found
    what_was_planted_at_stripe_months_ago_is_found
    what_was_planted_at_paystack_is_found
    a_sale_that_was_told_twice_is_found
    what_is_missing_is_fetched
    what_was_compared_needs_nobody_once_its_endpoint_is_taken_out
}

impl Bridge {
    /// Compares what was paid from so many days ago until today.
    pub async fn compare(&self, kind: ProviderKind, days: i64) -> Value {
        self.compare_at(kind, "", days).await
    }

    /// The same with more that is asked for.
    pub async fn compare_at(&self, kind: ProviderKind, more: &str, days: i64) -> Value {
        let (from, to) = (days_ago(days).strftime("%Y-%m-%d"), self.world.now().strftime("%Y-%m-%d"));
        let path = format!("/api/v1/reconciliations?provider={}&from={from}&to={to}{more}", kind.code());
        let reply = self.world.act(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let id = reply.json()["id"].as_str().expect("an id").to_owned();
        crate::kit::until(&format!("{id} is done"), async || {
            let seen = self.world.get(&format!("/api/v1/reconciliations/{id}")).await;
            assert_ne!(seen["state"], "failed", "{seen}");
            if seen["summary"].is_object() {
                return Some(seen);
            }
            self.world.pass(std::time::Duration::from_millis(100));
            None
        })
        .await
    }

    /// Each payment of a comparison, by its id.
    pub async fn compared(&self, of: &Value) -> BTreeMap<String, Value> {
        let id = of["id"].as_str().expect("an id");
        let (mut all, mut after) = (BTreeMap::new(), String::new());
        loop {
            // Small pages: nothing may be lost between two.
            let page = self.world.get(&format!("/api/v1/reconciliations/{id}/payments?limit=3{after}")).await;
            for payment in page["payments"].as_array().expect("payments") {
                let known = all.insert(payment["id"].as_str().expect("an id").to_owned(), payment.clone());
                assert!(known.is_none(), "{payment} is there twice");
            }
            let Some(next) = page["next"].as_str() else { return all };
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            after = format!("&after={next}");
        }
    }

    pub async fn hear_all(&self, kind: ProviderKind, sales: &[Sale]) {
        for sale in sales {
            let webhooks = at(kind, sale, self);
            self.hear(kind, &webhooks.iter().collect::<Vec<_>>()).await;
        }
        self.drive().await;
    }
}

fn at(kind: ProviderKind, sale: &Sale, bridge: &Bridge) -> Vec<Webhook> {
    match kind {
        ProviderKind::Stripe => sale.at_stripe(&bridge.provider),
        ProviderKind::Paystack => sale.at_paystack(&bridge.provider),
    }
}

fn count(of: &Value, comparison: &str) -> u64 {
    let sums = of["summary"]["sums"].as_array().expect("sums").iter();
    sums.filter(|sum| sum["comparison"] == comparison).filter_map(|sum| sum["count"].as_u64()).sum()
}

/// What stands otherwise than it was to.
#[track_caller]
fn check(found: &BTreeMap<String, Value>, expected: &[(&str, &str)]) {
    for (id, comparison) in expected {
        let payment = found.get(*id).unwrap_or_else(|| panic!("{id} is not there: {found:#?}"));
        assert_eq!(payment["comparison"], *comparison, "{payment:#}");
    }
    let others = found.iter().filter(|(id, _)| !expected.iter().any(|(known, _)| id == known));
    for (_, payment) in others {
        assert!(["same", "taken_back"].contains(&payment["comparison"].as_str().expect("a code")), "{payment:#}");
    }
}

async fn what_is_alike_is_alike(data: Data) {
    for kind in [ProviderKind::Stripe, ProviderKind::Paystack] {
        for days in [25, 100] {
            let bridge = Bridge::start(data).await;
            let sales = sales(&bridge, 24, days);
            bridge.hear_all(kind, &sales).await;
            let seen = bridge.compare(kind, days + 5).await;
            assert_eq!(seen["to_see"], 0, "{seen:#}");
            let found = bridge.compared(&seen).await;
            check(&found, &[]);
            let paid: usize = sales.iter().map(|sale| 1 + usize::try_from(sale.renewals).expect("few")).sum();
            assert_eq!(found.len(), paid, "{seen:#}");
            let totals = &seen["summary"]["totals"][0];
            assert_eq!(totals["ours"]["count"], json!(paid), "{totals}");
            // What was given back before it was told is not told.
            let told = bridge.held().iter().filter(|item| item["paid"].is_string() && item["amount"] != "0").count();
            assert_eq!(totals["told"]["count"], json!(told), "{totals}");
            // Compared anew, the last result takes the place of the one before.
            let again = bridge.compare(kind, days + 5).await;
            assert_eq!(again["summary"], seen["summary"]);
            crate::kit::until("the one before is forgotten", async || {
                let kept = bridge.world.get("/api/v1/reconciliations").await;
                (kept["reconciliations"].as_array().map(Vec::len) == Some(1)).then_some(())
            })
            .await;
            bridge.end().await;
        }
    }
}

/// Sales of which one is lost, one has another amount at the provider, one another day, one another customer, one was given
/// back unheard, and one the provider does not list.
async fn planted_at_stripe(data: Data, age: i64) {
    let bridge = Bridge::start(data).await;
    let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(age)).code("ADA10");
    let all: Vec<Sale> = (0..9).map(sale).collect();
    let lost = all[0].at_stripe(&bridge.provider);
    bridge.hear_all(ProviderKind::Stripe, &all[1..]).await;
    // The same invoice in events and in the list of invoices.
    let (other_day, elsewhere) = (days_ago(age - 1).as_second(), bridge.world.email("elsewhere"));
    bridge.provider.lists(|lists| {
        for path in ["/v1/events", "/v1/invoices"] {
            lists.change(path, |object| {
                let own = if path == "/v1/events" { &mut object["data"]["object"] } else { object };
                match own["id"].as_str().unwrap_or_default() {
                    "in_1_0" => own["amount_paid"] = json!(3999),
                    "in_2_0" => own["status_transitions"]["paid_at"] = json!(other_day),
                    "in_3_0" => own["customer_email"] = json!(elsewhere),
                    "in_4_0" | "inpay_4_0" | "cs_4" => return false,
                    "in_5_0" => own["currency"] = json!("eur"),
                    _ => {}
                }
                true
            });
        }
        lists.change("/v1/checkout/sessions", |object| object["id"] != "cs_4");
        let at = days_ago(age).as_second() + 7200;
        let refund = json!({"id": "re_6", "object": "refund", "amount": 1000, "currency": "usd",
            "payment_intent": "pi_6_0", "charge": "ch_6_0", "status": "succeeded", "created": at});
        let event = json!({"id": "evt_6_back", "object": "event", "api_version": "2026-07-29.dahlia", "created": at,
            "type": "refund.created", "livemode": true, "pending_webhooks": 0, "request": null,
            "data": {"object": refund}});
        lists.add("/v1/refunds", refund);
        lists.add("/v1/events", event);
    });
    let seen = bridge.compare(ProviderKind::Stripe, age + 5).await;
    let found = bridge.compared(&seen).await;
    check(
        &found,
        &[
            ("in_0_0", "missing"),
            ("in_1_0", "different"),
            ("in_2_0", "different"),
            ("in_3_0", "different"),
            ("in_4_0", "ours_only"),
            ("in_5_0", "different"),
            ("in_6_0", "refund_missing"),
            ("in_7_0", "same"),
            ("in_8_0", "same"),
        ],
    );
    let differs = |id: &str| found[id]["differs"].clone();
    assert_eq!(differs("in_1_0"), json!(["amount"]));
    assert_eq!(
        (&found["in_1_0"]["provider"]["amount"], &found["in_1_0"]["ours"]["amount"]),
        (&json!("39.99"), &json!("29.99"))
    );
    assert_eq!(differs("in_2_0"), json!(["day"]));
    assert_eq!(differs("in_3_0"), json!(["customer"]));
    assert_eq!(differs("in_5_0"), json!(["currency"]));
    assert_eq!((count(&seen, "missing"), &seen["to_see"]), (1, &json!(7)), "{seen:#}");
    // Nothing of it has come in: it was only compared.
    assert_eq!(bridge.world.all("events", "origin=backfill").await.len(), 0);
    assert!(!lost.is_empty());
    bridge.end().await;
}

async fn what_was_planted_at_stripe_is_found(data: Data) {
    planted_at_stripe(data, 12).await;
}

async fn what_was_planted_at_stripe_months_ago_is_found(data: Data) {
    planted_at_stripe(data, 80).await;
}

async fn what_was_planted_at_paystack_is_found(data: Data) {
    let bridge = Bridge::start(data).await;
    let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(12)).code("ADA10");
    let all: Vec<Sale> = (0..8).map(sale).collect();
    drop(all[0].at_paystack(&bridge.provider));
    bridge.hear_all(ProviderKind::Paystack, &all[1..]).await;
    let second = Sale { n: 20, ..all[7].clone() };
    bridge.hear_all(ProviderKind::Paystack, &[second, sale(21).refunded()]).await;
    bridge.provider.lists(|lists| {
        lists.change("/transaction", |row| {
            match row["reference"].as_str().unwrap_or_default() {
                "ref_1_0" => row["amount"] = json!(199_900),
                "ref_2_0" => return false,
                // Wholly given back: it is no success any more.
                "ref_3_0" => row["status"] = json!("reversed"),
                _ => {}
            }
            true
        });
        let at = days_ago(11).to_string();
        lists.add(
            "/refund",
            json!({"id": 900, "domain": "live", "transaction": 40_000, "transaction_reference": "ref_4_0",
            "amount": 100_000, "currency": "NGN", "status": "processed", "createdAt": at, "refunded_at": at}),
        );
    });
    let seen = bridge.compare(ProviderKind::Paystack, 20).await;
    let found = bridge.compared(&seen).await;
    check(
        &found,
        &[
            ("ref_0_0", "missing"),
            ("ref_1_0", "different"),
            ("ref_2_0", "ours_only"),
            ("ref_3_0", "refund_missing"),
            ("ref_4_0", "refund_missing"),
            ("ref_5_0", "same"),
            ("ref_7_0", "same"),
            ("ref_20_0", "held"),
            ("ref_21_0", "taken_back"),
        ],
    );
    assert_eq!(found["ref_20_0"]["reason"], "same_day_payment");
    assert_eq!(found["ref_4_0"]["provider"]["taken_back"], "1000");
    assert_eq!(found["ref_4_0"]["ours"]["taken_back"], "0");
    bridge.end().await;
}

async fn a_sale_that_was_told_twice_is_found(data: Data) {
    let bridge = Bridge::start(data).await;
    let at = days_ago(10).as_second();
    let email = bridge.world.email("buyer");
    let event = |id: &str, kind: &str, object: Value| Webhook {
        at,
        body: json!({"id": id, "object": "event", "api_version": "2026-07-29.dahlia", "created": at, "type": kind,
            "livemode": true, "pending_webhooks": 1, "request": null, "data": {"object": object}}),
    };
    let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete",
        "payment_status": "paid", "customer": "cus_1", "payment_intent": "pi_1", "invoice": null, "subscription": null,
        "invoice_creation": {"enabled": true}, "customer_details": {"email": email, "name": "Buyer"},
        "amount_total": 2999, "currency": "usd", "metadata": {}, "created": at, "livemode": true});
    let invoice = json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "customer_email": email,
        "customer_name": "Buyer", "currency": "usd", "amount_paid": 2999, "amount_due": 2999, "total": 2999,
        "subtotal": 2999, "status": "paid", "billing_reason": "manual", "metadata": {}, "livemode": true, "created": at,
        "status_transitions": {"paid_at": at + 60}});
    let link = json!({"id": "inpay_1", "object": "invoice_payment", "status": "paid", "invoice": "in_1",
        "amount_paid": 2999, "currency": "usd", "livemode": true, "status_transitions": {"paid_at": at},
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    let session = event("evt_1", "checkout.session.completed", session);
    let invoice = event("evt_2", "invoice.paid", invoice);
    let link = event("evt_3", "invoice_payment.paid", link);
    bridge.hear(ProviderKind::Stripe, &[&session]).await;
    bridge.drive().await;
    bridge.hear(ProviderKind::Stripe, &[&invoice]).await;
    bridge.drive().await;
    let held = bridge.world.all("deliveries", "state=held").await;
    assert_eq!(held[0]["reason"], "may_be_reported_already", "{held:?}");
    bridge.world.act(&format!("/api/v1/deliveries/{}/release", held[0]["id"].as_str().expect("an id"))).await;
    bridge.drive().await;
    // That both are one sale only the provider knows.
    bridge.provider.lists(|lists| {
        [&session, &invoice, &link].into_iter().for_each(|webhook| lists.add("/v1/events", webhook.body.clone()));
    });
    let seen = bridge.compare(ProviderKind::Stripe, 20).await;
    let found = bridge.compared(&seen).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let doubled = found.values().next().expect("one");
    assert_eq!(doubled["comparison"], "doubled", "{doubled:#}");
    assert_eq!(doubled["told"].as_array().map(Vec::len), Some(2), "{doubled:#}");
    bridge.end().await;
}

async fn what_is_missing_is_fetched(data: Data) {
    for kind in [ProviderKind::Stripe, ProviderKind::Paystack] {
        let bridge = Bridge::start(data).await;
        let sales = sales(&bridge, 20, 40);
        let (lost, heard) = sales.split_at(6);
        lost.iter().for_each(|sale| drop(at(kind, sale, &bridge)));
        bridge.hear_all(kind, heard).await;
        let seen = bridge.compare(kind, 45).await;
        assert!(count(&seen, "missing") >= 4, "{seen:#}");
        let listed = bridge.list(kind, days_ago(45)).await;
        bridge.record(&listed).await;
        bridge.drive().await;
        let again = bridge.compare(kind, 45).await;
        assert_eq!((count(&again, "missing"), &again["to_see"]), (0, &json!(0)), "{again:#}");
        bridge.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_compares_by_itself_and_says_so() {
    let bridge = Bridge::start_with(Data::Sqlite, "reconcile_every = \"1 day\"\n").await;
    let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(2)).code("ADA10");
    drop(sale(0).at_stripe(&bridge.provider));
    bridge.hear_all(ProviderKind::Stripe, &[sale(1)]).await;
    let last = async |count: usize| {
        crate::kit::until("it was compared", async || {
            bridge.world.pass(std::time::Duration::from_millis(100));
            let all = bridge.world.get("/api/v1/reconciliations").await;
            let done = all["reconciliations"].as_array()?.iter().filter(|one| one["summary"].is_object()).count();
            (done >= count).then(|| all["reconciliations"][0].clone())
        })
        .await
    };
    last(1).await;
    // At the start the sale had not been made at the provider: the next one sees it.
    bridge.world.pass(std::time::Duration::from_secs(86_400));
    let seen = last(2).await;
    assert_eq!(
        (&seen["to_see"], &seen["from"], &seen["to"]),
        (&json!(1), &json!("2026-11-18"), &json!("2026-11-20")),
        "{seen:#}"
    );
    let stats = bridge.world.get("/api/v1/stats").await;
    assert_eq!(stats["reconciliations"][0]["to_see"], 1, "{stats:#}");
    let metrics = bridge.world.admin("GET", "/metrics").send(bridge.world.addr()).await.text();
    assert!(metrics.contains("refairn_bridge_reconciliation_differences{endpoint=\"stripe\"} 1"), "{metrics}");
    assert!(
        metrics.contains("refairn_bridge_reconciliations_total{endpoint=\"stripe\",outcome=\"different\"}"),
        "{metrics}"
    );
    bridge.end().await;
}

async fn what_was_compared_needs_nobody_once_its_endpoint_is_taken_out(data: Data) {
    let mut bridge = Bridge::start(data).await;
    drop(Sale::new(0, bridge.world.email("buyer0"), days_ago(2)).at_stripe(&bridge.provider));
    let compared = bridge.compare(ProviderKind::Stripe, 5).await;
    assert_eq!(compared["to_see"], 1, "{compared}");
    let standing = async |bridge: &Bridge| -> Vec<Value> {
        let stats = bridge.world.get("/api/v1/stats").await;
        stats["reconciliations"].as_array().expect("a list").iter().map(|last| last["differences"].clone()).collect()
    };
    assert_eq!(standing(&bridge).await, [json!(1)]);
    let configured = bridge.world.config.endpoints.clone();
    bridge.world.config.endpoints.retain(|endpoint| endpoint.name != "stripe");
    bridge.world.restart().await;
    assert!(standing(&bridge).await.is_empty());
    assert_eq!(bridge.world.get("/api/v1/reconciliations").await["reconciliations"][0]["id"], compared["id"]);
    bridge.world.config.endpoints = configured;
    bridge.world.restart().await;
    assert_eq!(standing(&bridge).await, [json!(1)]);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_compared_is_said() {
    let bridge = Bridge::start(Data::Sqlite).await;
    let check = async |query: &str, status: u16, says: &str| {
        let reply = bridge.world.act(&format!("/api/v1/reconciliations?{query}")).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        assert!(reply.text().contains(says), "{query}: {}", reply.text());
    };
    check("provider=stripe", 400, "give month").await;
    check("provider=stripe&month=2026-10&from=2026-10-01", 400, "give month").await;
    check("provider=stripe&month=October", 400, "such as 2026-10").await;
    check("provider=stripe&month=2030-01", 400, "not come yet").await;
    check("provider=stripe&from=2026-05-02&to=2026-05-01", 400, "after to").await;
    check("provider=stripe&from=2020-05-02&to=2026-05-01", 400, "at most").await;
    check("provider=stripe&month=2026-10&endpoint=other", 404, "no endpoint").await;
    let gone = bridge.world.admin("GET", "/api/v1/reconciliations/rec_9/payments").send(bridge.world.addr()).await;
    assert_eq!(gone.status, 404);
    bridge.provider.lists(|lists| lists.forbidden.insert("/v1/events".to_owned()));
    let begun = bridge.world.act("/api/v1/reconciliations?provider=stripe&month=2026-11").await.json();
    let id = begun["id"].as_str().expect("an id").to_owned();
    let failed = crate::kit::until("it failed", async || {
        bridge.world.pass(std::time::Duration::from_millis(100));
        let seen = bridge.world.get(&format!("/api/v1/reconciliations/{id}")).await;
        (seen["state"] == "failed").then_some(seen)
    })
    .await;
    assert!(failed["note"].as_str().is_some_and(|note| note.contains("may not read Events")), "{failed}");
    // A reconciliation is no backfill that could be recorded.
    let record = bridge.world.act(&format!("/api/v1/backfills/{}/record", id.replace("rec_", "bkf_"))).await;
    assert_eq!(record.status, 404, "{}", record.text());
    bridge.end().await;
}
