//! What is asked and answered when a customer is forgotten.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `POST /api/v1/customers/forget`. The address is not in the path, which servers log.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// The address.
    #[schema(pattern = r"^[A-Za-z0-9._+-]{1,60}@[A-Za-z0-9-]{1,40}\.[a-z]{2,10}$")]
    pub email: String,
    /// Also if something was not sent yet: it never will be.
    #[serde(default)]
    pub anyway: bool,
    /// Only say what it would come to, and change nothing.
    #[serde(default)]
    pub preview: bool,
    /// A word about it, for those who look at what was decided.
    #[serde(default)]
    #[schema(pattern = r"^[\x20-\x7e]{0,500}$")]
    pub note: Option<String>,
}

/// What was done, or would be, what stays, and where else the address may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgetReceipt {
    /// Stands for the address from now on: a keyed hash. `None` of a preview.
    pub pseudonym: Option<String>,
    /// What keeps them from being forgotten, unless it is done anyway. Only a preview says so.
    pub in_the_way: Option<String>,
    /// Businesses whose customer it was.
    pub businesses: Vec<String>,
    /// Events whose facts stay, without address and name.
    pub events: u64,
    /// Bodies of webhooks that were removed.
    pub bodies_removed: u64,
    /// Calls to Refairn that stay, without address and name.
    pub calls: u64,
    /// Of these, calls that had not been sent, and never will be.
    pub discarded: u64,
    /// Whether what was removed is overwritten in the database's own file and its log. `None` of a preview, and where a
    /// server has the database.
    pub file_is_clean: Option<bool>,
    /// What stays, a sentence each.
    pub stays: Vec<String>,
    /// What this did not reach, a sentence each.
    pub not_reached: Vec<String>,
}
