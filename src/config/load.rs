//! Loads the configuration: the only reader of the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::files::Files;
use super::layers::{self, Layer};
use super::mistake::{Mistake, Mistakes};
use super::raw::{Reader, Reported};
use super::table::Table;
use super::{Config, validate};
use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;

/// The lowest layer, and the documentation of every key.
pub(super) const DEFAULTS: &str = include_str!("../../config/refairn-bridge.default.toml");

/// Read when no other file is named, and there is one.
const USUAL_FILE: &str = "config/refairn-bridge.toml";

/// What a configuration is made of.
#[derive(Clone)]
pub struct Sources {
    /// The file named by `--config`, which then has to exist; else `config/refairn-bridge.toml` is read, if it exists.
    pub config_file: Option<PathBuf>,
    /// Environment variables. Those the bridge does not know are of no interest.
    pub environment: BTreeMap<String, String>,
    /// Where relative paths start; nothing means where the process was started.
    pub working_dir: Option<PathBuf>,
}

impl Sources {
    /// The environment of this process, and perhaps a file named by `--config`. A variable that is not UTF-8 is taken
    /// with replacement characters, which [`load`] then refuses.
    #[must_use]
    pub fn from_process(config_file: Option<PathBuf>) -> Self {
        #[allow(clippy::disallowed_methods, reason = "the one place where the environment is read")]
        let variables = std::env::vars_os();
        let environment = variables
            .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
            .filter(|(name, _)| {
                environment::is_ours(name) || environment::is_of_a_proxy(name) || environment::meant(name).is_some()
            })
            .collect();
        Self { config_file, environment, working_dir: None }
    }

    /// Where a running bridge is asked, if `BRIDGE_URL` says it; as it was written.
    #[must_use]
    pub fn bridge_url(&self) -> Option<&str> {
        self.environment.get(environment::BRIDGE_URL).map(|url| url.trim()).filter(|url| !url.is_empty())
    }

    /// The proxies that the environment names.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        Proxies::read(|name| self.environment.get(name).map(String::as_str))
    }
}

impl fmt::Debug for Sources {
    /// The environment's names only: its values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("config_file", &self.config_file)
            .field("environment", &self.environment.keys())
            .field("working_dir", &self.working_dir)
            .finish()
    }
}

/// Loads and validates the configuration.
///
/// # Errors
/// Every mistake at once. Only a file that cannot be read, or is not TOML, hides what else may be wrong.
pub fn load(sources: Sources) -> Result<Config, Mistakes> {
    load_by(sources, |reader| reader)
}

/// The same for a command that makes secrets of endpoints: an endpoint whose `secrets_file` is not there has none.
///
/// # Errors
/// Every other mistake.
pub fn load_to_connect(sources: Sources) -> Result<Config, Mistakes> {
    load_by(sources, Reader::lacking_secrets)
}

fn load_by(sources: Sources, how: impl FnOnce(Reader) -> Reader) -> Result<Config, Mistakes> {
    let proxies = sources.proxies();
    let Sources { config_file, environment, working_dir } = sources;
    let mut reader = how(Reader::new(Files::new(working_dir)));
    let config = read(config_file.as_deref(), &environment, &mut reader);
    let (noted, secret_files) = (reader.warnings(), reader.secret_files());
    match (config, reader.mistakes()) {
        (_, Some(mistakes)) => Err(mistakes),
        (Ok(config), None) => Ok(Config { proxies, noted, secret_files, ..config }),
        (Err(Reported), None) => {
            let mistake =
                Mistake::new("configuration", "it cannot be used, and nothing says why", "report this as a bug");
            Err(Mistakes::new(vec![mistake]))
        }
    }
}

/// The admin token alone: of the environment, else of the file. Whatever else is configured may be missing or wrong.
///
/// # Errors
/// The token cannot be used, or the file that would have it cannot be read.
pub fn admin_token(sources: Sources) -> Result<Option<Secret>, Mistakes> {
    let Sources { config_file, mut environment, working_dir } = sources;
    environment.retain(|name, _| environment::is_of_the_admin_token(name));
    let mut reader = Reader::new(Files::new(working_dir));
    let token = read_admin_token(config_file.as_deref(), &environment, &mut reader);
    reader.mistakes().map_or_else(|| Ok(token.ok().flatten()), Err)
}

fn read_admin_token(
    config_file: Option<&Path>,
    variables: &BTreeMap<String, String>,
    reader: &mut Reader,
) -> Result<Option<Secret>, Reported> {
    let layers = environment::read(variables, reader).layers;
    let file = if layers.is_empty() { file(config_file, reader)? } else { None };
    let defaults = reader.keep(Layer::defaults(DEFAULTS))?;
    let merged = reader.keep(layers::merge(std::iter::once(defaults).chain(file).chain(layers).collect()))?;
    Table::open(merged, reader)?.section("admin", reader)?.secret(["token", "token_file"], reader)
}

fn read(
    config_file: Option<&Path>,
    variables: &BTreeMap<String, String>,
    reader: &mut Reader,
) -> Result<Config, Reported> {
    let Environment { layers, providers } = environment::read(variables, reader);
    let file = file(config_file, reader)?;
    let defaults = reader.keep(Layer::defaults(DEFAULTS))?;
    let layers = std::iter::once(defaults).chain(file).chain(layers).collect();
    let merged = reader.keep(layers::merge(layers))?;
    let root = Table::open(merged, reader)?;
    validate::config(root, providers, reader)
}

/// The file's layer, if there is a file.
pub(super) fn file(named: Option<&Path>, reader: &mut Reader) -> Result<Option<Layer>, Reported> {
    let path = named.unwrap_or(Path::new(USUAL_FILE));
    let label = || path.display().to_string();
    match (reader.files().configuration(path), named) {
        (Ok(Some(text)), _) => {
            reader.has_read(path);
            reader.keep(Layer::file(path, &text)).map(Some)
        }
        (Ok(None), None) => Ok(None),
        (Ok(None), Some(_)) => Err(reader.note(Mistake::new(
            label(),
            "there is no such file",
            "name another with --config, or leave --config out",
        ))),
        (Err(cause), _) => Err(reader.note(Mistake::new(
            label(),
            format!("it cannot be read: {cause}"),
            "make it a TOML file the bridge may read",
        ))),
    }
}
