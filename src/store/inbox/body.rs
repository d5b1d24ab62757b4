//! Raw bodies as they are kept: compressed, and given back byte for byte.
//!
//! Webhooks of a provider are much alike, and each is short. So they are compressed with a dictionary of what is in many of
//! them, which halves them. Bodies that were stored before there was one are read as well: a frame names its dictionary.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;

use crate::store::StoreError;

/// Speed over size: a body of a few kilobytes takes some ten microseconds. The next level that makes bodies smaller takes
/// three times as long.
const ZSTD_LEVEL: i32 = 3;

/// Made by `bodies/make.py`. It stays as it is: what was stored with it cannot be read without it.
const DICTIONARY: &[u8] = include_bytes!("bodies/1.dict");

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, ZSTD_LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    // To make one anew for each body takes longer than to compress it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A body as it is kept.
///
/// # Errors
/// Memory ran out.
pub fn compress(body: &[u8]) -> Result<Vec<u8>, StoreError> {
    let failed = |error: std::io::Error| StoreError::Data(format!("cannot compress a body: {error}"));
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::with_prepared_dictionary(&ENCODER).map_err(failed)?),
        };
        let mut compressed = compressor.compress(body).map_err(failed)?;
        // It has the room of a body that cannot be made smaller, and may wait in memory with thousands of others.
        compressed.shrink_to_fit();
        Ok(compressed)
    })
}

/// The raw body, unless it is damaged or longer than `bytes_max`.
#[must_use]
pub fn decompress(body_zstd: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    // What compress makes says how long its content is.
    let bytes = usize::try_from(get_frame_content_size(body_zstd).ok()??).ok()?;
    if bytes > bytes_max {
        return None;
    }
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::with_prepared_dictionary(&DECODER).ok()?),
        };
        decompressor.decompress(body_zstd, bytes).ok()
    })
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn a_body_that_was_stored_before_there_was_a_dictionary_is_read() {
        let body = br#"{"id":"evt_1","object":"event","type":"invoice.paid"}"#.repeat(20);
        let kept = zstd::bulk::compress(&body, 1).unwrap();
        assert_eq!(decompress(&kept, body.len()), Some(body));
    }

    #[test]
    fn a_body_takes_no_more_memory_than_it_is_long() {
        let kept = compress(&br#"{"id":"evt_1","object":"event","type":"invoice.paid"}"#.repeat(20)).unwrap();
        assert_eq!(kept.capacity(), kept.len());
    }

    #[test]
    fn the_dictionary_is_the_one_that_was_released() {
        let hash = hex::encode(sha2::Sha256::digest(DICTIONARY));
        assert_eq!(
            hash, "91b7ce72f8877130fc7253a5d78884e29e5ee0d5c561f523a643c633478d0c22",
            "what was stored with it could not be read any more"
        );
    }

    #[test]
    fn bodies_come_back_byte_for_byte_and_never_longer_than_allowed() {
        for body in [&b""[..], b"{}", &[0xff, 0, 13, 10], &vec![7; 100_000]] {
            let kept = compress(body).unwrap();
            assert_eq!(decompress(&kept, body.len()).as_deref(), Some(body));
            assert!(body.is_empty() || decompress(&kept, body.len() - 1).is_none());
        }
        assert_eq!(decompress(b"no zstd", 100), None);
    }
}
