//! Which proxy a request goes through, as the usual variables say it; none to this machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The variables that count; each may also be written in lower case, which counts where the other is not set.
pub const PROXY_VARIABLES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// The proxies there are. Cheap to clone.
#[derive(Clone, Default)]
pub struct Proxies {
    known: Option<Arc<Known>>,
    ignored: Vec<&'static str>,
}

struct Known {
    matcher: Matcher,
    /// With their credentials.
    http: String,
    https: String,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    address: String,
    shown: String,
}

impl Proxies {
    /// Those that `variable` gives values to: `HTTP_PROXY` for `http://`, `HTTPS_PROXY` for `https://`, `ALL_PROXY` for
    /// what has none of its own, `NO_PROXY` for what is to have none. What is no proxy's address counts as nothing.
    #[must_use]
    pub fn read<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let value = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_lowercase())).unwrap_or_default();
        let [http, https, all, except] = PROXY_VARIABLES.map(value);
        let one_of =
            |own: &str| [own, all].into_iter().find(|address| is_proxy(address)).unwrap_or_default().to_owned();
        let given = PROXY_VARIABLES.into_iter().zip([http, https, all]);
        let (http, https) = (one_of(http), one_of(https));
        let is_covered = |name: &str| name == "ALL_PROXY" && !http.is_empty() && !https.is_empty();
        let ignored = given.filter(|(name, text)| !text.is_empty() && !is_proxy(text) && !is_covered(name));
        let ignored = ignored.map(|(name, _)| name).collect();
        let matcher = Matcher::builder().http(http.clone()).https(https.clone()).no(except.to_owned()).build();
        Self { known: Some(Arc::new(Known { matcher, http, https })), ignored }
    }

    /// The variables that say something, but not where a proxy is that can be gone through.
    #[must_use]
    pub fn ignored(&self) -> &[&'static str] {
        &self.ignored
    }

    /// The one that a request to `url` goes through.
    #[must_use]
    pub fn of(&self, url: &str) -> Option<Proxy> {
        let known = self.known.as_ref().filter(|_| !is_this_machine(url))?;
        let url: Uri = url.parse().ok()?;
        let found = known.matcher.intercept(&url)?;
        let address = if url.scheme_str() == Some("http") { &known.http } else { &known.https };
        Some(Proxy { address: address.clone(), shown: found.uri().to_string().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies(…)")
    }
}

impl Proxy {
    /// Where it is, with the name and the password that it may ask for.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for Proxy {
    /// Without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Whether the client can go through what has this address: it speaks HTTP with proxies, not SOCKS.
fn is_proxy(address: &str) -> bool {
    let example = Uri::from_static("http://example.com");
    let found = Matcher::builder().all(address.to_owned()).build().intercept(&example);
    found.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
}

/// Whether `url` leads to this machine, which is never reached through a network.
#[must_use]
pub fn is_this_machine(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|a| a.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &'static str)]) -> Proxies {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_usual_variables_say_which_proxy() {
        let check = |variables: &[(&str, &'static str)], url: &str, expected: Option<&str>| {
            let proxy = proxies(variables).of(url);
            assert_eq!(proxy.as_ref().map(ToString::to_string).as_deref(), expected, "{variables:?} {url}");
        };
        let (http, https, all) = ("http://h:1", "http://s:2", "http://a:3");
        let each = [("HTTP_PROXY", http), ("HTTPS_PROXY", https), ("ALL_PROXY", all)];
        check(&each, "http://app.example.com/x", Some(http));
        check(&each, "https://app.example.com", Some(https));
        check(&[("ALL_PROXY", all)], "https://app.example.com", Some(all));
        check(&[("HTTP_PROXY", http)], "https://app.example.com", None);
        check(&[("https_proxy", https)], "https://app.example.com", Some(https));
        check(&[("https_proxy", http), ("HTTPS_PROXY", https)], "https://app.example.com", Some(https));
        check(&[("HTTPS_PROXY", "proxy.example.com:3128")], "https://a.example", Some("http://proxy.example.com:3128"));
        check(&[("HTTPS_PROXY", "")], "https://a.example", None);
        check(&[("HTTPS_PROXY", "socks5://p:1080"), ("ALL_PROXY", all)], "https://a.example", Some(all));
        check(&[("ALL_PROXY", "socks5://p:1080")], "https://a.example", None);
        assert_eq!(proxies(&[("ALL_PROXY", "socks5://p:1080")]).ignored(), ["ALL_PROXY"]);
        assert_eq!(proxies(&[("HTTPS_PROXY", "no proxy")]).ignored(), ["HTTPS_PROXY"]);
        let covered = [("HTTP_PROXY", http), ("HTTPS_PROXY", https), ("ALL_PROXY", "socks5://p:1080")];
        assert_eq!(proxies(&covered).ignored(), [""; 0]);
        let except = [("ALL_PROXY", all), ("NO_PROXY", "refairn.example, 10.0.0.0/8")];
        check(&except, "https://app.refairn.example", None);
        check(&except, "http://10.1.2.3:9090", None);
        check(&except, "https://refairn.example.org", Some(all));
    }

    #[test]
    fn no_proxy_is_for_this_machine() {
        let proxies = proxies(&[("ALL_PROXY", "http://a:3")]);
        for url in [
            "http://127.0.0.1:9090",
            "http://127.9.9.9/x",
            "http://[::1]:9090",
            "http://[::ffff:127.0.0.1]",
            "http://localhost:9090",
            "https://LOCALHOST",
            "http://refairn.localhost",
        ] {
            assert_eq!(proxies.of(url), None, "{url}");
        }
        for url in ["http://127.0.0.1.example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert!(proxies.of(url).is_some(), "{url}");
        }
    }

    #[test]
    fn a_proxys_password_is_used_and_not_shown() {
        let proxies = proxies(&[("HTTPS_PROXY", "http://user:hunter2@proxy.example.com:3128/")]);
        let proxy = proxies.of("https://app.example.com").unwrap();
        assert_eq!(proxy.address(), "http://user:hunter2@proxy.example.com:3128/");
        assert_eq!(
            format!("{proxy} {proxy:?} {proxies:?}"),
            "http://proxy.example.com:3128 Proxy(http://proxy.example.com:3128) Proxies(…)"
        );
    }
}
