//! Each verdict, case by case.

use super::*;
use crate::domain::delivery::{DeliveryRecord, Receipt};
use CustomerVerdict as V;

/// A payment of 30 USD on 10 January that Refairn has, with this receipt.
fn told(change: impl FnOnce(&mut DeliveryRecord)) -> Delivery {
    let mut record = DeliveryRecord { state: DeliveryState::Delivered, ..DeliveryRecord::sample(2) };
    record.settled_at = Some(Timestamp::UNIX_EPOCH);
    record.receipt = Some(Receipt::default());
    change(&mut record);
    Delivery::restore(record)
}

fn credited(amount: &str) -> Option<Receipt> {
    let (agent_id, commission_amount) = (Some("agent_ada".to_owned()), Some(amount.to_owned()));
    Some(Receipt { agent_id, commission_amount, ..Receipt::default() })
}

/// The customer's own call, the first or third attempt of the customer's.
fn lead(seq: i64, receipt: Option<Receipt>) -> Delivery {
    told(|d| {
        d.id = Some(DeliveryId(1));
        d.subject = DeliveryKey::Lead(Mode::Live);
        d.call = Call::CustomerCreated {
            product: "prod_1".into(),
            email: crate::domain::email::Email::parse("jane@example.com").unwrap(),
            name: "Jane".into(),
            code: Some("ADA10".into()),
        };
        d.taken_seq = Some(seq);
        d.receipt = receipt;
    })
}

fn event(state: EventState, reason: Option<EventReason>, code: Option<&'static str>) -> EventStand<'static> {
    EventStand { id: EventId(1), state, reason, received_at: Timestamp::from_second(240).unwrap(), code }
}

#[track_caller]
fn check(deliveries: &[Delivery], events: &[EventStand<'_>], verdict: V) -> Judgement {
    let deliveries: Vec<&Delivery> = deliveries.iter().collect();
    let judged = judge(&Case { deliveries: &deliveries, events, paused: &["prod_off"], payment: None });
    assert_eq!(judged.verdict, verdict, "{judged:?}");
    judged
}

#[test]
fn without_a_payment_the_events_say_it() {
    let of = |state, reason| [event(state, Some(reason), None)];
    check(&[], &[], V::NothingCame);
    check(&[], &of(EventState::Ignored, EventReason::TestModeOff), V::TestMode);
    check(&[], &of(EventState::Ignored, EventReason::TestOfALiveCustomer), V::TestMode);
    check(&[], &of(EventState::Ignored, EventReason::BelowMinimum), V::BelowMinimum);
    check(&[], &of(EventState::Ignored, EventReason::ProductUnmapped), V::OutsideProgram);
    check(&[], &of(EventState::Ignored, EventReason::NothingInProducts), V::OutsideProgram);
    check(&[], &of(EventState::Waiting, EventReason::CustomerUnknown), V::WaitsForAddress);
    check(&[], &of(EventState::Ignored, EventReason::NoReferralCode), V::NoPayment);
    check(&[], &[event(EventState::Received, None, None)], V::OnItsWay);
    let both = [
        event(EventState::Ignored, Some(EventReason::NoReferralCode), None),
        event(EventState::Ignored, Some(EventReason::BelowMinimum), None),
    ];
    check(&[], &both, V::BelowMinimum);
}

#[test]
fn what_is_not_told_yet_says_what_it_waits_for() {
    let of = |state, reason| [told(|d| (d.state, d.reason, d.receipt) = (state, reason, None))];
    check(&of(DeliveryState::Queued, None), &[], V::OnItsWay);
    check(&of(DeliveryState::Sending, None), &[], V::OnItsWay);
    check(&of(DeliveryState::Queued, Some(DeliveryReason::RoutePaused)), &[], V::RoutePaused);
    let mut paused = of(DeliveryState::Queued, None);
    paused[0] = paused[0].but(|d| {
        let Call::PaymentSucceeded { product, .. } = &mut d.call else { unreachable!() };
        *product = "prod_off".into();
    });
    check(&paused, &[], V::RoutePaused);
    check(&of(DeliveryState::Held, Some(DeliveryReason::PaidBeforeReferral)), &[], V::HeldForAPerson);
    check(&of(DeliveryState::Rejected, Some(DeliveryReason::RefusedByRefairn)), &[], V::RefusedByRefairn);
    check(&of(DeliveryState::Rejected, Some(DeliveryReason::GivenUp)), &[], V::RefusedByRefairn);
    check(&of(DeliveryState::Rejected, Some(DeliveryReason::DaySlotTaken)), &[], V::HeldForItsDay);
    check(&of(DeliveryState::Discarded, None), &[], V::NotSent);
    check(&of(DeliveryState::Cancelled, Some(DeliveryReason::ReversedBeforeSending)), &[], V::TakenBack);
    // A test is a test, whatever became of it.
    let test = told(|d| (d.mode, d.receipt) = (Mode::Test, credited("3")));
    check(&[test], &[], V::TestMode);
}

#[test]
fn a_held_payment_names_the_one_that_has_its_day() {
    let held = told(|d| {
        (d.id, d.state, d.receipt) = (Some(DeliveryId(9)), DeliveryState::Held, None);
        (d.reason, d.attention) = (Some(DeliveryReason::SameDayPayment), true);
    });
    let judged = check(&[told(|_| {}), held.clone()], &[], V::HeldForItsDay);
    assert_eq!(judged.payment, Some(DeliveryId(9)));
    assert_eq!(judged.because.as_deref(), Some("dlv_2 (2026-01-10 30.00 USD) has the day"));
    assert_eq!(check(&[held], &[], V::HeldForItsDay).because, None);
}

#[test]
fn what_is_told_says_whom_it_credits_and_why_nobody() {
    let came = [event(EventState::Mapped, None, Some("ADA10"))];
    let judged = check(&[told(|d| d.receipt = credited("3.00"))], &[], V::Credited);
    assert_eq!(judged.because.as_deref(), Some("agent agent_ada, a commission of 3.00 USD"));
    check(&[told(|d| d.receipt = credited("0.00"))], &[], V::RateIsZero);
    let reversed = |d: &mut DeliveryRecord| d.reason = Some(DeliveryReason::Reversed);
    check(&[told(|d| (d.receipt, d.reason) = (credited("3"), Some(DeliveryReason::Reversed)))], &[], V::TakenBack);
    check(&[told(|d| (d.state, d.receipt) = (DeliveryState::Duplicate, None))], &[], V::CreditUnknown);
    check(&[told(|d| (d.state, d.receipt) = (DeliveryState::Duplicate, None)).but(reversed)], &[], V::TakenBack);
    check(&[told(|_| {})], &[], V::NoCode);
    check(&[told(|_| {}), lead(0, Some(Receipt::default()))], &came, V::CodeUnknown);
    check(&[told(|_| {}), lead(0, credited("3"))], &came, V::RateIsZero);
    // What somebody has seen to is named: on the payment itself, or on the customer's own call.
    let seen = check(&[told(|d| d.acknowledged = true), lead(0, Some(Receipt::default()))], &came, V::CodeUnknown);
    assert_eq!(seen.seen, Some(DeliveryId(2)));
    let lead_seen = lead(0, Some(Receipt::default())).but(|d| (d.id, d.acknowledged) = (Some(DeliveryId(5)), true));
    assert_eq!(check(&[told(|_| {}), lead_seen.clone()], &came, V::CodeUnknown).seen, Some(DeliveryId(5)));
    let credited_since = told(|d| d.receipt = credited("3"));
    assert_eq!(check(&[credited_since, lead_seen], &came, V::Credited).seen, None);
    // The code was told after the payment, or is still to be.
    let late = check(&[told(|_| {}), lead(3, credited("3"))], &came, V::CodeLate);
    let words = "code ADA10 came 1970-01-01 00:04 UTC, 4m after the payment was told";
    assert_eq!(late.because.as_deref(), Some(words));
    assert_eq!(late.next.as_deref(), Some("further payments credit agent_ada by themselves"));
    check(&[told(|_| {})], &came, V::CodeLate);
    check(&[told(|d| d.reason = Some(DeliveryReason::ReferralCodeLate)), lead(0, None)], &came, V::CodeLate);
}

#[test]
fn of_several_payments_the_one_counts_that_needs_a_person_and_live_ones_before_tests() {
    let newest =
        told(|d| (d.id, d.at, d.receipt) = (Some(DeliveryId(7)), Timestamp::from_second(9).unwrap(), credited("3")));
    let test = told(|d| (d.id, d.mode, d.attention) = (Some(DeliveryId(8)), Mode::Test, true));
    let older = told(|_| {});
    let judged = check(&[older.clone(), newest.clone(), test.clone()], &[], V::Credited);
    assert_eq!(judged.payment, Some(DeliveryId(7)));
    let needy = told(|d| (d.attention, d.reason) = (true, Some(DeliveryReason::ReferralCodeLate)));
    assert_eq!(
        check(&[needy, newest.clone()], &[event(EventState::Mapped, None, Some("A"))], V::CodeLate).payment,
        Some(DeliveryId(2))
    );
    let all = [&older, &newest, &test];
    let asked = Case { deliveries: &all, events: &[], paused: &[], payment: Some(DeliveryId(8)) };
    assert_eq!(judge(&asked).verdict, V::TestMode);
}

#[test]
fn the_list_is_closed_and_its_codes_differ() {
    let codes: std::collections::BTreeSet<&str> = V::ALL.iter().map(|v| v.code()).collect();
    assert_eq!(codes.len(), V::ALL.len());
    assert!(V::ALL.windows(2).all(|pair| pair[0] < pair[1]), "in the order of the list");
    assert!(V::ALL.iter().all(|v| v.sentence().ends_with('.') && v.cure().ends_with('.')));
}
