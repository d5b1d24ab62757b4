//! What was sold, as the provider lists it and as Refairn was told: another product has other rates.

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, LIVE_KEY, START, days_ago};
use crate::kit::provider::Provider;
use crate::kit::world::Setup;
use crate::shop::{Sale, Webhook};

on_both! {
    what_stripe_lists_as_another_product_is_found
    what_paystack_lists_as_another_product_is_found
}

/// Both providers, with a product of its own for what is large.
async fn start(data: Data) -> Bridge {
    let provider = Provider::start().await;
    let setup = match data {
        Data::Sqlite => Setup::new(),
        Data::Postgres => Setup::on_server(),
    };
    provider.takes_key(&format!("sk_live_w{}", setup.n));
    provider.takes_key(LIVE_KEY);
    let api = format!("api_base_url = \"http://{}\"", provider.addr);
    let endpoints = format!(
        "[[endpoints]]\nprovider = \"stripe\"\n{api}\napi_key = \"{LIVE_KEY}\"\nproducts = {{ price_large = \"prod_large\" }}\n\
         [[endpoints]]\nprovider = \"paystack\"\n{api}\nproducts = {{ PLN_large = \"prod_large\" }}\n"
    );
    let mut world = setup.at(START).file(&endpoints).start().await;
    world.leave.open = true;
    provider.lists(|lists| lists.now = Some(world.now()));
    Bridge { world, provider }
}

/// Three sales that are heard as small ones; gives the comparison of them.
async fn compared(bridge: &Bridge, kind: ProviderKind, webhooks: impl Fn(&Sale) -> Vec<Webhook>) -> (Value, Value) {
    for n in 1..4 {
        let sale = Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(50)).code("ADA10");
        bridge.hear(kind, &webhooks(&sale).iter().collect::<Vec<_>>()).await;
    }
    bridge.drive().await;
    let seen = bridge.compare(kind, 60).await;
    let found = bridge.compared(&seen).await;
    assert_eq!((found.len(), &seen["to_see"]), (3, &json!(1)), "{found:#?}");
    let mut different = found.into_values().filter(|payment| payment["comparison"] == "different");
    (seen, different.next().expect("one"))
}

async fn another_product_is_found(
    kind: ProviderKind,
    id: &str,
    data: Data,
    webhooks: fn(&Bridge, &Sale) -> Vec<Webhook>,
) {
    let bridge = start(data).await;
    let (seen, different) = compared(&bridge, kind, |sale| webhooks(&bridge, sale)).await;
    assert_eq!((&different["id"], &different["differs"]), (&json!(id), &json!(["product"])), "{different:#}");
    assert_eq!(different["provider"]["product"], "prod_large", "{different:#}");
    let told = bridge.world.sandbox.look(|book| book.payments()[0].product_id.clone());
    assert_eq!(different["ours"]["product"], json!(told), "{different:#}");
    assert_eq!(seen["summary"]["totals"][0]["provider"], seen["summary"]["totals"][0]["told"], "{seen:#}");
    bridge.end().await;
}

async fn what_stripe_lists_as_another_product_is_found(data: Data) {
    another_product_is_found(ProviderKind::Stripe, "in_2_0", data, |bridge, sale| {
        let mut webhooks = sale.at_stripe(&bridge.provider);
        let sold = |price: &str| {
            json!({"object": "list", "has_more": false,
                "data": [{"id": "il_1", "object": "line_item", "amount": 2999, "price": {"id": price, "object": "price"}}]})
        };
        for webhook in webhooks.iter_mut().filter(|webhook| webhook.body["type"] == "invoice.paid") {
            webhook.body["data"]["object"]["lines"] = sold("price_small");
        }
        bridge.provider.lists(|lists| {
            lists.change("/v1/invoices", |invoice| {
                invoice["lines"] = sold(if invoice["id"] == "in_2_0" { "price_large" } else { "price_small" });
                true
            });
        });
        webhooks
    })
    .await;
}

async fn what_paystack_lists_as_another_product_is_found(data: Data) {
    another_product_is_found(ProviderKind::Paystack, "ref_2_0", data, |bridge, sale| {
        let webhooks = sale.at_paystack(&bridge.provider);
        bridge.provider.lists(|lists| {
            lists.change("/transaction", |row| {
                if row["reference"] == "ref_2_0" {
                    row["plan"] = json!({"id": 7, "plan_code": "PLN_large", "name": "Large"});
                }
                true
            });
        });
        webhooks
    })
    .await;
}
