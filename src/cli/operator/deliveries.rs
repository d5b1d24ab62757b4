//! `deliveries`: what goes out, and what an operator decides about it.

use serde_json::Value;

use super::{Api, Bridge, chosen, given, items, read_on, state, text, when};
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
    /// How many
    #[arg(long, default_value = "20")]
    limit: String,
    /// Older than this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
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
    query.push(("limit", &args.limit));
    query.extend(args.after.as_deref().map(|after| ("after", after)));
    let page = Api::new(&args.bridge)?.ask(false, &["deliveries"], &query).await?;
    if args.bridge.json {
        output::json(&page)?;
        return Ok(Verdict::Fine);
    }
    let rows = items(&page, "deliveries").iter().map(|d| [text(d, "id"), what(d), text(d, "email"), became(d)]);
    output::data(&output::columns(rows, 0))?;
    read_on(&page);
    Ok(Verdict::Fine)
}

/// The call in a few characters.
fn what(delivery: &Value) -> String {
    let request = delivery.get("request").cloned().unwrap_or_default();
    match request.get("amount") {
        Some(amount) => format!("{} {amount} {}", text(&request, "paymentDate"), text(&request, "currency")),
        None => "customer".to_owned(),
    }
}

/// What became of it in a few characters: a payment's fate says more than its state.
fn became(delivery: &Value) -> String {
    let (fate, reason) = (text(delivery, "fate"), text(delivery, "reason"));
    if fate.is_empty() {
        state(delivery)
    } else if reason.is_empty() || reason == DeliveryReason::AlreadyAtRefairn.code() {
        fate
    } else {
        format!("{fate}: {reason}")
    }
}

/// The commission in a few characters.
fn commission(delivery: &Value) -> String {
    let part =
        |key: &str, before: &str| Some(text(delivery, key)).filter(|t| !t.is_empty()).map(|t| format!("{before}{t}"));
    let parts = [part("commission_id", ""), part("commission_amount", "of "), part("hold_until", "on hold until ")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

async fn show(args: Show) -> anyhow::Result<Verdict> {
    let delivery = Api::new(&args.bridge)?.ask(false, &["deliveries", &args.id], &[]).await?;
    if args.bridge.json {
        output::json(&delivery)?;
        return Ok(Verdict::Fine);
    }
    let json = |key: &str| delivery.get(key).filter(|v| !v.is_null()).map(Value::to_string).unwrap_or_default();
    let mut rows = vec![
        ["delivery".to_owned(), format!("{} {}", text(&delivery, "id"), text(&delivery, "kind"))],
        ["because of".to_owned(), text(&delivery, "event_id")],
        ["state".to_owned(), state(&delivery)],
        ["which means".to_owned(), text(&delivery, "explanation")],
        ["fate".to_owned(), text(&delivery, "fate")],
        ["which means".to_owned(), text(&delivery, "fate_explanation")],
        ["commission".to_owned(), commission(&delivery)],
        ["code".to_owned(), text(&delivery, "code")],
        ["provider's id".to_owned(), text(&delivery, "provider_id")],
        ["paid".to_owned(), when(&delivery, "paid_at")],
        ["mode".to_owned(), text(&delivery, "mode")],
        ["due".to_owned(), when(&delivery, "due_at")],
        ["request".to_owned(), json("request")],
        ["response".to_owned(), json("response")],
    ];
    rows.extend(items(&delivery, "attempt_log").iter().map(|attempt| {
        let took = attempt.get("took_ms").map(Value::to_string).unwrap_or_default();
        ["attempt".to_owned(), format!("{} {} ({took} ms)", when(attempt, "at"), text(attempt, "outcome"))]
    }));
    rows.retain(|[_, what]| !what.is_empty());
    output::data(&output::columns(rows, 0))?;
    Ok(Verdict::Fine)
}

async fn decide(args: Decide, action: &str) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let ids = chosen(&api, "deliveries", args.ids, &args.filter.given()).await?;
    let refused = api.act_on_all("deliveries", &ids, action).await?;
    Ok(if refused == 0 { Verdict::Fine } else { Verdict::NotFine })
}
