//! The JSON that the bridge answers: the API, health, webhooks and errors. Each shape is one type, which `http` writes and
//! the commands read, so that both change together.
//!
//! A reader ignores the fields that it does not know: a newer bridge may have more. Codes (states, reasons, kinds, fates,
//! modes) are texts here, because a newer bridge may have more of these, too. `docs/` lists them.
//!
//! Shapes that hold a customer's address or a body have no `Debug`: neither may get into a log.

mod backfills;
mod customers;
mod deliveries;
mod events;
mod forget;
mod health;
mod payments;
mod people;
mod problem;
mod reconciliations;
mod search;
mod stats;
#[cfg(test)]
mod tests;
mod webhooks;

pub use backfills::{Backfill, BackfillPage};
pub use customers::{CustomerStory, StoryEvent, Verdict, Why};
pub use deliveries::{Attempt, Delivery, DeliveryPage, FoundCode, LookedIn, PaymentFields};
pub use events::{ChangedEvent, ChangedPage, Event, EventDetail, EventPage, Standing};
pub use forget::{ForgetReceipt, ForgetRequest};
pub use health::{Live, Ready};
pub use payments::{PaymentPage, Sum, Totals};
pub use people::{Access, AccessPage, AlertPlace, AlertTest, AuditEntry, AuditPage, NewAccess};
pub use problem::Problem;
pub use reconciliations::{ComparedPage, ComparedPayment, Reconciliation, ReconciliationPage, ToldCall};
pub use search::{Hit, SearchPage};
pub use stats::{EventsToSee, LastReconciliation, LastWebhook, RefusedRequests, Route, Stats, UnderWay};
pub use webhooks::Received;

use crate::domain::reason::Reason;

/// A reason in words, what to do about it, and `detail` in brackets. `None` when there is neither reason nor detail.
#[must_use]
pub fn explain(reason: Option<Reason>, detail: Option<&str>) -> Option<String> {
    explain_with(reason, reason.map_or("", Reason::cure), detail)
}

/// The same with something else than the reason's own words about what to do.
#[must_use]
pub fn explain_with(reason: Option<Reason>, to_do: &str, detail: Option<&str>) -> Option<String> {
    let words = reason.map(|reason| format!("{} {to_do}", reason.sentence()));
    match (words, detail) {
        (Some(words), Some(detail)) => Some(format!("{words} ({detail})")),
        (Some(words), None) => Some(words),
        (None, detail) => detail.map(str::to_owned),
    }
}
