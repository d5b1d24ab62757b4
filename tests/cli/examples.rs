//! Examples: listed, sent as new sales, signed as their provider does, and followed to a commission.

use serde_json::Value;

use crate::kit::command::Dir;
use crate::listener::{self, Listener};
use crate::operator::Installation;

#[test]
fn the_examples_are_listed() {
    let dir = Dir::new();
    let done = dir.run(&["examples", "stripe"]).succeeds();
    assert!(done.stdout.contains("stripe  first-sale") && !done.stdout.contains("paystack"), "{}", done.stdout);
    let listed: Value = serde_json::from_str(&dir.run(&["examples", "--json"]).succeeds().stdout).unwrap();
    let listed = listed.as_array().unwrap();
    for provider in ["stripe", "paystack"] {
        let first = listed.iter().find(|e| e["provider"] == provider && e["name"] == "first-sale").expect("one");
        assert!(first["events"].as_array().is_some_and(|events| events.len() > 2), "{first}");
    }
}

#[test]
fn an_example_is_signed_and_new_at_every_turn() {
    let dir = Dir::new();
    let check = |provider: &str, secret: &str, events: usize| {
        let listener = Listener::start(events * 2, 200, r#"{"received":true,"duplicate":false}"#);
        let to = format!("http://{}", listener.addr);
        let args = ["send", provider, "--example", "first-sale", "--to", &to, "--secret", secret, "--repeat", "2"];
        dir.run(&[&args[..], &["--code", "BAYO15", "--set", "added=1"]].concat()).succeeds();
        let requests = listener.requests();
        let mut bodies: Vec<Value> = Vec::new();
        for request in &requests {
            listener::verify(provider, secret, request);
            bodies.push(serde_json::from_slice(&request.body).unwrap());
        }
        assert!(bodies.iter().all(|body| body["added"] == 1), "{provider}");
        let text = |bodies: &[Value]| bodies.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let (one, other) = bodies.split_at(events);
        assert!(text(one).contains("BAYO15") && text(other).contains("BAYO15"), "{provider}");
        assert!(one.iter().zip(other).all(|(one, other)| one != other), "{provider}: a turn is like the one before");
    };
    check("stripe", "whsec_made_up", 5);
    check("paystack", "sk_test_made_up", 3);
}

#[test]
fn the_bridge_finds_the_code_of_each_example_that_has_one() {
    let dir = Dir::new();
    let listed: Value = serde_json::from_str(&dir.run(&["examples", "--json"]).succeeds().stdout).unwrap();
    let mut found = 0;
    for example in listed.as_array().unwrap() {
        let (provider, name) = (example["provider"].as_str().unwrap(), example["name"].as_str().unwrap());
        let listener = Listener::start(example["events"].as_array().unwrap().len(), 200, "{}");
        let to = format!("http://{}", listener.addr);
        let args =
            ["send", provider, "--example", name, "--to", &to, "--secret", "sk_live_made_up", "--code", "BAYO15"];
        let sent = dir.run(&args);
        if sent.stderr.contains("has no referral code") {
            continue;
        }
        sent.succeeds();
        let write = |(n, request): (usize, &listener::Request)| {
            let path = dir.path().join(format!("{name}-{n}.json"));
            std::fs::write(&path, &request.body).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let files: Vec<String> = listener.requests().iter().enumerate().map(write).collect();
        let args: Vec<&str> = ["map", provider].into_iter().chain(files.iter().map(String::as_str)).collect();
        let read = dir.run(&args).stdout;
        assert!(read.contains("code     BAYO15, in "), "{provider} {name}: {read}");
        found += 1;
    }
    assert!(found >= 5, "{found}");
}

#[test]
fn an_example_becomes_a_commission_at_the_running_bridge() {
    let installed = Installation::open();
    // Where to and with which secret, the environment says.
    let done = installed.run(&["send", "stripe", "--example", "first-sale", "--live"]).succeeds();
    assert!(done.stdout.contains("200  5 x  taken\n"), "{}", done.stdout);
    let email = done.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(done.stderr.starts_with("real sales of pia.solberg+"), "{}", done.stderr);
    installed.until(&["deliveries", "list", "--email", &email, "--fate", "credited"], "credited agent_ada");
    let test = installed.run(&["send", "stripe", "--example", "one-time"]).succeeds();
    assert!(test.stderr.contains("test events (--live makes them real sales) of rory.keane+"), "{}", test.stderr);
    installed.until(&["events", "list", "--state", "ignored"], "ignored: test_mode_off");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn what_an_example_lacks_is_wrong_usage() {
    let dir = Dir::new();
    let check = |args: &[&str], says: &str| {
        let to = ["send", "stripe", "--to", "http://127.0.0.1:9", "--secret", "whsec_x"];
        let done = dir.run(&[&to[..], args].concat());
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    };
    check(&["--example", "first-salad"], "hint: name one of: first-sale, renewal");
    check(&["--example", "renewal", "--code", "X"], "has no referral code");
    check(&["--example", "renewal", "--set", "nowhere.x=1"], "has a place for nowhere.x");
    check(&["--example", "renewal", "--set", "nothing"], "write PATH=VALUE");
    check(&["--example", "renewal", "--email", "nobody"], "it is no e-mail address");
    check(&["--example", "renewal", "body.json"], "cannot be used with");
    check(&["--code", "X", "body.json"], "--example");
}
