//! `payments`: what was paid in some time, what became of it, and what it adds up to.

use super::days::Days;
use super::{Api, Bridge, Part, deliveries, given, in_full, read_on};
use crate::api::{PaymentPage, Totals};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Look at the payments of some time, and what they add up to
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
    /// List payments, those that were paid last first
    List(List),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    bridge: Bridge,
    #[command(flatten)]
    days: Days,
    /// Crediting this agent
    #[arg(long)]
    agent: Option<String>,
    /// Of customers with this referral code
    #[arg(long)]
    code: Option<String>,
    /// live or test
    #[arg(long, default_value = "live", value_parser = ["live", "test"])]
    mode: String,
    /// credited, credited_nobody or credit_unknown
    #[arg(long)]
    fate: Option<String>,
    #[command(flatten)]
    part: Part,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    let Command::List(args) = args.command;
    block_on(list(args))
}

async fn list(args: List) -> anyhow::Result<Verdict> {
    let [from, to] = args.days.first_and_last()?;
    let mut query =
        given(&[("from", &from), ("to", &to), ("agent", &args.agent), ("code", &args.code), ("fate", &args.fate)]);
    query.push(("mode", &args.mode));
    query.extend(args.part.given());
    let api = Api::new(&args.bridge)?;
    if args.bridge.json {
        api.print_json(&["payments"], &query).await?;
        return Ok(Verdict::Fine);
    }
    let page: PaymentPage = api.ask(false, &["payments"], &query).await?;
    let nothing = if args.mode == "live" { "no payment fits; --mode test lists tests" } else { "no test payment fits" };
    output::list(page.payments.iter().map(deliveries::row), nothing)?;
    if let Some(totals) = &page.totals {
        print_totals(totals)?;
    }
    if !page.complete {
        output::talk("more events brought this code than a list follows: it has the payments of the newest customers");
    }
    read_on(page.next.as_deref());
    Ok(Verdict::Fine)
}

fn print_totals(totals: &Totals) -> anyhow::Result<()> {
    let rows = totals.sums.iter().map(|sum| {
        let amount = sum.amount.as_ref().map_or_else(
            || format!("too much to add up {}", sum.currency),
            |amount| in_full(amount.get(), &sum.currency),
        );
        let test = if sum.mode == "test" { "test " } else { "" };
        let fate = sum.fate.clone().unwrap_or_else(|| "not told".to_owned());
        let count = if sum.payments == 1 { "1 payment".to_owned() } else { format!("{} payments", sum.payments) };
        ["total".to_owned(), format!("{test}{amount}"), count, fate]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        output::data(&output::columns(rows, 0))?;
    }
    if !totals.complete {
        output::talk("these sums are not of all payments, but of the newest: ask for fewer days");
    }
    Ok(())
}
