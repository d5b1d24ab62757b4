//! A range of addresses, as `trusted_proxies` names them.

use std::fmt;
use std::net::IpAddr;

/// Addresses that share their first bits: `10.0.0.0/8`, or one address alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`. Bits beyond the prefix do not matter: `10.1.2.3/8` is `10.0.0.0/8`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| format!("{text:?} is neither an address nor a range of them"))?;
        let most = width(address);
        let prefix_bits = match bits {
            None => most,
            Some(bits) => bits
                .parse::<u32>()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| format!("{text:?} does not end in a number of bits from 0 to {most}"))?,
        };
        Ok(Self { address, prefix_bits })
    }

    /// Whether `address` is one of them. An IPv4 address that arrives in IPv6 clothes counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs) = (self.address, address.to_canonical());
        let (differing, width) = match (ours, theirs) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        // A prefix of no bits shifts everything out, which checked_shr refuses for the widest addresses.
        differing.checked_shr(width - self.prefix_bits).unwrap_or(0) == 0
    }

    /// Whether it is every address there is.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.prefix_bits == 0
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// How many bits such an address has.
const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[track_caller]
    fn check(network: &str, address: &str, inside: bool) {
        assert_eq!(
            Network::parse(network).unwrap().contains(address.parse().unwrap()),
            inside,
            "{address} in {network}"
        );
    }

    #[test]
    fn a_range_holds_what_shares_its_prefix() {
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.1.2.3/8", "10.9.9.9", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("192.0.2.128/25", "192.0.2.127", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "proxy.example.com", "10.0.0.0/8/8"]
        {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }
}
