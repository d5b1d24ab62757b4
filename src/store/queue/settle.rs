//! Settling: what became of leased calls, and what follows for their customers.

use futures_util::future::{try_join, try_join4};
use jiff::Timestamp;

use super::customer_plan::{replan, write};
use super::history::stored;
use super::lease::Leased;
use super::planning::{Defect, Planning};
use super::routes::route;
use crate::crash::{self, Point};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{AttemptRecord, Delivery, DeliveryId, Seq, Settlement, Verdict};
use crate::store::recent::Stored;
use crate::store::rows::{micros, update_delivery};
use crate::store::sql::{Db, Lock, Work, first, values};
use crate::store::{Store, StoreError};

impl Store {
    /// Writes what became of a leased call, and what follows for its customer. False when the lease was lost: then
    /// somebody else has the call, and nothing was written but a receipt, which says that Refairn has it.
    ///
    /// # Errors
    /// Nothing was written, or nobody can tell: to settle once more does no harm.
    pub async fn settle(
        &self,
        leased: &Leased,
        attempt: AttemptRecord,
        verdict: impl Into<Verdict>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(id) = leased.delivery.id else { return Ok(false) };
        let Some(fencing_token) = leased.delivery.last_seq else { return Ok(false) };
        let (planning, key, verdict) = (self.planning.clone(), leased.key.clone(), verdict.into());
        let held =
            self.backend.write_together(Settle { planning, key, id, fencing_token, attempt, verdict, now }).await?;
        leased.let_go();
        Ok(held)
    }

    /// Gives back leases whose calls were never begun; what came in meanwhile may change whose turn it is.
    ///
    /// # Errors
    /// Nothing was given back, or nobody can tell: to give back once more does no harm.
    pub async fn give_back(&self, unused: &[Leased], now: Timestamp) -> Result<(), StoreError> {
        if unused.is_empty() {
            return Ok(());
        }
        let calls = unused.iter().map(|leased| (leased.key.clone(), leased.delivery.clone())).collect();
        self.write(GiveBack { planning: self.planning.clone(), calls, now }).await?;
        unused.iter().for_each(Leased::let_go);
        Ok(())
    }
}

struct Settle {
    planning: Planning,
    key: CustomerKey,
    id: DeliveryId,
    fencing_token: Seq,
    attempt: AttemptRecord,
    verdict: Verdict,
    now: Timestamp,
}

impl Work for Settle {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let Self { planning, key, id, fencing_token, attempt, verdict, now } = self;
        db.lock(&[Lock::Customer(key)]).await?;
        let (held, mut customer) = try_join(holds(db, key, *id, *fencing_token), stored(db, key)).await?;
        if !held {
            self.keep_receipt(db, customer).await?;
            return Ok(false);
        }
        let Some(delivery) = customer.history.deliveries.iter().find(|d| d.id == Some(*id)) else { return Ok(false) };
        let settlement = match verdict {
            Verdict::Settled(settlement) => settlement.clone(),
            Verdict::Conflict => planning.conflict(&customer.history, delivery),
        };
        let calls = &mut customer.history.deliveries;
        let Some(settled) = calls.iter_mut().find(|d| d.id == Some(*id)) else { return Ok(false) };
        let before = settled.clone();
        if !settled.settle(settlement.clone(), *now) {
            return Ok(false);
        }
        let sql = "UPDATE queue SET leased = 0 WHERE business = ?1 AND email_key = ?2";
        try_join4(
            record_attempt(db, *id, attempt, settled),
            route(db, key, settled.call.product(), &settlement, *now),
            update_delivery(db, &key.business, &before, settled),
            db.execute(sql, values![&key.business, &key.email_key]),
        )
        .await?;
        crash::here(Point::Settling);
        let plan = planning.plan_or_hold(&customer.history, *now);
        db.remember(write(db, customer, plan).await?);
        Ok(true)
    }
}

impl Settle {
    /// A lost lease settles nothing; but where Refairn said that it took the call, the replica that has it now
    /// hears no more than that it is known, or nothing. The receipt is kept, and with it that the call is told.
    async fn keep_receipt<D: Db>(&self, db: &D, mut customer: Stored) -> Result<(), StoreError> {
        let Verdict::Settled(Settlement::Delivered(receipt)) = &self.verdict else { return Ok(()) };
        let calls = &mut customer.history.deliveries;
        let Some(delivery) = calls.iter_mut().find(|d| d.id == Some(self.id)) else { return Ok(()) };
        let before = delivery.clone();
        if !delivery.keep_receipt(receipt.clone(), self.fencing_token, self.now) {
            return Ok(());
        }
        let update = update_delivery(db, &self.key.business, &before, delivery);
        try_join(update, record_attempt(db, self.id, &self.attempt, delivery)).await?;
        let plan = self.planning.plan(&customer.history, self.now);
        write(db, customer, plan).await?;
        Ok(())
    }
}

struct GiveBack {
    planning: Planning,
    calls: Vec<(CustomerKey, Delivery)>,
    now: Timestamp,
}

impl Work for GiveBack {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let locks: Vec<Lock<'_>> = self.calls.iter().map(|(key, _)| Lock::Customer(key)).collect();
        db.lock(&locks).await?;
        for (key, delivery) in &self.calls {
            let Some((id, fencing_token)) = delivery.id.zip(delivery.last_seq) else { continue };
            if holds(db, key, id, fencing_token).await? {
                let leased = delivery;
                let mut delivery = leased.clone();
                delivery.give_back();
                update_delivery(db, &key.business, leased, &delivery).await?;
                let sql = "UPDATE queue SET leased = 0, due_at = ?3 WHERE business = ?1 AND email_key = ?2";
                db.execute(sql, values![&key.business, &key.email_key, micros(delivery.due_at)]).await?;
                replan(db, &self.planning, key, self.now, Defect::Hold).await?;
            }
        }
        Ok(())
    }
}

async fn holds<D: Db>(db: &D, key: &CustomerKey, id: DeliveryId, fencing_token: Seq) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM queue \
         WHERE business = ?1 AND email_key = ?2 AND delivery_id = ?3 AND fencing_token = ?4 AND leased = 1";
    Ok(first(db, sql, values![&key.business, &key.email_key, id.0, fencing_token]).await?.is_some())
}

/// Of an answer that the receipt of its call tells byte for byte, only the receipt is kept.
async fn record_attempt<D: Db>(
    db: &D,
    id: DeliveryId,
    attempt: &AttemptRecord,
    of: &Delivery,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempts (delivery_id, n, at, took_ms, status, outcome, response) \
         VALUES (?1, (SELECT COALESCE(MAX(n), 0) + 1 FROM attempts WHERE delivery_id = ?1), ?2, ?3, ?4, ?5, ?6)";
    let took_ms = i64::try_from(attempt.took_ms).unwrap_or(i64::MAX);
    let is_kept = |answer: &&String| of.receipt.as_ref().is_none_or(|receipt| !receipt.is_all_of(answer));
    let (at, response) = (micros(attempt.at), attempt.response.as_ref().filter(is_kept));
    db.execute(sql, values![id.0, at, took_ms, attempt.status, &attempt.outcome, response]).await?;
    Ok(())
}
