//! What signs messages to a webhook of one's own, as Standard Webhooks writes it: `whsec_` and Base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::secret::Secret;

/// What such a secret begins with.
const START: &str = "whsec_";
/// Fewest and most bytes of its key.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key of the right form.
#[derive(Debug, Clone)]
pub struct SigningKey(Secret);

impl SigningKey {
    /// Reads a key. Base64 is the standard one, with or without `=` at its end: programs that read another alphabet make
    /// another key of the same text.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(secret: Secret) -> Result<Self, &'static str> {
        let key = bytes(&secret).ok_or("it is not whsec_ and Base64 behind it")?;
        if BYTES.contains(&key.len()) { Ok(Self(secret)) } else { Err("its key does not have 24 to 64 bytes") }
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        bytes(&self.0).unwrap_or_default()
    }
}

fn bytes(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose().strip_prefix(START)?;
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_in_one_way() {
        let check = |text: &str, fine: bool| {
            assert_eq!(SigningKey::parse(Secret::parse(text).unwrap()).is_ok(), fine, "{text}");
        };
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true);
        // Others read the alphabet of addresses as another key.
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_w", false);
        check("whsec_c2hvcnQ=", false);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false);
        check("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==", true);
        check(&format!("whsec_{}", "BwcH".repeat(22)), false);
    }
}
