//! Tests of the configuration as a whole, from files and variables to [`Config`] or to every mistake.

mod endpoints;
mod mistakes;
mod secrets;
mod sources;
mod warnings;

use std::collections::BTreeMap;
use std::path::Path;

use super::{Config, Mistakes, Sources, load};

/// The variables that alone are enough to run.
const LEAST: &[(&str, &str)] = &[
    ("REFAIRN_API_KEY", "rk_example"),
    ("REFAIRN_BUSINESS_ID", "biz_1"),
    ("REFAIRN_PRODUCT_ID", "prod_1"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_example_of_a_secret"),
];

/// A directory of its own, its configuration file and its environment.
struct Setup {
    directory: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Setup {
    /// Nothing at all.
    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), environment: BTreeMap::new() }
    }

    /// As little as is enough.
    fn least() -> Self {
        Self::empty().set(LEAST)
    }

    fn set(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment.extend(variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        self
    }

    fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Writes the usual configuration file.
    fn toml(self, text: &str) -> Self {
        self.file("config/refairn-bridge.toml", text)
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        allow(&path, 0o600);
        self
    }

    fn load(&self) -> Result<Config, Mistakes> {
        self.load_with(None)
    }

    fn load_with(&self, config_file: Option<&Path>) -> Result<Config, Mistakes> {
        load(Sources {
            config_file: config_file.map(Path::to_owned),
            environment: self.environment.clone(),
            working_dir: Some(self.directory.path().to_owned()),
        })
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// The mistakes as they are shown, which there have to be.
    #[track_caller]
    fn mistakes(&self) -> Mistakes {
        self.load().map(|config| panic!("no mistake was found: {config:?}")).unwrap_err()
    }
}

/// Sets a file's permissions.
#[cfg(unix)]
fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Checks that the only mistake is that of `key`, with these words in its cause and its hint.
#[track_caller]
fn check(setup: &Setup, key: &str, cause: &str, hint: &str) {
    let mistakes = setup.mistakes();
    let found: Vec<_> = mistakes.iter().collect();
    let [only] = found.as_slice() else { panic!("not one mistake of {key}, but {mistakes}") };
    assert_eq!(only.key, key, "{mistakes}");
    assert!(only.cause.contains(cause), "cause {cause:?}: {mistakes}");
    assert!(only.hint.contains(hint), "hint {hint:?}: {mistakes}");
}
