//! Addresses of other systems: where Refairn is, where the bridge keeps its data.

use std::path::{Path, PathBuf};

use url::Url;

use crate::domain::database::{ServerUrl, UrlError};
use crate::domain::proxy::is_this_machine;

/// Where the bridge keeps its data.
#[derive(Debug, Clone)]
pub enum StorageUrl {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(ServerUrl),
}

impl StorageUrl {
    /// Reads `sqlite://PATH` or `postgres://...`. A path that is not absolute starts at `directory`, when there is one.
    ///
    /// # Errors
    /// What is wrong and what to do, without a word of the address: it may hold a password.
    pub fn parse(text: &str, directory: Option<&Path>) -> Result<Self, UrlError> {
        let wrong = |cause| UrlError {
            cause,
            hint: "write sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned(),
        };
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let file = sqlite_file(path).map_err(wrong)?;
            return Ok(Self::Sqlite(directory.map_or_else(|| file.clone(), |folder| folder.join(&file))));
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return ServerUrl::parse(text).map(Self::Postgres);
        }
        Err(wrong("it starts with neither sqlite:// nor postgres://".to_owned()))
    }
}

/// The file a SQLite address names.
fn sqlite_file(path: &str) -> Result<PathBuf, String> {
    if path.contains(":memory:") {
        return Err("memory is gone after a crash, and an answered webhook has to be on disk".to_owned());
    }
    if path.contains('?') {
        return Err("it has settings after a `?`, but the bridge chooses how SQLite is opened".to_owned());
    }
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err("it names no file".to_owned());
    }
    Ok(PathBuf::from(path))
}

/// Reads the address calls to Refairn or to a provider start with: `http` or `https`, a host, perhaps a path; slashes at
/// the end go.
///
/// # Errors
/// What is wrong, without a word of the address: somebody may have written a password into it.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return Err("it does not start with https://".to_owned()) };
    // What a browser would forgive is a mistake here.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("it has a space, a control character or a backslash in it".to_owned());
    }
    let url = Url::parse(text).ok().filter(|_| !rest.starts_with('/')).ok_or("it has no sound host name or port")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a `?` or a `#` in it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a name or a password in front of the host".to_owned());
    }
    if url.port() == Some(0) {
        return Err("its port is not a number from 1 to 65535".to_owned());
    }
    if url.path().contains("api/events") {
        return Err("it holds the path of a call already: the bridge adds /api/events/... itself".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether calls to `base_url` cross a network in clear text.
pub(super) fn is_clear_text(base_url: &str) -> bool {
    base_url.starts_with("http://") && !is_this_machine(base_url)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{StorageUrl, base_url, is_clear_text};

    #[test]
    fn a_base_url_is_a_scheme_a_host_and_perhaps_a_path() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(base_url(text).ok().as_deref(), expected, "{text}");
        check("https://app.refairn.com", Some("https://app.refairn.com"));
        check("https://app.refairn.com/", Some("https://app.refairn.com"));
        check("https://proxy.example.com:8443/refairn//", Some("https://proxy.example.com:8443/refairn"));
        check("http://127.0.0.1:9090", Some("http://127.0.0.1:9090"));
        check("http://[::1]:9090", Some("http://[::1]:9090"));
        check("http://[::1]", Some("http://[::1]"));
        check("https://a:", Some("https://a"));
        check("https://App.Example.com/x/../y", Some("https://app.example.com/y"));
        for bad in [
            "app.refairn.com",
            "ftp://app.refairn.com",
            "https://",
            "https:///x",
            "https://:80",
            "https://a b",
            "https://a?x=1",
            "https://a#x",
            "https://user:pass@a",
            "https://a:0",
            "https://a:65536",
            "https://a%20b",
            "https://a/\n",
            "https://[::1",
            "https://app.refairn.com/api/events",
            "https://app.refairn.com/api/events/payment-succeeded",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn clear_text_is_fine_on_this_machine_only() {
        let check = |url: &str, expected: bool| assert_eq!(is_clear_text(url), expected, "{url}");
        check("https://app.refairn.com", false);
        check("http://localhost:9090", false);
        check("http://127.0.0.1", false);
        check("http://[::1]:9090/x", false);
        check("http://sandbox:9090", true);
        check("http://127.0.0.1.example.com", true);
    }

    #[test]
    fn storage_is_a_file_or_a_server() {
        let file = |text: &str, directory: Option<&Path>| match StorageUrl::parse(text, directory) {
            Ok(StorageUrl::Sqlite(path)) => Some(path),
            Ok(StorageUrl::Postgres(_)) | Err(_) => None,
        };
        let data = PathBuf::from("data/bridge.db");
        assert_eq!(file("sqlite://data/bridge.db", None), Some(data.clone()));
        assert_eq!(file("sqlite:data/bridge.db", None), Some(data));
        assert_eq!(file("sqlite:///var/lib/bridge.db", None), Some(PathBuf::from("/var/lib/bridge.db")));
        assert_eq!(file("sqlite://a.db", Some(Path::new("/srv"))), Some(PathBuf::from("/srv/a.db")));
        assert_eq!(file("sqlite:///a.db", Some(Path::new("/srv"))), Some(PathBuf::from("/a.db")));
        for bad in ["sqlite://", "sqlite::memory:", "sqlite://a.db?mode=rwc", "sqlite://data/", "data/bridge.db"] {
            assert_eq!(file(bad, None), None, "{bad}");
        }
        let server = StorageUrl::parse("postgres://bridge:hunter2@db.example.com/bridge", None).unwrap();
        assert!(matches!(&server, StorageUrl::Postgres(_)) && !format!("{server:?}").contains("hunter2"));
        for bad in ["mysql://bridge:hunter2@db.example.com/bridge", "postgres://", "postgres://a:hunter2@b/c "] {
            assert!(!StorageUrl::parse(bad, None).unwrap_err().to_string().contains("hunter2"));
        }
    }
}
