//! The codes of states and reasons as statements name them. They stand in the text and not among the parameters: an index
//! over a part of a table serves only a statement whose text names that part.

use crate::domain::delivery::{DeliveryKey, DeliveryState};
use crate::domain::event::EventState;
use crate::domain::reason::EventReason;

pub(super) const RECEIVED: &str = EventState::Received.code();
pub(super) const MAPPED: &str = EventState::Mapped.code();
pub(super) const IGNORED: &str = EventState::Ignored.code();
pub(super) const WAITING: &str = EventState::Waiting.code();
pub(super) const UNMAPPABLE: &str = EventState::Unmappable.code();

const QUEUED: &str = DeliveryState::Queued.code();
pub(super) const SENDING: &str = DeliveryState::Sending.code();
pub(super) const CANCELLED: &str = DeliveryState::Cancelled.code();
pub(super) const SUPERSEDED: &str = DeliveryState::Superseded.code();
const DELIVERED: &str = DeliveryState::Delivered.code();
const DUPLICATE: &str = DeliveryState::Duplicate.code();

pub(super) const THIN_EVENT: &str = EventReason::ThinEvent.code();

/// The condition that an event or a call needs attention, in the words of the indexes that find it.
pub(super) const NEEDS_ATTENTION: &str = "attention = 1";

/// The condition that an event has this state, in the words of the index that finds it. Of those that were mapped none
/// does: they are all sales, and a list of the newest has found them soon.
pub(super) fn event_is(state: EventState) -> String {
    let code = state.code();
    match state {
        EventState::Received | EventState::Mapped => format!("state = '{code}'"),
        EventState::Ignored | EventState::Waiting | EventState::Unmappable => {
            format!("state NOT IN ('{RECEIVED}', '{MAPPED}') AND state = '{code}'")
        }
    }
}

/// The condition that a call has this state, in the words of the index that finds it. What is delivered is nearly all.
pub(super) fn delivery_is(state: DeliveryState) -> String {
    let code = state.code();
    match state {
        DeliveryState::Queued | DeliveryState::Sending => {
            format!("state IN ('{QUEUED}', '{SENDING}') AND state = '{code}'")
        }
        DeliveryState::Delivered => format!("state = '{code}'"),
        DeliveryState::Duplicate
        | DeliveryState::Rejected
        | DeliveryState::Held
        | DeliveryState::Cancelled
        | DeliveryState::Superseded
        | DeliveryState::Discarded => {
            format!("state <> '{QUEUED}' AND state <> '{SENDING}' AND state <> '{DELIVERED}' AND state = '{code}'")
        }
    }
}

/// The condition that a key of a delivery, in the column `subject_key` of a row with this name (`d.`, or nothing), is a
/// payment's, as our indexes have it.
pub(super) fn is_payment(row: &str) -> String {
    let begins = format!("{} ", DeliveryKey::PAYMENT);
    format!("substr({row}subject_key, 1, {}) = '{begins}'", begins.len())
}

/// The same of rows that are found otherwise: a column in an expression leads nowhere.
pub(super) fn tells_payment(row: &str) -> String {
    is_payment(row).replacen("subject_key", "subject_key || ''", 1)
}

/// The condition under which a call has left the house, or may have.
pub(super) fn has_left() -> String {
    format!("(state IN ('{SENDING}', '{DELIVERED}', '{DUPLICATE}') OR outcome_unknown = 1)")
}
