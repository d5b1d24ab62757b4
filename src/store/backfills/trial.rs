//! One try: events are recorded and read, the ledger plans their customers, and what it says is added up. The caller
//! undoes what it wrote.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::grouping::ToWeigh;
use crate::domain::backfill::{BackfillCall, BackfillSummary, CallFate, CallKind};
use crate::domain::customer::Change;
use crate::domain::delivery::{Call, Delivery, DeliveryId, DeliveryKey, DeliveryState};
use crate::domain::event::{EventId, NewEvent, Origin};
use crate::domain::provider::ProviderKind;
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::store::StoreError;
use crate::store::inbox::facts::{Mapped, post};
use crate::store::inbox::readings::{end, says_more};
use crate::store::inbox::record::insert;
use crate::store::queue::history::load;
use crate::store::queue::planning::Planning;
use crate::store::sql::{Db, Lock, Work};

/// What becomes of a row whose event was recorded meanwhile. It is not recorded.
const KNOWN: &str = "known";

/// Rows as they were read, in the order in which they would be recorded.
pub(super) struct Trial {
    pub(super) provider: ProviderKind,
    pub(super) rows: Vec<(ToWeigh, Mapped)>,
    pub(super) planning: Planning,
    pub(super) now: Timestamp,
}

impl Work for Trial {
    /// What they would come to.
    type Answer = BackfillSummary;

    async fn run<D: Db>(&self, db: &D) -> Result<BackfillSummary, StoreError> {
        let mut people = BTreeSet::new();
        let mut events: Vec<Option<EventId>> = Vec::new();
        for (row, mapped) in &self.rows {
            let event = insert(db, &self.event(row, mapped)).await?;
            if let Some(id) = event {
                // Of many facts that follow, what is tried out is only what one write would place.
                post(db, &Mapped { id, ..mapped.clone() }, &mut people).await?;
            }
            events.push(event);
        }
        db.lock(&people.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
        let (mut summary, mut ends) = (BackfillSummary::default(), BTreeMap::new());
        for key in &people {
            let customer = load(db, key).await?;
            let plan = self.planning.plan_or_hold(&customer, self.now);
            ends.extend(
                plan.outcomes.iter().map(|(event, outcome)| (*event, (outcome.end.state(), outcome.end.reason()))),
            );
            let before: BTreeMap<Option<DeliveryId>, &Delivery> =
                customer.deliveries.iter().map(|d| (d.id, d)).collect();
            let changes = plan.changes.iter().map(Change::delivery);
            let news = changes.filter(|d| before.get(&d.id).is_none_or(|old| says_more(old, d)));
            news.for_each(|delivery| summary.add_call(call(delivery)));
        }
        for ((row, _), event) in self.rows.iter().zip(events) {
            let Some(event) = event else {
                summary.add_event(row.stage, KNOWN, None);
                continue;
            };
            let (state, reason) = match ends.get(&event) {
                Some(end) => *end,
                None => end(db, event).await?,
            };
            summary.add_event(row.stage, state.code(), reason.map(EventReason::code));
        }
        Ok(summary)
    }
}

impl Trial {
    fn event(&self, row: &ToWeigh, mapped: &Mapped) -> NewEvent {
        NewEvent {
            origin: Origin::Backfill,
            endpoint: mapped.endpoint.clone(),
            provider: self.provider,
            business: mapped.business.clone(),
            identity: row.identity.clone(),
            // It was read.
            body_zstd: Vec::new(),
            received_at: self.now,
        }
    }
}

/// A call of the try, as a person is shown it.
fn call(delivery: &Delivery) -> BackfillCall {
    let kind = match &delivery.subject {
        DeliveryKey::Lead(_) => CallKind::Customer,
        DeliveryKey::Payment { .. } => CallKind::Payment,
        DeliveryKey::Status(_) => CallKind::Status,
    };
    let fate = match delivery.state {
        _ if delivery.id.is_some() => CallFate::Changed,
        DeliveryState::Queued | DeliveryState::Sending => CallFate::Told,
        DeliveryState::Held | DeliveryState::Rejected => CallFate::Held,
        DeliveryState::Delivered
        | DeliveryState::Duplicate
        | DeliveryState::Cancelled
        | DeliveryState::Superseded
        | DeliveryState::Discarded => CallFate::NotTold,
    };
    let (amount, currency) = match &delivery.call {
        Call::PaymentSucceeded { amount, currency, .. } if kind == CallKind::Payment => {
            (Some(*amount), Some(*currency))
        }
        Call::PaymentSucceeded { .. } | Call::CustomerCreated { .. } => (None, None),
    };
    // What a call waits for does not keep it from being told.
    let reason = delivery.reason.filter(|_| fate != CallFate::Told).map(DeliveryReason::code).map(str::to_owned);
    BackfillCall { kind, fate, reason, currency, amount, count: 1 }
}
