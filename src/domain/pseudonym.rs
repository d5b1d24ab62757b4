//! What stands for the address of a customer who is forgotten: a keyed hash of it, in the form of an address that nobody
//! has. So what was told of them stays together, and is theirs again when a later event brings the address back.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

use super::email::Email;

/// The domain of all of them. No mail goes to it: `.invalid` is reserved for that.
const DOMAIN: &str = "@forgotten.invalid";
/// Bytes of the hash that are kept: no two addresses of one store share them.
const HASH_BYTES: usize = 16;

/// What the hash of a store is keyed with.
#[derive(Clone, ZeroizeOnDrop)]
pub struct PseudonymKey(String);

impl PseudonymKey {
    /// The key as the store keeps it.
    #[must_use]
    pub const fn new(key: String) -> Self {
        Self(key)
    }

    /// What stands for an address, in lower case; nothing only if no such address can be made, which does not happen.
    #[must_use]
    pub fn of(&self, email_key: &str) -> Option<Email> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(email_key.as_bytes());
        let hash = mac.finalize().into_bytes();
        Email::parse(&format!("{}{DOMAIN}", hex::encode(hash.get(..HASH_BYTES)?)))
    }
}

/// Whether an address stands for one that is forgotten.
#[must_use]
pub fn is_pseudonym(email_key: &str) -> bool {
    email_key.strip_suffix(DOMAIN).is_some_and(|hash| hash.len() == HASH_BYTES * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_pseudonym_under_each_key() {
        let of = |key: &str, address: &str| PseudonymKey::new(key.to_owned()).of(address).unwrap().key();
        assert_eq!(of("k", "jane@example.com"), of("k", "jane@example.com"));
        assert_ne!(of("k", "jane@example.com"), of("l", "jane@example.com"));
        assert_ne!(of("k", "jane@example.com"), of("k", "joan@example.com"));
        assert!(is_pseudonym(&of("k", "jane@example.com")) && !of("k", "jane@example.com").contains("jane"));
        assert!(!is_pseudonym("jane@example.com") && !is_pseudonym("jane@forgotten.invalid"));
    }
}
