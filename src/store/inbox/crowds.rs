//! Customers with very many events. All that is known of a customer is read for each new event, so one address that many
//! buyers share - the till's, a placeholder - costs time that grows with the square of its sales.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::customer::{CustomerHistory, CustomerKey};
use crate::domain::event::EventId;
use crate::store::related::MAY_HOLD_A_CODE;
use crate::store::sql::values;
use crate::store::{RELATED_MAX, Store, StoreError};

/// Events about one customer beyond which somebody should look: years of a subscription, and hundredths of a second of
/// work for each further one.
pub const FACTS_SOFT_MAX: usize = 1000;
/// Ids of customers that are named as carrying no code.
const SCATTERED_SHOWN_MAX: u32 = 5;
/// Customers that are remembered as told; of more than that nobody wants to hear.
const TOLD_MAX: usize = 1000;

/// A customer with more events than [`FACTS_SOFT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// One of the events, to find the customer by.
    pub event: EventId,
    /// How many there are.
    pub facts: usize,
}

/// A provider's customer under more addresses than a code goes between ([`RELATED_MAX`]), of whom a code or a checkout is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scattered {
    /// The provider's id.
    pub customer: String,
    /// How many addresses there are.
    pub addresses: i64,
}

/// The crowds that this process has met.
#[derive(Clone, Default)]
pub(in crate::store) struct Crowds(Arc<Mutex<Met>>);

#[derive(Default)]
struct Met {
    people: HashSet<CustomerKey>,
    untold: Vec<Crowd>,
}

impl Crowds {
    /// Notes a customer that was just read, the first time that there is too much of it.
    pub(in crate::store) fn look_at(&self, customer: &CustomerHistory) {
        let facts = customer.facts.len();
        let Some(last) = customer.facts.iter().rfind(|fact| !fact.is_related).filter(|_| facts > FACTS_SOFT_MAX) else {
            return;
        };
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if met.people.len() < TOLD_MAX && met.people.insert(customer.key.clone()) {
            met.untold.push(Crowd { event: last.event, facts });
        }
    }
}

impl Store {
    /// Customers with too many events that were met since this was last asked; each is told once.
    #[must_use]
    pub fn new_crowds(&self) -> Vec<Crowd> {
        std::mem::take(&mut self.crowds.0.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }

    /// How many customers have more than [`FACTS_SOFT_MAX`] events, and an event of the one that has most.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn crowds(&self) -> Result<Option<(i64, Crowd)>, StoreError> {
        let sql = "SELECT MAX(event_id), COUNT(*) AS n, COUNT(*) OVER () FROM facts WHERE email_key IS NOT NULL \
             GROUP BY business, email_key HAVING COUNT(*) > ?1 ORDER BY n DESC LIMIT 1";
        let most = i64::try_from(FACTS_SOFT_MAX).unwrap_or(i64::MAX);
        let Some(mut row) = self.query(sql.to_owned(), values![most]).await?.into_iter().next() else {
            return Ok(None);
        };
        let event = EventId(row.int()?);
        let crowd = Crowd { event, facts: usize::try_from(row.int()?).unwrap_or(usize::MAX) };
        Ok(Some((row.int()?, crowd)))
    }

    /// Customers of the providers' that carry no referral code from one address to another; a few, those with most
    /// addresses first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn scattered(&self) -> Result<Vec<Scattered>, StoreError> {
        let sql = format!(
            "SELECT f.customer, COUNT(DISTINCT f.email_key) AS n FROM facts f \
             WHERE f.customer IS NOT NULL AND f.email_key IS NOT NULL GROUP BY f.scope, f.customer \
             HAVING COUNT(DISTINCT f.email_key) > ?1 \
             AND MAX(CASE WHEN f.speaks_for_related = 1 AND {MAY_HOLD_A_CODE} THEN 1 ELSE 0 END) = 1 \
             ORDER BY n DESC, f.customer LIMIT ?2"
        );
        let rows = self.query(sql, values![RELATED_MAX, SCATTERED_SHOWN_MAX]).await?;
        rows.into_iter().map(|mut row| Ok(Scattered { customer: row.text()?, addresses: row.int()? })).collect()
    }
}
