//! Who counts as one sender.

use std::net::{IpAddr, Ipv6Addr};

/// One sender, as far as addresses tell: an IPv4 address, or the /64 that one holder of IPv6 addresses has at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The sender that `address` belongs to. An IPv4 address that arrives in IPv6 clothes counts as what it is.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_64() {
        let check = |one: &str, other: &str, same: bool| {
            let source = |text: &str| Source::of(text.parse().unwrap());
            assert_eq!(source(one) == source(other), same, "{one} {other}");
        };
        check("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true);
        check("2001:db8:0:1::1", "2001:db8:0:2::1", false);
        check("203.0.113.9", "::ffff:203.0.113.9", true);
        check("203.0.113.9", "203.0.113.10", false);
    }
}
