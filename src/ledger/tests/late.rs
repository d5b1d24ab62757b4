//! Payments that are heard late or taken back, and the statuses that Refairn was told meanwhile.

use super::book::Book;
use super::*;
use crate::domain::event::EventId;
use crate::domain::fact::ReversedCharge;
use crate::domain::money::Money;
use crate::domain::reconciliation::{Comparison, Field};
use crate::ledger::comparison::compare;

#[test]
fn a_payment_heard_late_says_no_older_status_than_the_last_payment_did() {
    let mut book = Book::new("2026-03-01T12:00:00Z");
    book.payment("2026-03-01T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-01"]);
    book.status("2026-03-05T11:00:00Z", Status::PastDue);
    book.heard("2026-03-05T11:00:00Z");
    assert_eq!(book.pass(120).deliver(), ["0 past_due 2026-03-05"]);
    book.payment("2026-03-06T11:30:00Z", "in_3", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-06"]);
    book.payment("2026-03-04T11:00:00Z", "in_2", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-04"]);
    assert_eq!(book.pass(96).deliver(), [""; 0]);
}

#[test]
fn a_payment_heard_late_says_nothing_after_one_that_was_taken_back() {
    let mut book = Book::new("2026-03-01T12:00:00Z");
    book.payment("2026-03-01T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-01"]);
    book.status("2026-03-05T11:00:00Z", Status::Cancelled);
    assert_eq!(book.pass(120).deliver(), ["0 cancelled 2026-03-05"]);
    book.payment("2026-03-06T11:30:00Z", "pi_1", 30).subscription = None;
    assert_eq!(book.deliver(), ["30 active 2026-03-06"]);
    book.reversal("2026-03-06T11:45:00Z", "pi_1", 30, ReversalStage::Final);
    book.payment("2026-03-04T11:00:00Z", "in_2", 30);
    assert_eq!(book.deliver(), ["30 cancelled 2026-03-04"]);
}

#[test]
fn a_status_is_said_again_when_the_payment_that_said_another_is_taken_back() {
    let mut book = Book::new("2026-03-01T12:00:00Z");
    book.payment("2026-03-01T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-01"]);
    book.status("2026-03-05T11:00:00Z", Status::Cancelled);
    assert_eq!(book.pass(120).deliver(), ["0 cancelled 2026-03-05"]);
    book.payment("2026-03-06T11:30:00Z", "pi_1", 30).subscription = None;
    assert_eq!(book.deliver(), ["30 active 2026-03-06"]);
    book.reversal("2026-03-08T11:45:00Z", "pi_1", 30, ReversalStage::Final);
    // The only report of the status was told before: the refund made it true again, and was heard on that day.
    assert_eq!(book.pass(72).deliver(), ["0 cancelled 2026-03-08"]);
    assert_eq!(book.pass(96).deliver(), [""; 0]);
}

#[test]
fn the_end_of_a_subscription_that_was_told_under_another_address_is_told_where_it_is_now() {
    for (has_stayed, told) in
        [(true, &["30 active 2026-03-07", "0 cancelled 2026-03-08"][..]), (false, &["30 active 2026-03-07"])]
    {
        let mut book = Book::new("2026-03-10T12:00:00Z");
        book.status("2026-03-08T11:00:00Z", Status::Cancelled);
        (book.customer.facts[0].is_related, book.customer.facts[0].has_stayed) = (true, has_stayed);
        book.payment("2026-03-07T11:00:00Z", "in_1", 30);
        assert_eq!(book.deliver(), told);
        // The event of the end keeps the call that was made elsewhere.
        assert!(book.customer.deliveries.iter().all(|d| d.event == EventId(2)));
        assert_eq!(book.pass(96).deliver(), [""; 0]);
    }
}

/// The refund of a charge that was made then, of which so much was given back.
fn refund_of_charge(book: &mut Book, when: &str, charge: &str, of: i64, back: i64) {
    let refund = book.charge_refunded(when, charge, back);
    let money = Money::new(of.into(), "usd".parse().unwrap());
    (refund.full, refund.charge) = (back == of, Some(ReversedCharge { money, at: at(when) }));
}

#[test]
fn a_refund_of_an_earlier_charge_of_the_same_amount_does_not_make_a_refunded_payment_look_paid_twice() {
    let mut book = Book::new("2026-03-11T14:00:00Z");
    book.payment("2026-03-11T12:14:33Z", "in_2", 40);
    refund_of_charge(&mut book, "2026-03-10T12:14:01Z", "pi_1", 40, 10);
    book.heard("2026-03-11T12:20:00Z");
    refund_of_charge(&mut book, "2026-03-11T12:14:31Z", "pi_2", 40, 40);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::ReversedBeforeSending));
    assert_eq!(book.outcome(2), (EventState::Waiting, Some(EventReason::PaymentUnknown)));
}

#[test]
fn a_status_leaves_the_day_to_a_payment_of_which_a_refund_turns_out_to_be_anothers() {
    let mut book = Book::new("2026-03-01T12:00:00Z");
    book.payment("2026-03-01T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-03-01"]);
    book.status("2026-03-18T07:00:00Z", Status::Trialing);
    book.payment("2026-03-18T08:26:38Z", "in_3", 40);
    refund_of_charge(&mut book, "2026-03-18T06:33:54Z", "pi_2", 40, 40);
    book.status("2026-03-18T09:00:00Z", Status::PastDue);
    book.now = at("2026-03-20T04:00:00Z");
    // Nothing was heard yet of the payment that was refunded, and this one looks like it.
    assert_eq!(book.deliver(), ["0 past_due 2026-03-19"]);
    book.payment("2026-03-18T06:33:56Z", "in_2", 40);
    assert_eq!(book.deliver(), ["40 past_due 2026-03-18"]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::ReversedBeforeSending));
}

/// A payment as the endpoint of that place counts it.
fn counted(book: &mut Book, rank: u32, amount: i64) -> EventId {
    book.payment("2026-03-01T11:00:00Z", "in_1", amount).charged = 45.into();
    let known = book.customer.facts.last_mut().unwrap();
    known.fact.rank = rank;
    known.event
}

#[test]
fn what_the_first_endpoint_counts_otherwise_and_lost_stays_as_it_was_told_and_is_shown_as_different() {
    let mut book = Book::new("2026-03-01T12:00:00Z");
    counted(&mut book, 1, 45);
    assert_eq!(book.deliver(), ["45 active 2026-03-01"]);
    let mut shown = |rank, amount, expected: (Comparison, &[Field])| {
        let listed = counted(&mut book, rank, amount);
        let compared = compare(&book.customer, &[listed].into(), &jiff::tz::TimeZone::UTC);
        let [one] = compared.try_into().unwrap();
        assert_eq!((one.compared.comparison, one.compared.differs.as_slice()), expected);
        assert_eq!(one.compared.provider.unwrap().amount, amount.into());
        assert_eq!(one.compared.told[0].amount, 45.into());
        assert_eq!(book.pass(1).deliver(), [""; 0]);
    };
    // Before what was lost is back, and after it.
    for _ in 0..2 {
        shown(0, 30, (Comparison::Different, &[Field::Amount]));
    }
    shown(1, 45, (Comparison::Same, &[]));
}
