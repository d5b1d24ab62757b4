//! The signature headers of a request, as received.

use super::Descriptor;

/// One value of a signature header, as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The header, as the provider's descriptor names it.
    pub header: &'static str,
    /// The bytes of one header line, as sent; they may be no text.
    pub value: &'a [u8],
}

/// Every signature of a request whose headers `values` gives by name.
pub fn signatures<'a, V: IntoIterator<Item = &'a [u8]>>(
    descriptor: &'static Descriptor,
    values: impl Fn(&'static str) -> V,
) -> Vec<Signature<'a>> {
    let headers =
        std::iter::once(descriptor.signature_header).chain(descriptor.other_signature_headers.iter().copied());
    headers.flat_map(|header| values(header).into_iter().map(move |value| Signature { header, value })).collect()
}

/// Every value of one header.
pub(super) fn values_of<'a>(signatures: &[Signature<'a>], header: &str) -> Vec<&'a [u8]> {
    signatures.iter().filter(|signature| signature.header == header).map(|signature| signature.value).collect()
}
