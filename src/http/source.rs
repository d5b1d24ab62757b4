//! Who sent a request: the peer, or whom a trusted proxy names.

use std::net::IpAddr;

/// The sender's address. `forwarded_for` is the X-Forwarded-For header; it is believed from the right, as long as the
/// address that vouches for the next one is a trusted proxy.
pub(super) fn source(peer: IpAddr, forwarded_for: &str, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut source = peer.to_canonical();
    for hop in forwarded_for.rsplit(',') {
        let next = hop.trim().parse::<IpAddr>();
        match next {
            Ok(next) if trusted(source) => source = next.to_canonical(),
            Ok(_) | Err(_) => break,
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let check = |peer: &str, forwarded_for: &str, expected: &str| {
            let found = source(peer.parse().unwrap(), forwarded_for, |ip| ip == proxy);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded_for:?}");
        };
        check("203.0.113.9", "", "203.0.113.9");
        check("203.0.113.9", "52.31.139.75", "203.0.113.9");
        check("10.0.0.1", "52.31.139.75", "52.31.139.75");
        check("10.0.0.1", "1.1.1.1, 52.31.139.75", "52.31.139.75");
        check("10.0.0.1", "52.31.139.75, 10.0.0.1", "52.31.139.75");
        check("10.0.0.1", "nonsense", "10.0.0.1");
        check("::ffff:10.0.0.1", "52.31.139.75", "52.31.139.75");
    }
}
