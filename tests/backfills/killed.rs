//! A bridge that is killed while it reads a provider's lists: it goes on, and nothing is told twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bridge::Data;
use crate::installation::{Installation, day, days_ago};
use crate::kit::until;
use crate::shop::Sale;

on_both! {
    killed_at_any_moment_a_backfill_goes_on_and_tells_nothing_twice
    killed_at_any_moment_a_comparison_goes_on_and_finds_what_it_would_have_found
}

const SALES: usize = 230;
/// So often the bridge is killed, at least.
const KILLS: usize = 8;
/// Then it is left in peace: a busy machine does little between two kills.
const KILLS_MAX: usize = 40;

impl Installation {
    /// Sales whose webhooks nobody heard.
    fn sales(&self) {
        for n in 0..SALES {
            let at = days_ago(40 + i64::try_from(n % 60).expect("small"));
            let sale = Sale::new(n, format!("buyer{n}@example.com"), at);
            let sale = if n.is_multiple_of(3) { sale.code("ADA10") } else { sale };
            if n.is_multiple_of(10) { sale.refunded() } else { sale }.at_stripe(&self.provider);
        }
    }

    /// Waits until Refairn has all sales but those that were given back, each once.
    async fn is_told_once(&self) {
        let expected = SALES - SALES.div_ceil(10);
        let payments = until("all payments are told", async || {
            let payments = self.payments().await;
            (payments.len() >= expected).then_some(payments)
        })
        .await;
        let mut told: Vec<String> =
            payments.iter().map(|p| format!("{} {}", p["customerEmail"], p["paymentDate"])).collect();
        told.sort();
        told.dedup();
        assert_eq!((told.len(), payments.len()), (expected, expected));
    }

    /// Lets the bridge live for a moment, and kills it.
    async fn live_and_die(&mut self) {
        tokio::time::sleep(Duration::from_millis(rand::random_range(20..400))).await;
        self.kill().await;
    }
}

async fn killed_at_any_moment_a_backfill_goes_on_and_tells_nothing_twice(data: Data) {
    let mut installation = Installation::open_on(data).await;
    installation.sales();
    let since = day(days_ago(120));
    let begin = format!("/api/v1/backfills?provider=stripe&since={since}");
    let mut kills = 0;
    loop {
        let seen = installation.ask("POST", &begin).await;
        let id = seen["id"].as_str().expect("an id").to_owned();
        if seen["state"] == "ready" {
            installation.ask("POST", &format!("/api/v1/backfills/{id}/record")).await;
        }
        if kills >= KILLS && id != "bkf_1" || kills >= KILLS_MAX {
            break;
        }
        installation.live_and_die().await;
        kills += 1;
    }
    let done = installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await.succeeds();
    assert!(done.stderr.contains("nothing is missing") || done.stderr.contains(" recorded; "), "{}", done.stderr);
    installation.is_told_once().await;
}

async fn killed_at_any_moment_a_comparison_goes_on_and_finds_what_it_would_have_found(data: Data) {
    let mut installation = Installation::open_on(data).await;
    installation.sales();
    let since = day(days_ago(120));
    installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await.succeeds();
    installation.is_told_once().await;
    // A lost sale, a changed amount, and a refund that nobody heard of.
    Sale::new(500, "lost@example.com".to_owned(), days_ago(50)).at_stripe(&installation.provider);
    installation.provider.lists(|lists| {
        lists.change("/v1/invoices", |invoice| {
            if invoice["id"] == "in_1_0" {
                invoice["amount_paid"] = json!(3999);
            }
            true
        });
        lists.add(
            "/v1/refunds",
            json!({"id": "re_lost", "object": "refund", "amount": 1000, "currency": "usd", "payment_intent": "pi_2_0",
                "charge": "ch_2_0", "status": "succeeded", "created": days_ago(41).as_second()}),
        );
    });
    let begin = format!("/api/v1/reconciliations?provider=stripe&from={since}&to={}", day(days_ago(35)));
    let (mut kills, mut is_found) = (0, false);
    let mut id = installation.ask("POST", &begin).await["id"].clone();
    while kills < KILLS || !is_found && kills < KILLS_MAX {
        installation.live_and_die().await;
        kills += 1;
        let seen = installation.one(&id).await;
        assert_ne!(seen["state"], "failed", "{seen}");
        let again = installation.ask("POST", &begin).await["id"].clone();
        if again != id {
            // It was done before it was begun anew.
            let seen = installation.one(&id).await;
            assert!(seen["summary"].is_object(), "{seen}");
            installation.found(&seen).await;
            is_found = true;
            id = again;
        }
    }
    let seen = until("the last one is done", async || {
        let seen = installation.one(&id).await;
        seen["summary"].is_object().then_some(seen)
    })
    .await;
    installation.found(&seen).await;
    until("the last result of a period alone is kept", async || {
        let kept = installation.ask("GET", "/api/v1/reconciliations").await;
        let kept = kept["reconciliations"].as_array().expect("a list");
        assert!(kept.iter().all(|one| one["state"] == "done"), "{kept:#?}");
        (kept.len() == 1).then_some(())
    })
    .await;
    installation.is_told_once().await;
}

impl Installation {
    async fn one(&self, id: &Value) -> Value {
        self.ask("GET", &format!("/api/v1/reconciliations/{}", id.as_str().expect("an id"))).await
    }

    /// What was planted is found, each under its name and once, and nothing else is.
    async fn found(&self, of: &Value) {
        let id = of["id"].as_str().expect("an id");
        let (mut found, mut count, mut after) = (BTreeMap::new(), 0, String::new());
        loop {
            let page = self.ask("GET", &format!("/api/v1/reconciliations/{id}/payments?limit=100{after}")).await;
            for payment in page["payments"].as_array().expect("payments") {
                count += 1;
                let is_alike = ["same", "taken_back"].contains(&payment["comparison"].as_str().expect("a code"));
                if !is_alike {
                    found.insert(payment["id"].clone().to_string(), payment["comparison"].clone());
                }
            }
            let Some(next) = page["next"].as_str() else { break };
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            after = format!("&after={next}");
        }
        let expected = [("in_1_0", "different"), ("in_2_0", "refund_missing"), ("in_500_0", "missing")];
        let expected = expected.map(|(id, how)| (json!(id).to_string(), json!(how)));
        assert_eq!((found, count, &of["to_see"]), (BTreeMap::from(expected), SALES + 1, &json!(3)), "{of:#}");
    }
}
