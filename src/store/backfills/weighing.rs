//! What was listed, tried out and undone: what each event would come to, and which calls would follow. The ledger itself
//! says it, so that it says the same once the events are recorded.
//!
//! A customer's events are tried out together, found by the ids that they share.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::backfill::{
    BackfillCall, BackfillId, BackfillState, BackfillSummary, CallFate, CallKind, EventSum, Stage,
};
use crate::domain::customer::Change;
use crate::domain::delivery::{Call, Delivery, DeliveryId, DeliveryKey, DeliveryState};
use crate::domain::event::{EventId, EventState, Identity, NewEvent, Origin};
use crate::domain::provider::ProviderKind;
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::store::inbox::facts::{Mapped, post};
use crate::store::inbox::readings::{end, says_more};
use crate::store::inbox::record::insert;
use crate::store::queue::customer_plan::load;
use crate::store::queue::planning::Planning;
use crate::store::rows::{micros, unknown};
use crate::store::sql::{Db, Lock, Work, values};
use crate::store::{Store, StoreError};

/// Rows of one try: the one writer is kept from its work meanwhile. A customer with more is tried out in parts.
const TRIED_MAX: usize = 100;
/// Rows with which a try begins; those that belong to them come beside.
const SEEDS: u32 = 25;
/// Shares of ids that are looked at for one step.
const BESIDE_MAX: usize = 2000;
/// How often others are looked for that share an id: a refund with its payment, and that with its customer's others.
const STEPS_MAX: usize = 4;
/// Rows of a summary that are read in one go.
const SUMMED_ROWS: u32 = 1000;
/// What becomes of a row whose event was recorded meanwhile. It is not recorded.
pub(super) const KNOWN: &str = "known";

/// A row that was not tried out yet.
#[derive(Debug, Clone)]
pub struct ToWeigh {
    /// The number that it got when it was listed.
    pub id: i64,
    /// What tells it from every other event of its endpoint.
    pub identity: Identity,
    /// The body of its event, zstd-compressed.
    pub body_zstd: Vec<u8>,
}

impl Store {
    /// Rows that belong together and were not tried out yet. Empty when all were.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn to_weigh(&self, id: BackfillId) -> Result<Vec<ToWeigh>, StoreError> {
        let sql = "SELECT id FROM listed WHERE backfill = ?1 AND outcome IS NULL ORDER BY id LIMIT ?2".to_owned();
        let mut group = BTreeSet::new();
        for mut row in self.query(sql, values![id.0, SEEDS]).await? {
            group.insert(row.int()?);
        }
        for _ in 0..STEPS_MAX {
            let before = group.len();
            if before == 0 || before >= TRIED_MAX {
                break;
            }
            group.extend(self.beside(id, &group).await?);
            if group.len() == before {
                break;
            }
        }
        let numbers = self.dialect().numbers("?2");
        let sql = format!(
            "SELECT id, dedup_key, provider_event_id, type, snapshot_event, body FROM listed WHERE backfill = ?1 \
             AND id IN ({numbers}) ORDER BY stage, at, id"
        );
        let rows = self.query(sql, values![id.0, serde_json::to_string(&group)?]).await?;
        rows.into_iter()
            .map(|mut row| Ok(ToWeigh { id: row.int()?, identity: identity(&mut row)?, body_zstd: body(&mut row)? }))
            .collect()
    }

    /// Rows that share an id with one of these, and were not tried out yet.
    ///
    /// One question after the other: asked for by one statement, a database may look through all that was listed.
    async fn beside(&self, id: BackfillId, group: &BTreeSet<i64>) -> Result<Vec<i64>, StoreError> {
        let sql = format!("SELECT DISTINCT key FROM listed_ids WHERE listed IN ({})", self.dialect().numbers("?1"));
        let keys = self.query(sql, values![serde_json::to_string(group)?]).await?;
        let keys = keys.into_iter().map(|mut row| row.text()).collect::<Result<Vec<_>, _>>()?;
        let sql = format!(
            "SELECT listed FROM listed_ids WHERE backfill = ?1 AND key IN ({}) LIMIT {BESIDE_MAX}",
            self.dialect().texts("?2")
        );
        let beside = self.query(sql, values![id.0, serde_json::to_string(&keys)?]).await?;
        let beside = beside.into_iter().map(|mut row| row.int()).collect::<Result<BTreeSet<_>, _>>()?;
        let sql = format!(
            "SELECT id FROM listed WHERE id IN ({}) AND outcome IS NULL ORDER BY id LIMIT {TRIED_MAX}",
            self.dialect().numbers("?1")
        );
        let rows = self.query(sql, values![serde_json::to_string(&beside)?]).await?;
        rows.into_iter().map(|mut row| row.int()).collect()
    }

    /// Tries these rows out, read so, and notes what they would come to. Nothing else is written.
    ///
    /// # Errors
    /// Nothing was noted.
    pub async fn weigh(
        &self,
        id: BackfillId,
        provider: ProviderKind,
        rows: Vec<(ToWeigh, Mapped)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Weigh { id, provider, rows, planning: self.planning.clone(), now }).await
    }

    /// Adds up what all rows would come to; then a person has to say whether they are recorded.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn sum_up_backfill(&self, id: BackfillId, now: Timestamp) -> Result<(), StoreError> {
        let (mut events, mut calls) = (BTreeMap::new(), Vec::new());
        let mut after = 0;
        loop {
            let sql =
                "SELECT id, stage, outcome, calls FROM listed WHERE backfill = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            let rows = self.query(sql.to_owned(), values![id.0, after, SUMMED_ROWS]).await?;
            if rows.is_empty() {
                break;
            }
            for mut row in rows {
                after = row.int()?;
                let key = (row.int()?, row.text_option()?.unwrap_or_default());
                *events.entry(key).or_insert(0_u64) += 1;
                if let Some(json) = row.text_option()? {
                    serde_json::from_str::<Vec<BackfillCall>>(&json)?
                        .into_iter()
                        .for_each(|call| add(&mut calls, call));
                }
            }
        }
        let events = events.into_iter().map(|((stage, outcome), count)| {
            let (state, reason) = outcome.split_once(':').unwrap_or((&outcome, ""));
            let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
            EventSum { stage: name(stage).to_owned(), state: state.to_owned(), reason, count }
        });
        let summary = BackfillSummary { events: events.collect(), calls };
        self.write(SumUp { id, summary, now }).await
    }
}

pub(super) fn identity(row: &mut crate::store::sql::Row) -> Result<Identity, StoreError> {
    Ok(Identity {
        dedup_key: row.text()?,
        provider_event_id: row.text_option()?,
        event_type: row.text()?,
        snapshot_event: row.text_option()?,
        // Nothing of what nobody sent us: an endpoint's last webhook is found by it.
        mode: None,
    })
}

pub(super) fn body(row: &mut crate::store::sql::Row) -> Result<Vec<u8>, StoreError> {
    row.bytes_option()?.ok_or_else(|| StoreError::Data("what was listed has no body".to_owned()))
}

fn name(stage: i64) -> &'static str {
    match Stage::ALL.iter().find(|known| known.place() == stage) {
        Some(Stage::Customers) | None => "customers",
        Some(Stage::Reversals) => "reversals",
        Some(Stage::Payments) => "payments",
        Some(Stage::Statuses) => "statuses",
    }
}

/// Adds a call to those that are alike.
fn add(sums: &mut Vec<BackfillCall>, call: BackfillCall) {
    let alike = |sum: &&mut BackfillCall| {
        (sum.kind, sum.fate, &sum.reason, sum.currency) == (call.kind, call.fate, &call.reason, call.currency)
    };
    match sums.iter_mut().find(alike) {
        Some(sum) => {
            sum.count += call.count;
            sum.amount = sum.amount.zip(call.amount).and_then(|(sum, more)| sum.checked_add(more));
        }
        None => sums.push(call),
    }
}

struct Weigh {
    id: BackfillId,
    provider: ProviderKind,
    rows: Vec<(ToWeigh, Mapped)>,
    planning: Planning,
    now: Timestamp,
}

/// What a row would come to.
#[derive(Default)]
struct Weighed {
    outcome: String,
    calls: Vec<BackfillCall>,
}

impl Work for Weigh {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.try_out().await?;
        let weighed = self.try_out(db).await?;
        db.undo_trial().await?;
        let sql = "UPDATE listed SET outcome = ?2, calls = ?3 WHERE id = ?1";
        for ((row, _), Weighed { outcome, calls }) in self.rows.iter().zip(weighed) {
            let calls = if calls.is_empty() { None } else { Some(serde_json::to_string(&calls)?) };
            db.execute(sql, values![row.id, outcome, calls]).await?;
        }
        // Another replica may go on with the rest.
        db.execute("UPDATE backfills SET changed_at = ?2 WHERE id = ?1", values![self.id.0, micros(self.now)]).await?;
        Ok(())
    }
}

impl Weigh {
    async fn try_out<D: Db>(&self, db: &D) -> Result<Vec<Weighed>, StoreError> {
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
        for (event, call) in calls {
            // A call that was there before changes by something of this try: which row is named does not matter.
            let place = events.iter().position(|tried| *tried == Some(event)).unwrap_or(0);
            weighed.get_mut(place).into_iter().for_each(|row| row.calls.push(call.clone()));
        }
        Ok(weighed)
    }

    fn event(&self, row: &ToWeigh, mapped: &Mapped) -> NewEvent {
        NewEvent {
            origin: Origin::Backfill,
            endpoint: mapped.endpoint.clone(),
            provider: self.provider,
            business: mapped.business.clone(),
            identity: row.identity.clone(),
            body_zstd: row.body_zstd.clone(),
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

struct SumUp {
    id: BackfillId,
    summary: BackfillSummary,
    now: Timestamp,
}

impl Work for SumUp {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE backfills SET state = ?3, summary = ?4, changed_at = ?5 WHERE id = ?1 AND state = ?2";
        let [from, to] = [BackfillState::Weighing, BackfillState::Ready].map(BackfillState::code);
        let changed = db
            .execute(sql, values![self.id.0, from, to, serde_json::to_string(&self.summary)?, micros(self.now)])
            .await?;
        if changed > 1 {
            return Err(unknown("backfill", &self.id.to_string()));
        }
        Ok(())
    }
}
