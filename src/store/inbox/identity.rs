//! What an event reports, as it is given to a customer. What is known of it: whose its ids are, and whether a call has left.

use std::collections::HashMap;

use crate::domain::customer::CustomerKey;
use crate::domain::delivery::DeliveryKey;
use crate::domain::event::EventId;
use crate::domain::fact::{Fact, FactKind};
use crate::ledger::resolve::{Identity, is_first_address};
use crate::store::StoreError;
use crate::store::codes;
use crate::store::rows::evidence;
use crate::store::sql::{Db, first, values};

/// What an event reports, and has to be given to a customer.
#[derive(Clone)]
pub(in crate::store) struct Report {
    pub(super) event: EventId,
    pub(super) business: String,
    pub(super) scope: String,
    pub(super) fact: Fact,
    /// Whose the event was by an earlier reading.
    pub(super) before: Option<String>,
}

/// Whose an id is. Of one that keeps the first address, which no event named: whether a call has left for it.
pub(super) async fn identity<D: Db>(db: &D, report: &Report, id: &str) -> Result<Option<Identity>, StoreError> {
    let row = first(
        db,
        "SELECT email_key, evidence FROM identities WHERE scope = ?1 AND key = ?2",
        values![&report.scope, id],
    );
    let Some(mut row) = row.await? else { return Ok(None) };
    let identity = Identity { email_key: row.text()?, evidence: evidence(row.int()?)?, has_left: false };
    Ok(Some(settled(db, report, id, identity).await?))
}

/// The same of what is known of an id already.
async fn settled<D: Db>(db: &D, report: &Report, id: &str, identity: Identity) -> Result<Identity, StoreError> {
    if identity.is_settled() || !is_first_address(id) {
        return Ok(identity);
    }
    let customer = CustomerKey { business: report.business.clone(), email_key: identity.email_key.clone() };
    let has_left = has_left(db, &customer, &report.scope, report.event.0, &report.fact).await?;
    Ok(Identity { has_left, ..identity })
}

/// The address that a payment was first known by. One that no event named stays if a call has left for it.
/// `noted` is known without a look.
pub(super) async fn first_address<D: Db>(
    db: &D,
    report: &Report,
    noted: &HashMap<String, Identity>,
    key: &str,
) -> Result<Option<String>, StoreError> {
    let known = match noted.get(key) {
        Some(noted) => Some(settled(db, report, key, noted.clone()).await?),
        None => identity(db, report, key).await?,
    };
    // Two reports of a payment that name no address may go by different ids: where either is, the other has to be.
    let names_none = matches!(report.fact.matter, FactKind::Payment(_)) && report.fact.email.is_none();
    Ok(known.filter(|identity| names_none || identity.is_settled()).map(|identity| identity.email_key))
}

/// The key of the call that reports a fact; `None` for one that has no call of its own.
pub(super) fn subject_key(scope: &str, event: i64, fact: &Fact) -> Option<String> {
    match &fact.matter {
        FactKind::Payment(p) => {
            Some(DeliveryKey::Payment { scope: scope.to_owned(), identity: p.identity.clone() }.key(""))
        }
        FactKind::Subscription(_) => Some(DeliveryKey::Status(EventId(event)).key("")),
        FactKind::Customer(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    }
}

/// Whether a call about it has left the house, or may have.
pub(super) async fn has_left<D: Db>(
    db: &D,
    customer: &CustomerKey,
    scope: &str,
    event: i64,
    fact: &Fact,
) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT 1 FROM deliveries WHERE business = ?1 AND email_key = ?2 AND subject_key = ?3 AND {}",
        codes::has_left()
    );
    let of = values![&customer.business, &customer.email_key, subject_key(scope, event, fact)];
    Ok(first(db, &sql, of).await?.is_some())
}
