//! Charges and paid invoices.

use super::*;

#[test]
fn a_charge_is_a_payment() {
    let fact = fact("charge.success", &charge());
    let Fact { mode, account, customer, email, name, code, code_refused, product, .. } = &fact;
    assert_eq!((mode, account, customer.as_deref()), (&Mode::Live, &None, Some("CUS_ada")));
    assert_eq!(email.as_ref().map(|e| e.as_given()), Some("ada@example.com"));
    assert_eq!((name.as_deref(), code.as_deref(), code_refused), (Some("Ada Eze"), Some("AGENT1"), &None));
    assert_eq!(product, &Product::Id("prod_pro".to_owned()));
    assert_eq!(fact.at, at("2026-05-07T10:00:00Z"));
    assert_eq!(fact.keys, ["CUS_ada", "plan:CUS_ada:PLN_pro", "plan:CUS_ada:60001", "ref:ref_1"]);
    let expected = Payment {
        identity: "ref_1".to_owned(),
        ties: vec!["ref:ref_1".to_owned()],
        amount: Some(Decimal::from(5_000)),
        charged: Decimal::from(5_000),
        currency: "NGN".parse().unwrap(),
        day: jiff::civil::date(2026, 5, 7),
        subscription: Some("plan:CUS_ada:PLN_pro".to_owned()),
        awaits_checkout: false,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: None,
        primary: true,
    };
    assert_eq!(fact.matter, FactKind::Payment(expected));
}

#[test]
fn amounts_are_hundredths_in_every_currency_and_follow_the_commission_base() {
    #[track_caller]
    fn check(changes: &[(&str, Value)], base: CommissionBase, expected: Option<&str>) {
        let payment = payment("charge.success", &with(charge(), changes), &Rules { commission_base: base, ..rules() });
        assert_eq!(payment.amount, expected.map(|text| text.parse().unwrap()), "{changes:?}");
    }
    check(&[("amount", json!("750050"))], CommissionBase::PAID, Some("7500.5"));
    for currency in ["XOF", "RWF", "kes", "USD"] {
        check(&[("currency", json!(currency)), ("amount", json!(1))], CommissionBase::PAID, Some("0.01"));
    }
    check(&[], REQUESTED, Some("4800"));
    check(&[("requested_amount", json!(null))], REQUESTED, Some("5000"));
    check(&[("fees", json!("12.0"))], NET_OF_FEES, Some("4999.88"));
    check(&[("fees", json!(null))], NET_OF_FEES, None);
    check(&[], OF_ANOTHER, None);
}

#[test]
fn what_is_not_paid_or_too_little_leaves_the_customer() {
    #[track_caller]
    fn check(changes: &[(&str, Value)], why: EventReason) {
        let fact = fact("charge.success", &with(charge(), changes));
        let FactKind::Customer(customer) = &fact.matter else { panic!("{fact:?}") };
        assert_eq!((customer.no_payment, fact.code.as_deref()), (Some(why), Some("AGENT1")));
    }
    check(&[("status", json!("failed"))], EventReason::NotPaid);
    check(&[("status", json!("reversed")), ("paid_at", json!(null)), ("reference", json!(null))], EventReason::NotPaid);
    check(&[("amount", json!(0))], EventReason::ZeroAmount);
    check(&[("amount", json!("-500"))], EventReason::NegativeAmount);
    check(&[("amount", json!(9_999))], EventReason::BelowMinimum);
    // Its refund is known by the reference.
    let too_small = fact("charge.success", &with(charge(), &[("amount", json!(9_999))]));
    assert_eq!(too_small.keys, ["CUS_ada", "plan:CUS_ada:PLN_pro", "plan:CUS_ada:60001", "ref:ref_1"]);
    for fees in [500_000, 600_000] {
        let net = Rules { commission_base: NET_OF_FEES, ..rules() };
        let eaten_up = fact_by("charge.success", &with(charge(), &[("fees", json!(fees))]), &net);
        assert!(
            matches!(eaten_up.matter, FactKind::Customer(c) if c.no_payment == Some(EventReason::NothingAfterFees))
        );
    }
    let least = [("amount", json!(10_000)), ("status", json!(null))];
    assert_eq!(payment("charge.success", &with(charge(), &least), &rules()).charged, Decimal::ONE_HUNDRED);
}

#[test]
fn a_charge_without_what_a_payment_needs_names_the_field() {
    #[track_caller]
    fn check(event: &str, data: Value, what: &str) {
        let expected = Reading::Unmappable(EventReason::MissingField, format!("{what} is missing or malformed"));
        assert_eq!(reading(event, &data, &rules()), expected);
    }
    check("charge.success", with(charge(), &[("reference", json!(""))]), "data.reference");
    check("charge.success", with(charge(), &[("amount", json!("lots"))]), "data.amount");
    check("charge.success", with(charge(), &[("amount", json!(99.5))]), "data.amount");
    check("charge.success", with(charge(), &[("currency", json!(566))]), "data.currency");
    let unreadable = [("paid_at", json!(null)), ("paidAt", json!("soon")), ("created_at", json!(7))];
    check("charge.success", with(charge(), &unreadable), "data.paid_at");
    check("invoice.update", with(invoice(), &[("transaction.reference", json!(null))]), "data.transaction.reference");
    check("invoice.update", with(invoice(), &[("transaction.currency", json!(null))]), "data.transaction.currency");
    check("refund.processed", with(refund(), &[("transaction_reference", json!(null))]), "data.transaction_reference");
    check("refund.pending", with(refund(), &[("amount", json!(null))]), "data.amount");
    let nobodys = [("transaction.reference", json!(null))];
    check("charge.dispute.resolve", with(dispute(), &nobodys), "data.transaction.reference");
    let nameless = [("subscription_code", json!(null)), ("plan", json!({})), ("customer", json!(null))];
    check("subscription.create", with(subscribed(), &nameless), "data.subscription_code");
}

#[test]
fn the_time_of_payment_is_the_best_one_known() {
    #[track_caller]
    fn check(event: &str, data: Value, expected: &str) {
        assert_eq!(fact(event, &data).at, at(expected));
    }
    let null = || json!(null);
    check("charge.success", with(charge(), &[("paid_at", null())]), "2026-05-08T10:00:00Z");
    check("charge.success", with(charge(), &[("paid_at", null()), ("paidAt", null())]), "2026-05-06T09:59:00Z");
    check("charge.success", with(charge(), &[("paid_at", json!("2026-05-01T00:30:00+01:00"))]), "2026-04-30T23:30:00Z");
    check("charge.success", with(charge(), &[("paid_at", json!("2026-05-01 00:30:00"))]), "2026-05-01T00:30:00Z");
    let dateless = [("paid_at", null()), ("paidAt", null()), ("created_at", null())];
    check("charge.success", with(charge(), &dateless), "2026-08-01T12:00:00Z");
    check("invoice.update", invoice(), "2026-05-07T10:00:00Z");
    check("invoice.update", with(invoice(), &[("paid_at", null())]), "2026-05-04T06:00:03Z");
    let lagos = Rules { time_zone: jiff::tz::TimeZone::get("Africa/Lagos").unwrap(), ..rules() };
    let late = with(charge(), &[("paid_at", json!("2026-05-31T23:30:00Z"))]);
    assert_eq!(payment("charge.success", &late, &lagos).day, jiff::civil::date(2026, 6, 1));
}

#[test]
fn an_invoice_is_a_payment_only_if_it_is_paid_by_all_three_signs() {
    let fact = fact("invoice.create", &invoice());
    assert_eq!(fact.keys, ["CUS_ada", "SUB_1", "ref:ref_1"]);
    let FactKind::Payment(paid) = fact.matter else { panic!() };
    assert_eq!((paid.identity.as_str(), paid.primary), ("ref_1", false));
    assert_eq!(paid.subscription.as_deref(), Some("SUB_1"));
    let as_number = with(invoice(), &[("paid", json!(1)), ("amount", json!("249950"))]);
    assert_eq!(payment("invoice.update", &as_number, &rules()).charged, "2499.5".parse().unwrap());
    for base in [REQUESTED, NET_OF_FEES] {
        let rules = Rules { commission_base: base, ..rules() };
        assert_eq!(payment("invoice.update", &invoice(), &rules).amount, None);
        let mut told = invoice();
        told["transaction"]["fees"] = json!(20_000);
        told["transaction"]["requested_amount"] = json!("480000");
        assert_eq!(payment("invoice.update", &told, &rules).amount, Some(Decimal::from(4_800)));
    }
    let unpaid: [(&str, Value); 4] = [
        ("paid", json!(false)),
        ("status", json!("pending")),
        ("transaction.status", json!("failed")),
        ("transaction", json!({})),
    ];
    for change in unpaid {
        let fact = super::fact("invoice.update", &with(invoice(), &[change]));
        let FactKind::Customer(customer) = &fact.matter else { panic!("{fact:?}") };
        assert_eq!(customer.no_payment, Some(EventReason::NotPaid));
    }
}

#[test]
fn plans_have_many_shapes_and_decide_on_product_and_subscription() {
    #[track_caller]
    fn check(plan: Value, product: &str, subscription: Option<&str>) {
        let fact = fact("charge.success", &with(charge(), &[("plan", plan)]));
        assert_eq!(fact.product, Product::Id(product.to_owned()));
        let FactKind::Payment(payment) = fact.matter else { panic!() };
        assert_eq!(payment.subscription.as_deref(), subscription);
    }
    for none in [json!({}), json!(null), json!(""), json!([]), json!(0)] {
        check(none, "prod_1", None);
    }
    check(json!("PLN_pro"), "prod_pro", Some("plan:CUS_ada:PLN_pro"));
    check(json!(60_001), "prod_1", Some("plan:CUS_ada:60001"));
    check(json!({"id": 1, "plan_code": "PLN_other"}), "prod_1", Some("plan:CUS_ada:PLN_other"));
    let mut beside = with(charge(), &[("plan", json!(60_001))]);
    beside["plan_object"] = plan();
    assert_eq!(fact("charge.success", &beside).product, Product::Id("prod_pro".to_owned()));
}

fn capture() -> Value {
    json!({"domain": "live", "currency": "ZAR", "authorization": {"account_name": null}, "customer": customer(),
           "metadata": {"refairn_code": "AGENT1"}, "reference": "hold_1", "id": 501, "status": "captured", "amount": 80_000,
           "captured_amount": "75000", "captured_at": "2026-06-14T23:58:44.000Z", "fees": 0, "transaction_id": "91",
           "transaction": {"currency": "ZAR", "transaction_date": "2026-06-14T23:58:44.000Z", "status": "success",
                           "reference": "ref_9", "domain": "live", "metadata": null, "fees": 2_600}})
}

#[test]
fn a_captured_hold_is_a_payment_of_what_was_taken() {
    let event = "preauthorization.capture.success";
    let fact = fact(event, &capture());
    assert_eq!((fact.keys.join(" ").as_str(), fact.code.as_deref()), ("CUS_ada ref:ref_9", Some("AGENT1")));
    assert_eq!((fact.at, fact.code_at), (at("2026-06-14T23:58:44Z"), Some(at("2026-06-14T23:58:44Z"))));
    let FactKind::Payment(paid) = fact.matter else { panic!() };
    assert_eq!((paid.identity.as_str(), paid.primary, paid.uncaptured), ("ref_9", false, None));
    assert_eq!((paid.charged_money().to_string().as_str(), paid.day), ("750 ZAR", jiff::civil::date(2026, 6, 14)));
    let net = Rules { commission_base: NET_OF_FEES, ..rules() };
    assert_eq!(payment(event, &capture(), &net).amount, Some(Decimal::from(724)));
    for others in ["reserve.success", "reserve.failed", "release.success", "capture.failed"] {
        let told = reading(&format!("preauthorization.{others}"), &capture(), &rules());
        assert_eq!(told, Reading::Ignored(EventReason::NotRelevant), "{others}");
    }
}

#[test]
fn a_code_is_as_old_as_the_transaction_that_holds_it() {
    let code_at = |data: &Value| fact("charge.success", data).code_at;
    assert_eq!(code_at(&charge()), Some(at("2026-05-06T09:59:00Z")));
    assert_eq!(code_at(&with(charge(), &[("created_at", json!(null))])), Some(at("2026-05-07T10:00:00Z")));
    assert_eq!(code_at(&with(charge(), &[("metadata", json!({}))])), None);
    let of_customer = [("metadata", json!({})), ("customer.metadata", json!({"refairn_code": "AGENT1"}))];
    let lasting = fact("charge.success", &with(charge(), &of_customer));
    assert_eq!((lasting.code.as_deref(), lasting.code_at), (Some("AGENT1"), None));
}

#[test]
fn words_for_none_give_way_to_a_code() {
    let told = |metadata: Value| fact("charge.success", &with(charge(), &[("metadata", metadata)]));
    let good = told(json!({"refairn_code": "Undefined", "referral_code": "ADA1"}));
    assert_eq!((good.code.as_deref(), good.code_refused), (Some("ADA1"), None));
    let none = told(json!({"refairn_code": "null"}));
    assert!(none.code.is_none() && none.code_refused.is_some());
}
