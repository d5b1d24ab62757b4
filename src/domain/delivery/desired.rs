//! What a call has to be, as the plan wants it.

use jiff::Timestamp;

use super::{Call, DeliveryKey, DeliveryState};
use crate::domain::event::EventId;
use crate::domain::mode::Mode;
use crate::domain::reason::DeliveryReason;

/// The desired state of a call of which nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredDelivery {
    /// The event that asks for it.
    pub event: EventId,
    /// What it is about.
    pub subject: DeliveryKey,
    /// Real money or not.
    pub mode: Mode,
    /// When what it tells became true; see [`super::DeliveryRecord::at`].
    pub at: Timestamp,
    /// What is told.
    pub call: Call,
    /// Whether it goes out.
    pub intent: Intent,
    /// More for a person; nothing where the reason says all.
    pub detail: Option<String>,
}

/// Whether a call goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It goes out by itself.
    Send {
        /// Not before.
        due_at: Timestamp,
        /// What it waits for until then; nothing where it is due.
        waits_for: Option<DeliveryReason>,
    },
    /// It goes out when an operator says so.
    Hold(DeliveryReason),
    /// It does not go out.
    Cancel(DeliveryReason),
}

impl Intent {
    /// The state, the reason and the due time that follow from it at `now`.
    pub(super) fn parts(self, now: Timestamp) -> (DeliveryState, Option<DeliveryReason>, Timestamp) {
        match self {
            Self::Send { due_at, waits_for } => (DeliveryState::Queued, waits_for, due_at),
            Self::Hold(reason) => (DeliveryState::Held, Some(reason), now),
            Self::Cancel(reason) => (DeliveryState::Cancelled, Some(reason), now),
        }
    }
}
