//! The lines of Stripe's invoices: what was subscribed, what else was sold, and what nobody sees.

use serde_json::{Value, json};

use crate::events::price_id;
use crate::life::{Lines, Paid, Payer, Price};

/// Lines of a long list that an event shows.
const SHOWN: usize = 10;
/// A price that nobody has put into the program.
const OUTSIDE: &str = "price_outside";

/// A line; its amount is before the discount.
pub(crate) struct Line {
    price: &'static str,
    amount: i64,
    discount: i64,
}

impl Line {
    /// What was subscribed.
    pub(crate) const fn own(price: Price, amount: i64) -> Self {
        Self { price: price_id(price, true), amount, discount: 0 }
    }

    const fn outside(amount: i64, discount: i64) -> Self {
        Self { price: OUTSIDE, amount, discount }
    }
}

/// The lines of a payment, as its event shows them.
pub(crate) fn of(paid: &Paid) -> Vec<Line> {
    match paid.lines {
        Lines::Own => vec![Line::own(paid.price, paid.minor)],
        // What cost nothing decides nothing.
        Lines::Fee => vec![Line::own(Price::Plus, 0), Line::outside(paid.minor, 0)],
        // Before its discount the other one weighs more.
        Lines::Beside => {
            vec![Line::outside(paid.minor, paid.own_part()), Line::own(paid.price, paid.own_part())]
        }
        Lines::Outside => vec![Line::outside(paid.minor, 0)],
        Lines::Cut => (0..SHOWN).map(|_| Line::outside(1, 0)).collect(),
    }
}

/// The list in an invoice.
pub(crate) fn list(lines: &[Line], payer: &Payer, invoice: &str, sub: &str, currency: &str) -> Value {
    let cut = lines.len() >= SHOWN;
    let each = lines.iter().enumerate().map(|(n, line)| {
        let mut json = json!({ "id": format!("il_{invoice}x{n}"), "object": "line_item", "amount": line.amount,
            "currency": currency, "metadata": {}, "discount_amounts": [{ "amount": line.discount, "discount": "di_x" }] });
        if payer.new_shape {
            json["pricing"] = json!({ "price_details": { "price": line.price, "product": "prod_x" } });
            json["parent"] = json!({ "subscription_item_details": { "subscription": sub } });
        } else {
            json["price"] = json!({ "id": line.price, "product": "prod_x" });
        }
        json
    });
    let data: Vec<Value> = each.collect();
    let total = data.len() + if cut { 2 } else { 0 };
    json!({ "object": "list", "data": data, "has_more": cut, "total_count": total })
}
