//! What we have of the time, and the provider does not list.

use jiff::Timestamp;

use super::ALIAS;
use super::comparing::{Noted, note};
use crate::domain::backfill::BackfillId;
use crate::domain::delivery::{Call, Delivery, DeliveryKey, scope};
use crate::domain::mode::Mode;
use crate::domain::reconciliation::{Compared, Comparison, Side, Told};
use crate::store::codes::{CANCELLED, SUPERSEDED, is_payment};
use crate::store::rows::{DELIVERY_COLUMNS, delivery, micros};
use crate::store::sql::{Db, Work, values};
use crate::store::{Backfill, Store, StoreError};

/// Calls that are looked at in one go.
const LOOKED_AT_MAX: u32 = 500;

/// Whose payments a provider's list shows.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The Refairn business.
    pub business: String,
    /// Within what the provider's ids are unique; see [`crate::domain::endpoint::Endpoint::realm`].
    pub realm: String,
    /// The mode of the key with which it is asked. `None` when the key does not say it.
    pub mode: Option<Mode>,
}

impl Store {
    /// Notes the next payments of the time that are ours only; gives whether there may be more.
    ///
    /// # Errors
    /// Nothing was noted.
    pub async fn compare_ours(&self, backfill: &Backfill, whose: &Whose, now: Timestamp) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE at >= ?1 AND at <= ?2 AND {} \
             AND state NOT IN ('{CANCELLED}', '{SUPERSEDED}') \
             AND EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id AND e.endpoint = ?3) \
             AND NOT EXISTS (SELECT 1 FROM compared c WHERE c.backfill = ?4 AND c.subject_key = d.subject_key) \
             ORDER BY at, id LIMIT {LOOKED_AT_MAX}",
            is_payment("d.")
        );
        let Backfill { id, since, until, endpoint, .. } = backfill;
        let found = self.query(sql, values![micros(*since), micros(*until), endpoint, id.0]).await?;
        let found = found.into_iter().map(|mut row| delivery(&mut row)).collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Ok(false);
        }
        let mut noted = Vec::new();
        for delivery in &found {
            noted.extend(ours_only(delivery, whose)?);
        }
        self.write(Note { id: *id, noted, now }).await?;
        Ok(true)
    }
}

/// A call as ours only; of another account or mode than the one that was asked nothing is said.
fn ours_only(delivery: &Delivery, whose: &Whose) -> Result<Vec<Noted>, StoreError> {
    let Whose { business, realm, mode } = whose;
    let own = scope(realm, business, None, delivery.mode);
    let is_theirs = mode.is_none_or(|mode| mode == delivery.mode)
        && matches!(&delivery.subject, DeliveryKey::Payment { scope, .. } if *scope == own);
    let (Call::PaymentSucceeded { product, amount, currency, day, .. }, Some(id), true) =
        (&delivery.call, delivery.id, is_theirs)
    else {
        return Ok(vec![Noted::mark(delivery.subject.key(""), ALIAS, delivery.at)]);
    };
    let (amount, currency, day) = (*amount, *currency, *day);
    let told = Told { delivery: id, state: delivery.state, fate: delivery.fate(), amount, currency, day };
    let email = Some(delivery.call.email().clone());
    let compared = Compared {
        id: delivery.subject.payment().unwrap_or_default().to_owned(),
        paid_at: delivery.at,
        comparison: Comparison::OursOnly,
        reason: delivery.reason.map(|reason| reason.code().to_owned()),
        differs: Vec::new(),
        provider: None,
        ours: Some(Side {
            amount,
            currency,
            day,
            email,
            taken_back: rust_decimal::Decimal::ZERO,
            product: Some(product.clone()),
        }),
        told: vec![told],
    };
    Noted::of(std::slice::from_ref(&delivery.subject), &compared)
}

struct Note {
    id: BackfillId,
    noted: Vec<Noted>,
    now: Timestamp,
}

impl Work for Note {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        note(db, self.id, &self.noted).await?;
        db.execute("UPDATE backfills SET changed_at = ?2 WHERE id = ?1", values![self.id.0, micros(self.now)]).await?;
        Ok(())
    }
}
