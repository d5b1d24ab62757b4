//! `reconcile`: a provider's list of what was paid, beside what the bridge has, beside what Refairn took.

mod table;
mod text;

use super::backfill::{Shown, Wanted, fetch, somebody_can_be_asked};
use super::watch::{Seen, Watch};
use super::{Api, Bridge};
use crate::api::{ComparedPage, ComparedPayment, Reconciliation};
use crate::cli::process::block_on;
use crate::cli::spreadsheet::unless_nobody_reads;
use crate::cli::{Verdict, output};
use crate::domain::provider::ProviderKind;
use crate::domain::reconciliation::{Comparison, Summary};

/// Where the API has reconciliations.
const PATH: &str = "reconciliations";
/// Payments of one page.
const PAGE: &str = "500";

/// Compare what a provider lists as paid with what the bridge and Refairn have
///
/// The running bridge reads the provider's lists with the endpoint's api_key and
/// compares each payment. --apply fetches what is missing, as backfill does:
/// you see what would be told, and are asked.
///
/// Exit code 0: there is nothing to do. 1: a person is needed. 2: it could not be
/// found out.
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
    /// Paid in this month, such as 2026-10
    #[arg(long, required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    month: Option<String>,
    /// Paid on this day or later
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<String>,
    /// Paid on this day or before
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<String>,
    /// Fetch what is missing, and tell Refairn
    #[arg(long)]
    apply: bool,
    /// With --apply: do not ask
    #[arg(long, requires = "apply")]
    yes: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "json")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For spreadsheets
    Csv,
    /// For programs
    Json,
}

/// Runs the command.
///
/// # Errors
/// It was used wrongly, or standard output cannot be written.
pub(in crate::cli) fn run(mut args: Args) -> anyhow::Result<Verdict> {
    if args.apply {
        somebody_can_be_asked(args.yes, "give --yes, or leave --apply out")?;
    }
    if args.bridge.json {
        args.format = Format::Json;
    }
    block_on(async {
        let found = async {
            let api = Api::new(&args.bridge)?;
            let compared = compare(&api, &args).await?;
            Ok::<_, anyhow::Error>((api, compared))
        };
        match found.await {
            Ok((api, compared)) => show(&api, &args, &compared).await,
            Err(error) => {
                output::report(&error);
                Ok(Verdict::Unknown)
            }
        }
    })
}

/// What was found out.
struct Compared {
    reconciliation: Reconciliation,
    summary: Summary,
}

/// Has the bridge compare, and waits for what it comes to.
async fn compare(api: &Api, args: &Args) -> anyhow::Result<Compared> {
    let mut query =
        super::given(&[("endpoint", &args.endpoint), ("month", &args.month), ("from", &args.from), ("to", &args.to)]);
    query.push(("provider", args.provider.code()));
    let mut seen: Reconciliation = api.ask(true, &[PATH], &query).await?;
    let mut watch = Watch::of(args.provider);
    while ["listing", "comparing"].contains(&seen.state.as_str()) {
        let Reconciliation { state, note, due_at, requests, found, .. } = &seen;
        let far = Seen { state, note: note.as_deref(), due_at: *due_at, requests: *requests };
        watch.look(far, &format!("{state}: {found} found"), 0, 0).await;
        seen = api.ask(false, &[PATH, &seen.id], &[]).await?;
    }
    watch.end();
    if let Some(summary) = seen.summary.clone() {
        return Ok(Compared { reconciliation: seen, summary });
    }
    let why = seen.note.clone().unwrap_or_else(|| format!("it is {}", seen.state));
    Err(output::failed(format!("{}: {why}", seen.id), "mend that, and give the command again"))
}

/// Every page of the compared payments; of one kind, if one is given.
async fn payments(
    api: &Api,
    id: &str,
    comparison: Option<Comparison>,
    mut each: impl FnMut(ComparedPayment) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE)];
        query.extend(comparison.map(|comparison| ("comparison", comparison.code())));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: ComparedPage = api.ask(false, &[PATH, id, "payments"], &query).await?;
        for payment in page.payments {
            if !each(payment)? {
                return Ok(());
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn show(api: &Api, args: &Args, compared: &Compared) -> anyhow::Result<Verdict> {
    match args.format {
        Format::Text => text::show(api, compared).await?,
        Format::Csv => unless_nobody_reads(table::csv(api, compared).await)?,
        Format::Json => table::json(api, compared).await?,
    }
    let summary = &compared.summary;
    let missing = summary.lacking();
    let mut to_see = summary.to_see();
    if args.apply && missing > 0 {
        let Reconciliation { endpoint, from, to, .. } = &compared.reconciliation;
        let shown = if args.format == Format::Text { Shown::Text } else { Shown::Aside };
        let wanted = Wanted {
            provider: args.provider,
            endpoint: Some(endpoint.clone()),
            since: from.to_string(),
            until: Some(to.to_string()),
            dry_run: false,
            yes: args.yes,
            note: None,
            shown,
        };
        if fetch(api, wanted).await? {
            to_see -= missing;
        }
    } else if args.apply {
        output::talk("nothing is missing: there is nothing to fetch");
    }
    Ok(if to_see == 0 { Verdict::Fine } else { Verdict::NotFine })
}
