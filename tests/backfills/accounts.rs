//! Connected accounts: a key lists the sales of its own account, and what it does not list is said.

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, days_ago};
use crate::shop::{Sale, Webhook};

on_both! {
    connected_accounts_whose_sales_are_not_listed_are_counted
}

async fn connected_accounts_whose_sales_are_not_listed_are_counted(data: Data) {
    let bridge = Bridge::start(data).await;
    let sale = |n: usize| Sale::new(n, bridge.world.email(&format!("buyer{n}")), days_ago(10)).code("ADA10");
    let own = sale(0).at_stripe(&bridge.provider);
    bridge.hear(ProviderKind::Stripe, &own.iter().collect::<Vec<_>>()).await;
    bridge.drive().await;
    let unlisted = async || {
        let seen = bridge.compare(ProviderKind::Stripe, 20).await;
        assert_eq!(seen["to_see"], 0, "{seen:#}");
        let listed = bridge.list(ProviderKind::Stripe, days_ago(20)).await;
        bridge.discard(&listed).await;
        [seen["unlisted_accounts"].clone(), listed["unlisted_accounts"].clone()]
    };
    assert_eq!(unlisted().await, [json!(0), json!(0)]);
    // Their objects stand in lists of their own.
    let elsewhere = crate::kit::provider::Provider::start().await;
    for (n, account) in [(1, "acct_1"), (2, "acct_2"), (3, "acct_2")] {
        let of_account = |mut webhook: Webhook| {
            webhook.body["account"] = Value::from(account);
            webhook
        };
        let webhooks: Vec<Webhook> = sale(n).at_stripe(&elsewhere).into_iter().map(of_account).collect();
        bridge.hear(ProviderKind::Stripe, &webhooks.iter().collect::<Vec<_>>()).await;
    }
    bridge.drive().await;
    assert_eq!(unlisted().await, [json!(2), json!(2)]);
    bridge.end().await;
}
