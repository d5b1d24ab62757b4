//! What a comparison finds reaches people: told once, and again when it is mended.

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::Value;

use crate::bridge::{Bridge, Data, days_ago};
use crate::kit::until;
use crate::kit::upstream::{Say, Upstream};
use crate::shop::Sale;

on_both! {
    what_differs_is_told_once_and_so_is_that_it_is_mended
    what_was_compared_needs_nobody_while_its_endpoint_has_no_key
}

const LOOK: Duration = Duration::from_secs(20);

async fn told_at(data: Data, more: &str) -> (Bridge, Upstream) {
    let place = Upstream::start(|_| Say::answer(200, "", "ok")).await;
    let url = format!("{}/hook", place.url());
    let bridge = Bridge::start_as(data, more, |setup| {
        setup
            .key("alerts", "webhook_url", &url)
            .key("alerts", "webhook_secret", "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
            .key("server", "public_url", "https://bridge.example.com")
    })
    .await;
    (bridge, place)
}

/// Lets the bridge look until there are so many messages, and then some more; gives phase and data of each.
async fn told(bridge: &Bridge, place: &Upstream, messages: usize) -> Vec<(String, Value)> {
    until(&format!("{messages} messages"), async || {
        bridge.world.pass(LOOK);
        (place.seen().len() >= messages).then_some(())
    })
    .await;
    for _ in 0..5 {
        bridge.world.pass(LOOK);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = place.seen();
    assert_eq!(seen.len(), messages, "{:?}", seen.iter().map(|seen| &seen.body).collect::<Vec<_>>());
    let one = |body: &str| {
        assert!(!body.contains('@') && !body.contains("buyer") && !body.contains("Buyer"), "{body}");
        let said: Value = serde_json::from_str(body).expect("JSON");
        (said["type"].as_str().expect("a type").to_owned(), said["data"].clone())
    };
    seen.iter().map(|seen| one(&seen.body)).collect()
}

async fn what_differs_is_told_once_and_so_is_that_it_is_mended(data: Data) {
    for (kind, id) in [(ProviderKind::Stripe, "in_0_0"), (ProviderKind::Paystack, "ref_0_0")] {
        let (mut bridge, place) = told_at(data, "").await;
        let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(12)).code("ADA10");
        let (lost, heard) = (sale(0), [sale(1), sale(2)]);
        match kind {
            ProviderKind::Stripe => drop(lost.at_stripe(&bridge.provider)),
            ProviderKind::Paystack => drop(lost.at_paystack(&bridge.provider)),
        }
        bridge.hear_all(kind, &heard).await;
        told(&bridge, &place, 0).await;
        assert_eq!(bridge.compare(kind, 20).await["to_see"], 1);
        let said = told(&bridge, &place, 1).await;
        let (began, about) = &said[0];
        assert_eq!((began.as_str(), &about["kind"]), ("alert.began", &Value::from("difference")), "{about}");
        assert_eq!(about["item"], format!("difference {} {id}", kind.code()));
        let text = about["text"].as_str().expect("a text");
        assert!(
            text.starts_with(&format!("Payment {id} of endpoint {} needs a person: missing.", kind.code())),
            "{text}"
        );
        assert_eq!(about["link"], "https://bridge.example.com/payments?month=2026-11");
        // Another period in which it lies, a restart, and a period in which it does not lie say nothing new.
        assert_eq!(bridge.compare(kind, 15).await["to_see"], 1);
        told(&bridge, &place, 1).await;
        bridge.world.restart().await;
        bridge.world.pass(Duration::from_secs(100));
        assert_eq!(bridge.compare(kind, 3).await["to_see"], 0);
        told(&bridge, &place, 1).await;
        let listed = bridge.list(kind, days_ago(20)).await;
        bridge.record(&listed).await;
        bridge.drive().await;
        told(&bridge, &place, 1).await;
        assert_eq!(bridge.compare(kind, 20).await["to_see"], 0);
        let said = told(&bridge, &place, 2).await;
        let (over, about) = &said[1];
        assert_eq!(
            (over.as_str(), &about["text"]),
            ("alert.over", &Value::from("All well again: nothing needs a person."))
        );
        bridge.end().await;
    }
}

async fn what_was_compared_needs_nobody_while_its_endpoint_has_no_key(data: Data) {
    let (mut bridge, place) = told_at(data, "").await;
    drop(Sale::new(0, bridge.world.email("buyer0"), days_ago(2)).at_stripe(&bridge.provider));
    let compared = bridge.compare(ProviderKind::Stripe, 5).await;
    let standing = async |bridge: &Bridge| -> usize {
        let stats = bridge.world.get("/api/v1/stats").await;
        stats["reconciliations"].as_array().expect("a list").len()
    };
    assert_eq!((standing(&bridge).await, &compared["to_see"]), (1, &Value::from(1)));
    told(&bridge, &place, 1).await;
    let configured = bridge.world.config.endpoints.clone();
    bridge.world.config.endpoints.iter_mut().for_each(|endpoint| endpoint.api_key = None);
    bridge.world.restart().await;
    assert_eq!(standing(&bridge).await, 0);
    assert_eq!(bridge.world.get("/api/v1/reconciliations").await["reconciliations"][0]["id"], compared["id"]);
    // Nobody knows how it stands, so nobody is told that it is over; when it is known again it is news.
    told(&bridge, &place, 1).await;
    bridge.world.config.endpoints = configured;
    bridge.world.restart().await;
    assert_eq!(standing(&bridge).await, 1);
    let said = told(&bridge, &place, 2).await;
    assert_eq!((said[1].0.as_str(), &said[1].1["item"]), ("alert.began", &Value::from("difference stripe in_0_0")));
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_finds_by_itself_is_told_once_however_often_it_compares() {
    let (bridge, place) = told_at(Data::Sqlite, "reconcile_every = \"1 day\"\n").await;
    let done = async |to: &str| {
        until(&format!("it was compared until {to}"), async || {
            bridge.world.pass(Duration::from_millis(100));
            let all = bridge.world.get("/api/v1/reconciliations").await;
            let is_it = |one: &&Value| one["to"] == to && one["summary"].is_object();
            all["reconciliations"].as_array()?.iter().find(is_it).map(|one| one["to_see"].clone())
        })
        .await
    };
    // The first one is at the start, before anything was sold.
    done("2026-11-19").await;
    let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(1)).code("ADA10");
    drop(sale(0).at_stripe(&bridge.provider));
    bridge.hear_all(ProviderKind::Stripe, &[sale(1)]).await;
    // It lies in the first two of the periods, and not in the third.
    for (to, to_see) in [("2026-11-20", 1), ("2026-11-21", 1), ("2026-11-22", 0)] {
        bridge.world.pass(Duration::from_secs(86_400));
        assert_eq!(done(to).await, to_see, "{to}");
        let said = told(&bridge, &place, 1).await;
        assert_eq!(said[0].1["item"], "difference stripe in_0_0");
    }
    bridge.end().await;
}
