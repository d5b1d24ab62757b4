//! `events`: what came in, what it meant, and reading it anew.

mod changed;

use serde_json::Value;

use super::{Api, Bridge, chosen, given, items, read_on, state, text, when};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};
use crate::domain::reason::EventReason;

/// Look at the events of a running bridge
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
    /// List events, the newest first
    List(List),
    /// Show one event: what it reported, what came of it, and why
    Show(Show),
    /// Read events anew, by today's version and configuration; nothing that was sent is sent again
    Remap(Remap),
}

#[derive(clap::Args)]
struct Filter {
    /// received, mapped, ignored, waiting or unmappable
    #[arg(long)]
    state: Option<String>,
    /// The provider's type, such as invoice.paid
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The endpoint's name
    #[arg(long)]
    endpoint: Option<String>,
    /// Only what needs attention: it could not be read, or has waited too long
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
    /// evt_17, or the provider's id
    id: String,
}

#[derive(clap::Args)]
pub(super) struct Remap {
    #[command(flatten)]
    bridge: Bridge,
    #[command(flatten)]
    filter: Filter,
    /// evt_17, or the provider's id; several, or a filter instead
    ids: Vec<String>,
    /// All that this version reads otherwise than the one that read it: shows them, and what would follow
    #[arg(long, conflicts_with_all = ["ids", "state", "event_type", "endpoint"])]
    changed: bool,
    /// With --changed: show, and change nothing
    #[arg(long, requires = "changed", conflicts_with = "yes")]
    dry_run: bool,
    /// With --changed: read them anew
    #[arg(long, requires = "changed")]
    yes: bool,
}

impl Filter {
    fn given(&self) -> Vec<(&str, &str)> {
        let mut filters = given(&[("state", &self.state), ("type", &self.event_type), ("endpoint", &self.endpoint)]);
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
            Command::Remap(args) => remap(args).await,
        }
    })
}

async fn list(args: List) -> anyhow::Result<Verdict> {
    let mut query = args.filter.given();
    query.push(("limit", &args.limit));
    query.extend(args.after.as_deref().map(|after| ("after", after)));
    let api = Api::new(&args.bridge)?;
    let all_that_needs_attention = args.filter.given() == [("attention", "true")] && args.after.is_none();
    if all_that_needs_attention && !args.bridge.json {
        return list_by_reason(&api).await;
    }
    let page = api.ask(false, &["events"], &query).await?;
    if args.bridge.json {
        output::json(&page)?;
        return Ok(Verdict::Fine);
    }
    let rows =
        items(&page, "events").iter().map(|e| [text(e, "id"), when(e, "received_at"), text(e, "type"), state(e)]);
    output::data(&output::columns(rows, 0))?;
    read_on(&page);
    Ok(Verdict::Fine)
}

/// What needs attention, a line for each reason and endpoint: thousands of events may lack one thing.
async fn list_by_reason(api: &Api) -> anyhow::Result<Verdict> {
    let stats = api.ask(false, &["stats"], &[]).await?;
    let to_see = items(&stats, "events_that_need_attention");
    let rows = to_see.iter().map(|group| {
        let events = group.get("events").and_then(Value::as_i64).unwrap_or_default();
        let reason = text(group, "reason").parse::<EventReason>();
        let words = reason.map_or_else(|_| String::new(), |r| format!("{} {}", r.sentence(), r.cure()));
        [text(group, "reason"), text(group, "endpoint"), events.to_string(), words]
    });
    output::data(&output::columns(rows, 0))?;
    if !to_see.is_empty() {
        output::talk("name one to see its events: --attention --endpoint NAME");
    }
    Ok(Verdict::Fine)
}

async fn show(args: Show) -> anyhow::Result<Verdict> {
    let event = Api::new(&args.bridge)?.ask(false, &["events", &args.id], &[]).await?;
    if args.bridge.json {
        output::json(&event)?;
        return Ok(Verdict::Fine);
    }
    let mut rows = vec![
        ["event".to_owned(), format!("{} ({} {})", text(&event, "id"), text(&event, "provider"), text(&event, "type"))],
        ["endpoint".to_owned(), text(&event, "endpoint")],
        ["provider's id".to_owned(), text(&event, "provider_event_id")],
        ["arrived".to_owned(), when(&event, "received_at")],
        ["state".to_owned(), state(&event)],
        ["which means".to_owned(), text(&event, "explanation")],
    ];
    rows.extend(items(&event, "facts").iter().map(|f| ["reports".to_owned(), fact(f)]));
    for delivery in items(&event, "deliveries") {
        rows.push([
            "call".to_owned(),
            format!("{} {} - {}", text(delivery, "id"), text(delivery, "kind"), state(delivery)),
        ]);
        rows.push([String::new(), delivery.get("request").map(Value::to_string).unwrap_or_default()]);
        rows.push([String::new(), text(delivery, "explanation")]);
    }
    rows.retain(|[_, what]| !what.is_empty());
    output::data(&output::columns(rows, 0))?;
    Ok(Verdict::Fine)
}

/// What a fact reports, in a line.
fn fact(fact: &Value) -> String {
    let matter = fact.get("matter").cloned().unwrap_or_default();
    let (kind, mode) = (text(&matter, "kind"), text(fact, "mode"));
    let more = match kind.as_str() {
        "payment" => format!(" {} {} on {}", text(&matter, "amount"), text(&matter, "currency"), text(&matter, "day")),
        "subscription" => format!(" {} ({})", text(&matter, "status"), text(&matter, "as_given")),
        "reversal" => {
            let money = matter.get("money").cloned().unwrap_or_default();
            format!(" {} {} ({})", text(&money, "amount"), text(&money, "currency"), text(&matter, "stage"))
        }
        _ => String::new(),
    };
    let code =
        fact.get("code").and_then(Value::as_str).map_or_else(String::new, |code| format!(", referral code {code}"));
    format!("{mode} {kind}{more}, at {}{code}", when(fact, "at"))
}

async fn remap(args: Remap) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    if args.changed {
        return changed::remap(&api, &args).await;
    }
    let ids = chosen(&api, "events", args.ids, &args.filter.given()).await?;
    let refused = api.act_on_all("events", &ids, "remap").await?;
    Ok(if refused == 0 { Verdict::Fine } else { Verdict::NotFine })
}
