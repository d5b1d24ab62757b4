//! The command line, driven as people and scripts drive it: the real binary, its output, its exit code.
//!
//! What is printed is compared with the texts in `tests/cli/`; `BLESS=1 cargo test --test cli` writes what came instead,
//! to be looked at before it is committed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends where it fails"
)]

mod backup;
mod config_show;
mod demo;
mod examples;
mod forget;
#[path = "../kit/mod.rs"]
mod kit;
mod listener;
mod maps;
mod migrate_store;
mod operator;
mod shell;
mod token;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};

use kit::command::{self, Background, Dir, same_as_before};
use kit::program::lasting_addr;
use kit::rules::fixtures;
use listener::Listener;

/// Fewer fixtures than this mean that the corpus was not found.
const CASES_MIN: usize = 60;
/// When the mapped webhooks arrive.
const AT: &str = "2026-06-14T12:00:00Z";
/// When the corpus arrives, unless a case says otherwise.
const RECEIVED: &str = "2026-11-20T12:00:00Z";

#[test]
fn every_command_explains_itself() {
    let dir = Dir::new();
    let mut texts = String::new();
    let shown = "serve sandbox check map send examples healthcheck backup migrate-store completions man";
    for command in shown.split(' ') {
        let help = dir.run(&[command, "--help"]).succeeds();
        assert_eq!(help.stderr, "");
        texts.push_str(&format!("$ refairn-bridge {command} --help\n{}\n", help.stdout));
    }
    same_as_before("help", &texts);
    let top = dir.run(&["--help"]).succeeds().stdout;
    for command in shown.split(' ').chain(["demo", "config"]) {
        assert!(top.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in:\n{top}");
    }
    assert_eq!(dir.run(&["--version"]).succeeds().stdout, concat!("refairn-bridge ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_two() {
    let dir = Dir::new();
    dir.write("bridge.toml", &configuration(&toml::Table::new()).to_string());
    let check = |args: &[&str], says: &str| {
        let done = dir.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{args:?} does not say {says:?}:\n{}", done.stderr);
    };
    check(&[], "Usage:");
    check(&["sell"], "unrecognized subcommand");
    check(&["map", "stripe"], "<FILE>");
    check(&["map", "acme", "-"], "possible values: stripe, paystack");
    check(&["map", "stripe", "-", "--at", "yesterday"], "--at");
    check(&["map", "stripe", "-", "--config", "bridge.toml", "--endpoint", "other"], "hint: name one of: stripe");
    check(&["map", "stripe", "-", "--config", "nowhere.toml"], "there is no such file");
    check(&["send", "stripe", "-"], "--to <URL>");
    check(&["send", "stripe", "-", "--to", "127.0.0.1:8080"], "http://");
    check(&["send", "stripe", "-", "--to", "http://127.0.0.1:8080"], "STRIPE_WEBHOOK_SECRET");
    check(&["send", "paystack", "-", "--to", "http://127.0.0.1:8080", "--secret", " "], "the secret is blank");
    check(&["send", "stripe", "-", "--to", "http://127.0.0.1:8080", "--repeat", "0"], "--repeat");
    check(&["serve", "--log", "loud"], "off, error, warn");
    check(&["serve"], "the configuration has 4 mistakes:");
    check(&["sandbox", "--listen", "8090"], "--listen");
    check(&["check", "--public-url", "bridge.example.com"], "http://");
}

#[test]
fn check_finds_everything_that_is_missing() {
    let dir = Dir::new();
    let done = dir.run(&["check"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    same_as_before("check-nothing-set", &done.stdout);

    let json: Value = serde_json::from_str(&dir.run(&["check", "--json"]).stdout).expect("JSON");
    assert_eq!(json["ok"], false);
    let wrong: Vec<&Value> = json["findings"].as_array().unwrap().iter().filter(|f| f["level"] == "wrong").collect();
    assert_eq!(wrong.len(), 4, "{json}");
    assert!(wrong.iter().all(|f| f["cure"].as_str().is_some_and(|cure| !cure.is_empty())), "{json}");
}

#[test]
fn check_asks_refairn_and_says_what_to_paste() {
    let dir = Dir::new();
    let sandbox = Background::start(dir.command(&["sandbox", "--listen", "127.0.0.1:0"]), "listening on http://");
    let set = |key: &str| {
        let mut config = configuration(&toml::Table::new());
        config["refairn"]["base_url"] = format!("http://{}", sandbox.addr).into();
        config["refairn"]["api_key"] = key.into();
        dir.write("bridge.toml", &config.to_string());
    };
    set("sk_sandbox_demo");
    let done =
        dir.run(&["check", "--config", "bridge.toml", "--public-url", "https://bridge.example.com/in/"]).succeeds();
    assert_eq!(done.stderr, "");
    same_as_before("check-fine", &done.wherever_it_ran().replace(&sandbox.addr, "SANDBOX"));

    let mut through_nobody = dir.command(&["check", "--config", "bridge.toml"]);
    through_nobody.env("HTTP_PROXY", "http://127.0.0.1:1").env("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1");
    let shown = String::from_utf8(through_nobody.output().expect("it runs").stdout).unwrap();
    assert!(shown.contains("takes the API key"), "no proxy is for this machine: {shown}");
    let look_ups = "look-ups of endpoint paystack to https://api.paystack.co go through the proxy http://127.0.0.1:1,";
    assert!(shown.contains(look_ups) && !shown.contains("hunter2") && !shown.contains("calls to"), "{shown}");

    set("sk_wrong_made_up");
    let done = dir.run(&["check", "--config", "bridge.toml"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("wrong    business biz_1: the API key is missing or invalid"), "{}", done.stdout);
    assert!(done.stdout.contains("https://YOUR-HOST/webhooks/stripe") && done.stdout.contains("1 thing is wrong"));
    assert!(!done.stdout.contains("sk_wrong_made_up"), "a key was printed");
    sandbox.ends_well_on("INT");

    let done = dir.run(&["check", "--config", "bridge.toml", "--json"]);
    let json: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.code, json["dashboards"][0]["events"].as_array().unwrap().len()), (Some(1), 22));
    assert!(json.to_string().contains("does not answer: cannot connect"), "{json}");
}

#[test]
fn map_tells_what_would_become_of_a_body() {
    let check = |name: &str, provider: &str, case: &str| {
        let dir = Dir::new();
        let body = body(&fixtures().join(provider).join(case));
        let done = dir.run(&["map", provider, body.to_str().unwrap(), "--at", AT]);
        let is_read = !done.stdout.contains("unmappable");
        assert_eq!((done.code, done.stderr.as_str()), (Some(i32::from(!is_read)), ""), "{name}");
        same_as_before(name, &done.stdout);
    };
    check("map-first-invoice-with-code", "stripe", "invoice.paid/first-with-code-basil");
    check("map-first-invoice", "stripe", "invoice.paid/first-basil");
    check("map-invoice-without-email", "stripe", "invoice.paid/email-null");
    check("map-subscription", "stripe", "customer.subscription.updated/past-due-basil");
    check("map-refund", "stripe", "charge.refunded/full-2024");
    check("map-test-mode", "stripe", "invoice.paid/test-mode");
    check("map-customer-without-code", "stripe", "customer.created/no-code");
    check("map-one-time-off", "stripe", "payment_intent.succeeded");
    check("map-unreadable", "stripe", "_malformed/truncated");
    check("map-list", "stripe", "_malformed/top-level-array");
    check("map-charge-with-code", "paystack", "charge.success/code-in-custom-fields");
    check("map-subscription-ended", "paystack", "subscription.disable/cancelled");
    check("map-unknown-type", "paystack", "_unknown");
}

#[test]
fn map_goes_by_the_configured_endpoint() {
    let dir = Dir::new();
    let case: toml::Table = toml::from_str(
        "[endpoint]\nproducts = { prod_g43zlE69eCTDEe = \"prod_reports\" }\n[delivery]\ntime_zone = \"Asia/Tokyo\"\n",
    )
    .unwrap();
    let mut config = configuration(&case);
    dir.write("bridge.toml", &config.to_string());
    let body = body(&fixtures().join("stripe/invoice.paid/product-by-product-id-basil"));
    let args = ["map", "stripe", body.to_str().unwrap(), "--at", AT, "--config", "bridge.toml"];
    same_as_before("map-configured", &dir.run(&args).succeeds().stdout);

    let second = toml::toml! { provider = "stripe" name = "second" secrets = ["whsec_second"] };
    config["endpoints"].as_array_mut().unwrap().push(second.into());
    dir.write("bridge.toml", &config.to_string());
    let done = dir.run(&args);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("hint: name one with --endpoint: stripe, second"), "{}", done.stderr);
    let done = dir.run(&[&args[..], &["--endpoint", "second"]].concat()).succeeds();
    assert!(done.stdout.contains("those of endpoint second") && done.stdout.contains("\"productId\":\"prod_1\""));

    // Without --config a broken configuration is only mentioned.
    dir.write("config/refairn-bridge.toml", "[refairn]\n");
    let done = dir.run(&args[..5]).succeeds();
    assert!(done.stderr.contains("note: the configuration has mistakes") && done.stdout.contains("YOUR_PRODUCT_ID"));
}

/// `map` says of every single event what the whole bridge does with it.
#[test]
fn map_agrees_with_the_corpus() {
    let mut cases = Vec::new();
    for provider in ["stripe", "paystack"] {
        for kind in folders(&fixtures().join(provider)).iter().filter(|kind| !kind.ends_with("_sequence")) {
            cases.extend(folders(kind).into_iter().map(|case| (provider, case)));
        }
    }
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let (queue, wrong) = (Mutex::new(cases.iter()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let dir = Dir::new();
                while let Some((provider, case)) = { queue.lock().unwrap().next() } {
                    let read = |name: &str| std::fs::read_to_string(case.join(name)).expect(name);
                    let settings: toml::Table = toml::from_str(&read("case.toml")).expect("case.toml");
                    dir.write("bridge.toml", &configuration(&settings).to_string());
                    let body = body(case);
                    let received = settings.get("received_at").and_then(toml::Value::as_str).unwrap_or(RECEIVED);
                    let path = body.to_str().unwrap();
                    let args = ["map", provider, path, "--json", "--config", "bridge.toml", "--at", received];
                    let done = dir.run(&args);
                    let told: Value = serde_json::from_str(&done.stdout).expect("JSON");
                    assert_eq!(done.code, Some(i32::from(told["state"] == "unmappable")), "{}", case.display());
                    // As a webhook it cannot be read; for a person it can.
                    if told["pasted"].as_array().is_some_and(|notes| !notes.is_empty()) {
                        assert!(read("expected.json").contains("unreadable"), "{}", case.display());
                        continue;
                    }
                    let calls: Vec<Value> = told["calls"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|call| call["state"] == "queued")
                        .map(|call| json!({ "kind": call["kind"], "body": call["body"] }))
                        .collect();
                    let told = json!({ "outcome": told["state"], "reason": told["reason"], "calls": calls });
                    let expected: Value = serde_json::from_str(&read("expected.json")).expect("expected.json");
                    let expected = json!({ "outcome": expected["outcome"], "reason": expected["reason"], "calls": expected["calls"] });
                    if told != expected {
                        wrong.lock().unwrap().insert(case, format!("expected {expected}\ntold     {told}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases differ: {wrong:#?}", wrong.len(), cases.len());
}

#[test]
fn send_signs_as_the_provider_does() {
    let dir = Dir::new();
    let check = |provider: &str, secret: &str, case: &str| {
        let path = body(&fixtures().join(provider).join(case));
        let listener = Listener::start(2, 200, r#"{"received":true,"duplicate":false}"#);
        let url = format!("http://{}/webhooks/{provider}/x?y=1", listener.addr);
        let args = ["send", provider, path.to_str().unwrap(), "--to", &url, "--secret", secret, "--repeat", "2"];
        let done = dir.run(&args).succeeds();
        assert!(done.stdout.contains("2 requests") && done.stdout.contains("200  2 x  taken"), "{}", done.stdout);
        for request in listener.requests() {
            assert!(
                request.head.starts_with(&format!("POST /webhooks/{provider}/x?y=1 HTTP/1.1\r\n")),
                "{}",
                request.head
            );
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.body, std::fs::read(&path).unwrap(), "the body was changed");
            listener::verify(provider, secret, &request);
        }
    };
    check("stripe", "whsec_made_up", "invoice.paid/first-basil");
    check("stripe", "whsec_made_up", "_malformed/not-utf8");
    check("paystack", "sk_test_made_up", "charge.success/one-kobo");
    check("paystack", "sk_test_made_up", "_malformed/empty");
}

#[test]
fn send_tells_what_was_answered() {
    let dir = Dir::new();
    dir.write("bodies/b.json", "{\"b\":1}\n");
    dir.write("bodies/a.JSON", "{\"a\":1}");
    dir.write("bodies/notes.txt", "not sent");
    dir.write("bodies/expected.json", "{\"outcome\":\"not sent\"}");
    dir.write("secrets", "whsec_first\nwhsec_second\n");
    let listener = Listener::start(2, 401, r#"{"code":"signature_mismatch","detail":"it does not fit"}"#);
    let url = format!("http://{}", listener.addr);
    let mut command = dir.command(&["send", "stripe", "bodies", "--to", &url, "--json", "--rate", "50"]);
    command.env("STRIPE_WEBHOOK_SECRET_FILE", "secrets");
    let done = command::finish(command);
    let json: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    assert_eq!((json["requests"].as_u64(), json["answers"][0]["count"].as_u64()), (Some(2), Some(2)));
    assert_eq!(json["answers"][0]["detail"], "signature_mismatch: it does not fit");
    assert!(json["elapsed_ms"].as_u64() >= Some(20), "two requests at 50 a second are 20 ms apart: {json}");
    let requests = listener.requests();
    assert_eq!(requests.iter().map(|r| r.body.as_slice()).collect::<Vec<_>>(), [&b"{\"a\":1}"[..], b"{\"b\":1}\n"]);
    for request in &requests {
        assert!(request.head.starts_with("POST /webhooks/stripe HTTP/1.1\r\n"), "{}", request.head);
        listener::verify("stripe", "whsec_first", request);
    }

    let nobody = lasting_addr().to_string();
    let url = format!("http://{nobody}");
    let done = dir.run(&["send", "stripe", "bodies/b.json", "--to", &url, "--secret", "whsec_x"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("none  1 x  cannot connect: "), "{}", done.stdout);
    let done = dir.run(&["send", "stripe", "nothing.json", "--to", &url, "--secret", "whsec_x"]);
    assert!(done.code == Some(1) && done.stderr.contains("cannot read nothing.json"), "{}", done.stderr);
}

#[test]
fn serve_runs_until_it_is_told_to_stop() {
    let dir = Dir::new();
    let addr = lasting_addr().to_string();
    let mut config = configuration(&toml::Table::new());
    config.insert("server".to_owned(), toml::toml! { listen = "" }.into());
    config["server"]["listen"] = addr.clone().into();
    let token = "a-token-of-the-tests-that-is-long";
    config.insert("admin".to_owned(), toml::toml! { token = "a-token-of-the-tests-that-is-long" }.into());
    dir.write("bridge.toml", &config.to_string());
    let healthcheck = || dir.run(&["healthcheck", "--config", "bridge.toml"]);
    let done = healthcheck();
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("no bridge answers"), "{}", done.stderr);
    // Each mistake stands in lines of its own.
    let done = dir.run(&["healthcheck"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("\n1. ") && !done.stderr.contains("u{a}"), "{}", done.stderr);

    let bridge = Background::start(dir.command(&["serve", "--config", "bridge.toml"]), "listening on http://");
    assert_eq!(bridge.addr, addr);
    healthcheck().succeeds();
    assert_eq!(listener::get(&addr, "/api/v1/stats", None).0, 401);
    assert_eq!(listener::get(&addr, "/api/v1/stats", Some(token)).0, 200);
    let path = body(&fixtures().join("stripe/invoice_payment.paid/basil"));
    let send = ["send", "stripe", path.to_str().unwrap(), "--to", &format!("http://{addr}"), "--repeat", "2"];
    let done = dir.run(&[&send[..], &["--secret", "whsec_of_the_command_line"]].concat()).succeeds();
    assert!(done.stdout.contains("1 x  taken\n") && done.stdout.contains("1 x  taken; seen before"), "{}", done.stdout);
    assert_eq!(dir.run(&[&send[..], &["--secret", "whsec_2"]].concat()).code, Some(1));
    let checked = dir.run(&["check", "--config", "bridge.toml"]).stdout;
    assert!(checked.contains(&format!("ok       the bridge that runs on {addr} takes webhooks")), "{checked}");

    let second = dir.run(&["serve", "--config", "bridge.toml"]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    assert!(second.stderr.contains("hint: something listens there already"), "{}", second.stderr);

    bridge.ends_well_on("TERM");
    assert_eq!(healthcheck().code, Some(1));
}

/// A whole configuration with the settings of a fixture's `case.toml` in it.
fn configuration(case: &toml::Table) -> toml::Table {
    let mut config = toml::toml! {
        [refairn]
        base_url = "http://127.0.0.1:9"
        business_id = "biz_1"
        api_key = "key_1"
        product_id = "prod_1"
        test_product_id = "prod_test"
        [delivery]
        [[endpoints]]
        provider = "stripe"
        secrets = ["whsec_of_the_command_line"]
        [[endpoints]]
        provider = "paystack"
        secrets = ["sk_test_of_the_command_line"]
    };
    let settings = |name: &str| case.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    config["delivery"].as_table_mut().unwrap().extend(settings("delivery"));
    let mut rules = settings("endpoint");
    if rules.remove("no_test_product").is_some() {
        config["refairn"].as_table_mut().unwrap().remove("test_product_id");
    }
    for endpoint in config["endpoints"].as_array_mut().unwrap() {
        let paystack = endpoint["provider"].as_str() == Some("paystack");
        let of_stripe = |rule: &str| matches!(rule, "one_time" | "out_of_band");
        let base = |rule: &str, value: &toml::Value| {
            let other = if paystack { &["excluding_tax"][..] } else { &["requested", "net_of_fees"] };
            rule == "commission_base" && value.as_str().is_some_and(|base| other.contains(&base))
        };
        let fit = rules.clone().into_iter().filter(|(rule, value)| !(paystack && of_stripe(rule) || base(rule, value)));
        endpoint.as_table_mut().unwrap().extend(fit);
    }
    config
}

/// The body in a fixture's folder, or in the first of the folders inside of it.
fn body(case: &Path) -> std::path::PathBuf {
    let named = |name: &str| Some(case.join(name)).filter(|path| path.is_file());
    named("body.json").or_else(|| named("body.bin")).unwrap_or_else(|| body(folders(case).first().expect("a fixture")))
}

fn folders(parent: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(parent).expect("a folder").map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
