//! `export` of more payments than one page of the API has: each is there once, and all are in order.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::bridge::Data;
use crate::installation::{Installation, day, days_ago};
use crate::kit::until;
use crate::shop::Sale;

on_both! {
    more_payments_than_a_page_has_are_exported_once_and_in_order_in_each_format
}

/// Two whole pages of 500, and a part of a third.
const PAYMENTS: usize = 1300;
/// So many are paid in the same second: pages may end between them.
const AT_ONCE: usize = 7;

/// The fields of a row of numbers, ids and addresses, in which nothing is quoted.
fn field(row: &str, n: usize) -> String {
    row.split(',').nth(n).expect("a field").to_owned()
}

async fn more_payments_than_a_page_has_are_exported_once_and_in_order_in_each_format(data: Data) {
    let installation = Installation::open_on(data).await;
    let begin = days_ago(50).as_second();
    for n in 0..PAYMENTS {
        let at = begin + i64::try_from(n / AT_ONCE).expect("small") * 60;
        let at = Timestamp::from_second(at).expect("a time");
        Sale::new(n, format!("buyer{n}@example.com"), at).at_stripe(&installation.provider);
    }
    installation.run(&["backfill", "stripe", "--since", &day(days_ago(60)), "--yes"]).await.succeeds();
    // They are read one after the other: each part in its time.
    for least in (100..=PAYMENTS).step_by(100) {
        until(&format!("{least} payments are read"), async || {
            let page = installation.ask("GET", "/api/v1/payments?limit=1").await;
            let sums = page["totals"]["sums"].as_array().expect("sums");
            (sums.iter().filter_map(|sum| sum["payments"].as_u64()).sum::<u64>() >= least as u64).then_some(())
        })
        .await;
    }
    let export = async |more: &[&str]| installation.run(&[&["export", "--format"], more].concat()).await.succeeds();
    let lines = export(&["jsonl"]).await;
    let lines: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let ids: Vec<String> = lines.iter().map(|line| text(&line["provider_id"])).collect();
    let emails: Vec<String> = lines.iter().map(|line| text(&line["email"])).collect();
    let times: Vec<Timestamp> = lines.iter().map(|line| text(&line["paid_at"]).parse().expect("a time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "the newest first");
    let all: BTreeSet<String> = (0..PAYMENTS).map(|n| format!("in_{n}_0")).collect();
    assert_eq!((ids.len(), ids.iter().cloned().collect::<BTreeSet<_>>()), (PAYMENTS, all));
    let csv = export(&["csv"]).await;
    let rows: Vec<&str> = csv.stdout.lines().skip(1).collect();
    assert_eq!(rows.iter().map(|row| field(row, 2)).collect::<Vec<_>>(), ids, "csv");
    let imported = export(&["refairn-csv", "--currency", "usd"]).await;
    let rows: Vec<&str> = imported.stdout.lines().skip(1).collect();
    assert_eq!(rows.iter().map(|row| field(row, 1)).collect::<Vec<_>>(), emails, "refairn-csv");
    for (format, name) in [("csv", "payments-USD.csv"), ("jsonl", "payments-USD.jsonl")] {
        export(&[format, "--out", format]).await;
        let file = installation.dir.path().join(format).join(name);
        let file = std::fs::read_to_string(file).expect("a file");
        let places: Vec<usize> =
            ids.iter().map(|id| file.find(&format!("{id}{}", end_of(format))).expect("it is there")).collect();
        assert!(places.is_sorted(), "{name} has another order");
        assert_eq!(file.lines().count(), PAYMENTS + usize::from(format == "csv"), "{name}");
    }
}

/// What stands behind an id.
fn end_of(format: &str) -> &'static str {
    if format == "csv" { "," } else { "\"" }
}
