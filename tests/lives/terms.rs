//! What a payment is told as: which product, and how much of it. The endpoint that stands first decides, of those that
//! know of a product.

use jiff::Timestamp;
use refairn_bridge::domain::mode::Mode;
use rust_decimal::Decimal;

use super::{Knowing, reports};
use crate::events::paid_at;
use crate::life::{Act, Charges, Endpoint, Lines, Paid, Payer, Price, What};

/// One endpoint's word.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) product: &'static str,
    pub(crate) amount: Decimal,
    /// All that it rests on is there; nothing where it never is.
    pub(crate) known: Option<Timestamp>,
}

/// What may be told of a payment, the better first: what comes too late is not waited for.
pub(super) fn of(knowing: &Knowing<'_>, act: &Act, paid: &Paid) -> Vec<Terms> {
    let payer = knowing.life.payer(act);
    let mut all = Vec::new();
    for endpoint in payer.endpoints {
        let heard = reporting(knowing, act, paid).filter(|e| e.endpoint == *endpoint).map(|e| knowing.arrival(e)).min();
        // Session and receipt are of one sale once they are tied, and before that each may be another endpoint's.
        let all_heard = knowing.of_act(act).map(|e| knowing.arrival(e)).max();
        let apart = paid.charges == Charges::Receipt && payer.endpoints.len() > 1;
        let heard = if apart { heard.and(all_heard) } else { heard };
        let Some(minor) = counted(*endpoint, paid) else { continue };
        let amount = standard(minor, paid.currency, payer);
        let terms = |price, known| Terms { product: product(payer, *endpoint, price), amount, known };
        if paid.lines == Lines::Cut {
            let items = items_known(knowing, *endpoint, act, paid);
            all.push(terms(paid.price, heard.zip(items).map(|(heard, items)| heard.max(items))));
            all.extend([Price::Basic, Price::Plus].map(|price| terms(price, None)));
        } else {
            all.push(terms(paid.price, heard));
        }
    }
    all
}

/// The events that report a payment.
pub(super) fn reporting<'a>(
    knowing: &'a Knowing<'_>,
    act: &'a Act,
    paid: &'a Paid,
) -> impl Iterator<Item = &'a crate::events::Event> {
    let captured = |e: &&crate::events::Event| paid.charges == Charges::Hold && e.kind == "payment_intent.succeeded";
    knowing.of_act(act).filter(move |e| (reports(e) || captured(e)) && e.at >= paid_at(act, paid))
}

/// What of a payment counts at an endpoint, in minor units.
const fn counted(endpoint: Endpoint, paid: &Paid) -> Option<i64> {
    match (endpoint, paid.lines) {
        (Endpoint::Program, Lines::Fee | Lines::Outside | Lines::Cut) => None,
        (Endpoint::Program, Lines::Beside) => Some(paid.own_part()),
        (Endpoint::Program, Lines::Own) | (Endpoint::Stripe | Endpoint::Shop | Endpoint::Paystack, _) => {
            Some(paid.minor)
        }
    }
}

/// When it is known what was subscribed, as far as that was said before the payment.
fn items_known(knowing: &Knowing<'_>, endpoint: Endpoint, act: &Act, paid: &Paid) -> Option<Timestamp> {
    let says = |a: &&Act| match &a.what {
        What::Stands { sub, price, .. } => Some(sub) == paid.sub.as_ref() && *price == paid.price && a.at <= act.at,
        _ => false,
    };
    let said = knowing.life.acts.iter().filter(|a| a.payer == act.payer).filter(says);
    let events = said.flat_map(|a| knowing.of_act(a)).filter(|e| e.endpoint == endpoint);
    events.map(|e| knowing.arrival(e)).min()
}

/// The amount in standard units. Paystack counts hundredths of everything.
pub(super) fn standard(minor: i64, currency: &str, payer: &Payer) -> Decimal {
    let scale = match (payer.is_stripe(), currency) {
        (true, "jpy") => 0,
        (true, "kwd") => 3,
        _ => 2,
    };
    Decimal::new(minor, scale)
}

pub(super) fn product(payer: &Payer, endpoint: Endpoint, price: Price) -> &'static str {
    if payer.mode == Mode::Test { "prod_test" } else { endpoint.product(price) }
}
