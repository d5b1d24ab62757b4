//! `events`: what came in, what it meant, and reading it anew.

mod changed;

use super::bulk::Bulk;
use super::{Api, Bridge, Page, Part, audit, first_page, given, read_on, standing, when};
use crate::api::{Delivery, Event, EventDetail, EventPage, EventsToSee, Stats, explain};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};
use crate::domain::event::Origin;
use crate::domain::fact::{Fact, FactKind, Payment, Reversal, ReversalStage, Subscription};
use crate::domain::money::Money;
use crate::domain::reason::{EventReason, Reason};
use crate::domain::status::Status;

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
    /// webhook, lookup or backfill
    #[arg(long)]
    origin: Option<String>,
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
    #[command(flatten)]
    part: Part,
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
    #[arg(long, conflicts_with_all = ["ids", "state", "event_type", "endpoint", "origin"])]
    changed: bool,
    #[command(flatten)]
    bulk: Bulk,
}

impl Filter {
    fn given(&self) -> Vec<(&str, &str)> {
        let Self { state, event_type, endpoint, origin, attention: _ } = self;
        let mut filters = given(&[("state", state), ("type", event_type), ("endpoint", endpoint), ("origin", origin)]);
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
    let nothing = if query.is_empty() { "no event came yet" } else { "no event fits" };
    query.extend(args.part.given());
    let api = Api::new(&args.bridge)?;
    let all_that_needs_attention = args.filter.given() == [("attention", "true")] && args.part.after.is_none();
    if args.bridge.json {
        api.print_json(&[EventPage::PATH], &query).await?;
        return Ok(Verdict::Fine);
    }
    if all_that_needs_attention {
        return list_by_reason(&api).await;
    }
    let page: EventPage = first_page(&api, &query).await?;
    let rows = page.events.iter().map(|event| {
        let Event { id, received_at, event_type, state, reason, mode, origin, .. } = event;
        // Of what was sent to us nothing has to be said.
        let origin = Some(origin.as_str()).filter(|origin| !origin.is_empty() && *origin != Origin::Webhook.code());
        let origin = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
        let test = if mode.as_deref() == Some("test") { "test " } else { "" };
        [id.clone(), when(*received_at), format!("{test}{event_type}{origin}"), standing(state, reason.as_deref())]
    });
    output::list(rows, nothing)?;
    read_on(page.next());
    Ok(Verdict::Fine)
}

/// What needs attention, a line for each reason and endpoint: thousands of events may lack one thing.
async fn list_by_reason(api: &Api) -> anyhow::Result<Verdict> {
    let stats: Stats = api.ask(false, &["stats"], &[]).await?;
    let rows = stats.events_that_need_attention.iter().map(|EventsToSee { endpoint, events, reason }| {
        // A newer bridge may have reasons that this version does not know.
        let words = explain(reason.parse::<EventReason>().ok().map(Reason::from), None).unwrap_or_default();
        [reason.clone(), endpoint.clone(), events.to_string(), words]
    });
    output::list(rows, "no event needs attention")?;
    if !stats.events_that_need_attention.is_empty() {
        output::talk("name one to see its events: --attention --endpoint NAME");
    }
    Ok(Verdict::Fine)
}

async fn show(args: Show) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let path = [EventPage::PATH, &args.id];
    if args.bridge.json {
        api.print_json(&path, &[]).await?;
        return Ok(Verdict::Fine);
    }
    let detail: EventDetail = api.ask(false, &path, &[]).await?;
    output::data(&output::columns(rows(&detail), 0))?;
    detail.deliveries.iter().try_for_each(print_call)?;
    Ok(Verdict::Fine)
}

/// A call that an event led to, with its body.
fn print_call(delivery: &Delivery) -> anyhow::Result<()> {
    let standing = standing(&delivery.state, delivery.reason.as_deref());
    let call = format!("{} {} - {standing}", delivery.id, delivery.kind);
    let means = delivery.explanation.clone().map(|text| ["which means".to_owned(), text]);
    output::data(&output::columns(std::iter::once(["call".to_owned(), call]).chain(means), 0))?;
    delivery.request.as_ref().map_or(Ok(()), |request| output::data(&output::body(request.get())))
}

/// All that is known of an event but its calls, a line for each thing that there is.
fn rows(detail: &EventDetail) -> Vec<[String; 2]> {
    let event = &detail.event;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = [
        ("event", format!("{} ({} {})", event.id, event.provider, event.event_type)),
        ("endpoint", event.endpoint.clone()),
        ("provider's id", text(&event.provider_event_id)),
        ("arrived", when(event.received_at)),
        ("origin", event.origin.clone()),
        ("state", standing(&event.state, event.reason.as_deref())),
        ("which means", text(&event.explanation)),
    ];
    let facts = detail.facts.iter().map(|f| ("reports", fact(f)));
    let decided = detail.decisions.iter().map(|entry| ("decided", format!("{} {}", entry.item, audit::line(entry))));
    let rows = rows.into_iter().chain(facts).chain(decided).filter(|(_, what)| !what.is_empty());
    rows.map(|(label, what)| [label.to_owned(), what]).collect()
}

/// What a fact reports, in a line.
fn fact(fact: &Fact) -> String {
    let what = match &fact.matter {
        FactKind::Customer(_) => "customer".to_owned(),
        FactKind::Payment(Payment { amount, currency, day, .. }) => {
            let amount = amount.map_or_else(|| currency.code(), |amount| Money::new(amount, *currency).in_full());
            format!("payment {amount} on {day}")
        }
        FactKind::Subscription(Subscription { status, as_given, .. }) => {
            format!("subscription {} ({as_given})", status.map(Status::code).unwrap_or_default())
        }
        FactKind::Reversal(Reversal { money, stage, .. }) => {
            let stage = match stage {
                ReversalStage::Pending => "pending",
                ReversalStage::Final => "final",
                ReversalStage::Void => "void",
            };
            format!("reversal {money} ({stage})")
        }
        FactKind::Link(_) => "link".to_owned(),
    };
    let code = fact.code.as_ref().map_or_else(String::new, |code| format!(", referral code {code}"));
    format!("{} {what}, at {}{code}", fact.mode.code(), when(fact.at))
}

async fn remap(args: Remap) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    if args.changed {
        return changed::remap(&api, &args).await;
    }
    args.bulk.decide::<EventPage>(&api, args.ids, &args.filter.given(), "remap").await
}
