//! Payments of some time, and what they add up to.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Delivery;

/// `GET /api/v1/payments`: a page, those that were paid last first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PaymentPage {
    /// The payments.
    pub payments: Vec<Delivery>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
    /// Whether all pages have all that fit. Of a code that more than 2000 events brought, those are listed whose customers the
    /// newest of these events are about.
    #[serde(default = "all")]
    pub complete: bool,
    /// What all pages add up to. Only on the first page.
    pub totals: Option<Totals>,
}

const fn all() -> bool {
    true
}

/// What payments add up to.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// By mode, currency and fate. Amounts of two currencies are never added, nor tests to real money.
    pub sums: Vec<Sum>,
    /// Whether these are all. Where it is not kept what payments add up to, as of a code, those that were paid last are looked at,
    /// 100000 at most.
    pub complete: bool,
}

/// Payments of one mode, currency and fate.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sum {
    /// The code of the mode: real money, or tests.
    #[serde(default)]
    pub mode: String,
    /// The currency.
    pub currency: String,
    /// The code of what became of them. `None` of those that Refairn does not have.
    pub fate: Option<String>,
    /// How many.
    pub payments: u64,
    /// Their sum, exact. `None` when it has more than 28 digits.
    #[schema(value_type = Option<f64>)]
    pub amount: Option<Box<RawValue>>,
}
