//! What asks the providers for a sale that is not known here: the commands that compare and fetch, with what is known of it
//! filled in.

use jiff::Timestamp;

use super::Shared;
use super::keys::Caller;
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::providers::provider;
use crate::store::story::StoryEvent;

/// The commands, for each endpoint whose sale it may be and whose provider can be asked: for those that `events` came to, if
/// there are any. They name the month in which the first of them came, else this one.
pub(super) fn commands(state: &Shared, caller: &Caller, events: &[StoryEvent]) -> Vec<String> {
    let around = events.iter().map(|told| told.event.received_at).min().unwrap_or_else(|| state.clock.now());
    let is_seen = |endpoint: &&Endpoint| caller.who.sees(&endpoint.business);
    let heard = |endpoint: &&Endpoint| events.is_empty() || events.iter().any(|e| e.event.endpoint == endpoint.name);
    let asked = state.endpoints.iter().filter(is_seen).filter(heard);
    asked.flat_map(|endpoint| of_endpoint(endpoint, &state.endpoints, around)).collect()
}

fn of_endpoint(endpoint: &Endpoint, all: &[Endpoint], around: Timestamp) -> Vec<String> {
    if provider(endpoint.provider).lists().is_none() || endpoint.api_key.is_none() {
        return Vec::new();
    }
    let of_kind = |kind: ProviderKind| all.iter().filter(|other| other.provider == kind).count();
    let named = if of_kind(endpoint.provider) > 1 { format!(" --endpoint {}", endpoint.name) } else { String::new() };
    let (code, first) = (endpoint.provider.code(), endpoint.rules.day(around).first_of_month());
    vec![
        format!("refairn-bridge reconcile {code}{named} --month {}", first.strftime("%Y-%m")),
        format!("refairn-bridge backfill {code}{named} --since {first}"),
    ]
}
