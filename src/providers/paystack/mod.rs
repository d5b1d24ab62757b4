//! Paystack: signed with the account's own secret key, no event ids, no times of events, one URL for everything.

mod envelope;
mod examples;
mod facts;
mod list;
mod lookup;
mod metadata;
mod payload;
mod piece;
mod settings;
pub mod signature;

use jiff::Timestamp;
use serde_json::Value;

use self::examples::EXAMPLES;
use super::connect::Connect;
use super::fingerprint::fingerprint;
use super::headers::values_of;
use super::list::Lists;
use super::lookup::{LookupTarget, Question};
use super::{Dashboard, Descriptor, Piece, Provider, Secrets, Signature, SignatureError, WantedEvents};
use crate::domain::endpoint::{CommissionBase, Endpoint, IdScope, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;
use crate::domain::mode::Mode;

/// Paystack.
#[derive(Debug, Clone, Copy)]
pub struct Paystack;

const DESCRIPTOR: Descriptor = Descriptor {
    title: "Paystack",
    api_base_url: "https://api.paystack.co",
    variables: ["PAYSTACK_SECRET_KEY", "PAYSTACK_SECRET_KEY_FILE"],
    signature_header: signature::HEADER,
    other_signature_headers: &[],
    secret: Secrets {
        title: "Paystack's secret keys",
        prefix: "sk_",
        other_prefixes: &["pk_", "whsec_"],
        hint: "copy the secret key (sk_live_... or sk_test_...) from Paystack's dashboard",
        are_api_keys: true,
    },
    api_keys: [(Mode::Live, &["sk_live_"]), (Mode::Test, &["sk_test_"])],
    // References are the merchant's own.
    ids: IdScope::Account,
    commission_bases: &[CommissionBase::PAID, settings::REQUESTED, settings::NET_OF_FEES],
    settings: &[],
    dates_signatures: false,
    dashboard: Dashboard {
        page: "Settings → API Keys & Webhooks",
        url_note: Some("as the live webhook URL, and as the test webhook URL to see test events too"),
        secret: "it signs with the secret key (sk_live_..., sk_test_...) of the same page",
        api_key: "a secret key in Paystack's dashboard, Settings → API Keys & Webhooks",
    },
    members: "event and data",
    dispute_without_charge: "a dispute over",
    examples: EXAMPLES,
};

impl Provider for Paystack {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn check_form(&self, signatures: &[Signature<'_>]) -> Result<(), SignatureError> {
        signature::check_form(&values_of(signatures, signature::HEADER))
    }

    /// There is no time in Paystack's signature, so `now` does not matter.
    fn verify(
        &self,
        endpoint: &Endpoint,
        signatures: &[Signature<'_>],
        body: &[u8],
        _now: Timestamp,
    ) -> Result<(), SignatureError> {
        signature::verify(&values_of(signatures, signature::HEADER), body, &endpoint.secrets)
    }

    fn sign(&self, secret: &str, body: &[u8], _at: Timestamp) -> String {
        signature::sign(secret, body)
    }

    /// Paystack's events have no id. A redelivery is recognised by its body, which it repeats byte for byte.
    fn identify(&self, body: &[u8]) -> Identity {
        Identity {
            dedup_key: fingerprint(body),
            provider_event_id: None,
            event_type: envelope::event_type(body).unwrap_or_default(),
            snapshot_event: None,
            mode: envelope::mode(body),
        }
    }

    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
        facts::read(body, rules, received_at)
    }

    fn ask(&self, wanted: LookupTarget<'_>, _bytes_max: usize) -> Result<Question, String> {
        lookup::ask(wanted)
    }

    /// Webhook URLs are set in the dashboard, one for each mode.
    fn connect(&self) -> Connect {
        Connect::ByHand { probe: "/transaction?perPage=1&page=1" }
    }

    fn lists(&self) -> Option<&'static dyn Lists> {
        Some(&Paystack)
    }

    fn piece(&self, json: &Value) -> Option<Piece> {
        piece::piece(json)
    }

    /// Nothing can be ticked: Paystack sends every event to the one webhook URL of the account.
    fn wanted_events(&self, _rules: &Rules) -> WantedEvents {
        WantedEvents { tick: Vec::new(), for_manual_capture: None }
    }
}

#[cfg(test)]
mod tests {
    use super::Paystack;
    use crate::providers::Provider;

    #[track_caller]
    fn check(body: impl AsRef<[u8]>, event_type: &str) {
        let body = body.as_ref();
        let identity = Paystack.identify(body);
        assert_eq!(identity.event_type, event_type, "{}", body.escape_ascii());
        assert_eq!(identity.provider_event_id, None);
        assert_eq!(identity.dedup_key.len(), "sha256:".len() + 64);
    }

    #[test]
    fn an_event_is_known_by_its_bytes_and_its_type() {
        check(r#"{"event":"charge.success","data":{}}"#, "charge.success");
        check(r#"{"data":{"event":"not.this"},"event":"refund.needs-attention"}"#, "refund.needs-attention");
        check(r#"{"event":"first","event":"last"}"#, "last");
        check(r#"{"event":"a\u0000b"}"#, "");
        check(format!(r#"{{"event":"{}"}}"#, "x".repeat(256)), "");
        // Readable even where the rest is too deep to be read.
        check(format!(r#"{{"event":"deep","data":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000)), "deep");
        for none in ["", "null", "7", "[]", "{}", r#"{"event":7}"#, r#"{"event":"x""#, "\u{feff}{}"] {
            check(none, "");
        }
        check(b"{\"event\":\"\xff\"}", "");
        let known = Paystack.identify(b"{}").dedup_key;
        assert_eq!(known, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_ne!(Paystack.identify(b"{ }").dedup_key, known);
    }
}
