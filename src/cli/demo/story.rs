//! The story: five weeks of a small shop that sells through Stripe and Paystack, in the order in which it is told.

use std::time::Duration;

use jiff::Timestamp;

use super::calendar::{Calendar, later};
use super::customers::*;
use super::paystack::CodeIn as PaystackCode;
use super::scenario::{Action, Fate, Story, Writer};
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
    let mut writer = Writer::new(calendar);
    stripe_sign_ups(&mut writer);
    late_session(&mut writer);
    currencies(&mut writer);
    paystack_sign_ups(&mut writer);
    repeats(&mut writer);
    renewals(&mut writer);
    upgrade(&mut writer);
    trial(&mut writer);
    failed_cards(&mut writer);
    cancellations(&mut writer);
    second_payment_of_a_day(&mut writer);
    card_check(&mut writer);
    refund(&mut writer);
    test_mode(&mut writer);
    forgeries(&mut writer);
    lost_answer(&mut writer);
    outage(&mut writer);
    writer.finish()
}

/// All that Stripe sends of a first sale but for its session; some of it says nothing new.
fn first_invoice(writer: &mut Writer, person: &'static Customer, at: Timestamp, invoice: &Invoice) {
    let body = writer.stripe.subscription("customer.subscription.created", person, at, Subscription::of("active"));
    writer.stripe(body);
    paid_invoice(writer, person, at, invoice);
    writer.sale(person, DEMO, invoice.cash, at);
}

/// The events that report one paid invoice.
fn paid_invoice(writer: &mut Writer, person: &'static Customer, at: Timestamp, invoice: &Invoice) {
    let body = writer.stripe.invoice("invoice.payment_succeeded", person, at, invoice);
    writer.stripe(body);
    let body = writer.stripe.invoice("invoice.paid", person, at, invoice);
    writer.stripe(body);
    let body = writer.stripe.payment_intent_succeeded(person, invoice.number, at, invoice.cash);
    writer.stripe(body);
}

/// A sign-up with everything in the order one would hope for.
fn subscribes(writer: &mut Writer, person: &'static Customer, at: Timestamp, cash: Cash, code: Option<CodeIn>) {
    let body = writer.stripe.customer_created(person, at);
    writer.stripe(body);
    let body = writer.stripe.subscribed(person, later(at, 40), cash, code);
    writer.stripe(body);
    let mut invoice = Invoice::of(1, FIRST, PRICE_STARTER, cash);
    invoice.code = code;
    first_invoice(writer, person, later(at, 42), &invoice);
}

fn stripe_sign_ups(writer: &mut Writer) {
    writer.step("Stripe: three customers subscribe, each with an agent's code");
    let at = writer.calendar.ago(4 + MONTH, 9, 12);
    subscribes(writer, INES, at, cash(4900, "usd", "49"), Some(CodeIn::ClientReference));
    let at = writer.calendar.ago(3 + MONTH, 14, 3);
    subscribes(writer, TOM, at, cash(4550, "eur", "45.50"), Some(CodeIn::Session));
    let at = writer.calendar.ago(3 + MONTH, 16, 48);
    subscribes(writer, MEI, at, cash(7800, "jpy", "7800"), Some(CodeIn::Subscription));
}

fn late_session(writer: &mut Writer) {
    writer.step("Stripe: an invoice overtakes the session that has the code");
    let (at, price) = (writer.calendar.ago(9, 11, 20), cash(4900, "usd", "49"));
    let body = writer.stripe.customer_created(GRACE, at);
    writer.stripe(body);
    first_invoice(writer, GRACE, later(at, 42), &Invoice::of(1, FIRST, PRICE_STARTER, price));
    writer.action(Action::Pause(Duration::from_millis(700)));
    let body = writer.stripe.subscribed(GRACE, later(at, 40), price, Some(CodeIn::ClientReference));
    writer.stripe(body);

    writer.step("Stripe: a customer whom nobody referred");
    let at = writer.calendar.ago(8, 8, 31);
    let body = writer.stripe.customer_created(PAUL, at);
    writer.stripe(body);
    first_invoice(writer, PAUL, later(at, 42), &Invoice::of(1, FIRST, PRICE_STARTER, price));
}

fn currencies(writer: &mut Writer) {
    writer.step("Stripe: a single purchase in Kuwaiti dinars (three decimals)");
    let (at, price) = (writer.calendar.ago(12, 19, 5), cash(15_250, "kwd", "15.25"));
    let body = writer.stripe.bought(OMAR, 1, at, price);
    writer.stripe(body);
    let body = writer.stripe.payment_intent_succeeded(OMAR, 1, at, price);
    writer.stripe(body);
    writer.sale(OMAR, DEMO, price, at);
}

fn paystack_sign_ups(writer: &mut Writer) {
    writer.step("Paystack: five customers pay, in naira, rand and cedi");
    let mut pays = |person, (days, hour), price: Cash, code, of_plan| {
        let at = writer.calendar.ago(days, hour, 26);
        let body = writer.paystack.charge(person, 1, at, price, code, of_plan);
        writer.paystack(body);
        if of_plan {
            let body = writer.paystack.subscription("subscription.create", person, later(at, 2), "active", price);
            writer.paystack(body);
        }
        writer.sale(person, DEMO, price, at);
    };
    pays(KEMI, (2 + MONTH, 7), cash(1_500_000, "ngn", "15000"), PaystackCode::Object, true);
    pays(FEMI, (20, 12), cash(2_500_050, "ngn", "25000.50"), PaystackCode::CustomField, false);
    pays(ZANELE, (16, 15), cash(35_000, "zar", "350"), PaystackCode::Text, false);
    pays(KWAME, (11, 18), cash(12_050, "ghs", "120.50"), PaystackCode::Nowhere, false);
    pays(AMARA, (15, 10), cash(500_000, "ngn", "5000"), PaystackCode::Object, true);
    let at = writer.calendar.ago(6, 9, 0);
    let body = writer.paystack.transferred(at);
    writer.paystack(body);
}

fn repeats(writer: &mut Writer) {
    writer.step("Both providers send the last three steps once more");
    writer.repeat(3);
}

fn renewals(writer: &mut Writer) {
    writer.step("A month later: four renewals");
    for (person, days, hour, price) in [
        (INES, 4, 9, cash(4900, "usd", "49")),
        (TOM, 3, 14, cash(4550, "eur", "45.50")),
        (MEI, 3, 16, cash(7800, "jpy", "7800")),
    ] {
        let at = writer.calendar.ago(days, hour, 55);
        paid_invoice(writer, person, at, &Invoice::of(2, RENEWAL, PRICE_STARTER, price));
        writer.sale(person, DEMO, price, at);
    }
    let (at, price) = (writer.calendar.ago(2, 7, 26), cash(1_500_000, "ngn", "15000"));
    let body = writer.paystack.invoice_updated(KEMI, 2, at, price);
    writer.paystack(body);
    let body = writer.paystack.charge(KEMI, 2, at, price, PaystackCode::Nowhere, true);
    writer.paystack(body);
    writer.sale(KEMI, DEMO, price, at);
    writer.stands(INES, DEMO, Status::Active);
}

fn upgrade(writer: &mut Writer) {
    writer.step("Stripe: an upgrade in mid-month, with proration");
    let (at, price) = (writer.calendar.ago(26, 13, 37), cash(4900, "usd", "49"));
    subscribes(writer, LENA, at, price, Some(CodeIn::Session));
    // What is left of the old price is given back, and the larger line names the product.
    let (at, difference) = (writer.calendar.ago(11, 10, 10), cash(4000, "usd", "40"));
    let lines = vec![(PRICE_STARTER, -2450), (PRICE_PLUS, 6450)];
    paid_invoice(writer, LENA, at, &Invoice { number: 2, reason: UPGRADE, cash: difference, lines, code: None });
    writer.sale(LENA, PLUS, difference, at);
    let plus = Subscription { price: PRICE_PLUS, ..Subscription::of("active") };
    let body = writer.stripe.subscription("customer.subscription.updated", LENA, at, plus);
    writer.stripe(body);
}

fn trial(writer: &mut Writer) {
    writer.step("Stripe: a free trial ends with a first payment");
    let (at, nothing) = (writer.calendar.ago(15, 20, 2), cash(0, "usd", "0"));
    let first_charge_at = writer.calendar.ago(1, 20, 2);
    let body = writer.stripe.subscribed(RAVI, at, nothing, Some(CodeIn::ClientReference));
    writer.stripe(body);
    let trial = Subscription { trial_end: Some(first_charge_at), ..Subscription::of("trialing") };
    let body = writer.stripe.subscription("customer.subscription.created", RAVI, at, trial);
    writer.stripe(body);
    let body = writer.stripe.invoice("invoice.paid", RAVI, at, &Invoice::of(1, FIRST, PRICE_STARTER, nothing));
    writer.stripe(body);
    let price = cash(2900, "usd", "29");
    paid_invoice(writer, RAVI, first_charge_at, &Invoice::of(2, RENEWAL, PRICE_STARTER, price));
    writer.sale(RAVI, DEMO, price, first_charge_at);
    writer.stands(RAVI, DEMO, Status::Active);
}

fn failed_cards(writer: &mut Writer) {
    writer.step("Two cards are declined ...");
    let price = cash(4900, "usd", "49");
    let at = writer.calendar.ago(8 + MONTH, 6, 40);
    subscribes(writer, SAM, at, price, Some(CodeIn::Session));
    let (paid_at, naira) = (writer.calendar.ago(7 + MONTH, 8, 8), cash(750_000, "ngn", "7500"));
    let body = writer.paystack.charge(TUNDE, 1, paid_at, naira, PaystackCode::Object, true);
    writer.paystack(body);
    writer.sale(TUNDE, DEMO, naira, paid_at);
    writer.action(Action::Settle);
    let at = writer.calendar.ago(8, 6, 41);
    let invoice = Invoice::of(2, RENEWAL, PRICE_STARTER, price);
    let body = writer.stripe.invoice("invoice.payment_failed", SAM, at, &invoice);
    writer.stripe(body);
    let body = writer.stripe.subscription("customer.subscription.updated", SAM, at, Subscription::of("past_due"));
    writer.stripe(body);
    let body = writer.paystack.invoice_failed(TUNDE, 2, writer.calendar.ago(7, 8, 8), naira);
    writer.paystack(body);

    writer.step("... and pay a few days later");
    writer.action(Action::Settle);
    let at = writer.calendar.ago(5, 6, 45);
    paid_invoice(writer, SAM, at, &invoice);
    writer.sale(SAM, DEMO, price, at);
    writer.stands(SAM, DEMO, Status::Active);
    let at = writer.calendar.ago(4, 9, 9);
    let body = writer.paystack.charge(TUNDE, 2, at, naira, PaystackCode::Nowhere, true);
    writer.paystack(body);
    writer.sale(TUNDE, DEMO, naira, at);
    writer.stands(TUNDE, DEMO, Status::Active);
}

fn cancellations(writer: &mut Writer) {
    writer.step("Two subscriptions end, and that is heard today");
    let at = writer.calendar.ago(1 + MONTH, 17, 17);
    subscribes(writer, NORA, at, cash(4900, "usd", "49"), Some(CodeIn::Session));
    let at = writer.calendar.ago(2, 21, 30);
    let body = writer.stripe.subscription("customer.subscription.deleted", NORA, at, Subscription::of("canceled"));
    writer.stripe(body);
    writer.stands(NORA, DEMO, Status::Cancelled);
    let (made_at, price) = (writer.calendar.ago(15, 10, 26), cash(500_000, "ngn", "5000"));
    let body = writer.paystack.subscription("subscription.disable", AMARA, made_at, "cancelled", price);
    writer.paystack(body);
}

fn second_payment_of_a_day(writer: &mut Writer) {
    writer.step("Stripe: somebody buys twice on one day");
    let (morning, evening) = (writer.calendar.ago(5, 10, 15), writer.calendar.ago(5, 18, 40));
    let (one, other) = (cash(2000, "usd", "20"), cash(3500, "usd", "35"));
    let body = writer.stripe.bought(JULIA, 1, morning, one);
    writer.stripe(body);
    let body = writer.stripe.bought(JULIA, 2, evening, other);
    writer.stripe(body);
    writer.sale(JULIA, DEMO, one, morning);
    writer.sale_ending(JULIA, DEMO, other, evening, Fate::Held);
}

fn card_check(writer: &mut Writer) {
    writer.step("Paystack: a card check of NGN 50; its refund comes first");
    let (at, fifty) = (writer.calendar.ago(3, 12, 0), cash(5_000, "ngn", "50"));
    let body = writer.paystack.refunded(YUSUF, 1, fifty);
    writer.paystack(body);
    let body = writer.paystack.charge(YUSUF, 1, at, fifty, PaystackCode::Object, false);
    writer.paystack(body);
    writer.sale_ending(YUSUF, DEMO, fifty, at, Fate::TakenBack);
}

fn refund(writer: &mut Writer) {
    writer.step("Stripe: a customer is refunded a week after paying");
    let (at, price) = (writer.calendar.ago(7, 15, 50), cash(4900, "usd", "49"));
    subscribes(writer, BEN, at, price, Some(CodeIn::Session));
    let body = writer.stripe.invoice_payment_paid(BEN, 1, later(at, 42), price);
    writer.stripe(body);
    writer.action(Action::Settle);
    let times = (later(at, 41), writer.calendar.ago(1, 9, 30));
    let body = writer.stripe.charge_refunded(BEN, 1, times, price);
    writer.stripe(body);
}

fn test_mode(writer: &mut Writer) {
    writer.step("Stripe: somebody tries Ada's code in test mode");
    let (at, price) = (writer.calendar.ago(2, 11, 11), cash(9900, "usd", "99"));
    writer.stripe.set_test_mode(true);
    let body = writer.stripe.customer_created(TESTER, at);
    writer.stripe(body);
    let body = writer.stripe.bought(TESTER, 1, at, price);
    writer.stripe(body);
    writer.stripe.set_test_mode(false);
    writer.sale(TESTER, TEST, price, at);
}

fn forgeries(writer: &mut Writer) {
    writer.step("Somebody forges two webhooks");
    let (at, price) = (writer.calendar.ago(1, 3, 33), cash(99_900_000, "ngn", "999000"));
    let body = writer.stripe.bought(OMAR, 9, at, cash(999_900, "usd", "9999"));
    writer.forged(ProviderKind::Stripe, body);
    let body = writer.paystack.charge(KEMI, 9, at, price, PaystackCode::Object, false);
    writer.forged(ProviderKind::Paystack, body);
}

fn lost_answer(writer: &mut Writer) {
    writer.step("Refairn takes a call, but its answer is lost on the way");
    writer.action(Action::Trouble(r#"{"on":"payment-succeeded","email":"anna.weiss@example.org","drop":"after"}"#));
    let at = writer.calendar.ago(6, 16, 21);
    subscribes(writer, ANNA, at, cash(4900, "usd", "49"), Some(CodeIn::ClientReference));
    writer.action(Action::Settle);
}

fn outage(writer: &mut Writer) {
    writer.step("Refairn is down (503). Four customers sign up meanwhile");
    writer.action(Action::Trouble(r#"{"status":503,"times":1000}"#));
    let price = cash(4900, "usd", "49");
    for (person, days) in [(HUGO, 3), (IRIS, 2), (OTTO, 2)] {
        let at = writer.calendar.ago(days, 12, 34);
        subscribes(writer, person, at, price, Some(CodeIn::ClientReference));
    }
    let (at, naira) = (writer.calendar.ago(1, 12, 34), cash(2_000_000, "ngn", "20000"));
    let body = writer.paystack.charge(SADE, 1, at, naira, PaystackCode::CustomField, false);
    writer.paystack(body);
    writer.sale(SADE, DEMO, naira, at);
    writer.action(Action::Pause(Duration::from_millis(900)));

    writer.step("Refairn is back: what could not be told is told now");
    writer.action(Action::Recovery);
    writer.action(Action::Settle);
}
