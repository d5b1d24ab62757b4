//! The webhook endpoints: those of `[[endpoints]]`, and those that a provider's variable alone makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::businesses::Draft;
use super::mistake::Mistake;
use super::place::Place;
use super::raw::{Item, Node, Reader, Reported};
use super::rules;
use super::table::{Table, all};
use super::urls;
use super::warnings::Warning;
use crate::domain::endpoint::Endpoint;
use crate::domain::mode::Mode;
use crate::domain::provider::ProviderKind;
use crate::domain::secret::Secret;
use crate::providers::{self, Descriptor};

/// How far a signature's time may be from ours unless the endpoint says otherwise.
const SIGNATURE_TOLERANCE: Duration = Duration::from_secs(300);
/// Longest name: it is part of a URL and of log lines.
const NAME_CHARS_MAX: usize = 64;

/// How often lists may be compared by themselves: each time they are read anew.
const RECONCILE_EVERY_MIN: Duration = Duration::from_secs(3600);
/// A month that is not compared is forgotten.
const RECONCILE_EVERY_MAX: Duration = Duration::from_secs(31 * 86_400);

/// What endpoints are read beside.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The businesses, unless they could not be read at all.
    pub(super) businesses: Option<&'a [Draft]>,
    /// The zone of every endpoint.
    pub(super) time_zone: &'a TimeZone,
}

/// An endpoint as far as it could be read.
struct EndpointDraft {
    path: String,
    place: Place,
    provider: Result<ProviderKind, Reported>,
    /// Nothing as long as the file gives none.
    secrets: Result<Option<Vec<Secret>>, Reported>,
    /// What the secrets' messages call them.
    secrets_key: String,
    /// The file that the configuration names for them.
    secret_file: Option<PathBuf>,
    /// It says itself that it is for tests.
    is_for_tests: bool,
    /// Complete except for its secrets.
    endpoint: Result<Endpoint, Reported>,
}

impl EndpointDraft {
    /// Of which nothing could be read.
    const fn unreadable(path: String, place: Place, secrets_key: String) -> Self {
        let (provider, secrets, endpoint) = (Err(Reported), Err(Reported), Err(Reported));
        Self { path, place, provider, secrets, secrets_key, secret_file: None, is_for_tests: false, endpoint }
    }
}

/// Reads the endpoints, and gives the secrets of `variables` to those they belong to.
pub(super) fn endpoints(
    items: Vec<Item>,
    mut variables: Table,
    context: Context<'_>,
    reader: &mut Reader,
) -> Result<Vec<Endpoint>, Reported> {
    let mut found: Vec<EndpointDraft> = items.into_iter().map(|item| endpoint(item, context, reader)).collect();
    for provider in ProviderKind::ALL {
        match variables.secrets(descriptor(*provider).variables, reader) {
            Ok(None) => {}
            Ok(Some(secrets)) => give(*provider, Ok(secrets), &mut found, context, reader),
            Err(Reported) => give(*provider, Err(Reported), &mut found, context, reader),
        }
    }
    if found.is_empty() {
        let variables = providers::one_of(|kind| descriptor(kind).variables[0]);
        let hint = format!("set {variables}, or write [[endpoints]] into the file");
        reader.note(Mistake::new("endpoints", "there is none, so nothing could be received", hint));
        if let Some(first) = context.businesses.and_then(<[Draft]>::first) {
            let _: Result<(), Reported> = rules::product_of_business(first, reader);
        }
        return Err(Reported);
    }
    let mut endpoints = all(found.into_iter().map(|found| complete(found, reader)))?;
    for (rank, endpoint) in (0..).zip(&mut endpoints) {
        endpoint.rules.rank = rank;
    }
    unique(&endpoints, reader)?;
    Ok(endpoints)
}

/// Gives a variable's secrets to the one endpoint of `provider` that has none; where the file has no endpoint of that
/// provider, the variable alone makes one.
fn give(
    provider: ProviderKind,
    secrets: Result<Vec<Secret>, Reported>,
    found: &mut Vec<EndpointDraft>,
    context: Context<'_>,
    reader: &mut Reader,
) {
    if found.iter().any(|f| f.provider.is_err()) {
        return; // Whose they are is known once every endpoint names its provider.
    }
    let [variable, _] = descriptor(provider).variables;
    let of_provider = |f: &EndpointDraft| f.provider.is_ok_and(|p| p == provider);
    if !found.iter().any(of_provider) {
        let mut made = endpoint(made_by(variable, provider), context, reader);
        made.secrets = secrets.map(Some);
        made.secrets_key = variable.to_owned();
        found.push(made);
        return;
    }
    let paths = |of: &[&mut EndpointDraft]| {
        of.iter().map(|f| format!("{} ({})", f.path, f.place)).collect::<Vec<_>>().join(", ")
    };
    let (mut lacking, others): (Vec<_>, Vec<_>) =
        found.iter_mut().filter(|f| of_provider(f)).partition(|f| matches!(f.secrets, Ok(None)));
    match lacking.as_mut_slice() {
        [one] => {
            one.secrets = secrets.map(Some);
            one.secrets_key = variable.to_owned();
        }
        [] => {
            let cause = format!("every {provider} endpoint has its secrets in the file: {}", paths(&others));
            reader.note(Mistake::new(
                variable,
                cause,
                "unset it, or take the secrets of the one it is for out of the file",
            ));
        }
        several => {
            let cause = format!("it cannot be told whose it is; these have no secrets: {}", paths(several));
            reader.note(Mistake::new(variable, cause, "give all of these but one `secrets` or `secrets_file`"));
            for one in several {
                one.secrets = Err(Reported);
            }
        }
    }
}

/// What the file would hold for an endpoint that a variable alone makes.
fn made_by(variable: &str, provider: ProviderKind) -> Item {
    let place = Place::Variable(variable.to_owned());
    let key = format!("endpoints[{:?}]", provider.code());
    let kind =
        Item { key: format!("{key}.provider"), place: place.clone(), node: Node::Text(provider.code().to_owned()) };
    Item { key, place, node: Node::Table(BTreeMap::from([("provider".to_owned(), kind)])) }
}

/// What may have signed; nothing where the file of it may be missing.
fn secrets(table: &mut Table, file: Option<&Path>, reader: &mut Reader) -> Result<Option<Vec<Secret>>, Reported> {
    if file.is_some_and(|file| reader.may_lack(file)) {
        table.take("secrets_file");
        return Ok(None);
    }
    table.secrets(["secrets", "secrets_file"], reader)
}

fn endpoint(item: Item, context: Context<'_>, reader: &mut Reader) -> EndpointDraft {
    let (path, place) = (item.key.clone(), item.place.clone());
    let secrets_key = format!("{path}.secrets");
    let Ok(mut table) = Table::open(item, reader) else {
        return EndpointDraft::unreadable(path, place, secrets_key);
    };
    let provider =
        table.required("provider", reader, &format!("write {}", providers::one_of(ProviderKind::code)), |item| {
            item.choice::<ProviderKind>()
        });
    let name = table.optional("name", reader, |item| {
        item.parsed(name, &format!("write 1 to {NAME_CHARS_MAX} of the letters a-z, digits, - and _"))
    });
    let secret_file = table.text_of("secrets_file").map(PathBuf::from);
    let secrets = secrets(&mut table, secret_file.as_deref(), reader);
    let api_key = table.secret(["api_key", "api_key_file"], reader);
    let mode = table.optional("mode", reader, |item| item.choice::<Mode>());
    let is_for_tests = matches!(mode, Ok(Some(Mode::Test)));
    let api_base_url = table.optional("api_base_url", reader, |item| {
        item.parsed(urls::base_url, "write https:// and a host, as the provider's own https://api.stripe.com")
    });
    let reconcile_every = table
        .optional("reconcile_every", reader, |item| item.parsed(every, "write 1 hour to 31 days, such as \"1 day\""));
    let tolerance_s = table.optional("signature_tolerance_s", reader, |item| {
        rules::meant_for(provider, item, |descriptor| descriptor.dates_signatures)?;
        item.integer(&(10..=86_400))
    });
    let account = table.optional("account", reader, |item| {
        item.parsed(self::name, &format!("write 1 to {NAME_CHARS_MAX} of the letters a-z, digits, - and _"))
    });
    let allowed_ips = table.each("allowed_ips", reader, Item::network);
    let business = business(&mut table, &place, context, reader);
    let of_variable = matches!(place, Place::Variable(_));
    let rules = rules::rules(&mut table, provider, business.ok(), of_variable, context.time_zone, reader);
    table.close(reader);
    let api_key = api_key.and_then(|key| match (key, provider) {
        (Some(key), Ok(provider)) => {
            let modes = modes(provider, mode?, secrets.as_ref().ok().and_then(Option::as_deref));
            sound_api_key(provider, &path, key, &modes, reader).map(Some)
        }
        (key, _) => Ok(key),
    });
    let read = move || {
        let provider = provider?;
        Ok(Endpoint {
            name: name?.unwrap_or_else(|| provider.code().to_owned()),
            provider,
            secrets: Vec::new(),
            signature_tolerance: tolerance_s?.map_or(SIGNATURE_TOLERANCE, |s| Duration::from_secs(u64::from(s))),
            allowed_ips: allowed_ips?.unwrap_or_default(),
            business: business?.id.clone()?,
            ids: descriptor(provider).ids,
            account: account?,
            api_key: api_key?,
            api_base_url: api_base_url?.unwrap_or_else(|| descriptor(provider).api_base_url.to_owned()),
            reconcile_every: reconcile_every?,
            rules: rules?,
        })
    };
    EndpointDraft { path, place, provider, secrets, secrets_key, secret_file, is_for_tests, endpoint: read() }
}

/// The business an endpoint's sales belong to. Where there are several, the file has to say which.
fn business<'a>(
    table: &mut Table,
    place: &Place,
    context: Context<'a>,
    reader: &mut Reader,
) -> Result<&'a Draft, Reported> {
    let key = table.key("business");
    let named = table.take("business");
    let Some(businesses) = context.businesses else { return Err(Reported) };
    let ids = || businesses.iter().filter_map(|b| b.id.as_deref().ok()).collect::<Vec<_>>().join(", ");
    let Some(item) = named else {
        let made_by_variable = matches!(place, Place::Variable(_));
        return match businesses {
            [first, ..] if made_by_variable || businesses.len() == 1 => Ok(first),
            [] => Err(Reported),
            [..] => {
                let cause = "it is missing, and there are several businesses";
                Err(reader.note(Mistake::new(key, cause, format!("write the id of one of them: {}", ids()))))
            }
        };
    };
    let id = reader.keep(item.id())?;
    let found = businesses.iter().find(|b| b.id.as_ref().is_ok_and(|known| *known == id));
    if found.is_none() && businesses.iter().any(|b| b.id.is_err()) {
        return Err(Reported); // The name may be of a business whose own id has a mistake.
    }
    found.ok_or_else(|| {
        reader.note(item.mistake(format!("there is no business {id:?}"), format!("write one of: {}", ids())))
    })
}

/// An endpoint with its secrets.
fn complete(found: EndpointDraft, reader: &mut Reader) -> Result<Endpoint, Reported> {
    if let (Ok(endpoint), Some(file)) = (&found.endpoint, &found.secret_file) {
        reader.secrets_are_in(&endpoint.name, file);
    }
    let lacks = found.secret_file.as_deref().is_some_and(|file| reader.may_lack(file));
    let secrets = match (found.secrets, found.provider) {
        (Ok(None), Ok(_)) if lacks => Ok(Vec::new()),
        (Ok(Some(secrets)), Ok(provider)) => {
            all(secrets.into_iter().map(|secret| sound_secret(provider, &found.secrets_key, secret, reader)))
        }
        (Ok(None), Ok(provider)) => {
            let [variable, _] = descriptor(provider).variables;
            let hint = format!("write secrets or secrets_file, or set {variable}");
            Err(reader.note(Mistake::new(found.secrets_key, "it is missing: anybody could sign", hint)))
        }
        (Ok(_), Err(Reported)) | (Err(Reported), _) => Err(Reported),
    };
    let mut endpoint = found.endpoint?;
    endpoint.secrets = secrets?;
    if !found.is_for_tests
        && modes(endpoint.provider, None, Some(&endpoint.secrets)).iter().all(|mode| *mode == Mode::Test)
    {
        let cause = "every key is of test mode, so each live sale will be refused";
        let cure = "add the live key, or write mode = \"test\" if the endpoint is for tests only";
        reader.warn(Warning::new(format!("endpoint {}", endpoint.name), cause, cure));
    }
    if endpoint.api_key.is_none() && descriptor(endpoint.provider).secret.are_api_keys {
        endpoint.api_key = endpoint.secrets.first().cloned();
    }
    if endpoint.reconcile_every.is_some() && endpoint.api_key.is_none() {
        let hint = "give it an api_key that may read lists, or take reconcile_every out";
        let cause = "the endpoint has no api_key, with which its provider could be asked";
        return Err(reader.note(Mistake::new(format!("{}.reconcile_every", found.path), cause, hint)));
    }
    Ok(endpoint)
}

/// Refuses what is plainly another kind of key, which would refuse every genuine request.
fn sound_secret(provider: ProviderKind, key: &str, secret: Secret, reader: &mut Reader) -> Result<Secret, Reported> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| secret.expose().starts_with(prefix));
    let providers::Secrets { other_prefixes, hint, .. } = descriptor(provider).secret;
    if starts(other_prefixes) {
        return Err(reader.note(Mistake::new(key, "it is another kind of key: no webhook is signed with it", hint)));
    }
    Ok(secret)
}

/// The modes that an endpoint is for: that which it says, else those that its secrets say, where they do.
fn modes(provider: ProviderKind, own: Option<Mode>, secrets: Option<&[Secret]>) -> Vec<Mode> {
    let of_secrets = secrets.filter(|_| descriptor(provider).secret.are_api_keys).unwrap_or_default();
    let of_secrets: Vec<Mode> =
        of_secrets.iter().filter_map(|secret| descriptor(provider).mode_of_key(secret.expose())).collect();
    match (own, of_secrets.is_empty()) {
        (Some(own), _) => vec![own],
        (None, false) => of_secrets,
        (None, true) => vec![Mode::Live, Mode::Test],
    }
}

/// Refuses what is plainly no API key.
///
/// A key of another mode than the endpoint's would look for real customers among tests, or the other way round.
fn sound_api_key(
    provider: ProviderKind,
    path: &str,
    key: Secret,
    modes: &[Mode],
    reader: &mut Reader,
) -> Result<Secret, Reported> {
    if let Some(mode) = descriptor(provider).mode_of_key(key.expose()).filter(|mode| !modes.contains(mode)) {
        let cause = format!("it is a key of {} mode, and the endpoint is not", mode.code());
        let hint = "give the key of the endpoint's own mode, or an endpoint of its own to the other mode";
        return Err(reader.note(Mistake::new(format!("{path}.api_key"), cause, hint)));
    }
    if ["whsec_", "pk_"].iter().any(|prefix| key.expose().starts_with(prefix)) {
        let hint = format!("copy a secret or restricted key from {provider}'s dashboard");
        return Err(reader.note(Mistake::new(
            format!("{path}.api_key"),
            "it is another kind of key: no look-up accepts it",
            hint,
        )));
    }
    Ok(key)
}

/// What a provider is.
fn descriptor(kind: ProviderKind) -> &'static Descriptor {
    providers::provider(kind).descriptor()
}

/// An endpoint's name.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if text.len() > NAME_CHARS_MAX || !text.chars().all(allowed) {
        return Err("it cannot be part of a URL as it is".to_owned());
    }
    Ok(text.to_owned())
}

/// A span between two comparisons.
fn every(text: &str) -> Result<Duration, String> {
    let span: jiff::Span = text.parse().map_err(|_| "it is no span".to_owned())?;
    let span = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "it is no span of hours or days".to_owned())?;
    let span = Duration::try_from(span).map_err(|_| "it is less than nothing".to_owned())?;
    if !(RECONCILE_EVERY_MIN..=RECONCILE_EVERY_MAX).contains(&span) {
        return Err("it is out of bounds".to_owned());
    }
    Ok(span)
}

fn unique(endpoints: &[Endpoint], reader: &mut Reader) -> Result<(), Reported> {
    let mut seen = BTreeMap::new();
    let mut outcome = Ok(());
    for Endpoint { name, provider, .. } in endpoints {
        if let Some(other) = seen.insert(name, provider) {
            let cause = format!("two endpoints have this name, one of {other} and one of {provider}");
            let hint = "give one of them another `name`; without one an endpoint is called like its provider";
            outcome = Err(reader.note(Mistake::new(format!("endpoints[{name:?}].name"), cause, hint)));
        }
    }
    outcome
}
