//! The page Payments beside what a provider lists, in a real Chromium.

use fantoccini::Locator;
use serde_json::json;

use crate::chromium::Chromium;
use crate::kit::provider::Provider;
use crate::kit::samples::charge;
use crate::kit::until;
use crate::kit::world::{Setup, World};

/// A bridge that has heard of one of two payments.
async fn shop() -> (World, Provider) {
    let provider = Provider::start().await;
    let setup = Setup::new();
    provider.takes_key(&format!("sk_live_w{}", setup.n));
    let endpoint = format!("[[endpoints]]\nprovider = \"paystack\"\napi_base_url = \"http://{}\"\n", provider.addr);
    let mut world = setup.file(&endpoint).start().await;
    world.leave.open = true;
    let charges = ["ref_1", "ref_2"]
        .map(|reference| charge(reference, &world.email(reference), 500_000, "ADA10", world.ago(2 * 86_400)));
    world.paystack(&charges[0]).await;
    world.idle().await;
    provider.lists(|lists| {
        lists.now = Some(world.now());
        for charge in &charges {
            let mut row = charge["data"].clone();
            row["createdAt"] = json!(world.ago(2 * 86_400 + 60).to_string());
            lists.add("/transaction", row);
        }
    });
    (world, provider)
}

/// Lets the clock run until the page says so.
async fn reads_in_time(world: &World, browser: &Chromium, words: &str) {
    until(&format!("the page says {words:?}"), async || {
        world.pass(std::time::Duration::from_millis(100));
        // Between two pages there is none.
        let body = browser.client.find(Locator::Css("body")).await.ok()?;
        body.text().await.ok()?.contains(words).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_compared_by_its_button_and_what_differs_is_shown() {
    let (world, provider) = shop().await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.go(&world, "/payments").await;
    browser.reads("Not compared with the provider's list yet.").await;
    // Some days, as it compares by itself.
    world.act("/api/v1/reconciliations?provider=paystack&from=2026-06-12&to=2026-06-14").await;
    until("the days are compared", async || {
        world.pass(std::time::Duration::from_millis(100));
        let all = world.get("/api/v1/reconciliations").await;
        (all["reconciliations"][0]["to_see"] == 1).then_some(())
    })
    .await;
    browser.go(&world, "/payments").await;
    browser.reads("Not compared with the provider's list yet, but for some days.").await;
    browser.reads("ref_2").await;
    browser.go(&world, "/attention").await;
    browser.reads("1 payment of endpoint paystack was to be looked at").await;
    browser.click("main a[href='/payments']").await;
    browser.reads("but for some days").await;
    // The whole month, by the button; the page brings itself up to date.
    browser.click("button[formaction='/payments/2026-06/paystack/compare']").await;
    browser.reads("The provider is being asked").await;
    reads_in_time(&world, &browser, "June: 2 paid at Paystack, 1 told, missing 1; compared").await;
    let text = browser.text().await;
    assert!(text.contains("ref_2") && text.contains("Compare now") && !text.contains("It is being compared"), "{text}");
    let rows = "return document.querySelectorAll(\"section[aria-label^='Beside'] tbody tr\").length";
    assert_eq!(browser.run(rows).await, 1, "what is alike is not shown: {text}");
    // Mended, and compared again.
    provider.lists(|lists| lists.change("/transaction", |row| row["reference"] != "ref_2"));
    browser.click("button[formaction$='/compare']").await;
    reads_in_time(&world, &browser, "June: 1 paid at Paystack, 1 told, missing 0; compared").await;
    assert_eq!(browser.run(rows).await, 0, "{}", browser.text().await);
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_a_comparison_that_fails_says_why() {
    let (world, provider) = shop().await;
    provider.lists(|lists| lists.forbidden.insert("/transaction".to_owned()));
    let browser = Chromium::start(false).await;
    browser.sign_in(&world).await;
    browser.go(&world, "/payments").await;
    browser.click("button[formaction$='/compare']").await;
    browser.reads("The provider is being asked").await;
    until("the page says why", async || {
        world.pass(std::time::Duration::from_millis(100));
        browser.go(&world, "/payments").await;
        browser.text().await.contains("The last comparison failed: ").then_some(())
    })
    .await;
    let text = browser.text().await;
    assert!(text.contains("may not read") && text.contains("Compare now"), "{text}");
    browser.end().await;
    world.end().await;
}
