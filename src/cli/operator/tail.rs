//! `tail`: each webhook, and what becomes of it, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Api, Bridge, deliveries, standing, when};
use crate::api::{DeliveryPage, EventPage};
use crate::cli::process::{Signals, block_on};
use crate::cli::{Verdict, output};

/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_secs(1);
/// The newest events, and calls, that are looked at each time.
const LOOKED_AT: &str = "100";

/// Watch webhooks come in, and what becomes of them
///
/// A line for each webhook when it was read, and for each call when something
/// became of it. Ctrl-C ends it.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
}

/// What was told of the events and calls that are looked at.
#[derive(Default)]
struct Told {
    events: BTreeMap<String, String>,
    calls: BTreeMap<String, String>,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            ended = watch(&args.bridge) => ended,
            _ = signals.next() => Ok(Verdict::Fine),
        }
    })
}

async fn watch(bridge: &Bridge) -> anyhow::Result<Verdict> {
    let api = Api::new(bridge)?;
    let mut told = Told::default();
    look(&api, &mut told, None).await?;
    output::talk("waiting for webhooks; Ctrl-C ends it");
    loop {
        tokio::time::sleep(PAUSE).await;
        look(&api, &mut told, Some(bridge.json)).await?;
    }
}

/// Looks at what is new, and tells it: as JSON, or for people. The first look tells nothing.
async fn look(api: &Api, told: &mut Told, as_json: Option<bool>) -> anyhow::Result<()> {
    let limit = [("limit", LOOKED_AT)];
    let events: EventPage = api.ask(false, &["events"], &limit).await?;
    let calls: DeliveryPage = api.ask(false, &["deliveries"], &limit).await?;
    let mut now = Told::default();
    for event in events.events.iter().rev() {
        let became = standing(&event.state, event.reason.as_deref());
        // What nobody has read yet is told of when it is.
        if event.state != "received" && told.events.get(&event.id) != Some(&became) {
            let test = if event.mode.as_deref() == Some("test") { "test " } else { "" };
            let what = format!("{test}{} {}", event.endpoint, event.event_type);
            tell(as_json, event, [when(event.received_at), event.id.clone(), what, became.clone()])?;
        }
        now.events.insert(event.id.clone(), became);
    }
    for call in calls.deliveries.iter().rev() {
        let became = deliveries::became(call);
        if told.calls.get(&call.id) != Some(&became) {
            let [id, what, _, became] = deliveries::row(call);
            tell(as_json, call, [String::new(), id, what, became])?;
        }
        now.calls.insert(call.id.clone(), became);
    }
    *told = now;
    Ok(())
}

fn tell(as_json: Option<bool>, item: &impl Serialize, line: [String; 4]) -> anyhow::Result<()> {
    match as_json {
        None => Ok(()),
        Some(true) => output::data(&output::json_text(&serde_json::to_string(item)?)),
        Some(false) => {
            let [at, id, what, became] = line;
            output::data(&output::columns([[format!("{at:<20}  {id:<7}  {what}"), became]], 0))
        }
    }
}
