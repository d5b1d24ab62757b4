//! What is in force, and where each value is from. Secrets are masked.

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use super::environment::{self, Environment};
use super::files::Files;
use super::layers::{self, Layer};
use super::load::{DEFAULTS, file};
use super::mistake::Mistakes;
use super::place::Place;
use super::raw::{Item, Node, Reader, Reported};
use super::{Config, Sources, load};
use crate::domain::endpoint::Endpoint;
use crate::domain::secret::Secret;

/// The keys that hold secrets.
const SECRETS: &[&str] = &["secrets", "api_key", "token"];
/// The keys whose address may hold a password.
const ADDRESSES: &[&str] = &["url"];
/// The lists whose entries are shown as they came to be, not as they were typed.
const ENDPOINTS: &str = "endpoints";

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its key, from the root.
    pub key: String,
    /// What it is, as the file would have it; of a secret how it begins and how long it is.
    pub value: String,
    /// The file or variable that set it, or `default`.
    pub from: String,
}

/// Every value in force, section by section, and what is wrong with the configuration.
#[must_use]
pub fn show(sources: Sources) -> (Vec<Setting>, Option<Mistakes>) {
    let loaded = load(sources.clone());
    let mut reader = Reader::new(Files::new(sources.working_dir.clone()));
    let typed = typed(&sources, &mut reader).unwrap_or_default();
    let (endpoints, others): (Vec<_>, Vec<_>) = typed.into_iter().partition(|(section, _)| section == ENDPOINTS);
    let mut settings = Vec::new();
    others.iter().for_each(|(_, item)| leaves(item, &mut settings));
    let mistakes = match loaded {
        Ok(config) => {
            settings.extend(of_endpoints(&config, &endpoints, &sources));
            None
        }
        Err(mistakes) => {
            endpoints.iter().for_each(|(_, item)| leaves(item, &mut settings));
            Some(mistakes)
        }
    };
    (settings, mistakes)
}

/// The sections as they were typed, the layers laid down.
fn typed(sources: &Sources, reader: &mut Reader) -> Result<BTreeMap<String, Item>, Reported> {
    let Environment { layers, .. } = environment::read(&sources.environment, reader);
    let file = file(sources.config_file.as_deref(), reader).unwrap_or_default();
    let defaults = reader.keep(Layer::defaults(DEFAULTS))?;
    let merged = reader.keep(layers::merge(std::iter::once(defaults).chain(file).chain(layers).collect()))?;
    reader.keep(merged.map())
}

/// The values inside of an item, each with its key.
fn leaves(item: &Item, settings: &mut Vec<Setting>) {
    match &item.node {
        Node::Table(items) => items.values().for_each(|item| leaves(item, settings)),
        Node::List(items) if items.iter().any(|item| matches!(item.node, Node::Table(_))) => {
            items.iter().for_each(|item| leaves(item, settings));
        }
        Node::Text(_) | Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::List(_) | Node::Nothing => {
            settings.push(Setting { key: item.key.clone(), value: value(item), from: from(&item.place) });
        }
    }
}

fn from(place: &Place) -> String {
    match place {
        Place::Defaults => "default".to_owned(),
        Place::File(path) => path.clone(),
        Place::Variable(name) => name.clone(),
    }
}

/// What an item holds, as it may be shown.
fn value(item: &Item) -> String {
    let name = item.key.rsplit('.').next().unwrap_or_default();
    let name = name.split('[').next().unwrap_or_default();
    let text = match &item.node {
        Node::Text(text) if SECRETS.contains(&name) => return masked(text),
        Node::Text(text) if ADDRESSES.contains(&name) => without_password(text),
        Node::Text(text) => text.clone(),
        Node::Boolean(yes) => return yes.to_string(),
        Node::Integer(number) => return number.to_string(),
        Node::Float(number) => return number.to_string(),
        Node::List(items) => return list(items.iter().map(value)),
        Node::Table(items) => return list(items.iter().map(|(name, item)| format!("{name} = {}", value(item)))),
        Node::Nothing => return "nothing".to_owned(),
    };
    format!("{text:?}")
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn masked(text: &str) -> String {
    let one = |text: &str| Secret::parse(text).map_or_else(|_| "unusable".to_owned(), |secret| secret.masked());
    text.split(',').map(|text| one(text.trim())).collect::<Vec<_>>().join(", ")
}

/// An address without what may open it.
fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else { return "hidden: it cannot be read".to_owned() };
    let has_password = url.password().is_some();
    // Settings may hold a password, too.
    let has_settings = url.query().is_some();
    url.set_query(None);
    let hidden = has_password.then(|| url.set_password(Some("hidden"))).transpose();
    match hidden {
        Ok(_) if has_settings => format!("{url}?..."),
        Ok(_) => url.into(),
        Err(()) => "hidden".to_owned(),
    }
}

/// The endpoints as they came to be: each key with the value that holds, and where that is from.
fn of_endpoints(config: &Config, typed: &[(String, Item)], sources: &Sources) -> Vec<Setting> {
    let typed = typed.first().map(|(_, item)| item.clone()).and_then(|item| item.list().ok()).unwrap_or_default();
    let mut settings = Vec::new();
    for (index, endpoint) in config.endpoints.iter().enumerate() {
        let own = typed.get(index).cloned().and_then(|item| item.map().ok()).unwrap_or_default();
        for (name, value) in values(endpoint) {
            let file = own.get(name).or_else(|| own.get(&format!("{name}_file") as &str));
            let from = file.map_or_else(|| of_none(config, endpoint, name, sources), |item| from(&item.place));
            settings.push(Setting { key: format!("endpoints[{:?}].{name}", endpoint.name), value, from });
        }
    }
    settings
}

/// Where a value is from that the endpoint itself does not set.
fn of_none(config: &Config, endpoint: &Endpoint, name: &str, sources: &Sources) -> String {
    let variables = crate::providers::provider(endpoint.provider).descriptor().variables;
    let of_business = config.business(&endpoint.business).is_some_and(|business| match name {
        "product_id" => business.product_id.is_some(),
        "test_product_id" => business.test_product_id.is_some(),
        _ => false,
    });
    let by_variable = variables.iter().find(|variable| sources.environment.contains_key(**variable));
    match (name, by_variable) {
        ("secrets" | "provider", Some(variable)) => (*variable).to_owned(),
        ("api_key", _) => "secrets".to_owned(),
        _ if of_business => format!("business {}", endpoint.business),
        _ => "default".to_owned(),
    }
}

/// One of a key's own words, as the file writes it.
fn code(word: &impl Serialize) -> String {
    serde_json::to_string(word).unwrap_or_default()
}

/// What holds for an endpoint, by key; keys without a value are left out.
fn values(endpoint: &Endpoint) -> Vec<(&'static str, String)> {
    let Endpoint { name, provider, secrets, signature_tolerance, allowed_ips, business, account, api_key, .. } =
        endpoint;
    let rules = &endpoint.rules;
    let text = |text: &str| format!("{text:?}");
    let map = |map: Vec<(String, String)>| {
        format!("{{{}}}", map.iter().map(|(k, v)| format!("{k} = {v:?}")).collect::<Vec<_>>().join(", "))
    };
    let descriptor = crate::providers::provider(*provider).descriptor();
    let mut values = vec![
        ("provider", text(provider.code())),
        ("name", text(name)),
        ("secrets", secrets.iter().map(Secret::masked).collect::<Vec<_>>().join(", ")),
        ("business", text(business)),
    ];
    values.extend(rules.product_id.as_deref().map(|id| ("product_id", text(id))));
    values.extend(rules.test_product_id.as_deref().map(|id| ("test_product_id", text(id))));
    values.extend([
        ("products", map(rules.products.clone().into_iter().collect())),
        ("unmapped", code(&rules.unmapped)),
        ("referral_code_from", list(rules.referral_code_from.iter().map(|rule| text(&rule.to_string())))),
        ("commission_base", text(rules.commission_base.code)),
        (
            "minimum_amount",
            map(rules.minimum_amount.iter().map(|(c, amount)| (c.to_string(), amount.to_string())).collect()),
        ),
    ]);
    values.extend(api_key.as_ref().map(|key| ("api_key", key.masked())));
    values.push(("api_base_url", text(&endpoint.api_base_url)));
    values.extend(descriptor.settings.iter().filter_map(|setting| {
        let word = setting.words.iter().find(|word| rules.settings.holds(setting, word))?;
        Some((setting.key, text(word)))
    }));
    let tolerance = ("signature_tolerance_s", signature_tolerance.as_secs().to_string());
    values.extend(descriptor.dates_signatures.then_some(tolerance));
    values.extend(account.as_deref().map(|account| ("account", text(account))));
    values.push(("allowed_ips", list(allowed_ips.iter().map(|network| text(&network.to_string())))));
    values
}
