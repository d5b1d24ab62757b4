//! Codes, statuses and reversals that come late, early, or after something nobody knows.

use std::time::Duration;

use super::book::{Book, at};
use crate::domain::delivery::{DeliveryKey, DeliveryState, Settlement};
use crate::domain::event::EventState;
use crate::domain::fact::{Customer, FactKind, ReversalStage};
use crate::domain::product::Product;
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::domain::status::Status;

/// A code that came into being at that time.
fn code_of(book: &mut Book, when: &str, code_at: &str) {
    book.code(when, "ADA10");
    book.customer.facts.last_mut().unwrap().fact.code_at = Some(at(code_at));
}

#[test]
fn a_payment_heard_late_waits_as_long_as_it_was_late() {
    for (heard, due) in [
        ("2026-01-10T12:04:00Z", "2026-01-10T12:04:15Z"),
        ("2026-01-10T12:20:00Z", "2026-01-10T12:40:00Z"),
        ("2026-01-13T12:00:00Z", "2026-01-13T13:00:00Z"),
    ] {
        let mut book = Book::new(heard);
        book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
        book.heard(heard);
        book.plan();
        assert_eq!(book.delivery("in_1").due_at, at(due), "{heard}");
        // What waits longer than any payment does is asked for.
        let late = at(heard) > at("2026-01-10T12:05:00Z");
        assert_eq!(book.plan().sessions_wanted.len(), usize::from(late), "{heard}");
        book.policy.first_payment_wait = std::time::Duration::ZERO;
        book.plan();
        assert!(book.plan().sessions_wanted.is_empty());
        assert_eq!(book.deliver(), ["30 active 2026-01-10"], "nothing waits where that is switched off");
    }
}

#[test]
fn a_session_of_a_kins_address_ends_the_wait() {
    let mut book = Book::new("2026-01-10T12:00:05Z");
    let payment = book.payment("2026-01-10T12:00:00Z", "in_1", 30);
    (payment.awaits_checkout, payment.ties) = (true, vec!["in_1".into(), "pi_1".into()]);
    let session = Customer { checkout: true, ..Customer::default() };
    book.fact("2026-01-10T12:00:03Z", FactKind::Customer(session)).keys = vec!["cs_1".into(), "pi_1".into()];
    book.customer.facts.last_mut().unwrap().is_related = true;
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn a_customer_who_is_referred_long_after_paying_owes_nobody_for_the_past() {
    for (code_at, late) in
        [("2026-01-10T12:10:00Z", true), ("2026-01-11T11:00:00Z", true), ("2026-01-11T12:00:01Z", false)]
    {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.payment("2026-01-10T12:00:00Z", "in_1", 30);
        assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
        code_of(&mut book, "2026-02-10T12:00:00Z", code_at);
        assert_eq!(book.pass(900).deliver(), ["lead ADA10"]);
        assert_eq!(book.delivery("in_1").attention, late, "a code of {code_at}");
    }
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30);
    assert_eq!(book.deliver().len(), 1);
    book.code("2026-02-10T12:00:00Z", "ADA10");
    book.pass(900).deliver();
    assert!(book.delivery("in_1").attention, "a code of which nobody knows how old it is counts as old enough");
}

#[test]
fn of_two_codes_the_order_of_arrival_does_not_decide() {
    let told = |codes: [(&str, Option<&str>); 2]| {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        for (code, code_at) in codes {
            book.code("2026-01-10T11:00:00Z", code);
            book.customer.facts.last_mut().unwrap().fact.code_at = code_at.map(at);
        }
        book.plan();
        let lead = &book.customer.deliveries[0];
        (lead.call.clone(), lead.at)
    };
    // Nor of codes of different times.
    for (first, second) in [("ADA10", "BOLA5"), ("BOLA5", "ADA10")] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        for (code, when, heard) in [
            (first, "2026-01-10T11:00:01Z", "2026-01-10T11:00:05Z"),
            (second, "2026-01-10T11:00:02Z", "2026-01-10T11:00:03Z"),
        ] {
            book.code(when, code);
            book.heard(heard);
        }
        assert_eq!(book.deliver(), [format!("lead {first}")]);
    }
    let (early, late) = (Some("2026-01-10T09:00:00Z"), Some("2026-01-10T10:00:00Z"));
    for [a, b] in [
        [("ADA10", None), ("BOLA5", None)],
        [("ADA10", late), ("BOLA5", early)],
        [("ADA10", early), ("ADA10", late)],
        [("ADA10", None), ("ADA10", late)],
    ] {
        assert_eq!(told([a, b]), told([b, a]), "{a:?} {b:?}");
    }
}

#[test]
fn a_payment_from_before_the_code_goes_before_the_customer_or_is_held() {
    let mut book = Book::new("2026-02-10T12:00:00Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30);
    code_of(&mut book, "2026-02-10T11:00:00Z", "2026-02-10T11:00:00Z");
    book.payment("2026-02-10T11:59:00Z", "in_2", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10", "lead ADA10", "30 active 2026-02-10"]);
    book.payment("2026-02-01T12:00:00Z", "in_3", 30);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_3").reason, Some(DeliveryReason::PaidBeforeReferral));
    book.release_held();
    assert_eq!(book.deliver(), ["30 active 2026-02-01"]);
}

#[test]
fn a_status_is_dated_no_earlier_than_it_was_heard() {
    let mut book = Book::new("2026-01-20T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.status("2026-01-15T08:00:00Z", Status::PastDue);
    book.heard("2026-01-20T12:00:00Z");
    assert_eq!(book.deliver(), [""; 0]);
    book.payment("2026-01-15T09:30:00Z", "in_2", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-15"], "the payment has its own day");
    book.status("2026-01-16T08:00:00Z", Status::Cancelled);
    book.heard("2026-01-20T12:00:00Z");
    assert_eq!(book.pass(14).deliver(), [""; 0]);
    assert_eq!(book.pass(1).deliver(), ["0 cancelled 2026-01-20"]);
}

#[test]
fn reports_of_one_second_are_ordered_by_what_they_replaced() {
    for swapped in [false, true] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.payment("2026-01-10T11:00:00Z", "in_1", 30);
        assert_eq!(book.deliver().len(), 1);
        let mut reports = [(Status::PastDue, "active"), (Status::Active, "incomplete")];
        if swapped {
            reports.reverse();
        }
        for (status, before) in reports {
            book.status("2026-01-11T11:00:00Z", status);
            let FactKind::Subscription(s) = &mut book.customer.facts.last_mut().unwrap().fact.matter else {
                unreachable!()
            };
            s.before = Some(before.into());
        }
        assert_eq!(book.pass(60).deliver(), ["0 past_due 2026-01-11"], "swapped: {swapped}");
    }
}

#[test]
fn a_trial_that_spans_the_payment_counts_though_it_is_stamped_later() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.status("2026-01-10T11:00:01Z", Status::Trialing);
    if let FactKind::Subscription(s) = &mut book.customer.facts[1].fact.matter {
        (s.trial_start, s.trial_end) = (Some(at("2026-01-10T11:00:00Z")), Some(at("2026-02-10T11:00:00Z")));
    }
    assert_eq!(book.deliver(), ["30 trialing 2026-01-10"]);
    assert_eq!(book.pass(60).deliver(), [""; 0]);
}

/// An attempt of which nobody knows how it ended; the next one may be made at once.
fn unheard() -> Settlement {
    Settlement::Retry { wait: Duration::ZERO, outcome_unknown: true, detail: "no answer".into() }
}

#[test]
fn what_went_back_after_an_attempt_that_nobody_knows_of_is_not_sent_again_by_itself() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.plan();
    book.settle(0, unheard());
    book.reversal("2026-01-10T11:30:00Z", "in_1", 30, ReversalStage::Final);
    assert_eq!(book.deliver(), [""; 0]);
    let held = book.delivery("in_1");
    assert_eq!(
        (held.state, held.reason, held.attention),
        (DeliveryState::Held, Some(DeliveryReason::ReversedOutcomeUnknown), true)
    );
    // Its day stays taken: Refairn may have it.
    book.payment("2026-01-10T11:45:00Z", "in_2", 40);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::SameDayPayment));
    // A customer's word sends the same call with the same date.
    book.release_held();
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn a_call_of_unknown_outcome_keeps_its_day_whatever_became_of_it() {
    for state in [DeliveryState::Rejected, DeliveryState::Discarded, DeliveryState::Held] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.payment("2026-01-10T11:00:00Z", "in_1", 30);
        book.plan();
        book.amend(0, |d| (d.state, d.attempts, d.outcome_unknown) = (state, 1, true));
        book.payment("2026-01-10T11:45:00Z", "in_2", 40);
        assert_eq!(book.deliver(), [""; 0], "{state:?}");
        assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::SameDayPayment));
    }
}

#[test]
fn what_went_back_of_a_payment_that_credited_nobody_asks_nobody() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver().len(), 1);
    book.reversal("2026-01-12T12:00:00Z", "in_1", 10, ReversalStage::Final);
    book.plan();
    let told = book.delivery("in_1");
    assert_eq!((told.reason, told.attention), (Some(DeliveryReason::ReversedNobodyCredited), false));
    assert_eq!(told.detail.as_deref(), Some("10 of 30 USD was taken back"), "there is no commission to speak of");
}

#[test]
fn what_went_back_of_a_payment_that_refairn_had_already_names_no_commission() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.plan();
    book.settle(0, Settlement::Duplicate);
    book.reversal("2026-01-12T12:00:00Z", "in_1", 30, ReversalStage::Final);
    book.plan();
    let told = book.delivery("in_1");
    assert_eq!((told.reason, told.attention), (Some(DeliveryReason::Reversed), true));
    let detail = "30 of 30 USD was taken back; which commission that is, Refairn's dashboard shows";
    assert_eq!(told.detail.as_deref(), Some(detail));
}

/// A customer let the payment go on another day; then an attempt ended unheard, and then the money went back.
#[test]
fn a_persons_word_of_before_does_not_send_again_what_went_back_since() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.payment("2026-01-10T11:30:00Z", "in_2", 40);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.release_held();
    book.plan();
    book.settle(1, unheard());
    book.reversal("2026-01-12T11:30:00Z", "in_2", 40, ReversalStage::Final);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::ReversedOutcomeUnknown));
}

#[test]
fn a_refund_of_a_payment_that_was_seen_and_ignored_ends_for_the_same_reason() {
    for refund_first in [false, true] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        let refund = |book: &mut Book| book.reversal("2026-01-10T11:00:05Z", "ref:1", 1, ReversalStage::Final);
        if refund_first {
            refund(&mut book);
        }
        let check = Customer { no_payment: Some(EventReason::BelowMinimum), ..Customer::default() };
        book.fact("2026-01-10T11:00:00Z", FactKind::Customer(check)).keys = vec!["ref:1".into()];
        if !refund_first {
            refund(&mut book);
        }
        let event = if refund_first { 1 } else { 2 };
        assert_eq!(book.outcome(event), (EventState::Ignored, Some(EventReason::BelowMinimum)));
    }
}

#[test]
fn a_call_in_backoff_that_is_dated_anew_waits_for_its_new_day() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.status("2026-01-11T11:30:00Z", Status::Cancelled);
    book.pass(40).plan();
    let status = book.customer.deliveries.iter().position(|d| matches!(d.subject, DeliveryKey::Status(_))).unwrap();
    book.amend(status, |d| (d.attempts, d.due_at) = (1, at("2026-01-12T04:00:04Z")));
    book.status("2026-01-09T10:00:00Z", Status::Active);
    book.heard("2026-01-12T04:00:01Z");
    assert_eq!(book.pass(1).deliver(), [""; 0], "an older report is heard, and the call is dated on that day");
    assert_eq!(book.pass(24).deliver(), ["0 cancelled 2026-01-12"]);
}

#[test]
fn a_call_that_gave_way_to_another_id_is_made_when_that_one_gives_way_to_it() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    let report = |book: &mut Book, identity: &str, rank: u32| {
        book.payment("2026-01-10T11:59:59Z", identity, 30).ties = vec!["pi_1".into()];
        book.customer.facts.last_mut().unwrap().fact.rank = rank;
        book.plan();
    };
    report(&mut book, "pi_1", 2);
    report(&mut book, "in_1", 1);
    report(&mut book, "pi_1", 0);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn a_change_of_status_for_a_product_that_was_left_takes_no_payments_day() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.status("2026-01-11T11:30:00Z", Status::PastDue);
    book.pass(36).plan();
    book.payment("2026-01-11T12:30:00Z", "in_2", 50);
    book.customer.facts.last_mut().unwrap().fact.product = Product::Id("prod_2".into());
    assert_eq!(book.pass(12).deliver(), ["50 active 2026-01-11"]);
}

#[test]
fn a_refund_whose_invoice_a_link_tells_is_no_other_payments() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_2", 30);
    book.link("2026-01-09T11:00:00Z", &["in_1", "pi_1"], Some(30));
    book.charge_refunded("2026-01-09T12:00:00Z", "pi_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    assert!(!book.delivery("in_2").attention);
}

#[test]
fn a_payment_whose_refund_failed_says_its_status_again() {
    let mut book = Book::new("2026-03-15T14:00:05Z");
    book.status("2026-03-05T05:00:00Z", Status::Cancelled);
    book.payment("2026-03-15T14:00:00Z", "pi_1", 100).subscription = None;
    assert_eq!(book.deliver(), ["100 active 2026-03-15"]);
    book.reversal("2026-03-16T23:00:00Z", "pi_1", 100, ReversalStage::Final);
    assert_eq!(book.pass(48).deliver(), ["0 cancelled 2026-03-05"]);
    book.customer.facts.pop();
    assert_eq!(book.pass(48).deliver(), ["0 active 2026-03-16"]);
}
