//! The ten rules, one test or more for each, on facts made by hand.

mod book;
mod clocks;
mod late;
mod likeness;
mod odd;
mod sales;

use crate::domain::delivery::{Action, DeliveryState, Settlement};
use crate::domain::event::EventState;
use crate::domain::fact::{Customer, FactKind, ReversalStage};
use crate::domain::mode::Mode;
use crate::domain::policy::{Leads, SameDayPayments, StatusUpdates};
use crate::domain::product::Product;
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::domain::status::Status;
use book::{Book, at, short};

#[test]
fn rule_1_a_customer_is_reported_once_a_code_is_known_and_once_only() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.fact("2026-01-10T11:59:00Z", FactKind::Customer(Customer::default()));
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Ignored, Some(EventReason::NoReferralCode)));
    book.code("2026-01-10T11:59:01Z", "ADA10");
    book.code("2026-01-10T11:59:02Z", "BAYO15");
    assert_eq!(book.deliver(), ["lead ADA10"]);
    assert_eq!(book.outcome(3), (EventState::Ignored, Some(EventReason::CustomerNoted)));
}

#[test]
fn rule_1_leads_can_be_all_or_off() {
    for (leads, told) in [(Leads::All, vec!["lead -"]), (Leads::Off, vec![]), (Leads::Referred, vec![])] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.policy.leads = leads;
        book.fact("2026-01-10T12:00:00Z", FactKind::Customer(Customer::default()));
        assert_eq!(book.deliver(), [""; 0], "a code may still be on its way");
        assert_eq!(book.pass(1).deliver(), told, "{leads:?}");
    }
}

#[test]
fn rule_2_the_customer_goes_before_the_payment_and_a_first_payment_waits_for_the_session() {
    let mut book = Book::new("2026-01-10T12:00:05Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_1").reason, Some(DeliveryReason::WaitingForReferralCode));
    assert_eq!(book.delivery("in_1").due_at, at("2026-01-10T12:00:15Z"));
    book.code("2026-01-10T12:00:04Z", "ADA10");
    assert_eq!(book.deliver(), ["lead ADA10", "30 active 2026-01-10"]);
}

#[test]
fn rule_2_the_wait_ends_with_a_session_without_a_code_and_by_itself() {
    let mut book = Book::new("2026-01-10T12:00:05Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
    let customer = Customer { checkout_of: Some("sub_1".into()), ..Customer::default() };
    book.fact("2026-01-10T12:00:03Z", FactKind::Customer(customer));
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);

    let mut book = Book::new("2026-01-10T12:00:14Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
    assert_eq!(book.deliver(), [""; 0]);
    book.now = at("2026-01-10T12:00:15Z");
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn rule_2_a_payment_that_came_in_by_a_clock_that_was_ahead_waits_as_long_as_any_other() {
    let mut book = Book::new("2026-01-10T12:00:01Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
    book.plan();
    assert_eq!(book.delivery("in_1").due_at, at("2026-01-10T12:00:15Z"));
    // The clock is set back by two hours; the wait begins when that is seen, once.
    book.now = at("2026-01-10T10:00:01Z");
    book.customer.deliveries[0].wait(book.now);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_1").due_at, at("2026-01-10T10:00:16Z"));
    book.now = at("2026-01-10T10:00:15Z");
    assert_eq!(book.deliver(), [""; 0]);
    book.now = at("2026-01-10T10:00:16Z");
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn rule_2_a_late_code_is_told_and_the_payment_needs_attention() {
    let mut book = Book::new("2026-01-10T12:01:00Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.code("2026-01-10T12:00:04Z", "ADA10");
    assert_eq!(book.pass(1).deliver(), ["lead ADA10"]);
    assert_eq!(book.delivery("in_1").reason, Some(DeliveryReason::ReferralCodeLate));
    assert!(book.delivery("in_1").attention);
}

#[test]
fn rule_2_a_payment_does_not_pass_a_rejected_customer() {
    let mut book = Book::new("2026-01-10T12:01:00Z");
    book.code("2026-01-10T12:00:00Z", "ADA10");
    book.plan();
    book.settle(0, Settlement::Rejected(DeliveryReason::RefusedByRefairn, "no".into()));
    book.payment("2026-01-10T12:00:01Z", "in_1", 30);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_1").reason, Some(DeliveryReason::CustomerCreatedRejected));
    book.act(0, Action::Discard);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn rule_3_a_payment_that_several_events_report_is_one_call() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    assert_eq!(book.outcome(1).0, EventState::Mapped);
    assert_eq!(book.outcome(2), (EventState::Ignored, Some(EventReason::AlreadyReported)));
}

#[test]
fn rule_3_the_event_that_always_reports_a_payment_says_what_it_was() {
    for primary_first in [true, false] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.payment("2026-01-10T11:00:00Z", "in_1", if primary_first { 30 } else { 25 }).primary = primary_first;
        book.payment("2026-01-10T11:00:00Z", "in_1", if primary_first { 25 } else { 30 }).primary = !primary_first;
        assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    }
}

#[test]
fn rule_4_a_status_waits_for_the_day_to_end_and_takes_a_day_without_a_payment() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    book.status("2026-01-10T11:30:00Z", Status::Cancelled);
    assert_eq!(book.pass(35).deliver(), [""; 0], "the payment's day is taken, the next is not over");
    assert_eq!(book.pass(3).deliver(), [""; 0], "a payment of its last minute may still be on its way");
    assert_eq!(book.pass(1).deliver(), ["0 cancelled 2026-01-11"]);
    assert_eq!(book.pass(100).deliver(), [""; 0], "it is told once");
}

#[test]
fn rule_4_a_later_payment_carries_the_status_itself() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-09T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver().len(), 1);
    book.status("2026-01-10T11:30:00Z", Status::PastDue);
    book.plan();
    book.payment("2026-01-10T13:00:00Z", "in_2", 30);
    assert_eq!(book.pass(2).deliver(), ["30 active 2026-01-10"]);
    assert_eq!(book.pass(100).deliver(), [""; 0]);
    assert!(book.customer.deliveries.iter().any(|d| d.state == DeliveryState::Superseded));
}

#[test]
fn rule_4_nothing_is_left_to_tell_while_a_payment_is_on_its_way() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.payment("2026-01-09T11:00:00Z", "in_1", 30);
    book.status("2026-01-10T11:30:00Z", Status::PastDue);
    assert_eq!(book.deliver().len(), 2);
    book.status("2026-01-11T11:30:00Z", Status::PastDue);
    book.payment("2026-01-12T11:00:00Z", "in_2", 30);
    book.plan();
    let open = book.customer.deliveries.iter().filter(|d| d.state.is_open()).map(short);
    assert_eq!(open.collect::<Vec<_>>(), ["30 active 2026-01-12"], "the payment says that it is active again");
}

#[test]
fn rule_4_status_updates_can_be_immediate_or_off() {
    for (updates, told) in [(StatusUpdates::Immediate, vec!["0 cancelled 2026-01-10"]), (StatusUpdates::Off, vec![])] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.policy.status_updates = updates;
        book.payment("2026-01-09T11:00:00Z", "in_1", 30);
        assert_eq!(book.deliver().len(), 1);
        book.status("2026-01-10T11:30:00Z", Status::Cancelled);
        assert_eq!(book.deliver(), told, "{updates:?}");
    }
}

#[test]
fn rule_4_an_end_is_not_undone_by_a_snapshot_that_is_as_old() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.payment("2026-01-09T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver().len(), 1);
    book.status("2026-01-10T11:30:00Z", Status::Cancelled);
    book.status("2026-01-10T11:30:00Z", Status::Active);
    assert_eq!(book.deliver(), ["0 cancelled 2026-01-10"]);
}

#[test]
fn rule_5_no_status_goes_out_before_a_delivered_payment() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.code("2026-01-10T10:00:00Z", "ADA10");
    book.status("2026-01-10T11:30:00Z", Status::Trialing);
    assert_eq!(book.deliver(), ["lead ADA10"]);
    assert_eq!(book.outcome(2), (EventState::Ignored, Some(EventReason::NoPaymentYet)));
}

#[test]
fn rule_5_a_payment_that_went_back_before_it_was_told_is_none() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.reversal("2026-01-10T11:00:02Z", "in_1", 30, ReversalStage::Final);
    book.status("2026-01-10T11:30:00Z", Status::Cancelled);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(3), (EventState::Ignored, Some(EventReason::NoPaymentYet)));
}

#[test]
fn rule_6_a_second_payment_of_a_day_is_held_moved_or_sent() {
    let check = |same_day_payments, told: &[&str]| {
        let mut book = Book::new("2026-01-12T12:00:00Z");
        book.policy.same_day_payments = same_day_payments;
        book.payment("2026-01-10T11:00:00Z", "in_1", 30);
        book.payment("2026-01-10T12:00:00Z", "in_2", 40);
        assert_eq!(book.deliver(), told, "{same_day_payments:?}");
        book
    };
    let mut held = check(SameDayPayments::Hold, &["30 active 2026-01-10"]);
    assert_eq!(held.delivery("in_2").reason, Some(DeliveryReason::SameDayPayment));
    assert!(held.delivery("in_2").attention);
    held.release_held();
    assert_eq!(held.deliver(), ["40 active 2026-01-11"]);
    check(SameDayPayments::NextFreeDay, &["30 active 2026-01-10", "40 active 2026-01-11"]);
    check(SameDayPayments::Send, &["30 active 2026-01-10", "40 active 2026-01-10"]);
}

#[test]
fn rule_6_a_payment_is_not_dated_on_a_day_that_has_not_come() {
    let mut book = Book::new("2026-01-10T13:00:00Z");
    book.policy.same_day_payments = SameDayPayments::NextFreeDay;
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    book.payment("2026-01-10T12:00:00Z", "in_2", 40);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::WaitingForFreeDay));
    assert_eq!(book.pass(11).deliver(), ["40 active 2026-01-11"]);
}

#[test]
fn rule_6_a_day_that_a_status_holds_is_not_used_blindly() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.payment("2026-01-09T11:00:00Z", "in_1", 30);
    book.status("2026-01-10T11:30:00Z", Status::PastDue);
    assert_eq!(book.deliver(), ["30 active 2026-01-09", "0 past_due 2026-01-10"]);
    book.payment("2026-01-10T10:00:00Z", "in_2", 40);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_2").reason, Some(DeliveryReason::DayTakenByStatus));
}

#[test]
fn rule_8_test_mode_goes_to_its_own_product_or_nowhere() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    let fact = &mut book.customer.facts[0].fact;
    (fact.mode, fact.product) = (Mode::Test, Product::NoTestProduct);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Ignored, Some(EventReason::TestModeOff)));
}

#[test]
fn rule_8_a_test_of_a_live_customer_is_told_to_nobody() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.code("2026-01-10T10:00:00Z", "ADA10");
    let fact = &mut book.customer.facts[0].fact;
    (fact.mode, fact.product) = (Mode::Test, Product::Id("prod_test".into()));
    book.plan();
    assert_eq!(short(&book.customer.deliveries[0]), "lead ADA10", "as long as nobody real has the address");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), ["30 active 2026-01-10"], "a test's code credits no real payment, and takes no lead");
    let withdrawn = &book.customer.deliveries[0];
    assert_eq!(
        (withdrawn.state, withdrawn.reason),
        (DeliveryState::Cancelled, Some(DeliveryReason::TestOfALiveCustomer))
    );
    assert_eq!(book.outcome(1), (EventState::Mapped, None));
}

#[test]
fn rule_9_a_full_refund_before_sending_cancels_and_a_failed_one_brings_back() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.reversal("2026-01-10T11:00:02Z", "in_1", 30, ReversalStage::Final);
    assert_eq!(book.outcome(1), (EventState::Waiting, Some(EventReason::PaymentUnknown)));
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.delivery("in_1").state, DeliveryState::Cancelled);
    assert_eq!(book.outcome(1).0, EventState::Mapped);
    book.reversal("2026-01-11T11:00:02Z", "in_1", 30, ReversalStage::Void);
    let FactKind::Reversal(refund) = book.customer.facts[0].fact.matter.clone() else { unreachable!() };
    if let FactKind::Reversal(failed) = &mut book.customer.facts[2].fact.matter {
        failed.identity = refund.identity;
    }
    assert_eq!(book.deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn a_payment_that_was_told_and_then_taken_back_needs_attention_with_its_commission() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.code("2026-01-10T10:00:00Z", "ADA10");
    book.payment("2026-01-10T11:00:00Z", "in_1", 30);
    assert_eq!(book.deliver().len(), 2);
    book.reversal("2026-01-12T11:00:00Z", "in_1", 10, ReversalStage::Pending);
    book.plan();
    assert!(!book.delivery("in_1").attention, "nothing has been taken back yet");
    book.reversal("2026-01-12T12:00:00Z", "in_1", 10, ReversalStage::Final);
    book.plan();
    let told = book.delivery("in_1");
    assert_eq!(
        (told.state, told.reason, told.attention),
        (DeliveryState::Delivered, Some(DeliveryReason::Reversed), true)
    );
    assert_eq!(
        told.detail.as_deref(),
        Some("10 of 30 USD was taken back; commission comm_1, on hold until 2026-02-01")
    );
    book.act(1, Action::Discard);
    book.plan();
    assert!(!book.delivery("in_1").attention, "an operator has seen it");
    book.reversal("2026-01-13T12:00:00Z", "in_1", 20, ReversalStage::Final);
    book.plan();
    assert!(book.delivery("in_1").attention, "there is more to see");
    assert!(book.delivery("in_1").detail.as_deref().is_some_and(|d| d.starts_with("30 of 30 USD")));
}

#[test]
fn a_payment_in_a_trial_says_so_and_one_after_it_does_not() {
    let mut book = Book::new("2026-02-12T12:00:00Z");
    book.status("2026-01-10T11:00:00Z", Status::Trialing);
    if let FactKind::Subscription(s) = &mut book.customer.facts[0].fact.matter {
        s.trial_end = Some(at("2026-02-01T00:00:00Z"));
    }
    book.payment("2026-01-10T11:00:05Z", "in_1", 5);
    book.payment("2026-02-01T01:00:00Z", "in_2", 30);
    assert_eq!(book.deliver(), ["5 trialing 2026-01-10", "30 active 2026-02-01"]);
}

#[test]
fn a_fact_that_is_gone_after_a_new_reading_takes_its_unsent_call_with_it() {
    let mut book = Book::new("2026-01-10T12:00:05Z");
    book.payment("2026-01-10T12:00:00Z", "in_1", 30).awaits_checkout = true;
    book.plan();
    let fact = book.customer.facts.remove(0);
    book.plan();
    assert_eq!(book.customer.deliveries[0].reason, Some(DeliveryReason::Remapped));
    book.customer.facts.push(fact);
    assert_eq!(book.pass(1).deliver(), ["30 active 2026-01-10"]);
}

#[test]
fn a_customers_call_outlives_the_event_that_first_asked_for_it() {
    let mut book = Book::new("2026-01-10T12:00:05Z");
    book.code("2026-01-10T12:00:00Z", "ADA10");
    book.code("2026-01-10T12:00:01Z", "ADA10");
    book.plan();
    let second = book.customer.facts.remove(1);
    // The first one is read anew as something without a code.
    let first = std::mem::replace(&mut book.customer.facts[0], second);
    book.plan();
    assert_eq!(book.customer.deliveries[0].state, DeliveryState::Queued);
    let second = book.customer.facts.remove(0);
    book.plan();
    assert_eq!(book.customer.deliveries[0].reason, Some(DeliveryReason::Remapped));
    book.customer.facts.extend([first, second]);
    assert_eq!(book.pass(1).deliver(), ["lead ADA10"]);
}
