//! What was listed, compared with what we have, and undone: the ledger reads both at once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ALIAS, UNREADABLE};
use crate::domain::backfill::BackfillId;
use crate::domain::delivery::{DeliveryKey, scope};
use crate::domain::event::{EventId, NewEvent, Origin};
use crate::domain::fact::{Fact, FactKind, Payment, Reading};
use crate::domain::provider::ProviderKind;
use crate::domain::reason::EventReason;
use crate::domain::reconciliation::{Compared, Comparison, Side};
use crate::ledger::comparison::{ComparedSale, compare};
use crate::store::backfills::ToWeigh;
use crate::store::inbox::facts::{Mapped, post};
use crate::store::inbox::record::{FIND, insert};
use crate::store::queue::history::load;
use crate::store::rows::micros;
use crate::store::sql::{Db, Lock, Work, first, values};
use crate::store::{Backfill, Store, StoreError};

/// What stands in the place of a row's outcome once it was compared.
const COMPARED: &str = "compared";

impl Store {
    /// Compares these rows, read so, and notes how their payments stand. Nothing else is written.
    ///
    /// # Errors
    /// Nothing was noted.
    pub async fn compare_listed(
        &self,
        backfill: &Backfill,
        provider: ProviderKind,
        zone: TimeZone,
        rows: Vec<(ToWeigh, Mapped)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Compare { backfill: backfill.clone(), provider, zone, rows, now }).await
    }
}

struct Compare {
    backfill: Backfill,
    provider: ProviderKind,
    zone: TimeZone,
    rows: Vec<(ToWeigh, Mapped)>,
    now: Timestamp,
}

/// A payment as it is noted.
pub(super) struct Noted {
    pub(super) subject_key: String,
    pub(super) comparison: String,
    pub(super) rank: i64,
    pub(super) at: Timestamp,
    pub(super) data: Option<String>,
}

impl Noted {
    /// A payment under its own key, and nothing under its other ones.
    pub(super) fn of(subjects: &[DeliveryKey], compared: &Compared) -> Result<Vec<Self>, StoreError> {
        let mut noted = Vec::new();
        for (n, subject) in subjects.iter().enumerate() {
            let (subject_key, at) = (subject.key(""), compared.paid_at);
            noted.push(if n == 0 {
                let (comparison, rank) = (compared.comparison.code().to_owned(), compared.comparison.rank());
                Self { subject_key, comparison, rank, at, data: Some(serde_json::to_string(compared)?) }
            } else {
                Self::mark(subject_key, ALIAS, at)
            });
        }
        Ok(noted)
    }

    /// What is no payment of its own.
    pub(super) fn mark(subject_key: String, comparison: &str, at: Timestamp) -> Self {
        Self { subject_key, comparison: comparison.to_owned(), rank: -1, at, data: None }
    }
}

/// Notes how payments stand. Of a payment that was noted before the graver stays: a part of its rows may not show all.
pub(super) async fn note<D: Db>(db: &D, id: BackfillId, noted: &[Noted]) -> Result<(), StoreError> {
    let sql = "INSERT INTO compared (backfill, subject_key, comparison, rank, at, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (backfill, subject_key) DO UPDATE SET comparison = excluded.comparison, rank = excluded.rank, \
         at = excluded.at, data = excluded.data WHERE excluded.rank > compared.rank";
    for Noted { subject_key, comparison, rank, at, data } in noted {
        db.execute(sql, values![id.0, subject_key, comparison, *rank, micros(*at), data.as_ref()]).await?;
    }
    Ok(())
}

impl Work for Compare {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.try_out().await?;
        let noted = self.try_out(db).await?;
        db.undo_trial().await?;
        note(db, self.backfill.id, &noted).await?;
        for (row, _) in &self.rows {
            db.execute("UPDATE listed SET outcome = ?2 WHERE id = ?1", values![row.id, COMPARED]).await?;
        }
        let sql = "UPDATE backfills SET changed_at = ?2 WHERE id = ?1";
        db.execute(sql, values![self.backfill.id.0, micros(self.now)]).await?;
        Ok(())
    }
}

impl Compare {
    async fn try_out<D: Db>(&self, db: &D) -> Result<Vec<Noted>, StoreError> {
        let (mut people, mut listed, mut noted) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let mut payments = Vec::new();
        for (row, mapped) in &self.rows {
            let Some(id) = insert(db, &self.event(row, mapped)).await? else { continue };
            listed.insert(id);
            post(db, &Mapped { id, ..mapped.clone() }, &mut people).await?;
            match &mapped.reading {
                Reading::Unmappable(..) => {
                    let key = format!("{UNREADABLE} {}", row.identity.dedup_key);
                    noted.push(Noted::mark(key, UNREADABLE, self.now));
                }
                Reading::Fact(fact) => {
                    payments.extend(payment(fact).map(|payment| (id, row, mapped, &**fact, payment)));
                }
                Reading::Ignored(_) => {}
            }
        }
        db.lock(&people.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
        let mut seen: BTreeSet<EventId> = BTreeSet::new();
        for key in &people {
            let customer = load(db, key).await?;
            for ComparedSale { subjects, compared, listed, ours_at } in compare(&customer, &listed, &self.zone) {
                seen.extend(listed);
                let in_time = |at: Timestamp| (self.backfill.since..=self.backfill.until).contains(&at);
                let counts = in_time(compared.paid_at)
                    || ours_at.is_some_and(in_time)
                    || compared.comparison == Comparison::RefundMissing;
                if counts {
                    noted.extend(Noted::of(&subjects, &compared)?);
                }
            }
        }
        for (id, row, mapped, fact, payment) in payments {
            let in_time = (self.backfill.since..=self.backfill.until).contains(&fact.at);
            if in_time && !seen.contains(&id) {
                let is_known = first(db, FIND, values![&mapped.endpoint, &row.identity.dedup_key]).await?.is_some();
                noted.extend(of_nobody(mapped, fact, payment, is_known)?);
            }
        }
        Ok(noted)
    }

    /// The event that a row stands for, beside the one that may have been recorded of it.
    fn event(&self, row: &ToWeigh, mapped: &Mapped) -> NewEvent {
        let mut identity = row.identity.clone();
        identity.dedup_key = format!("{COMPARED}/{}/{}", self.backfill.id.0, identity.dedup_key);
        identity.provider_event_id = None;
        NewEvent {
            origin: Origin::Backfill,
            endpoint: mapped.endpoint.clone(),
            provider: self.provider,
            business: mapped.business.clone(),
            identity,
            body_zstd: row.body_zstd.clone(),
            received_at: self.now,
        }
    }
}

fn payment(fact: &Fact) -> Option<&Payment> {
    match &fact.matter {
        FactKind::Payment(payment) => Some(payment),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    }
}

/// A payment of which nobody knows the customer: ours waits for the address, too.
fn of_nobody(mapped: &Mapped, fact: &Fact, payment: &Payment, is_known: bool) -> Result<Vec<Noted>, StoreError> {
    let side = || Side {
        amount: payment.amount.unwrap_or(payment.charged),
        currency: payment.currency,
        day: payment.day,
        email: fact.email.clone(),
        taken_back: rust_decimal::Decimal::ZERO,
        product: fact.product.id().map(str::to_owned),
    };
    let (comparison, reason) = if is_known {
        (Comparison::Held, Some(EventReason::CustomerUnknown.code().to_owned()))
    } else {
        (Comparison::Missing, None)
    };
    let compared = Compared {
        id: payment.identity.clone(),
        paid_at: fact.at,
        comparison,
        reason,
        differs: Vec::new(),
        provider: Some(side()),
        ours: is_known.then(side),
        told: Vec::new(),
    };
    let scope = scope(&mapped.realm, &mapped.business, fact.account.as_deref(), fact.mode);
    Noted::of(&[DeliveryKey::Payment { scope, identity: payment.identity.clone() }], &compared)
}
