//! What was told first is told by the order of the calls, whatever the clock said when they were made.

use super::book::Book;
use super::*;
use crate::clock::after;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The clock at each call may be right, ahead or behind.
fn clocks(book: &Book) -> [jiff::Timestamp; 5] {
    let now = book.now;
    [now, after(now, DAY / 8), after(now, 3 * DAY), now - DAY / 8, now - 3 * DAY]
}

#[test]
fn a_code_that_comes_after_the_payment_was_told_is_late_whatever_the_clock_said() {
    for at in clocks(&Book::new("2026-01-10T12:00:00Z")) {
        for lost in [false, true] {
            let mut book = Book::new("2026-01-10T12:00:00Z");
            let right = book.now;
            book.payment("2026-01-10T11:00:00Z", "in_1", 30);
            book.now = at;
            assert_eq!(book.deliver().len(), 1);
            if lost {
                // The answer was lost, and the repetition was known: nobody knows who was credited.
                book.amend(0, |told| (told.state, told.receipt) = (DeliveryState::Duplicate, None));
            }
            book.now = right;
            book.code("2026-01-10T11:30:00Z", "ADA10");
            assert_eq!(book.deliver(), ["lead ADA10"]);
            book.plan();
            let told = book.delivery("in_1");
            assert_eq!((told.reason, told.attention), (Some(DeliveryReason::ReferralCodeLate), true), "{at} {lost}");
        }
    }
}

#[test]
fn a_code_that_went_out_before_the_payment_is_not_late_whatever_the_clock_said() {
    for at in clocks(&Book::new("2026-01-10T12:00:00Z")) {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        let right = book.now;
        book.code("2026-01-10T10:00:00Z", "ADA10");
        book.now = at;
        assert_eq!(book.deliver(), ["lead ADA10"]);
        book.now = right;
        book.payment("2026-01-10T11:00:00Z", "in_1", 30);
        assert_eq!(book.deliver().len(), 1);
        let payment = book.customer.deliveries.iter().position(|d| d.call.day().is_some()).unwrap();
        book.amend(payment, |told| (told.state, told.receipt) = (DeliveryState::Duplicate, None));
        book.plan();
        let told = book.delivery("in_1");
        assert_eq!((told.reason, told.attention), (Some(DeliveryReason::AlreadyAtRefairn), false), "{at}");
    }
}

#[test]
fn a_status_is_told_once_after_a_payment_whatever_the_clock_said_then() {
    for at in clocks(&Book::new("2026-01-10T12:00:00Z")) {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        let right = book.now;
        book.status("2026-01-05T11:00:00Z", Status::Active);
        book.payment("2026-01-05T11:00:00Z", "in_1", 30);
        book.now = at;
        assert_eq!(book.deliver(), ["30 active 2026-01-05"]);
        book.now = right;
        book.status("2026-01-08T12:00:00Z", Status::Cancelled);
        assert_eq!(book.deliver(), ["0 cancelled 2026-01-08"], "{at}");
        for _ in 0..5 {
            assert_eq!(book.pass(24).deliver(), [""; 0], "{at}");
        }
    }
}
