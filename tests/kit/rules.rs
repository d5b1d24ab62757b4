//! The endpoints, rules and keys of tests that make them without a configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use refairn_bridge::domain::endpoint::{CodeRule, Endpoint, Rules};
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::domain::secret::Secret;

/// The business of every test.
pub const BUSINESS: &str = "biz_1";
/// What its providers sign with.
pub const SECRET: &str = "a-secret-of-the-tests";
/// Longest body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// The rules that hold unless a test says otherwise.
pub fn default_rules() -> Rules {
    Rules {
        rank: 0,
        product_id: Some("prod_1".into()),
        test_product_id: Some("prod_test".into()),
        products: BTreeMap::new(),
        unmapped: Default::default(),
        commission_base: Default::default(),
        minimum_amount: BTreeMap::new(),
        settings: Default::default(),
        referral_code_from: CodeRule::defaults(),
        time_zone: jiff::tz::TimeZone::UTC,
    }
}

/// An endpoint with these rules, named after its provider.
pub fn endpoint(provider: ProviderKind, rules: Rules) -> Endpoint {
    Endpoint {
        name: provider.code().into(),
        provider,
        secrets: vec![Secret::parse(SECRET).expect("a secret")],
        signature_tolerance: Duration::from_secs(300),
        allowed_ips: vec![],
        business: BUSINESS.into(),
        api_key: None,
        account: None,
        api_base_url: refairn_bridge::providers::provider(provider).descriptor().api_base_url.into(),
        reconcile_every: None,
        ids: refairn_bridge::providers::provider(provider).descriptor().ids,
        rules,
    }
}

/// The corpus.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
