//! `refairn-bridge demo`: a local Refairn, the bridge, and five weeks of a shop's webhooks in a few seconds. Nothing has
//! to be set up, nothing leaves the machine, nothing stays.
//!
//! `story` is written by a `Writer` (`scenario`) with the people of `customers` and the payloads of `stripe` and `paystack`.
//! `runner` plays it in an `environment`. `proof` judges its end; `summary` and `print` show it.

mod calendar;
mod customers;
mod environment;
mod paystack;
mod print;
mod progress;
mod proof;
mod runner;
mod scenario;
mod story;
mod stripe;
mod summary;

use std::path::PathBuf;

use super::output;
use super::process::{self, Signals};
use crate::clock::Clock;
use calendar::Calendar;
use environment::Environment;
use progress::Progress;
use summary::Summary;

/// Try it: a local Refairn, the bridge and five weeks of signed webhooks
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep both servers running afterwards, to look around, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Plays the demo. `program` is how it was called.
///
/// # Errors
/// The servers do not start or do not get done, or Refairn does not hold in the end what the providers reported.
pub(super) fn run(args: Args, program: Option<PathBuf>) -> anyhow::Result<()> {
    // A shell finds by its name what was called by its name.
    let path = program.filter(|path| path.components().count() > 1).and_then(|path| std::path::absolute(path).ok());
    process::block_on(async {
        let (mut signals, progress) = (Signals::listen()?, Progress::new());
        let environment = Environment::open(&Clock::system()).await?;
        let outcome = tokio::select! {
            outcome = show(&args, &environment, &progress) => outcome,
            failure = environment.failed() => {
                progress.broken_off();
                Err(failure)
            }
            () = told_to_stop(&mut signals) => {
                progress.broken_off();
                Err(output::failed("the demo was broken off", "let it play to its end; nothing of it is left"))
            }
        };
        if let (true, Ok(summary)) = (args.keep, &outcome) {
            output::talk(&print::hints(&environment, summary, path.as_deref()));
            tokio::select! {
                () = told_to_stop(&mut signals) => {}
                failure = environment.failed() => return Err(failure),
            }
        }
        environment.close().await;
        match outcome?.proof.differences.len() {
            0 => Ok(()),
            differences => Err(output::failed(
                format!("the sandbox does not hold what the providers reported: {differences} differences"),
                "please report this, with the summary",
            )),
        }
    })
}

/// Plays the story and prints the summary.
async fn show(args: &Args, environment: &Environment, progress: &Progress) -> anyhow::Result<Summary> {
    output::talk("refairn-bridge demo: all of it on this machine, and nothing is kept");
    output::talk(&format!("  a local Refairn  {}", environment.sandbox_url()));
    output::talk(&format!("  the bridge       {}", environment.bridge_url()));
    output::talk(&format!("  its dashboard    {}/", environment.bridge_url()));
    output::talk(&format!("  its admin token  {}\n", environment.secrets.admin_token.expose()));
    let story = story::write(Calendar::new(environment.clock.now()));
    let ingress = runner::play(&story, environment, progress).await?;
    let summary = summary::take(&story, environment, ingress).await?;
    if args.json {
        output::json(&summary)?;
    } else {
        output::data(&print::summary(&summary))?;
    }
    Ok(summary)
}

/// Waits for a signal to end. A terminal that is closed sends one too, and the folder is to go all the same.
async fn told_to_stop(signals: &mut Signals) {
    #[cfg(unix)]
    if let Ok(mut hung_up) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        tokio::select! {
            _ = signals.next() => {}
            _ = hung_up.recv() => {}
        }
        return;
    }
    signals.next().await;
}

/// So many hexadecimal digits that nobody can guess.
fn made_up(digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(rand::random_range(0..16), 16).unwrap_or('0')).collect()
}
