//! `audit`: who decided what, when, and why.

use super::{Api, Bridge, Part, given, read_on, when};
use crate::api::{AuditEntry, AuditPage};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Where the API has it.
const PATH: &str = "audit";

/// See who decided what, when, and why
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's, or a
/// token that was given by access create.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List decisions, the newest first
    List(List),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    bridge: Bridge,
    /// By this person
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// retry, release, discard, remap, give_access, revoke_access and others
    #[arg(long)]
    decision: Option<String>,
    /// About this one: dlv_9, evt_17, bkf_3
    #[arg(long, value_name = "ID")]
    item: Option<String>,
    #[command(flatten)]
    part: Part,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        match args.command {
            Command::List(args) => list(args).await,
        }
    })
}

async fn list(args: List) -> anyhow::Result<Verdict> {
    let List { bridge, who, decision, item, part } = args;
    let api = Api::new(&bridge)?;
    let mut query = given(&[("who", &who), ("decision", &decision), ("item", &item)]);
    let nothing = if query.is_empty() { "nobody has decided anything yet" } else { "no decision fits" };
    query.extend(part.given());
    if bridge.json {
        api.print_json(&[PATH], &query).await?;
        return Ok(Verdict::Fine);
    }
    let page: AuditPage = api.ask(false, &[PATH], &query).await?;
    let rows = page.audit.iter().map(|entry| {
        let AuditEntry { at, who, decision, item, .. } = entry;
        [when(*at), who.clone(), format!("{decision} {item}"), change(entry)]
    });
    output::list(rows, nothing)?;
    read_on(page.next.as_deref());
    Ok(Verdict::Fine)
}

/// What a decision changed, and the note.
pub(super) fn change(entry: &AuditEntry) -> String {
    let AuditEntry { note, before, after, day_before, day_after, .. } = entry;
    let from_to = |before: &Option<String>, after: &Option<String>| match (before, after) {
        (Some(before), Some(after)) if before == after => after.clone(),
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    };
    let dated = from_to(day_before, day_after);
    let dated = if day_before == day_after { String::new() } else { format!("dated {dated}") };
    let note = note.as_ref().map(|note| format!("\"{note}\"")).unwrap_or_default();
    let parts = [note, from_to(before, after), dated];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// A decision about one thing, in a line.
pub(super) fn line(entry: &AuditEntry) -> String {
    let AuditEntry { at, who, decision, .. } = entry;
    format!("{} {who}: {decision}; {}", when(*at), change(entry))
}
