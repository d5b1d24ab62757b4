//! Reconciliations: what a provider lists, beside what we have, beside what Refairn took.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::reconciliation::{Side, Summary};

/// `GET /api/v1/reconciliations`: the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReconciliationPage {
    /// The reconciliations.
    pub reconciliations: Vec<Reconciliation>,
}

/// `GET /api/v1/reconciliations/{id}`, and the answer to the request that begins one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reconciliation {
    /// The bridge's id, such as `rec_3`.
    pub id: String,
    /// The endpoint whose provider is asked.
    pub endpoint: String,
    /// The code of the provider. Empty when the endpoint is no longer configured.
    pub provider: String,
    /// The merchant's name for the provider's account. `None` where the configuration gives none.
    pub account: Option<String>,
    /// The code of the mode of the key with which the provider is asked. `None` when the key does not say it.
    pub mode: Option<String>,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The zone of these days.
    pub time_zone: String,
    /// `listing`, `comparing`, `done`, `discarded` or `failed`.
    pub state: String,
    /// Why it waits, or why it ended. `None` where there is nothing to say.
    pub note: Option<String>,
    /// When it goes on, while it waits.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// Pages that were read.
    pub requests: u64,
    /// Rows that were listed.
    pub found: u64,
    /// How payments stand. `None` until all are compared.
    #[schema(value_type = Option<Object>)]
    pub summary: Option<Summary>,
    /// How many payments a person has to look at. `None` until all are compared.
    pub to_see: Option<u64>,
    /// Connected accounts that have sent webhooks, and whose sales this key does not list.
    #[serde(default)]
    pub unlisted_accounts: u64,
    /// When all were compared. `None` until then.
    pub compared_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The version of the bridge that answers.
    pub version: String,
    /// The number of the reading by which events become payments.
    pub reading: u32,
}

/// `GET /api/v1/reconciliations/{id}/payments`: a page, those that were paid first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ComparedPage {
    /// The payments.
    pub payments: Vec<ComparedPayment>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// A payment on both sides.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ComparedPayment {
    /// Its id at the provider.
    pub id: String,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// The code of how it stands.
    pub comparison: String,
    /// The code of the reason. `None` where there is none.
    pub reason: Option<String>,
    /// What is not alike: `amount`, `currency`, `day`, `customer`, `product`.
    pub differs: Vec<String>,
    /// As the provider lists it. `None` where it does not.
    #[schema(value_type = Option<Object>)]
    pub provider: Option<Side>,
    /// As the bridge has it. `None` where it does not.
    #[schema(value_type = Option<Object>)]
    pub ours: Option<Side>,
    /// What Refairn was told, or will be.
    pub told: Vec<ToldCall>,
}

/// A call about a compared payment.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ToldCall {
    /// The bridge's id of the delivery.
    pub delivery_id: String,
    /// The code of its state.
    pub state: String,
    /// The code of what became of it. `None` before Refairn has it.
    pub fate: Option<String>,
    /// The amount, exact.
    pub amount: String,
    /// The currency.
    pub currency: String,
    /// The day on which it is dated.
    pub day: Date,
}
