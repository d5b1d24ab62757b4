//! The customer's own call: once a referral code is known, once per address, before anything else.

use jiff::Timestamp;

use super::sales::Sale;
use super::{Draft, is_told};
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::delivery::{Call, Delivery, DeliveryKey, DeliveryState, DesiredDelivery, Intent};
use crate::domain::email::Email;
use crate::domain::fact::FactKind;
use crate::domain::mode::Mode;
use crate::domain::policy::Leads;
use crate::domain::product::Product;
use crate::domain::reason::DeliveryReason;

pub(super) fn plan(draft: &mut Draft<'_>, sales: &[Sale<'_>]) {
    for mode in [Mode::Live, Mode::Test] {
        if !is_told(draft.customer, mode) {
            continue;
        }
        let code = first_code(draft.customer, mode);
        if let Some(lead) = draft.find_mut(&DeliveryKey::Lead(mode)) {
            if lead.state.is_acknowledged() {
                let finding = look_back(lead, code.is_some());
                lead.flag(finding);
                continue;
            }
            if !lead.is_unsent() && !lead.was_withdrawn() {
                // Of a code that is older than was known, older payments are no longer sent before the call.
                if lead.state.is_open() {
                    lead.reorder(code_at(code));
                }
                continue;
            }
        }
        if let Some(wanted) = wanted(draft, mode, code, sales) {
            draft.put(wanted);
        }
    }
}

/// The fact that brought the first code a customer was sent with: attribution is first touch.
pub(super) fn first_code(customer: &CustomerHistory, mode: Mode) -> Option<&KnownFact> {
    let with_code = customer.facts.iter().filter(|f| f.fact.mode == mode && f.fact.code.is_some());
    // Of two at the same time the order of arrival must not decide.
    with_code.min_by_key(|f| (f.fact.at, f.fact.code.clone(), f.fact.code_at, f.fact.rank, f.event))
}

/// When a code came into being; if nobody knows, it is old enough for every payment.
fn code_at(code: Option<&KnownFact>) -> Timestamp {
    code.and_then(|known| known.fact.code_at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether something went wrong with a call that Refairn has.
fn look_back(lead: &Delivery, code_known: bool) -> Option<(DeliveryReason, String)> {
    let Call::CustomerCreated { code, .. } = &lead.call else { return None };
    let credited = lead.receipt.as_ref().is_some_and(|r| r.agent_id.is_some());
    if lead.state != DeliveryState::Delivered || credited {
        None
    } else if let Some(code) = code {
        Some((DeliveryReason::ReferralCodeUnknown, format!("code {code}")))
    } else {
        code_known
            .then(|| (DeliveryReason::ReferralCodeLate, "the customer had been recorded without a code".to_owned()))
    }
}

fn wanted(draft: &Draft<'_>, mode: Mode, code: Option<&KnownFact>, sales: &[Sale<'_>]) -> Option<DesiredDelivery> {
    let source = match draft.policy.leads {
        Leads::Off => None,
        Leads::Referred => code,
        Leads::All => code.or_else(|| draft.facts(mode).min_by_key(|f| (f.fact.at, f.event))),
    }?;
    let product = product(draft, mode, source).or_else(|| product_sold(mode, sales))?;
    let (email, name) = email_and_name(draft, mode)?;
    let due_at = if source.fact.code.is_some() { draft.now } else { end_of_wait(draft, mode)? };
    Some(DesiredDelivery {
        event: source.event,
        subject: DeliveryKey::Lead(mode),
        mode,
        at: code_at(Some(source)),
        call: Call::CustomerCreated { product, email, name, code: source.fact.code.clone() },
        intent: Intent::Send {
            due_at,
            waits_for: (due_at > draft.now).then_some(DeliveryReason::WaitingForReferralCode),
        },
        detail: None,
    })
}

/// Without a code the call waits as long as a first payment would: a code may be on its way.
fn end_of_wait(draft: &Draft<'_>, mode: Mode) -> Option<Timestamp> {
    let first_seen = draft.facts(mode).map(|f| f.received_at).min()?;
    Some(draft.end_of_wait(&DeliveryKey::Lead(mode), first_seen, draft.policy.first_payment_wait))
}

/// The product of the first payment, else that of the fact that brought the code, else any that is known.
fn product(draft: &Draft<'_>, mode: Mode, source: &KnownFact) -> Option<String> {
    // Of several endpoints the one that stands first decides.
    let order = |f: &&KnownFact| (f.fact.at, f.fact.rank, f.event);
    let known = || draft.facts(mode).filter(|f| matches!(f.fact.product, Product::Id(_)));
    let first_paid = known().filter(|f| matches!(f.fact.matter, FactKind::Payment(_))).min_by_key(order);
    let any = known().min_by_key(order);
    [first_paid, Some(source), any].into_iter().flatten().find_map(|f| f.fact.product.id()).map(str::to_owned)
}

/// The product of the first sale that has one, though no event names it: not all lines of its invoice were seen.
fn product_sold(mode: Mode, sales: &[Sale<'_>]) -> Option<String> {
    let of_mode = sales.iter().filter(|sale| sale.mode == mode);
    let known = of_mode.filter_map(|sale| Some((sale.paid_at(), sale.product()?)));
    known.min().map(|(_, product)| product.to_owned())
}

/// The address and the name as first given; the address's local part when nobody gave a name.
pub(super) fn email_and_name(draft: &Draft<'_>, mode: Mode) -> Option<(Email, String)> {
    // The earliest counts; of two at the same time the order of arrival must not decide.
    let given = draft.facts(mode).filter_map(|f| Some((f.fact.at, f.fact.email.as_ref()?)));
    let given =
        given.filter(|(_, e)| e.key() == draft.customer.key.email_key).min_by_key(|(at, e)| (*at, e.as_given()));
    // Facts that were resolved through the provider's customer may hold no address at all.
    let email = given.map(|(_, e)| e.clone()).or_else(|| Email::parse(&draft.customer.key.email_key))?;
    let name = draft.facts(mode).filter_map(|f| Some((f.fact.at, f.fact.name.as_ref()?))).min();
    let name = name.map_or_else(|| email.local_part().to_owned(), |(_, name)| name.clone());
    Some((email, name))
}
