//! Which environment variables mean which keys.

use std::collections::BTreeMap;

use super::layers::Layer;
use super::mistake::Mistake;
use super::raw::{Item, Reader};
use super::table::Table;
use super::warnings::Warning;
use crate::domain::provider::ProviderKind;
use crate::domain::proxy::PROXY_VARIABLES;
use crate::providers::provider;

/// What every key's variable starts with: `REFAIRN_BRIDGE__DELIVERY__TIME_ZONE` is `delivery.time_zone`.
const PREFIX: &str = "REFAIRN_BRIDGE__";

/// The variables with names of their own: section and key.
const NAMED: &[(&str, &str, &str)] = &[
    ("REFAIRN_API_KEY", "refairn", "api_key"),
    ("REFAIRN_API_KEY_FILE", "refairn", "api_key_file"),
    ("REFAIRN_BUSINESS_ID", "refairn", "business_id"),
    ("REFAIRN_PRODUCT_ID", "refairn", "product_id"),
    ("REFAIRN_TEST_PRODUCT_ID", "refairn", "test_product_id"),
    ("REFAIRN_BASE_URL", "refairn", "base_url"),
    ("DATABASE_URL", "storage", "url"),
    ("DATABASE_URL_FILE", "storage", "url_file"),
    ("BRIDGE_LISTEN", "server", "listen"),
    ("BRIDGE_ADMIN_TOKEN", "admin", "token"),
    ("BRIDGE_ADMIN_TOKEN_FILE", "admin", "token_file"),
];

/// Set by hosting platforms: the port they send requests to, on any address.
const PORT: &str = "PORT";

/// Where commands that ask a running bridge find it. The bridge itself does not read it.
pub(super) const BRIDGE_URL: &str = "BRIDGE_URL";

/// Whether a variable of this name gives the admin token.
pub(super) fn is_of_the_admin_token(name: &str) -> bool {
    let named = NAMED.iter().any(|(known, section, _)| *known == name && *section == "admin");
    named || name.strip_prefix(PREFIX).is_some_and(|rest| rest.to_ascii_lowercase().starts_with("admin__"))
}

/// Whether the bridge reads a variable of this name. A single underscore after `REFAIRN_BRIDGE` is not ours: clusters
/// set such names for a service called `refairn-bridge`.
pub(super) fn is_ours(name: &str) -> bool {
    let of_a_provider = ProviderKind::ALL.iter().any(|kind| provider(*kind).descriptor().variables.contains(&name));
    name == PORT
        || name == BRIDGE_URL
        || of_a_provider
        || name.starts_with(PREFIX)
        || NAMED.iter().any(|(known, ..)| *known == name)
}

/// So many letters are typed wrongly or left out of a name.
const TYPING_ERRORS: usize = 2;

/// The variable that one of this name was meant to be, if it is none of ours and nearly one: some letters differ, or its
/// last words were left out, or others added.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let of_providers = ProviderKind::ALL.iter().flat_map(|kind| provider(*kind).descriptor().variables);
    let known = NAMED.iter().map(|(known, ..)| *known).chain([BRIDGE_URL]).chain(of_providers);
    let nearly = |known: &str| {
        let longer_by_words =
            |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('_'));
        let begun = name.contains('_') && (longer_by_words(known, name) || longer_by_words(name, known));
        begun || strsim::levenshtein(known, name) <= TYPING_ERRORS
    };
    let near = known.filter(|known| nearly(known)).min_by_key(|known| strsim::levenshtein(known, name));
    near.filter(|_| !is_ours(name))
}

/// Whether a variable of this name says which proxy there is: not ours alone, but read all the same.
pub(super) fn is_of_a_proxy(name: &str) -> bool {
    PROXY_VARIABLES.iter().any(|known| *known == name || known.to_ascii_lowercase() == name)
}

/// What the environment says.
pub(super) struct Environment {
    /// A layer for each variable that sets a key.
    pub(super) layers: Vec<Layer>,
    /// The providers' secrets, by variable.
    pub(super) providers: Table,
}

/// Reads `variables`, and notes those that cannot be what they should be.
pub(super) fn read(variables: &BTreeMap<String, String>, reader: &mut Reader) -> Environment {
    let mut layers = Vec::new();
    let mut providers = BTreeMap::new();
    // Which variable set a key.
    let mut set: BTreeMap<String, &str> = BTreeMap::new();
    if let Some(port) = variables.get(PORT).filter(|_| !variables.contains_key("BRIDGE_LISTEN"))
        && let Ok(address) = reader.keep(any_address(port))
    {
        layers.push(Layer::variable(PORT, "server", "listen", &address));
    }
    for (name, text) in variables.iter().filter(|(name, _)| *name != PORT && *name != BRIDGE_URL && is_ours(name)) {
        let named = NAMED.iter().find(|(known, ..)| known == name);
        let (section, key) = match (named, name.strip_prefix(PREFIX)) {
            (Some((_, section, key)), _) => ((*section).to_owned(), (*key).to_owned()),
            (None, Some(rest)) => match reader.keep(section_and_key(name, rest)) {
                Ok(found) => found,
                Err(_) => continue,
            },
            (None, None) => {
                providers.insert(name.clone(), Item::variable(name, text));
                continue;
            }
        };
        match set.insert(format!("{section}.{key}"), name) {
            None => layers.push(Layer::variable(name, &section, &key, text)),
            Some(other) => {
                let cause = format!("{other} sets {section}.{key} too");
                reader.note(Mistake::new(name, cause, "unset one of the two"));
            }
        }
    }
    // One that is there besides is another program's.
    let missing =
        |(name, _): (&String, &String)| Some((name.clone(), meant(name).filter(|m| !variables.contains_key(*m))?));
    for (name, meant) in variables.iter().filter_map(missing) {
        reader.warn(Warning::new(
            name,
            "nobody reads a variable of this name",
            format!("name it {meant}, if that is meant"),
        ));
    }
    Environment { layers, providers: Table::new(String::new(), providers) }
}

/// The address `PORT` means.
fn any_address(port: &str) -> Result<String, Mistake> {
    match port.trim().parse::<u16>() {
        Ok(port) if port > 0 => Ok(format!("0.0.0.0:{port}")),
        Ok(_) | Err(_) => Err(Mistake::new(PORT, "it is not a port", "set a number from 1 to 65535, or unset it")),
    }
}

/// The key a variable with the prefix means.
fn section_and_key(name: &str, rest: &str) -> Result<(String, String), Mistake> {
    let rest = rest.to_ascii_lowercase();
    let parts: Vec<&str> = rest.split("__").collect();
    match parts.as_slice() {
        ["endpoints" | "businesses", ..] => {
            let hint =
                "write [[endpoints]] and [[businesses]] in the file; their secrets may stand in files of their own";
            Err(Mistake::new(name, "lists of tables cannot be set by variables", hint))
        }
        [section, key] if !section.is_empty() && !key.is_empty() => Ok(((*section).to_owned(), (*key).to_owned())),
        _ => Err(Mistake::new(
            name,
            "it names no key",
            format!("name it {PREFIX}SECTION__KEY, with two underscores each"),
        )),
    }
}
