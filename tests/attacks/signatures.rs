//! Signatures of every shape that is none, and genuine ones for something else.

use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use refairn_bridge::providers::provider;
use serde_json::json;

use super::target::Expected::{Refused, Taken};
use super::target::{Store, Target, secret, signature, signature_by, to};
use crate::kit::program::{PAYSTACK_SECRET, STRIPE_SECRET};
use crate::kit::wire::Request;

on_both! { signatures_that_are_none }

/// Two endpoints of one provider, each with a secret of its own.
const ENDPOINTS: &str = r#"
    [[endpoints]]
    provider = "stripe"
    [[endpoints]]
    provider = "stripe"
    name = "second"
    secrets = ["whsec_of_the_second"]
    [[endpoints]]
    provider = "paystack"
"#;
const SECOND: &str = "whsec_of_the_second";

async fn signatures_that_are_none(store: Store) {
    let mut target = Target::start_with(store, &[], ENDPOINTS).await;
    target.secrets.push(SECOND.to_owned());
    for (code, headers) in of_stripe(&target.forged()) {
        refused(&mut target, Stripe, code, &headers).await;
    }
    for (code, headers) in of_paystack(&target.forged()) {
        refused(&mut target, Paystack, code, &headers).await;
    }
    changed_by_a_byte(&mut target).await;
    // Each endpoint has its own secret.
    let body = target.forged();
    for (name, by) in [("stripe", SECOND), ("second", STRIPE_SECRET), ("second", PAYSTACK_SECRET)] {
        let request = Request::new("POST", &format!("/webhooks/stripe/{name}"));
        let request = request.header("Stripe-Signature", signature_by(Stripe, by, &body, 0)).body(&body);
        target.ask(name, &request, Refused(&[401])).await;
    }
    // What a provider may write in other ways is genuine.
    let (body, _) = target.genuine_of(Stripe);
    let good = signature(Stripe, &body);
    let (t, v1) = good.split_once(",v1=").expect("a signature");
    let others = "v1=".to_owned() + &"0".repeat(64);
    let many = format!("{t},{},v1={v1}", vec![others.as_str(); 30].join(","));
    target.ask("other signatures before it", &with(Stripe, &[many], &body), Taken).await;
    let (body, _) = target.genuine_of(Stripe);
    let good = signature(Stripe, &body);
    let (t, v1) = good.split_once(",v1=").expect("a signature");
    let odd = format!(" v0=00 , {t} , v1={} , x", v1.to_uppercase());
    target.ask("upper case, spaces and an unknown scheme", &with(Stripe, &[odd], &body), Taken).await;
    let (body, _) = target.genuine_of(Paystack);
    let odd = format!("  {}  ", signature(Paystack, &body).to_uppercase());
    target.ask("upper case and spaces", &with(Paystack, &[odd], &body), Taken).await;
    target.end().await;
}

fn with(kind: ProviderKind, headers: &[impl AsRef<[u8]>], body: &[u8]) -> Request {
    headers.iter().fold(to(kind), |r, h| r.header(provider(kind).signature_header(), h)).body(body)
}

/// Sends the body that these headers were made for; checks the answer, and that it says nothing of the request.
async fn refused(target: &mut Target, kind: ProviderKind, code: &str, headers: &[Vec<u8>]) {
    let name: String = headers.iter().map(|h| h[..h.len().min(90)].escape_ascii().to_string()).collect();
    let replies = target.ask(&name, &with(kind, headers, &target.forged()), Refused(&[401])).await;
    let as_told = replies.first().is_some_and(|r| r.json()["code"] == json!(code) && !r.text().contains("forged"));
    target.holds(&name, as_told, || format!("not {code}: {replies:?}"));
}

type Headers = Vec<Vec<u8>>;

fn of_stripe(body: &[u8]) -> Vec<(&'static str, Headers)> {
    let one = |text: &str| vec![text.as_bytes().to_vec()];
    let good = signature(Stripe, body);
    let (t, v1) = good.split_once(",v1=").expect("a signature");
    let now = &t[2..];
    let mut cases = vec![
        ("signature_missing", vec![]),
        ("signature_repeated", vec![good.clone().into_bytes(), good.clone().into_bytes()]),
        ("signature_repeated", vec![good.clone().into_bytes(), b"t=1,v1=00".to_vec()]),
        ("signature_malformed", vec![b"\xff\xfe=\x80".to_vec()]),
    ];
    let malformed = [
        "",
        ",",
        "=",
        "t",
        "t=",
        "v1=",
        "t=,v1=",
        "a signature",
        "v1,t=1",
        "t,v1=,v0=",
        "t=1",
        "t=99999999999999999999,v1=00",
    ];
    cases.extend(malformed.map(|text| ("signature_malformed", one(text))));
    for text in [
        format!("v1={v1}"),
        format!("{t},v0={v1}"),
        format!("{t},v2={v1}"),
        format!("{t},V1={v1}"),
        format!("{t},v1 ={v1}"),
        format!("{t},v1={}", &v1[..62]),
        format!("{t},v1={v1}00"),
        format!("{t},v1={}", v1.replacen(char::is_alphanumeric, "g", 1)),
        format!("{t},v1=0x{}", &v1[2..]),
        format!("{t},v1=\"{v1}\""),
        format!("{t};v1={v1}"),
        format!("{t},{t},v1={v1}"),
        format!("t=+{now},v1={v1}"),
        format!("t=-{now},v1={v1}"),
        format!("t={now}.0,v1={v1}"),
        format!("t=0x10,v1={v1}"),
        format!("{t},{}v1={v1}", "v1=00,".repeat(1000)),
        format!("{t},v1={}", "\u{e9}".repeat(32)),
    ] {
        cases.push(("signature_malformed", one(&text)));
    }
    let by = |secret: &str, body: &[u8], seconds: i64| one(&signature_by(Stripe, secret, body, seconds));
    for headers in [
        by("whsec_of_somebody_else", body, 0),
        by("of_the_process", body, 0),
        by("", body, 0),
        by(PAYSTACK_SECRET, body, 0),
        by(SECOND, body, 0),
        by(STRIPE_SECRET, b"", 0),
        by(STRIPE_SECRET, b"{}", 0),
        by(STRIPE_SECRET, &[body, b"\n"].concat(), 0),
        by("whsec_of_somebody_else", body, -4000),
        one(&format!("t=1,v1={v1}")),
        one(&format!("t=0{now},v1={v1}")),
        one(&format!("{t},v1={}", "0".repeat(64))),
        one(&signature(Stripe, body).replace("t=", "t=0")),
    ] {
        cases.push(("signature_mismatch", headers));
    }
    cases.push(("signature_stale", by(STRIPE_SECRET, body, -400)));
    cases.push(("signature_stale", by(STRIPE_SECRET, body, -400_000_000)));
    cases.push(("signature_in_future", by(STRIPE_SECRET, body, 400)));
    cases.push(("signature_in_future", by(STRIPE_SECRET, body, 4_000_000_000)));
    cases
}

fn of_paystack(body: &[u8]) -> Vec<(&'static str, Headers)> {
    let one = |text: &str| vec![text.as_bytes().to_vec()];
    let good = signature(Paystack, body);
    let stripes = signature(Stripe, body);
    let mut cases = vec![
        ("signature_missing", vec![]),
        ("signature_repeated", vec![good.clone().into_bytes(), good.clone().into_bytes()]),
        ("signature_malformed", vec![vec![0xff; 128]]),
    ];
    for text in [
        String::new(),
        "not hexadecimal".to_owned(),
        good[..127].to_owned(),
        good[..64].to_owned(),
        format!("{good}0"),
        format!("{good},{good}"),
        format!("sha512={good}"),
        format!("\"{good}\""),
        good.replacen(char::is_alphanumeric, "g", 1),
        "f".repeat(100_000),
        stripes,
    ] {
        cases.push(("signature_malformed", one(&text)));
    }
    let by = |secret: &str, body: &[u8]| one(&signature_by(Paystack, secret, body, 0));
    for headers in [
        by("sk_live_of_somebody_else", body),
        by(STRIPE_SECRET, body),
        by("", body),
        by(PAYSTACK_SECRET, b""),
        by(PAYSTACK_SECRET, &body[1..]),
        by(PAYSTACK_SECRET, &[body, b"\r\n"].concat()),
        one(&"0".repeat(128)),
    ] {
        cases.push(("signature_mismatch", headers));
    }
    cases
}

/// A genuine signature fits the bytes that were signed, and none beside them.
async fn changed_by_a_byte(target: &mut Target) {
    for kind in [Stripe, Paystack] {
        let body = target.forged();
        let good = signature_by(kind, secret(kind), &body, 0);
        let mut changed = Vec::new();
        for at in [0, body.len() / 3, body.len() / 2, body.len() - 1] {
            let mut one = body.clone();
            one[at] ^= 1;
            changed.push(one);
        }
        changed.push(body[..body.len() - 1].to_vec());
        changed.push([&body[..], b" "].concat());
        changed.push([b"\xef\xbb\xbf", &body[..]].concat());
        changed.push(vec![]);
        for other in changed {
            target.ask("changed by a byte", &with(kind, &[&good], &other), Refused(&[401])).await;
        }
    }
}
