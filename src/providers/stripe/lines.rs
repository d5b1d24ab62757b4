//! An invoice with all of its lines: Stripe shows ten of them in the invoice, and the others page by page.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::snapshot::{Pointer, found};
use crate::domain::json;
use crate::providers::lookup::{Answer, Origin, Reader, is_plain};

/// The longest list that Stripe answers with.
pub(super) const LIST_MAX: usize = 100;
/// Most pages of lines that are asked for. Real invoices have some hundred lines.
const PAGES_MAX: usize = 10;

/// Reads an invoice, and then its lines page by page.
#[derive(Debug)]
pub(super) struct Invoice {
    /// Where the invoice is.
    path: String,
    pointer: Pointer,
    /// More of lines is not read.
    bytes_max: usize,
    /// The answer with the invoice itself.
    invoice: Option<Vec<u8>>,
    lines: Lines,
    pages: usize,
}

impl Invoice {
    /// The invoice under `path`, of which `pointer` says what becomes of it.
    pub(super) fn new(path: String, pointer: Pointer, bytes_max: usize) -> Self {
        Self { path, pointer, bytes_max, invoice: None, lines: Lines::default(), pages: 0 }
    }
}

impl Reader for Invoice {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        let Some(invoice) = &self.invoice else {
            self.invoice = Some(body.to_vec());
            return Answer::Next(self.lines.next_path(&self.path));
        };
        let Some(more) = self.lines.add(body) else { return none_of_these("lines") };
        self.pages = self.pages.saturating_add(1);
        if self.lines.bytes > self.bytes_max {
            return Answer::Nothing("the provider's answer is too long to be read".to_owned());
        }
        if !more {
            let whole = self.lines.put_into(invoice);
            return whole
                .map_or_else(|| none_of_these("invoice"), |body| found(&body, &self.pointer, |_| None, origin));
        }
        if self.pages >= PAGES_MAX {
            let most = PAGES_MAX * LIST_MAX;
            return Answer::Nothing(format!("the invoice has more than {most} lines, and no more are asked for"));
        }
        Answer::Next(self.lines.next_path(&self.path))
    }
}

fn none_of_these(what: &str) -> Answer {
    let said = format!("what the provider answered about the invoice is not what was asked for ({what})");
    Answer::Unlike(Some(said))
}

/// The lines so far, each byte for byte: no number passes through a float.
#[derive(Debug, Default)]
struct Lines {
    lines: Vec<Box<RawValue>>,
    ids: HashSet<String>,
    last: Option<String>,
    bytes: usize,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Line {
    id: String,
}

/// The list of all lines, as it stands in an invoice that has few.
#[derive(Serialize)]
struct Whole<'a> {
    object: &'static str,
    data: &'a [Box<RawValue>],
    has_more: bool,
    total_count: usize,
}

impl Lines {
    /// Where the next page is.
    fn next_path(&self, invoice: &str) -> String {
        let after = self.last.as_ref().map_or_else(String::new, |id| format!("&starting_after={id}"));
        format!("{invoice}/lines?limit={LIST_MAX}{after}")
    }

    /// Adds a page, and says whether there are more; nothing when it is no page, or none that follows on those before.
    fn add(&mut self, page: &[u8]) -> Option<bool> {
        let Page { data, has_more } = json::leniently(page, |page| serde_json::from_slice(page)).ok()?;
        if has_more && data.is_empty() {
            return None;
        }
        for raw in data {
            let Line { id } = serde_json::from_str(raw.get()).ok()?;
            if !is_plain(&id) || !self.ids.insert(id.clone()) {
                return None;
            }
            self.bytes = self.bytes.saturating_add(raw.get().len());
            self.last = Some(id);
            self.lines.push(raw);
        }
        Some(has_more)
    }

    /// The invoice with these lines instead of those that it shows.
    fn put_into(&self, invoice: &[u8]) -> Option<Vec<u8>> {
        let mut members: BTreeMap<String, Box<RawValue>> =
            json::leniently(invoice, |invoice| serde_json::from_slice(invoice)).ok()?;
        let whole = Whole { object: "list", data: &self.lines, has_more: false, total_count: self.lines.len() };
        members.insert("lines".to_owned(), serde_json::value::to_raw_value(&whole).ok()?);
        serde_json::to_vec(&members).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_on_each_other_and_become_one_list() {
        let mut lines = Lines::default();
        assert_eq!(lines.next_path("/v1/invoices/in_1"), "/v1/invoices/in_1/lines?limit=100");
        assert_eq!(lines.add(br#"{"data":[{"id":"il_1","amount":1.50},{"id":"il_2"}],"has_more":true}"#), Some(true));
        assert_eq!(lines.next_path("/v1/invoices/in_1"), "/v1/invoices/in_1/lines?limit=100&starting_after=il_2");
        assert_eq!(lines.add(br#"{"data":[{"id":"il_3"}],"has_more":false}"#), Some(false));
        let whole = lines.put_into(br#"{"id":"in_1","lines":{"data":[],"has_more":true},"tax":2.0}"#).unwrap();
        let expected =
            r#"{"id":"in_1","lines":{"object":"list","data":[{"id":"il_1","amount":1.50},{"id":"il_2"},{"id":"il_3"}],"#
                .to_owned() + r#""has_more":false,"total_count":3},"tax":2.0}"#;
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
        assert_eq!(lines.put_into(b"[]"), None);
    }

    #[test]
    fn a_page_that_is_none_is_not_taken() {
        for page in [
            "",
            "[]",
            "{}",
            r#"{"data":{},"has_more":false}"#,
            r#"{"data":[]}"#,
            r#"{"data":[],"has_more":true}"#,
            r#"{"data":[{"amount":1}],"has_more":false}"#,
            r#"{"data":[{"id":"il_1&x=y"}],"has_more":true}"#,
            r#"{"data":[{"id":"il_0"}],"has_more":false}"#,
        ] {
            let mut lines = Lines::default();
            assert_eq!(lines.add(br#"{"data":[{"id":"il_0"}],"has_more":true}"#), Some(true));
            assert_eq!(lines.add(page.as_bytes()), None, "{page}");
        }
    }
}
