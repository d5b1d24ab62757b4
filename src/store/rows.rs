//! Domain types ↔ columns. Times are microseconds since 1970; enums are their codes.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::StoreError;
use super::counts::Counted;
use super::sql::{Db, Row, Value, values};
use super::sums::Sold;
use super::written::{self, read_call, read_subject};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryKey, DeliveryRecord, DeliveryState};
use crate::domain::event::{EventId, Origin, Outcome};
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, EventReason, UnknownReason};
use crate::ledger::resolve::Evidence;

/// A time as it is stored.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A stored time.
pub(super) fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::Data(format!("time {micros} is out of range")))
}

/// A span as it is stored.
pub(super) fn span_micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A stored time that may be absent.
pub(super) fn time_option(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(time).transpose()
}

/// How surely an id is somebody's, as it is stored: since when, or a time that no event has.
pub(super) fn evidence_micros(evidence: Evidence) -> i64 {
    match evidence {
        Evidence::Guessed => i64::MIN,
        Evidence::Inferred => i64::MIN + 1,
        Evidence::Named(at) => micros(at),
    }
}

/// The same, read.
pub(super) fn evidence(stored: i64) -> Result<Evidence, StoreError> {
    let unnamed = [Evidence::Guessed, Evidence::Inferred].into_iter().find(|e| evidence_micros(*e) == stored);
    unnamed.map_or_else(|| Ok(Evidence::Named(time(stored)?)), Ok)
}

/// A stored reason, of an event or of a delivery.
pub(super) fn reason<R: FromStr<Err = UnknownReason>>(code: Option<String>) -> Result<Option<R>, StoreError> {
    code.map(|c| c.parse().map_err(|e: UnknownReason| StoreError::Data(e.to_string()))).transpose()
}

pub(super) fn mode(code: &str) -> Result<Mode, StoreError> {
    [Mode::Live, Mode::Test].into_iter().find(|m| m.code() == code).ok_or_else(|| unknown("mode", code))
}

pub(super) fn origin(code: &str) -> Result<Origin, StoreError> {
    Origin::parse(code).ok_or_else(|| unknown("origin", code))
}

pub(super) fn unknown(what: &str, code: &str) -> StoreError {
    StoreError::Data(format!("unknown {what} {code:?}"))
}

/// The columns of a delivery, in the order in which [`delivery`] reads them.
pub(super) const DELIVERY_COLUMNS: &str = "id, event_id, subject, subject_key, mode, at, kind, call, state, reason, detail, attention, \
     released, acknowledged, due_at, attempts, first_attempt_at, taken_seq, last_seq, waited, \
     outcome_unknown, settled_at, receipt, created_at, waits_from";

/// Reads a delivery from [`DELIVERY_COLUMNS`].
pub(super) fn delivery(row: &mut Row) -> Result<Delivery, StoreError> {
    let id = Some(DeliveryId(row.int()?));
    let event = EventId(row.int()?);
    let subject = read_subject(&row.text()?, &row.text()?)?;
    let mode = mode(&row.text()?)?;
    let at = time(row.int()?)?;
    let call = read_call(&row.text()?, &row.text()?)?;
    let state = row.text()?;
    Ok(Delivery::restore(DeliveryRecord {
        id,
        event,
        subject,
        mode,
        at,
        call,
        state: DeliveryState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        reason: reason(row.text_option()?)?,
        detail: row.text_option()?,
        attention: row.flag()?,
        released: row.flag()?,
        acknowledged: row.flag()?,
        due_at: time(row.int()?)?,
        attempts: u32::try_from(row.int()?).map_err(|_| StoreError::Data("attempts are out of range".to_owned()))?,
        first_attempt_at: time_option(row.int_option()?)?,
        taken_seq: row.int_option()?,
        last_seq: row.int_option()?,
        waited: Duration::from_micros(
            row.int()?.try_into().map_err(|_| StoreError::Data("a wait is out of range".to_owned()))?,
        ),
        outcome_unknown: row.flag()?,
        settled_at: time_option(row.int_option()?)?,
        receipt: row.text_option()?.map(|r| serde_json::from_str(&r)).transpose()?,
        created_at: time(row.int()?)?,
        waits_from: time(row.int()?)?,
    }))
}

/// Writes what differs between a delivery as it is stored and as it becomes: every column that is named costs its indexes
/// and triggers, whether its value changes or not. `business` is its customer's.
pub(super) async fn update_delivery<D: Db>(
    db: &D,
    business: &str,
    stored: &Delivery,
    d: &Delivery,
) -> Result<(), StoreError> {
    let Some(id) = stored.id else { return Err(StoreError::Data("a delivery without a number is changed".to_owned())) };
    let mut set = Vec::new();
    let mut of = values![id.0];
    macro_rules! write_changed {
        ($($column:literal: $field:ident => $value:expr;)*) => { $(
            if stored.$field != d.$field {
                of.push(Value::from($value));
                set.push(format!("{} = ?{}", $column, of.len()));
            }
        )* };
    }
    if stored.state != d.state && stored.reason.is_some() && stored.reason == d.reason {
        // A trigger hangs on the column, and ends what the reason asked for.
        of.push(Value::from(d.reason.map(DeliveryReason::code)));
        set.push(format!("reason = ?{}", of.len()));
    }
    write_changed! {
        "event_id": event => d.event.0;
        "at": at => micros(d.at);
        "call": call => written::call(&d.call)?;
        "state": state => d.state.code();
        "reason": reason => d.reason.map(DeliveryReason::code);
        "detail": detail => d.detail.as_ref();
        "attention": attention => d.attention;
        "released": released => d.released;
        "acknowledged": acknowledged => d.acknowledged;
        "due_at": due_at => micros(d.due_at);
        "attempts": attempts => d.attempts;
        "first_attempt_at": first_attempt_at => d.first_attempt_at.map(micros);
        "outcome_unknown": outcome_unknown => d.outcome_unknown;
        "settled_at": settled_at => d.settled_at.map(micros);
        "receipt": receipt => d.receipt.as_ref().map(serde_json::to_string).transpose()?;
        "waited": waited => span_micros(d.waited);
        "taken_seq": taken_seq => d.taken_seq;
        "last_seq": last_seq => d.last_seq;
        "waits_from": waits_from => micros(d.waits_from);
    }
    if !set.is_empty() {
        db.execute(&format!("UPDATE deliveries SET {} WHERE id = ?1", set.join(", ")), of).await?;
        count(db, business, stored, false);
        count(db, business, d, true);
    }
    Ok(())
}

/// Counts a call that is there now, or is no more.
fn count<D: Db>(db: &D, business: &str, call: &Delivery, is_there: bool) {
    Counted::of(call).for_each(|counted| db.count(counted, if is_there { 1 } else { -1 }));
    if let Some(sold) = Sold::of(business, call) {
        db.add_up(sold, is_there);
    }
}

/// Inserts a delivery that has no number yet. Gives its number; nothing where another customer has a change of status in
/// the name of the same event, which an event that moved may bring about.
pub(super) async fn insert_delivery<D: Db>(
    db: &D,
    key: &CustomerKey,
    d: &Delivery,
) -> Result<Option<DeliveryId>, StoreError> {
    let receipt = d.receipt.as_ref().map(serde_json::to_string).transpose()?;
    let (subject, call) = (written::subject(&d.subject)?, written::call(&d.call)?);
    let (reason, settled_at) = (d.reason.map(DeliveryReason::code), d.settled_at.map(micros));
    let (first_attempt_at, waited) = (d.first_attempt_at.map(micros), span_micros(d.waited));
    let is_status = matches!(d.subject, DeliveryKey::Status(_));
    let unless = if is_status { "ON CONFLICT (business, subject_key) DO NOTHING" } else { "" };
    let sql = format!(
        "INSERT INTO deliveries (business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, \
         reason, detail, attention, released, acknowledged, due_at, attempts, first_attempt_at, outcome_unknown, \
         settled_at, receipt, created_at, waited, taken_seq, last_seq, waits_from) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
         ?24, ?25, ?26) {unless}"
    );
    let row = values![
        &key.business,
        &key.email_key,
        d.event.0,
        d.subject.key(&key.email_key),
        subject,
        d.call.kind().code(),
        d.mode.code(),
        micros(d.at),
        call,
        d.state.code(),
        reason,
        d.detail.as_ref(),
        d.attention,
        d.released,
        d.acknowledged,
        micros(d.due_at),
        d.attempts,
        first_attempt_at,
        d.outcome_unknown,
        settled_at,
        receipt,
        micros(d.created_at),
        waited,
        d.taken_seq,
        d.last_seq,
        micros(d.waits_from)
    ];
    let id = db.insert(&sql, row).await?.map(DeliveryId);
    if id.is_some() {
        count(db, &key.business, d, true);
    }
    if id.is_none() && !is_status {
        return Err(StoreError::Data("a delivery got no number".to_owned()));
    }
    Ok(id)
}

/// Writes an event's outcome if it differs from what is there; takes it out of the inbox.
pub(super) async fn put_outcome<D: Db>(db: &D, event: EventId, outcome: &Outcome) -> Result<(), StoreError> {
    put_outcome_if(db, event, outcome, "").await
}

/// The same, where a condition on the event's row holds as well.
pub(super) async fn put_outcome_if<D: Db>(
    db: &D,
    event: EventId,
    outcome: &Outcome,
    condition: &str,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE events SET state = ?2, reason = ?3, detail = ?4 WHERE id = ?1 \
         AND (state IS DISTINCT FROM ?2 OR reason IS DISTINCT FROM ?3 OR detail IS DISTINCT FROM ?4) {condition}"
    );
    let reason = outcome.end.reason().map(EventReason::code);
    db.execute(&sql, values![event.0, outcome.end.state().code(), reason, outcome.detail.as_ref()]).await?;
    Ok(())
}
