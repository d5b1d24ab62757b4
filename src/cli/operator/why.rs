//! `why` and `customer`: why a payment credited whom it did, and all that is known of a customer.

use super::{Api, Bridge, deliveries, standing, when};
use crate::api::{CustomerStory, Delivery, StoryEvent, Verdict, Why};
use crate::cli::Verdict as Ended;
use crate::cli::output;
use crate::cli::process::block_on;

/// Say why a payment credited whom it did, or nobody
///
/// Takes a customer's address, or anything that `find` finds. The verdict comes
/// first, then what it rests on and what to do.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct WhyArgs {
    #[command(flatten)]
    bridge: Bridge,
    /// The customer's address, or an id
    what: String,
    /// The Refairn business, where several know the address
    #[arg(long)]
    business: Option<String>,
}

/// Tell a customer's whole story
///
/// The verdict, payments, calls and events. With --json it has everything that is
/// stored of the address: what a person who asks for their data is given.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct CustomerArgs {
    #[command(flatten)]
    bridge: Bridge,
    /// The customer's address
    email: String,
    /// The Refairn business, where several know the address
    #[arg(long)]
    business: Option<String>,
}

/// Runs `why`.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn why(args: WhyArgs) -> anyhow::Result<Ended> {
    block_on(async {
        let api = Api::new(&args.bridge)?;
        let mut query = vec![("q", args.what.as_str())];
        query.extend(args.business.as_deref().map(|business| ("business", business)));
        if args.bridge.json {
            api.print_json(&["why"], &query).await?;
            return Ok(Ended::Fine);
        }
        let why: Why = api.ask(false, &["why"], &query).await?;
        output::data(&output::columns(verdict_rows(&why, &args.what), 0))?;
        others(&why.businesses, why.business.as_deref());
        Ok(Ended::Fine)
    })
}

/// Runs `customer`.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn customer(args: CustomerArgs) -> anyhow::Result<Ended> {
    block_on(async {
        let api = Api::new(&args.bridge)?;
        let mut query: Vec<_> = args.business.as_deref().map(|business| ("business", business)).into_iter().collect();
        let path = ["customers", args.email.as_str()];
        if args.bridge.json {
            query.push(("everything", "true"));
            api.print_json(&path, &query).await?;
            return Ok(Ended::Fine);
        }
        let story: CustomerStory = api.ask(false, &path, &query).await?;
        print_story(&story)?;
        others(&story.businesses, Some(&story.business));
        Ok(if story.businesses.is_empty() { Ended::NotFine } else { Ended::Fine })
    })
}

/// The verdict, a line for each thing that there is to say.
fn verdict_rows(why: &Why, asked: &str) -> Vec<[String; 2]> {
    let verdict = &why.verdict;
    let who = why.email.as_deref().unwrap_or(asked);
    let what = why.payment.as_ref().map(|payment| format!("{} {}: ", payment.id, payment.what));
    let event = why.event.as_ref().map(|told| format!("{} {}: ", told.event.id, told.event.event_type));
    let mut rows = vec![[who.to_owned(), format!("{}{}", what.or(event).unwrap_or_default(), verdict.sentence)]];
    rows.extend(because_rows(verdict, why.payment.as_ref()));
    if !why.others.is_empty() {
        let others = format!("one of {} customers; refairn-bridge find {asked} lists them", why.others.len() + 1);
        rows.push(["  this is".to_owned(), others]);
    }
    if verdict.code == "nothing_came" && why.refused_requests > 0 {
        rows.push(["  refused".to_owned(), format!("{} webhook requests since the start", why.refused_requests)]);
    }
    rows
}

fn because_rows(verdict: &Verdict, payment: Option<&Delivery>) -> Vec<[String; 2]> {
    let looked_in = payment.and_then(|payment| payment.payment.looked_in.as_ref()).into_iter().flatten();
    let looked_in = looked_in.map(|place| {
        let found = place.found.iter().filter_map(|found| found.code.as_ref().or(found.refused.as_ref()));
        let found: Vec<&str> = found.map(String::as_str).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join("; ") };
        format!("{} of endpoint {}: {found}", place.rules.join(", "), place.endpoint)
    });
    let line = |label: &str, text: String| [format!("  {label}"), text];
    let mut rows: Vec<[String; 2]> = verdict.because.iter().map(|text| line("because", text.clone())).collect();
    rows.extend(looked_in.map(|text| line("looked in", text)));
    rows.push(line("do", verdict.to_do.clone()));
    rows.extend(verdict.commands.iter().map(|command| line("run", command.clone())));
    rows.extend(verdict.next.iter().map(|text| line("next", text.clone())));
    rows
}

fn print_story(story: &CustomerStory) -> anyhow::Result<()> {
    let about = story.payments.iter().find(|payment| Some(&payment.id) == story.verdict.payment.as_ref());
    let what = about.map(|payment| format!("{} {}: ", payment.id, payment.what)).unwrap_or_default();
    let mut rows = vec![[story.email.clone(), format!("{what}{}", story.verdict.sentence)]];
    rows.extend(because_rows(&story.verdict, about));
    output::data(&output::columns(rows, 0))?;
    let mut lines: Vec<(jiff::Timestamp, [String; 4])> = story.events.iter().map(event_line).collect();
    lines.extend(story.deliveries.iter().map(call_line));
    lines.sort_by_key(|(at, _)| *at);
    if !lines.is_empty() {
        output::data(&output::columns(lines.into_iter().map(|(_, line)| line), 0))?;
    }
    if story.more {
        output::talk("there is more: only the newest events and calls are shown");
    }
    Ok(())
}

fn event_line(told: &StoryEvent) -> (jiff::Timestamp, [String; 4]) {
    let StoryEvent { event, code, .. } = told;
    let test = if event.mode.as_deref() == Some("test") { "test, " } else { "" };
    let code = code.as_ref().map_or_else(String::new, |code| format!(", code {code}"));
    let became = format!("{test}{}{code}", standing(&event.state, event.reason.as_deref()));
    (event.received_at, [when(event.received_at), event.id.clone(), event.event_type.clone(), became])
}

fn call_line(delivery: &Delivery) -> (jiff::Timestamp, [String; 4]) {
    let attempts = delivery.attempt_log.iter().flatten().map(|attempt| attempt.at);
    let at = attempts.max().unwrap_or(delivery.due_at);
    (at, [when(at), delivery.id.clone(), delivery.what.clone(), deliveries::became(delivery)])
}

fn others(businesses: &[String], shown: Option<&str>) {
    let others: Vec<String> =
        businesses.iter().filter(|b| Some(b.as_str()) != shown).map(|b| output::line(b)).collect();
    if !others.is_empty() {
        output::talk(&format!("also known to: {} (--business NAME)", others.join(", ")));
    }
}
