//! The story: five weeks of a small shop that sells through Stripe and Paystack, in the order in which it is told.

use std::time::Duration;

use jiff::Timestamp;

use super::calendar::{Calendar, later};
use super::cast::*;
use super::paystack::CodeIn as PaystackCode;
use super::plot::{Deed, Fate, Pen, Story};
use super::stripe::{CodeIn, Invoice, Subscription};
use crate::domain::provider::ProviderKind;
use crate::domain::status::Status;

const FIRST: &str = "subscription_create";
const RENEWAL: &str = "subscription_cycle";
const UPGRADE: &str = "subscription_update";

/// Months are this long here, in days.
const MONTH: i64 = 30;

/// Writes the story of someone who looks at it now.
pub(super) fn write(calendar: Calendar) -> Story {
    let mut pen = Pen::new(calendar);
    stripe_sign_ups(&mut pen);
    late_session(&mut pen);
    currencies(&mut pen);
    paystack_sign_ups(&mut pen);
    repeats(&mut pen);
    renewals(&mut pen);
    upgrade(&mut pen);
    trial(&mut pen);
    failed_cards(&mut pen);
    cancellations(&mut pen);
    second_payment_of_a_day(&mut pen);
    card_check(&mut pen);
    refund(&mut pen);
    test_mode(&mut pen);
    forgeries(&mut pen);
    lost_answer(&mut pen);
    outage(&mut pen);
    pen.finish()
}

/// All that Stripe sends of a first sale but for its session; some of it says nothing new.
fn first_invoice(pen: &mut Pen, person: &'static Person, at: Timestamp, invoice: &Invoice) {
    let body = pen.stripe.subscription("customer.subscription.created", person, at, Subscription::of("active"));
    pen.stripe(body);
    paid_invoice(pen, person, at, invoice);
    pen.sale(person, DEMO, invoice.cash, at);
}

/// The events that report one paid invoice.
fn paid_invoice(pen: &mut Pen, person: &'static Person, at: Timestamp, invoice: &Invoice) {
    let body = pen.stripe.invoice("invoice.payment_succeeded", person, at, invoice);
    pen.stripe(body);
    let body = pen.stripe.invoice("invoice.paid", person, at, invoice);
    pen.stripe(body);
    let body = pen.stripe.payment_intent_succeeded(person, invoice.number, at, invoice.cash);
    pen.stripe(body);
}

/// A sign-up with everything in the order one would hope for.
fn subscribes(pen: &mut Pen, person: &'static Person, at: Timestamp, cash: Cash, code: Option<CodeIn>) {
    let body = pen.stripe.customer_created(person, at);
    pen.stripe(body);
    let body = pen.stripe.subscribed(person, later(at, 40), cash, code);
    pen.stripe(body);
    let mut invoice = Invoice::of(1, FIRST, PRICE_STARTER, cash);
    invoice.code = code;
    first_invoice(pen, person, later(at, 42), &invoice);
}

fn stripe_sign_ups(pen: &mut Pen) {
    pen.step("Stripe: three customers subscribe, each with an agent's code");
    let at = pen.calendar.ago(4 + MONTH, 9, 12);
    subscribes(pen, INES, at, cash(4900, "usd", "49"), Some(CodeIn::ClientReference));
    let at = pen.calendar.ago(3 + MONTH, 14, 3);
    subscribes(pen, TOM, at, cash(4550, "eur", "45.50"), Some(CodeIn::Session));
    let at = pen.calendar.ago(3 + MONTH, 16, 48);
    subscribes(pen, MEI, at, cash(7800, "jpy", "7800"), Some(CodeIn::Subscription));
}

fn late_session(pen: &mut Pen) {
    pen.step("Stripe: an invoice overtakes the session that has the code");
    let (at, price) = (pen.calendar.ago(9, 11, 20), cash(4900, "usd", "49"));
    let body = pen.stripe.customer_created(GRACE, at);
    pen.stripe(body);
    first_invoice(pen, GRACE, later(at, 42), &Invoice::of(1, FIRST, PRICE_STARTER, price));
    pen.deed(Deed::Pause(Duration::from_millis(700)));
    let body = pen.stripe.subscribed(GRACE, later(at, 40), price, Some(CodeIn::ClientReference));
    pen.stripe(body);

    pen.step("Stripe: a customer whom nobody referred");
    let at = pen.calendar.ago(8, 8, 31);
    let body = pen.stripe.customer_created(PAUL, at);
    pen.stripe(body);
    first_invoice(pen, PAUL, later(at, 42), &Invoice::of(1, FIRST, PRICE_STARTER, price));
}

fn currencies(pen: &mut Pen) {
    pen.step("Stripe: a single purchase in Kuwaiti dinars (three decimals)");
    let (at, price) = (pen.calendar.ago(12, 19, 5), cash(15_250, "kwd", "15.25"));
    let body = pen.stripe.bought(OMAR, 1, at, price);
    pen.stripe(body);
    let body = pen.stripe.payment_intent_succeeded(OMAR, 1, at, price);
    pen.stripe(body);
    pen.sale(OMAR, DEMO, price, at);
}

fn paystack_sign_ups(pen: &mut Pen) {
    pen.step("Paystack: five customers pay, in naira, rand and cedi");
    let mut pays = |person, (days, hour), price: Cash, code, of_plan| {
        let at = pen.calendar.ago(days, hour, 26);
        let body = pen.paystack.charge(person, 1, at, price, code, of_plan);
        pen.paystack(body);
        if of_plan {
            let body = pen.paystack.subscription("subscription.create", person, later(at, 2), "active", price);
            pen.paystack(body);
        }
        pen.sale(person, DEMO, price, at);
    };
    pays(KEMI, (2 + MONTH, 7), cash(1_500_000, "ngn", "15000"), PaystackCode::Object, true);
    pays(FEMI, (20, 12), cash(2_500_050, "ngn", "25000.50"), PaystackCode::CustomField, false);
    pays(ZANELE, (16, 15), cash(35_000, "zar", "350"), PaystackCode::Text, false);
    pays(KWAME, (11, 18), cash(12_050, "ghs", "120.50"), PaystackCode::Nowhere, false);
    pays(AMARA, (15, 10), cash(500_000, "ngn", "5000"), PaystackCode::Object, true);
    let at = pen.calendar.ago(6, 9, 0);
    let body = pen.paystack.transferred(at);
    pen.paystack(body);
}

fn repeats(pen: &mut Pen) {
    pen.step("Both providers send the last three steps once more");
    pen.repeat(3);
}

fn renewals(pen: &mut Pen) {
    pen.step("A month later: four renewals");
    for (person, days, hour, price) in [
        (INES, 4, 9, cash(4900, "usd", "49")),
        (TOM, 3, 14, cash(4550, "eur", "45.50")),
        (MEI, 3, 16, cash(7800, "jpy", "7800")),
    ] {
        let at = pen.calendar.ago(days, hour, 55);
        paid_invoice(pen, person, at, &Invoice::of(2, RENEWAL, PRICE_STARTER, price));
        pen.sale(person, DEMO, price, at);
    }
    let (at, price) = (pen.calendar.ago(2, 7, 26), cash(1_500_000, "ngn", "15000"));
    let body = pen.paystack.invoice_updated(KEMI, 2, at, price);
    pen.paystack(body);
    let body = pen.paystack.charge(KEMI, 2, at, price, PaystackCode::Nowhere, true);
    pen.paystack(body);
    pen.sale(KEMI, DEMO, price, at);
    pen.stands(INES, DEMO, Status::Active);
}

fn upgrade(pen: &mut Pen) {
    pen.step("Stripe: an upgrade in mid-month, with proration");
    let (at, price) = (pen.calendar.ago(26, 13, 37), cash(4900, "usd", "49"));
    subscribes(pen, LENA, at, price, Some(CodeIn::Session));
    // What is left of the old price is given back, and the larger line names the product.
    let (at, difference) = (pen.calendar.ago(11, 10, 10), cash(4000, "usd", "40"));
    let lines = vec![(PRICE_STARTER, -2450), (PRICE_PLUS, 6450)];
    paid_invoice(pen, LENA, at, &Invoice { number: 2, reason: UPGRADE, cash: difference, lines, code: None });
    pen.sale(LENA, PLUS, difference, at);
    let plus = Subscription { price: PRICE_PLUS, ..Subscription::of("active") };
    let body = pen.stripe.subscription("customer.subscription.updated", LENA, at, plus);
    pen.stripe(body);
}

fn trial(pen: &mut Pen) {
    pen.step("Stripe: a free trial ends with a first payment");
    let (at, nothing) = (pen.calendar.ago(15, 20, 2), cash(0, "usd", "0"));
    let first_charge_at = pen.calendar.ago(1, 20, 2);
    let body = pen.stripe.subscribed(RAVI, at, nothing, Some(CodeIn::ClientReference));
    pen.stripe(body);
    let trial = Subscription { trial_end: Some(first_charge_at), ..Subscription::of("trialing") };
    let body = pen.stripe.subscription("customer.subscription.created", RAVI, at, trial);
    pen.stripe(body);
    let body = pen.stripe.invoice("invoice.paid", RAVI, at, &Invoice::of(1, FIRST, PRICE_STARTER, nothing));
    pen.stripe(body);
    let price = cash(2900, "usd", "29");
    paid_invoice(pen, RAVI, first_charge_at, &Invoice::of(2, RENEWAL, PRICE_STARTER, price));
    pen.sale(RAVI, DEMO, price, first_charge_at);
    pen.stands(RAVI, DEMO, Status::Active);
}

fn failed_cards(pen: &mut Pen) {
    pen.step("Two cards are declined ...");
    let price = cash(4900, "usd", "49");
    let at = pen.calendar.ago(8 + MONTH, 6, 40);
    subscribes(pen, SAM, at, price, Some(CodeIn::Session));
    let (paid_at, naira) = (pen.calendar.ago(7 + MONTH, 8, 8), cash(750_000, "ngn", "7500"));
    let body = pen.paystack.charge(TUNDE, 1, paid_at, naira, PaystackCode::Object, true);
    pen.paystack(body);
    pen.sale(TUNDE, DEMO, naira, paid_at);
    pen.deed(Deed::Settle);
    let at = pen.calendar.ago(8, 6, 41);
    let invoice = Invoice::of(2, RENEWAL, PRICE_STARTER, price);
    let body = pen.stripe.invoice("invoice.payment_failed", SAM, at, &invoice);
    pen.stripe(body);
    let body = pen.stripe.subscription("customer.subscription.updated", SAM, at, Subscription::of("past_due"));
    pen.stripe(body);
    let body = pen.paystack.invoice_failed(TUNDE, 2, pen.calendar.ago(7, 8, 8), naira);
    pen.paystack(body);

    pen.step("... and pay a few days later");
    pen.deed(Deed::Settle);
    let at = pen.calendar.ago(5, 6, 45);
    paid_invoice(pen, SAM, at, &invoice);
    pen.sale(SAM, DEMO, price, at);
    pen.stands(SAM, DEMO, Status::Active);
    let at = pen.calendar.ago(4, 9, 9);
    let body = pen.paystack.charge(TUNDE, 2, at, naira, PaystackCode::Nowhere, true);
    pen.paystack(body);
    pen.sale(TUNDE, DEMO, naira, at);
    pen.stands(TUNDE, DEMO, Status::Active);
}

fn cancellations(pen: &mut Pen) {
    pen.step("Two subscriptions end, and that is heard today");
    let at = pen.calendar.ago(1 + MONTH, 17, 17);
    subscribes(pen, NORA, at, cash(4900, "usd", "49"), Some(CodeIn::Session));
    let at = pen.calendar.ago(2, 21, 30);
    let body = pen.stripe.subscription("customer.subscription.deleted", NORA, at, Subscription::of("canceled"));
    pen.stripe(body);
    pen.stands(NORA, DEMO, Status::Cancelled);
    let (made_at, price) = (pen.calendar.ago(15, 10, 26), cash(500_000, "ngn", "5000"));
    let body = pen.paystack.subscription("subscription.disable", AMARA, made_at, "cancelled", price);
    pen.paystack(body);
}

fn second_payment_of_a_day(pen: &mut Pen) {
    pen.step("Stripe: somebody buys twice on one day");
    let (morning, evening) = (pen.calendar.ago(5, 10, 15), pen.calendar.ago(5, 18, 40));
    let (one, other) = (cash(2000, "usd", "20"), cash(3500, "usd", "35"));
    let body = pen.stripe.bought(JULIA, 1, morning, one);
    pen.stripe(body);
    let body = pen.stripe.bought(JULIA, 2, evening, other);
    pen.stripe(body);
    pen.sale(JULIA, DEMO, one, morning);
    pen.sale_ending(JULIA, DEMO, other, evening, Fate::Held);
}

fn card_check(pen: &mut Pen) {
    pen.step("Paystack: a card check of NGN 50; its refund comes first");
    let (at, fifty) = (pen.calendar.ago(3, 12, 0), cash(5_000, "ngn", "50"));
    let body = pen.paystack.refunded(YUSUF, 1, fifty);
    pen.paystack(body);
    let body = pen.paystack.charge(YUSUF, 1, at, fifty, PaystackCode::Object, false);
    pen.paystack(body);
    pen.sale_ending(YUSUF, DEMO, fifty, at, Fate::TakenBack);
}

fn refund(pen: &mut Pen) {
    pen.step("Stripe: a customer is refunded a week after paying");
    let (at, price) = (pen.calendar.ago(7, 15, 50), cash(4900, "usd", "49"));
    subscribes(pen, BEN, at, price, Some(CodeIn::Session));
    let body = pen.stripe.invoice_payment_paid(BEN, 1, later(at, 42), price);
    pen.stripe(body);
    pen.deed(Deed::Settle);
    let times = (later(at, 41), pen.calendar.ago(1, 9, 30));
    let body = pen.stripe.charge_refunded(BEN, 1, times, price);
    pen.stripe(body);
}

fn test_mode(pen: &mut Pen) {
    pen.step("Stripe: somebody tries the shop in test mode");
    let (at, price) = (pen.calendar.ago(2, 11, 11), cash(9900, "usd", "99"));
    pen.stripe.set_test_mode(true);
    let body = pen.stripe.customer_created(TESTER, at);
    pen.stripe(body);
    let body = pen.stripe.bought(TESTER, 1, at, price);
    pen.stripe(body);
    pen.stripe.set_test_mode(false);
    pen.sale(TESTER, TEST, price, at);
}

fn forgeries(pen: &mut Pen) {
    pen.step("Somebody forges two webhooks");
    let (at, price) = (pen.calendar.ago(1, 3, 33), cash(99_900_000, "ngn", "999000"));
    let body = pen.stripe.bought(OMAR, 9, at, cash(999_900, "usd", "9999"));
    pen.forged(ProviderKind::Stripe, body);
    let body = pen.paystack.charge(KEMI, 9, at, price, PaystackCode::Object, false);
    pen.forged(ProviderKind::Paystack, body);
}

fn lost_answer(pen: &mut Pen) {
    pen.step("Refairn takes a call, but its answer is lost on the way");
    pen.deed(Deed::Trouble(r#"{"on":"payment-succeeded","email":"anna.weiss@example.org","drop":"after"}"#));
    let at = pen.calendar.ago(6, 16, 21);
    subscribes(pen, ANNA, at, cash(4900, "usd", "49"), Some(CodeIn::ClientReference));
    pen.deed(Deed::Settle);
}

fn outage(pen: &mut Pen) {
    pen.step("Refairn is down (503). Four customers sign up meanwhile");
    pen.deed(Deed::Trouble(r#"{"status":503,"times":1000}"#));
    let price = cash(4900, "usd", "49");
    for (person, days) in [(HUGO, 3), (IRIS, 2), (OTTO, 2)] {
        let at = pen.calendar.ago(days, 12, 34);
        subscribes(pen, person, at, price, Some(CodeIn::ClientReference));
    }
    let (at, naira) = (pen.calendar.ago(1, 12, 34), cash(2_000_000, "ngn", "20000"));
    let body = pen.paystack.charge(SADE, 1, at, naira, PaystackCode::CustomField, false);
    pen.paystack(body);
    pen.sale(SADE, DEMO, naira, at);
    pen.deed(Deed::Pause(Duration::from_millis(900)));

    pen.step("Refairn is back: what could not be told is told now");
    pen.deed(Deed::Recovery);
    pen.deed(Deed::Settle);
}
