//! Clocks that jump by hours and days, ahead and back, in the middle of things: nothing is lost, nothing is told twice, no
//! two calls of a customer are on their way at once, and what comes too late is flagged.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use refairn_bridge::config::StorageUrl;
use refairn_bridge::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::kit::samples::{Sale, sample};
use crate::kit::until;
use crate::kit::upstream::{Say, Upstream};
use crate::kit::world::{Setup, World};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Three hours and three days, both ways.
const JUMPS: [SignedDuration; 4] = [
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(-3),
    SignedDuration::from_hours(72),
    SignedDuration::from_hours(-72),
];
/// Minutes until whatever waits goes on after the clock was set right.
const MINUTES_MAX: u32 = 90;

in_both! {
    a_call_on_its_way_is_the_only_one_of_its_customer_whatever_the_clock_does
    an_outage_of_seconds_is_one_whatever_the_clock_does
    a_code_that_comes_too_late_is_flagged_whatever_the_clock_said_before
    a_repetition_that_refairn_knows_is_no_late_code_whatever_the_clock_said_before
    a_status_is_told_once_whatever_the_clock_said_before
    a_settle_that_fails_is_tried_until_it_is_written
}

/// A name for a customer of a round.
fn name(what: &str, n: usize) -> String {
    format!("{what}{n}")
}

/// Runs until the deliveries to `email` are as they should be, a minute at a time.
async fn settled(world: &World, email: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..MINUTES_MAX {
        let all = world.deliveries_to(email).await;
        if done(&all) {
            return all;
        }
        world.drive(MINUTE).await;
    }
    panic!("not in {MINUTES_MAX} minutes: {:?}", world.deliveries_to(email).await);
}

fn all_told(deliveries: &[Value]) -> bool {
    !deliveries.is_empty() && deliveries.iter().all(|d| d["state"] == "delivered" || d["state"] == "duplicate")
}

async fn a_call_on_its_way_is_the_only_one_of_its_customer_whatever_the_clock_does(new: fn() -> Setup) {
    let (gate, _open) = watch::channel(false);
    let slow = gate.clone();
    let upstream =
        Upstream::start(
            move |seen| {
                if seen.email().starts_with("slow") { Say::success().behind(&slow) } else { Say::success() }
            },
        )
        .await;
    let world = new().key("refairn", "timeout_ms", "60000").upstream(&upstream.url()).start().await;
    let right = world.now();
    let customers: Vec<String> = (0..3).map(|n| world.email(&name("slow", n))).collect();
    for (n, email) in customers.iter().enumerate() {
        world.stripe(&Sale::new(&name("s", n), email, world.ago(60)).event()).await;
        // One more of the same customer waits for its turn.
        world.stripe(&Sale::new(&name("t", n), email, world.ago(90_000)).event()).await;
    }
    until("three calls are on their way", async || (upstream.seen().len() == 3).then_some(())).await;
    for (n, jump) in JUMPS.into_iter().chain([SignedDuration::ZERO]).enumerate() {
        world.clock.set(right + jump);
        let email = world.email(&name("other", n));
        world.stripe(&Sale::new(&name("o", n), &email, world.ago(60)).event()).await;
        // Whoever looks for what is due has looked by then.
        world.delivery_when(&email, "delivered").await;
    }
    let calls = |email: &String| upstream.seen().iter().filter(|seen| seen.email() == *email).count();
    assert_eq!(customers.iter().map(calls).collect::<Vec<_>>(), [1, 1, 1], "made again while it is on its way");
    gate.send_replace(true);
    for email in &customers {
        let told = settled(&world, email, |all| all.len() == 2 && all_told(all)).await;
        let once = |d: &Value| d["state"] == "delivered" && d["attempts"] == 1 && d["response"]["agentId"] == "agent_1";
        assert!(told.iter().all(once), "{told:?}");
    }
    assert_eq!((customers.iter().map(calls).collect::<Vec<_>>(), upstream.most_at_once().0), (vec![2, 2, 2], 1));
    world.end().await;
}

async fn an_outage_of_seconds_is_one_whatever_the_clock_does(new: fn() -> Setup) {
    let world = new().start().await;
    for (n, jump) in JUMPS.into_iter().enumerate() {
        let email = world.email(&name("c", n));
        world.fault(&json!({ "status": 503, "email": email, "times": 1000 }).to_string());
        world.stripe(&Sale::new(&name("s", n), &email, world.ago(5 * 86_400)).event()).await;
        world.drive(Duration::from_secs(5)).await;
        // The clock is wrong for eight seconds.
        let right = world.now();
        world.clock.set(right + jump);
        world.drive(Duration::from_secs(8)).await;
        let found = world.deliveries_to(&email).await.remove(0);
        assert_eq!((&found["state"], &found["needs_attention"]), (&json!("queued"), &json!(false)), "{jump}: {found}");
        world.clock.set(right + SignedDuration::from_secs(8));
        world.sandbox.clear_faults();
        let told = settled(&world, &email, all_told).await;
        assert_eq!(told[0]["state"], "delivered", "{jump}: {told:?}");
        world.drive(MINUTE).await;
    }
    assert_eq!(world.sandbox.look(|book| book.payments().len()), JUMPS.len());
    world.end().await;
}

/// A sale of four days ago: no clock of these tests finds it in the future.
fn past(world: &World, id: &str, email: &str, right: Timestamp) -> Sale {
    Sale::new(id, email, Timestamp::from_second(right.as_second() - 4 * 86_400).expect("a time"))
        .cents(3000 + i64::from(world.n))
}

async fn a_code_that_comes_too_late_is_flagged_whatever_the_clock_said_before(new: fn() -> Setup) {
    let world = new().start().await;
    let right = world.now();
    for (n, jump) in JUMPS.into_iter().enumerate() {
        let email = world.email(&name("c", n));
        let sale = past(&world, &name("s", n), &email, right);
        world.clock.set(right + jump);
        world.stripe(&sale.event()).await;
        world.delivery_when(&email, "delivered").await;
        world.clock.set(right);
        world.stripe(&sale.checkout("ADA10")).await;
        let all = settled(&world, &email, |all| all.len() == 2 && all_told(all)).await;
        let payment = all.iter().find(|d| d["kind"] == "payment-succeeded").expect("a payment");
        let found = (&payment["state"], &payment["reason"], &payment["needs_attention"]);
        assert_eq!(found, (&json!("delivered"), &json!("referral_code_late"), &json!(true)), "{jump}: {payment}");
    }
    assert_eq!(world.sandbox.look(|book| book.commissions().len()), 0);
    world.end().await;
}

async fn a_repetition_that_refairn_knows_is_no_late_code_whatever_the_clock_said_before(new: fn() -> Setup) {
    let world = new().start().await;
    let right = world.now();
    for (n, jump) in JUMPS.into_iter().enumerate() {
        let email = world.email(&name("c", n));
        let sale = past(&world, &name("s", n), &email, right);
        world.clock.set(right + jump);
        world.stripe(&sale.checkout("ADA10")).await;
        world.delivery_when(&email, "delivered").await;
        world.clock.set(right);
        world.fault(&json!({ "drop": "after", "email": email }).to_string());
        world.stripe(&sale.event()).await;
        let all = settled(&world, &email, |all| all.len() == 2 && all_told(all)).await;
        let payment = all.iter().find(|d| d["kind"] == "payment-succeeded").expect("a payment");
        let found = (&payment["state"], &payment["reason"], &payment["needs_attention"]);
        assert_eq!(found, (&json!("duplicate"), &json!("already_at_refairn"), &json!(false)), "{jump}: {payment}");
    }
    assert_eq!(world.sandbox.look(|book| book.commissions().len()), JUMPS.len());
    world.end().await;
}

/// Word that the subscription of a sale is `status` from then on.
fn stands(sale: &Sale, status: &str, at: Timestamp) -> Value {
    let mut event = sample("stripe/customer.subscription.deleted/canceled-2024/body.json");
    let (id, at) = (&sale.id, at.as_second());
    event["id"] = json!(format!("evt_{status}_{id}"));
    event["created"] = json!(at);
    let subscription = &mut event["data"]["object"];
    subscription["id"] = json!(format!("sub_{id}"));
    subscription["customer"] = json!(format!("cus_{id}"));
    subscription["status"] = json!(status);
    let end = if status == "canceled" { json!(at) } else { Value::Null };
    (subscription["canceled_at"], subscription["ended_at"]) = (end.clone(), end);
    if status != "canceled" {
        event["type"] = json!("customer.subscription.updated");
    }
    event
}

async fn a_status_is_told_once_whatever_the_clock_said_before(new: fn() -> Setup) {
    let world = new().start().await;
    let right = world.now();
    let mut sales = vec![];
    for (n, jump) in JUMPS.into_iter().enumerate() {
        let email = world.email(&name("c", n));
        let sale = past(&world, &name("s", n), &email, right);
        world.clock.set(right + jump);
        world.stripe(&sale.event()).await;
        world.delivery_when(&email, "delivered").await;
        world.clock.set(right);
        sales.push((email, sale));
    }
    for (_, sale) in &sales {
        let ago = |hours| right - SignedDuration::from_hours(hours);
        world.stripe(&stands(sale, "active", ago(80))).await;
        world.stripe(&stands(sale, "canceled", ago(48))).await;
    }
    for _ in 0..6 {
        world.drive(DAY).await;
    }
    let statuses = |email: &str| {
        let of = |p: &&refairn_bridge::sandbox::Payment| p.customer_email == email && p.amount.is_zero();
        world.sandbox.look(|book| book.payments().iter().filter(of).map(|p| p.subscription_status.clone()).collect())
    };
    let told: BTreeMap<String, Vec<String>> = sales.iter().map(|(email, _)| (email.clone(), statuses(email))).collect();
    assert!(told.values().all(|statuses| *statuses == ["cancelled"]), "{told:?}");
    world.end().await;
}

/// Does something to the database behind the bridge's back.
async fn in_database(world: &World, in_sqlite: &str, in_postgres: &str) {
    match &world.config.storage.url {
        StorageUrl::Sqlite(path) => {
            let db = rusqlite::Connection::open(path).expect("opened");
            db.busy_timeout(MINUTE).expect("set");
            db.execute_batch(in_sqlite).expect("run");
        }
        StorageUrl::Postgres(url) => {
            let config: tokio_postgres::Config = url.address.expose().parse().expect("an address");
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("connected");
            // It ends with the client.
            Tasks::new().spawn(async { connection.await.expect("connected") });
            client.batch_execute(in_postgres).await.expect("run");
        }
    }
}

async fn a_settle_that_fails_is_tried_until_it_is_written(new: fn() -> Setup) {
    let (gate, _open) = watch::channel(false);
    let slow = gate.clone();
    let upstream = Upstream::start(move |_| Say::success().behind(&slow)).await;
    let world = new().key("refairn", "timeout_ms", "60000").upstream(&upstream.url()).start().await;
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    until("the call is on its way", async || (upstream.seen().len() == 1).then_some(())).await;
    in_database(
        &world,
        "CREATE TRIGGER broken BEFORE INSERT ON attempts BEGIN SELECT RAISE(ABORT, 'on purpose'); END",
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'on purpose'; END $$; \
         CREATE TRIGGER broken BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION broken()",
    )
    .await;
    gate.send_replace(true);
    // Each look in vain lets a second pass: far more than any lease lasts.
    for _ in 0..200 {
        world.pass(Duration::from_secs(1));
        assert_eq!(world.deliveries_to(&email).await[0]["state"], "sending");
    }
    in_database(&world, "DROP TRIGGER broken", "DROP TRIGGER broken ON attempts").await;
    let told = until("it is written", async || {
        world.pass(Duration::from_secs(1));
        world.deliveries_to(&email).await.into_iter().find(|d| d["state"] == "delivered")
    })
    .await;
    assert_eq!((&told["attempts"], &told["response"]["agentId"]), (&json!(1), &json!("agent_1")), "{told}");
    assert_eq!(upstream.seen().len(), 1);
    world.end().await;
}
