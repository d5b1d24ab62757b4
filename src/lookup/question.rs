//! What to ask a provider for an event that lacks something.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{paystack, stripe};
use crate::domain::endpoint::ProviderKind;
use crate::domain::event::{EventId, Mode};
use crate::store::{Lack, body};

/// Longest id, type or path that is taken over from an event, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// What stands percent-encoded in a segment of a path.
const OUTSIDE_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// One request, and what its answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The path on the provider's API, with its leading slash.
    pub(super) path: String,
    /// Headers beside the key: they say whose object it is.
    pub(super) headers: Vec<(&'static str, String)>,
    /// What is wanted.
    pub(super) wanted: Wanted,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A customer of Stripe's, with an address.
    StripeCustomer(Pointer),
    /// What a thin event of Stripe's points at.
    StripeObject(Pointer),
    /// An invoice of Stripe's with all of its lines.
    StripeInvoice(Pointer),
    /// The checkout session of a payment at Stripe, or that there is none.
    StripeSession(Checkout),
    /// A customer of Paystack's, with an address.
    PaystackCustomer {
        /// Its code.
        code: String,
        /// Real money or not.
        mode: Mode,
    },
}

/// An object of Stripe's, and the event that is to be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    /// The object's id.
    pub(super) id: String,
    /// The type of the event.
    pub(super) event_type: String,
    /// When it happened; nothing for now.
    pub(super) created: Option<Timestamp>,
    /// Real money or not, where that is known.
    pub(super) livemode: Option<bool>,
    /// The connected account.
    pub(super) account: Option<String>,
    /// Whose it is, in the words of the newer API.
    pub(super) context: Option<String>,
}

/// The payment whose checkout session is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// What the event of the answer says beside the session. It happened when the payment was made: a look-up dates
    /// neither a payment nor a code.
    pub(super) pointer: Pointer,
    /// Which field of its session names it, and as what.
    pub(super) named_in: (&'static str, String),
    /// The provider's id of the customer.
    pub(super) customer: Option<String>,
    /// The list is that of all sessions of the customer, so that those of other payments are among them.
    pub(super) among_others: bool,
}

/// Which look-up a recorded answer comes from; it stands in its body.
#[derive(Debug, Serialize)]
pub(super) struct Origin<'a> {
    /// What was asked.
    path: &'a str,
    /// When.
    at: Timestamp,
    /// For which event.
    event: String,
}

impl<'a> Origin<'a> {
    /// The answer to `question`, asked for `event`, that came at `at`.
    pub(super) fn new(question: &'a Question, event: EventId, at: Timestamp) -> Self {
        Self { path: &question.path, at, event: event.to_string() }
    }

    /// When the answer came.
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }
}

/// The question for what an event lacks.
///
/// # Errors
/// Why there is none, for people.
pub(super) fn question(provider: ProviderKind, lack: &Lack, body_bytes_max: usize) -> Result<Question, String> {
    match (provider, lack) {
        (ProviderKind::Stripe, Lack::Customer { id, account, mode }) => {
            stripe::customer(named(id.as_deref())?, account.as_deref(), *mode)
        }
        (ProviderKind::Paystack, Lack::Customer { id, mode, .. }) => paystack::customer(named(id.as_deref())?, *mode),
        (ProviderKind::Stripe, Lack::Object { body_zstd }) => {
            let body = body_zstd.as_deref().and_then(|b| body::decompress(b, body_bytes_max));
            stripe::object(&body.ok_or("its stored body is missing or damaged")?)
        }
        (ProviderKind::Stripe, Lack::Lines(sought)) => stripe::invoice(sought),
        (ProviderKind::Stripe, Lack::Session(sought)) => stripe::session(sought),
        (ProviderKind::Paystack, Lack::Object { .. }) => Err("paystack has no thin events".to_owned()),
        (ProviderKind::Paystack, Lack::Lines(_)) => Err("paystack has no lists of lines".to_owned()),
        (ProviderKind::Paystack, Lack::Session(_)) => Err("paystack has no checkout sessions".to_owned()),
    }
}

fn named(customer: Option<&str>) -> Result<&str, String> {
    customer.ok_or_else(|| "it names no customer that could be looked up".to_owned())
}

/// An id as one segment of a path: whatever it holds, it leads nowhere else.
///
/// # Errors
/// It cannot be one.
pub(super) fn segment(id: &str) -> Result<String, String> {
    if id.is_empty() || id.len() > TEXT_BYTES_MAX || id.bytes().all(|b| b == b'.') {
        return Err("its id cannot be asked for".to_owned());
    }
    Ok(utf8_percent_encode(id, OUTSIDE_SEGMENT).to_string())
}

/// Whether a text of an event can be taken over into a request or a detail as it is.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= TEXT_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_in_its_segment() {
        let check = |id: &str, expected: Option<&str>| assert_eq!(segment(id).ok().as_deref(), expected, "{id}");
        check("cus_1AbC", Some("cus_1AbC"));
        check("jane@example.com", Some("jane%40example.com"));
        check("../charges", Some("..%2Fcharges"));
        check("a?b#c d%2e", Some("a%3Fb%23c%20d%252e"));
        for none in ["", ".", "..", "...", &"x".repeat(256)] {
            check(none, None);
        }
    }

    #[test]
    fn what_cannot_be_asked_for_says_why() {
        let check = |provider: ProviderKind, lack: Lack, expected: &str| {
            let why = question(provider, &lack, 1 << 20).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        let nobody = Lack::Customer { id: None, account: None, mode: Mode::Live };
        check(ProviderKind::Stripe, nobody.clone(), "names no customer");
        check(ProviderKind::Paystack, nobody, "names no customer");
        check(ProviderKind::Stripe, Lack::Object { body_zstd: None }, "missing or damaged");
        check(ProviderKind::Stripe, Lack::Object { body_zstd: Some(b"no zstd".to_vec()) }, "missing or damaged");
        check(ProviderKind::Paystack, Lack::Object { body_zstd: None }, "no thin events");
    }
}
