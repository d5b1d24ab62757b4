//! Calls and events as pages show them: one row each, and what a person may do about it.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::civil::Date;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::words::{Badge, Moment, day, money};
use super::written::written;
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{Action, Call, Delivery, DeliveryId, DeliveryState};
use crate::domain::event::Origin;
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, Reason};
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::store::queries::{DeliveryView, EventView};

/// What lets a held call go.
const RELEASE: &str = "Send it";

/// By what a page is written: the time, and where its days are.
#[derive(Clone, Copy)]
pub(super) struct Lens<'a> {
    pub(super) state: &'a Shared,
    pub(super) now: Timestamp,
    pub(super) today: Date,
}

impl<'a> Lens<'a> {
    pub(super) fn of(state: &'a Shared) -> Self {
        let now = state.clock.now();
        Self { state, now, today: now.to_zoned(state.time_zone.clone()).date() }
    }

    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        Moment::new(at, self.now, &self.state.time_zone)
    }

    pub(super) fn ago(&self, at: Timestamp) -> Moment {
        Moment::ago(at, self.now)
    }

    pub(super) fn day(&self, of: Date) -> String {
        day(of, self.today)
    }

    /// A sentence of ours, which the API tells, too.
    pub(super) fn written(&self, sentence: &str) -> String {
        written(sentence, |of| self.day(of), |at| self.moment(at).text())
    }

    /// What is noted about a call. What Refairn said stays as it said it.
    pub(super) fn noted(&self, delivery: &Delivery) -> String {
        let note = delivery.detail.as_deref().unwrap_or_default();
        let by_refairn =
            matches!(delivery.state, DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Rejected)
                && delivery.reason != Some(DeliveryReason::DaySlotTaken);
        if by_refairn { note.to_owned() } else { self.written(note) }
    }

    /// A call.
    pub(super) fn row(&self, view: &DeliveryView) -> Row {
        let d = &view.delivery;
        let receipt = d.receipt.clone().unwrap_or_default();
        let (email, key) =
            (d.call.email(), CustomerKey { business: view.business.clone(), email_key: d.call.email().key() });
        let currency = match &d.call {
            Call::PaymentSucceeded { currency, .. } => Some(*currency),
            Call::CustomerCreated { .. } => None,
        };
        // Of a payment that credited nobody Refairn notes a commission of nothing.
        let has_agent = receipt.agent_id.is_some();
        let commission =
            receipt.commission_amount.as_deref().filter(|_| has_agent).map(|text| match (text.parse(), currency) {
                (Ok(amount), Some(currency)) => money(amount, currency),
                (_, _) => text.to_owned(),
            });
        Row {
            number: d.id,
            id: d.id.map(|id| id.to_string()).unwrap_or_default(),
            email: email.as_given().to_owned(),
            customer: customer_path(&key),
            what: what(view, self.today),
            badge: Badge::of_delivery(d),
            is_test: d.mode == Mode::Test,
            provider_id: d.subject.payment().unwrap_or_default().to_owned(),
            agent: receipt.agent_id.unwrap_or_default(),
            commission: commission.unwrap_or_default(),
            commission_id: receipt.commission_id.unwrap_or_default(),
            hold: receipt
                .hold_until
                .as_deref()
                .filter(|_| has_agent)
                .and_then(date)
                .map(|hold| self.day(hold))
                .unwrap_or_default(),
            code: view.code.clone().unwrap_or_default(),
            at: self.moment(if view.is_payment() { d.at } else { d.created_at }),
            moved_from: view.moved_from.map(|day| self.day(day)).unwrap_or_default(),
            released: d.released,
            verbs: verbs(d, self.now),
        }
    }

    /// An event. `calls` are those that it led to.
    pub(super) fn event(&self, event: &EventView, calls: &[DeliveryView]) -> EventRow {
        let own: Vec<&DeliveryView> = calls.iter().filter(|view| view.delivery.event == event.id).collect();
        let is_sale = own.iter().any(|view| view.is_payment());
        let reason = event.reason.map(Reason::from);
        EventRow {
            id: event.id.to_string(),
            event_type: if event.event_type.is_empty() { "unknown".to_owned() } else { event.event_type.clone() },
            endpoint: event.endpoint.clone(),
            provider_id: event.provider_event_id.clone().unwrap_or_default(),
            at: self.moment(event.received_at),
            badge: Badge::of_event(event.state, reason.map(Reason::code), event.attention, is_sale),
            is_test: event.mode == Some(Mode::Test),
            origin: match event.origin {
                Origin::Webhook => "",
                Origin::Lookup => "looked up",
                Origin::Backfill => "fetched",
            },
            why: reason.map(Reason::sentence).unwrap_or_default(),
            calls: own.into_iter().map(|view| self.row(view)).collect(),
        }
    }
}

/// A call in a list.
#[derive(Clone)]
pub(super) struct Row {
    number: Option<DeliveryId>,
    pub(super) id: String,
    pub(super) email: String,
    /// The path of the customer's page.
    pub(super) customer: String,
    pub(super) what: String,
    pub(super) badge: Badge,
    pub(super) is_test: bool,
    pub(super) provider_id: String,
    pub(super) agent: String,
    pub(super) commission: String,
    pub(super) commission_id: String,
    pub(super) hold: String,
    pub(super) code: String,
    pub(super) at: Moment,
    /// The day on which it was paid, where it is dated on another.
    pub(super) moved_from: String,
    /// Somebody let it go although something kept it.
    pub(super) released: bool,
    pub(super) verbs: Vec<Verb>,
}

/// An event in a list.
pub(super) struct EventRow {
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) endpoint: String,
    pub(super) provider_id: String,
    pub(super) at: Moment,
    pub(super) badge: Badge,
    pub(super) is_test: bool,
    /// How we came by it; empty when the provider sent it.
    pub(super) origin: &'static str,
    pub(super) why: &'static str,
    pub(super) calls: Vec<Row>,
}

/// What a button does.
#[derive(Clone)]
pub(super) struct Verb {
    /// As the form's address has it.
    pub(super) action: &'static str,
    pub(super) words: String,
    /// Whether it takes a note.
    pub(super) asks_why: bool,
}

/// Buttons in a form.
#[derive(Template)]
#[template(path = "action.html")]
pub(super) struct ActionForm<'a> {
    /// Where it is sent, up to the verb.
    pub(super) path: String,
    pub(super) verbs: Vec<Verb>,
    pub(super) asks_why: bool,
    pub(super) csrf: &'a str,
    pub(super) back: &'a str,
    /// Whom a screen reader says it is about.
    pub(super) about: &'a str,
}

impl HtmlSafe for ActionForm<'_> {}

/// What a call tells, in words.
pub(super) fn what(view: &DeliveryView, today: Date) -> String {
    match &view.delivery.call {
        Call::PaymentSucceeded { amount, currency, .. } if view.is_payment() => money(*amount, *currency),
        Call::PaymentSucceeded { status, day: of, .. } => format!("now {}, from {}", status.code(), day(*of, today)),
        Call::CustomerCreated { code: Some(code), .. } => format!("customer, code {code}"),
        Call::CustomerCreated { code: None, .. } => "customer".to_owned(),
    }
}

/// The path of a customer's page.
pub(super) fn customer_path(key: &CustomerKey) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("/customers/{}?business={}", encoded(&key.email_key), encoded(&key.business))
}

/// A day as Refairn writes it, perhaps with a time behind it.
pub(super) fn date(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// What may be done with a call now, the likeliest first: what the call itself would let happen.
pub(super) fn verbs(delivery: &Delivery, now: Timestamp) -> Vec<Verb> {
    let possible = |action: Action| delivery.clone().act(action, now).is_ok();
    let queued = delivery.state == DeliveryState::Queued;
    let discard = match (delivery.state, delivery.reason) {
        (DeliveryState::Delivered | DeliveryState::Duplicate, Some(DeliveryReason::Reversed)) => "I have reversed it",
        (DeliveryState::Delivered | DeliveryState::Duplicate, _) => "I have seen this",
        (_, _) => "Do not send",
    };
    [
        (Action::Release, "release", RELEASE),
        (Action::Retry, "retry", if queued { "Send now" } else { "Try again" }),
        (Action::Discard, "discard", discard),
    ]
    .into_iter()
    .filter(|(action, ..)| possible(*action))
    .map(|(of, action, words)| Verb { action, words: words.to_owned(), asks_why: of != Action::Retry })
    .collect()
}

/// Names on the buttons of these calls the days on which they would be dated.
pub(super) async fn name_days(lens: &Lens<'_>, rows: Vec<&mut Row>) -> Result<(), Problem> {
    let held = |row: &&mut Row| row.verbs.iter().any(|verb| verb.words == RELEASE);
    let mut rows: Vec<&mut Row> = rows.into_iter().filter(held).collect();
    let ids: Vec<DeliveryId> = rows.iter().filter_map(|row| row.number).collect();
    let days = lens.state.store.days_of_release(&ids, lens.now).await?;
    for row in &mut rows {
        let Some(day) = row.number.and_then(|id| days.get(&id)) else { continue };
        for verb in row.verbs.iter_mut().filter(|verb| verb.words == RELEASE) {
            verb.words = format!("Send, dated {}", lens.day(*day));
        }
    }
    Ok(())
}

/// The form of a call's verbs, if it has any.
pub(super) fn form<'a>(row: &'a Row, csrf: &'a str, back: &'a str) -> Option<ActionForm<'a>> {
    let asks_why = row.verbs.iter().any(|verb| verb.asks_why);
    let (path, verbs) = (format!("/deliveries/{}", row.id), row.verbs.clone());
    (!verbs.is_empty()).then_some(ActionForm { path, verbs, asks_why, csrf, back, about: &row.email })
}

/// The form with which an event is read again.
pub(super) fn read_again<'a>(row: &'a EventRow, csrf: &'a str, back: &'a str) -> ActionForm<'a> {
    let verb = Verb { action: "remap", words: "Read again".to_owned(), asks_why: false };
    let path = format!("/events/{}", row.id);
    ActionForm { path, verbs: vec![verb], asks_why: false, csrf, back, about: &row.event_type }
}
