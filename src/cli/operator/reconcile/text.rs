//! A reconciliation as a person reads it: a sentence, the sums, what needs a look, and what was compared when.

use jiff::civil::Date;

use super::{Api, Compared, payments};
use crate::api::{ComparedPayment, Reconciliation, explain};
use crate::cli::operator::backfill::not_listed;
use crate::cli::operator::when;
use crate::cli::output;
use crate::domain::email::Email;
use crate::domain::money::{Currency, Money, digits};
use crate::domain::reason::{DeliveryReason, EventReason, Reason};
use crate::domain::reconciliation::{Comparison, Side, Sum, Summary, Total};

/// Payments that are shown one by one.
const SHOWN_MAX: usize = 40;

pub(super) async fn show(api: &Api, compared: &Compared) -> anyhow::Result<()> {
    let Compared { reconciliation, summary } = compared;
    output::data(&sentence(reconciliation, summary))?;
    let heads = ["", "at the provider", "here", "Refairn took"].map(str::to_owned);
    let sums = summary.totals.iter().map(|totals| {
        let [provider, ours, told] =
            [&totals.provider, &totals.ours, &totals.told].map(|total| added_up(total, totals.currency));
        [totals.currency.code(), provider, ours, told]
    });
    output::data(&output::columns(std::iter::once(heads).chain(sums), 0))?;
    let mut rows = Vec::new();
    for comparison in Comparison::ALL.iter().rev().filter(|comparison| comparison.needs_a_person()) {
        payments(api, &reconciliation.id, Some(*comparison), |payment| {
            rows.push([comparison.words().to_owned(), one(&payment, *comparison)]);
            Ok(rows.len() < SHOWN_MAX)
        })
        .await?;
    }
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if summary.unreadable > 0 {
        rows.push(["unreadable".to_owned(), format!("{} rows of the provider's", summary.unreadable)]);
    }
    let to_see = summary.to_see() - summary.unreadable;
    if to_see > shown {
        rows.push(["more".to_owned(), format!("{} further ones: --format csv has them", to_see - shown)]);
    }
    let quiet =
        summary.sums.iter().filter(|sum| !sum.comparison.needs_a_person() && sum.comparison != Comparison::Same);
    rows.extend(quiet.map(|sum| [sum.comparison.words().to_owned(), quietly(sum)]));
    rows.extend(not_listed(reconciliation.unlisted_accounts).map(|what| ["not compared".to_owned(), what]));
    rows.push(["compared".to_owned(), compared_when(reconciliation)]);
    if summary.lacking() > 0 {
        rows.push([
            "to do".to_owned(),
            "--apply fetches what is missing; it shows what would be told, and asks".to_owned(),
        ]);
    }
    output::data(&output::columns(rows, 0))
}

/// All of it in a sentence.
fn sentence(reconciliation: &Reconciliation, summary: &Summary) -> String {
    let sum = |of: fn(&crate::domain::reconciliation::Totals) -> &Total| {
        summary.totals.iter().map(|totals| of(totals).count).sum::<u64>()
    };
    let (paid, told) = (sum(|totals| &totals.provider), sum(|totals| &totals.told));
    let Reconciliation { from, to, endpoint, .. } = reconciliation;
    let head = format!("{}: {paid} paid at {endpoint}, {told} told", period(*from, *to));
    let parts = Comparison::ALL.iter().rev().filter(|comparison| comparison.needs_a_person());
    let mut parts: Vec<String> = parts
        .map(|comparison| (summary.count(*comparison), comparison.words()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    if summary.unreadable > 0 {
        parts.push(format!("{} unreadable", summary.unreadable));
    }
    if parts.is_empty() {
        return format!("{head}. Nothing is missing, and nothing differs.");
    }
    format!("{head}. To see: {}.", parts.join(", "))
}

/// A month by its name, or the days.
fn period(from: Date, to: Date) -> String {
    if from == from.first_of_month() && to == from.last_of_month() {
        return from.strftime("%B %Y").to_string();
    }
    format!("{from} to {to}")
}

fn added_up(total: &Total, currency: Currency) -> String {
    let amount = total.amount.map_or_else(|| "too much to add up".to_owned(), |sum| digits(sum, currency));
    format!("{}, {amount}", output::counted(total.count, "payment"))
}

/// One payment, and what is the matter with it.
fn one(payment: &ComparedPayment, comparison: Comparison) -> String {
    let side = payment.provider.as_ref().or(payment.ours.as_ref());
    let what = side.map_or_else(String::new, |side| {
        let email = side.email.as_ref().map_or("no address", Email::as_given);
        format!("{} {}, {email}", side.day, Money::new(side.amount, side.currency).in_full())
    });
    let mut parts = vec![payment.id.clone(), what];
    parts.extend(differing(payment));
    if comparison == Comparison::RefundMissing {
        let back = |side: &Option<Side>| side.as_ref().map(|side| Money::new(side.taken_back, side.currency).in_full());
        let (theirs, ours) = (back(&payment.provider), back(&payment.ours).unwrap_or_default());
        parts.push(match theirs {
            Some(theirs) => format!("went back: {theirs} by the provider, {ours} here"),
            None => "was given back by the provider".to_owned(),
        });
    }
    parts.extend(payment.reason.clone());
    let calls: Vec<&str> = payment.told.iter().map(|told| told.delivery_id.as_str()).collect();
    parts.extend((!calls.is_empty()).then(|| calls.join(", ")));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// What is not alike, with both values.
fn differing(payment: &ComparedPayment) -> Vec<String> {
    let (Some(provider), Some(ours)) = (&payment.provider, &payment.ours) else { return Vec::new() };
    let value = |field: &str, side: &Side| match field {
        "amount" => Money::new(side.amount, side.currency).in_full(),
        "currency" => side.currency.code(),
        "day" => side.day.to_string(),
        "product" => side.product.clone().unwrap_or_default(),
        _ => side.email.as_ref().map_or_else(String::new, |email| email.as_given().to_owned()),
    };
    let told = |field: &String| format!("{field}: {} there, {} here", value(field, provider), value(field, ours));
    payment.differs.iter().map(told).collect()
}

/// Payments that call for nothing, and why.
fn quietly(sum: &Sum) -> String {
    let currency = sum.currency.map_or_else(String::new, |currency| format!(" in {currency}"));
    let count = format!("{}{currency}", output::counted(sum.count, "payment"));
    let Some(code) = &sum.reason else { return count };
    let of_event = code.parse::<EventReason>().map(Reason::from);
    let reason = of_event.or_else(|_| code.parse::<DeliveryReason>().map(Reason::from)).ok();
    let words = explain(reason, None).map_or_else(String::new, |words| format!(": {words}"));
    format!("{count} - {code}{words}")
}

fn compared_when(reconciliation: &Reconciliation) -> String {
    let Reconciliation { compared_at, version, time_zone, endpoint, mode, id, .. } = reconciliation;
    let at = compared_at.map_or_else(String::new, when);
    let mode = mode.as_ref().map_or_else(String::new, |mode| format!(", {mode}"));
    format!("{at} by refairn-bridge {version}, {id}; endpoint {endpoint}{mode}; days in {time_zone}")
}
