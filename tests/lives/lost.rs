//! Lives of which every tenth webhook is lost, and what the provider lists is fetched afterwards: Refairn holds the same
//! payments and customers as if none had been lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use refairn_bridge::backfill::Worker;
use refairn_bridge::clock::after;
use refairn_bridge::domain::backfill::{BackfillId, BackfillState, Purpose};
use refairn_bridge::domain::delivery::{Call, DeliveryKey, DeliveryState};
use refairn_bridge::domain::money::Currency;
use refairn_bridge::domain::proxy::Proxies;
use refairn_bridge::domain::reason::DeliveryReason;
use refairn_bridge::domain::reconciliation::{Comparison, Field};
use refairn_bridge::domain::secret::Secret;
use refairn_bridge::store::{COMPARED_PAGE_MAX, ComparedFilter};
use refairn_bridge::tasks::Tasks;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::drive::{Batch, END, second};
use crate::events::{Event, describe, rfc3339, takes_back};
use crate::generate;
use crate::kept::Kept;
use crate::kit::pipeline::Pipeline;
use crate::kit::provider::Provider;
use crate::kit::rules::BODY_BYTES_MAX;
use crate::life::{Act, BEGIN, DAY, Endpoint, Fate, Life, What};

/// Every so many webhooks are lost.
const LOST_EVERY: u64 = 10;
/// Stripe keeps its events for 30 days: somebody notices before that.
const NOTICED_EVERY: i64 = 25 * DAY;
const KEY: &str = "rk_live_of_the_lives";

/// Whether Refairn answers before what was lost is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refairn {
    Down,
    Up,
}

/// What is wrong with these lives, if any of their webhooks are lost.
pub(crate) async fn failing(numbers: std::ops::Range<u64>, kept: Kept, refairn: Refairn) -> Vec<String> {
    let lives: Vec<Life> = numbers.map(generate::life).filter(may_lose).collect();
    let batch = Batch::new(lives, kept);
    let (whole, _) = run(&batch, refairn, false).await;
    let (mut mended, shown) = run(&batch, refairn, true).await;
    let mut wrong = Vec::new();
    for Shown { bill, listed, told } in shown {
        let paid = |(life, events)| Some((life, events, paid(life, &bill)?));
        match batch.lives.iter().map(|(life, events)| (life, events)).find_map(paid) {
            Some((life, events, act)) if lost_its_first(life, events, act) => {
                let all = mended.entry(life.number).or_default();
                if all.remove(&told) {
                    all.insert(listed);
                }
            }
            _ => wrong.push(format!("shown as different, and is not: {told}, listed {listed}")),
        }
    }
    for (life, events) in &batch.lives {
        let (expected, found) = (whole.get(&life.number), mended.get(&life.number));
        if expected != found {
            let less = |a: Option<&BTreeSet<String>>, b: Option<&BTreeSet<String>>| {
                let b = b.cloned().unwrap_or_default();
                a.into_iter().flatten().filter(|x| !b.contains(*x)).map(|x| format!("\n    {x}")).collect::<String>()
            };
            let (fewer, more) = (less(expected, found), less(found, expected));
            let acts: String = life.acts.iter().map(|act| format!("\n    {}", describe(life, act))).collect();
            let lost = events.iter().filter(|event| is_lost(life, event));
            let lost: String =
                lost.map(|event| format!("\n    #{} {} for {:?}", event.act, event.kind, event.endpoint)).collect();
            wrong.push(format!(
                "life {}, Refairn {refairn:?}: only without a loss{fewer}\n  only mended{more}\n  lost{lost}\n  acts{acts}\n  \
                 again: LIVES_LOST=1 LIVES_LOST_SEED={} cargo test --test lives lost",
                life.number, life.number
            ));
        }
    }
    wrong
}

/// What a provider lists shows all of it: no other account's events.
fn may_lose(life: &Life) -> bool {
    life.payers.iter().all(|payer| payer.account.is_none())
}

/// A difference of amount that a reconciliation shows: a payment as it is listed, and as Refairn was told of it.
struct Shown {
    bill: String,
    listed: String,
    told: String,
}

/// A payment in one line.
fn line(bill: &str, amount: Decimal, currency: Currency, day: Date) -> String {
    format!("{bill} {} {currency} {day}", amount.normalize())
}

/// Where a payment of a life was made.
fn paid<'a>(life: &'a Life, bill: &str) -> Option<&'a Act> {
    life.acts.iter().find(|act| matches!(&act.what, What::Paid(paid) if paid.bill == bill))
}

/// Whether the endpoint that stands first, and so decides on the amount, lost an invoice of which another one heard. What
/// Refairn was told before it came back stays, and a reconciliation shows where that is another amount.
fn lost_its_first(life: &Life, events: &[Event], act: &Act) -> bool {
    let [first, _, ..] = life.payer(act).endpoints else { return false };
    let reports =
        |event: &&Event| event.act == act.n && event.endpoint == *first && event.kind.starts_with("invoice.pa");
    let mut reports = events.iter().filter(reports).peekable();
    reports.peek().is_some() && reports.all(|event| is_lost(life, event))
}

/// Whether an event never comes as a webhook.
fn is_lost(life: &Life, event: &Event) -> bool {
    Chance::of(&[life.number, event.act, event.part, 20]).below(LOST_EVERY) == 0
}

/// What Refairn holds of each life in the end; with Refairn up, which payments there are, what they tell, and what of that a
/// reconciliation shows to be another amount than what is listed.
async fn run(batch: &Batch, refairn: Refairn, loses: bool) -> (BTreeMap<u64, BTreeSet<String>>, Vec<Shown>) {
    let mut providers = BTreeMap::new();
    for endpoint in Endpoint::ALL {
        let provider = Provider::start().await;
        provider.takes_key(KEY);
        providers.insert(endpoint.name(), provider);
    }
    let mut world = batch
        .open_with(second(BEGIN), |endpoint| {
            endpoint.api_base_url = format!("http://{}", providers[endpoint.name.as_str()].addr);
            endpoint.api_key = Secret::parse(KEY).ok();
        })
        .await;
    let (mut from, stops) = (i64::MIN, [BEGIN + NOTICED_EVERY, BEGIN + 2 * NOTICED_EVERY, END]);
    let mut shown = Vec::new();
    for stop in stops {
        let mut heard: Vec<(&Life, &Event)> = batch
            .lives
            .iter()
            .flat_map(|(life, events)| events.iter().map(move |event| (life, event)))
            .filter(|(life, event)| (from..stop).contains(&event.at) && !(loses && is_lost(life, event)))
            .collect();
        heard.sort_by_key(|(life, event)| (event.at, life.number, event.act, event.part));
        world.clock.set(second(stop).max(world.clock.now()));
        world.record_all(heard.iter().map(|(_, event)| (event.endpoint.name(), event.body.as_bytes()))).await;
        world.map_all().await;
        if refairn == Refairn::Up {
            world.run_until(second(stop)).await;
        }
        if loses {
            fetch(batch, &world, &providers, refairn, stop, &mut shown).await;
        }
        from = stop;
    }
    world.run_days(14).await;
    (gather(batch, &world, refairn).await, shown)
}

/// Fetches what the providers list at this time, and has it recorded; with Refairn up, has it compared with what was told.
async fn fetch(
    batch: &Batch,
    world: &Pipeline,
    providers: &BTreeMap<&'static str, Provider>,
    refairn: Refairn,
    now: i64,
    shown: &mut Vec<Shown>,
) {
    let (tasks, wake) = (Tasks::new(), Arc::new(Notify::new()));
    let proxies = Proxies::read(|_| None);
    let worker = Worker::new(world.store.clone(), world.clock.clone(), &world.endpoints, BODY_BYTES_MAX, &proxies)
        .expect("a worker");
    let (woken, stop) = (wake.clone(), tasks.stopping());
    tasks.spawn_vital("backfills", |pulse| worker.run(Arc::new(Notify::new()), woken, pulse, stop));
    for (endpoint, provider) in providers {
        provider.lists(|lists| {
            lists.now = Some(second(now));
            for path in ["/v1/events", "/transaction", "/refund", "/dispute", "/subscription"] {
                lists.change(path, |_| false);
            }
            for (life, events) in &batch.lives {
                for (path, row) in listed(life, events, endpoint, now) {
                    lists.add(path, row);
                }
            }
        });
        let period = [second(now - NOTICED_EVERY - 2 * DAY), second(now)];
        let begun = world.store.start_backfill(Purpose::Record, endpoint, period, None, world.clock.now()).await;
        let id = begun.expect("begun");
        wake.notify_one();
        until(world, &wake, id, BackfillState::Ready).await;
        let moved =
            world.store.move_backfill(id, BackfillState::Ready, BackfillState::Recording, None, world.clock.now());
        assert!(moved.await.expect("moved"));
        wake.notify_one();
        until(world, &wake, id, BackfillState::Done).await;
        world.map_all().await;
        if refairn == Refairn::Up {
            let begun = world.store.start_backfill(Purpose::Compare, endpoint, period, None, world.clock.now()).await;
            let id = begun.expect("begun");
            wake.notify_one();
            until(world, &wake, id, BackfillState::Done).await;
            shown.extend(differences(world, id).await);
        }
    }
    assert!(tasks.stop(Duration::from_secs(20)).await, "the worker ends");
}

/// The payments of which a reconciliation shows that Refairn was told another amount, and nothing else.
async fn differences(world: &Pipeline, id: BackfillId) -> Vec<Shown> {
    let filter = ComparedFilter { comparison: Some(Comparison::Different), limit: COMPARED_PAGE_MAX, after: None };
    let (different, next) = world.store.compared(id, &filter).await.expect("readable");
    assert!(next.is_none(), "more differences than one page has");
    let shown = different.into_iter().filter(|compared| compared.differs == [Field::Amount]).filter_map(|compared| {
        let (listed, told) = compared.provider.zip(compared.told.into_iter().next())?;
        Some(Shown {
            listed: line(&compared.id, listed.amount, listed.currency, listed.day),
            told: line(&compared.id, told.amount, told.currency, told.day),
            bill: compared.id,
        })
    });
    shown.collect()
}

async fn until(world: &Pipeline, wake: &Notify, id: BackfillId, state: BackfillState) {
    crate::kit::until(&format!("{id} is {state:?}"), async || {
        let seen = world.store.backfill(id).await.expect("readable").expect("there");
        assert_ne!(seen.state, BackfillState::Failed, "{:?}", seen.note);
        world.clock.set(after(world.clock.now(), Duration::from_millis(50)));
        wake.notify_one();
        (seen.state == state).then_some(())
    })
    .await;
}

/// What the provider of an endpoint lists of a life at a time.
fn listed(life: &Life, events: &[Event], endpoint: &str, now: i64) -> Vec<(&'static str, Value)> {
    let own = events.iter().filter(|event| event.endpoint.name() == endpoint && event.at < now);
    let (mut rows, mut subscriptions) = (Vec::new(), BTreeMap::new());
    for event in own {
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        let data = body["data"].clone();
        match event.kind {
            _ if endpoint != Endpoint::Paystack.name() => rows.push(("/v1/events", body)),
            "charge.success" => rows.push(("/transaction", transaction(life, event, data, now))),
            "refund.pending" => rows.extend(refund(life, event, data, now).map(|row| ("/refund", row))),
            "charge.dispute.create" => rows.push(("/dispute", dispute(events, event, data, now))),
            kind if kind.starts_with("subscription.") => {
                let code = data["subscription_code"].as_str().expect("a code").to_owned();
                subscription(subscriptions.entry(code).or_default(), data);
            }
            _ => {}
        }
    }
    rows.extend(subscriptions.into_values().map(|row| ("/subscription", row)));
    rows
}

/// A subscription as it stands by its last event. A list always has the customer's address, if any event had it.
fn subscription(row: &mut Value, data: Value) {
    let known = row["customer"]["email"].clone();
    *row = data;
    if row["customer"]["email"].is_null() {
        row["customer"]["email"] = known;
    }
    row["createdAt"] = row["created_at"].clone();
}

/// A transaction has more names for the times than its webhook; one that was wholly given back is no success any more.
fn transaction(life: &Life, event: &Event, mut row: Value, now: i64) -> Value {
    row["createdAt"] = json!(rfc3339(event.at - 30));
    let act = life.acts.iter().find(|act| act.n == event.act).expect("the act");
    let What::Paid(paid) = &act.what else { return row };
    let back = life.acts.iter().filter(|other| other.payer == act.payer).filter_map(|other| match &other.what {
        What::Refund { bill, minor, fate, .. } if *bill == paid.bill && refunded_at(other, *fate) < now => Some(*minor),
        _ => None,
    });
    if back.sum::<i64>() >= paid.minor {
        row["status"] = json!("reversed");
    }
    row
}

/// Lost sales that the provider's list does not call successful any more, because all of them went back: with every webhook
/// they may have been told before that.
fn gone(life: &Life, events: &[Event]) -> BTreeSet<String> {
    let lost = events.iter().filter(|event| event.kind == "charge.success" && is_lost(life, event));
    let listed = lost.map(|event| {
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        transaction(life, event, body["data"].clone(), END)
    });
    let gone = listed.filter(|row| row["status"] == "reversed");
    gone.map(|row| row["reference"].as_str().expect("a reference").to_owned()).collect()
}

/// When a refund is through, if it ever is.
fn refunded_at(act: &Act, fate: Fate) -> i64 {
    match fate {
        Fate::Done => act.at + 5,
        _ if takes_back(fate) => act.at + 2 * DAY,
        _ => i64::MAX,
    }
}

/// A row of a refund has its number, and not the reference that webhooks have.
fn refund(life: &Life, event: &Event, mut row: Value, now: i64) -> Option<Value> {
    let act = life.acts.iter().find(|act| act.n == event.act)?;
    let What::Refund { fate, .. } = &act.what else { return None };
    let failed = matches!(fate, Fate::Failed | Fate::DoneThenFailed) && act.at + 2 * DAY < now;
    let done = refunded_at(act, *fate) < now;
    row["status"] = json!(if done {
        "processed"
    } else if failed {
        "failed"
    } else {
        "pending"
    });
    row["id"] = json!(life.number * 1000 + act.n);
    row.as_object_mut()?.remove("refund_reference");
    row["createdAt"] = json!(rfc3339(event.at));
    Some(row)
}

/// A dispute as it stands: as its last event has it.
fn dispute(events: &[Event], event: &Event, row: Value, now: i64) -> Value {
    let later = events.iter().filter(|other| other.act == event.act && other.payer == event.payer && other.at < now);
    let last =
        later.max_by_key(|other| other.at).map(|other| serde_json::from_str::<Value>(&other.body).expect("JSON"));
    let mut row = last.map_or(row, |body| body["data"].clone());
    row["createdAt"] = json!(rfc3339(event.at));
    row
}

/// The bills of receipts that came back after their payment was told. Session and receipt are two ids of one payment, and
/// where the first endpoint lost the receipt, its session says more than another endpoint's receipt.
fn bills(life: &Life, events: &[Event]) -> BTreeMap<String, String> {
    let bill = |act: &Act| match &act.what {
        What::Paid(paid) if lost_its_first(life, events, act) => Some((paid.receipt()?, paid.bill.clone())),
        _ => None,
    };
    life.acts.iter().filter_map(bill).collect()
}

async fn gather(batch: &Batch, world: &Pipeline, refairn: Refairn) -> BTreeMap<u64, BTreeSet<String>> {
    let mut lives: BTreeMap<String, u64> = BTreeMap::new();
    for (life, _) in &batch.lives {
        lives.extend((0..life.addresses()).map(|address| (life.address(address), life.number)));
    }
    let mut all: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let mut add = |email: &str, what: String| {
        let number = lives[&email.to_lowercase()];
        let is_new = all.entry(number).or_default().insert(what.clone());
        assert!(is_new, "life {number}: twice {what}");
    };
    match refairn {
        Refairn::Down => {
            for payment in world.book.payments().iter().filter(|payment| !payment.amount.is_zero()) {
                let agent =
                    world.book.commissions().iter().find(|c| Some(&c.commission_id) == payment.commission_id.as_ref());
                let agent = agent.map(|commission| commission.agent_id.as_str());
                let (email, what) =
                    (&payment.customer_email, (payment.amount, &payment.currency, payment.payment_date));
                add(email, format!("paid {} {what:?} for {agent:?}", email.to_lowercase()));
            }
            for lead in world.book.leads() {
                add(
                    &lead.customer_email,
                    format!("lead {} {:?}", lead.customer_email.to_lowercase(), lead.referral_code),
                );
            }
        }
        Refairn::Up => {
            let gone: BTreeSet<String> = batch.lives.iter().flat_map(|(life, events)| gone(life, events)).collect();
            let bills: BTreeMap<String, String> =
                batch.lives.iter().flat_map(|(life, events)| bills(life, events)).collect();
            for delivery in world.deliveries().await {
                let DeliveryKey::Payment { identity, .. } = &delivery.subject else { continue };
                if gone.contains(identity) {
                    continue;
                }
                let withdrawn = delivery.state == DeliveryState::Superseded
                    || matches!(delivery.reason, Some(DeliveryReason::Remapped | DeliveryReason::TestOfALiveCustomer));
                if !withdrawn {
                    let Call::PaymentSucceeded { amount, currency, day, .. } = &delivery.call else { continue };
                    let bill = bills.get(identity).unwrap_or(identity);
                    add(&delivery.call.email().key(), line(bill, *amount, *currency, *day));
                }
            }
        }
    }
    all
}
