//! A fact in plain words.

use crate::cli::configuration::title;
use crate::domain::endpoint::CommissionBase;
use crate::domain::fact::{Customer, Fact, FactKind, Payment, Reversal, ReversalStage, Subscription};
use crate::domain::mode::Mode;
use crate::domain::money::Money;
use crate::domain::policy::{Leads, StatusUpdates};
use crate::domain::product::Product;
use crate::domain::provider::ProviderKind;
use crate::domain::reason::EventReason;
use crate::providers::{Descriptor, provider};

use super::place;
use super::rules::Chosen;

/// A reason's sentence and its cure. Here nobody signed anything: what cannot be read may be no webhook at all.
pub(super) fn reason(kind: ProviderKind, reason: EventReason) -> (String, String) {
    if reason != EventReason::Unreadable {
        return (reason.sentence().to_owned(), reason.cure().to_owned());
    }
    let Descriptor { title: name, members, .. } = provider(kind).descriptor();
    (
        format!("This is no event as {name} sends it, nor a part of one that can be told."),
        format!("Paste the whole body of one webhook: a JSON object with {members}."),
    )
}

/// What is reported.
pub(super) fn what(chosen: &Chosen, fact: &Fact) -> String {
    match &fact.matter {
        FactKind::Customer(customer) => customer_words(customer),
        FactKind::Payment(Payment { subscription: None, needs_session: true, .. }) => {
            "a payment, if a checkout session without an invoice held the money for it".to_owned()
        }
        FactKind::Payment(Payment { subscription: None, awaits_invoice: true, .. }) => {
            "a payment, which its own invoice reports if one comes within an hour".to_owned()
        }
        FactKind::Payment(Payment { subscription: None, .. }) => "a payment".to_owned(),
        FactKind::Payment(Payment { subscription: Some(id), awaits_checkout: true, .. }) => {
            format!("the first payment of subscription {id}")
        }
        FactKind::Payment(Payment { subscription: Some(id), .. }) => format!("a payment of subscription {id}"),
        FactKind::Subscription(subscription) => subscription_words(chosen, subscription),
        FactKind::Reversal(reversal) => reversal_words(chosen.provider, reversal),
        FactKind::Link(_) => "nothing but that its ids belong together".to_owned(),
    }
}

fn customer_words(customer: &Customer) -> String {
    let who = match &customer.checkout_of {
        Some(subscription) => format!("a customer, with the checkout of subscription {subscription}"),
        None => "a customer".to_owned(),
    };
    match customer.no_payment {
        Some(reason) => format!("{who}, but no payment ({reason}): {}", reason.sentence()),
        None => who,
    }
}

fn subscription_words(chosen: &Chosen, subscription: &Subscription) -> String {
    let Subscription { id, as_given, .. } = subscription;
    let provider = title(chosen.provider);
    let theirs = format!("subscription {id} is {as_given:?} at {provider}");
    match (subscription.status, subscription.no_call) {
        (_, Some(reason)) => format!("{theirs}; no call ({reason}): {}", reason.sentence()),
        (Some(status), None) => format!("{theirs}, {:?} at Refairn", status.code()),
        (None, None) => format!("{theirs}, for which Refairn has no word"),
    }
}

fn reversal_words(of: ProviderKind, reversal: &Reversal) -> String {
    let kind = match (reversal.dispute, &reversal.of_charge) {
        (false, _) => "a refund of",
        (true, None) => provider(of).descriptor().dispute_without_charge,
        (true, Some(_)) => "a dispute over",
    };
    let sum = if reversal.cumulative { ", all refunds of the payment so far together" } else { "" };
    let full = if reversal.full { "; nothing of the payment is left" } else { "" };
    let stage = match reversal.stage {
        ReversalStage::Pending => "no money has moved back yet",
        ReversalStage::Final => "the money is taken back",
        ReversalStage::Void => "it failed or was undone: the payment stands",
    };
    format!("{kind} {}{sum}: {stage}{full}", reversal.money)
}

/// Whom it is about.
pub(super) fn whose(fact: &Fact) -> String {
    let email = fact.email.as_ref().map(|e| e.as_given().to_owned());
    let name = fact.name.as_ref().map(|name| format!("named {name}"));
    let customer = fact.customer.as_ref().map(|id| format!("customer {id}"));
    let known: Vec<String> = [email, name, customer].into_iter().flatten().collect();
    if known.is_empty() { "it does not say".to_owned() } else { known.join(", ") }
}

/// The commission base and how it was computed.
pub(super) fn amount(payment: &Payment, base: CommissionBase) -> String {
    let (charged, currency) = (payment.charged_money().in_full(), payment.currency);
    let CommissionBase { code, meaning } = base;
    match payment.amount {
        None => format!("{charged} was paid, but the event does not tell commission_base = {code:?}"),
        Some(amount) if base == CommissionBase::PAID && amount == payment.charged => {
            format!("{charged}: {meaning} (commission_base = {code:?})")
        }
        Some(amount) if base == CommissionBase::PAID => {
            let amount = Money::new(amount, currency).in_full();
            format!("{amount}: what was paid for items in products, of {charged} (commission_base = {code:?})")
        }
        Some(amount) => {
            let amount = Money::new(amount, currency).in_full();
            format!("{amount}: {meaning}; the customer paid {charged} (commission_base = {code:?})")
        }
    }
}

/// The day, and what made it that.
pub(super) fn day(chosen: &Chosen, fact: &Fact) -> Option<String> {
    let day = match &fact.matter {
        FactKind::Payment(payment) => payment.day,
        FactKind::Subscription(subscription) => subscription.day,
        FactKind::Customer(_) | FactKind::Reversal(_) | FactKind::Link(_) => return None,
    };
    let zone = chosen.rules.time_zone.iana_name().unwrap_or("the configured time zone");
    Some(format!("{day}, the day of {} in {zone}", fact.at))
}

/// The Refairn product, and what made it that.
pub(super) fn product(chosen: &Chosen, fact: &Fact, body: &[u8]) -> String {
    let rules = &chosen.rules;
    match &fact.product {
        Product::Id(id) if fact.mode == Mode::Test => format!("{id}, the product for test events"),
        Product::Id(id) => {
            let sold = rules.products.iter().find(|(sold, product)| *product == id && mentions(body, sold));
            match sold {
                Some((sold, _)) => format!("{id}, as products says for {sold}"),
                None => format!("{id}, the default product"),
            }
        }
        Product::Unnamed => "none: it names nothing sold, and there is no default product".to_owned(),
        Product::Unmapped => format!("none. {}", EventReason::ProductUnmapped.sentence()),
        Product::Undecided { seen, total, .. } => {
            let of = total.map_or_else(String::new, |total| format!(" of {total}"));
            format!("not decided: only {seen}{of} lines are seen, and the others may change it")
        }
        Product::NoTestProduct => format!("none. {}", EventReason::TestModeOff.sentence()),
    }
}

fn mentions(body: &[u8], id: &str) -> bool {
    let quoted = format!("\"{id}\"");
    body.windows(quoted.len()).any(|part| part == quoted.as_bytes())
}

/// The referral code, and where it was found, or where it was looked for.
pub(super) fn code(chosen: &Chosen, fact: &Fact, body: &[u8]) -> String {
    let rule = place::rule(chosen.provider, body, &chosen.rules, fact);
    let place = rule.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    match (&fact.code, &fact.code_refused) {
        (Some(code), _) => {
            let path = rule.and_then(|rule| place::path(body, rule, code));
            path.map_or_else(|| format!("{code}, by {place}"), |path| format!("{code}, in {path} (by {place})"))
        }
        (None, Some(why)) => format!("none: what {place} holds is not used, because {why}"),
        (None, None) => {
            let rules: Vec<String> = chosen.rules.referral_code_from.iter().map(ToString::to_string).collect();
            format!("none in {}", rules.join(", "))
        }
    }
}

/// Who would be credited, and why.
pub(super) fn credit(chosen: &Chosen, fact: &Fact) -> Option<String> {
    let FactKind::Payment(payment) = &fact.matter else { return None };
    if payment.needs_session || matches!(fact.product, Product::Unmapped | Product::NoTestProduct) {
        return None;
    }
    let known_before =
        |why: &str| format!("the agent whom Refairn knows for this customer, because {why}; nobody, if it knows none");
    Some(match &fact.code {
        _ if chosen.policy.leads == Leads::Off => known_before("leads = \"off\" tells it no codes"),
        Some(code) => format!(
            "the agent with the code {code}, because the customer is reported with it first; nobody, if Refairn knows no \
             such agent"
        ),
        None if payment.awaits_checkout => {
            "nobody, because the event brings no referral code, unless another event of the \
             customer brings one before this payment goes out"
                .to_owned()
        }
        None => known_before("the event brings no referral code"),
    })
}

/// What it would do beside other events, where that differs from what it does alone.
pub(super) fn beside_others(chosen: &Chosen, fact: &Fact) -> Option<String> {
    match &fact.matter {
        FactKind::Subscription(Subscription { status: Some(status), no_call: None, day, .. }) => {
            let when = match chosen.policy.status_updates {
                StatusUpdates::EndOfDay => format!("when {day} is over, or the next day without a payment"),
                StatusUpdates::Immediate => "at once".to_owned(),
                StatusUpdates::Off => return None,
            };
            Some(format!(
                "for a customer who has paid before, and whose status Refairn knows as another one: payment-succeeded with \
                 amount 0 and subscriptionStatus {:?}, {when}",
                status.code()
            ))
        }
        FactKind::Reversal(Reversal { stage: ReversalStage::Final, .. }) => Some(
            "if the payment was sent already, it needs attention, so that someone reverses the commission at Refairn; if \
             it still waits and nothing of it is left, its call is cancelled"
                .to_owned(),
        ),
        FactKind::Customer(_) if fact.code.is_none() && chosen.policy.leads == Leads::Referred => Some(
            "when another event of this customer brings a referral code: customer-created, with that code".to_owned(),
        ),
        FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    }
}
