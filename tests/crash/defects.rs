//! The real program with a defect: something panics or hangs where it was told to. One event, call or request is set
//! aside and all others go on; or a task fails, the process says which and ends, and the next start makes up for all.

use std::time::Duration;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use serde_json::Value;

use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::Request;

/// Sales that a provider reports at most while it waits for the end of the bridge.
const SALES_MAX: usize = 100;
/// Between two of them.
const SALE_EVERY: Duration = Duration::from_millis(20);

/// Endpoints with keys, so that there are look-ups; nobody is at the addresses at which providers would be asked.
const ENDPOINTS: &str = r#"
[[endpoints]]
provider = "stripe"
api_key = "sk_live_of_nobody"
api_base_url = "http://127.0.0.1:9"
[[endpoints]]
provider = "paystack"
api_base_url = "http://127.0.0.1:9"
"#;

fn bridge(variables: &[(&'static str, &str)]) -> Process {
    let mut process = Process::new(variables);
    std::fs::create_dir(process.folder.path().join("config")).expect("a folder");
    std::fs::write(process.folder.path().join("config/refairn-bridge.toml"), ENDPOINTS).expect("written");
    process.panics = true;
    process
}

fn email(n: usize) -> String {
    format!("defect{n}@example.com")
}

fn sale(n: usize) -> Value {
    Sale::new(&format!("defect{n}"), &email(n), Clock::system().now()).event()
}

async fn post(process: &Process, n: usize) -> bool {
    process.post(Stripe, sale(n).to_string().as_bytes()).await.is_some()
}

/// How often Refairn was told of a customer's sale.
fn told(process: &Process, n: usize) -> usize {
    let email = email(n);
    process.sandbox.look(|book| book.payments().iter().filter(|p| p.customer_email == email).count())
}

async fn all_told_once(process: &Process, sales: &[usize]) {
    let all = async || sales.iter().all(|n| told(process, *n) > 0).then_some(());
    until("all is told", all).await;
    assert!(sales.iter().all(|n| told(process, *n) == 1), "something was told twice");
}

/// Why the process ended, by the one line of its log that says so.
fn last_words(process: &Process) -> String {
    let log = process.log();
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    let messages = records.filter_map(|record| (record["level"] == "ERROR").then(|| record["message"].to_string()));
    let words: Vec<String> = messages.filter(|message| message.contains("start it again")).collect();
    assert_eq!(words.len(), 1, "{log}");
    words.concat()
}

/// Under load, a task does what was ordered. The process ends with an error that names it, and nothing is lost.
async fn task_ends_the_process(order: String, says: String, database: Option<&Database>) {
    let url = database.map(Database::url);
    let variables: Vec<_> = url.as_deref().map(|url| ("DATABASE_URL", url)).into_iter().collect();
    let mut process = bridge(&variables);
    process.spawn("debug", &["--crash-at", &order]);
    let (mut n, mut taken) = (0, Vec::new());
    let ended = until(&format!("{order}: it ends"), async || {
        if n < SALES_MAX {
            n += 1;
            if post(&process, n).await {
                taken.push(n);
            }
        }
        tokio::time::sleep(SALE_EVERY).await;
        process.try_ended()
    })
    .await;
    assert_eq!(ended.code(), Some(1), "{order}: {}", process.log());
    let words = last_words(&process);
    assert!(words.contains(&says), "{order}: {words}");
    if let Some(database) = database {
        // The other replicas would wait for the leases of the dead to run out.
        database.run("UPDATE queue SET leased_until = 0; UPDATE claims SET until = 0");
    }
    process.start().await;
    assert!(post(&process, 0).await);
    taken.push(0);
    all_told_once(&process, &taken).await;
    process.end().await;
}

/// Tasks, and how often each begins a step before it fails.
const TASKS: &[(&str, u32)] = &[
    ("mapper", 4),
    ("dispatcher", 9),
    ("store-writer", 9),
    ("store-sync", 9),
    ("store-spool", 5),
    ("look-ups", 2),
    ("waits", 1),
    ("overdue", 1),
    ("prune", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_panics_ends_the_process_and_nothing_is_lost() {
    for (task, passing) in TASKS.iter().chain(&[("server", 1)]) {
        let says = format!("the task {task} ended by a panic");
        task_ends_the_process(format!("task/{task}:{passing}:panic"), says, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_hangs_ends_the_process_and_nothing_is_lost() {
    let hang = |(task, passing): &(&str, u32)| {
        task_ends_the_process(format!("task/{task}:{passing}:hang"), format!("the task {task} has stalled"), None)
    };
    futures_util::future::join_all(TASKS.iter().map(hang)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_fails_ends_a_replica_too() {
    let fails = async |task: &str, passing: u32, how: &str, says: &str| {
        let database = Database::make();
        let (order, says) = (format!("task/{task}:{passing}:{how}"), format!("the task {task} {says}"));
        task_ends_the_process(order, says, Some(&database)).await;
    };
    tokio::join!(
        fails("watch", 1, "panic", "ended by a panic"),
        fails("watch", 1, "hang", "has stalled"),
        fails("mapper", 4, "panic", "ended by a panic"),
        fails("dispatcher", 9, "hang", "has stalled"),
    );
}

/// What does not end the process: it is told to do something at a point, and takes sales as before.
async fn goes_on(order: &str, variables: &[(&'static str, &str)]) -> Process {
    let mut process = bridge(variables);
    process.spawn("debug", &["--crash-at", order]);
    process.ready().await;
    for n in 0..5 {
        // Whoever is answered 503 sends it again.
        until("it is taken", async || post(&process, n).await.then_some(())).await;
    }
    process
}

/// Checks each point with a new file, and with a new database.
async fn in_both_stores(points: &[&str], check: impl AsyncFn(&str, &[(&'static str, &str)])) {
    for point in points {
        check(point, &[]).await;
        let database = Database::make();
        check(point, &[("DATABASE_URL", &database.url())]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_or_a_write_that_panics_is_made_up_for_by_the_next() {
    let points = ["verified", "recorded", "posting", "planning", "settling"];
    in_both_stores(&points, async |point, variables| {
        let process = goes_on(&format!("{point}:2:panic"), variables).await;
        all_told_once(&process, &[0, 1, 2, 3, 4]).await;
        until("it panicked", async || process.log().contains("panicked").then_some(())).await;
        process.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_panics_is_answered_and_its_sender_comes_again() {
    let mut process = bridge(&[]);
    process.spawn("debug", &["--crash-at", "verified:1:panic"]);
    process.ready().await;
    let body = sale(0).to_string();
    let reply = process.signed(Stripe, body.as_bytes()).send(process.addr).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("internal_error")), "{}", reply.text());
    assert!(post(&process, 0).await);
    all_told_once(&process, &[0]).await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_which_the_bridge_panics_is_set_aside_and_read_anew() {
    in_both_stores(&["reading"], async |point, variables| {
        let process = goes_on(&format!("{point}:2:panic"), variables).await;
        let aside = until("an event is set aside", async || {
            process.all("events").await.into_iter().find(|event| event["reason"] == "internal_error")
        })
        .await;
        assert_eq!(aside["state"], "unmappable");
        until("the others are told", async || ((0..5).map(|n| told(&process, n)).sum::<usize>() == 4).then_some(()))
            .await;
        assert_eq!(process.get("/api/v1/stats").await["needs_attention"], 1);
        assert_eq!(process.act(&format!("/api/v1/events/{}/remap", aside["id"].as_str().expect("an id"))).await, 200);
        all_told_once(&process, &[0, 1, 2, 3, 4]).await;
        process.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_which_the_bridge_panics_is_for_a_person_to_see_and_retry() {
    in_both_stores(&["leased", "sent"], async |point, variables| {
        let process = goes_on(&format!("{point}:2:panic"), variables).await;
        let failed = until("a call is for a person to see", async || {
            process.all("deliveries").await.into_iter().find(|delivery| delivery["reason"] == "internal_error")
        })
        .await;
        assert_eq!(failed["state"], "rejected", "{failed}");
        let id = failed["id"].as_str().expect("an id");
        assert_eq!(process.act(&format!("/api/v1/deliveries/{id}/retry")).await, 200);
        all_told_once(&process, &[0, 1, 2, 3, 4]).await;
        process.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_over_which_the_bridge_panics_keeps_no_other_waiting() {
    let mut process = bridge(&[]);
    process.spawn("debug", &["--crash-at", "asking:1:panic"]);
    process.ready().await;
    for n in 0..2 {
        let mut nameless = sale(n);
        for field in ["customer_email", "customer_name"] {
            nameless["data"]["object"][field] = Value::Null;
        }
        assert!(process.post(Stripe, nameless.to_string().as_bytes()).await.is_some());
    }
    until("the first panics and the second is asked", async || {
        let log = process.log();
        (log.contains("the bridge failed over it") && log.contains("\"outcome\":\"failed\"")).then_some(())
    })
    .await;
    assert!(post(&process, 2).await);
    all_told_once(&process, &[2]).await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_panics_or_hangs_keeps_nobody_waiting() {
    for how in ["panic", "hang"] {
        let process = goes_on(&format!("task/log:3:{how}"), &[]).await;
        all_told_once(&process, &[0, 1, 2, 3, 4]).await;
        assert_eq!(Request::new("GET", "/livez").send(process.addr).await.status, 200);
        process.end().await;
    }
}
