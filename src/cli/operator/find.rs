//! `find`: where something is, whatever is known of it.

use super::{Api, Bridge, standing};
use crate::api::{Hit, SearchPage};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Find customers, payments, calls and events by anything
///
/// A part of an address, a referral code, an agent, any id of the provider's
/// (cus_, in_, cs_, pi_, sub_, a reference, an event's), a commission, evt_9,
/// dlv_9.
/// Exit code 1 when nothing is found.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
    /// What is known of it
    what: String,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(find(args))
}

async fn find(args: Args) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let query = [("q", args.what.as_str())];
    if args.bridge.json {
        api.print_json(&["search"], &query).await?;
        return Ok(Verdict::Fine);
    }
    let page: SearchPage = api.ask(false, &["search"], &query).await?;
    if page.hits.is_empty() {
        output::talk(&format!("nothing has to do with {}", output::line(&args.what)));
        if !page.commands.is_empty() {
            output::talk(
                "of a sale whose webhook was lost, the provider knows more: name the month in which it was paid",
            );
            page.commands.iter().for_each(|command| output::talk(&format!("  {}", output::line(command))));
        }
        return Ok(Verdict::NotFine);
    }
    // An address is wide, and ids are not: each kind has columns of its own.
    let (customers, others): (Vec<&Hit>, Vec<&Hit>) = page.hits.iter().partition(|hit| hit.kind == "customer");
    for hits in [customers, others].into_iter().filter(|hits| !hits.is_empty()) {
        output::data(&output::columns(hits.into_iter().map(row), 0))?;
    }
    if page.more {
        output::talk("there is more: give more of what you look for");
    }
    Ok(Verdict::Fine)
}

fn row(hit: &Hit) -> [String; 4] {
    let became = hit.fate.as_ref().or(hit.state.as_ref()).cloned().unwrap_or_default();
    let mode = hit.mode.as_deref().filter(|mode| *mode == "test").unwrap_or_default();
    let became = standing(&became, hit.reason.as_deref());
    [hit.id.clone(), hit.what.clone(), mode.to_owned(), became]
}
