//! What a payer, or a merchant's own program, may write into a genuine webhook. It is answered 200, ends explained, is
//! told once at the most, and does no harm to whoever reads it.

use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use serde_json::{Value, json};

use super::target::{FORGED, Store, Target, signed};
use crate::kit::program::TOKEN;
use crate::kit::samples::{Sale, charge};
use crate::kit::wire::Request;

on_both! {
    odd_texts_and_numbers_in_every_field
    bodies_that_are_no_events
}

/// Stands in an event where a token is to be.
const HERE: &str = "@HERE@";

/// Texts as JSON writes them.
const TEXTS: [&str; 31] = [
    "\\u0000",
    "a\\u0000b",
    "\\u001b[2J\\u001b]0;x\\u0007",
    "\\u0001\\u0008\\u007f",
    "\\u009b31m",
    "a\\r\\nb\\n",
    "\\t",
    "\\u202egnp.exe",
    "\\u2066\\u2069",
    "\\u200b",
    "\\ufeff",
    "\\ufffe\\uffff",
    "\\ud83d\\ude00",
    "e\\u0301\\u0301\\u0301",
    "",
    " ",
    "'; DROP TABLE events; --",
    "%s%n%00",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "{\\\"a\\\":1}",
    "null",
    "NaN",
    "-0",
    "1e400",
    "\\u0661\\u0662",
    "\\\\",
    "=1+1",
    "__proto__",
    "http://x.example.com",
];

/// Numbers and others, as JSON writes them.
const OTHERS: [&str; 30] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "0.1",
    "-0.0",
    "1.5",
    "1e2",
    "1e-2",
    "1E+2",
    "1e300",
    "1e-300",
    "2147483648",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "0.1000000000000000055511151231257827",
    "123456789012345678901234567890",
    "[]",
    "{}",
    "[null]",
    "[[[[]]]]",
    "{\"id\":\"x\"}",
    "{\"id\":{\"id\":null}}",
    "{\"\":\"\"}",
];

/// JSON that is odd wherever it stands.
fn tokens() -> Vec<String> {
    let text = |text: &str| format!("\"{text}\"");
    let mut tokens = TEXTS.map(text).to_vec();
    tokens.push(text(&"x".repeat(10_000)));
    tokens.push(text(&"\\u0000".repeat(3000)));
    tokens.push(text(&"\u{1f600}".repeat(5000)));
    tokens.extend(OTHERS.map(str::to_owned));
    tokens.push("[".repeat(100) + &"]".repeat(100));
    tokens.push(format!("[{}]", vec!["0"; 5000].join(",")));
    tokens
}

const OF_STRIPE: [&str; 9] = [
    "/data/object/customer_name",
    "/data/object/customer_email",
    "/data/object/amount_paid",
    "/data/object/currency",
    "/data/object/status_transitions/paid_at",
    "/data/object/parent/subscription_details/metadata/refairn_code",
    "/data/object/customer",
    "/data/object/unheard_of",
    "/created",
];

const OF_PAYSTACK: [&str; 9] = [
    "/data/customer/first_name",
    "/data/customer/email",
    "/data/amount",
    "/data/currency",
    "/data/paid_at",
    "/data/metadata/refairn_code",
    "/data/reference",
    "/data/unheard_of",
    "/event",
];

/// An event with `token` at `path`.
fn event(kind: ProviderKind, n: usize, path: &str, token: &str, target: &Target) -> Vec<u8> {
    let (id, email) = (format!("odd{n}"), format!("odd{n}@example.com"));
    let mut event = match kind {
        Stripe => Sale::new(&id, &email, target.began).code("ADA10").event(),
        Paystack => charge(&id, &email, 500_000, "ADA10", target.began),
    };
    let (parent, key) = path.rsplit_once('/').expect("a path");
    event.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"))[key] = json!(HERE);
    event.to_string().replacen(&format!("\"{HERE}\""), token, 1).into_bytes()
}

async fn odd_texts_and_numbers_in_every_field(store: Store) {
    let mut target = Target::start(store).await;
    target.also_told = vec!["odd", "customer odd"];
    let mut n = 0;
    for (kind, paths) in [(Stripe, OF_STRIPE), (Paystack, OF_PAYSTACK)] {
        for (start, path) in paths.into_iter().enumerate() {
            // Every third one, in turn: each token stands in three fields of each provider.
            for token in tokens().iter().skip(start % 3).step_by(3) {
                n += 1;
                let body = event(kind, n, path, token, &target);
                let reply = target.send(&signed(kind, &body)).await;
                let shown = format!("{path}: {}", token.chars().take(60).collect::<String>());
                target.holds(&shown, reply.status == 200, || reply.text());
                target.taken += u64::from(reply.status == 200);
            }
        }
    }
    let deliveries = target.idle().await;
    calls_are_plain(&mut target);
    all_is_explained(&mut target, &deliveries).await;
    target.end().await;
}

/// No call carries what no person would write.
fn calls_are_plain(target: &mut Target) {
    for call in target.process.sandbox.calls() {
        let Ok(body) = serde_json::from_str::<Value>(&call.body) else {
            target.wrong("a call", &format!("no JSON, decided {:?}: {:?}", call.decided, call.body));
            continue;
        };
        let texts = body.as_object().expect("an object").values().filter_map(Value::as_str);
        let odd: Vec<&str> = texts.filter(|text| text.chars().any(char::is_control)).collect();
        target.holds("a call", odd.is_empty(), || format!("control characters: {odd:?}"));
        let amount = body["amount"].as_f64().unwrap_or(0.0);
        target.holds("a call", amount >= 0.0, || call.body.clone());
        let refused = call.decided.is_some_and(|status| status >= 400);
        target.holds("a call", !refused, || format!("refused with {:?}: {}", call.decided, call.body));
    }
}

/// Every event has come to an end that is explained, is shown, and can be read anew with the same end.
async fn all_is_explained(target: &mut Target, deliveries: &[Value]) {
    let events = target.process.all("events").await;
    assert_eq!(events.len() as u64, target.taken, "events");
    for event in &events {
        let explained = event["state"] == "mapped" || event["explanation"].as_str().is_some_and(|e| e.len() > 20);
        target.holds("an event", explained && event["state"] != "received", || event.to_string());
    }
    for delivery in deliveries {
        let explained = delivery["state"] == "delivered" || delivery["explanation"].is_string();
        target.holds("a delivery", explained && delivery["state"] == "delivered", || delivery.to_string());
    }
    for event in events.iter().step_by(9) {
        let id = event["id"].as_str().expect("an id");
        let path = format!("/api/v1/events/{id}");
        let request = Request::new("GET", &path).header("Authorization", format!("Bearer {TOKEN}"));
        let reply = request.send(target.process.addr).await;
        target.holds("an event", reply.status == 200 && reply.json()["id"] == id, || reply.text());
        target.process.act(&format!("{path}/remap")).await;
    }
    target.idle().await;
    let ends =
        |events: &[Value]| -> Vec<Value> { events.iter().map(|e| json!([e["id"], e["state"], e["reason"]])).collect() };
    let again = ends(&target.process.all("events").await);
    let before = ends(&events);
    target.holds("read anew", again == before, || format!("{again:?}, not {before:?}"));
}

async fn bodies_that_are_no_events(store: Store) {
    let mut target = Target::start(store).await;
    let nested = |open: &str, close: &str, n: usize| {
        open.repeat(n).into_bytes().into_iter().chain(close.repeat(n).into_bytes()).collect()
    };
    // It is signed and kept: what is looked for at the end is not in it.
    let good = String::from_utf8(target.forged()).expect("text").replace(FORGED, "body");
    let id = |n: usize| good.replace("evt_body", &format!("evt_body{n}"));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("a space", b" ".to_vec()),
        ("NUL", vec![0; 100]),
        ("no JSON", b"event=charge.success&amount=5".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"1e999999999".to_vec()),
        ("many digits", vec![b'9'; 500_000]),
        ("a text", b"\"invoice.paid\"".to_vec()),
        ("an array", format!("[{}]", id(1)).into_bytes()),
        ("deep arrays", nested("[", "]", 100_000)),
        ("deep objects", nested("{\"a\":", "}", 100_000)),
        ("open arrays", vec![b'['; 1 << 20]),
        ("cut off", id(2).into_bytes()[..500].to_vec()),
        ("two of them", format!("{}{}", id(3), id(3)).into_bytes()),
        ("single quotes", id(4).replace('"', "'").into_bytes()),
        ("a comma too many", id(5).replacen('{', "{,", 1).into_bytes()),
        ("a comment", format!("/* */{}", id(6)).into_bytes()),
        ("NaN", id(7).replace("2999", "NaN").into_bytes()),
        ("infinity", id(8).replace("2999", "-Infinity").into_bytes()),
        ("a leading zero", id(9).replace("2999", "02999").into_bytes()),
        ("hexadecimal", id(10).replace("2999", "0xbb7").into_bytes()),
        ("UTF-16", id(11).encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a broken letter", [id(12).as_bytes(), b"\xff"].concat()),
        ("broken letters within", bytes_within(&id(13), b"\xc3\x28\xed\xa0\x80")),
        ("overlong", bytes_within(&id(14), b"\xc0\x80\xf8\x88\x80\x80\x80")),
        ("a raw line end within a text", bytes_within(&id(15), b"a\nb")),
        ("half an escape", bytes_within(&id(16), b"\\u12")),
        ("an unknown escape", bytes_within(&id(17), b"\\x41")),
        ("an endless text", format!("{{\"id\":\"{}\"}}", "x".repeat(1_000_000)).into_bytes()),
        ("an endless type", format!("{{\"type\":\"{0}\",\"event\":\"{0}\"}}", "x".repeat(500_000)).into_bytes()),
    ];
    for (name, body) in &bodies {
        for kind in [Stripe, Paystack] {
            let reply = target.send(&signed(kind, body)).await;
            target.holds(name, reply.status == 200, || format!("{}: {}", reply.status, reply.text()));
            target.taken += u64::from(reply.status == 200 && reply.json()["duplicate"] == false);
        }
    }
    for length in [(1 << 20) + 1, 5 << 20] {
        let reply = signed(Stripe, &vec![b'x'; length]).send(target.process.addr).await;
        target.holds("too long", reply.status == 413, || reply.text());
    }
    for event in target.process.all("events").await {
        let genuine = event["state"] == "mapped";
        let set_aside = ["unmappable", "ignored"].iter().any(|state| event["state"] == *state);
        target.holds("no event", genuine || set_aside || event["state"] == "received", || event.to_string());
    }
    target.idle().await;
    odd_objects(&mut target).await;
    target.end().await;
}

/// These bytes in the place of a name.
fn bytes_within(body: &str, bytes: &[u8]) -> Vec<u8> {
    let (before, after) = body.split_once("Name Of body").expect("a name");
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// Events that are odd as a whole, and are told.
async fn odd_objects(target: &mut Target) {
    let wide: String = (0..20_000).map(|n| format!("\"m{n}\":{n},")).collect();
    let deep = format!("\"deep\":{}{},", "[".repeat(100), "]".repeat(100));
    let twice = "\"data\":null,\"event\":\"x\",\"type\":\"x\",";
    let first = |body: &str, member: &str| body.replacen('{', &format!("{{{member}"), 1);
    type Change<'a> = &'a dyn Fn(&str) -> String;
    let changes: [(&str, Change<'_>); 5] = [
        ("many members", &|body| first(body, &wide)),
        ("deep members", &|body| first(body, &deep)),
        ("a member twice, the last counts", &|body| first(body, twice)),
        ("spaces", &|body| body.replace("\":", "\" \t\r\n : ")),
        ("escapes", &|body| body.replace("\"data\"", "\"\\u0064ata\"")),
    ];
    for (name, change) in changes {
        for kind in [Stripe, Paystack] {
            let (body, email) = target.genuine_of(kind);
            let body = change(std::str::from_utf8(&body).expect("text"));
            let reply = target.send(&signed(kind, body.as_bytes())).await;
            target.holds(name, reply.status == 200, || reply.text());
            target.taken += 1;
            target.is_told(&email).await;
        }
    }
}
