//! Who sent a request: the peer, or whom a trusted proxy names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use actix_web::HttpRequest;
use actix_web::http::header;

use super::Shared;
use crate::telemetry::events;

/// An address that sends X-Forwarded-For and is not trusted: most likely a proxy that nobody named.
#[derive(Debug, Default)]
pub struct UnnamedProxy(Mutex<Option<IpAddr>>);

impl UnnamedProxy {
    /// The address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.lock().ok().and_then(|kept| *kept)
    }

    /// Keeps `peer` and tells of it, unless another is known. Anybody can send that header, so one on this network, where
    /// proxies are, takes the place of one elsewhere.
    fn met(&self, peer: IpAddr) {
        let Ok(mut kept) = self.0.lock() else { return };
        if kept.is_none_or(|kept| is_near(peer) && !is_near(kept)) {
            *kept = Some(peer);
            events::forwarded_by_a_stranger(peer);
        }
    }
}

/// Whether an address is of this machine or of a private network.
const fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Who sent the request, as far as trusted proxies tell. A proxy may add a line to the header instead of writing into
/// the sender's, so all lines count, in their order.
pub(super) fn sender(state: &Shared, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let lines = request.headers().get_all(header::X_FORWARDED_FOR).map(|v| v.to_str().unwrap_or_default());
    let forwarded_for = lines.collect::<Vec<_>>().join(",");
    if !forwarded_for.is_empty() && !state.trusts(peer) {
        state.unnamed_proxy.met(peer);
    }
    Some(source(peer, &forwarded_for, |ip| state.trusts(ip)))
}

/// The sender's address. `forwarded_for` is the X-Forwarded-For header; it is believed from the right, as long as the
/// address that vouches for the next one is a trusted proxy.
fn source(peer: IpAddr, forwarded_for: &str, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut source = peer.to_canonical();
    for hop in forwarded_for.rsplit(',') {
        match address(hop.trim()) {
            Some(next) if trusted(source) => source = next.to_canonical(),
            Some(_) | None => break,
        }
    }
    source
}

/// The address of one entry. Some proxies write the port, too: `ADDRESS:PORT`, and `[ADDRESS]` around one of IPv6.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
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
        // With a port, as Azure's gateways and IIS write it.
        check("10.0.0.1", "52.31.139.75:49152", "52.31.139.75");
        check("10.0.0.1", "1.1.1.1:80, 52.31.139.75:49152,10.0.0.1:50000", "52.31.139.75");
        check("10.0.0.1", "[2001:db8::1]:49152", "2001:db8::1");
        check("10.0.0.1", "[2001:db8::1]", "2001:db8::1");
        check("10.0.0.1", "2001:db8::1", "2001:db8::1");
        check("10.0.0.1", "[::ffff:52.31.139.75]:1", "52.31.139.75");
        for odd in ["52.31.139.75:", "52.31.139.75:port", "[2001:db8::1", "2001:db8::1]", "[]", "unknown", "_hidden"] {
            check("10.0.0.1", odd, "10.0.0.1");
        }
    }

    #[test]
    fn an_unnamed_proxy_nearby_is_told_of_before_one_elsewhere() {
        let unnamed = UnnamedProxy::default();
        let met = |peer: &str| {
            unnamed.met(peer.parse().unwrap());
            unnamed.address().unwrap().to_string()
        };
        assert_eq!(met("203.0.113.9"), "203.0.113.9");
        assert_eq!(met("203.0.113.10"), "203.0.113.9");
        assert_eq!(met("10.0.0.1"), "10.0.0.1");
        assert_eq!(met("127.0.0.1"), "10.0.0.1");
        assert_eq!(met("203.0.113.9"), "10.0.0.1");
    }
}
