//! `status`: does it flow, and is a person needed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Api, Bridge, when};
use crate::api::{LastWebhook, Route, Stats};
use crate::cli::output::{Piece, Tone, columns, toned};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};
use crate::clock::Clock;
use crate::domain::reason::{DeliveryReason, EventReason};

/// What is said before the first webhook: that there is nothing to do would say that all is well.
const NOTHING_CAME: &str = "no webhook has come yet: refairn-bridge check says what to paste at each provider's";

/// Say whether money flows, and whether a person is needed
///
/// Exit code 0: there is nothing to do. 1: a person is needed. 2: it could not be
/// found out.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
}

/// Runs the command.
///
/// # Errors
/// Standard output cannot be written.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        match ask(&args.bridge).await {
            Ok(stats) => show(&args.bridge, &stats),
            Err(error) => {
                output::report(&error);
                Ok(Verdict::Unknown)
            }
        }
    })
}

/// The numbers of a bridge.
pub(in crate::cli) async fn ask(bridge: &Bridge) -> anyhow::Result<Stats> {
    Api::new(bridge)?.ask(false, &["stats"], &[]).await
}

fn show(bridge: &Bridge, stats: &Stats) -> anyhow::Result<Verdict> {
    let now = Clock::system().now();
    let needs = needs(stats, now);
    if bridge.json {
        output::json(stats)?;
    } else {
        output::data(&columns(rows(stats, &needs, now), 0))?;
    }
    Ok(if needs.is_empty() { Verdict::Fine } else { Verdict::NotFine })
}

/// What needs a person, a sentence each.
pub(in crate::cli) fn needs(stats: &Stats, now: Timestamp) -> Vec<String> {
    let mut needs = Vec::new();
    for (reason, n) in stats.attention.iter().filter(|(_, n)| **n > 0) {
        needs.push(format!("{n} {reason}: {}", cure(reason)));
    }
    for route in stats.paused() {
        needs.push(format!("calls for {} wait: {}", name(route), route.detail.as_deref().unwrap_or("paused")));
    }
    for last in stats.reconciliations.iter().filter(|last| last.differences > 0) {
        let (payments, endpoint, at) = (output::counted(last.differences, "payment"), &last.endpoint, when(last.at));
        needs.push(format!(
            "{payments} of endpoint {endpoint} to be looked at, as compared with its provider at {at}: run reconcile"
        ));
    }
    if let Some(since) = stats.unread_for_long(now) {
        needs.push(format!("an event has waited to be read since {}: see the bridge's log", when(since)));
    }
    needs
}

fn name(route: &Route) -> String {
    format!("{}/{}", route.business, route.product)
}

/// What to do about a reason; of one that a newer bridge has, where to look.
fn cure(reason: &str) -> &'static str {
    let of_call = reason.parse::<DeliveryReason>().map(|reason| reason.reason().cure());
    let known = of_call.or_else(|_| reason.parse::<EventReason>().map(|reason| reason.reason().cure()));
    known.unwrap_or("see the lists of deliveries and events with --attention")
}

fn rows(stats: &Stats, needs: &[String], now: Timestamp) -> Vec<[Piece; 2]> {
    let headline = match stats.things_to_see(now) {
        0 if stats.last_webhooks.iter().all(|last| last.at.is_none()) => Piece::from(NOTHING_CAME),
        0 => toned("nothing to do", Tone::Good),
        1 => toned("1 thing needs a person", Tone::Warning),
        n => toned(&format!("{n} things need a person"), Tone::Warning),
    };
    let row = |label: &str, text: String| [Piece::from(label), Piece::from(text)];
    let mut rows = vec![[Piece::from("status"), headline]];
    rows.extend(needs.iter().map(|need| row("to do", need.clone())));
    rows.extend(stats.last_webhooks.iter().map(|last| row("webhooks", heard(last, now))));
    let count = |counts: &BTreeMap<String, i64>, of: &str| counts.get(of).copied().unwrap_or(0);
    let told = |payments: &BTreeMap<String, i64>| {
        let fates = payments.iter().filter(|(_, n)| **n > 0).map(|(fate, n)| format!("{n} {fate}"));
        Some(fates.collect::<Vec<_>>().join(", ")).filter(|fates| !fates.is_empty())
    };
    rows.push(row("payments", told(&stats.payments).unwrap_or_else(|| "none told".to_owned())));
    rows.extend(told(&stats.test_payments).map(|fates| row("tests", fates)));
    let under_way = count(&stats.deliveries, "queued") + count(&stats.deliveries, "sending");
    let oldest = match stats.oldest_queued {
        Some(at) if at <= now => format!(", the oldest due {} ago", span(now.duration_since(at))),
        Some(at) => format!(", the next due at {}", when(at)),
        None => String::new(),
    };
    rows.push(row("on its way", format!("{}{oldest}", output::counted(under_way, "call"))));
    rows.push(row("unread", output::counted(count(&stats.events, "received"), "event")));
    rows.extend(stats.routes.iter().map(|route| {
        let since = route.paused_since.map_or_else(String::new, |at| format!(" since {}", when(at)));
        row("route", format!("{}: {}{since}", name(route), route.state))
    }));
    let refused: u64 = stats.refused_requests.iter().map(|refused| refused.times).sum();
    let last = stats.refused_requests.first().map_or_else(String::new, |last| {
        format!(", the last {} ago: {}", span(now.duration_since(last.at)), last.reason)
    });
    rows.push(row("refused", format!("{refused} requests{last}")));
    rows
}

fn heard(last: &LastWebhook, now: Timestamp) -> String {
    let LastWebhook { at, endpoint, mode } = last;
    match at {
        Some(at) => format!("{endpoint} {mode}: the last {} ago", span(now.duration_since(*at))),
        None => format!("{endpoint} {mode}: never"),
    }
}

/// A span in its largest two units.
fn span(span: SignedDuration) -> String {
    let s = span.as_secs().max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}
