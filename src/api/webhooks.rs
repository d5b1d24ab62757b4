//! What a provider is answered.

use serde::{Deserialize, Serialize};

/// `POST /webhooks/…`, where the event is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// True. Trouble is answered with a [`super::Problem`].
    pub received: bool,
    /// The bridge's id of the event, such as `evt_17`.
    pub event: String,
    /// Whether the event was recorded before.
    pub duplicate: bool,
}
