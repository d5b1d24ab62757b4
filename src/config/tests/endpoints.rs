//! Businesses and endpoints: what variables alone make, what the file adds, whose sales and which products they are.

use super::{Setup, check};
use crate::domain::endpoint::{CodeRule, Unmapped};
use crate::domain::provider::ProviderKind;
use crate::providers::provider;

const STRIPE: &str = "[[endpoints]]\nprovider = \"stripe\"\n";
const PAYSTACK: &str = "[[endpoints]]\nprovider = \"paystack\"\nsecrets = [\"sk_live_a\"]\n";
const SECOND: &str = "[[businesses]]\nid = \"biz_2\"\napi_key = \"rk_2\"\nproduct_id = \"prod_2\"\n";

#[test]
fn variables_alone_make_endpoints() {
    let config = Setup::least().set(&[("PAYSTACK_SECRET_KEY", "sk_test_a")]).config();
    let names: Vec<_> = config.endpoints.iter().map(|e| (e.name.as_str(), e.provider)).collect();
    assert_eq!(names, [("stripe", ProviderKind::Stripe), ("paystack", ProviderKind::Paystack)]);
    for endpoint in &config.endpoints {
        assert_eq!(endpoint.business, "biz_1");
        assert_eq!(endpoint.rules.product_id.as_deref(), Some("prod_1"));
        assert_eq!(endpoint.signature_tolerance.as_secs(), 300);
    }
    assert!(config.sole_endpoint(ProviderKind::Stripe).is_some());
    assert!(config.endpoint("nobody").is_none());
}

#[test]
fn a_variable_fills_the_one_endpoint_without_secrets() {
    let two = format!("{STRIPE}name = \"eu\"\nsecrets = [\"whsec_eu\"]\n{STRIPE}name = \"us\"\n");
    let config = Setup::least().toml(&two).config();
    assert_eq!(config.endpoint("eu").unwrap().secrets[0].expose(), "whsec_eu");
    assert_eq!(config.endpoint("us").unwrap().secrets[0].expose(), "whsec_example_of_a_secret");
    assert!(config.sole_endpoint(ProviderKind::Stripe).is_none());
    let none = Setup::least().toml(&format!("{STRIPE}secrets = [\"whsec_eu\"]"));
    check(&none, "STRIPE_WEBHOOK_SECRET", "endpoints[#1] (config/refairn-bridge.toml)", "unset it");
    let several = Setup::least().toml(&format!("{STRIPE}name = \"eu\"\n{STRIPE}name = \"us\"\n"));
    check(
        &several,
        "STRIPE_WEBHOOK_SECRET",
        "endpoints[\"eu\"] (config/refairn-bridge.toml), endpoints[\"us\"]",
        "all of these but one",
    );
    let missing = Setup::least().unset("STRIPE_WEBHOOK_SECRET").toml(STRIPE);
    check(&missing, "endpoints[#1].secrets", "missing", "STRIPE_WEBHOOK_SECRET");
    let other_provider = Setup::least().toml(PAYSTACK).config();
    assert_eq!(other_provider.endpoints.len(), 2);
}

#[test]
fn every_rule_is_read() {
    let config = Setup::least()
        .toml(&format!(
            "{}{PAYSTACK}commission_base = \"net_of_fees\"\nallowed_ips = [\"192.0.2.0/24\", \"2001:db8::1\"]\n",
            concat!(
                "[[endpoints]]\nprovider = \"stripe\"\nname = \"shop-1_a\"\nproduct_id = \"prod_own\"\n",
                "test_product_id = \"prod_test\"\nunmapped = \"ignore\"\ncommission_base = \"excluding_tax\"\n",
                "one_time = \"payment_intent\"\nout_of_band = \"send\"\nsignature_tolerance_s = 60\n",
                "referral_code_from = [\"metadata.agent\", \"client_reference_id:ref-\"]\n",
                "products = { price_1 = \"prod_a\", \"prod.x\" = \"prod_b\" }\n",
                "minimum_amount = { ngn = \"100.50\", USD = 0.1, JPY = 50, EUR = \"0\" }\n",
            )
        ))
        .config();
    let endpoint = config.endpoint("shop-1_a").unwrap();
    let rules = &endpoint.rules;
    assert_eq!(endpoint.signature_tolerance.as_secs(), 60);
    assert_eq!((rules.product_id.as_deref(), rules.test_product_id.as_deref()), (Some("prod_own"), Some("prod_test")));
    assert_eq!(rules.unmapped, Unmapped::Ignore);
    assert_eq!(rules.commission_base.code, "excluding_tax");
    let settings = provider(ProviderKind::Stripe).descriptor().settings;
    let held = |word: &str| settings.iter().any(|setting| rules.settings.holds(setting, word));
    assert!(held("payment_intent") && held("send"));
    let codes = [CodeRule::Metadata("agent".to_owned()), CodeRule::ClientReferenceId("ref-".to_owned())];
    assert_eq!(rules.referral_code_from, codes);
    assert_eq!(rules.products.get("prod.x").map(String::as_str), Some("prod_b"));
    let amounts: Vec<_> = rules.minimum_amount.iter().map(|(c, a)| format!("{c} {a}")).collect();
    assert_eq!(amounts, ["EUR 0", "JPY 50", "NGN 100.50", "USD 0.1"]);
    let paystack = config.endpoint("paystack").unwrap();
    assert_eq!(paystack.rules.commission_base.code, "net_of_fees");
    assert_eq!(paystack.allowed_ips.len(), 2);
}

#[test]
fn rules_have_to_make_sense() {
    let stripe = |key: &str| Setup::least().toml(&format!("{STRIPE}{key}\n"));
    let paystack = |key: &str| Setup::least().toml(&format!("{PAYSTACK}{key}\n"));
    check(&stripe("commission_base = \"requested\""), "endpoints[#1].commission_base", "do not tell", "excluding_tax");
    check(
        &stripe("commission_base = \"net_of_fees\""),
        "endpoints[#1].commission_base",
        "do not tell",
        "excluding_tax",
    );
    check(
        &paystack("commission_base = \"excluding_tax\""),
        "endpoints[#1].commission_base",
        "do not tell",
        "net_of_fees",
    );
    check(
        &stripe("commission_base = \"gross\""),
        "endpoints[#1].commission_base",
        "\"gross\"",
        "paid, excluding_tax, requested",
    );
    for key in ["one_time = \"checkout\"", "out_of_band = \"send\"", "signature_tolerance_s = 300"] {
        let name = key.split(' ').next().unwrap();
        check(&paystack(key), &format!("endpoints[#1].{name}"), "nothing to paystack", "take it away");
    }
    check(&stripe("unmapped = \"ignore\""), "endpoints[#1].unmapped", "every sale would be ignored", "fill products");
}

#[test]
fn every_key_of_an_endpoint_has_its_form() {
    let stripe = |key: &str| Setup::least().toml(&format!("{STRIPE}{key}\n"));
    check(&stripe("name = \"Shop A\""), "endpoints[\"Shop A\"].name", "URL", "a-z");
    let long = "a".repeat(65);
    check(&stripe(&format!("name = \"{long}\"")), &format!("endpoints[{long:?}].name"), "URL", "64");
    check(
        &stripe("referral_code_from = [\"metadata.a\", \"cookie\"]"),
        "endpoints[#1].referral_code_from[#2]",
        "no place",
        "metadata.KEY",
    );
    check(&stripe("allowed_ips = [\"10.0.0.0/33\"]"), "endpoints[#1].allowed_ips[#1]", "neither an address", "ranges");
    check(&stripe("api_key = \"whsec_a\""), "endpoints[#1].api_key", "another kind", "restricted");
    for (mode, key) in [("live", "rk_test_a"), ("test", "sk_live_a")] {
        let keys = format!("mode = \"{mode}\"\napi_key = \"{key}\"");
        check(&stripe(&keys), "endpoints[#1].api_key", "and the endpoint is not", "own mode");
    }
    let other_mode = format!("{PAYSTACK}api_key = \"sk_test_b\"\n");
    check(&Setup::least().toml(&other_mode), "endpoints[#1].api_key", "a key of test mode", "own mode");
    check(&stripe("mode = \"both\""), "endpoints[#1].mode", "both", "live");
    check(
        &stripe("signature_tolerance_s = 9"),
        "endpoints[#1].signature_tolerance_s",
        "9 is out of range",
        "10 to 86400",
    );
    check(&stripe("products = { price_1 = 5 }"), "endpoints[#1].products.price_1", "a number", "double quotes");
    check(&stripe("products = [\"price_1\"]"), "endpoints[#1].products", "a list", "table");
    for amount in ["-1", "\"-1\"", "\"1,5\"", "\"\"", "true", "1e40", "nan", "inf", "\"1_0\"", "\"+1\""] {
        check(
            &stripe(&format!("minimum_amount = {{ USD = {amount} }}")),
            "endpoints[#1].minimum_amount.USD",
            "not an amount",
            "29.99",
        );
    }
    check(
        &stripe("minimum_amount = { dollars = 1 }"),
        "endpoints[#1].minimum_amount.dollars",
        "three letters",
        "ISO 4217",
    );
    check(&stripe("minimum_amount = { USD = 1, usd = 2 }"), "endpoints[#1].minimum_amount.usd", "twice", "keep one");
    check(
        &Setup::least().toml("[[endpoints]]\nsecrets = [\"x\"]"),
        "endpoints[#1].provider",
        "missing",
        "stripe or paystack",
    );
    check(
        &Setup::least().toml("[[endpoints]]\nprovider = \"paypal\""),
        "endpoints[#1].provider",
        "\"paypal\"",
        "stripe, paystack",
    );
}

#[test]
fn names_are_unique_over_all_endpoints() {
    let setup = Setup::least().toml(&format!("{PAYSTACK}name = \"stripe\"\n"));
    check(&setup, "endpoints[\"stripe\"].name", "one of paystack and one of stripe", "another `name`");
}

#[test]
fn a_product_is_needed_unless_all_that_counts_is_mapped() {
    let setup = || Setup::least().unset("REFAIRN_PRODUCT_ID");
    check(&setup(), "refairn.product_id", "missing", "REFAIRN_PRODUCT_ID");
    check(&setup().set(&[("PAYSTACK_SECRET_KEY", "sk_live_a")]), "refairn.product_id", "missing", "REFAIRN_PRODUCT_ID");
    check(&setup().toml(STRIPE), "endpoints[#1].product_id", "missing", "into refairn");
    check(
        &setup().toml(&format!("{STRIPE}products = {{ a = \"b\" }}")),
        "endpoints[#1].product_id",
        "missing",
        "unmapped",
    );
    assert!(setup().toml(&format!("{STRIPE}product_id = \"prod_own\"")).load().is_ok());
    let mapped = setup().toml(&format!("{STRIPE}unmapped = \"ignore\"\nproducts = {{ a = \"b\" }}")).config();
    assert_eq!(mapped.endpoints[0].rules.product_id, None);
}

#[test]
fn with_several_businesses_an_endpoint_names_its_own() {
    let toml = format!("{SECOND}{PAYSTACK}business = \"biz_2\"\n");
    let config = Setup::least().toml(&toml).config();
    let ids: Vec<_> = config.businesses.iter().map(|b| b.id.as_str()).collect();
    assert_eq!(ids, ["biz_1", "biz_2"]);
    let paystack = config.endpoint("paystack").unwrap();
    assert_eq!((paystack.business.as_str(), paystack.rules.product_id.as_deref()), ("biz_2", Some("prod_2")));
    assert_eq!(config.endpoint("stripe").unwrap().business, "biz_1");
    let unnamed = Setup::least().toml(&format!("{SECOND}{PAYSTACK}"));
    check(&unnamed, "endpoints[#1].business", "several businesses", "biz_1, biz_2");
    let unknown = Setup::least().toml(&format!("{SECOND}{PAYSTACK}business = \"biz_3\""));
    check(&unknown, "endpoints[#1].business", "no business \"biz_3\"", "biz_1, biz_2");
    let twice = Setup::least().toml(&SECOND.replace("biz_2", "biz_1"));
    check(&twice, "businesses[\"biz_1\"]", "refairn has the same id", "take one");
    let keyless = Setup::least().toml("[[businesses]]\nid = \"biz_2\"");
    check(&keyless, "businesses[\"biz_2\"].api_key", "missing", "Integrations");
    let only_listed = Setup::empty().set(&[("STRIPE_WEBHOOK_SECRET", "whsec_a")]).toml(SECOND).config();
    assert_eq!(only_listed.endpoints[0].business, "biz_2");
    let half = Setup::empty().set(&[
        ("STRIPE_WEBHOOK_SECRET", "whsec_a"),
        ("REFAIRN_BUSINESS_ID", "biz_1"),
        ("REFAIRN_PRODUCT_ID", "p"),
    ]);
    check(&half.toml(SECOND), "refairn.api_key", "missing", "REFAIRN_API_KEY");
}

#[test]
fn a_test_product_that_is_also_a_real_one_draws_a_warning() {
    let config = Setup::least().set(&[("REFAIRN_TEST_PRODUCT_ID", "prod_1")]).config();
    assert_eq!(config.warnings().len(), 1, "{:?}", config.warnings());
}

#[test]
fn look_ups_go_to_the_provider_unless_the_endpoint_says_otherwise() {
    let address = |text: &str| Setup::least().toml(text).config().endpoints[0].api_base_url.clone();
    assert_eq!(address(STRIPE), "https://api.stripe.com");
    assert_eq!(address(PAYSTACK), "https://api.paystack.co");
    assert_eq!(
        address(&format!("{STRIPE}api_base_url = \"https://proxy.example.com/s/\"")),
        "https://proxy.example.com/s"
    );
    let broken = Setup::least().toml(&format!("{STRIPE}api_base_url = \"api.stripe.com\""));
    check(&broken, "endpoints[#1].api_base_url", "does not start with https://", "https://api.stripe.com");
    let clear = format!("{STRIPE}api_base_url = \"http://proxy.example.com\"\n");
    assert!(Setup::least().toml(&clear).config().warnings().is_empty(), "without a key nobody goes there");
    let warnings = Setup::least().toml(&format!("{clear}api_key = \"rk_live_a\"")).config().warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn how_often_it_is_compared_has_to_be_a_span_within_bounds() {
    let key = "api_key = \"rk_live_a\"\n";
    let stripe = |every: &str| Setup::least().toml(&format!("{STRIPE}{key}reconcile_every = {every}\n"));
    let of = |every: &str| stripe(every).config().endpoints[0].reconcile_every.map(|span| span.as_secs());
    for (every, seconds) in
        [("1 hour", 3600), ("1 day", 86_400), ("36h", 129_600), ("1 week", 604_800), ("31 days", 2_678_400)]
    {
        assert_eq!(of(&format!("\"{every}\"")), Some(seconds), "{every}");
    }
    let (name, cure) = ("endpoints[#1].reconcile_every", "write 1 hour to 31 days, such as \"1 day\"");
    for (every, cause) in [
        ("\"daily\"", "it is no span"),
        ("\"every day\"", "it is no span"),
        ("\"1\"", "it is no span"),
        ("\"2 months\"", "it is no span of hours or days"),
        ("\"-1 day\"", "it is less than nothing"),
        ("\"0 hours\"", "it is out of bounds"),
        ("\"59 minutes\"", "it is out of bounds"),
        ("\"32 days\"", "it is out of bounds"),
        ("\"\"", "blank"),
        ("86400", "a number, not text"),
        ("true", "true or false, not text"),
    ] {
        let cure = if every.starts_with('"') && every != "\"\"" { cure } else { "" };
        check(&stripe(every), name, cause, cure);
    }
    let paystack = Setup::least().toml(&format!("{PAYSTACK}reconcile_every = \"1 day\"\n"));
    assert_eq!(paystack.config().endpoints[0].reconcile_every.map(|span| span.as_secs()), Some(86_400));
    let without = Setup::least().toml(&format!("{STRIPE}reconcile_every = \"1 day\"\n"));
    check(&without, name, "has no api_key", "give it an api_key that may read lists");
}
