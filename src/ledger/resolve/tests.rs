//! Whose facts are, by what is known of their ids.

use super::*;
use crate::domain::event::EventEnd;
use crate::domain::fact::{Customer, Link, Payment, Reversal, ReversalName, ReversalStage, Subscription};
use crate::domain::mode::Mode;
use crate::domain::money::Money;
use crate::domain::product::Product;
use crate::domain::reason::EventReason;
use crate::domain::status::Status;

fn fact(email: Option<&str>, matter: FactKind) -> Fact {
    Fact {
        mode: Mode::Live,
        account: None,
        at: Timestamp::UNIX_EPOCH,
        customer: Some("cus_1".into()),
        keys: vec!["sub_1".into()],
        email: email.map(|email| Email::parse(email).unwrap()),
        name: None,
        code: None,
        code_at: None,
        code_refused: None,
        product: Product::Id("prod_1".into()),
        rank: 0,
        matter,
    }
}

fn payment() -> Payment {
    Payment {
        identity: "in_1".into(),
        ties: vec!["pi_1".into()],
        amount: Some(30.into()),
        charged: 30.into(),
        currency: "usd".parse().unwrap(),
        day: jiff::civil::date(2026, 1, 10),
        subscription: Some("sub_1".into()),
        awaits_checkout: false,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: None,
        primary: true,
    }
}

fn subscription() -> FactKind {
    FactKind::Subscription(Subscription {
        id: "sub_1".into(),
        status: Some(Status::Active),
        as_given: "active".into(),
        day: jiff::civil::date(2026, 1, 10),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: None,
    })
}

fn reversal() -> FactKind {
    FactKind::Reversal(Reversal {
        identity: "re_1".into(),
        name: ReversalName::Sole,
        number: None,
        money: Money::new(30.into(), "usd".parse().unwrap()),
        cumulative: false,
        full: false,
        dispute: false,
        stage: ReversalStage::Final,
        of_charge: None,
        charge: None,
    })
}

const NAMED: Evidence = Evidence::Named(Timestamp::UNIX_EPOCH);

/// What is known: ids, whose they are, and how surely.
fn known(identities: &[(&str, &str, Evidence)]) -> Known {
    let identity = |(id, email_key, evidence): &(&str, &str, Evidence)| {
        let identity = Identity { email_key: (*email_key).to_owned(), evidence: *evidence, has_left: false };
        ((*id).to_owned(), identity)
    };
    Known { identities: identities.iter().map(identity).collect(), earlier: None }
}

/// Whose it is; nothing of what waits.
fn owner_of(fact: &Fact, known: &Known) -> Option<(String, Evidence)> {
    match resolve(fact, known) {
        Resolution::Owned(owner) => Some((owner.email_key, owner.evidence)),
        Resolution::Waits(_) => None,
    }
}

#[test]
fn a_payments_first_address_stays_and_then_its_own_counts() {
    let own = fact(Some("own@example.com"), FactKind::Payment(payment()));
    let check = |identities: &[(&str, &str, Evidence)], owner: &str| {
        let (email_key, _) = owner_of(&own, &known(identities)).unwrap();
        assert_eq!(email_key, owner, "{identities:?}");
    };
    check(&[], "own@example.com");
    check(&[("sub_1", "ids", NAMED), ("cus_1", "customer", NAMED)], "own@example.com");
    check(&[("payment in_1", "first", NAMED)], "first");
    check(&[("payment in_1", "first", Evidence::Inferred)], "own@example.com");
    let mut left = known(&[("payment pi_1", "first", Evidence::Inferred)]);
    left.identities.get_mut("payment pi_1").unwrap().has_left = true;
    assert_eq!(owner_of(&own, &left).unwrap().0, "first", "a call has left for it");
}

#[test]
fn a_session_that_awaits_its_invoice_keeps_the_address_of_either() {
    let session = fact(None, FactKind::Payment(Payment { awaits_invoice: true, ..payment() }));
    let of_both = known(&[("receipt in_1", "session", NAMED), ("payment pi_1", "invoice", NAMED)]);
    assert_eq!(owner_of(&session, &of_both).unwrap().0, "invoice");
    let invoice = fact(Some("own@example.com"), FactKind::Payment(payment()));
    let of_session = known(&[("receipt in_1", "session", NAMED)]);
    assert_eq!(owner_of(&invoice, &of_session).unwrap().0, "own@example.com");
}

#[test]
fn its_ids_say_whose_it_is_the_surest_first_and_its_customer_guesses() {
    let refund = fact(Some("own@example.com"), reversal());
    let check = |identities: &[(&str, &str, Evidence)], owner: (&str, Evidence)| {
        let found = owner_of(&refund, &known(identities));
        assert_eq!(found, Some((owner.0.to_owned(), owner.1)), "{identities:?}");
    };
    check(&[], ("own@example.com", Evidence::Inferred));
    check(&[("cus_1", "customer", NAMED)], ("customer", Evidence::Guessed));
    check(&[("cus_1", "customer", NAMED), ("sub_1", "ids", Evidence::Guessed)], ("ids", Evidence::Guessed));
    let two = Fact { keys: vec!["a".into(), "b".into(), "c".into()], ..refund.clone() };
    let surest = known(&[("a", "guess", Evidence::Guessed), ("b", "first", NAMED), ("c", "second", NAMED)]);
    assert_eq!(owner_of(&two, &surest), Some(("first".into(), Evidence::Inferred)));
}

#[test]
fn a_customer_without_an_address_goes_by_its_id_and_a_status_stays_where_it_was() {
    let customer = fact(None, FactKind::Customer(Customer::default()));
    let both = known(&[("cus_1", "customer", NAMED), ("sub_1", "ids", NAMED)]);
    assert_eq!(owner_of(&customer, &both), Some(("customer".into(), Evidence::Guessed)));
    let status = fact(None, subscription());
    assert_eq!(owner_of(&status, &both).unwrap().0, "ids");
    let earlier = Known { earlier: Some("earlier".into()), ..both };
    assert_eq!(owner_of(&status, &earlier), Some(("earlier".into(), Evidence::Inferred)));
}

#[test]
fn a_status_goes_where_its_subscription_was_paid_else_to_the_address_that_it_names() {
    let status = fact(Some("own@example.com"), subscription());
    let check = |identities: &[(&str, &str, Evidence)], owner: &str| {
        let (email_key, _) = owner_of(&status, &known(identities)).unwrap();
        assert_eq!(email_key, owner, "{identities:?}");
    };
    check(&[], "own@example.com");
    check(&[("cus_1", "customer", NAMED)], "own@example.com");
    check(&[("cus_1", "customer", NAMED), ("sub_1", "guess", Evidence::Guessed)], "own@example.com");
    check(&[("sub_1", "another status", Evidence::Inferred)], "own@example.com");
    check(&[("cus_1", "customer", NAMED), ("sub_1", "payer", NAMED)], "payer");
}

#[test]
fn what_nobody_knows_waits_with_the_reason_of_what_it_lacks() {
    let check = |matter, end: fn(EventReason) -> EventEnd, reason| {
        let Resolution::Waits(outcome) = resolve(&fact(None, matter), &Known::default()) else { panic!("it is owned") };
        assert_eq!(outcome.end, end(reason));
    };
    check(FactKind::Payment(payment()), EventEnd::Waiting, EventReason::CustomerUnknown);
    check(reversal(), EventEnd::Waiting, EventReason::PaymentUnknown);
    check(FactKind::Link(Link::default()), EventEnd::Ignored, EventReason::LinkNoted);
}

#[test]
fn only_what_is_asked_for_decides() {
    let matters = || {
        let session = Payment { awaits_invoice: true, ..payment() };
        [
            FactKind::Payment(payment()),
            FactKind::Payment(session),
            subscription(),
            reversal(),
            FactKind::Link(Link::default()),
            FactKind::Customer(Customer::default()),
        ]
    };
    for (email, matter) in [None, Some("own@example.com")].into_iter().flat_map(|e| matters().map(|m| (e, m))) {
        let fact = fact(email, matter);
        let asked = asked_for(&fact);
        let unasked = all_ids(&fact).into_iter().chain(["payment in_1".into(), "receipt in_1".into()]);
        let unasked: Vec<String> = unasked.filter(|id| !asked.contains(id)).collect();
        let other = |id: &String| (id.clone(), Identity { email_key: "x".into(), evidence: NAMED, has_left: true });
        let known = Known { identities: unasked.iter().map(other).collect(), earlier: None };
        assert_eq!(resolve(&fact, &known), resolve(&fact, &Known::default()), "{fact:?}");
    }
}

#[test]
fn only_a_fact_that_names_an_address_moves_an_id() {
    let owner = Owner { email_key: "owner".into(), evidence: Evidence::Inferred };
    let claimed = |fact: &Fact, id| {
        let claim = claim(fact, id, &owner);
        (claim.email_key, claim.evidence)
    };
    let inferred = || ("owner".to_owned(), Evidence::Inferred);
    let own = fact(Some("own@example.com"), FactKind::Payment(payment()));
    assert_eq!(claimed(&own, "cus_1"), ("own@example.com".to_owned(), NAMED));
    assert_eq!(claimed(&own, "sub_1"), ("owner".to_owned(), NAMED), "it is the payment's, whose first address stays");
    assert_eq!(claimed(&fact(None, FactKind::Payment(payment())), "sub_1"), inferred());
    let status = fact(Some("own@example.com"), subscription());
    assert_eq!(claimed(&status, "sub_1"), inferred());
    let refund = fact(Some("own@example.com"), reversal());
    assert_eq!(claimed(&refund, "sub_1"), ("owner".to_owned(), Evidence::Guessed));
}
