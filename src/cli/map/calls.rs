//! The calls to Refairn that a plan makes: the exact bodies, and when each goes out.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::output::{body, columns};
use crate::domain::customer::{CustomerHistory, CustomerKey, Plan};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::reason::DeliveryReason;

/// A call that would be made, or held.
#[derive(Serialize)]
pub(super) struct PlannedCall {
    kind: &'static str,
    method: &'static str,
    path: String,
    /// The exact body.
    body: Box<RawValue>,
    state: &'static str,
    reason: Option<&'static str>,
    /// When it may go out, if it may.
    due_at: Option<String>,
    when: String,
}

/// The calls of `plan`, made at `now`, in the order in which they go out; with the event's id in their bodies, if they carry
/// it.
///
/// # Errors
/// None in practice: every field of a body is a text or a number.
pub(super) fn planned(plan: &Plan, business: &str, event_id: bool, now: Timestamp) -> anyhow::Result<Vec<PlannedCall>> {
    as_they_go_out(plan)
        .iter()
        .enumerate()
        .map(|(index, delivery)| {
            let kind = delivery.call.kind().code();
            let event_id = event_id.then(|| delivery.event.to_string());
            let body = delivery.call.body(business, event_id.as_deref())?;
            Ok(PlannedCall {
                kind,
                method: "POST",
                path: format!("/api/events/{kind}"),
                body: RawValue::from_string(body)?,
                state: delivery.state.code(),
                reason: delivery.reason.map(DeliveryReason::code),
                due_at: (delivery.state == DeliveryState::Queued).then(|| delivery.due_at.to_string()),
                when: when(delivery, index, now),
            })
        })
        .collect()
}

/// The calls of a plan: those that go out in the order in which the dispatcher takes them, and then the others.
fn as_they_go_out(plan: &Plan) -> Vec<Delivery> {
    let key = CustomerKey { business: String::new(), email_key: String::new() };
    let deliveries = plan.changes.iter().map(|change| change.delivery().clone()).collect();
    let mut rest = CustomerHistory { key, facts: Vec::new(), deliveries };
    let mut ordered = Vec::new();
    while let Some(at) = rest.head().and_then(|head| rest.deliveries.iter().position(|d| std::ptr::eq(d, head))) {
        ordered.push(rest.deliveries.remove(at));
    }
    ordered.append(&mut rest.deliveries);
    ordered
}

fn when(delivery: &Delivery, index: usize, now: Timestamp) -> String {
    let sentence = delivery.reason.map(|r| format!(" {}", r.sentence())).unwrap_or_default();
    let cure = delivery.reason.map(|r| format!(" {}", r.cure())).unwrap_or_default();
    match delivery.state {
        DeliveryState::Queued | DeliveryState::Sending => {
            let wait = delivery.due_at.duration_since(now);
            if wait > SignedDuration::from_mins(2) {
                format!("at {}.{sentence}", delivery.due_at)
            } else if wait > SignedDuration::ZERO {
                format!("within {} s.{sentence}", wait.as_secs())
            } else if index > 0 {
                format!("once call {index} is through.")
            } else {
                "at once.".to_owned()
            }
        }
        DeliveryState::Held => format!("not by itself: it needs attention.{sentence}{cure}"),
        DeliveryState::Delivered
        | DeliveryState::Duplicate
        | DeliveryState::Rejected
        | DeliveryState::Cancelled
        | DeliveryState::Superseded
        | DeliveryState::Discarded => format!("not at all ({}).{sentence}", delivery.state.code()),
    }
}

impl PlannedCall {
    /// The call for a person, as the one of this number.
    pub(super) fn text(&self, number: usize) -> String {
        let head = format!("{} {}: {}", self.method, self.path, self.when);
        format!("{}\n{}", columns([[format!("{number}."), head]], 0), body(self.body.get()))
    }
}
