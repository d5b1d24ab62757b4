//! The page Payments beside what a provider lists, in a real Chromium.

use fantoccini::Locator;
use refairn_bridge::domain::access::Role;
use serde_json::json;

use crate::chromium::Chromium;
use crate::decided::audit;
use crate::kit::provider::Provider;
use crate::kit::samples::charge;
use crate::kit::until;
use crate::kit::world::{Setup, World};
use crate::people::{enter, give};
use crate::visitor::Visitor;

in_both! {
    what_is_missing_is_fetched_by_those_who_may_from_a_page_of_ours_and_that_is_kept
    a_month_is_compared_on_its_own_page_and_not_beside_a_part_of_it
}

/// A bridge that has heard of one of two payments.
async fn shop() -> (World, Provider) {
    of_two(Setup::new()).await
}

async fn of_two(setup: Setup) -> (World, Provider) {
    let provider = Provider::start().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_shown_asked_about_and_told() {
    let (world, _provider) = shop().await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.go(&world, "/payments").await;
    browser.click("button[formaction$='/compare']").await;
    reads_in_time(&world, &browser, "1 told, missing 1; compared").await;
    browser.click("button[formaction='/payments/2026-06/paystack/fetch']").await;
    // The page brings itself up to date: what would be told, and its sum.
    reads_in_time(&world, &browser, "Nothing is told yet. This is what would be:").await;
    let table = "return [...document.querySelectorAll('.fetch tbody tr')].map((row) => row.innerText).join('|')";
    let would = browser.run(table).await.to_string().replace(['\u{202f}', '\u{a0}'], " ");
    assert!(would.contains("would be told") && would.contains("1 payment"), "{would}");
    assert!(would.contains("5 000.00 NGN"), "{would}");
    assert_eq!(world.deliveries_to(&world.email("ref_2")).await.len(), 0, "nothing is told before somebody says so");
    // Without a word about it the browser sends nothing.
    browser.click("button[formaction$='/record']").await;
    assert!(browser.path().await.starts_with("/payments?"), "{}", browser.path().await);
    browser.write(".fetch input[name='note']", "lost while the proxy was down").await;
    browser.click("button[formaction$='/record']").await;
    browser.reads("it is being recorded, and is told from now on").await;
    reads_in_time(&world, &browser, "Fetched: ").await;
    reads_in_time(&world, &browser, "Compare now to see what is left.").await;
    assert_eq!(browser.run("return document.querySelectorAll(\"button[formaction$='/fetch']\").length").await, 0);
    browser.click("button[formaction$='/compare']").await;
    reads_in_time(&world, &browser, "June: 2 paid at Paystack, 2 told, missing 0; compared").await;
    assert!(!browser.text().await.contains("Fetched: "), "{}", browser.text().await);
    let told = world.deliveries_to(&world.email("ref_2")).await;
    assert!(told.iter().any(|call| call["fate"] == "credited"), "{told:?}");
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_what_is_missing_is_left_or_told() {
    let (world, _provider) = shop().await;
    let browser = Chromium::start(false).await;
    browser.sign_in(&world).await;
    let reads_after_a_while = async |words: &str| {
        until(&format!("the page says {words:?}"), async || {
            world.pass(std::time::Duration::from_millis(100));
            browser.go(&world, "/payments").await;
            browser.text().await.contains(words).then_some(())
        })
        .await;
    };
    browser.go(&world, "/payments").await;
    browser.click("button[formaction$='/compare']").await;
    reads_after_a_while("missing 1; compared").await;
    for action in ["discard", "record"] {
        browser.click("button[formaction$='/fetch']").await;
        browser.reads("what would be told stands here when all is listed").await;
        reads_after_a_while("This is what would be:").await;
        if action == "record" {
            browser.write(".fetch input[name='note']", "lost").await;
        }
        browser.click(&format!("button[formaction$='/{action}']")).await;
        let done = if action == "record" { "it is being recorded" } else { "nothing of it is told" };
        browser.reads(done).await;
        let calls = world.deliveries_to(&world.email("ref_2")).await.len();
        assert!(action == "record" || calls == 0, "{calls} calls");
    }
    reads_after_a_while("Fetched: ").await;
    world.idle().await;
    assert!(!world.deliveries_to(&world.email("ref_2")).await.is_empty());
    browser.end().await;
    world.end().await;
}

async fn what_is_missing_is_fetched_by_those_who_may_from_a_page_of_ours_and_that_is_kept(new: fn() -> Setup) {
    let (world, _provider) = of_two(new()).await;
    let token = give(&world, "omar", Role::Operate, 7, None).await;
    let omar = enter(&world, &token).await;
    let page_says = async |words: &str| {
        until(&format!("the page says {words:?}"), async || {
            world.pass(std::time::Duration::from_millis(100));
            omar.page("/payments").await.contains(words).then_some(())
        })
        .await;
    };
    assert_eq!(omar.press("/payments", "/payments/2026-06/paystack/compare").await.status, 303);
    page_says("missing 1; compared").await;
    // Who may only look has no button, and is told who can.
    let reader = give(&world, "finance", Role::Read, 7, None).await;
    let reader = enter(&world, &reader).await;
    let seen = reader.page("/payments").await;
    assert!(seen.contains("Somebody with the role operate can fetch what is missing."), "{seen}");
    assert!(!seen.contains("/fetch\""), "{seen}");
    let fetch = "/payments/2026-06/paystack/fetch";
    let readers = reader.csrf().await;
    assert_eq!(reader.send(fetch, &[("csrf", &readers), ("back", "/payments")]).await.status, 403);
    // Nobody else's page sends it.
    assert_eq!(omar.send(fetch, &[("csrf", &readers), ("back", "/payments")]).await.status, 403);
    assert_eq!(omar.get(fetch).await.status, 405, "a link does nothing");
    assert_eq!(omar.press("/payments", fetch).await.header("location"), Some("/payments?done=fetch"));
    page_says("This is what would be:").await;
    let record = "/backfills/bkf_2/record";
    let omars = omar.csrf().await;
    assert_eq!(omar.send(record, &[("csrf", &omars), ("back", "/payments")]).await.status, 422, "without a word");
    assert_eq!(reader.send(record, &[("csrf", &readers), ("note", "x")]).await.status, 403);
    assert_eq!(omar.press("/payments", record).await.header("location"), Some("/payments?done=record"));
    page_says("Fetched: ").await;
    let again = omar.send("/backfills/bkf_2/discard", &[("csrf", &omars), ("back", "/payments")]).await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("bkf_2 is done; it is recorded already"), "{}", again.text());
    let expected = [
        "omar dashboard start_backfill bkf_2 - - paystack: listing - -",
        "omar dashboard record_backfill bkf_2 as it should be ready recording - -",
    ];
    assert_eq!(audit(&world, "item=bkf_2").await, expected);
    world.idle().await;
    let told = world.deliveries_to(&world.email("ref_2")).await;
    assert!(told.iter().any(|call| call["fate"] == "credited"), "{told:?}");
    world.end().await;
}

async fn a_month_is_compared_on_its_own_page_and_not_beside_a_part_of_it(new: fn() -> Setup) {
    let (world, _provider) = of_two(new()).await;
    let visitor = Visitor::enter(&world).await;
    for (filters, is_whole) in [
        ("", true),
        ("?month=2026-06&fate=&mode=live&agent=&code=", true),
        ("?agent=agent_ada", false),
        ("?code=ADA10", false),
        ("?fate=credited", false),
        ("?month=30d", false),
    ] {
        let page = visitor.page(&format!("/payments{filters}")).await;
        let is_compared = page.contains("Beside the list of paystack") && page.contains("Compare now");
        assert_eq!(is_compared, is_whole, "{filters}: {page}");
    }
    world.idle().await;
    world.end().await;
}
