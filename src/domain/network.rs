//! A range of addresses: proxies that are believed, or senders that are let in.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses that share their first bits: `10.0.0.0/8`, or one address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`. Bits beyond the prefix do not matter: `10.1.2.3/8` is `10.0.0.0/8`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(|address| address.to_canonical().into()));
        range.map(Self).map_err(|_| format!("{text:?} is neither an address nor a range of them"))
    }

    /// Whether `address` is one of them. An IPv4 address inside an IPv6 address counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it is every address there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
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
        check("::ffff:192.0.2.7", "192.0.2.7", true);
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
