//! What holds in every life of a delivery, whatever happens in it, and in which order.

use proptest::prelude::*;

use super::transitions::TRANSITIONS;
use super::*;
use crate::domain::delivery::{Action, Call, Intent};
use crate::domain::event::EventId;

/// Something that happens to a delivery.
#[derive(Debug, Clone)]
enum Happening {
    Change(Intent, i64),
    Hold,
    Resume,
    Cancel,
    Supersede,
    GiveWay,
    Flag(bool),
    Note,
    Reorder,
    Wait,
    /// A lease whose number is so much above the last one, or not above it.
    Lease(i64),
    GiveBack,
    Settle(Settlement),
    /// A receipt of the attempt so many before the last.
    KeepReceipt(i64),
    Act(Action),
}

fn intent() -> impl Strategy<Value = Intent> {
    prop_oneof![
        (0..100_i64, any::<bool>()).prop_map(|(second, waits)| Intent::Send {
            due_at: Timestamp::from_second(second).unwrap(),
            waits_for: waits.then_some(DeliveryReason::WaitingForReferralCode),
        }),
        Just(Intent::Hold(DeliveryReason::SameDayPayment)),
        Just(Intent::Cancel(DeliveryReason::ReversedBeforeSending)),
    ]
}

fn settlement() -> impl Strategy<Value = Settlement> {
    let retry = |outcome_unknown| Settlement::Retry {
        wait: Duration::from_secs(7),
        outcome_unknown,
        detail: "no answer".to_owned(),
    };
    let rejected = vec![
        DeliveryReason::RefusedByRefairn,
        DeliveryReason::GivenUp,
        DeliveryReason::DaySlotTaken,
        DeliveryReason::InternalError,
    ];
    prop_oneof![
        Just(Settlement::Delivered(Receipt::default())),
        Just(Settlement::Duplicate),
        proptest::sample::select(rejected).prop_map(|reason| Settlement::Rejected(reason, "no".to_owned())),
        any::<bool>().prop_map(retry),
        Just(Settlement::PauseRoute("no key".to_owned())),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (intent(), 1..9_i64).prop_map(|(intent, amount)| Happening::Change(intent, amount)),
        1 => Just(Happening::Hold),
        1 => Just(Happening::Resume),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Supersede),
        1 => Just(Happening::GiveWay),
        1 => any::<bool>().prop_map(Happening::Flag),
        1 => Just(Happening::Note),
        1 => Just(Happening::Reorder),
        1 => Just(Happening::Wait),
        6 => (-1..4_i64).prop_map(Happening::Lease),
        1 => Just(Happening::GiveBack),
        4 => settlement().prop_map(Happening::Settle),
        1 => (0..3_i64).prop_map(Happening::KeepReceipt),
        3 => proptest::sample::select(vec![Action::Retry, Action::Release, Action::Discard])
            .prop_map(Happening::Act),
    ]
}

fn desired(intent: Intent, amount: i64) -> DesiredDelivery {
    let DeliveryRecord { event, subject, mode, at, call, .. } = DeliveryRecord::sample(1);
    let Call::PaymentSucceeded { product, email, currency, status, day, .. } = call else { unreachable!() };
    let call = Call::PaymentSucceeded { product, email, amount: amount.into(), currency, status, day };
    DesiredDelivery { event, subject, mode, at, call, intent, detail: None }
}

fn happen(delivery: &mut Delivery, happening: Happening, now: Timestamp) {
    let last = delivery.last_seq.unwrap_or(0);
    match happening {
        Happening::Change(intent, amount) => drop(delivery.change(desired(intent, amount), now)),
        Happening::Hold => drop(delivery.hold(DeliveryReason::ToldTwice, None)),
        Happening::Resume => drop(delivery.resume()),
        Happening::Cancel => drop(delivery.cancel(DeliveryReason::Remapped)),
        Happening::Supersede => drop(delivery.supersede()),
        Happening::GiveWay => drop(delivery.give_way()),
        Happening::Flag(finds) => delivery.flag(finds.then(|| (DeliveryReason::Reversed, "7 of 30".to_owned()))),
        Happening::Note => delivery.note(DeliveryReason::ReversedNobodyCredited, "7 of 30".to_owned()),
        Happening::Reorder => delivery.reorder(now),
        Happening::Wait => delivery.wait(now),
        Happening::Lease(above) => drop(delivery.lease(last + above, now)),
        Happening::GiveBack => drop(delivery.give_back()),
        Happening::Settle(settlement) => drop(delivery.settle(settlement, now)),
        Happening::KeepReceipt(before) => drop(delivery.keep_receipt(Receipt::default(), last - before, now)),
        Happening::Act(action) => drop(delivery.act(action, now)),
    }
}

/// What was sent stays as it was, until an operator or Refairn has said that Refairn does not have it.
fn body_stays(before: &Delivery, after: &Delivery) -> bool {
    !before.may_be_acknowledged() || before.call == after.call
}

/// What may have been sent, and does not go out again by itself, keeps its place and its time.
fn rests(before: &Delivery, after: &Delivery) -> bool {
    let stays = before.state == after.state && before.call == after.call && before.event == after.event;
    let ended = !before.state.is_open() && !before.state.is_unfinished();
    !(stays && ended && before.may_be_acknowledged()) || (before.at, before.due_at) == (after.at, after.due_at)
}

/// Whether a state is left only by an operator's word, or by Refairn's that it took the call.
fn leaves_rightly(before: &Delivery, after: &Delivery, happening: &Happening) -> bool {
    let by_operator = matches!(happening, Happening::Act(_));
    let by_receipt = matches!(happening, Happening::KeepReceipt(_)) && after.state == DeliveryState::Delivered;
    match before.state {
        state if state == after.state => true,
        // Refairn has it: that is so for ever.
        DeliveryState::Delivered => false,
        DeliveryState::Duplicate => by_receipt,
        DeliveryState::Discarded => by_operator || by_receipt,
        // The plan holds it, or lets another call of the same payment tell it; it never sends it by itself.
        DeliveryState::Rejected => {
            by_operator || by_receipt || matches!(after.state, DeliveryState::Held | DeliveryState::Superseded)
        }
        DeliveryState::Queued
        | DeliveryState::Sending
        | DeliveryState::Held
        | DeliveryState::Cancelled
        | DeliveryState::Superseded => true,
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_delivery_stays_what_it_may_be(
        first in intent(),
        happenings in proptest::collection::vec(happening(), 0..60),
    ) {
        let mut delivery = Delivery::plan(desired(first, 1), Timestamp::UNIX_EPOCH);
        for (second, happening) in (0..).zip(happenings) {
            let before = delivery.clone();
            happen(&mut delivery, happening.clone(), Timestamp::from_second(second).unwrap());
            let now = format!("{happening:?}: {before:?} to {delivery:?}");
            prop_assert!(leaves_rightly(&before, &delivery, &happening), "{now}");
            prop_assert!(body_stays(&before, &delivery), "{now}");
            prop_assert!(rests(&before, &delivery), "{now}");
            prop_assert!(!delivery.attention || delivery.reason.is_some(), "attention without a reason: {now}");
            prop_assert!(delivery.last_seq >= before.last_seq, "a fencing token fell: {now}");
            let is_leased = delivery.attempts > before.attempts;
            prop_assert!(!is_leased || delivery.last_seq > before.last_seq, "a number was given twice: {now}");
            let is_listed = TRANSITIONS.iter().any(|t| t.from == Some(before.state) && t.to == delivery.state);
            prop_assert!(before.state == delivery.state || is_listed, "the table does not list it: {now}");
            prop_assert_eq!(&delivery.subject, &before.subject);
        }
    }
}

#[test]
fn what_may_have_been_sent_is_neither_changed_nor_withdrawn() {
    let now = Timestamp::UNIX_EPOCH;
    let sent = Delivery::restore(DeliveryRecord { outcome_unknown: true, ..DeliveryRecord::sample(1) });
    let send = Intent::Send { due_at: now, waits_for: None };
    let mut after = sent.clone();
    assert!(!after.change(desired(send, 5), now) && !after.cancel(DeliveryReason::Remapped));
    assert!(!after.supersede() && !after.give_way());
    assert_eq!(after, sent);
    let mut unsent = Delivery::restore(DeliveryRecord::sample(1));
    assert!(unsent.change(desired(send, 5), now));
    assert_eq!(unsent.call.amount(), Some(5.into()));
}

#[test]
fn a_number_is_given_once_and_to_no_call_that_does_not_go_out() {
    let now = Timestamp::UNIX_EPOCH;
    let mut delivery = Delivery::restore(DeliveryRecord { last_seq: Some(4), ..DeliveryRecord::sample(1) });
    assert!(!delivery.lease(4, now));
    assert!(delivery.lease(5, now) && delivery.give_back());
    assert!(!delivery.lease(5, now));
    assert!(delivery.lease(6, now) && delivery.settle(Settlement::Duplicate, now));
    assert!(!delivery.lease(7, now));
    assert_eq!((delivery.last_seq, delivery.event), (Some(6), EventId(1)));
}

/// The arrows of the document's second diagram, each of which says when.
fn drawn() -> Vec<&'static str> {
    let document = include_str!("../../../../docs/states.md");
    let diagram = document.split("```mermaid\nstateDiagram-v2\n").nth(2).unwrap();
    let lines = diagram.split("```").next().unwrap().lines();
    lines.map(|line| line.trim().split_once(" : ").expect("an arrow and when it is taken").0).collect()
}

#[test]
fn the_diagram_in_the_documents_draws_the_table() {
    let rows = TRANSITIONS.iter().map(|row| {
        let from = row.from.map_or("[*]", DeliveryState::code);
        format!("{from} --> {}", row.to.code())
    });
    assert_eq!(drawn(), rows.collect::<Vec<_>>());
}

#[test]
fn the_table_lists_each_transition_once() {
    for (n, row) in TRANSITIONS.iter().enumerate() {
        let again = TRANSITIONS.iter().skip(n + 1).any(|other| (other.from, other.to) == (row.from, row.to));
        assert!(!again && !row.by.is_empty(), "{:?} to {:?}", row.from, row.to);
    }
}
