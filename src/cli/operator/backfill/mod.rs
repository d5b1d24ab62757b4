//! `backfill`: has the running bridge list at a provider what was missed, shows what would be told, and asks.

mod summary;

pub(super) use summary::not_listed;

use std::io::{self, IsTerminal};

use super::bulk::{is_wanted, note as given_note};
use super::watch::{Seen, Watch};
use super::{Api, Bridge};
use crate::api::Backfill;
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};
use crate::domain::backfill::BackfillState;
use crate::domain::provider::ProviderKind;

/// Where the API has backfills.
const PATH: &str = "backfills";

/// Ask a provider for what was missed while nobody listened, and tell Refairn
///
/// The running bridge reads the provider's lists with the endpoint's api_key.
/// Then you see what would be told, and are asked. Nothing is told before that.
/// What the bridge knows already stays as it is. A command that was ended goes on
/// where it was when it is given again.
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
    /// The provider
    provider: ProviderKind,
    /// The endpoint's name, where the provider has several
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Paid on this day or later
    #[arg(long, value_name = "DAY")]
    since: String,
    /// Paid on this day or before [default: today]
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Show what would be told, and end there; nothing is left behind
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask: tell Refairn
    #[arg(long)]
    yes: bool,
    /// Why, in a few words; it is kept with who decided, and when
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    if !args.dry_run {
        somebody_can_be_asked(args.yes, "give --yes, or --dry-run to see what would be told")?;
    }
    block_on(async {
        let api = Api::new(&args.bridge)?;
        let Args { endpoint, since, until, dry_run, yes, note, .. } = args;
        let shown = if args.bridge.json { Shown::Json } else { Shown::Text };
        let provider = args.provider;
        fetch(&api, Wanted { provider, endpoint, since, until, dry_run, yes, note, shown }).await?;
        Ok(Verdict::Fine)
    })
}

/// Refairn is told of nothing without a word.
pub(super) fn somebody_can_be_asked(yes: bool, instead: &str) -> anyhow::Result<()> {
    if yes || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(output::wrong_usage("nobody can be asked here whether Refairn is to be told", instead))
}

/// What a backfill is to bring.
pub(super) struct Wanted {
    pub(super) provider: ProviderKind,
    pub(super) endpoint: Option<String>,
    pub(super) since: String,
    pub(super) until: Option<String>,
    pub(super) dry_run: bool,
    pub(super) yes: bool,
    pub(super) note: Option<String>,
    pub(super) shown: Shown,
}

/// Where what would be told is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// On standard output, for people.
    Text,
    /// On standard output, for programs.
    Json,
    /// On standard error: standard output has something else.
    Aside,
}

/// Lists what was missed, shows what would be told, asks, and has it told; gives whether it was.
pub(super) async fn fetch(api: &Api, wanted: Wanted) -> anyhow::Result<bool> {
    let Wanted { provider, endpoint, since, until, dry_run, yes, note, shown } = wanted;
    let mut query = vec![("provider", provider.code()), ("since", since.as_str())];
    query.extend(until.as_deref().map(|until| ("until", until)));
    query.extend(endpoint.as_deref().map(|endpoint| ("endpoint", endpoint)));
    query.extend(given_note(&note));
    let begun: Backfill = api.ask(true, &[PATH], &query).await?;
    let listed = wait(api, provider, begun).await?;
    let Some(summary) = listed.summary.clone().filter(|_| is(&listed, BackfillState::Ready)) else {
        return end(shown, &listed);
    };
    match shown {
        Shown::Text => output::data(&summary::text(&listed, &summary))?,
        Shown::Aside => output::talk(&summary::text(&listed, &summary)),
        Shown::Json => {}
    }
    if dry_run || !summary.changes_something() {
        let discarded: Backfill = api.ask(true, &[PATH, &listed.id, "discard"], &[]).await?;
        if shown == Shown::Json {
            output::json(&Backfill { summary: Some(summary), ..discarded })?;
        } else if dry_run {
            output::talk("nothing was told, and nothing is kept (--dry-run)");
        } else {
            output::talk("nothing is missing: there is nothing to tell");
        }
        return Ok(false);
    }
    if !yes && !is_wanted("tell Refairn")? {
        let _: Backfill = api.ask(true, &[PATH, &listed.id, "discard"], &[]).await?;
        output::talk("nothing was told, and nothing is kept");
        return Ok(false);
    }
    let begun: Backfill = api.ask(true, &[PATH, &listed.id, "record"], &given_note(&note)).await?;
    let done = wait(api, provider, begun).await?;
    end(shown, &done)
}

/// Looks until the backfill needs a person, or is over.
async fn wait(api: &Api, provider: ProviderKind, begun: Backfill) -> anyhow::Result<Backfill> {
    let (mut seen, mut watch) = (begun, Watch::of(provider));
    loop {
        let at_work = [BackfillState::Listing, BackfillState::Weighing, BackfillState::Recording];
        if !at_work.iter().any(|state| is(&seen, *state)) {
            watch.end();
            return Ok(seen);
        }
        let all =
            if is(&seen, BackfillState::Recording) { seen.found.saturating_sub(seen.known + seen.ignored) } else { 0 };
        let (what, done) = match all {
            0 => (format!("{}: {} found", seen.state, seen.found), 0),
            _ => (seen.state.clone(), seen.recorded),
        };
        let Backfill { state, note, due_at, requests, .. } = &seen;
        let far = Seen { state, note: note.as_deref(), due_at: Some(*due_at), requests: *requests };
        watch.look(far, &what, done, all).await;
        seen = api.ask(false, &[PATH, &seen.id], &[]).await?;
    }
}

fn is(backfill: &Backfill, state: BackfillState) -> bool {
    backfill.state == state.code()
}

/// Says how it ended.
fn end(shown: Shown, backfill: &Backfill) -> anyhow::Result<bool> {
    if shown == Shown::Json {
        output::json(backfill)?;
    }
    if is(backfill, BackfillState::Done) {
        if shown != Shown::Json {
            let (events, id) = (output::counted(backfill.recorded, "event"), &backfill.id);
            output::talk(&format!("{id}: {events} recorded; what they lead to is told from now on"));
            output::talk("see it with: refairn-bridge events list --origin backfill");
        }
        return Ok(true);
    }
    let why = backfill.note.clone().unwrap_or_else(|| format!("it is {}", backfill.state));
    Err(output::failed(format!("{}: {why}", backfill.id), "nothing was told; mend that, and give the command again"))
}
