//! One sale, whatever its ids; and what went back of it, charge by charge.

use super::book::{Book, at};
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventState;
use crate::domain::fact::{Customer, FactKind, ReversalStage};
use crate::domain::money::Money;
use crate::domain::product::Product;
use crate::domain::reason::{DeliveryReason, EventReason};

/// A session that was paid and lets its invoice be made afterwards.
fn session(book: &mut Book, when: &str, amount: i64) {
    let payment = book.payment(when, "pi_1", amount);
    (payment.awaits_invoice, payment.subscription) = (true, None);
    payment.ties = vec!["cs_1".into(), "pi_1".into()];
}

/// The invoice that is made for it; perhaps it names the payment intent.
fn receipt(book: &mut Book, when: &str, amount: i64, intent: Option<&str>) {
    let payment = book.payment(when, "in_1", amount);
    (payment.awaits_checkout, payment.subscription) = (true, None);
    payment.ties = std::iter::once("in_1").chain(intent).map(str::to_owned).collect();
}

#[test]
fn a_session_and_its_invoice_are_one_sale_however_they_are_tied() {
    let early = "2026-01-10T11:00:00Z";
    let paths: [fn(&mut Book); 4] = [
        |book| {
            session(book, "2026-01-10T11:00:00Z", 49);
            receipt(book, "2026-01-10T11:00:01Z", 49, Some("pi_1"));
        },
        |book| {
            receipt(book, "2026-01-10T11:00:01Z", 49, Some("pi_1"));
            session(book, "2026-01-10T11:00:00Z", 49);
        },
        |book| {
            session(book, "2026-01-10T11:00:00Z", 49);
            receipt(book, "2026-01-10T11:00:01Z", 49, None);
            book.link("2026-01-10T11:00:01Z", &["in_1", "pi_1"], Some(49));
        },
        |book| {
            book.link("2026-01-10T11:00:01Z", &["in_1", "pi_1"], Some(49));
            receipt(book, "2026-01-10T11:00:01Z", 49, None);
            session(book, "2026-01-10T11:00:00Z", 49);
        },
    ];
    for (n, path) in paths.into_iter().enumerate() {
        let mut book = Book::new("2026-01-10T11:00:02Z");
        book.code(early, "ADA10");
        path(&mut book);
        assert_eq!(book.deliver(), ["lead ADA10", "49 active 2026-01-10"], "path {n}");
        assert_eq!(book.pass(200).deliver(), [""; 0], "path {n}");
        assert!(book.customer.deliveries.iter().all(|d| !d.attention), "path {n}");
    }
}

#[test]
fn a_session_waits_an_hour_for_its_invoice_and_is_the_payment_then() {
    // Its intent, which no hold was taken by, says nothing more.
    for with_intent in [false, true] {
        let mut book = Book::new("2026-01-10T11:00:02Z");
        session(&mut book, "2026-01-10T11:00:00Z", 49);
        if with_intent {
            let intent = book.payment("2026-01-10T11:00:00Z", "pi_1", 49);
            (intent.needs_session, intent.primary, intent.subscription) = (true, false, None);
        }
        assert_eq!(book.deliver(), [""; 0]);
        let waiting = book.delivery("pi_1");
        assert_eq!(
            (waiting.reason, waiting.due_at),
            (Some(DeliveryReason::WaitingForInvoice), at("2026-01-10T12:00:00Z"))
        );
        assert_eq!(book.pass(1).deliver(), ["49 active 2026-01-10"]);
        // An invoice that looks like it, and that nothing ties to it, is a customer's to judge; what ties it ends that.
        receipt(&mut book, "2026-01-11T00:00:30Z", 49, None);
        let receipt = i64::try_from(book.customer.facts.len()).unwrap();
        assert_eq!(book.pass(12).deliver(), [""; 0]);
        let held = book.delivery("in_1");
        assert_eq!((held.state, held.reason), (DeliveryState::Held, Some(DeliveryReason::MayBeReportedAlready)));
        book.link("2026-01-11T00:00:31Z", &["in_1", "pi_1"], Some(49));
        assert_eq!(book.deliver(), [""; 0]);
        let gone = book.delivery("in_1");
        assert_eq!((gone.state, gone.attention), (DeliveryState::Superseded, false));
        assert_eq!(book.outcome(receipt), (EventState::Ignored, Some(EventReason::AlreadyReported)));
    }
}

#[test]
fn a_session_says_the_day_though_its_invoice_is_paid_on_the_next() {
    let early = "2026-01-10T23:59:50Z";
    for invoice_first in [false, true] {
        let mut book = Book::new("2026-01-11T00:00:20Z");
        if invoice_first {
            receipt(&mut book, "2026-01-11T00:00:10Z", 49, Some("pi_1"));
        }
        session(&mut book, early, 49);
        if !invoice_first {
            receipt(&mut book, "2026-01-11T00:00:10Z", 49, Some("pi_1"));
        }
        assert_eq!(book.deliver(), ["49 active 2026-01-10"]);
    }
}

#[test]
fn another_amount_or_day_is_another_sale() {
    for (when, amount) in [("2026-01-10T23:00:00Z", 48), ("2026-01-11T11:00:01Z", 49)] {
        let mut book = Book::new("2026-01-10T12:00:01Z");
        session(&mut book, "2026-01-10T11:00:00Z", 49);
        assert_eq!(book.deliver().len(), 1);
        receipt(&mut book, when, amount, None);
        book.pass(48).plan();
        assert_ne!(book.delivery("in_1").reason, Some(DeliveryReason::MayBeReportedAlready), "{when} {amount}");
    }
}

#[test]
fn a_sale_that_was_told_under_two_ids_is_shown_when_they_are_tied() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    book.code("2026-01-10T11:00:00Z", "ADA10");
    session(&mut book, "2026-01-10T11:00:00Z", 49);
    assert_eq!(book.deliver().len(), 2);
    receipt(&mut book, "2026-01-11T11:00:02Z", 49, None);
    assert_eq!(book.deliver(), ["49 active 2026-01-11"]);
    book.link("2026-01-11T00:00:31Z", &["in_1", "pi_1"], Some(49));
    book.plan();
    let told: Vec<_> = ["pi_1", "in_1"].iter().map(|id| book.delivery(id).reason).collect();
    assert!(told.contains(&Some(DeliveryReason::ToldTwice)) && told.contains(&None), "{told:?}");
}

#[test]
fn a_sale_that_was_told_under_two_ids_and_credited_nobody_asks_nobody() {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    session(&mut book, "2026-01-10T11:00:00Z", 49);
    receipt(&mut book, "2026-01-11T11:00:02Z", 49, None);
    assert_eq!(book.deliver().len(), 2);
    book.link("2026-01-11T00:00:31Z", &["in_1", "pi_1"], Some(49));
    book.plan();
    assert!(book.customer.deliveries.iter().all(|d| !d.attention), "{:?}", book.customer.deliveries);
}

/// What was told of a sale under one id, when a link ties another to it whose call is in one of these states.
fn tied_to_a_told_one(
    state: DeliveryState,
    reason: DeliveryReason,
    unknown: bool,
) -> (DeliveryState, Option<DeliveryReason>, bool) {
    let mut book = Book::new("2026-01-12T12:00:00Z");
    session(&mut book, "2026-01-10T11:00:00Z", 49);
    assert_eq!(book.deliver().len(), 1);
    receipt(&mut book, "2026-01-11T11:00:02Z", 49, None);
    book.plan();
    let other = book.customer.deliveries.iter().position(|d| !d.state.is_acknowledged()).unwrap();
    book.amend(other, |d| {
        (d.state, d.reason, d.attention, d.outcome_unknown) = (state, Some(reason), true, unknown);
    });
    book.link("2026-01-11T00:00:31Z", &["in_1", "pi_1"], Some(49));
    assert_eq!(book.pass(48).deliver(), [""; 0], "{state:?}");
    let other = book.delivery("in_1");
    (other.state, other.reason, other.attention)
}

#[test]
fn what_a_told_sale_says_already_goes_whatever_became_of_it() {
    let gone = (DeliveryState::Superseded, Some(DeliveryReason::AlreadyReported), false);
    assert_eq!(tied_to_a_told_one(DeliveryState::Cancelled, DeliveryReason::ReversedBeforeSending, false), gone);
    assert_eq!(tied_to_a_told_one(DeliveryState::Held, DeliveryReason::SameDayPayment, false), gone);
    assert_eq!(tied_to_a_told_one(DeliveryState::Rejected, DeliveryReason::DaySlotTaken, false), gone);
}

#[test]
fn what_may_have_been_told_of_a_told_sale_is_not_sent_again_by_itself() {
    let held = (DeliveryState::Held, Some(DeliveryReason::ToldTwice), true);
    assert_eq!(tied_to_a_told_one(DeliveryState::Queued, DeliveryReason::Retrying, true), held);
    assert_eq!(tied_to_a_told_one(DeliveryState::Rejected, DeliveryReason::GivenUp, true), held);
}

#[test]
fn the_first_endpoint_of_the_configuration_decides_on_the_product() {
    for first in [0, 1] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        for rank in [first, 1 - first] {
            book.payment("2026-01-10T11:00:00Z", "in_1", 30);
            let fact = &mut book.customer.facts.last_mut().unwrap().fact;
            (fact.rank, fact.product) = (rank, Product::Id(format!("prod_{rank}")));
        }
        assert_eq!(book.deliver().len(), 1);
        assert_eq!(book.customer.deliveries[0].call.product(), "prod_0");
    }
}

#[test]
fn what_one_endpoint_counts_as_too_little_is_told_by_none_behind_it() {
    for (refuses, told) in [(0, 0), (2, 1)] {
        let mut book = Book::new("2026-01-10T12:00:00Z");
        book.payment("2026-01-10T11:00:00Z", "in_1", 30).ties = vec!["in_1".into()];
        book.customer.facts[0].fact.rank = 1;
        let refused = Customer { no_payment: Some(EventReason::BelowMinimum), ..Customer::default() };
        let fact = book.fact("2026-01-10T11:00:00Z", FactKind::Customer(refused));
        (fact.keys, fact.rank) = (vec!["in_1".into()], refuses);
        assert_eq!(book.deliver().len(), told, "the endpoint at {refuses} refuses it");
    }
}

#[test]
fn a_capture_counts_where_its_session_named_it() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    let payment = book.payment("2026-01-10T11:00:00Z", "pi_1", 40);
    (payment.needs_session, payment.subscription) = (true, None);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Ignored, Some(EventReason::OneTimeOff)));
    let session = Customer { checkout: true, captures: Some("pi_1".into()), ..Customer::default() };
    book.fact("2026-01-09T11:00:00Z", FactKind::Customer(session));
    assert_eq!(book.deliver(), ["40 active 2026-01-10"]);
}

#[test]
fn lines_that_were_not_seen_are_decided_by_the_subscription_else_by_a_person() {
    let undecided = |otherwise: Option<&str>| Product::Undecided {
        otherwise: otherwise.map(str::to_owned),
        seen: 10,
        total: Some(12),
    };
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 970);
    book.customer.facts[0].fact.product = undecided(None);
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Unmappable, Some(EventReason::LinesNotSeen)));
    book.status("2026-01-10T10:00:00Z", crate::domain::status::Status::Active);
    book.customer.facts[1].fact.product = Product::Id("prod_team".into());
    assert_eq!(book.deliver(), ["970 active 2026-01-10"]);
    assert_eq!(book.customer.deliveries[0].call.product(), "prod_team");

    // Where lines decide on the amount, too, to know the product is not enough.
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 970).amount = None;
    book.customer.facts[0].fact.product = undecided(None);
    book.status("2026-01-10T10:00:00Z", crate::domain::status::Status::Active);
    book.customer.facts[1].fact.product = Product::Id("prod_team".into());
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Unmappable, Some(EventReason::LinesNotSeen)));

    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 970);
    book.customer.facts[0].fact.product = undecided(Some("prod_1"));
    assert_eq!(book.deliver(), ["970 active 2026-01-10"]);

    // A report with all lines says that what is sold in the program brought nothing.
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.payment("2026-01-10T11:00:00Z", "in_1", 970);
    book.customer.facts[0].fact.product = undecided(None);
    let nothing = Customer { no_payment: Some(EventReason::NothingInProducts), ..Customer::default() };
    book.fact("2026-01-10T11:00:00Z", FactKind::Customer(nothing)).keys = vec!["in_1".into()];
    assert_eq!(book.deliver(), [""; 0]);
    assert_eq!(book.outcome(1), (EventState::Ignored, Some(EventReason::NothingInProducts)));
}

/// An invoice of 300 with these charges.
fn invoice_of_charges(charges: &[(&str, i64)]) -> Book {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.code("2026-01-10T10:00:00Z", "ADA10");
    book.payment("2026-01-10T11:00:00Z", "in_1", 300).ties = vec!["in_1".into()];
    for (charge, paid) in charges {
        book.link("2026-01-10T11:00:00Z", &["in_1", charge], Some(*paid));
    }
    book
}

#[test]
fn a_full_refund_of_one_of_several_charges_is_one_of_that_charge_only() {
    for sent_first in [false, true] {
        let mut book = invoice_of_charges(&[("pi_a", 100), ("pi_b", 200)]);
        if sent_first {
            assert_eq!(book.deliver().len(), 2);
        }
        book.charge_refunded("2026-01-10T11:30:00Z", "pi_a", 100);
        assert_eq!(book.deliver().len(), if sent_first { 0 } else { 2 });
        book.plan();
        let told = book.delivery("in_1");
        assert_eq!((told.state, told.reason), (DeliveryState::Delivered, Some(DeliveryReason::Reversed)));
        assert!(told.detail.as_deref().unwrap().starts_with("100 of 300 USD"), "{told:?}");
        book.charge_refunded("2026-01-10T11:40:00Z", "pi_b", 200);
        book.plan();
        assert!(book.delivery("in_1").detail.as_deref().unwrap().starts_with("300 of 300 USD"));
    }
}

#[test]
fn an_invoice_that_was_paid_twice_stays_paid_when_one_payment_goes_back() {
    for sent_first in [false, true] {
        let mut book = invoice_of_charges(&[("pi_a", 300), ("pi_b", 300)]);
        if sent_first {
            assert_eq!(book.deliver().len(), 2);
        }
        book.charge_refunded("2026-01-10T11:30:00Z", "pi_b", 300);
        assert_eq!(book.deliver().len(), if sent_first { 0 } else { 2 });
        book.plan();
        let told = book.delivery("in_1");
        assert_eq!((told.state, told.attention), (DeliveryState::Delivered, false), "{told:?}");
        book.charge_refunded("2026-01-10T11:40:00Z", "pi_a", 300);
        book.plan();
        assert!(book.delivery("in_1").detail.as_deref().unwrap().starts_with("300 of 300 USD"));
    }
}

#[test]
fn amounts_of_two_currencies_are_never_compared() {
    let yen = Money::new(1500.into(), "jpy".parse().unwrap());
    let mut book = invoice_of_charges(&[]);
    book.charge_refunded("2026-01-10T11:30:00Z", "in_1", 1500).money = yen;
    assert_eq!(book.deliver(), ["lead ADA10"]);
    let held = book.delivery("in_1");
    assert_eq!((held.state, held.reason), (DeliveryState::Held, Some(DeliveryReason::ReversedInAnotherCurrency)));
    let detail = "1500 JPY was taken back of a payment of 300 USD";
    assert_eq!(held.detail.as_deref(), Some(detail));

    let mut book = invoice_of_charges(&[]);
    assert_eq!(book.deliver().len(), 2);
    book.charge_refunded("2026-01-10T11:30:00Z", "in_1", 1500).money = yen;
    book.plan();
    let told = book.delivery("in_1");
    assert_eq!(told.reason, Some(DeliveryReason::Reversed));
    assert!(told.detail.as_deref().unwrap().starts_with("1500 JPY of 300 USD"), "{told:?}");
}

/// A dispute of one identity.
fn dispute(book: &mut Book, when: &str, amount: i64, stage: ReversalStage) {
    book.reversal(when, "in_1", amount, stage);
    let fact = &mut book.customer.facts.last_mut().unwrap().fact;
    let FactKind::Reversal(reversal) = &mut fact.matter else { unreachable!() };
    (reversal.identity, reversal.dispute) = ("dp_1".into(), true);
}

#[test]
fn what_comes_back_of_a_lost_dispute_only_lowers_it_in_any_order() {
    use ReversalStage::Final;
    for order in [[300, 295], [295, 300]] {
        let mut book = invoice_of_charges(&[]);
        assert_eq!(book.deliver().len(), 2);
        for (minute, amount) in (10..).zip(order) {
            dispute(&mut book, &format!("2026-01-10T11:{minute}:00Z"), amount, Final);
        }
        book.plan();
        assert!(book.delivery("in_1").detail.as_deref().unwrap().starts_with("295 of 300 USD"), "{order:?}");
        dispute(&mut book, "2026-01-11T11:00:00Z", 300, ReversalStage::Void);
        book.plan();
        assert!(!book.delivery("in_1").attention, "a dispute that was won took nothing");
    }
}

#[test]
fn a_refund_by_the_running_total_and_a_dispute_of_the_rest_are_added() {
    for single in [false, true] {
        let mut book = invoice_of_charges(&[]);
        book.charge_refunded("2026-01-10T11:30:00Z", "in_1", 120).full = false;
        if let FactKind::Reversal(r) = &mut book.customer.facts.last_mut().unwrap().fact.matter {
            r.charge = None;
        }
        if single {
            book.reversal("2026-01-10T11:30:00Z", "in_1", 120, ReversalStage::Final);
        }
        dispute(&mut book, "2026-01-10T11:40:00Z", 180, ReversalStage::Final);
        assert_eq!(book.deliver(), ["lead ADA10"], "nothing is left");
        assert_eq!(book.delivery("in_1").reason, Some(DeliveryReason::ReversedBeforeSending));
    }
}

#[test]
fn what_was_held_and_never_taken_does_not_go_back() {
    let mut book = Book::new("2026-01-10T12:00:00Z");
    book.reversal("2026-01-10T11:00:01Z", "in_1", 60, ReversalStage::Final);
    book.payment("2026-01-10T11:00:00Z", "in_1", 40).uncaptured = Some(60.into());
    assert_eq!(book.deliver(), ["40 active 2026-01-10"]);
    book.plan();
    assert!(!book.delivery("in_1").attention);
    book.code("2026-01-10T10:00:00Z", "ADA10");
    book.reversal("2026-01-11T11:00:01Z", "in_1", 5, ReversalStage::Final);
    book.plan();
    assert!(book.delivery("in_1").detail.as_deref().unwrap().starts_with("5 of 40 USD"));
}
