//! What did not hold when it was first attacked: what is written into events, and what Refairn repeats.

use std::os::unix::fs::PermissionsExt;

use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use serde_json::{Value, json};

use super::target::{Store, Target, signed};
use crate::kit::program::API_KEY;
use crate::kit::samples::{Sale, charge};
use crate::kit::upstream::{Say, Seen, Upstream};

on_both! {
    half_a_letter_costs_no_payment
    a_long_name_costs_no_payment
    nothing_reaches_the_terminal_but_text
    what_refairn_repeats_is_not_kept
    letters_that_cannot_be_seen_are_no_part_of_a_code_or_an_address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_for_its_owner_alone() {
    let target = Target::start(Store::Sqlite).await;
    for entry in std::fs::read_dir(target.process.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("bridge.db") {
            let mode = path.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name} is open to others: {mode:o}");
        }
    }
    target.process.end().await;
}

/// A sale whose customer has this name, as JSON.
fn sale_of(kind: ProviderKind, n: usize, name: &str, target: &Target) -> (Vec<u8>, String) {
    let (id, email) = (format!("odd{n}"), format!("odd{n}@example.com"));
    let mut event = match kind {
        Stripe => Sale::new(&id, &email, target.began).code("ADA10").event(),
        Paystack => charge(&id, &email, 500_000, "ADA10", target.began),
    };
    match kind {
        Stripe => event["data"]["object"]["customer_name"] = json!("HERE"),
        Paystack => event["data"]["customer"]["first_name"] = json!("HERE"),
    }
    event["unheard_of"] = json!({ "HERE": "HERE" });
    (event.to_string().replace("\"HERE\"", name).into_bytes(), email)
}

async fn are_told(target: &mut Target, names: &[&str]) {
    target.also_told = vec!["odd", "customer odd"];
    let mut emails = Vec::new();
    for (n, name) in names.iter().enumerate() {
        for (more, kind) in [Stripe, Paystack].into_iter().enumerate() {
            let (body, email) = sale_of(kind, 2 * n + more, name, target);
            let reply = target.send(&signed(kind, &body)).await;
            target.holds(name, reply.status == 200, || reply.text());
            target.taken += 1;
            emails.push(email);
        }
    }
    let deliveries = target.idle().await;
    let told = target.told();
    for email in emails {
        let of = || deliveries.iter().find(|d| d["email"] == email.as_str() && d["state"] != "delivered").cloned();
        target.holds(&email, told.contains(&email), || format!("it is not told: {:?}", of()));
    }
}

async fn half_a_letter_costs_no_payment(store: Store) {
    let mut target = Target::start(store).await;
    let names =
        ["\"\\ud83d\"", "\"Ada \\ude00\"", "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\uDBFF\\\\uDFFF\""];
    are_told(&mut target, &names).await;
    target.end().await;
}

async fn a_long_name_costs_no_payment(store: Store) {
    let mut target = Target::start(store).await;
    let names = [70_000, 100_000, 300_000].map(|length| format!("\"{}\"", "x".repeat(length)));
    are_told(&mut target, &names.each_ref().map(String::as_str)).await;
    target.end().await;
}

/// Whether a terminal would do something else than show it.
fn is_odd(letter: char) -> bool {
    let turns_the_line = ('\u{202a}'..='\u{202e}').contains(&letter) || ('\u{2066}'..='\u{2069}').contains(&letter);
    (letter.is_control() && letter != '\n') || turns_the_line
}

async fn nothing_reaches_the_terminal_but_text(store: Store) {
    let mut target = Target::start(store).await;
    let odd = "a\u{1b}[2J\u{7}\u{7f}\u{9b}31m\u{202e}b\u{2066}c\r";
    let mut all = charge("odd", "odd@example.com", 500_000, "ADA10", target.began);
    for field in
        ["/data/reference", "/data/customer/customer_code", "/data/customer/first_name", "/data/plan", "/event"]
    {
        let (parent, key) = field.rsplit_once('/').expect("a path");
        let mut one = charge("odd", "odd@example.com", 500_000, "ADA10", target.began);
        for event in [&mut one, &mut all] {
            let value = if key == "plan" { json!({ "plan_code": odd, "name": odd }) } else { json!(odd) };
            event.pointer_mut(parent).expect("a place")[key] = value;
        }
        maps_to_text(&mut target, &one);
        let reply = target.send(&signed(Paystack, one.to_string().as_bytes())).await;
        target.holds(field, reply.status == 200, || reply.text());
        target.taken += 1;
        target.idle().await;
    }
    maps_to_text(&mut target, &all);
    let lists = [["events", "list"], ["deliveries", "list"]].map(|args| args.map(str::to_owned).to_vec());
    let shown = (1..=target.taken).map(|n| vec!["events".to_owned(), "show".to_owned(), format!("evt_{n}")]);
    for args in lists.into_iter().chain(shown) {
        says_text(&mut target, &args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let log = target.process.log();
    let line = log.lines().find(|line| line.chars().any(is_odd));
    target.holds("the log", line.is_none(), || format!("{line:?}"));
    target.end_at_once();
}

fn maps_to_text(target: &mut Target, event: &Value) {
    std::fs::write(target.process.folder.path().join("event.json"), event.to_string()).expect("written");
    says_text(target, &["map", "paystack", "event.json"]);
}

fn says_text(target: &mut Target, args: &[&str]) {
    let out = target.process.command(args).output().expect("it runs");
    for bytes in [&out.stdout, &out.stderr] {
        let said = String::from_utf8_lossy(bytes);
        let line = said.lines().find(|line| line.chars().any(is_odd));
        target.holds(&args.join(" "), line.is_none(), || format!("{line:?}"));
    }
}

/// What Refairn may make of the key and of an address in its words.
fn spellings(email: &str) -> Vec<String> {
    let mut all: Vec<String> = [API_KEY.to_owned(), email.to_owned()]
        .iter()
        .flat_map(|word| [word.clone(), format!("<{word}>"), format!("\"x{word}x\""), format!("?a={word}&b")])
        .collect();
    all.extend([email.replace('@', "%40"), email.to_uppercase(), format!("mailto:{email}")]);
    all
}

/// Refuses a hostile sale with a word of it, or of its head.
fn repeats(seen: &Seen) -> Say {
    let email = seen.email();
    let n = email.split_once('@').and_then(|(name, _)| name.strip_prefix("hostile")?.parse::<usize>().ok());
    let Some(n) = n else { return Say::success() };
    let words = spellings(&email);
    let message = format!("no {} here", words[n % words.len()]);
    Say::answer(400, "", &json!({ "success": false, "message": message }).to_string())
}

async fn what_refairn_repeats_is_not_kept(store: Store) {
    let upstream = Upstream::start(repeats).await;
    let url = upstream.url();
    let mut target = Target::prepared(store, &[("REFAIRN_BASE_URL", &url)], "");
    target.process.start_at("trace").await;
    let words = spellings("a@b").len();
    for n in 0..words {
        let email = format!("hostile{n}@example.com");
        let sale = Sale::new(&format!("hostile{n}"), &email, target.began).event().to_string();
        let reply = target.send(&signed(Stripe, sale.as_bytes())).await;
        target.holds(&email, reply.status == 200, || reply.text());
    }
    for delivery in target.idle().await {
        let path = format!("/api/v1/deliveries/{}", delivery["id"].as_str().expect("an id"));
        let mut detail = target.process.get(&path).await;
        let email = detail["email"].as_str().expect("an address").to_owned();
        // The call itself has the address, of course.
        detail["email"] = Value::Null;
        detail["request"] = Value::Null;
        repeats_nothing(&mut target, &path, &detail.to_string(), &email);
        let log = target.process.log();
        repeats_nothing(&mut target, "the log", &log, &email);
    }
    let told = upstream.seen().len();
    target.holds("calls", told == words, || format!("{told} calls"));
    target.end_at_once();
}

fn repeats_nothing(target: &mut Target, place: &str, text: &str, email: &str) {
    let text = text.to_lowercase();
    let found = spellings(email).into_iter().find(|word| text.contains(&word.to_lowercase()));
    let of = email.split('@').next().unwrap_or_default();
    target.holds(&format!("{place} of {of}"), found.is_none(), || format!("{found:?}"));
}

async fn letters_that_cannot_be_seen_are_no_part_of_a_code_or_an_address(store: Store) {
    let mut target = Target::start(store).await;
    target.also_told = vec!["customer odd", "\u{212a}elvin"];
    let mut codes = 0;
    for letter in ['\u{200b}', '\u{200d}', '\u{feff}', '\u{2060}', '\u{202e}', '\u{ad}'] {
        let (body, email) = target.genuine_of(Stripe);
        let mut event: Value = serde_json::from_slice(&body).expect("JSON");
        let metadata = &mut event["data"]["object"]["parent"]["subscription_details"]["metadata"];
        metadata["refairn_code"] = json!(format!("ADA{letter}10{letter}"));
        signed(Stripe, event.to_string().as_bytes()).send(target.process.addr).await;
        target.taken += 1;
        target.is_told(&email).await;
        codes += 1;
        let hidden = Sale::new(&format!("hidden{codes}"), &format!("hid{letter}den{codes}@example.com"), target.began);
        signed(Stripe, hidden.event().to_string().as_bytes()).send(target.process.addr).await;
        target.taken += 1;
    }
    // What nobody sees is taken out of the address, too.
    target.also_told.extend(["customer genuine", "hidden"]);
    // Another letter is another person: the Kelvin sign is no k.
    let (body, email) = target.genuine_of(Stripe);
    let body = String::from_utf8(body).expect("text");
    let kelvin = body.replace(&email, "\u{212a}elvin@example.com").replace("genuine", "kelvin");
    let small = body.replace(&email, "kelvin@example.com").replace("genuine", "small");
    for body in [body, small, kelvin] {
        signed(Stripe, body.as_bytes()).send(target.process.addr).await;
        target.taken += 1;
    }
    target.also_told.push("kelvin");
    let deliveries = target.idle().await;
    let with_code: Vec<&Value> = deliveries.iter().filter(|d| d["kind"] == "customer-created").collect();
    let plain = with_code.iter().filter(|d| d["request"]["referralCode"] == "ADA10").count();
    target.holds("codes", (plain, with_code.len()) == (codes, codes), || format!("{with_code:?}"));
    let told = target.told();
    for email in ["kelvin@example.com", "\u{212a}elvin@example.com"] {
        target.holds(email, told.iter().any(|e| e == email), || format!("{told:?}"));
    }
    target.end().await;
}
