//! Subscriptions that begin, fail and end; money that goes back.

use super::*;
use crate::domain::fact::ReversalStage;
use crate::domain::status::Status;

#[test]
fn a_subscription_goes_on_from_its_making() {
    #[track_caller]
    fn check(event: &str, word: Value, status: Option<Status>, as_given: &str) {
        let changes = [("status", word), ("updatedAt", json!("2026-06-01T00:00:00Z"))];
        let (when, told) = subscription(event, &with(subscribed(), &changes));
        assert_eq!((told.status, told.as_given.as_str()), (status, as_given));
        assert_eq!((told.id.as_str(), when), ("SUB_1", at("2026-05-07T06:00:20Z")));
        assert_eq!((told.day, told.trial_end, told.no_call), (jiff::civil::date(2026, 5, 7), None, None));
    }
    check("subscription.create", json!("active"), Some(Status::Active), "active");
    check("subscription.create", json!(null), Some(Status::Active), "active");
    check("subscription.create", json!("attention"), Some(Status::PastDue), "attention");
    check("subscription.create", json!("hibernating"), None, "hibernating");
    check("subscription.not_renew", json!("non-renewing"), Some(Status::Active), "non-renewing");
    let keys = fact("subscription.create", &subscribed()).keys;
    assert_eq!(keys, ["CUS_ada", "plan:CUS_ada:PLN_pro", "plan:CUS_ada:60001", "SUB_1"]);
}

#[test]
fn a_subscription_ends_when_it_says_else_when_it_is_heard() {
    #[track_caller]
    fn check(changes: &[(&str, Value)], expected: &str, status: Option<Status>) {
        let (when, told) = subscription("subscription.disable", &with(subscribed(), changes));
        assert_eq!((when, told.status), (at(expected), status));
    }
    let (word, heard) = ("status", "2026-08-01T12:00:00Z");
    for ended in ["complete", "completed", "cancelled", "active", "attention", "hibernating"] {
        check(&[(word, json!(ended))], heard, Some(Status::Cancelled));
    }
    check(&[(word, json!(null))], heard, Some(Status::Cancelled));
    check(&[(word, json!("non-renewing"))], heard, Some(Status::Active));
    let cancelled = ("cancelledAt", json!("2026-06-11T12:13:14Z"));
    check(&[(word, json!("cancelled")), cancelled.clone()], "2026-06-11T12:13:14Z", Some(Status::Cancelled));
    let updated = ("updatedAt", json!("2026-07-07T06:00:00Z"));
    check(&[(word, json!("complete")), cancelled, updated], "2026-07-07T06:00:00Z", Some(Status::Cancelled));
    // The time of its making is no time of its end.
    check(
        &[(word, json!("complete")), ("updatedAt", subscribed()["created_at"].clone())],
        heard,
        Some(Status::Cancelled),
    );
}

#[test]
fn a_failed_renewal_is_past_due_from_the_day_it_was_due() {
    let unpaid = with(invoice(), &[("paid", json!(false)), ("status", json!("pending")), ("transaction", json!({}))]);
    let (when, told) = subscription("invoice.payment_failed", &unpaid);
    assert_eq!((told.status, told.id.as_str()), (Some(Status::PastDue), "SUB_1"));
    assert_eq!((when, told.day), (at("2026-05-07T06:00:00Z"), jiff::civil::date(2026, 5, 7)));
    let mut planned = unpaid.clone();
    planned["subscription"]["plan"] = json!("PLN_pro");
    assert_eq!(subscription("invoice.payment_failed", &planned).1.id, "SUB_1");
    assert_eq!(fact("invoice.payment_failed", &planned).keys, ["CUS_ada", "plan:CUS_ada:PLN_pro", "SUB_1"]);
    let future = with(unpaid.clone(), &[("period_start", json!("2027-01-01T00:00:00Z"))]);
    assert_eq!(subscription("invoice.payment_failed", &future).0, received_at());
    // A request for money that failed has no subscription.
    let request = fact("invoice.payment_failed", &with(unpaid, &[("subscription", json!({}))]));
    assert!(matches!(request.matter, FactKind::Customer(c) if c.no_payment == Some(EventReason::NotPaid)));
}

#[test]
fn a_refund_takes_back_when_it_is_processed() {
    #[track_caller]
    fn check(event: &str, identity: &str, stage: ReversalStage) {
        let (when, told) = reversal(event, &refund());
        assert_eq!((told.identity.as_str(), told.stage, when), (identity, stage, received_at()));
        assert_eq!(told.money.to_string(), "125.5 NGN");
        assert!(!told.full && !told.cumulative && !told.dispute && told.charge.is_none());
    }
    check("refund.pending", "refund-request:TRF_1", ReversalStage::Pending);
    check("refund.processing", "refund-request:TRF_1", ReversalStage::Pending);
    check("refund.needs-attention", "refund-request:TRF_1", ReversalStage::Pending);
    check("refund.processed", "refund:TRF_1", ReversalStage::Final);
    check("refund.failed", "refund:TRF_1", ReversalStage::Void);
    // By the customer's key it could be joined to any of the customer's payments.
    assert_eq!(fact("refund.processed", &refund()).keys, ["ref:ref_1"]);
    let mut numbered = with(refund(), &[("refund_reference", json!(null))]);
    assert!(reversal("refund.processed", &numbered).1.identity.starts_with("refund:sha256:"));
    numbered["id"] = json!(u64::MAX);
    assert_eq!(reversal("refund.processed", &numbered).1.identity, format!("refund:{}", u64::MAX));
}

#[test]
fn a_dispute_takes_back_when_it_is_accepted() {
    #[track_caller]
    fn check(event: &str, changes: &[(&str, Value)], stage: ReversalStage, when: &str) {
        let (at_, told) = reversal(event, &with(dispute(), changes));
        assert_eq!((told.identity.as_str(), told.stage, at_), ("dispute:358950", stage, at(when)));
        assert_eq!((told.money.to_string().as_str(), told.dispute), ("1200 NGN", true));
    }
    let (opened, resolved) = ("2026-05-09T13:46:57Z", "2026-05-11T08:00:00Z");
    check("charge.dispute.create", &[], ReversalStage::Pending, opened);
    check("charge.dispute.remind", &[("resolution", json!("merchant-accepted"))], ReversalStage::Pending, opened);
    let end = "charge.dispute.resolve";
    check(end, &[("resolution", json!("merchant-accepted"))], ReversalStage::Final, resolved);
    check(end, &[("resolution", json!("auto-accepted"))], ReversalStage::Final, resolved);
    check(end, &[("resolution", json!("declined"))], ReversalStage::Void, resolved);
    check(end, &[("resolution", json!("new-word"))], ReversalStage::Pending, resolved);
    check(end, &[("transaction.status", json!("reversed"))], ReversalStage::Final, resolved);
    check(end, &[("resolvedAt", json!(null))], ReversalStage::Pending, "2026-05-12T08:00:00Z");
    let whole = with(dispute(), &[("refund_amount", json!(null))]);
    assert_eq!(reversal(end, &whole).1.money.to_string(), "5000 NGN");
    assert_eq!(fact(end, &dispute()).keys, ["ref:ref_1"]);
    assert_eq!(reversal(end, &with(dispute(), &[("id", json!(null))])).1.identity, "dispute:ref_1");
}

#[test]
fn a_subscription_without_a_code_is_its_customers() {
    let nameless = with(subscribed(), &[("subscription_code", json!(null)), ("plan", json!({}))]);
    assert_eq!(subscription("subscription.create", &nameless).1.id, "CUS_ada");
}

#[test]
fn a_customer_that_was_looked_up_is_known_from_then_on() {
    let mut asked = customer();
    asked["metadata"] = json!({"refairn_code": "AGENT1"});
    let fact = fact("customer.lookup", &json!({"domain": "test", "customer": asked}));
    assert!(matches!(&fact.matter, FactKind::Customer(c) if c.checkout_of.is_none() && c.no_payment.is_none()));
    assert_eq!((fact.at, fact.mode, fact.customer.as_deref()), (received_at(), Mode::Test, Some("CUS_ada")));
    assert!(fact.email.is_some() && fact.name.as_deref() == Some("Ada Eze"));
    assert_eq!((fact.keys, fact.code.as_deref()), (vec!["CUS_ada".to_owned()], Some("AGENT1")));
}
