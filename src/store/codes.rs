//! The codes of states and reasons as statements name them. They stand in the text and not among the parameters: an index
//! over a part of a table serves only a statement whose text names that part.

use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventState;
use crate::domain::reason::EventReason;

pub(super) const RECEIVED: &str = EventState::Received.code();
pub(super) const MAPPED: &str = EventState::Mapped.code();
pub(super) const IGNORED: &str = EventState::Ignored.code();
pub(super) const WAITING: &str = EventState::Waiting.code();
pub(super) const UNMAPPABLE: &str = EventState::Unmappable.code();

pub(super) const SENDING: &str = DeliveryState::Sending.code();
pub(super) const CANCELLED: &str = DeliveryState::Cancelled.code();
const DELIVERED: &str = DeliveryState::Delivered.code();
const DUPLICATE: &str = DeliveryState::Duplicate.code();

pub(super) const THIN_EVENT: &str = EventReason::ThinEvent.code();

/// The condition under which a call has left the house, or may have.
pub(super) fn has_left() -> String {
    format!("(state IN ('{SENDING}', '{DELIVERED}', '{DUPLICATE}') OR outcome_unknown = 1)")
}
