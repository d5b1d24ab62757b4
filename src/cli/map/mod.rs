//! `map`: explains in plain words what a webhook's body would become. No network, no storage.

mod calls;
mod explanation;
mod paste;
mod place;
mod rules;
mod words;

use jiff::Timestamp;

use self::explanation::Explanation;
use self::rules::Chosen;
use super::configuration::ConfigFile;
use super::{Verdict, bodies, output};
use crate::clock::Clock;
use crate::domain::provider::ProviderKind;

/// Explain what a webhook's body would become: calls to Refairn, or why not
///
/// As if it were all the bridge knows: no other event, no call made before.
/// Nothing is sent and nothing is stored. It is read by the rules of the
/// configuration's endpoint; without a configuration by the defaults, with
/// placeholders for your ids. A part of an event, such as an invoice alone, is
/// read as the event that it stands for.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Whose body it is
    provider: ProviderKind,
    /// The file that holds the body, or - for standard input
    file: String,
    #[command(flatten)]
    config: ConfigFile,
    /// Read it by the rules of this endpoint; needed when the provider has several
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// When it arrives, such as 2026-06-14T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Explains.
///
/// # Errors
/// The file cannot be read, or it is not clear by which rules. A body that means nothing is no error.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    let pasted = paste::unwrap(args.provider, bodies::one(&args.file)?);
    let chosen = Chosen::find(&args.config, args.endpoint.as_deref(), pasted.provider)?;
    let at = args.at.unwrap_or_else(|| Clock::system().now());
    let explanation = Explanation::of(&chosen, pasted, at)?;
    if args.json {
        output::json(&explanation)?;
    } else {
        output::data(&explanation.to_string())?;
    }
    Ok(Verdict::Fine)
}
