//! Stripe: payment links, pricing tables and buy buttons.

use serde_json::json;

use crate::visit::Visit;

const LINKS: &str = "<a id=plain href=https://buy.stripe.com/a>Buy</a>
    <a id=full href='https://buy.stripe.com/b?prefilled_email=a%2Bb%40example.com&x=a%20b#there'>Buy</a>
    <a id=gift href=https://donate.stripe.com/c>Give</a> <a id=room href=https://book.stripe.com/d>Book</a>
    <a id=own href='https://buy.stripe.com/e?client_reference_id=user_7'>Buy</a>
    <a id=other href='https://example.com/buy.stripe.com/'>Other</a> <a id=fake href='https://buy.stripe.com.example/x'>Fake</a>
    <svg width=9 height=9><a id=drawn href=https://buy.stripe.com/f><rect width=9 height=9 /></a></svg>";

#[tokio::test(flavor = "multi_thread")]
async fn payment_links_carry_the_code_and_keep_what_is_theirs() {
    let visit = Visit::begin().await;
    visit.page("?refairn_code=ADA10", LINKS).await;
    let id = "client_reference_id=refairn_ADA10";
    let hrefs = "return [...document.querySelectorAll('a[href]')].map((a) => [a.id, a.getAttribute('href')])";
    let expected = json!([
        ["plain", format!("https://buy.stripe.com/a?{id}")],
        ["full", format!("https://buy.stripe.com/b?prefilled_email=a%2Bb%40example.com&x=a%20b&{id}#there")],
        ["gift", format!("https://donate.stripe.com/c?{id}")],
        ["room", format!("https://book.stripe.com/d?{id}")],
        ["own", "https://buy.stripe.com/e?client_reference_id=user_7"],
        ["other", "https://example.com/buy.stripe.com/"],
        ["fake", "https://buy.stripe.com.example/x"],
        ["drawn", "https://buy.stripe.com/f"],
    ]);
    visit.gives(hrefs, expected.clone()).await;
    assert!(visit.said().await.contains("client_reference_id is yours"), "{}", visit.said().await);

    // Loaded twice, it does all of it once.
    let url = format!("http://{}/refairn.js", visit.world.addr());
    visit.run(&format!("const s = document.createElement('script'); s.src = '{url}'; s.onload = () => said.push('twice'); document.head.append(s)")).await;
    visit.gives("return window.said.includes('twice')", json!(true)).await;
    visit.gives(hrefs, expected).await;

    // A link that comes later, deep in what is added, and one that gets another address.
    visit.run("document.body.insertAdjacentHTML('beforeend', '<div><p><a id=late href=https://buy.stripe.com/l>Buy</a></p></div>')").await;
    visit.gives("return document.getElementById('late').search", json!(format!("?{id}"))).await;
    visit.run("document.getElementById('other').href = 'https://buy.stripe.com/o'").await;
    visit.gives("return document.getElementById('other').search", json!(format!("?{id}"))).await;

    visit.browser.click("#full").await;
    visit.hears("buy.stripe.com", id).await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_stripe_would_drop_is_not_written_and_the_console_says_so() {
    let visit = Visit::begin().await;
    let body = "<a id=buy href=https://buy.stripe.com/a>Buy</a><stripe-pricing-table id=t></stripe-pricing-table>";
    for code in ["ADA.10", "%C3%80DA"] {
        visit.anew().await;
        visit.page(&format!("?refairn_code={code}"), body).await;
        visit.gives("return document.getElementById('buy').href", json!("https://buy.stripe.com/a")).await;
        assert_eq!(visit.run("return document.getElementById('t').hasAttribute('client-reference-id')").await, false);
        assert!(
            visit.said().await.contains("client_reference_id takes A-Z, a-z, 0-9, - and _"),
            "{}",
            visit.said().await
        );
        visit.run("localStorage.clear()").await;
    }
    // The longest code fits into what Stripe takes.
    visit.anew().await;
    let long = "x".repeat(64);
    visit.page(&format!("?refairn_code={long}"), body).await;
    visit
        .gives(
            "return document.getElementById('t').getAttribute('client-reference-id')",
            json!(format!("refairn_{long}")),
        )
        .await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_buttons_have_the_code_when_they_come_into_the_page() {
    let visit = Visit::begin().await;
    let stripes = "<script src=https://js.stripe.com/v3/pricing-table.js></script>";
    let body = "<stripe-pricing-table id=table></stripe-pricing-table><stripe-buy-button id=button></stripe-buy-button>
        <stripe-pricing-table id=own client-reference-id=user_7></stripe-pricing-table>
        <stripe-pricing-table id=blank client-reference-id=''></stripe-pricing-table>";
    let read = json!(["blank:refairn_ADA10", "button:refairn_ADA10", "own:user_7", "table:refairn_ADA10"]);
    // Stripe's script may come before the elements, or after them.
    for (head, body) in [(stripes, body.to_owned()), ("", format!("{body}{stripes}"))] {
        visit.site.page("/tables", &format!("{}{head}", visit.line("")), &body, "");
        visit.go("/tables?refairn_code=ADA10").await;
        visit.gives("return [...(window.tables || [])].sort()", read.clone()).await;
        // One that a program adds later.
        visit
            .run("const t = document.createElement('stripe-buy-button'); t.id = 'late'; document.body.append(t)")
            .await;
        visit.gives("return (window.tables || [])[4]", json!("late:refairn_ADA10")).await;
        // A program that draws the page anew takes the attribute away.
        visit.run("document.getElementById('table').removeAttribute('client-reference-id')").await;
        visit
            .gives(
                "return document.getElementById('table').getAttribute('client-reference-id')",
                json!("refairn_ADA10"),
            )
            .await;
        assert!(!visit.said().await.contains("came first"), "{}", visit.said().await);
    }
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_has_drawn_already_has_the_attribute_and_the_console_says_that_it_may_be_too_late() {
    let visit = Visit::begin().await;
    let stripes = "<script src=https://js.stripe.com/v3/pricing-table.js></script>";
    let body = "<stripe-pricing-table id=table></stripe-pricing-table><stripe-buy-button id=button></stripe-buy-button>
        <stripe-pricing-table id=own client-reference-id=user_7></stripe-pricing-table>
        <stripe-pricing-table id=blank client-reference-id=''></stripe-pricing-table>";
    visit.site.page("/late", stripes, body, "");
    visit.go("/late?refairn_code=ADA10").await;
    // It was drawn without the code.
    visit
        .gives("return [...(window.tables || [])].sort()", json!(["blank:", "button:null", "own:user_7", "table:null"]))
        .await;
    let url = format!("http://{}/refairn.js", visit.world.addr());
    visit
        .run(&format!("document.head.append(Object.assign(document.createElement('script'), {{ src: '{url}' }}))"))
        .await;
    let all = "return ['table', 'button', 'own', 'blank'].map((id) => document.getElementById(id).getAttribute('client-reference-id'))";
    visit.gives(all, json!(["refairn_ADA10", "refairn_ADA10", "user_7", "refairn_ADA10"])).await;
    assert!(visit.said().await.contains("Stripe came first, so Stripe may have no code"), "{}", visit.said().await);
    // The stand-in reads its attributes once, as Stripe's may: what it has drawn stays as it was.
    visit.gives("return (window.tables || []).length", json!(4)).await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_own_package_loads_beside_it_and_its_path_is_its_releases() {
    let visit = Visit::begin().await;
    let program = "import { loadStripe } from '@stripe/stripe-js';
        loadStripe('pk_test_1').then((s) => said.push(s ? 'loaded' : 'nothing'), (e) => said.push('failed'));";
    visit.site.bundle("/shop.js", program);
    let head = format!("{}<script src=/shop.js defer></script>", visit.line(""));
    let bridge = visit.world.addr();
    let policy = |stripe: &str| format!("script-src 'self' http://{bridge} {stripe}");
    // A policy that names the path of one release keeps out the next one's; the host lets in all of them.
    for (stripe, came) in [("https://js.stripe.com/v3/", "failed"), ("https://js.stripe.com", "loaded")] {
        visit.site.forget();
        visit.site.page("/shop", &head, "", &policy(stripe));
        visit.go("/shop?refairn_code=ADA10").await;
        visit.gives("return window.said.at(-1)", json!(came)).await;
        assert!(visit.said().await.contains("code: ADA10"));
    }
    assert!(visit.heard("js.stripe.com")[0].starts_with("/endive/stripe.js"), "{:?}", visit.heard("js.stripe.com"));
    visit.end().await;
}
