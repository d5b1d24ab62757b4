//! Mistakes: each with key, cause and what to do, and all of them at once.

use super::{Setup, check};

#[test]
fn nothing_configured_says_everything_that_is_needed() {
    let mistakes = Setup::empty().mistakes();
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["refairn.business_id", "refairn.api_key", "endpoints", "refairn.product_id"], "{mistakes}");
    let text = mistakes.to_string();
    for variable in
        ["REFAIRN_BUSINESS_ID", "REFAIRN_API_KEY", "REFAIRN_PRODUCT_ID", "STRIPE_WEBHOOK_SECRET", "PAYSTACK_SECRET_KEY"]
    {
        assert!(text.contains(variable), "{text}");
    }
}

#[test]
fn all_mistakes_are_reported_together() {
    let setup = Setup::empty()
        .toml(concat!(
            "[server]\nlisten = \"everywhere\"\nbody_max_bytes = 1\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n",
            "[storage]\nretention_days = 0\n",
            "[refairn]\ntimeout_ms = \"soon\"\nevent_id = \"perhaps\"\nbase_url = \"app.refairn.com\"\n",
            "[delivery]\nleads = \"some\"\ntime_zone = \"Mars/Olympus\"\ntimezone = \"UTC\"\n",
            "[delivry]\n",
            "[[endpoints]]\nname = \"shop\"\nprovider = \"stripe\"\nsecret = [\"whsec_a\"]\n",
        ))
        .set(&[
            ("REFAIRN_BRIDGE__DELIVERY__CONCURRENCY", "0"),
            ("REFAIRN_BRIDGE__DELIVERY__SPEED", "9"),
            ("PORT", "http"),
        ]);
    let mistakes = setup.mistakes();
    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    let expected = [
        "PORT",
        "server.listen",
        "server.trusted_proxies[#2]",
        "server.body_max_bytes",
        "storage.retention_days",
        "refairn.business_id",
        "refairn.api_key",
        "refairn.base_url",
        "refairn.timeout_ms",
        "refairn.event_id",
        "delivery.concurrency",
        "delivery.leads",
        "delivery.time_zone",
        "delivery.speed",
        "delivery.timezone",
        "endpoints[\"shop\"].product_id",
        "endpoints[\"shop\"].secret",
        "endpoints[\"shop\"].secrets",
        "delivry",
    ];
    assert_eq!(keys, expected, "{mistakes}");
    let text = mistakes.to_string();
    assert!(text.starts_with("the configuration has 19 mistakes:\n1. PORT\n   cause: "), "{text}");
    assert!(
        text.contains(concat!(
            "11. delivery.concurrency (environment variable REFAIRN_BRIDGE__DELIVERY__CONCURRENCY)\n",
            "   cause: 0 is out of range\n   cure:  write a whole number from 1 to 1024"
        )),
        "{text}"
    );
    assert!(text.contains("delivery.leads (config/refairn-bridge.toml)"), "{text}");
    for hint in [
        "did you mean `time_zone`?",
        "did you mean `secrets`?",
        "did you mean `delivery`?",
        "the keys here are: concurrency",
    ] {
        assert!(text.contains(hint), "{hint}: {text}");
    }
}

#[test]
fn every_number_has_its_range() {
    let numbers = [
        ("server", "body_max_bytes", 1024, 16 << 20),
        ("server", "failed_signatures_per_minute", 0, 6000),
        ("storage", "connections_max", 2, 200),
        ("storage", "retention_days", 1, 3650),
        ("refairn", "timeout_ms", 100, 120_000),
        ("delivery", "concurrency", 1, 1024),
        ("delivery", "max_per_second", 1, 10_000),
        ("delivery", "retry_max_wait_s", 1, 86_400),
        ("delivery", "give_up_after_h", 1, 720),
        ("delivery", "first_payment_wait_s", 0, 600),
        ("delivery", "late_payment_wait_max_s", 0, 86_400),
    ];
    for (section, key, least, most) in numbers {
        let set = |value: &str| Setup::least().toml(&format!("[{section}]\n{key} = {value}\n"));
        for inside in [least, most] {
            assert!(set(&inside.to_string()).load().is_ok(), "{key} {inside}");
        }
        let key = format!("{section}.{key}");
        for outside in [i64::from(least) - 1, i64::from(most) + 1, i64::MAX, i64::MIN] {
            check(&set(&outside.to_string()), &key, "is out of range", &format!("from {least} to {most}"));
        }
        for other in ["\"\"", "\"many\"", "1.5", "true", "[1]", "{ a = 1 }", "2026-06-14"] {
            check(&set(other), &key, "not a whole number", &format!("from {least} to {most}"));
        }
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let toml = |text: &str| Setup::least().toml(text);
    check(&toml("[server]\nlisten = 8080"), "server.listen", "a number, not text", "double quotes");
    check(&toml("[server]\ntrusted_proxies = 1"), "server.trusted_proxies", "a number, not a list", "[");
    check(&toml("[refairn]\nevent_id = 1"), "refairn.event_id", "neither true nor false", "without quotes");
    check(&toml("[delivery]\nleads = true"), "delivery.leads", "not text", "double quotes");
    check(&toml("[delivery]\ntime_zone = \" \""), "delivery.time_zone", "blank", "give it a value");
    check(&toml("admin = \"x\""), "admin", "text, not keys", "table");
    check(&toml("[endpoints]\nprovider = \"stripe\""), "endpoints", "a table, not a list", "");
    check(&toml("endpoints = [1]"), "endpoints[#1]", "a number", "table");
    check(&toml("businesses = [1]"), "businesses[#1]", "a number", "table");
    check(&toml("listen = \"127.0.0.1:1\""), "listen", "no such key", "the sections are: server, admin");
}

#[test]
fn addresses_have_to_be_sound() {
    let set = |name: &str, value: &str| Setup::least().set(&[(name, value)]);
    for bad in [":8080", "8080", "127.0.0.1", "example.com:80", "127.0.0.1:70000"] {
        check(&set("BRIDGE_LISTEN", bad), "server.listen", "not an address with a port", "127.0.0.1:8080");
    }
    check(&set("DATABASE_URL", "sqlite::memory:"), "storage.url", "memory", "sqlite://PATH");
    check(&set("DATABASE_URL", ""), "storage.url", "empty", "");
    check(
        &set("REFAIRN_BASE_URL", "https://app.refairn.com/api/events"),
        "refairn.base_url",
        "the bridge adds",
        "https://app.refairn.com",
    );
    check(&set("REFAIRN_BASE_URL", ""), "refairn.base_url", "blank", "take it away");
    let same = Setup::least().toml("[server]\nadmin_listen = \"127.0.0.1:8080\"");
    check(&same, "server.admin_listen", "same as server.listen", "another port");
    check(&set("REFAIRN_PRODUCT_ID", "prod 1"), "refairn.product_id", "spaces", "copy the id");
    let padded = set("REFAIRN_PRODUCT_ID", " prod_1 ").config();
    assert_eq!(padded.businesses[0].product_id.as_deref(), Some("prod_1"));
}

#[test]
fn a_variable_that_names_no_key_is_a_mistake() {
    let set = |name: &str| Setup::least().set(&[(name, "x")]);
    check(&set("REFAIRN_BRIDGE__DELIVERY__TIMEZONE"), "delivery.timezone", "no such key", "`time_zone`");
    check(&set("REFAIRN_BRIDGE__NOWHERE__KEY"), "nowhere", "no such key", "the sections are");
    for name in ["REFAIRN_BRIDGE__DELIVERY", "REFAIRN_BRIDGE__", "REFAIRN_BRIDGE__A__B__C", "REFAIRN_BRIDGE____LEADS"] {
        check(&set(name), name, "names no key", "SECTION__KEY");
    }
    check(
        &set("REFAIRN_BRIDGE__ENDPOINTS__SECRETS"),
        "REFAIRN_BRIDGE__ENDPOINTS__SECRETS",
        "lists of tables",
        "in the file",
    );
    check(
        &set("REFAIRN_BRIDGE__REFAIRN__BUSINESS_ID"),
        "REFAIRN_BUSINESS_ID",
        "REFAIRN_BRIDGE__REFAIRN__BUSINESS_ID",
        "unset one",
    );
    // What clusters set for a service called refairn-bridge is none of ours.
    assert!(set("REFAIRN_BRIDGE_PORT").set(&[("REFAIRN_BRIDGE_SERVICE_HOST", "10.0.0.1")]).load().is_ok());
}

#[test]
fn what_nobody_meant_as_a_value_is_a_mistake() {
    let set = |name: &str, text: &str| Setup::least().set(&[(name, text)]);
    let placeholder = "it is an example's placeholder";
    check(&set("STRIPE_WEBHOOK_SECRET", "whsec_..."), "STRIPE_WEBHOOK_SECRET", placeholder, "write your own");
    check(&set("REFAIRN_API_KEY", "sk_live_..."), "refairn.api_key", placeholder, "write your own");
    check(&set("REFAIRN_BUSINESS_ID", "YOUR_BUSINESS_ID"), "refairn.business_id", placeholder, "write your own");
    let quoted = "it has quotation marks around it";
    check(&set("STRIPE_WEBHOOK_SECRET", "\"whsec_a_secret_of_tests\""), "STRIPE_WEBHOOK_SECRET", quoted, "take the");
    check(&set("REFAIRN_PRODUCT_ID", "'prod_1'"), "refairn.product_id", quoted, "take the quotation marks away");
    let no_shell = "no shell has run it";
    check(&set("BRIDGE_ADMIN_TOKEN", "$(openssl rand -hex 24)"), "admin.token", no_shell, "write what it prints");
}
