//! `examples`: the webhooks that the program brings, to try a bridge with.

use serde::Serialize;

use super::{Verdict, output};
use crate::domain::provider::ProviderKind;
use crate::providers::provider;

/// List the webhooks that send can make up
///
/// Send one with: refairn-bridge send PROVIDER --example NAME
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Those of this provider only
    provider: Option<ProviderKind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An example in a list.
#[derive(Serialize)]
struct Listed {
    provider: ProviderKind,
    name: &'static str,
    about: &'static str,
    /// The types of its events, in their order.
    events: Vec<String>,
}

/// Lists.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<Verdict> {
    let kinds = ProviderKind::ALL.iter().copied().filter(|kind| args.provider.is_none_or(|wanted| wanted == *kind));
    let examples: Vec<Listed> = kinds.flat_map(of).collect();
    if args.json {
        output::json(&examples)?;
    } else {
        let row = |e: &Listed| {
            let events = if e.events.len() == 1 { "1 event".to_owned() } else { format!("{} events", e.events.len()) };
            [e.provider.to_string(), e.name.to_owned(), events, e.about.to_owned()]
        };
        output::data(&output::columns(examples.iter().map(row), 0))?;
        output::talk("send one with: refairn-bridge send PROVIDER --example NAME");
    }
    Ok(Verdict::Fine)
}

fn of(kind: ProviderKind) -> impl Iterator<Item = Listed> {
    provider(kind).descriptor().examples.list.iter().map(move |example| Listed {
        provider: kind,
        name: example.name,
        about: example.about,
        events: example.bodies.iter().map(|(_, body)| provider(kind).identify(body.as_bytes()).event_type).collect(),
    })
}
