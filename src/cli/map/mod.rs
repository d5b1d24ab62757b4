//! `map`: explains in plain words what a webhook's body would become. No network, no storage.

mod calls;
mod explanation;
mod paste;
mod place;
mod rules;
mod story;
mod words;

use jiff::Timestamp;

use self::explanation::Explanation;
use self::rules::Chosen;
use self::story::Story;
use super::bodies::{self, Body};
use super::configuration::ConfigFile;
use super::{Verdict, output};
use crate::clock::Clock;
use crate::domain::provider::ProviderKind;

/// Explain what a webhook's body would become: calls to Refairn, or why not
///
/// As if it were all the bridge knows: no other event, no call made before. Of
/// several files it says what each becomes, and which calls come of all of them.
/// Nothing is sent and nothing is stored. It is read by the rules of the
/// configuration's endpoint; without a configuration by the defaults, with
/// placeholders for your ids. A part of an event, such as an invoice alone, is
/// read as the event that it stands for. Exit code 1 when one cannot be read.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Whose body it is
    provider: ProviderKind,
    /// The file that holds the body, or - for standard input; several, in the order in which they came
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
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
/// A file cannot be read, or it is not clear by which rules. A body that means nothing is no error.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    let at = args.at.unwrap_or_else(|| Clock::system().now());
    let bodies = bodies::read(&args.files)?;
    if bodies.len() > 1 {
        let mut story = Story::new(at);
        for Body { name, bytes } in bodies {
            let pasted = paste::unwrap(args.provider, bytes);
            let kind = pasted.provider;
            story.add(name, pasted, kind, || Chosen::find(&args.config, args.endpoint.as_deref(), kind))?;
        }
        let told = story.end()?;
        if args.json {
            output::json(&told)?
        } else {
            output::data(&told.to_string())?
        }
        return Ok(if told.is_read() { Verdict::Fine } else { Verdict::NotFine });
    }
    let Some(Body { bytes, .. }) = bodies.into_iter().next() else { return Ok(Verdict::Fine) };
    let pasted = paste::unwrap(args.provider, bytes);
    let chosen = Chosen::find(&args.config, args.endpoint.as_deref(), pasted.provider)?;
    let explanation = Explanation::of(&chosen, pasted, at)?;
    if args.json {
        output::json(&explanation)?
    } else {
        output::data(&explanation.to_string())?
    }
    Ok(if explanation.is_read() { Verdict::Fine } else { Verdict::NotFine })
}
