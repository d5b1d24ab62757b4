//! What a search finds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/search`: customers first, then payments, other calls and events, each kind as it is sorted.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SearchPage {
    /// What was found.
    pub hits: Vec<Hit>,
    /// There are more of a kind than are given: more of what is sought finds them.
    pub more: bool,
    /// Commands that ask the providers, where nothing was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// Something that has to do with what is sought.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// `customer`, `payment`, `delivery` (a call that is no payment's) or `event`.
    pub kind: String,
    /// The address of a customer, or the bridge's id.
    pub id: String,
    /// The path of the API that shows it.
    pub link: String,
    /// In a few words: amount and day, or the provider's type.
    pub what: String,
    /// The Refairn business. `None` of an event.
    pub business: Option<String>,
    /// The customer's address. `None` of an event.
    pub email: Option<String>,
    /// The code of the mode. `None` where it is not known.
    pub mode: Option<String>,
    /// The provider's id of the payment or event.
    pub provider_id: Option<String>,
    /// The code of the state. `None` of a customer.
    pub state: Option<String>,
    /// The code of the reason for it.
    pub reason: Option<String>,
    /// The code of what became of a payment that Refairn has.
    pub fate: Option<String>,
    /// When the payment was paid, the call was made or the event arrived. `None` of a customer.
    pub at: Option<Timestamp>,
}
