//! What is allowed but draws a warning.

use super::*;

/// Checks that there is one warning, with these words, and none of the secret.
#[track_caller]
fn check(setup: Setup, words: &str, secret: &str) {
    let warnings = setup.config().warnings();
    let [only] = warnings.as_slice() else { panic!("{warnings:?}") };
    let only = only.to_string();
    assert!(only.contains(words) && !only.contains(secret), "{only}");
}

#[test]
fn a_secret_that_others_may_guess_or_that_is_none_of_its_provider_draws_a_warning() {
    let stripe = |secret: &str| Setup::least().set(&[("STRIPE_WEBHOOK_SECRET", secret)]);
    check(stripe("whsec_zq"), "endpoint stripe: a secret is easy to guess", "zq");
    check(stripe("a_long_text_of_no_provider"), "does not begin with whsec_", "a_long_text");
    let paystack = |secret: &str| Setup::least().set(&[("PAYSTACK_SECRET_KEY", secret)]);
    check(paystack("sk_live_zqzqzqzqzqzqzqzqzqzqzq"), "endpoint paystack: a secret is easy to guess", "zq");
    check(paystack("a_long_text_of_no_provider"), "does not begin with sk_", "a_long_text");
    let token = Setup::least().set(&[("BRIDGE_ADMIN_TOKEN", "changeme")]);
    check(token, "admin.token: it is easy to guess", "changeme");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_reach_draws_a_warning() {
    let named = "[[endpoints]]\nprovider = \"stripe\"\nsecrets_file = \"config/secret\"\n";
    let setup = |config: u32, secret: u32| {
        let setup = Setup::least().unset("STRIPE_WEBHOOK_SECRET").toml(named);
        let setup = setup.file("config/secret", "whsec_example_of_a_secret\n");
        allow(&setup.directory.path().join("config/refairn-bridge.toml"), config);
        allow(&setup.directory.path().join("config/secret"), secret);
        setup
    };
    assert!(setup(0o644, 0o640).config().warnings().is_empty(), "no secret is in the configuration");
    check(setup(0o644, 0o644), "config/secret: other users of this machine may read it", "whsec");
    check(setup(0o600, 0o666), "may read and write it, and a secret is in it; run: chmod 600 config/secret", "whsec");
    check(setup(0o664, 0o600), "config/refairn-bridge.toml: other users of this machine may write it", "whsec");

    let inside = "[[endpoints]]\nprovider = \"stripe\"\nsecrets = [\"whsec_example_of_a_secret\"]\n";
    let setup = Setup::least().unset("STRIPE_WEBHOOK_SECRET").toml(inside);
    assert!(setup.config().warnings().is_empty());
    allow(&setup.directory.path().join("config/refairn-bridge.toml"), 0o644);
    check(setup, "a secret is in it; run: chmod 600 config/refairn-bridge.toml", "whsec");
    let password = "[storage]\nurl = \"postgres://bridge:hunter2@db.example.com/bridge\"\n";
    let setup = Setup::least().toml(password);
    allow(&setup.directory.path().join("config/refairn-bridge.toml"), 0o644);
    check(setup, "a secret is in it", "hunter2");
}

#[test]
fn paystack_endpoints_that_share_a_secret_and_name_no_account_draw_a_warning() {
    const KEY: &str = "sk_live_example_of_a_secret_of_one";
    let endpoint = |name: &str, key: &str, more: &str| {
        format!("[[endpoints]]\nname = \"{name}\"\nprovider = \"paystack\"\nsecrets = [\"{key}\"]\n{more}")
    };
    let two = |key: &str, more: &str| {
        Setup::least().toml(&format!("{}{}", endpoint("a", KEY, more), endpoint("b", key, more)))
    };
    check(two(KEY, ""), "endpoints a and b: they share a secret", "sk_live");
    for apart in [two("sk_live_example_of_a_secret_of_two", ""), two(KEY, "account = \"main\"\n")] {
        let warnings = apart.config().warnings();
        assert!(!warnings.iter().any(|warning| warning.cause.contains("share a secret")), "{warnings:?}");
    }
}

#[test]
fn a_variable_that_is_nearly_one_of_ours_draws_a_warning() {
    for (name, meant) in [
        ("REFAIRN_TEST_PRODUCT", "name it REFAIRN_TEST_PRODUCT_ID"),
        ("REFAIRN_BASEURL", "name it REFAIRN_BASE_URL"),
        ("PAYSTACK_SECRET", "name it PAYSTACK_SECRET_KEY"),
    ] {
        check(Setup::least().set(&[(name, "hidden")]), meant, "hidden");
    }
    for none_of_ours in ["REFAIRN_BRIDGE_SERVICE_HOST", "STRIPE_SECRET_KEY", "HOME", "REFAIRN_PRODUCT"] {
        let warnings = Setup::least().set(&[(none_of_ours, "x")]).config().warnings();
        assert!(warnings.is_empty(), "{none_of_ours}: {warnings:?}");
    }
}

#[test]
fn keys_of_test_mode_alone_draw_a_warning() {
    let keys = |keys: &str| Setup::least().set(&[("PAYSTACK_SECRET_KEY", keys)]);
    check(keys("sk_test_example_of_a_secret_1"), "each live sale will be refused; add the live key", "example");
    for both in ["sk_test_example_of_a_secret_1,sk_live_example_of_a_secret_2", "sk_live_example_of_a_secret_2"] {
        assert!(keys(both).config().warnings().is_empty(), "{both}");
    }
    let meant =
        "[[endpoints]]\nprovider = \"paystack\"\nmode = \"test\"\nsecrets = [\"sk_test_example_of_a_secret_1\"]\n";
    assert!(Setup::least().toml(meant).config().warnings().is_empty());
}

#[test]
fn endpoints_without_a_product_for_tests_are_known() {
    assert_eq!(Setup::least().config().ignores_tests_of(), ["stripe"]);
    assert!(Setup::least().set(&[("REFAIRN_TEST_PRODUCT_ID", "prod_t")]).config().ignores_tests_of().is_empty());
}
