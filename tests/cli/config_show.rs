//! `config show`: every value in force, where it is from, and no secret.

use serde_json::Value;

use crate::kit::command::{Dir, finish};

const FILE: &str = "\
    [refairn]\nbusiness_id = \"biz_1\"\nproduct_id = \"prod_1\"\n\
    [storage]\nurl = \"postgres://bridge:hunter2@db.example.com/bridge?password=hunter3\"\n\
    [[endpoints]]\nprovider = \"stripe\"\nname = \"shop\"\nsecrets = [\"whsec_hidden_in_the_file_1\"]\nsignature_tolerance_s = 60\n";

#[test]
fn every_value_in_force_is_shown_with_where_it_is_from() {
    let dir = Dir::new();
    dir.write("config/refairn-bridge.toml", FILE);
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = dir.command(args);
        command.envs(variables.iter().copied());
        finish(command)
    };
    let variables = [
        ("REFAIRN_API_KEY", "key_hidden_in_a_variable"),
        ("PAYSTACK_SECRET_KEY", "sk_test_hidden_one_of_two,sk_live_hidden_two_of_two"),
        ("REFAIRN_BRIDGE__DELIVERY__TIME_ZONE", "Africa/Lagos"),
    ];
    let done = run(&["config", "show"], &variables).succeeds();
    let words = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in [
        "time_zone \"Africa/Lagos\" (REFAIRN_BRIDGE__DELIVERY__TIME_ZONE)",
        "concurrency 16",
        "business_id \"biz_1\" (config/refairn-bridge.toml)",
        "url \"postgres://bridge:hidden@db.example.com/bridge?...\" (config/refairn-bridge.toml)",
        "signature_tolerance_s 60 (config/refairn-bridge.toml)",
        "secrets whsec_... (26 characters) (config/refairn-bridge.toml)",
        "secrets sk_test_... (25 characters), sk_live_... (25 characters) (PAYSTACK_SECRET_KEY)",
        "product_id \"prod_1\" (business biz_1)",
        "unmapped \"default\"",
    ] {
        assert!(words.contains(says), "{says} is not in:\n{}", done.stdout);
    }
    assert!(!done.stdout.contains("hidden_") && !done.stdout.contains("hunter"), "{}", done.stdout);

    let json: Value = serde_json::from_str(&run(&["config", "show", "--json"], &variables).succeeds().stdout).unwrap();
    let found = |key: &str| json["settings"].as_array().unwrap().iter().find(|s| s["key"] == key).cloned().expect(key);
    assert_eq!(found("delivery.concurrency")["from"], "default");
    assert_eq!(found("refairn.api_key")["value"], "... (24 characters)");
    assert_eq!(found("endpoints[\"paystack\"].api_key")["from"], "secrets");
    assert!(json["mistakes"].is_null() && !json.to_string().contains("hidden_"), "{json}");

    // With mistakes it shows what was typed, and names them.
    let done = run(&["config", "show"], &[("REFAIRN_BRIDGE__DELIVERY__CONCURRENCY", "many")]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stdout.contains("concurrency") && done.stdout.contains("\"many\"  (REFAIRN_BRIDGE"),
        "{}",
        done.stdout
    );
    assert!(
        done.stderr.contains("delivery.concurrency") && done.stdout.contains("[endpoints[\"shop\"]]"),
        "{}",
        done.stderr
    );
    assert!(!done.stdout.contains("hidden_"), "{}", done.stdout);
}
