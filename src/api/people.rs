//! People: who has access, and who decided what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/audit`: a page, the newest decision first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The decisions.
    pub audit: Vec<AuditEntry>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// Something that somebody decided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// The bridge's id of it, such as `aud_5`.
    pub id: String,
    /// When it was decided, by the store's clock.
    pub at: Timestamp,
    /// The name of the person; `admin` has the admin token.
    pub who: String,
    /// By which way: `api`, which the commands use, or `dashboard`.
    pub via: String,
    /// The code of what was decided.
    pub decision: String,
    /// The bridge's id of what it is about, such as `dlv_9`.
    pub item: String,
    /// Whose item it is. `None` of what is about the whole bridge.
    pub business: Option<String>,
    /// What they wrote.
    pub note: Option<String>,
    /// State and reason before.
    pub before: Option<String>,
    /// State and reason after.
    pub after: Option<String>,
    /// The day of the payment before.
    pub day_before: Option<String>,
    /// The day of the payment after.
    pub day_after: Option<String>,
}

/// `GET /api/v1/access`
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccessPage {
    /// The tokens that were given, the newest first.
    pub access: Vec<Access>,
}

/// A token that was given to somebody. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// The bridge's id of it, such as `acc_3`.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// The code of the role: `read`, `operate` or `admin`.
    pub role: String,
    /// The only business that it sees. `None` of one that sees all.
    pub business: Option<String>,
    /// `holds`, `ended` or `revoked`.
    pub state: String,
    /// When it was given.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// `POST /api/v1/access`: the only answer that has the token. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewAccess {
    /// What was given.
    #[serde(flatten)]
    pub access: Access,
    /// The token.
    pub token: String,
    /// Where it opens the dashboard; a path, if the bridge does not know its address (`public_url`).
    pub link: String,
}

/// `POST /api/v1/alerts/test`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertTest {
    /// Every place that alerts go to.
    pub places: Vec<AlertPlace>,
}

/// A place that a message was sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertPlace {
    /// `slack` or `webhook`.
    pub name: String,
    /// Why it did not arrive. `None` when it did.
    pub failed: Option<String>,
}
