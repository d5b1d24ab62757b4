//! Looking up at a provider what events do not say: what is wanted, the requests, and what the answers hold. A provider
//! says what to ask and reads the answers. It does not ask, wait or record.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::domain::event::EventId;
use crate::domain::lookup::Sought;
use crate::domain::mode::Mode;

/// Longest id, type or path that is taken over from an event, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// What a segment of a path has as it is.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What an event lacks, and its provider may have.
#[derive(Debug, Clone, Copy)]
pub enum LookupTarget<'a> {
    /// A customer, with an address.
    Customer {
        /// The provider's id.
        id: &'a str,
        /// The connected account.
        account: Option<&'a str>,
        /// Real money or not.
        mode: Mode,
    },
    /// What the body of an event points at.
    Object {
        /// The body.
        body: &'a [u8],
    },
    /// A payment with all that was sold.
    Lines(&'a Sought),
    /// The checkout of a payment, or that there is none.
    Session(&'a Sought),
}

/// One thing that a provider is asked for: the first request, and who reads the answers.
#[derive(Debug)]
pub struct Question {
    /// The path on the provider's API, with its leading slash.
    pub path: String,
    /// Headers beside the key: they say which account the object belongs to.
    pub headers: Vec<(&'static str, String)>,
    /// Whether a key that is refused for it (403) is refused for everything.
    pub needs_no_more_rights: bool,
    /// Reads the answers.
    pub reader: Box<dyn Reader>,
}

/// Reads the answers to one question.
pub trait Reader: fmt::Debug + Send + Sync {
    /// What the body of an answer that is a success brings. `origin` is what the event that is made of it says of the
    /// look-up.
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer;
}

/// What an answer brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it.
    Found(LookupResult),
    /// A part; the next one is under this path, and asked for by the same headers.
    Next(String),
    /// Nothing that helps. The text says why. This may change, but not soon.
    Nothing(String),
    /// The provider sent something else than was asked for. The text adds to that, where there is something to add.
    Unlike(Option<String>),
}

/// An event to be recorded.
#[derive(Debug, PartialEq, Eq)]
pub struct LookupResult {
    /// The type under which it is recorded, as the provider would name it.
    pub event_type: String,
    /// The JSON that is recorded, and read like a webhook of this type.
    pub body: Vec<u8>,
}

/// The look-up that a recorded answer comes from. It stands in the body of the answer's event.
#[derive(Debug, Clone, Serialize)]
pub struct Origin<'a> {
    /// The path that was asked for.
    path: &'a str,
    /// When the answer came.
    at: Timestamp,
    /// The bridge's id of the event that the question was about.
    event: String,
}

impl<'a> Origin<'a> {
    /// The answer to the question that begins with `path`, asked for `event`, that came at `at`.
    #[must_use]
    pub fn new(path: &'a str, event: EventId, at: Timestamp) -> Self {
        Self { path, at, event: event.to_string() }
    }

    /// When the answer came.
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }
}

/// An id as one segment of a path: whatever it holds, it leads nowhere else.
///
/// # Errors
/// It cannot be one.
pub(super) fn segment(id: &str) -> Result<String, String> {
    if id.is_empty() || id.len() > TEXT_BYTES_MAX || id.bytes().all(|b| b == b'.') {
        return Err("its id cannot be asked for".to_owned());
    }
    Ok(utf8_percent_encode(id, SEGMENT).to_string())
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
        check("caf\u{e9}~", Some("caf%C3%A9%7E"));
        for none in ["", ".", "..", "...", &"x".repeat(256)] {
            check(none, None);
        }
    }
}
