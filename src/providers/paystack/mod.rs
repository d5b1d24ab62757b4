//! Paystack: signed with the account's own secret key, no event ids, no times of events, one URL for everything.

mod envelope;
mod facts;
mod metadata;
mod payload;
mod piece;
pub mod signature;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Piece, Provider, SignatureError};
use crate::domain::endpoint::{Endpoint, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;

/// Paystack.
#[derive(Debug, Clone, Copy)]
pub struct Paystack;

impl Provider for Paystack {
    fn signature_header(&self) -> &'static str {
        signature::HEADER
    }

    /// There is no time in Paystack's signature, so `now` does not matter.
    fn check_form(&self, headers: &[&[u8]]) -> Result<(), SignatureError> {
        signature::check_form(headers)
    }

    fn verify(
        &self,
        endpoint: &Endpoint,
        headers: &[&[u8]],
        body: &[u8],
        _now: Timestamp,
    ) -> Result<(), SignatureError> {
        signature::verify(headers, body, &endpoint.secrets)
    }

    fn sign(&self, secret: &str, body: &[u8], _at: Timestamp) -> String {
        signature::sign(secret, body)
    }

    /// Paystack's events have no id: only the body itself tells a redelivery, which repeats it byte for byte.
    fn identify(&self, body: &[u8]) -> Identity {
        Identity {
            dedup_key: fingerprint(body),
            provider_event_id: None,
            event_type: envelope::event_type(body).unwrap_or_default(),
            snapshot_event: None,
        }
    }

    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
        facts::read(body, rules, received_at)
    }

    fn piece(&self, json: &Value) -> Option<Piece> {
        piece::piece(json)
    }

    /// Nothing can be ticked: Paystack sends every event to the one webhook URL of the account.
    fn wanted_events(&self) -> &'static [&'static str] {
        &[]
    }
}

/// What two deliveries of one event share.
fn fingerprint(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
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
