//! `export`: payments as files, for spreadsheets, for programs, and as Refairn's own import takes them. They are read a page
//! at a time and written as they come.

mod files;
mod refairn;

use std::path::PathBuf;

use super::days::Days;
use super::{Api, Bridge};
use crate::api::{Delivery, PaymentPage};
use crate::cli::bar::Bar;
use crate::cli::process::block_on;
use crate::cli::spreadsheet::unless_nobody_reads;
use crate::cli::{Verdict, output};
use files::Files;

/// Payments of one page.
const PAGE: &str = "500";

/// Write payments as files
///
/// refairn-csv is the format of Refairn's CSV import: one currency in a file, for
/// it has no column for that. Give --out for a file of each currency, or
/// --currency for one on standard output.
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
    /// How they are written
    #[arg(long, value_enum, conflicts_with = "json")]
    format: Format,
    #[command(flatten)]
    days: Days,
    /// Crediting this agent
    #[arg(long)]
    agent: Option<String>,
    /// credited, credited_nobody or credit_unknown
    #[arg(long)]
    fate: Option<String>,
    /// live or test
    #[arg(long, default_value = "live", value_parser = ["live", "test"])]
    mode: String,
    /// Only payments in this currency
    #[arg(long)]
    currency: Option<String>,
    /// A folder for the files, a file of each currency [default: standard output]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// As Refairn's CSV import takes them
    RefairnCsv,
    /// For spreadsheets, with all that is known of each
    Csv,
    /// For programs: a payment on each line, as the API answers it
    Jsonl,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses, or a file cannot be written.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    if args.format == Format::RefairnCsv && args.out.is_none() && args.currency.is_none() {
        let what = "Refairn's import has no column for the currency, so one file has one currency";
        return Err(output::wrong_usage(what, "give --currency, or --out FOLDER for a file of each"));
    }
    unless_nobody_reads(block_on(export(args)))?;
    Ok(Verdict::Fine)
}

async fn export(args: Args) -> anyhow::Result<()> {
    let [from, to] = args.days.first_and_last()?;
    let api = Api::new(&args.bridge)?;
    let currency = args.currency.as_ref().map(|currency| currency.to_ascii_uppercase());
    let mut files = Files::new(args.format, args.out.clone());
    let (mut after, mut bar): (Option<String>, _) = (None, Bar::new());
    loop {
        let mut query = super::given(&[
            ("from", &from),
            ("to", &to),
            ("agent", &args.agent),
            ("fate", &args.fate),
            ("after", &after),
        ]);
        query.extend([("mode", args.mode.as_str()), ("limit", PAGE), ("totals", "no")]);
        let page: PaymentPage = api.ask(false, &["payments"], &query).await?;
        for payment in &page.payments {
            let of = currency_of(payment);
            if currency.as_ref().is_none_or(|wanted| of.as_ref() == Some(wanted)) {
                files.write(payment, of.as_deref().unwrap_or("unknown"))?;
            }
        }
        if args.out.is_some() {
            bar.show("exported", files.written(), 0);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    bar.clear();
    files.end()
}

/// What a payment's call tells.
#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Told {
    product_id: String,
    customer_email: String,
    // The digits as they are sent, past no float.
    amount: Option<Box<serde_json::value::RawValue>>,
    currency: String,
    subscription_status: String,
    payment_date: String,
}

impl Told {
    fn of(payment: &Delivery) -> Self {
        let read = payment.request.as_ref().map(|body| serde_json::from_str(body.get()));
        read.and_then(Result::ok).unwrap_or_default()
    }

    fn amount(&self) -> &str {
        self.amount.as_ref().map_or("", |amount| amount.get())
    }
}

fn currency_of(payment: &Delivery) -> Option<String> {
    Some(Told::of(payment).currency).filter(|currency| !currency.is_empty())
}
