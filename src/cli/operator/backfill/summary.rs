//! What a backfill would come to, as a person reads it before anything is told.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::{Backfill, explain};
use crate::cli::operator::when;
use crate::cli::output;
use crate::domain::backfill::{BackfillCall, BackfillSummary, CallFate, EventSum};
use crate::domain::money::Money;
use crate::domain::reason::{DeliveryReason, EventReason, Reason};

/// States of an event that report nothing new.
const KNOWN: [&str; 2] = ["known", "already_reported"];

/// All of it.
pub(super) fn text(backfill: &Backfill, summary: &BackfillSummary) -> String {
    let mut rows = vec![
        row("period", period(backfill)),
        row("found", format!("{} rows at the provider, on {} pages", backfill.found, backfill.requests)),
        row("known", format!("{} stay as they are", backfill.known + known(summary))),
        row("of no use", format!("{} report nothing, or a payment of another time", backfill.ignored)),
    ];
    for fate in CallFate::ALL {
        let of_fate = summary.calls.iter().filter(|sum| sum.fate == *fate);
        rows.extend(
            of_fate.map(|sum| row(fate.words(), if *fate == CallFate::Told { what(sum) } else { with_reason(sum) })),
        );
    }
    rows.extend(summary.events.iter().filter_map(waits));
    rows.extend(not_listed(backfill.unlisted_accounts).map(|what| row("not listed", what)));
    let note = "\nWhat an old payment date does to the time for which Refairn holds a commission\n\
                is not published: ask Refairn before you tell it months.";
    output::columns(rows, 0) + if summary.tells_payments() { note } else { "" }
}

/// The days that were asked for, where payments have their days; and the same in UTC, by which the provider lists.
fn period(backfill: &Backfill) -> String {
    let Backfill { since, until, .. } = backfill;
    let zone = TimeZone::get(&backfill.time_zone).unwrap_or(TimeZone::UTC);
    let day = |at: &Timestamp| at.to_zoned(zone.clone()).date();
    let days = format!("{} to {} (days in ", day(since), day(until));
    match zone.iana_name() {
        Some(name) if name != "UTC" => format!("{days}{name}: {} to {})", when(*since), when(*until)),
        Some(_) | None => format!("{days}UTC)"),
    }
}

/// Connected accounts are accounts of their own, whose sales only a key of theirs lists.
pub(in crate::cli::operator) fn not_listed(accounts: u64) -> Option<String> {
    let (has, whose) = if accounts == 1 { ("account has", "its") } else { ("accounts have", "their") };
    (accounts > 0)
        .then(|| format!("{accounts} connected {has} sent webhooks; {whose} sales are not listed with this key"))
}

fn row(label: &str, what: String) -> [String; 2] {
    [label.to_owned(), what]
}

/// Events that another has told.
fn known(summary: &BackfillSummary) -> u64 {
    let is_known =
        |sum: &&EventSum| KNOWN.iter().any(|known| sum.state == *known || sum.reason.as_deref() == Some(known));
    summary.events.iter().filter(is_known).map(|sum| sum.count).sum()
}

/// Calls, and what their payments add up to.
fn what(sum: &BackfillCall) -> String {
    let count = sum.kind.counted(sum.count);
    match (sum.amount, sum.currency) {
        (Some(amount), Some(currency)) => format!("{count}, {}", Money::new(amount, currency).in_full()),
        (Some(_) | None, _) => count,
    }
}

fn with_reason(sum: &BackfillCall) -> String {
    let reason = sum.reason.as_deref().unwrap_or_default();
    let words = reason.parse::<DeliveryReason>().ok().and_then(|reason| explain(Some(Reason::from(reason)), None));
    let words = words.map_or_else(String::new, |words| format!(": {words}"));
    if reason.is_empty() { what(sum) } else { format!("{} - {reason}{words}", what(sum)) }
}

/// Events that lack something, or cannot be read.
fn waits(sum: &EventSum) -> Option<[String; 2]> {
    let EventSum { stage, state, reason, count } = sum;
    if !["waiting", "unmappable"].contains(&state.as_str()) {
        return None;
    }
    let reason = reason.as_deref().unwrap_or_default();
    let words = reason.parse::<EventReason>().ok().and_then(|reason| explain(Some(Reason::from(reason)), None));
    Some(row(state, format!("{count} {stage} - {reason}: {}", words.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(time_zone: &str, since: &str, until: &str) -> Backfill {
        serde_json::from_value(serde_json::json!({
            "id": "bkf_1", "endpoint": "stripe", "since": since, "until": until, "time_zone": time_zone,
            "state": "ready", "note": null, "due_at": since, "requests": 1, "found": 0, "known": 0, "ignored": 0,
            "recorded": 0, "summary": null, "created_at": since
        }))
        .expect("a backfill")
    }

    #[test]
    fn a_period_is_told_in_the_days_that_were_asked_for() {
        let of_lagos = of("Africa/Lagos", "2026-09-30T23:00:00Z", "2026-10-31T22:59:59.999999Z");
        let expected = "2026-10-01 to 2026-10-31 (days in Africa/Lagos: 2026-09-30 23:00:00Z to 2026-10-31 22:59:59Z)";
        assert_eq!(period(&of_lagos), expected);
        let of_utc = of("UTC", "2026-10-01T00:00:00Z", "2026-10-31T23:59:59.999999Z");
        assert_eq!(period(&of_utc), "2026-10-01 to 2026-10-31 (days in UTC)");
        assert_eq!(period(&Backfill { time_zone: String::new(), ..of_utc.clone() }), period(&of_utc));
    }
}
