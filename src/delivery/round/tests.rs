//! The dispatcher's decisions, without a store and without a wire.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::clock::after;
use crate::domain::delivery::{Call, Delivery, DeliveryKey, DeliveryRecord, DeliveryState};
use crate::domain::email::Email;
use crate::domain::mode::Mode;

const PLACES: usize = 16;

fn leased(business: &str, n: i64) -> Leased {
    let email = Email::parse(&format!("c{n}@example.com")).unwrap();
    let key = CustomerKey { business: business.into(), email_key: email.key() };
    let call = Call::CustomerCreated { product: "prod_1".into(), email, name: "C".into(), code: None };
    let record = DeliveryRecord {
        subject: DeliveryKey::Lead(Mode::Live),
        call,
        state: DeliveryState::Sending,
        ..DeliveryRecord::sample(n)
    };
    Leased::unguarded(key, Delivery::restore(record))
}

fn second(n: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(n))
}

/// Leases what is wanted, from a backlog without end.
fn lease(round: &mut Round, business: &str, numbers: &mut std::ops::RangeFrom<i64>, now: Timestamp) -> usize {
    let Some(wanted) = round.next_lease(now) else { return 0 };
    let leased = numbers.by_ref().take(wanted).map(|n| leased(business, n)).collect();
    round.found_due(DueCalls { leased, more: true, due: None });
    wanted
}

fn begin(round: &mut Round, now: Timestamp) -> Vec<(Leased, bool)> {
    std::iter::from_fn(|| round.next_call(now)).collect()
}

#[test]
fn no_place_is_empty_while_a_lease_or_a_settle_is_written() {
    let (mut round, mut numbers, now) = (Round::new(PLACES, None), 1.., second(0));
    assert_eq!(lease(&mut round, "biz_1", &mut numbers, now), 2 * PLACES);
    let calls = begin(&mut round, now);
    assert_eq!(calls.len(), PLACES);
    // Answers come, nothing is written yet: those who wait take the places.
    for (call, probe) in calls {
        round.ended(&call.key, probe, true, now);
        assert_eq!(begin(&mut round, now).len(), 1);
    }
    let wanted = round.next_lease(now);
    assert!(wanted.is_some_and(|n| n >= PLACES / 4), "{wanted:?}");
    assert_eq!(round.next_lease(now), None, "one lease at a time");
}

#[test]
fn a_store_that_does_not_keep_up_is_not_run_over() {
    let (mut round, mut numbers, now) = (Round::new(PLACES, None), 1.., second(0));
    let mut unsettled = 0;
    for _ in 0..10 {
        lease(&mut round, "biz_1", &mut numbers, now);
        for (call, probe) in begin(&mut round, now) {
            unsettled += 1;
            round.ended(&call.key, probe, true, now);
        }
    }
    assert_eq!(unsettled, 2 * PLACES);
    round.settled();
    assert_eq!(begin(&mut round, now).len(), 1);
}

#[test]
fn one_outage_is_one_step_and_what_was_leased_ahead_goes_back() {
    let (mut round, mut numbers) = (Round::new(PLACES, None), 1..);
    lease(&mut round, "biz_1", &mut numbers, second(0));
    for (call, probe) in begin(&mut round, second(0)) {
        assert!(!probe);
        round.ended(&call.key, probe, false, second(10));
        round.settled();
    }
    assert_eq!(round.unwanted(second(10)).len(), PLACES);
    let (mut at, mut probed_at) = (10, vec![]);
    while probed_at.len() < 7 {
        assert_eq!((begin(&mut round, second(at)).len(), round.next_lease(second(at))), (0, None));
        let due = round.wait_until(second(at)).expect("a probe");
        at = due.as_second().unsigned_abs();
        probed_at.push(at);
        round.look();
        assert_eq!(lease(&mut round, "biz_1", &mut numbers, due), 1);
        let calls = begin(&mut round, due);
        assert!(matches!(calls.as_slice(), [(_, true)]));
        for (call, probe) in calls {
            round.ended(&call.key, probe, false, due);
            round.settled();
        }
    }
    assert_eq!(probed_at, [11, 13, 17, 25, 41, 71, 101]);
}

#[test]
fn a_business_with_a_backlog_does_not_keep_anothers_call_waiting() {
    let (mut round, mut numbers, now) = (Round::new(PLACES, None), 1.., second(0));
    lease(&mut round, "biz_1", &mut numbers, now);
    let under_way = begin(&mut round, now);
    round.found_due(DueCalls { leased: vec![leased("biz_2", 1)], more: true, due: None });
    let mut order = vec![];
    for (call, probe) in under_way {
        round.ended(&call.key, probe, true, now);
        round.settled();
        order.extend(begin(&mut round, now).into_iter().map(|(call, _)| call.key.business));
    }
    assert!(order.iter().take(2).any(|business| business == "biz_2"), "{order:?}");
}

#[test]
fn routes_take_turns() {
    let mut ready = Ready::default();
    for n in 0..6 {
        ready.push(leased("biz_1", n));
    }
    for (business, n) in [("biz_2", 10), ("biz_2", 11), ("biz_3", 20)] {
        ready.push(leased(business, n));
    }
    assert_eq!(ready.len(), 9);
    let order: Vec<_> = std::iter::from_fn(|| ready.pop()).map(|l| l.delivery.event.0).collect();
    assert_eq!(order, [0, 10, 20, 1, 11, 2, 3, 4, 5]);
}

#[test]
fn calls_that_are_spread_over_time_are_not_leased_long_before() {
    let (mut round, mut numbers) = (Round::new(1024, Some(1)), 1..);
    let mut begun: BTreeMap<i64, Timestamp> = BTreeMap::new();
    let mut leased_at: BTreeMap<i64, Timestamp> = BTreeMap::new();
    for now in (0..200).map(second) {
        round.look();
        let first = numbers.start;
        lease(&mut round, "biz_1", &mut numbers, now);
        leased_at.extend((first..numbers.start).map(|n| (n, now)));
        for (call, probe) in begin(&mut round, now) {
            begun.insert(call.delivery.event.0, now);
            round.ended(&call.key, probe, true, now);
            round.settled();
        }
    }
    assert_eq!(begun.len(), 200);
    let longest = begun.iter().map(|(n, at)| at.duration_since(leased_at[n]).as_secs()).max();
    assert!(longest <= Some(10), "{longest:?}");
}
