//! Where a visitor's code comes from, how long it stays, and what is no code.

use refairn_bridge::domain::referral::parse_code;
use serde_json::{Value, json};

use crate::visit::Visit;

/// What other programs of the page are told.
const CODE: &str = "return window.refairn.code ?? null";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_code_that_was_met_stays_for_ninety_days() {
    let visit = Visit::begin().await;
    visit.page("", "").await;
    visit.gives(CODE, Value::Null).await;
    assert_eq!(visit.said().await, "refairn.js: code: none");

    // From the address of a page, and from the cookie of Refairn's link.
    visit.page("?x=1&refairn_code=BAYO15", "").await;
    visit.gives(CODE, json!("BAYO15")).await;
    assert_eq!(visit.said().await, "refairn.js: code: BAYO15");
    visit.anew().await;
    visit.run("document.cookie = 'not_refairn_code=EVE'; document.cookie = 'a=b&refairn_code=EVE'").await;
    visit.cookie("ADA10").await;
    visit.page("?refairn_code=BAYO15", "").await;
    visit.gives(CODE, json!("ADA10")).await;

    // It outlives the cookie, and another link.
    visit.browser.cdp("Network.clearBrowserCookies", json!({})).await;
    visit.cookie("BAYO15").await;
    visit.page("?refairn_code=CHI20", "").await;
    visit.gives(CODE, json!("ADA10")).await;

    // A visit later does not make it stay longer, and after ninety days it is gone.
    let kept = "return JSON.parse(localStorage.refairn_code).at";
    let at = visit.run(kept).await;
    visit.page("", "").await;
    assert_eq!(visit.run(kept).await, at);
    let grow_old = |days: u32| {
        format!(
            "localStorage.refairn_code = JSON.stringify({{code: 'ADA10', at: Date.now() - {days} * 864e5 + 1e6 * ({days} < 90)}})"
        )
    };
    for (days, code) in [(89, "ADA10"), (90, "BAYO15")] {
        visit.run(&grow_old(days)).await;
        visit.page("", "").await;
        visit.gives(CODE, json!(code)).await;
    }
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_needs_consent_keeps_nothing() {
    let visit = Visit::begin().await;
    visit.page("", "").await;
    for load in ["", "async", "defer", "type=module"] {
        visit.anew().await;
        visit.run("localStorage.refairn_code = JSON.stringify({code: 'EARLIER', at: Date.now()})").await;
        visit.site.page("/careful", &visit.line(&format!("data-store=off {load}")), "", "");
        visit.go("/careful?refairn_code=ADA10").await;
        visit.gives(CODE, json!("ADA10")).await;
        let kept = "return JSON.parse(localStorage.refairn_code).code";
        assert_eq!(visit.run(kept).await, "EARLIER", "{load}: it is neither read nor written");
        visit.run("localStorage.clear()").await;
        visit.go("/careful?refairn_code=ADA10").await;
        visit.gives(CODE, json!("ADA10")).await;
        assert_eq!(visit.run("return localStorage.length + document.cookie.length").await, 0, "{load}");
    }
    // With consent the script is loaded once more, and keeps the code.
    visit.go("/careful?refairn_code=ADA10").await;
    let url = format!("http://{}/refairn.js", visit.world.addr());
    visit
        .run(&format!("document.head.append(Object.assign(document.createElement('script'), {{ src: '{url}' }}))"))
        .await;
    visit.gives("return JSON.parse(localStorage.refairn_code ?? '{}').code ?? null", json!("ADA10")).await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shut_or_damaged_keeps_no_page_from_working() {
    let visit = Visit::begin().await;
    let shut =
        "<script>Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('shut'); } })</script>";
    visit.site.page("/shut", &format!("{shut}{}", visit.line("")), "", "");
    visit.go("/shut?refairn_code=ADA10").await;
    visit.gives(CODE, json!("ADA10")).await;
    for damaged in ["", "{", "null", "7", "[]", "{\"code\":7,\"at\":1e15}", "{\"code\":\"<b>\",\"at\":1e15}"] {
        visit.page("", "").await;
        visit.run(&format!("localStorage.refairn_code = {}", json!(damaged))).await;
        visit.page("?refairn_code=ADA10", "").await;
        visit.gives(CODE, json!("ADA10")).await;
    }
    visit.anew().await;
    visit.cookie("%E0%A4%A").await;
    visit.page("?refairn_code=ADA10", "").await;
    visit.gives(CODE, json!("ADA10")).await;
    // A frame that may have no origin has neither cookies nor storage.
    let frame = "<iframe sandbox=allow-scripts src='/framed?refairn_code=ADA10'></iframe>";
    visit.site.page(
        "/framed",
        &visit.line(""),
        "<script>parent.postMessage(window.refairn.code ?? 'none', '*')</script>",
        "",
    );
    visit.site.page("/frame", "<script>addEventListener('message', (e) => said.push(e.data))</script>", frame, "");
    visit.go("/frame").await;
    visit.gives("return window.said", json!(["none"])).await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_takes_for_a_code_what_the_bridge_takes() {
    let visit = Visit::begin().await;
    let long = ["x".repeat(64), "x".repeat(65), "\u{1f600}".repeat(64)];
    let texts = [
        "ADA10",
        " ADA-10_x.y ",
        "ÀṢẸ-12",
        "漢字",
        "\u{feff}AGENT\u{200b}1\u{202e}",
        "a b",
        "a/b",
        "a+b",
        "a%b",
        "<script>",
        "jane@example.com",
        "ADA\u{fffd}",
        "a\u{a0}b",
        "a\u{7}b",
        "\u{200b}",
        "  ",
        "undefined",
        "NULL",
        "None",
        "nan",
        "FALSE",
        "true",
        "n/a",
        "-",
        "--",
        "null-1",
        "a`b",
        "a{b",
        "a[b",
        "a^b",
        "a~b",
        "a,b",
        "a:b",
        "a!b",
        "a'b",
        "\u{3164}A",
    ];
    visit.page("", "").await;
    for text in texts.into_iter().chain(long.iter().map(String::as_str)) {
        visit.anew().await;
        let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        visit.page(&format!("?refairn_code={encoded}"), "").await;
        visit.gives(CODE, parse_code(text).map_or(Value::Null, Value::String)).await;
    }
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_policy_of_contents_needs_nothing_but_the_bridges_address() {
    let visit = Visit::begin().await;
    let bridge = visit.world.addr();
    let policy = format!("default-src 'none'; script-src 'self' http://{bridge}; require-trusted-types-for 'script'");
    let body = "<a id=buy href=https://buy.stripe.com/x>Buy</a>";
    visit.site.page("/strict", &visit.line("async"), body, &policy);
    visit.go("/strict?refairn_code=ADA10").await;
    visit.gives("return document.getElementById('buy').search", json!("?client_reference_id=refairn_ADA10")).await;
    assert_eq!(visit.run("return window.blocked").await, json!([]));
    visit.end().await;
}
