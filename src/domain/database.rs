//! The address of a PostgreSQL server, and what has to be proved before it is trusted.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::secret::Secret;

/// How a connection is protected: libpq's `sslmode`, with libpq's meanings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disable,
    /// If the server can. Nobody asks who the server is.
    Prefer,
    /// Always, but nobody asks who the server is: nobody can listen, but somebody could stand in between.
    Require,
    /// Always, and the server's certificate comes from one of the authorities in this file.
    VerifyCa(PathBuf),
    /// The same, and it is for the host of the address. Without a file, the system's authorities count.
    VerifyFull(Option<PathBuf>),
}

/// A server's address, without what it says about TLS.
#[derive(Debug, Clone)]
pub struct ServerUrl {
    /// `postgres://...`; it may hold a password.
    pub address: Secret,
    /// How connections are protected.
    pub tls: Tls,
}

/// Why an address is none that we can use, and what to write instead. Holds nothing of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; {hint}")]
pub struct UrlError {
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub hint: String,
}

/// What may be set behind the `?`, beside `sslmode` and `sslrootcert`.
const SETTINGS: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

const FORM: &str = "write postgres://USER:PASSWORD@HOST/DATABASE";

fn wrong<T>(cause: impl Into<String>, hint: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError { cause: cause.into(), hint: hint.into() })
}

impl ServerUrl {
    /// Reads `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=...`.
    ///
    /// # Errors
    /// It is no such address, or asks for something that the bridge cannot do.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let schemes = ["postgres://", "postgresql://"];
        let Some(rest) = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)) else {
            return wrong("it does not start with postgres://", FORM);
        };
        let (login, place) = rest.split_once('@').unwrap_or(("", rest));
        let (place, settings) = place.split_once('?').unwrap_or((place, ""));
        let hosts = place.split('/').next().unwrap_or(place);
        if place.contains('@') || login.contains('/') {
            let hint = "write an @ in them as %40, a / as %2F, a ? as %3F, a : as %3A, a % as %25";
            return wrong("the user or the password has a character that separates parts of an address", hint);
        }
        let mut kept = Vec::new();
        let (mut mode, mut roots) = (None, None);
        let mut has_host = !hosts.is_empty();
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let Some((name, value)) = setting.split_once('=') else {
                return wrong("a setting behind the `?` has no value", "write NAME=VALUE, with & between two");
            };
            match name {
                "sslmode" => mode = Some(decoded(name, value)?),
                "sslrootcert" => roots = Some(decoded(name, value)?).filter(|roots| !roots.is_empty()),
                name if SETTINGS.contains(&name) => {
                    has_host |= ["host", "hostaddr"].contains(&name);
                    kept.push(setting);
                }
                name => return wrong(unknown(name), "leave it out"),
            }
        }
        if !has_host {
            return wrong("it names no host", FORM);
        }
        let tls = tls(mode.as_deref().unwrap_or("prefer"), roots)?;
        let sound_port = |host: &str| {
            let port = host.rsplit_once(':').map_or("", |(_, port)| port);
            port.is_empty() || port.ends_with(']') || port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if !hosts.split(',').all(sound_port) {
            return wrong("its port is not a number from 1 to 65535", FORM);
        }
        let bare = text.strip_suffix(settings).unwrap_or(text).trim_end_matches('?');
        let address = if kept.is_empty() { bare.to_owned() } else { format!("{bare}?{}", kept.join("&")) };
        match Secret::parse(address) {
            Ok(address) => Ok(Self { address, tls }),
            Err(error) => wrong(error.to_string(), FORM),
        }
    }
}

/// Names that somebody may have cut out of a password are not repeated.
fn unknown(name: &str) -> String {
    let plain = name.len() <= 40 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain {
        format!("its setting {name} is none that the bridge knows")
    } else {
        "it has a setting behind the `?` that the bridge does not know".to_owned()
    }
}

fn decoded(name: &str, value: &str) -> Result<String, UrlError> {
    match percent_decode_str(value).decode_utf8() {
        Ok(value) => Ok(value.into_owned()),
        Err(_) => wrong(format!("its {name} is not UTF-8"), "write it anew"),
    }
}

fn tls(mode: &str, roots: Option<String>) -> Result<Tls, UrlError> {
    let file = |roots: Option<String>| roots.filter(|roots| roots != "system").map(PathBuf::from);
    let system = roots.as_deref() == Some("system");
    match mode {
        "verify-full" => Ok(Tls::VerifyFull(file(roots))),
        _ if system => wrong(
            "sslrootcert=system proves something only with sslmode=verify-full",
            "write sslmode=verify-full, or leave sslrootcert out",
        ),
        "disable" => Ok(Tls::Disable),
        "prefer" => Ok(Tls::Prefer),
        // As libpq does it: who names an authority wants it asked.
        "require" => Ok(file(roots).map_or(Tls::Require, Tls::VerifyCa)),
        "verify-ca" => match file(roots) {
            Some(roots) => Ok(Tls::VerifyCa(roots)),
            None => wrong(
                "sslmode=verify-ca is without sslrootcert, and anybody can have a certificate of a public authority",
                "write sslrootcert=FILE with the authority's certificate, or sslmode=verify-full",
            ),
        },
        _ => wrong(
            "its sslmode is none that the bridge knows",
            "write sslmode=disable, prefer, require, verify-ca or verify-full",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_means_what_it_means_to_libpq() {
        let check = |settings: &str, tls: Tls, kept: &str| {
            let url = ServerUrl::parse(&format!("postgres://u:p%3Fw@db.example.com:5433/d{settings}")).unwrap();
            assert_eq!(url.tls, tls, "{settings}");
            assert_eq!(url.address.expose(), format!("postgres://u:p%3Fw@db.example.com:5433/d{kept}"));
        };
        check("", Tls::Prefer, "");
        check("?sslmode=disable", Tls::Disable, "");
        check("?sslmode=prefer&application_name=x", Tls::Prefer, "?application_name=x");
        check("?sslmode=require&channel_binding=require", Tls::Require, "?channel_binding=require");
        check("?sslrootcert=%2Fca.pem&sslmode=require", Tls::VerifyCa("/ca.pem".into()), "");
        check("?sslmode=verify-ca&sslrootcert=/a b.pem", Tls::VerifyCa("/a b.pem".into()), "");
        check("?sslmode=verify-full", Tls::VerifyFull(None), "");
        check("?sslmode=verify-full&sslrootcert=system", Tls::VerifyFull(None), "");
        check("?sslmode=verify-full&sslrootcert=/ca.pem", Tls::VerifyFull(Some("/ca.pem".into())), "");
    }

    #[test]
    fn addresses_that_cannot_be_used_say_why_and_what_to_do() {
        let check = |text: &str, cause: &str, hint: &str| {
            let error = ServerUrl::parse(text).unwrap_err();
            assert!(error.cause.contains(cause) && error.hint.contains(hint), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        };
        check("mysql://u:hunter2@h/d", "postgres://", "USER:PASSWORD@HOST");
        check("postgres://", "no host", "HOST");
        check("postgres:///d?user=u", "no host", "HOST");
        check("postgres://u:hunter2@h:54x/d", "port", "HOST");
        check("postgres://u:hunter2@x@h/d", "separates", "%40");
        check("postgres://u:hunter2/x@h/d", "separates", "%2F");
        check("postgres://u:hunter2@h/d ", "space", "HOST");
        check("postgres://u:hunter2@h/d?sslmode=allow", "sslmode", "verify-full");
        check("postgres://u:hunter2@h/d?sslmode=verify-ca", "sslrootcert", "sslrootcert=FILE");
        check("postgres://u:hunter2@h/d?sslmode=require&sslrootcert=system", "verify-full", "leave sslrootcert out");
        check("postgres://u:hunter2@h/d?sslcert=/x", "sslcert", "leave it out");
        check("postgres://u:hunter2@h/d?pgbouncer=true", "pgbouncer", "leave it out");
        check("postgres://u:hunter2@h/d?Zhunter2=1", "a setting", "leave it out");
        check("postgres://u:p@h/d?sslmode", "no value", "NAME=VALUE");
        for fine in ["postgres://h", "postgresql://[::1]/d", "postgres://a:1,b:2/d", "postgres:///d?host=/run/pg"] {
            assert!(ServerUrl::parse(fine).is_ok(), "{fine}");
        }
    }
}
