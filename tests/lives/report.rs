//! Runs a life alone, makes a failing one as small as it gets, and tells it so that a person can follow it.

use std::fmt::Write;

use refairn_bridge::domain::delivery::{Delivery, DeliveryState};
use refairn_bridge::domain::mode::Mode;
use refairn_bridge::domain::reason::DeliveryReason;

use crate::drive::{Batch, Seen, Way};
use crate::events::{Event, describe};
use crate::kept::Kept;
use crate::kit::pipeline::Moment;
use crate::life::Life;
use crate::oracle;

/// What is wrong with one life, in each of the ways; nothing when all is well.
pub(crate) fn verdicts(life: &Life, events: &[Event], batch: &Batch, runs: &[&Seen]) -> Vec<String> {
    let policy = batch.policy();
    let mut all = Vec::new();
    for (way, seen) in batch.kept.ways().iter().zip(runs) {
        all.extend(oracle::complaints(life, events, seen, &policy).into_iter().map(|what| format!("{way:?}: {what}")));
    }
    let (ordered, shuffled) = (told(life, runs[0]), told(life, runs[1]));
    if ordered != shuffled {
        let without = |all: &[String], other: &[String]| {
            all.iter().filter(|x| !other.contains(x)).map(|x| format!("\n      {x}")).collect::<String>()
        };
        all.push(format!(
            "in order there is{}\n    shuffled there is{}",
            without(&ordered, &shuffled),
            without(&shuffled, &ordered)
        ));
    }
    all
}

/// All that came of a life and must not depend on the order: calls, what needs attention, commissions.
fn told(life: &Life, seen: &Seen) -> Vec<String> {
    // Of two addresses nobody goes before the other.
    let mut calls: Vec<_> = seen.calls.iter().collect();
    calls.sort_by_key(|c| &c.key);
    let calls = calls.into_iter().map(|c| format!("{} {}", c.kind, c.body));
    let mut marks: Vec<String> = seen
        .deliveries
        .iter()
        .filter(|d| !never_asked_for(life, d))
        .map(|d| {
            // The number of a commission depends on who else is there.
            let commission = d.receipt.as_ref().and_then(|r| r.commission_id.as_deref()).unwrap_or("commission");
            let detail = d.detail.as_ref().map(|detail| detail.replace(commission, "…"));
            // A call that was cancelled says what was known by then.
            let product = if d.state == DeliveryState::Cancelled { "it" } else { d.call.product() };
            format!("{:?} of {product} {:?}: {:?} {detail:?}", d.state, d.call.day(), d.reason)
        })
        .collect();
    marks.sort();
    let earned = seen.held.iter().map(|(p, c)| {
        let earned = c.as_ref().map(|c| format!("{} for {}", c.amount, c.agent_id));
        format!("on {} {} earned {earned:?}", p.payment_date, p.amount)
    });
    let mut earned: Vec<String> = earned.collect();
    earned.sort();
    calls.chain(marks).chain(earned).collect()
}

/// A call that was to be made only as long as something else was not known: another id of the same payment, or that the
/// customer of a test is a live one.
fn never_asked_for(life: &Life, delivery: &Delivery) -> bool {
    let email = delivery.call.email().key();
    let live = (0..life.addresses()).any(|address| life.address(address) == email && life.is_live(address));
    let cancelled = delivery.state == DeliveryState::Cancelled;
    (live && delivery.mode == Mode::Test && cancelled)
        || (cancelled && delivery.reason == Some(DeliveryReason::Remapped))
        || (delivery.state == DeliveryState::Superseded && delivery.reason == Some(DeliveryReason::AlreadyReported))
}

/// Runs one life in a world of its own.
pub(crate) async fn alone(life: &Life, kept: Kept) -> (Batch, Vec<Seen>, Vec<String>) {
    let batch = Batch::new(vec![life.clone()], kept);
    let mut runs = Vec::new();
    for way in kept.ways() {
        runs.extend(batch.run(*way).await.pop());
    }
    let (life, events) = &batch.lives[0];
    let wrong = verdicts(life, events, &batch, &runs.iter().collect::<Vec<_>>());
    (batch, runs, wrong)
}

/// Leaves out one act after the other as long as something is wrong, then tells what is left.
pub(crate) async fn smallest(life: &Life, kept: Kept) -> Option<String> {
    let mut small = life.clone();
    let kinds: Vec<String> = alone(&small, kept).await.2.iter().map(|w| kind(w)).collect();
    if kinds.is_empty() {
        return None;
    }
    loop {
        let mut smaller = None;
        for act in small.acts.iter().rev() {
            let less = small.keeping(|a| a.n != act.n);
            // It must be the same that is wrong: less of a life may be no life at all.
            let same = |wrong: &[String]| wrong.iter().any(|w| kinds.contains(&kind(w)));
            if !less.acts.is_empty() && same(&alone(&less, kept).await.2) {
                smaller = Some(less);
                break;
            }
        }
        match smaller {
            Some(less) => small = less,
            None => break,
        }
    }
    let (batch, runs, wrong) = alone(&small, kept).await;
    Some(story(&batch, &runs, &wrong))
}

/// The words of a complaint without ids and amounts.
fn kind(wrong: &str) -> String {
    wrong.split_whitespace().filter(|word| word.chars().all(|c| c.is_alphabetic() || c == ':')).take(12).collect()
}

fn story(batch: &Batch, runs: &[Seen], wrong: &[String]) -> String {
    let (life, events) = &batch.lives[0];
    let mut text = format!(
        "life {}, as small as it gets, {}:\n",
        life.number,
        batch.policy().time_zone.iana_name().unwrap_or("?")
    );
    for what in wrong {
        writeln!(text, "  !! {what}").expect("text");
    }
    for act in &life.acts {
        writeln!(text, "  {}", describe(life, act)).expect("text");
    }
    let concerned = |way: &Way| wrong.iter().any(|w| w.starts_with(&format!("{way:?}")));
    for (way, seen) in batch.kept.ways().iter().zip(runs).filter(|(way, _)| concerned(way)).take(1) {
        writeln!(text, "  {way:?}:").expect("text");
        let arrivals = seen.arrivals.iter().map(|((act, part), at)| {
            let event = events.iter().find(|e| (e.act, e.part) == (*act, *part));
            (at.at, 0, format!("#{act} {} comes{}", event.map_or("?", |e| e.kind), ahead(*at)))
        });
        let calls = seen.calls.iter().map(|c| {
            (c.when.at, 1, format!("call {} {} → {:?} {:?}{}", c.kind, c.body, c.status, c.weather, ahead(c.when)))
        });
        let mut lines: Vec<_> = arrivals.chain(calls).collect();
        lines.sort_by_key(|(at, rank, _)| (*at, *rank));
        lines.dedup_by(|next, line| next.2 == line.2 && line.2.contains("Refused(401)"));
        for (at, _, line) in lines {
            writeln!(text, "    {at} {line}").expect("text");
        }
        for d in &seen.deliveries {
            let what = match d.call.day() {
                Some(day) => format!("{day} {}", d.call.body("", None).expect("a body")),
                None => "customer".to_owned(),
            };
            writeln!(text, "    in the end: {:?} {:?} {:?} {what}", d.state, d.reason, d.detail).expect("text");
        }
    }
    text
}

/// Says so where the bridge's clock was wrong.
fn ahead(when: Moment) -> String {
    if when.ahead().is_zero() { String::new() } else { format!(" (the clock {:#} ahead)", when.ahead()) }
}
