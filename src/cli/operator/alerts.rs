//! `alerts`: whether those are told who have to know.

use super::bulk::note;
use super::{Api, Bridge};
use crate::api::{AlertPlace, AlertTest};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Try out where alerts go
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's, or a
/// token with the role operate.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Send a message to every place where alerts go, and say whether it arrived
    Test(Test),
}

#[derive(clap::Args)]
struct Test {
    #[command(flatten)]
    bridge: Bridge,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        match args.command {
            Command::Test(args) => test(args).await,
        }
    })
}

async fn test(args: Test) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let tried: AlertTest = api.ask(true, &["alerts", "test"], &note(&args.note)).await?;
    if args.bridge.json {
        output::json(&tried)?;
    } else {
        let line = |place: &AlertPlace| {
            let came = place.failed.as_ref().map_or_else(|| "arrived".to_owned(), |why| format!("failed: {why}"));
            [place.name.clone(), came]
        };
        output::data(&output::columns(tried.places.iter().map(line), 0))?;
    }
    let all_arrived = tried.places.iter().all(|place| place.failed.is_none());
    Ok(if all_arrived { Verdict::Fine } else { Verdict::NotFine })
}
