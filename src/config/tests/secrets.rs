//! Secrets: exact to the letter, from files too, and never shown.

use super::{Setup, check};
use crate::domain::provider::ProviderKind;

fn secrets(setup: &Setup, endpoint: &str) -> Vec<String> {
    setup.config().endpoint(endpoint).unwrap().secrets.iter().map(|secret| secret.expose().to_owned()).collect()
}

#[test]
fn a_secret_arrives_as_it_was_written() {
    for text in
        ["0123", "1e3", "true", "[bracket]", "a\"b", "x${X}", "{brace}", "a b", "a=b", "ünï", "0.10", "null", "#x"]
    {
        let setup = Setup::least().set(&[
            ("STRIPE_WEBHOOK_SECRET", text),
            ("REFAIRN_API_KEY", text),
            ("BRIDGE_ADMIN_TOKEN", text),
        ]);
        assert_eq!(secrets(&setup, "stripe"), [text]);
        let config = setup.config();
        assert_eq!(config.businesses[0].api_key.expose(), text);
        assert_eq!(config.admin_token.unwrap().expose(), text);
    }
    let setup = Setup::least().unset("REFAIRN_API_KEY").set(&[("REFAIRN_BRIDGE__REFAIRN__API_KEY", "007")]);
    assert_eq!(setup.config().businesses[0].api_key.expose(), "007");
    let setup = Setup::least().unset("REFAIRN_API_KEY").toml("[refairn]\napi_key = \"a,b\"");
    assert_eq!(setup.config().businesses[0].api_key.expose(), "a,b");
}

#[test]
fn several_secrets_are_separated_by_commas_or_lines() {
    let setup = Setup::least()
        .set(&[("STRIPE_WEBHOOK_SECRET", "whsec_new,whsec_old"), ("PAYSTACK_SECRET_KEY", "sk_live_b,sk_live_a")]);
    assert_eq!(secrets(&setup, "stripe"), ["whsec_new", "whsec_old"]);
    assert_eq!(secrets(&setup, "paystack"), ["sk_live_b", "sk_live_a"]);
    let config = setup.config();
    assert_eq!(config.endpoint("paystack").unwrap().api_key.as_ref().unwrap().expose(), "sk_live_b");
    assert!(config.endpoint("stripe").unwrap().api_key.is_none());
    let setup = Setup::least()
        .unset("STRIPE_WEBHOOK_SECRET")
        .file("stripe", "whsec_new\r\n\r\nwhsec_old\n")
        .set(&[("STRIPE_WEBHOOK_SECRET_FILE", "stripe")]);
    assert_eq!(secrets(&setup, "stripe"), ["whsec_new", "whsec_old"]);
    let setup = Setup::least()
        .unset("STRIPE_WEBHOOK_SECRET")
        .toml("[[endpoints]]\nprovider = \"stripe\"\nsecrets = [\"whsec_a\", \"whsec_b\"]\napi_key = \"rk_live_c\"");
    assert_eq!(secrets(&setup, "stripe"), ["whsec_a", "whsec_b"]);
    assert_eq!(
        setup.config().sole_endpoint(ProviderKind::Stripe).unwrap().api_key.as_ref().unwrap().expose(),
        "rk_live_c"
    );
}

#[test]
fn any_secret_may_be_in_a_file() {
    let setup = Setup::empty()
        .file("key", "rk_example\n")
        .file("token", "sixteen-characters\r\n")
        .file("url", "postgres://bridge:hunter2@db.example.com/bridge\n")
        .file("webhook", "whsec_example")
        .toml(concat!(
            "[refairn]\nbusiness_id = \"biz_1\"\nproduct_id = \"prod_1\"\napi_key_file = \"key\"\n",
            "[admin]\ntoken_file = \"token\"\n[storage]\nurl_file = \"url\"\n",
            "[[endpoints]]\nprovider = \"stripe\"\nsecrets_file = \"webhook\"\napi_key_file = \"key\"",
        ));
    let config = setup.config();
    assert_eq!(config.businesses[0].api_key.expose(), "rk_example");
    assert_eq!(config.admin_token.unwrap().expose(), "sixteen-characters");
    assert_eq!(config.endpoints[0].secrets[0].expose(), "whsec_example");
    assert_eq!(config.endpoints[0].api_key.as_ref().unwrap().expose(), "rk_example");
    let variables =
        Setup::least().unset("REFAIRN_API_KEY").file("key", "rk_other\n").set(&[("REFAIRN_API_KEY_FILE", "key")]);
    assert_eq!(variables.config().businesses[0].api_key.expose(), "rk_other");
}

#[test]
fn of_one_place_a_secret_comes_in_one_form() {
    let both = Setup::least().file("key", "rk_file").set(&[("REFAIRN_API_KEY_FILE", "key")]);
    check(&both, "refairn.api_key", "given twice: here and as refairn.api_key_file", "keep one");
    let toml = "[refairn]\napi_key = \"rk_a\"\napi_key_file = \"key\"";
    let both = Setup::least().unset("REFAIRN_API_KEY").file("key", "rk_b").toml(toml);
    check(&both, "refairn.api_key", "given twice", "keep one");
    let variable_over_file = Setup::least().toml("[refairn]\napi_key_file = \"absent\"");
    assert_eq!(variable_over_file.config().businesses[0].api_key.expose(), "rk_example");
    let file_variable_over_file = Setup::least().unset("REFAIRN_API_KEY").file("key", "rk_file");
    let setup =
        file_variable_over_file.toml("[refairn]\napi_key = \"rk_toml\"").set(&[("REFAIRN_API_KEY_FILE", "key")]);
    assert_eq!(setup.config().businesses[0].api_key.expose(), "rk_file");
}

#[test]
fn what_cannot_be_a_secret_is_refused() {
    let stripe = |text: &str| Setup::least().set(&[("STRIPE_WEBHOOK_SECRET", text)]);
    check(&stripe(""), "STRIPE_WEBHOOK_SECRET", "empty", "remove the setting");
    check(&stripe("   "), "STRIPE_WEBHOOK_SECRET", "blank", "remove the setting");
    check(&stripe("whsec_a\n"), "STRIPE_WEBHOOK_SECRET", "line end", "remove that");
    check(&stripe("whsec_a, whsec_b"), "STRIPE_WEBHOOK_SECRET[#2]", "space", "remove that");
    check(&stripe("whsec_a,"), "STRIPE_WEBHOOK_SECRET[#2]", "empty", "");
    check(&stripe("whsec_\u{fffd}"), "STRIPE_WEBHOOK_SECRET", "UTF-8", "UTF-8");
    check(&stripe("sk_live_x"), "STRIPE_WEBHOOK_SECRET", "another kind of key", "whsec_");
    check(
        &Setup::least().set(&[("PAYSTACK_SECRET_KEY", "pk_live_x")]),
        "PAYSTACK_SECRET_KEY",
        "another kind of key",
        "sk_live_",
    );
    check(&Setup::least().set(&[("REFAIRN_API_KEY", "")]), "refairn.api_key", "empty", "");
    check(&Setup::least().set(&[("BRIDGE_ADMIN_TOKEN", " ")]), "admin.token", "blank", "");
    let number = Setup::least().toml("[admin]\ntoken = 123");
    check(&number, "admin.token", "a number, not text", "in double quotes");
    let empty = Setup::least().toml("[[endpoints]]\nprovider = \"paystack\"\nsecrets = []");
    check(&empty, "endpoints[#1].secrets", "no secret", "anybody could sign");
    let file = Setup::least().file("token", "\n\n").toml("[admin]\ntoken_file = \"token\"");
    check(&file, "admin.token_file", "empty", "");
    let file = Setup::least().toml("[admin]\ntoken_file = \"absent\"");
    check(&file, "admin.token_file", "absent cannot be read", "name a text file");
    let file = Setup::least().file("token", &"x".repeat(65_537)).toml("[admin]\ntoken_file = \"token\"");
    check(&file, "admin.token_file", "longer than 65536 bytes", "");
}

#[test]
fn neither_debug_nor_mistakes_show_a_secret() {
    let setup = Setup::least().file("key", "hidden_a").set(&[
        ("REFAIRN_API_KEY", "hidden_b"),
        ("STRIPE_WEBHOOK_SECRET", "hidden_c,hidden_d"),
        ("PAYSTACK_SECRET_KEY", "hidden_e"),
        ("BRIDGE_ADMIN_TOKEN", "hidden_f"),
        ("DATABASE_URL", "postgres://bridge:hidden_g@db.example.com/bridge"),
    ]);
    let config = setup.config();
    assert!(!format!("{config:?} {config:#?}").contains("hidden"), "{config:#?}");
    let sources = super::Sources { config_file: None, environment: setup.environment.clone(), working_dir: None };
    assert!(!format!("{sources:?}").contains("hidden"), "{sources:?}");
    let wrong = setup.set(&[
        ("REFAIRN_API_KEY", "hidden b "),
        ("STRIPE_WEBHOOK_SECRET", "sk_hidden_c"),
        ("PAYSTACK_SECRET_KEY", "hidden_e,hidden_e\t"),
        ("BRIDGE_ADMIN_TOKEN", "hidden\u{7f}"),
        ("DATABASE_URL", "mysql://bridge:hidden_g@db.example.com/bridge"),
        ("REFAIRN_BASE_URL", "https://user:hidden@app.refairn.com"),
        ("REFAIRN_BRIDGE__REFAIRN__APIKEY", "hidden_h"),
        ("REFAIRN_BUSINESS_ID", "hidden i"),
    ]);
    let mistakes = wrong.mistakes();
    assert_eq!(mistakes.iter().count(), 8, "{mistakes}");
    assert!(!format!("{mistakes} {mistakes:?}").contains("hidden"), "{mistakes}");
}

#[test]
fn a_broken_file_is_reported_by_line_without_its_text() {
    for line in [
        "api_key = hidden_a",
        "hidden_a",
        "api_key = \"hidden_a",
        "api_key = 'hidden_a\"",
        "\"hidden_a",
        "api_key = \"hidden_a\" \"hidden_b\"",
        "api_key = \"\\hidden_a\"",
        "api_key = 12hidden_a",
        "api_key = [\"hidden_a\"",
        "business_id = hidden_a",
    ] {
        let mistakes = Setup::least().toml(&format!("[refairn]\n{line}\n")).mistakes();
        let text = format!("{mistakes} {mistakes:?}");
        assert!(text.contains("config/refairn-bridge.toml") && text.contains("line "), "{text}");
        assert!(!text.contains("hidden"), "{line}: {text}");
    }
    let twice =
        Setup::least().toml("[refairn]\napi_key = \"hidden_a\"\napi_key = \"hidden_b\"\n").mistakes().to_string();
    assert!(twice.contains("line 3") && !twice.contains("hidden"), "{twice}");
}
