//! Backfills: what was listed at a provider, and what would be told of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::backfill::BackfillSummary;

/// `GET /api/v1/backfills`: the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BackfillPage {
    /// The backfills.
    pub backfills: Vec<Backfill>,
}

/// `GET /api/v1/backfills/{id}`, and the answer to every action on one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Backfill {
    /// The bridge's id, such as `bkf_3`.
    pub id: String,
    /// The endpoint whose provider is asked.
    pub endpoint: String,
    /// Payments that were made at this time or later.
    pub since: Timestamp,
    /// Payments that were made at this time or before.
    pub until: Timestamp,
    /// The zone in which its payments have their days. Empty when the endpoint is no longer configured.
    #[serde(default)]
    pub time_zone: String,
    /// The code of its state.
    pub state: String,
    /// Why it waits, or why it ended. `None` where there is nothing to say.
    pub note: Option<String>,
    /// When it goes on, while it waits.
    pub due_at: Timestamp,
    /// Pages that were read.
    pub requests: u64,
    /// Rows that were listed.
    pub found: u64,
    /// Those of an event that was recorded before.
    pub known: u64,
    /// Those that report nothing, or a payment of another time.
    pub ignored: u64,
    /// Those that became events.
    pub recorded: u64,
    /// What it would come to. `None` until that is known.
    #[schema(value_type = Option<Object>)]
    pub summary: Option<BackfillSummary>,
    /// Connected accounts that have sent webhooks, and whose sales this key does not list.
    #[serde(default)]
    pub unlisted_accounts: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
}
