//! Where values come from: the compiled-in file, the file, the environment, and which of them wins.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::super::load::DEFAULTS;
use super::super::{Delivery, StorageUrl};
use super::{Setup, check};
use crate::domain::endpoint::CodeRule;
use crate::domain::policy::{Leads, Policy, SameDayPayments, StatusUpdates};
use crate::domain::provider::ProviderKind;

const EXAMPLE: &str = include_str!("../../../config/refairn-bridge.example.toml");

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_compiled_in_file_is_the_documented_default() {
    let setup = Setup::least();
    let config = setup.config();
    assert_eq!(config.server.listen, address("127.0.0.1:8080"));
    assert_eq!(config.server.admin_listen, None);
    assert!(config.server.trusted_proxies.is_empty());
    assert_eq!(config.server.body_max_bytes, 1 << 20);
    assert_eq!(config.server.failed_signatures_per_minute, 60);
    assert!(config.admin_token.is_none());
    assert_eq!((config.storage.connections_max, config.storage.retention_days), (16, 90));
    let StorageUrl::Sqlite(path) = &config.storage.url else { panic!("{:?}", config.storage.url) };
    assert_eq!(path, &setup.directory.path().join("data/refairn-bridge.db"));
    assert_eq!(config.refairn.base_url, "https://app.refairn.com");
    assert_eq!(config.refairn.timeout, Duration::from_secs(10));
    assert!(!config.refairn.event_id);
    let delivery = Delivery {
        concurrency: 16,
        retry_max_wait: Duration::from_secs(900),
        give_up_after: Duration::from_secs(72 * 3600),
        max_per_second: None,
    };
    assert_eq!(config.delivery, delivery);
    assert_eq!(config.policy, Policy::default());
    assert!(config.warnings().is_empty());
}

#[test]
fn the_commented_lines_of_the_compiled_in_file_are_the_defaults_of_an_endpoint() {
    let (_, endpoints) = DEFAULTS.split_once("\n#[[endpoints]]").unwrap();
    let keys = endpoints.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with([' ', '#']));
    let text = format!("[[endpoints]]\n{}", keys.collect::<Vec<_>>().join("\n"));
    for key in ["one_time", "signature_tolerance_s", "referral_code_from", "minimum_amount", "out_of_band"] {
        assert!(text.contains(key), "{key} is not documented");
    }
    let (written, left_out) = (Setup::least().toml(&text).config(), Setup::least().config());
    assert_eq!(format!("{:?}", written.endpoints), format!("{:?}", left_out.endpoints));
    assert_eq!(left_out.endpoints[0].rules.referral_code_from, CodeRule::defaults());
}

#[test]
fn every_commented_key_of_the_compiled_in_sections_is_a_key() {
    let (sections, _) = DEFAULTS.split_once("\n# More businesses").unwrap();
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    let text: Vec<String> = sections.lines().map(uncommented).collect();
    assert!(text.iter().any(|line| line.starts_with("max_per_second")));
    let secret = "sixteen-characters";
    let files = [
        ("bridge_admin_token", secret),
        ("refairn_api_key", secret),
        ("slack_url", "https://hooks.example.com/T/B/x"),
        ("alerts_webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ];
    let text = text.join("\n").replace("/run/secrets/", "");
    let setup = files.iter().fold(Setup::empty().toml(&text), |setup, (file, text)| setup.file(file, text));
    let config = setup.set(&[("STRIPE_WEBHOOK_SECRET", "whsec_example")]).config();
    assert_eq!(config.delivery.max_per_second, Some(20));
    assert_eq!(config.businesses[0].test_product_id.as_deref(), Some("product_test"));
}

#[test]
fn the_example_is_sound() {
    let files = EXAMPLE
        .lines()
        .filter_map(|line| line.split_once("\"/run/secrets/"))
        .map(|(_, rest)| rest.trim_end_matches('"'));
    let example = EXAMPLE.replace("/run/secrets/", "secrets/");
    let setup = files.fold(Setup::empty().toml(&example), |setup, name| {
        let prefix = if name.contains("webhook") { "whsec_" } else { "sk_live_" };
        setup.file(&format!("secrets/{name}"), &format!("{prefix}an_example_of_a_secret\n"))
    });
    let config = setup.config();
    assert_eq!(config.businesses.len(), 2);
    assert_eq!(config.endpoint("books").unwrap().business, "business_books");
    assert_eq!(config.endpoint("books").unwrap().rules.products.len(), 3);
    let courses = config.sole_endpoint(ProviderKind::Paystack).unwrap();
    assert_eq!(courses.business, "business_courses");
    assert_eq!(courses.rules.minimum_amount.len(), 3);
    assert_eq!(courses.rules.product_id.as_deref(), Some("product_courses"));
    assert_eq!(config.business("business_books").unwrap().product_id.as_deref(), Some("product_books_basic"));
    assert_eq!(config.policy.time_zone.iana_name(), Some("Africa/Lagos"));
    assert_eq!(courses.rules.time_zone, config.policy.time_zone);
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
}

#[test]
fn the_files_of_the_example_may_be_absent_and_are_named() {
    let mistakes = Setup::empty().toml(EXAMPLE).mistakes();
    assert!(mistakes.iter().all(|mistake| mistake.key.ends_with("_file")), "{mistakes}");
    assert_eq!(mistakes.iter().count(), 6, "{mistakes}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[delivery]\nconcurrency = 4\nleads = \"all\"\n\
                time_zone = \"Europe/Berlin\"\n[refairn]\nproduct_id = \"prod_file\"";
    let setup = Setup::least().toml(file).set(&[
        ("REFAIRN_BRIDGE__DELIVERY__LEADS", "off"),
        ("REFAIRN_BRIDGE__DELIVERY__TIME_ZONE", "Africa/Lagos"),
        ("REFAIRN_BRIDGE__DELIVERY__GIVE_UP_AFTER_H", "5"),
        ("REFAIRN_BRIDGE__REFAIRN__EVENT_ID", "true"),
        ("REFAIRN_BRIDGE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1"),
    ]);
    let config = setup.config();
    assert_eq!(config.delivery.concurrency, 4);
    assert_eq!(config.delivery.give_up_after, Duration::from_secs(5 * 3600));
    assert_eq!(config.policy.leads, Leads::Off);
    assert_eq!(config.policy.time_zone.iana_name(), Some("Africa/Lagos"));
    assert_eq!(config.policy.status_updates, StatusUpdates::EndOfDay);
    assert_eq!(config.businesses[0].product_id.as_deref(), Some("prod_1"));
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert!(config.refairn.event_id);
}

#[test]
fn every_value_of_a_choice_has_its_name() {
    let policy = |key: &str, value: &str| {
        let variable = format!("REFAIRN_BRIDGE__DELIVERY__{key}");
        Setup::least().set(&[(&variable, value)]).config().policy
    };
    assert_eq!(policy("STATUS_UPDATES", "immediate").status_updates, StatusUpdates::Immediate);
    assert_eq!(policy("STATUS_UPDATES", "off").status_updates, StatusUpdates::Off);
    assert_eq!(policy("SAME_DAY_PAYMENTS", "next_free_day").same_day_payments, SameDayPayments::NextFreeDay);
    assert_eq!(policy("SAME_DAY_PAYMENTS", "send").same_day_payments, SameDayPayments::Send);
    assert_eq!(policy("LEADS", "all").leads, Leads::All);
}

/// What the image sets.
fn image() -> Vec<(String, String)> {
    let dockerfile = include_str!("../../../Dockerfile");
    let set = dockerfile.split("\nENV ").nth(1).and_then(|rest| rest.split("\nUSER").next()).unwrap();
    let set = set.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim().trim_end_matches('\\').trim());
    set.filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_image_listens_where_the_platform_says() {
    let listen = |more: &[(&str, &str)]| {
        let image = image();
        let mut set: Vec<(&str, &str)> = image.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        set.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
        set.extend_from_slice(more);
        Setup::least().set(&set).config().server.listen
    };
    assert_eq!(listen(&[]), address("0.0.0.0:8080"));
    assert_eq!(listen(&[("PORT", "10000")]), address("0.0.0.0:10000"));
    assert_eq!(listen(&[("PORT", "10000"), ("BRIDGE_LISTEN", "[::]:9000")]), address("[::]:9000"));
}

#[test]
fn a_platform_s_port_gives_way_to_an_address() {
    let listen = |variables: &[(&str, &str)]| Setup::least().set(variables).config().server.listen;
    assert_eq!(listen(&[("PORT", "3000")]), address("0.0.0.0:3000"));
    assert_eq!(listen(&[("PORT", "3000"), ("BRIDGE_LISTEN", "127.0.0.1:4000")]), address("127.0.0.1:4000"));
    assert_eq!(listen(&[("PORT", "3000"), ("REFAIRN_BRIDGE__SERVER__LISTEN", "[::1]:5000")]), address("[::1]:5000"));
    assert_eq!(listen(&[("BRIDGE_LISTEN", "localhost:4000")]), address("127.0.0.1:4000"));
    let config = Setup::least().toml("[server]\nlisten = \"127.0.0.1:1\"").set(&[("PORT", "3000")]).config();
    assert_eq!(config.server.listen, address("0.0.0.0:3000"));
    check(&Setup::least().set(&[("PORT", "http")]), "PORT", "not a port", "1 to 65535");
}

#[test]
fn variables_of_their_own_reach_their_keys() {
    let config = Setup::least()
        .set(&[
            ("REFAIRN_TEST_PRODUCT_ID", "prod_test"),
            ("REFAIRN_BASE_URL", "http://sandbox.example.com:9090/"),
            ("DATABASE_URL", "postgres://bridge:hunter2@db.example.com/bridge"),
            ("BRIDGE_ADMIN_TOKEN", "short"),
        ])
        .config();
    assert_eq!(config.endpoints[0].rules.test_product_id.as_deref(), Some("prod_test"));
    assert_eq!(config.refairn.base_url, "http://sandbox.example.com:9090");
    assert!(matches!(&config.storage.url, StorageUrl::Postgres(url) if url.address.expose().ends_with("/bridge")));
    assert_eq!(config.admin_token.as_ref().unwrap().expose(), "short");
    let warnings = config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        warnings.contains("clear text") && warnings.contains("easy to guess") && !warnings.contains("short"),
        "{warnings}"
    );
}

#[test]
fn only_a_file_that_was_named_has_to_exist() {
    let setup = Setup::least().file("other.toml", "[delivery]\nconcurrency = 2");
    assert_eq!(setup.load_with(Some(Path::new("other.toml"))).unwrap().delivery.concurrency, 2);
    let mistakes = setup.load_with(Some(Path::new("missing.toml"))).unwrap_err();
    assert!(mistakes.to_string().contains("1. missing.toml\n   cause: there is no such file"), "{mistakes}");
    let directory = setup.load_with(Some(Path::new("."))).unwrap_err();
    assert!(directory.to_string().contains("it cannot be read"), "{directory}");
    let long = setup.file("long.toml", &"#".repeat((1 << 20) + 1));
    assert!(long.load_with(Some(Path::new("long.toml"))).unwrap_err().to_string().contains("longer than"));
}

#[test]
fn an_editor_s_byte_order_mark_does_no_harm() {
    let config = Setup::least().toml("\u{feff}[delivery]\r\nconcurrency = 2\r\n").config();
    assert_eq!(config.delivery.concurrency, 2);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn any_text_is_a_configuration_or_mistakes(
        file in "(\\[{1,2}[a-z]{0,9}\\]{1,2}\n|[a-z_]{1,12} = [0-9\"a-z.{}\\[\\],-]{0,12}\n|\\PC{0,20}\n){0,6}",
        section in "[A-Za-z_]{0,12}",
        text in "\\PC{0,20}",
    ) {
        let setup = Setup::least().toml(&file);
        let name = format!("REFAIRN_BRIDGE__{section}");
        let setup = setup.set(&[(&name, &text), ("BRIDGE_LISTEN", &text), ("PAYSTACK_SECRET_KEY", &text)]);
        if let Err(mistakes) = setup.load() {
            proptest::prop_assert!(mistakes.iter().all(|m| !m.key.is_empty() && !m.cause.is_empty() && !m.hint.is_empty()));
        }
    }
}
