//! `deliveries`: what goes out, and what an operator decides about it.

use super::bulk::Bulk;
use super::{Api, Bridge, Page, Part, audit, first_page, given, in_full, read_on, standing, when};
use crate::api::{Attempt, Delivery, DeliveryPage, PaymentFields};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};
use crate::domain::reason::DeliveryReason;

/// Look at the calls to Refairn, and decide about those that need attention
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List deliveries, the newest first
    List(List),
    /// Show one delivery with every attempt
    Show(Show),
    /// Send again what was rejected or discarded, or send now what waits
    Retry(Decide),
    /// Let a held payment go, dated on the next free day if its own is taken
    Release(Decide),
    /// Do not send it; of one that was sent: note that its warning was seen
    Discard(Decide),
}

#[derive(clap::Args)]
struct Filter {
    /// queued, sending, delivered, duplicate, rejected, held, cancelled, superseded or discarded
    #[arg(long)]
    state: Option<String>,
    /// The customer's address
    #[arg(long)]
    email: Option<String>,
    /// payment-succeeded or customer-created
    #[arg(long)]
    kind: Option<String>,
    /// credited, credited_nobody or credit_unknown: what became of a payment that Refairn has
    #[arg(long)]
    fate: Option<String>,
    /// Only what needs attention
    #[arg(long)]
    attention: bool,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    bridge: Bridge,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    part: Part,
}

#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    bridge: Bridge,
    /// dlv_9
    id: String,
}

#[derive(clap::Args)]
struct Decide {
    #[command(flatten)]
    bridge: Bridge,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    bulk: Bulk,
    /// dlv_9; several, or a filter instead
    ids: Vec<String>,
}

impl Filter {
    fn given(&self) -> Vec<(&str, &str)> {
        let mut filters =
            given(&[("state", &self.state), ("email", &self.email), ("kind", &self.kind), ("fate", &self.fate)]);
        filters.extend(self.attention.then_some(("attention", "true")));
        filters
    }
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        match args.command {
            Command::List(args) => list(args).await,
            Command::Show(args) => show(args).await,
            Command::Retry(args) => decide(args, "retry").await,
            Command::Release(args) => decide(args, "release").await,
            Command::Discard(args) => decide(args, "discard").await,
        }
    })
}

async fn list(args: List) -> anyhow::Result<Verdict> {
    let mut query = args.filter.given();
    let nothing = nothing(&query);
    query.extend(args.part.given());
    let api = Api::new(&args.bridge)?;
    if args.bridge.json {
        api.print_json(&[DeliveryPage::PATH], &query).await?;
        return Ok(Verdict::Fine);
    }
    let page: DeliveryPage = first_page(&api, &query).await?;
    output::list(page.deliveries.iter().map(row), nothing)?;
    read_on(page.next());
    Ok(Verdict::Fine)
}

/// What is said where a list has nothing.
fn nothing(asked: &[(&str, &str)]) -> &'static str {
    match asked {
        [] => "no call was made yet",
        [("attention", _)] => "no call needs attention",
        _ if asked.iter().any(|(name, _)| *name == "email") => {
            "no call fits; --email takes a whole address, and refairn-bridge find a part of one"
        }
        _ => "no call fits",
    }
}

/// A delivery in a list: what it tells and to whom, in test mode or not, and what became of it.
pub(super) fn row(delivery: &Delivery) -> [String; 4] {
    let test = if delivery.payment.mode == "test" { "test " } else { "" };
    [delivery.id.clone(), format!("{test}{}", delivery.what), delivery.email.clone(), became(delivery)]
}

/// What became of it in a few characters: a payment's fate says more than its state.
pub(super) fn became(delivery: &Delivery) -> String {
    let reason = delivery.reason.as_deref();
    match &delivery.payment.fate {
        None => match &delivery.payment.day_held_by {
            Some(holder) => {
                let id = holder.split(' ').next().unwrap_or_default();
                format!("{}, by {id}", standing(&delivery.state, reason))
            }
            None => standing(&delivery.state, reason),
        },
        Some(fate) => {
            let reason = reason.filter(|reason| *reason != DeliveryReason::AlreadyAtRefairn.code());
            let agent = delivery.payment.agent_id.as_deref().map_or_else(String::new, |agent| format!(" {agent}"));
            standing(&format!("{fate}{agent}"), reason)
        }
    }
}

/// The commission in a few characters.
fn commission(payment: &PaymentFields) -> String {
    let amount = payment.commission_amount.as_ref().map(|amount| {
        let currency = payment.commission_currency.as_deref().unwrap_or_default();
        format!("of {}", in_full(amount, currency))
    });
    let hold = payment.hold_until.as_ref().map(|day| format!("on hold until {day}"));
    let parts = [payment.commission_id.clone(), amount, hold];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

async fn show(args: Show) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let path = [DeliveryPage::PATH, &args.id];
    if args.bridge.json {
        api.print_json(&path, &[]).await?;
        return Ok(Verdict::Fine);
    }
    let delivery: Delivery = api.ask(false, &path, &[]).await?;
    output::data(&output::columns(rows(&delivery), 0))?;
    if let Some(request) = &delivery.request {
        output::data(&format!("request\n{}", output::body(request.get())))?;
    }
    if let Some(response) = &delivery.response {
        output::data(&format!("response\n{}", output::body(&serde_json::to_string(response)?)))?;
    }
    Ok(Verdict::Fine)
}

/// All that is known of a delivery but its bodies, a line for each thing that there is.
fn rows(delivery: &Delivery) -> Vec<[String; 2]> {
    let payment = &delivery.payment;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = [
        ("delivery", format!("{} {}", delivery.id, delivery.kind)),
        ("tells", delivery.what.clone()),
        ("because of", delivery.event_id.clone()),
        ("state", standing(&delivery.state, delivery.reason.as_deref())),
        ("which means", text(&delivery.explanation)),
        ("day held by", text(&payment.day_held_by)),
        ("fate", text(&payment.fate)),
        ("which means", text(&payment.fate_explanation)),
        ("commission", commission(payment)),
        ("code", text(&payment.code)),
        ("provider's id", text(&payment.provider_id)),
        ("paid", payment.paid_at.map(when).unwrap_or_default()),
        ("mode", payment.mode.clone()),
        // Of what Refairn has, or will not be told, nothing is due.
        (
            "due",
            if matches!(delivery.state.as_str(), "queued" | "held") { when(delivery.due_at) } else { String::new() },
        ),
        (
            "dated",
            payment.moved_from.map(|day| format!("on another day than that of the payment, {day}")).unwrap_or_default(),
        ),
        ("let go", if delivery.released { "by a person".to_owned() } else { String::new() }),
    ];
    let attempts = delivery.attempt_log.iter().flatten().map(|attempt| {
        let Attempt { at, outcome, took_ms, .. } = attempt;
        ("attempt", format!("{} {outcome} ({took_ms} ms)", when(*at)))
    });
    let decided = delivery.decisions.iter().flatten().map(|entry| ("decided", audit::line(entry)));
    let rows = rows.into_iter().chain(attempts).chain(decided).filter(|(_, what)| !what.is_empty());
    rows.map(|(label, what)| [label.to_owned(), what]).collect()
}

async fn decide(args: Decide, action: &str) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    args.bulk.decide::<DeliveryPage>(&api, args.ids, &args.filter.given(), action).await
}
