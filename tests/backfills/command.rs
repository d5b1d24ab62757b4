//! The command `backfill` as people and scripts give it: the real binary asks a real bridge, whose Refairn is the real
//! sandbox.

use serde_json::Value;

use crate::installation::{Installation, day, days_ago};
use crate::kit::command::{Done, same_as_before};
use crate::shop::Sale;

/// What was printed, without what is another every day.
fn lasting(done: &Done) -> String {
    let text = format!("{}\n--- standard error\n{}", done.stdout, done.stderr);
    text.lines().filter(|line| !line.starts_with("period")).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_told_is_shown_before_it_is_told() {
    let installation = Installation::open().await;
    let sale =
        |n: usize| Sale::new(n, format!("buyer{n}@example.com"), days_ago(50 + i64::try_from(n).expect("small")));
    for sale in [sale(1).code("ADA10"), sale(2), sale(3).refunded(), sale(4).renewals(1).ended()] {
        sale.at_stripe(&installation.provider);
    }
    // A second payment of one day.
    let twice = Sale { n: 5, ..sale(2) };
    twice.at_stripe(&installation.provider);
    let since = day(days_ago(70));
    let nobody = installation.run(&["backfill", "stripe", "--since", &since]).await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(2), ""));
    let dry = installation.run(&["backfill", "stripe", "--since", &since, "--dry-run"]).await.succeeds();
    assert!(installation.payments().await.is_empty());
    let told = installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await.succeeds();
    let again = installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await.succeeds();
    let json = installation.run(&["backfill", "stripe", "--since", &since, "--dry-run", "--json"]).await.succeeds();
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["state"], json["known"].as_u64() > Some(10)), (&Value::from("discarded"), true), "{json}");
    let texts = [("nobody to ask", &nobody), ("--dry-run", &dry), ("--yes", &told), ("--yes, again", &again)];
    let texts = texts.map(|(title, done)| format!("=== {title}\n{}\n", lasting(done)));
    same_as_before("backfill", &texts.concat());
    installation.provider.lists(|lists| lists.forbidden.insert("/v1/events".to_owned()));
    let refused = installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("may not read Events at Stripe"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_shown_and_what_is_missing_is_fetched() {
    let installation = Installation::open().await;
    let sale =
        |n: usize| Sale::new(n, format!("buyer{n}@example.com"), days_ago(50 + i64::try_from(n).expect("small")));
    for n in 0..6 {
        sale(n).code("ADA10").at_stripe(&installation.provider);
    }
    let (from, to) = (day(days_ago(70)), day(days_ago(40)));
    installation.run(&["backfill", "stripe", "--since", &from, "--until", &to, "--yes"]).await.succeeds();
    crate::kit::until("all are told", async || (installation.payments().await.len() == 6).then_some(())).await;
    let period = ["--from", from.as_str(), "--to", to.as_str()];
    let reconcile =
        async |more: &[&str]| installation.run(&[&["reconcile", "stripe"], &period[..], more].concat()).await;
    let alike = reconcile(&[]).await.succeeds();
    // A lost sale, a changed amount, and one that the provider does not list.
    sale(7).code("ADA10").at_stripe(&installation.provider);
    installation.provider.lists(|lists| {
        lists.change("/v1/invoices", |invoice| {
            if invoice["id"] == "in_1_0" {
                invoice["amount_paid"] = Value::from(3999);
            }
            invoice["id"] != "in_2_0"
        });
    });
    let differs = reconcile(&[]).await;
    assert_eq!(differs.code, Some(1), "{}", differs.stderr);
    let csv = reconcile(&["--format", "csv"]).await;
    let rows: Vec<&str> = csv.stdout.lines().collect();
    assert!(rows[0].starts_with("record,name,id,reason,differs"), "{}", csv.stdout);
    assert!(csv.stdout.contains("about,time_zone,UTC,"), "{}", csv.stdout);
    assert!(rows.iter().any(|row| row.starts_with("payment,missing,in_7_0,")), "{}", csv.stdout);
    assert!(rows.iter().any(|row| row.starts_with("payment,different,in_1_0,,amount,")), "{}", csv.stdout);
    let json: Value = serde_json::from_str(&reconcile(&["--format", "json"]).await.stdout).expect("JSON");
    assert_eq!((&json["to_see"], json["payments"].as_array().map(Vec::len)), (&Value::from(3), Some(7)), "{json:#}");
    let nobody = reconcile(&["--apply"]).await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(2), ""));
    let applied = reconcile(&["--apply", "--yes"]).await;
    assert_eq!(applied.code, Some(1), "{}", applied.stderr);
    crate::kit::until("the lost one is told", async || (installation.payments().await.len() == 7).then_some(())).await;
    let texts = [("alike", &alike), ("different", &differs), ("--apply --yes", &applied)];
    let texts = texts.map(|(title, done)| format!("=== {title}\n{}\n", undated(done)));
    same_as_before("reconcile", &texts.concat());
    installation.provider.lists(|lists| lists.forbidden.insert("/v1/invoices".to_owned()));
    let unknown = reconcile(&[]).await;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stdout);
    assert!(unknown.stderr.contains("may not read Invoices"), "{}", unknown.stderr);
}

/// What was printed, with days that are others tomorrow taken out.
fn undated(done: &Done) -> String {
    let lines = lasting(done);
    let lines = lines.lines().map(|line| {
        let words = line.split(' ').map(|word| match word.trim_end_matches([',', ':', ';']) {
            day if day.parse::<jiff::civil::Date>().is_ok() => word.replace(day, "DAY"),
            time if time.ends_with('Z') && time.matches(':').count() == 2 => word.replace(time, "TIME"),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_exported_in_each_format() {
    let installation = Installation::open().await;
    for n in 0..3 {
        let email = if n == 2 { "+formula@example.com".to_owned() } else { format!("buyer{n}@example.com") };
        let sale = Sale::new(n, email, days_ago(50));
        if n == 0 { sale.code("ADA10") } else { sale }.at_stripe(&installation.provider);
    }
    let since = day(days_ago(60));
    installation.run(&["backfill", "stripe", "--since", &since, "--yes"]).await.succeeds();
    crate::kit::until("all are told", async || (installation.payments().await.len() == 3).then_some(())).await;
    let paid = day(days_ago(50));
    let both = installation.run(&["export", "--format", "refairn-csv"]).await;
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let refairn = installation.run(&["export", "--format", "refairn-csv", "--currency", "usd"]).await.succeeds();
    let head =
        "Customer Name,Customer Email,Plan,Amount Paid,Subscription Status,Agent Code,Payment Date,Renewal Date\n";
    assert!(refairn.stdout.starts_with(head), "{}", refairn.stdout);
    let row = format!("Buyer 0,buyer0@example.com,prod_demo,29.99,active,ADA10,{paid},\n");
    assert!(refairn.stdout.contains(&row), "{}", refairn.stdout);
    let nobodys = format!("Buyer 1,buyer1@example.com,prod_demo,29.99,active,,{paid},\n");
    assert!(refairn.stdout.contains(&nobodys), "{}", refairn.stdout);
    assert!(!refairn.stdout.contains("formula") && refairn.stderr.contains("1 payment left out"), "{}", refairn.stderr);
    let all = installation.run(&["export", "--format", "csv", "--from", &since, "--fate", "credited"]).await.succeeds();
    assert_eq!(all.stdout.lines().count(), 2, "{}", all.stdout);
    assert!(!all.stdout.contains(",'+") && all.stdout.contains("in_0_0,live,buyer0@example.com"), "{}", all.stdout);
    let every = installation.run(&["export", "--format", "csv"]).await.succeeds();
    assert!(every.stdout.contains(",'+formula@example.com,"), "{}", every.stdout);
    let lines = installation.run(&["export", "--format", "jsonl"]).await.succeeds();
    let lines: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[0]["kind"]), (3, &Value::from("payment-succeeded")));
    installation.run(&["export", "--format", "refairn-csv", "--out", "files"]).await.succeeds();
    let file = std::fs::read_to_string(installation.dir.path().join("files/payments-USD.csv")).expect("a file");
    assert_eq!(file, refairn.stdout);
    let none = installation.run(&["export", "--format", "csv", "--month", "2020-01"]).await.succeeds();
    assert_eq!(none.stdout.lines().count(), 1, "{}", none.stdout);
}
