//! Paystack: its popup, as its script for pages has it; and the lines for what no script reaches.

use serde_json::json;

use crate::visit::Visit;

/// Paystack's script for pages.
const INLINE: &str = "<script src=https://js.paystack.co/v2/inline.js></script>";
const CHECKOUT: &str = "checkout.paystack.com";
const API: &str = "api.paystack.co";

impl Visit {
    /// A visitor with a code on a page with Paystack's script, which may come before ours or after it.
    async fn at_paystack(&self, ours_first: bool) {
        let ours = self.line("");
        let head = if ours_first { format!("{ours}{INLINE}") } else { format!("{INLINE}{ours}") };
        self.site.page("/pay", &head, "<button id=pay>Pay</button>", "");
        self.site.forget();
        self.go("/pay?refairn_code=ADA10").await;
        self.run(
            "window.base = { key: 'pk_test_1', email: 'jane@example.com', amount: 5000 }; window.popup = new PaystackPop();",
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_popup_carries_the_code_beside_what_the_shop_says() {
    let visit = Visit::begin().await;
    for ours_first in [true, false] {
        visit.at_paystack(ours_first).await;
        visit.run("popup.newTransaction(base)").await;
        visit.hears(CHECKOUT, r#""refairn_code":"ADA10""#).await;
        // The shop's own metadata goes along, and its object stays as it was, even a frozen one.
        visit.at_paystack(ours_first).await;
        visit
            .run("window.mine = Object.freeze({ cart: 'c_7' }); popup.newTransaction({ ...base, metadata: mine })")
            .await;
        let heard = visit.hears(CHECKOUT, r#""cart":"c_7""#).await;
        assert!(heard.contains(r#""refairn_code":"ADA10""#) && heard.contains(r#""referrer":"#), "{heard}");
        assert_eq!(visit.run("return mine").await, json!({ "cart": "c_7" }));
    }
    // Added by a program later, after a module that nobody sees; and by the old way in.
    visit.site.page("/later", &visit.line(""), "", "");
    visit.site.forget();
    visit.go("/later?refairn_code=ADA10").await;
    let add = "const s = document.createElement('script'); s.src = 'https://js.paystack.co/v2/inline.js';
        s.onload = () => new PaystackPop().newTransaction({ key: 'pk_test_1', email: 'jane@example.com', amount: 1 }); document.head.append(s)";
    visit.run(add).await;
    visit.hears(CHECKOUT, r#""refairn_code":"ADA10""#).await;
    for open in ["PaystackPop.setup(base).openIframe()", "popup.preloadTransaction(base)()"] {
        visit.at_paystack(true).await;
        visit.run(open).await;
        visit.hears(CHECKOUT, r#""refairn_code":"ADA10""#).await;
    }
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opening_which_goes_on_with_the_first_has_the_code_too() {
    let visit = Visit::begin().await;
    visit.at_paystack(true).await;
    visit.run("popup.newTransaction({ ...base, metadata: { step: 'one' } })").await;
    let first = visit.hears(CHECKOUT, r#""step":"one""#).await;
    assert!(first.contains(r#""refairn_code":"ADA10""#), "{first}");
    visit.run("popup.cancelTransaction(popup.transactions[0].id); popup.newTransaction({ ...base, metadata: { step: 'two' } })").await;
    // Paystack's package takes the first one up again, by its access code, whatever the metadata is by now. It had the code.
    visit.hears(CHECKOUT, r#""params":{"accessCode":null"#).await;
    assert!(visit.heard(CHECKOUT).iter().all(|heard| !heard.contains("two")), "{:?}", visit.heard(CHECKOUT));
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_made_by_fetch_carry_it_and_what_the_popup_tells_itself_is_left_alone() {
    let visit = Visit::begin().await;
    visit.at_paystack(true).await;
    visit.run("popup.checkout(base).then((t) => said.push('made'), (e) => said.push(String(e)))").await;
    visit.hears(API, r#""refairn_code":"ADA10""#).await;
    visit.gives("return said.at(-1)", json!("made")).await;
    assert_eq!(visit.run("return popup.transactions.length").await, 1);
    // What a request for a payment opens where the device has no wallet.
    visit.at_paystack(true).await;
    visit.run("document.body.insertAdjacentHTML('beforeend', '<div id=wallet></div>');
        popup.paymentRequest({ ...base, container: 'wallet', loadPaystackCheckoutButton: 'pay' }).catch((e) => said.push(String(e)))").await;
    visit.run("document.getElementById('pay').click()").await;
    visit.hears(CHECKOUT, r#""refairn_code":"ADA10""#).await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_says_itself_is_never_changed() {
    let visit = Visit::begin().await;
    let own = [
        "{ refairn_code: 'MINE' }",
        "{ referralCode: 'MINE' }",
        "{ custom_fields: [{ display_name: 'Code', variable_name: 'refairn_code', value: 'MINE' }] }",
    ];
    for metadata in own {
        visit.at_paystack(true).await;
        visit.run(&format!("popup.newTransaction({{ ...base, metadata: {metadata} }})")).await;
        let heard = visit.hears(CHECKOUT, "MINE").await;
        assert!(!heard.contains(r#""refairn_code":"ADA10""#), "{heard}");
    }
    // What is no object is refused by Paystack's package as it is without us.
    for metadata in ["'{\"a\":1}'", "[1]", "7"] {
        visit.at_paystack(true).await;
        let open = format!(
            "try {{ popup.newTransaction({{ ...base, metadata: {metadata} }}); return 'opened' }} catch (e) {{ return JSON.stringify(e) + e.message }}"
        );
        let refused = visit.run(&open).await;
        assert!(refused.as_str().expect("a text").contains("metadata"), "{metadata}: {refused}");
    }
    // With an access code the server has said everything, and Paystack's package drops the rest.
    visit.at_paystack(true).await;
    visit.run("popup.resumeTransaction('ac_7')").await;
    visit.hears(CHECKOUT, "ac_7").await;
    assert!(
        visit.heard(CHECKOUT).iter().all(|heard| !heard.contains("refairn_code\":")),
        "{:?}",
        visit.heard(CHECKOUT)
    );
    assert!(visit.said().await.contains("from your server alone"), "{}", visit.said().await);
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_without_a_code_pays_as_ever() {
    let visit = Visit::begin().await;
    visit.site.page("/pay", &format!("{}{INLINE}", visit.line("")), "", "");
    visit.go("/pay").await;
    visit.run("new PaystackPop().newTransaction({ key: 'pk_test_1', email: 'jane@example.com', amount: 1, metadata: { cart: 'c_7' } })").await;
    let heard = visit.hears(CHECKOUT, r#""cart":"c_7""#).await;
    assert!(!heard.contains("refairn_code\":"), "{heard}");
    visit.end().await;
}

/// A shop that has Paystack's package in its own program: `lines` is what the documents say.
fn program(lines: bool) -> String {
    let metadata = if lines { ", metadata: { ...(code && { refairn_code: code }) }" } else { "" };
    let lines = if lines { "const code = window.refairn?.code;" } else { "" };
    format!(
        "import PaystackPop from '@paystack/inline-js';
         document.getElementById('pay').onclick = () => {{ {lines}
           new PaystackPop().newTransaction({{ key: 'pk_test_1', email: 'jane@example.com', amount: 5000{metadata} }}); }};"
    )
}

/// The same in React, with the package for it.
fn react(lines: bool) -> String {
    let metadata = if lines { ", metadata: { custom_fields: [], ...(code && { refairn_code: code }) }" } else { "" };
    let lines = if lines { "const code = window.refairn?.code;" } else { "" };
    format!(
        "import {{ createRoot }} from 'react-dom/client';
         import {{ usePaystackPayment }} from 'react-paystack';
         const Pay = () => {{ {lines}
           const pay = usePaystackPayment({{ publicKey: 'pk_test_1', email: 'jane@example.com', amount: 5000{metadata} }});
           return <button id=\"buy\" onClick={{() => pay({{}})}}>Buy</button>; }};
         createRoot(document.getElementById('root')).render(<Pay />);"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_script_reaches_carries_the_code_by_the_lines_of_the_documents() {
    let documents = std::fs::read_to_string("docs/codes.md").expect("the page");
    for line in [
        "const code = window.refairn?.code;",
        "metadata: { ...(code && { refairn_code: code }) }",
        "metadata: { custom_fields: [], ...(code && { refairn_code: code }) }",
    ] {
        assert!(documents.contains(line), "docs/codes.md has no {line}");
    }
    let visit = Visit::begin().await;
    type Program = fn(bool) -> String;
    let programs: [(Program, &str); 2] = [(program, "#pay"), (react, "#buy")];
    for (program, button) in programs {
        for lines in [false, true] {
            visit.site.bundle("/shop.js", &program(lines));
            let body = "<div id=root></div><button id=pay>Pay</button><script src=/shop.js></script>";
            visit.site.page("/bundled", &visit.line(""), body, "");
            visit.site.forget();
            visit.go("/bundled?refairn_code=ADA10").await;
            visit.gives(&format!("return Boolean(document.querySelector('{button}'))"), json!(true)).await;
            visit.browser.click(button).await;
            let heard = visit.hears(CHECKOUT, "jane@example.com").await;
            assert_eq!(heard.contains(r#""refairn_code":"ADA10""#), lines, "{heard}");
        }
    }
    visit.end().await;
}
