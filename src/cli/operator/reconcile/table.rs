//! A reconciliation that can be kept and signed: all of it in one file, for spreadsheets or for programs.

use std::io;

use serde::Serialize;

use super::{Api, Compared, payments};
use crate::api::{ComparedPayment, Reconciliation};
use crate::cli::output;
use crate::cli::spreadsheet::Spreadsheet;
use crate::domain::reconciliation::{Side, Total};

/// The columns. What a row is, its first one says: `about`, `total`, `count` or `payment`.
const COLUMNS: [&str; 20] = [
    "record",
    "name",
    "id",
    "reason",
    "differs",
    "count",
    "provider_day",
    "provider_amount",
    "provider_currency",
    "provider_customer",
    "provider_taken_back",
    "provider_product",
    "our_day",
    "our_amount",
    "our_currency",
    "our_customer",
    "our_taken_back",
    "our_product",
    "told",
    "told_state",
];

/// As comma-separated values.
pub(super) async fn csv(api: &Api, compared: &Compared) -> anyhow::Result<()> {
    let mut table = Spreadsheet::new(io::stdout().lock(), &COLUMNS)?;
    let Compared { reconciliation, summary } = compared;
    for (name, value) in about(reconciliation, summary.complete) {
        table.row(&row(["about", name, &value], &[]))?;
    }
    for totals in &summary.totals {
        let currency = totals.currency.code();
        for (side, total) in [("provider", &totals.provider), ("bridge", &totals.ours), ("refairn", &totals.told)] {
            let count = total.count.to_string();
            table.row(&row(["total", side, ""], &[(5, &count), (7, &amount(total)), (8, &currency)]))?;
        }
    }
    for sum in &summary.sums {
        let currency = sum.currency.map(|currency| currency.code()).unwrap_or_default();
        let (count, reason) = (sum.count.to_string(), sum.reason.clone().unwrap_or_default());
        table.row(&row(["count", sum.comparison.code(), ""], &[(3, &reason), (5, &count), (8, &currency)]))?;
    }
    if summary.unreadable > 0 {
        table.row(&row(["count", "unreadable", ""], &[(5, &summary.unreadable.to_string())]))?;
    }
    payments(api, &reconciliation.id, None, |payment| table.row(&of_payment(&payment)).map(|()| true)).await?;
    table.end()
}

/// A row with these cells, by their columns.
fn row(first: [&str; 3], cells: &[(usize, &str)]) -> Vec<String> {
    let mut row: Vec<String> = first.iter().map(|cell| (*cell).to_owned()).collect();
    row.resize(COLUMNS.len(), String::new());
    for (column, cell) in cells {
        if let Some(place) = row.get_mut(*column) {
            (*cell).clone_into(place);
        }
    }
    row
}

fn amount(total: &Total) -> String {
    total.amount.map_or_else(|| "too much to add up".to_owned(), |amount| amount.normalize().to_string())
}

/// What was compared, when, and by what.
fn about(of: &Reconciliation, complete: bool) -> Vec<(&'static str, String)> {
    vec![
        ("reconciliation", of.id.clone()),
        ("from", of.from.to_string()),
        ("to", of.to.to_string()),
        ("time_zone", of.time_zone.clone()),
        ("compared_at", of.compared_at.map(|at| at.to_string()).unwrap_or_default()),
        ("provider", of.provider.clone()),
        ("endpoint", of.endpoint.clone()),
        ("account", of.account.clone().unwrap_or_default()),
        ("mode", of.mode.clone().unwrap_or_default()),
        ("bridge_version", of.version.clone()),
        ("reading", of.reading.to_string()),
        ("provider_rows", of.found.to_string()),
        ("connected_accounts_not_compared", of.unlisted_accounts.to_string()),
        ("all_payments_shown", if complete { "yes" } else { "no: only those that need a look" }.to_owned()),
    ]
}

fn of_payment(payment: &ComparedPayment) -> Vec<String> {
    let side = |side: Option<&Side>| match side {
        Some(side) => [
            side.day.to_string(),
            side.amount.normalize().to_string(),
            side.currency.code(),
            side.email.as_ref().map(|email| email.as_given().to_owned()).unwrap_or_default(),
            side.taken_back.normalize().to_string(),
            side.product.clone().unwrap_or_default(),
        ],
        None => Default::default(),
    };
    let all = |of: fn(&crate::api::ToldCall) -> String| payment.told.iter().map(of).collect::<Vec<_>>().join("; ");
    let mut row = vec![
        "payment".to_owned(),
        payment.comparison.clone(),
        payment.id.clone(),
        payment.reason.clone().unwrap_or_default(),
        payment.differs.join(" "),
        String::new(),
    ];
    row.extend(side(payment.provider.as_ref()));
    row.extend(side(payment.ours.as_ref()));
    row.push(all(|told| format!("{} {} {} {}", told.delivery_id, told.day, told.amount, told.currency)));
    row.push(all(|told| told.fate.clone().unwrap_or_else(|| told.state.clone())));
    row
}

/// All of it, for programs.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    reconciliation: &'a Reconciliation,
    payments: Vec<ComparedPayment>,
}

/// As JSON.
pub(super) async fn json(api: &Api, compared: &Compared) -> anyhow::Result<()> {
    let Compared { reconciliation, .. } = compared;
    let mut all = Vec::new();
    payments(api, &reconciliation.id, None, |payment| {
        all.push(payment);
        Ok(true)
    })
    .await?;
    output::json(&Whole { reconciliation, payments: all })
}
