//! Raw bodies as they are kept: compressed, and given back byte for byte.

use std::io::Read;

use crate::store::StoreError;

/// Speed over size: a body of a few kilobytes takes some ten microseconds.
const ZSTD_LEVEL: i32 = 1;

/// A body as it is kept.
///
/// # Errors
/// Memory ran out.
pub fn compress(body: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(body, ZSTD_LEVEL).map_err(|e| StoreError::Data(format!("cannot compress a body: {e}")))
}

/// The raw body, unless it is damaged or longer than `bytes_max`.
#[must_use]
pub fn decompress(body_zstd: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let limit = u64::try_from(bytes_max).ok()?.saturating_add(1);
    zstd::Decoder::new(body_zstd).ok()?.take(limit).read_to_end(&mut body).ok()?;
    (body.len() <= bytes_max).then_some(body)
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
