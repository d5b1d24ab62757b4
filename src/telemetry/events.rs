//! Everything that happens, one function each: it logs a message that can be read alone, and counts.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::alert::{AlertItem, AlertKind};
use crate::domain::backfill::BackfillId;
use crate::domain::delivery::{Settlement, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{EventId, Recorded};
use crate::domain::fact::{FactKind, Reading};
use crate::domain::mode::Mode;
use crate::domain::redact::without_addresses;
use crate::store::{Crowd, Home, Leased, Lookup, LookupEnd, Mapped, StoreError};
use crate::telemetry::lines::Line;
use crate::telemetry::metrics::METRICS;

/// A webhook was recorded, or had been before.
pub fn received(endpoint: &Endpoint, event_type: &str, recorded: Recorded) {
    let outcome = if recorded.duplicate { "duplicate" } else { "recorded" };
    METRICS.door.webhooks.with_label_values(&[endpoint.name.as_str(), outcome]).inc();
    tracing::debug!(endpoint = endpoint.name, event = %recorded.id, event_type, outcome, "webhook {outcome}");
}

/// A webhook that is on disk was answered.
pub fn answered(took: Duration) {
    METRICS.door.webhook_seconds.observe(took.as_secs_f64());
}

/// The first webhook ever came to an endpoint in this mode.
pub fn first_webhook(endpoint: &Endpoint, mode: Mode, event: EventId) {
    let (name, mode) = (&endpoint.name, mode.code());
    tracing::info!(endpoint = name, mode, %event, "the first {mode} webhook came to endpoint {name}, and was recorded as {event}");
}

/// A request to a webhook endpoint was refused; at none when it met none. A flood must not fill the log: only what has a
/// `line` is written, and all is counted.
pub fn refused(endpoint: Option<&str>, reason: &'static str, source: Option<IpAddr>, line: Option<Line>) {
    let endpoint = endpoint.unwrap_or_default();
    METRICS.door.webhooks.with_label_values(&[endpoint, reason]).inc();
    if let Some(line) = line {
        tracing::warn!(endpoint, reason, source = source.map(tracing::field::display), "webhook refused: {reason}");
        only_counted_after(line);
    }
}

/// A connection ended before a request of it was read, or before its answer was.
pub fn disconnected(reason: &'static str, source: IpAddr, line: Option<Line>) {
    METRICS.door.disconnected.with_label_values(&[reason]).inc();
    if let Some(line) = line {
        tracing::warn!(reason, %source, "connection ended: {reason}");
        only_counted_after(line);
    }
}

/// A request to the API or the metrics came without the admin token.
pub fn admin_refused(reason: &'static str, source: Option<IpAddr>, line: Option<Line>) {
    METRICS.door.admin_refused.with_label_values(&[reason]).inc();
    if let Some(line) = line {
        tracing::warn!(reason, source = source.map(tracing::field::display), "admin token refused: {reason}");
        only_counted_after(line);
    }
}

fn only_counted_after(line: Line) {
    if line.is_last {
        tracing::warn!("there are many refusals: further ones of this minute are only counted, in /metrics");
    }
}

/// A request came with X-Forwarded-For from an address that is not among the trusted proxies.
pub fn forwarded_by_a_stranger(peer: IpAddr) {
    tracing::warn!(
        %peer,
        "{peer} sends X-Forwarded-For and is not believed: if it is your proxy, name it in server.trusted_proxies; \
         until then all its senders count as one"
    );
}

/// An event was read.
pub fn mapped(event: &Mapped) {
    let reading = match &event.reading {
        Reading::Fact(fact) => match fact.matter {
            FactKind::Customer(_) => "customer",
            FactKind::Payment(_) => "payment",
            FactKind::Subscription(_) => "subscription",
            FactKind::Reversal(_) => "reversal",
            FactKind::Link(_) => "link",
        },
        Reading::Ignored(reason) => reason.code(),
        Reading::Unmappable(reason, detail) => {
            tracing::warn!(endpoint = event.endpoint, event = %event.id, %reason, detail, "an event could not be read");
            reason.code()
        }
    };
    METRICS.mapped.with_label_values(&[event.endpoint.as_str(), reading]).inc();
    tracing::debug!(endpoint = event.endpoint, event = %event.id, reading, "event read as {reading}");
}

/// A call was made.
pub fn attempted(leased: &Leased, status: Option<u16>, took_ms: u64, verdict: &Verdict) {
    let kind = leased.delivery.call.kind().code();
    let outcome = match verdict {
        Verdict::Settled(Settlement::Delivered(_)) => "delivered",
        Verdict::Settled(Settlement::Duplicate) | Verdict::Conflict => "conflict",
        Verdict::Settled(Settlement::Rejected(reason, _)) => reason.code(),
        Verdict::Settled(Settlement::Retry { .. }) => "retry",
        Verdict::Settled(Settlement::PauseRoute(_)) => "route_paused",
    };
    METRICS.calls.with_label_values(&[kind, outcome]).inc();
    let took = Duration::from_millis(took_ms);
    METRICS.call_seconds.observe(took.as_secs_f64());
    let delivery = leased.delivery.id.map(|id| id.to_string()).unwrap_or_default();
    let attempt = leased.delivery.attempts;
    match verdict {
        Verdict::Settled(Settlement::Delivered(_) | Settlement::Duplicate) | Verdict::Conflict => {
            tracing::info!(delivery, kind, status, took_ms, attempt, "{delivery} {kind}: {outcome}");
        }
        Verdict::Settled(Settlement::Rejected(_, detail) | Settlement::Retry { detail, .. }) => {
            let detail = without_addresses(detail);
            tracing::warn!(delivery, kind, status, took_ms, attempt, outcome, "{delivery} {kind}: {detail}");
        }
        Verdict::Settled(Settlement::PauseRoute(detail)) => {
            let detail = without_addresses(detail);
            let (business, product) = (&leased.key.business, leased.delivery.call.product());
            tracing::error!(delivery, kind, status, business, product, "route {business}/{product} paused: {detail}");
        }
    }
}

/// A call's lease had run out before it was settled.
pub fn lease_lost(leased: &Leased) {
    let delivery = leased.delivery.id.map(|id| id.to_string()).unwrap_or_default();
    tracing::warn!(
        delivery,
        attempt = leased.delivery.attempts,
        "the lease of {delivery} was lost; its call is made again"
    );
}

/// The provider was asked for what an event lacks, or there was nothing to ask; `outcome` is how that went.
pub fn looked_up(lookup: &Lookup, outcome: &'static str, end: &LookupEnd) {
    let Lookup { event, endpoint, attempt, .. } = lookup;
    let outcome = if matches!(end, LookupEnd::Recorded(_)) { "recorded" } else { outcome };
    METRICS.lookups.with_label_values(&[endpoint.as_str(), outcome]).inc();
    match end {
        LookupEnd::Recorded(answer) => {
            tracing::info!(endpoint, %event, %answer, attempt, "what {event} lacks was looked up and recorded as {answer}");
        }
        LookupEnd::Open { note, .. } => {
            let note = without_addresses(note);
            tracing::info!(endpoint, %event, attempt, outcome, "what {event} lacks was not found: {note}");
        }
    }
}

/// A provider refuses the API key of an endpoint. Told once, until it answers again.
pub fn lookups_refused(endpoint: &str, message: &str) {
    let message = without_addresses(message);
    tracing::error!(endpoint, "look-ups of endpoint {endpoint} pause for ten minutes: {message}; check its api_key");
}

/// What a provider lists was read and tried out.
pub fn backfill_ready(endpoint: &str, backfill: BackfillId) {
    tracing::info!(endpoint, %backfill, "{backfill} of endpoint {endpoint} has read its lists, and waits to be recorded");
}

/// What a provider lists was recorded.
pub fn backfill_done(endpoint: &str, backfill: BackfillId, events: u64) {
    tracing::info!(endpoint, %backfill, events, "{backfill} of endpoint {endpoint} is done: {events} events are recorded");
}

/// What a provider lists cannot be read.
pub fn backfill_failed(endpoint: &str, backfill: BackfillId, why: &str) {
    let why = without_addresses(why);
    tracing::error!(endpoint, %backfill, "{backfill} of endpoint {endpoint} failed, and recorded nothing more: {why}");
}

/// What a provider lists was compared with what we have. A difference is a line for itself.
pub fn reconciled(endpoint: &str, provider: &str, to_see: u64) {
    let outcome = if to_see == 0 { "alike" } else { "different" };
    METRICS.reconciliations.with_label_values(&[endpoint, outcome]).inc();
    if to_see == 0 {
        tracing::info!(endpoint, "endpoint {endpoint}: what {provider} lists and what the bridge has are alike");
    } else {
        tracing::warn!(
            endpoint,
            to_see,
            "endpoint {endpoint}: {to_see} payments at {provider} need a look: see the page Payments, or run reconcile"
        );
    }
}

/// What a provider lists cannot be compared.
pub fn reconciliation_failed(endpoint: &str, why: &str) {
    METRICS.reconciliations.with_label_values(&[endpoint, "failed"]).inc();
    let why = without_addresses(why);
    tracing::error!(endpoint, "the reconciliation of endpoint {endpoint} failed: {why}");
}

/// A customer has very many events. Told once for each customer.
pub fn crowded(crowd: Crowd) {
    let Crowd { event, facts } = crowd;
    METRICS.crowds.inc();
    tracing::warn!(
        %event,
        facts,
        "the customer of {event} has {facts} events, and each further one takes longer: does one address stand for many buyers?"
    );
}

/// The store was opened. That it is a new one is said once, so that nobody waits in vain for what an old one holds.
pub fn store_opened(home: &Home) {
    let Home { place, is_new, others } = home;
    if *is_new {
        tracing::info!(place, "a new, empty store was made: {place}");
    }
    for other in others {
        tracing::warn!(
            place,
            other,
            "schema {other} of the same database holds another store; this bridge uses {place}"
        );
    }
}

/// An endpoint belongs to another account than before, by the configuration: what is stored of it was moved there.
pub fn rescoped(endpoint: &str) {
    tracing::info!(
        endpoint,
        "endpoint {endpoint}: what is stored of it now belongs to the account that `account` names"
    );
}

/// An update changed the rules: what was still to be sent was worked out anew.
pub fn planned_anew(customers: usize) {
    tracing::info!(customers, "the calls of {customers} customers were worked out anew after an update");
}

/// A read or write of the store failed.
pub fn store_failed(operation: &'static str, error: &StoreError) {
    METRICS.store_failures.with_label_values(&[operation]).inc();
    tracing::error!(operation, "cannot {operation}: {error}");
}

/// Waits were ended that would only have begun later than it is.
pub fn waits_ended(waits: u64) {
    tracing::warn!(waits, "the clock was ahead, and waits that began by it are over: {waits}");
}

/// The clock that the store goes by was set, or this machine has slept.
pub fn clock_was_set(by: jiff::SignedDuration) {
    let span = by.unsigned_abs();
    let how = if by.is_negative() { "back" } else { "forward" };
    tracing::warn!(set_by_s = by.as_secs_f64(), "the clock was set {how} by {span:.1?}");
}

/// This machine's clock is ahead of the store's by `skew`, or behind. `should_log`: that is too much, and was not before.
pub fn clocks_stand_apart(skew: jiff::SignedDuration, should_log: bool) {
    let skew_s = skew.as_secs_f64();
    METRICS.clock_skew.set(skew_s);
    if should_log {
        tracing::warn!(skew_s, "{}", apart(skew));
    }
}

/// That this machine's clock is ahead of the database's by `skew`, or behind it; and what to do.
#[must_use]
pub fn apart(skew: jiff::SignedDuration) -> String {
    let span = skew.unsigned_abs();
    let how = if skew.is_negative() { "behind" } else { "ahead of" };
    format!(
        "this machine's clock is {span:.1?} {how} the database's: calls go out by the database's, and signatures are checked \
         by this machine's; synchronise both (NTP)"
    )
}

/// An event has been the first of the inbox for a minute.
pub fn nobody_reads(event: EventId) {
    tracing::warn!(%event, "{event} has waited to be read for more than a minute, and all calls of what came in later wait too");
}

/// Something began that somebody has to know.
pub fn began(item: &AlertItem) {
    let (kind, about) = (item.kind.code(), &item.item);
    tracing::warn!(kind, about, "{}", without_addresses(&item.text));
}

/// It is over.
pub fn is_over(kind: AlertKind, about: &str) {
    tracing::info!(kind = kind.code(), about, "it is over: {about}");
}

/// A message about it was sent to a place, or did not arrive.
pub fn told(place: &'static str, kind: AlertKind, about: &str, failed: Option<&str>) {
    let kind = kind.code();
    match failed {
        None => tracing::info!(place, kind, about, "{place} was told: {about}"),
        Some(why) => {
            let why = without_addresses(why);
            tracing::warn!(place, kind, about, "{place} could not be told, and is tried again: {about}: {why}");
        }
    }
}

/// Something panicked: a defect of ours. `at` is its place in the code.
pub(super) fn panicked(thread: &str, at: &str) {
    METRICS.panics.inc();
    tracing::error!(thread, at, "a defect of the bridge: the thread {thread:?} panicked at {at}; please report it");
}

/// Lines of the log were lost, and now it can be written again.
pub(super) fn log_lines_dropped(lines: u64) {
    tracing::warn!(lines, "{lines} lines of the log are lost: they could not be written, or not as fast as they came");
}

/// A customer was forgotten, for whose address this stands from now on.
pub fn forgotten(pseudonym: &str) {
    let hash = pseudonym.split('@').next().unwrap_or_default();
    tracing::info!(hash, "a customer was forgotten; {hash} stands for the address");
}

/// Customers were forgotten, because nothing was heard of them for long.
pub fn old_customers_forgotten(customers: u64) {
    tracing::info!(
        customers,
        "{customers} customers were forgotten: nothing came in of them for storage.customers_retention_days"
    );
}

/// Some tasks did not end in time.
pub fn stopped_in_haste() {
    tracing::warn!("some tasks did not end in time; what they were doing is taken up again at the next start");
}
