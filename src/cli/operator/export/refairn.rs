//! The columns of Refairn's CSV import, and of our own table.

use super::Told;
use crate::api::Delivery;
use crate::cli::spreadsheet::is_formula;

/// The columns of Refairn's import, by the names that it looks for.
pub(super) const IMPORTED: [&str; 8] = [
    "Customer Name",
    "Customer Email",
    "Plan",
    "Amount Paid",
    "Subscription Status",
    "Agent Code",
    "Payment Date",
    "Renewal Date",
];

/// The columns of the table that says all.
pub(super) const ALL: [&str; 20] = [
    "payment_date",
    "paid_at",
    "provider_id",
    "mode",
    "customer_email",
    "customer_name",
    "product_id",
    "amount",
    "currency",
    "subscription_status",
    "code",
    "state",
    "reason",
    "fate",
    "agent_id",
    "commission_id",
    "commission_amount",
    "hold_until",
    "business",
    "delivery_id",
];

/// A payment as Refairn imports it. `None` of one whose address a spreadsheet would run: with a mark in front it would be
/// another's, and the address is what Refairn goes by.
pub(super) fn imported(payment: &Delivery) -> Option<[String; 8]> {
    let told = Told::of(payment);
    let amount = told.amount().to_owned();
    // Nobody who was not referred has a code; and when the next payment is due no event says.
    let code = payment.payment.code.clone().unwrap_or_default();
    let customer_name = name(payment, &told);
    let Told { product_id, customer_email, subscription_status, payment_date, .. } = told;
    let renewal = String::new();
    (!is_formula(&customer_email)).then_some([
        customer_name,
        customer_email,
        product_id,
        amount,
        subscription_status,
        code,
        payment_date,
        renewal,
    ])
}

/// A payment with all that is known of it.
pub(super) fn all(payment: &Delivery) -> [String; 20] {
    let told = Told::of(payment);
    let amount = told.amount().to_owned();
    let (of, customer_name) = (&payment.payment, name(payment, &told));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        told.payment_date,
        of.paid_at.map(|at| at.to_string()).unwrap_or_default(),
        text(&of.provider_id),
        of.mode.clone(),
        payment.email.clone(),
        customer_name,
        told.product_id,
        amount,
        told.currency,
        told.subscription_status,
        text(&of.code),
        payment.state.clone(),
        text(&payment.reason),
        text(&of.fate),
        text(&of.agent_id),
        text(&of.commission_id),
        text(&of.commission_amount),
        text(&of.hold_until),
        payment.business.clone(),
        payment.id.clone(),
    ]
}

/// The customer's name; of one that no event names, the part of the address before the `@`, as Refairn is told, too.
fn name(payment: &Delivery, told: &Told) -> String {
    let of_address = || told.customer_email.rsplit_once('@').map_or("", |(name, _)| name).to_owned();
    payment.payment.customer_name.clone().unwrap_or_else(of_address)
}
