//! An invoice with all of its lines: Stripe shows ten of them in the invoice, and the others page by page.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Client, Reply, ReplyError};
use super::question::{Question, is_plain};
use super::stripe::LIST_MAX;
use crate::domain::json;
use crate::domain::secret::Secret;

/// Pages of lines that are asked for; real invoices have some hundred lines.
pub(super) const PAGES_MAX: usize = 10;

/// Asks for an invoice and then for its lines, and gives the invoice with all of them. An answer that is no success ends
/// it, and is given as it is. More than `bytes_max` of lines are not read.
///
/// # Errors
/// There is no answer, or it is none, or too long.
pub(super) async fn whole(
    client: &Client,
    base_url: &str,
    question: &Question,
    api_key: &Secret,
    bytes_max: usize,
) -> Result<Reply, ReplyError> {
    let invoice = client.get(base_url, question, api_key).await?;
    if !invoice.is_success() {
        return Ok(invoice);
    }
    let mut lines = Lines::default();
    for _ in 0..PAGES_MAX {
        let page = Question { path: lines.next_path(&question.path), ..question.clone() };
        let reply = client.get(base_url, &page, api_key).await?;
        if !reply.is_success() {
            return Ok(reply);
        }
        let more = lines.add(&reply.body).ok_or_else(|| none_of_these("lines"))?;
        if lines.bytes > bytes_max {
            return Err(ReplyError::TooLong);
        }
        if !more {
            let body = lines.put_into(&invoice.body).ok_or_else(|| none_of_these("invoice"))?;
            return Ok(Reply { body, ..invoice });
        }
    }
    let most = PAGES_MAX * LIST_MAX;
    Err(ReplyError::TooMany(format!("the invoice has more than {most} lines, and no more are asked for")))
}

fn none_of_these(what: &str) -> ReplyError {
    ReplyError::Failed(format!("what the provider answered about the invoice is not what was asked for ({what})"))
}

/// The lines so far, each byte for byte: no number passes through a float.
#[derive(Default)]
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
