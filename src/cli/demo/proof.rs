//! Compares what the story tells with what Refairn holds in the end. It knows nothing of how the bridge works.

use rust_decimal::Decimal;
use serde::Serialize;

use super::runner::Ingress;
use super::scenario::{Fate, Sale, Standing, Story};
use crate::domain::delivery::{Call, DeliveryState};
use crate::domain::event::EventState;
use crate::domain::money::digits;
use crate::sandbox::{Commission, Payment};
use crate::store::queries::{DeliveryView, EventView};

/// What came of every sale, each counted once.
#[derive(Debug, Default, Serialize)]
pub(super) struct Proof {
    /// Sales the providers reported, however often they did.
    pub(super) sales_reported: usize,
    /// Refairn has them once.
    pub(super) paid_once: usize,
    /// Someone has to decide; nothing was sent.
    pub(super) held: usize,
    /// The money went back before Refairn was told; nothing was sent.
    pub(super) taken_back: usize,
    /// Nobody knows of them any more.
    pub(super) lost: usize,
    /// Refairn has them more than once, or has what nobody reported.
    pub(super) doubled: usize,
    /// Everything that is not as it should be, in words. The customers are made up.
    pub(super) differences: Vec<String>,
}

/// What there is in the end.
pub(super) struct Evidence<'a> {
    /// What Refairn took, in the order in which it did.
    pub(super) payments: &'a [Payment],
    /// What Refairn owes its agents.
    pub(super) commissions: &'a [Commission],
    /// What the bridge has on disk.
    pub(super) events: &'a [EventView],
    /// The same.
    pub(super) deliveries: &'a [DeliveryView],
    /// How webhooks were answered.
    pub(super) ingress: &'a Ingress,
}

/// Judges the end of `story`.
pub(super) fn judge(story: &Story, evidence: &Evidence<'_>) -> Proof {
    let mut proof = Proof { sales_reported: story.sales.len(), ..Proof::default() };
    // A payment of nothing tells a status; what is left in the end was never reported, or twice told.
    let mut left: Vec<&Payment> = evidence.payments.iter().filter(|p| !p.amount.is_zero()).collect();
    for sale in &story.sales {
        match sale.fate {
            Fate::Told => match left.iter().position(|payment| is_of(payment, sale)) {
                Some(at) => {
                    let payment = left.swap_remove(at);
                    proof.paid_once += 1;
                    proof.differences.extend(wrong_commission(sale, payment, evidence.commissions));
                }
                None => {
                    proof.lost += 1;
                    proof.differences.push(format!("{} is lost", words(sale)));
                }
            },
            Fate::Held if is_kept(sale, DeliveryState::Held, evidence.deliveries) => proof.held += 1,
            Fate::TakenBack if is_kept(sale, DeliveryState::Cancelled, evidence.deliveries) => proof.taken_back += 1,
            Fate::Held | Fate::TakenBack => {
                proof.lost += 1;
                proof.differences.push(format!("{} was not to be sent, and is not kept either", words(sale)));
            }
        }
    }
    for payment in &left {
        proof.doubled += 1;
        let Payment { amount, currency, customer_email, .. } = payment;
        let twin = story.sales.iter().any(|sale| sale.fate == Fate::Told && is_of(payment, sale));
        proof.paid_once -= usize::from(twin);
        let what = if twin { "was told twice" } else { "was told, but nobody reported it" };
        let paid = currency.parse().map_or_else(|_| amount.to_string(), |currency| digits(*amount, currency));
        proof.differences.push(format!("{paid} {currency} of {customer_email} {what}"));
    }
    proof.differences.extend(story.standings.iter().filter_map(|s| wrong_standing(s, evidence)));
    proof.differences.extend(loose_ends(evidence));
    proof
}

fn words(sale: &Sale) -> String {
    format!("{} {} of {} on {}", sale.cash.amount, currency(sale), sale.person.email, sale.day)
}

fn currency(sale: &Sale) -> String {
    sale.cash.currency.to_uppercase()
}

fn amount(sale: &Sale) -> Decimal {
    sale.cash.amount.parse().unwrap_or_default()
}

fn is_of(payment: &Payment, sale: &Sale) -> bool {
    payment.customer_email.eq_ignore_ascii_case(sale.person.email)
        && payment.product_id == sale.product.id
        && payment.amount == amount(sale)
        && payment.currency == currency(sale)
        && payment.payment_date == sale.day
}

/// Whether the bridge keeps a call for this sale in `state`.
fn is_kept(sale: &Sale, state: DeliveryState, deliveries: &[DeliveryView]) -> bool {
    deliveries.iter().any(|view| match &view.delivery.call {
        Call::PaymentSucceeded { email, amount: kept, currency: kept_in, .. } => {
            view.delivery.state == state
                && email.as_given().eq_ignore_ascii_case(sale.person.email)
                && *kept == amount(sale)
                && kept_in.code() == currency(sale)
        }
        Call::CustomerCreated { .. } => false,
    })
}

/// What is wrong with the commission of a payment, if anything is.
fn wrong_commission(sale: &Sale, payment: &Payment, commissions: &[Commission]) -> Option<String> {
    let found = commissions.iter().find(|c| Some(&c.commission_id) == payment.commission_id.as_ref());
    let rate = if sale.first { sale.product.recurring + sale.product.once } else { sale.product.recurring };
    let due = amount(sale).checked_mul(Decimal::new(i64::from(rate), 2))?;
    let (agent, earned) = (found.map(|c| c.agent_id.as_str()), found.map_or(Decimal::ZERO, |c| c.amount));
    let due = if sale.person.agent.is_some() { due } else { Decimal::ZERO };
    let right = agent == sale.person.agent.map(|a| a.id) && earned == due;
    (!right).then(|| {
        let (agent, wanted) = (agent.unwrap_or("nobody"), sale.person.agent.map_or("nobody", |a| a.id));
        let money = |amount: Decimal| {
            let currency = currency(sale);
            let digits = currency.parse().map_or_else(|_| amount.to_string(), |currency| digits(amount, currency));
            format!("{digits} {currency}")
        };
        format!("{}: {agent} earns {}, and {wanted} should earn {}", words(sale), money(earned), money(due))
    })
}

/// What Refairn wrongly believes of a subscription, and is not going to be told once the day is over.
fn wrong_standing(standing: &Standing, evidence: &Evidence<'_>) -> Option<String> {
    let Standing { person, product, status } = standing;
    let own = |p: &&Payment| p.customer_email.eq_ignore_ascii_case(person.email) && p.product_id == product.id;
    let queued = evidence.deliveries.iter().rev().filter(|d| d.delivery.state == DeliveryState::Queued);
    let waits = queued.map(|d| &d.delivery.call).find_map(|call| match call {
        Call::PaymentSucceeded { email, product: of, status, .. } => {
            (email.key() == person.email.to_ascii_lowercase() && of == product.id).then_some(status)
        }
        Call::CustomerCreated { .. } => None,
    });
    let last = evidence.payments.iter().rev().find(own).map(|p| p.subscription_status.as_str());
    let told = waits.map(|status| status.code()).or(last).unwrap_or("nothing");
    (told != status.code()).then(|| format!("{} was told as {told}, and is {}", person.email, status.code()))
}

/// What nobody has dealt with.
fn loose_ends(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = evidence.ingress.surprises.clone();
    let (recorded, on_disk) = (evidence.ingress.recorded, evidence.events.len());
    if recorded != on_disk {
        found.push(format!("{recorded} webhooks were answered 200 as new, and {on_disk} are on disk"));
    }
    for event in evidence.events {
        match event.state {
            EventState::Mapped | EventState::Ignored => {}
            EventState::Received | EventState::Waiting | EventState::Unmappable => {
                found.push(format!("{} ({}) ended as {}", event.id, event.event_type, event.state.code()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::calendar::Calendar;
    use crate::cli::demo::customers::{BEN, DEMO, INES, cash};
    use crate::cli::demo::scenario::Writer;
    use crate::sandbox::{ApiCall, Book, Business, Kind};

    /// A story of one sale that is told, and one that is held.
    fn story() -> Story {
        let calendar = Calendar::new("2026-03-20T12:00:00Z".parse().unwrap());
        let mut writer = Writer::new(calendar);
        writer.sale(INES, DEMO, cash(4900, "usd", "49"), calendar.ago(4, 9, 0));
        writer.sale_ending(BEN, DEMO, cash(2000, "usd", "20"), calendar.ago(3, 9, 0), Fate::Held);
        writer.finish()
    }

    fn call(book: &mut Book, kind: Kind, body: &str) {
        let today = "2026-03-20".parse().unwrap();
        let authorization = Some("Bearer sk_sandbox_demo");
        let reply = book.call(ApiCall { kind, authorization, cookie_code: None, body: body.as_bytes(), today });
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    fn pay(book: &mut Book, amount: &str, day: &str) {
        let body = format!(
            r#"{{"businessId":"biz_demo","productId":"prod_demo","customerEmail":"ines@example.com","amount":{amount},"currency":"USD","subscriptionStatus":"active","paymentDate":"{day}"}}"#
        );
        call(book, Kind::PaymentSucceeded, &body);
    }

    #[track_caller]
    fn check(fill: impl FnOnce(&mut Book), counts: [usize; 4], difference: Option<&str>) {
        let mut book = Book::new().with(Business::demo());
        let lead = r#"{"businessId":"biz_demo","productId":"prod_demo","customerEmail":"ines@example.com","customerName":"Ines","referralCode":"ADA10"}"#;
        call(&mut book, Kind::CustomerCreated, lead);
        fill(&mut book);
        let (payments, commissions, ingress) = (book.payments(), book.commissions(), Ingress::default());
        let proof =
            judge(&story(), &Evidence { payments, commissions, events: &[], deliveries: &[], ingress: &ingress });
        assert_eq!([proof.sales_reported, proof.paid_once, proof.lost, proof.doubled], counts, "{proof:?}");
        let told = proof.differences.iter().any(|d| difference.is_none_or(|text| d.contains(text)));
        assert!(told, "{proof:?}");
    }

    #[test]
    fn every_kind_of_fault_is_seen() {
        // The held sale is kept nowhere in these, and so counts as lost.
        check(|book| pay(book, "49", "2026-03-16"), [2, 1, 1, 0], Some("not kept"));
        check(|_| {}, [2, 0, 2, 0], Some("49 USD of ines@example.com on 2026-03-16 is lost"));
        check(|book| pay(book, "49.01", "2026-03-16"), [2, 0, 2, 1], Some("nobody reported it"));
        check(|book| pay(book, "49", "2026-03-17"), [2, 0, 2, 1], Some("is lost"));
        let twice = |book: &mut Book| {
            pay(book, "49", "2026-03-16");
            pay(book, "49", "2026-03-17");
        };
        check(twice, [2, 1, 1, 1], Some("nobody reported it"));
        check(|book| book.reset(), [2, 0, 2, 0], Some("is lost"));
        let uncredited = |book: &mut Book| {
            book.reset();
            pay(book, "49", "2026-03-16");
        };
        check(uncredited, [2, 1, 1, 0], Some("nobody earns 0.00 USD, and agent_ada should earn 9.80 USD"));
    }
}
