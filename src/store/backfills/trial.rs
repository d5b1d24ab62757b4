//! One try: events are recorded and read, the ledger plans their customers, and what it says is noted. The caller
//! undoes what it wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::grouping::ToWeigh;
use crate::domain::backfill::{BackfillCall, CallFate, CallKind};
use crate::domain::customer::Change;
use crate::domain::delivery::{Call, Delivery, DeliveryId, DeliveryKey, DeliveryState};
use crate::domain::event::{EventId, EventState, NewEvent, Origin};
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
pub(super) const KNOWN: &str = "known";

/// Rows as they were read, in the order in which they would be recorded.
pub(super) struct Trial {
    pub(super) provider: ProviderKind,
    pub(super) rows: Vec<(ToWeigh, Mapped)>,
    pub(super) planning: Planning,
    pub(super) now: Timestamp,
}

/// What a row would come to.
#[derive(Default)]
pub(super) struct Weighed {
    pub(super) outcome: String,
    pub(super) calls: Vec<BackfillCall>,
}

impl Work for Trial {
    /// Of each row.
    type Answer = Vec<Weighed>;

    async fn run<D: Db>(&self, db: &D) -> Result<Vec<Weighed>, StoreError> {
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
        let (mut calls, mut ends) = (Vec::new(), BTreeMap::new());
        for key in &people {
            let customer = load(db, key).await?;
            let plan = self.planning.plan_or_hold(&customer, self.now);
            for (event, outcome) in &plan.outcomes {
                ends.insert(*event, outcome_of((outcome.end.state(), outcome.end.reason())));
            }
            let before: BTreeMap<Option<DeliveryId>, &Delivery> =
                customer.deliveries.iter().map(|d| (d.id, d)).collect();
            let changes = plan.changes.iter().map(Change::delivery);
            let news = changes.filter(|d| before.get(&d.id).is_none_or(|old| says_more(old, d)));
            calls.extend(news.map(|delivery| (delivery.event, call(delivery))));
        }
        let mut weighed = Vec::new();
        for event in &events {
            let outcome = match event {
                None => KNOWN.to_owned(),
                Some(event) => match ends.get(event) {
                    Some(end) => end.clone(),
                    None => outcome_of(end(db, *event).await?),
                },
            };
            weighed.push(Weighed { outcome, calls: Vec::new() });
        }
        let places = events.iter().enumerate().filter_map(|(place, event)| Some(((*event)?, place)));
        let places: HashMap<EventId, usize> = places.collect();
        for (event, call) in calls {
            // A call that was there before changes by something of this try: which row is named does not matter.
            let place = places.get(&event).copied().unwrap_or(0);
            weighed.get_mut(place).into_iter().for_each(|row| row.calls.push(call.clone()));
        }
        Ok(weighed)
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

fn outcome_of((state, reason): (EventState, Option<EventReason>)) -> String {
    match reason {
        Some(reason) => format!("{}:{}", state.code(), reason.code()),
        None => state.code().to_owned(),
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
