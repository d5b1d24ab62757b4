//! Raw bodies as they are kept: compressed, and given back byte for byte.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use crate::store::StoreError;

/// Speed over size: a body of a few kilobytes takes some ten microseconds.
const ZSTD_LEVEL: i32 = 1;

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
            None => kept.insert(Compressor::new(ZSTD_LEVEL).map_err(failed)?),
        };
        compressor.compress(body).map_err(failed)
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
            None => kept.insert(Decompressor::new().ok()?),
        };
        decompressor.decompress(body_zstd, bytes).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
