//! Endpoints of one Paystack account that the configuration takes for two: their sales are told once, and one that was told
//! twice is found.

use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, START, days_ago};
use crate::kit::provider::Provider;
use crate::kit::wire::Request;
use crate::kit::world::Setup;
use crate::shop::{Sale, Webhook};

on_both! {
    a_sale_of_two_endpoints_of_one_paystack_account_is_told_once_and_found_when_it_was_told_twice
    what_an_endpoint_of_another_name_has_told_is_not_missing
}

/// Two endpoints with one key, and without a name for the account that they share.
async fn two_endpoints(data: Data) -> Bridge {
    let provider = Provider::start().await;
    let setup = match data {
        Data::Sqlite => Setup::new(),
        Data::Postgres => Setup::on_server(),
    };
    let key = format!("sk_live_w{}", setup.n);
    provider.takes_key(&key);
    let endpoint = |name: &str| {
        format!(
            "[[endpoints]]\nname = \"{name}\"\nprovider = \"paystack\"\nsecrets = [\"{key}\"]\n\
             api_base_url = \"http://{}\"\n",
            provider.addr
        )
    };
    let file = ["lagos", "abuja"].map(endpoint).concat();
    let setup = setup.unset("PAYSTACK_SECRET_KEY").unset("STRIPE_WEBHOOK_SECRET");
    // Without a person's word it would be told on another day.
    let setup = setup.key("delivery", "same_day_payments", "next_free_day");
    let mut world = setup.at(START).file(&file).start().await;
    world.leave.open = true;
    Bridge { world, provider }
}

async fn hear(bridge: &Bridge, endpoint: &str, webhooks: &[Webhook]) {
    let of = provider(ProviderKind::Paystack);
    for webhook in webhooks {
        let body = webhook.body.to_string();
        let signature = of.sign(&format!("sk_live_w{}", bridge.world.n), body.as_bytes(), bridge.world.now());
        let request = Request::new("POST", &format!("/webhooks/paystack/{endpoint}"))
            .header("Content-Type", "application/json")
            .header(of.signature_header(), signature)
            .body(body.as_bytes());
        assert_eq!(request.send(bridge.world.addr()).await.status, 200);
    }
    bridge.drive().await;
}

async fn only_payment(bridge: &Bridge, endpoint: &str) -> Value {
    let seen = bridge.compare_at(ProviderKind::Paystack, &format!("&endpoint={endpoint}"), 20).await;
    let found = bridge.compared(&seen).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_values().next().expect("one")
}

async fn a_sale_of_two_endpoints_of_one_paystack_account_is_told_once_and_found_when_it_was_told_twice(data: Data) {
    let bridge = two_endpoints(data).await;
    let webhooks = Sale::new(0, bridge.world.email("buyer"), days_ago(10)).at_paystack(&bridge.provider);
    hear(&bridge, "lagos", &webhooks).await;
    hear(&bridge, "abuja", &webhooks).await;
    let held = bridge.world.all("deliveries", "state=held").await;
    assert_eq!((held.len(), &held[0]["reason"]), (1, &json!("may_be_reported_already")), "{held:?}");
    assert_eq!(bridge.held().len(), 1);
    // Refairn has it, whichever of the two told it; the report that is held needs attention by itself.
    for endpoint in ["lagos", "abuja"] {
        let payment = only_payment(&bridge, endpoint).await;
        assert_eq!(payment["comparison"], "same", "{endpoint}: {payment:#}");
    }
    // Somebody takes it for another payment.
    bridge.world.act(&format!("/api/v1/deliveries/{}/release", held[0]["id"].as_str().expect("an id"))).await;
    bridge.drive().await;
    assert_eq!(bridge.held().len(), 2);
    for endpoint in ["lagos", "abuja"] {
        let payment = only_payment(&bridge, endpoint).await;
        assert_eq!(payment["comparison"], "doubled", "{endpoint}: {payment:#}");
        assert_eq!(payment["told"].as_array().map(Vec::len), Some(2), "{payment:#}");
    }
    bridge.end().await;
}

async fn what_an_endpoint_of_another_name_has_told_is_not_missing(data: Data) {
    let bridge = two_endpoints(data).await;
    let webhooks = Sale::new(0, bridge.world.email("buyer"), days_ago(10)).at_paystack(&bridge.provider);
    hear(&bridge, "lagos", &webhooks).await;
    let payment = only_payment(&bridge, "abuja").await;
    assert_eq!((&payment["comparison"], payment["told"].as_array().map(Vec::len)), (&json!("same"), Some(1)));
    // What is fetched all the same is not told again.
    let since = days_ago(20).strftime("%Y-%m-%d");
    let begun = bridge.world.act(&format!("/api/v1/backfills?provider=paystack&endpoint=abuja&since={since}")).await;
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let listed = bridge.until(&id, &["ready", "failed"]).await;
    bridge.record(&listed).await;
    bridge.drive().await;
    assert_eq!(bridge.held().len(), 1, "{:?}", bridge.held());
    bridge.end().await;
}
