//! Keyed hashes (HMAC, RFC 2104) and their comparison in constant time: all that the providers'
//! signatures have in common.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

/// The block size of SHA-256, in bytes.
const SHA256_BLOCK_BYTES: usize = 64;
/// The block size of SHA-512, in bytes.
const SHA512_BLOCK_BYTES: usize = 128;

/// HMAC-SHA256 over the concatenation of `parts`.
#[must_use]
pub(super) fn sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let block: [u8; SHA256_BLOCK_BYTES] =
        if key.len() > SHA256_BLOCK_BYTES { padded(&Sha256::digest(key)) } else { padded(key) };
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA512 over the concatenation of `parts`.
#[must_use]
pub(super) fn sha512(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    let block: [u8; SHA512_BLOCK_BYTES] =
        if key.len() > SHA512_BLOCK_BYTES { padded(&Sha512::digest(key)) } else { padded(key) };
    let mut mac = Hmac::<Sha512>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether any of `received` is `expected`. Every one is compared to its last byte, whatever came
/// before, so that the time taken does not show how nearly a guess was right.
#[must_use]
pub(super) fn matches_any<const BYTES: usize>(received: &[[u8; BYTES]], expected: &[u8; BYTES]) -> bool {
    let mut found = Choice::from(0);
    for candidate in received {
        found |= candidate.as_slice().ct_eq(expected.as_slice());
    }
    found.into()
}

/// The key filled up with zeros to a whole block, as HMAC itself defines it. Done here because with
/// a whole block the hmac crate cannot fail, and a signature check must not have a way to panic.
fn padded<const BYTES: usize>(key: &[u8]) -> [u8; BYTES] {
    let mut block = [0; BYTES];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::{matches_any, sha256, sha512};
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::{Sha256, Sha512};

    #[track_caller]
    fn check(key: &[u8], data: &[u8], hex256: &str, hex512: &str) {
        assert_eq!(hex::encode(sha256(key, &[data])), hex256);
        assert_eq!(hex::encode(sha512(key, &[data])), hex512);
    }

    #[test]
    fn agrees_with_rfc_4231() {
        // Test cases 1, 2 and 6: a short key, a shorter one, and one longer than either block.
        check(
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        );
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
             6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        );
    }

    #[test]
    fn matches_when_any_is_the_one() {
        let expected = [7; 32];
        let mut near = expected;
        near[31] ^= 1;
        for (received, matches) in [
            (vec![], false),
            (vec![near], false),
            (vec![expected], true),
            (vec![expected, near], true),
            (vec![near, expected], true),
            (vec![near, near], false),
        ] {
            assert_eq!(matches_any(&received, &expected), matches, "{received:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_and_key_lengths_do_not_matter(
            key in prop::collection::vec(any::<u8>(), 0..200),
            data in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = data.split_at(cut.index(data.len() + 1));
            let whole = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&data).finalize().into_bytes();
            prop_assert_eq!(&sha256(&key, &[head, tail])[..], &whole[..]);
            let whole = Hmac::<Sha512>::new_from_slice(&key).unwrap().chain_update(&data).finalize().into_bytes();
            prop_assert_eq!(&sha512(&key, &[head, tail])[..], &whole[..]);
        }
    }
}
