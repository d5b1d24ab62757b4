//! The dashboard's words: what states and reasons are called where people read them, and how money and time are written.
//! The stable code stands beside each.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::de::IgnoredAny;

use crate::domain::delivery::{Delivery, DeliveryState, Fate};
use crate::domain::event::EventState;
use crate::domain::money::{Currency, digits};

/// Levels of JSON that are set in; deeper ones stand below each other.
const DEPTH_SHOWN_MAX: usize = 40;
/// Digits of a group of thousands.
const GROUP: usize = 3;
/// Between two groups: narrow, and no line ends there.
const GROUP_GAP: char = '\u{202f}';

/// Where something stands, in a word and a colour.
#[derive(Template, Clone)]
#[template(path = "badge.html")]
pub(super) struct Badge {
    tone: &'static str,
    words: String,
    code: String,
}

// A template escapes what it is given.
impl HtmlSafe for Badge {}

impl Badge {
    pub(super) fn new(tone: &'static str, words: impl Into<String>, code: impl Into<String>) -> Self {
        Self { tone, words: words.into(), code: code.into() }
    }

    /// Where a delivery stands.
    pub(super) fn of_delivery(delivery: &Delivery) -> Self {
        let (tone, words) = match (delivery.state, delivery.fate()) {
            (_, Some(Fate::Credited)) => {
                let agent = delivery.receipt.as_ref().and_then(|receipt| receipt.agent_id.as_deref());
                ("good", format!("Credited to {}", agent.unwrap_or("an agent")))
            }
            (_, Some(Fate::CreditedNobody)) => ("quiet", "Told, nobody credited".to_owned()),
            (_, Some(Fate::CreditUnknown)) => ("quiet", "Told, credit not known".to_owned()),
            (DeliveryState::Delivered | DeliveryState::Duplicate, None) => ("quiet", "Told".to_owned()),
            (DeliveryState::Queued | DeliveryState::Sending, None) => ("moving", "On its way".to_owned()),
            (DeliveryState::Held, None) => ("waits", "Held for you".to_owned()),
            (DeliveryState::Rejected, None) => ("waits", "Refused by Refairn".to_owned()),
            (DeliveryState::Cancelled | DeliveryState::Superseded, None) => ("quiet", "Not needed".to_owned()),
            (DeliveryState::Discarded, None) => ("quiet", "Not sent, by a person".to_owned()),
        };
        let state = delivery.state.code();
        Self::new(
            tone,
            words,
            delivery.reason.map_or_else(|| state.to_owned(), |reason| format!("{state}: {}", reason.code())),
        )
    }

    /// What an event came to. `calls` says whether it led to a payment's call.
    pub(super) fn of_event(state: EventState, reason: Option<&str>, attention: bool, sale: bool) -> Self {
        let (tone, words) = match state {
            EventState::Received => ("moving", "Being read"),
            EventState::Mapped if sale => ("good", "A sale"),
            EventState::Mapped => ("good", "Told on"),
            EventState::Ignored => ("quiet", "Not a sale"),
            EventState::Waiting if attention => ("waits", "Waits for you"),
            EventState::Waiting => ("moving", "Waits for more"),
            EventState::Unmappable => ("waits", "Could not be read"),
        };
        let code = reason.map_or_else(|| state.code().to_owned(), |reason| format!("{}: {reason}", state.code()));
        Self::new(tone, words, code)
    }
}

/// A time, as people of the configured zone read it, with UTC behind it.
#[derive(Template, Clone)]
#[template(path = "moment.html")]
pub(super) struct Moment {
    iso: String,
    utc: String,
    short: String,
}

impl HtmlSafe for Moment {}

impl Moment {
    pub(super) fn new(at: Timestamp, now: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        let format = if local.year() == now.to_zoned(zone.clone()).year() { "%-d %b %H:%M" } else { "%-d %b %Y %H:%M" };
        Self {
            iso: at.to_string(),
            utc: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            short: local.strftime(format).to_string(),
        }
    }

    /// As it stands in a sentence.
    pub(super) fn text(&self) -> String {
        self.short.clone()
    }

    /// How long ago it was.
    pub(super) fn ago(at: Timestamp, now: Timestamp) -> Self {
        let short = format!("{} ago", span(now.duration_since(at)));
        Self { short, ..Self::new(at, now, &TimeZone::UTC) }
    }
}

/// What goes on behind a colon elsewhere, as a sentence of its own. What begins with an id stays as it is.
pub(super) fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let (begin, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    let is_word = first.chars().all(|c| c.is_ascii_lowercase());
    let begin = if is_word { begin.to_ascii_uppercase() } else { begin.to_owned() };
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{begin}{rest}{end}")
}

/// A day, without a year where it is this one.
pub(super) fn day(day: Date, today: Date) -> String {
    day.strftime(if day.year() == today.year() { "%-d %b" } else { "%-d %b %Y" }).to_string()
}

/// A span in its largest unit.
pub(super) fn span(span: SignedDuration) -> String {
    let s = span.as_secs().max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// An amount with all its digits, and those that its currency always has, in groups.
pub(super) fn money(amount: Decimal, currency: Currency) -> String {
    format!("{}\u{a0}{currency}", grouped(&digits(amount, currency)))
}

/// Digits in groups of thousands.
pub(super) fn grouped(digits: &str) -> String {
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut text = sign.to_owned();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(GROUP) {
            text.push(GROUP_GAP);
        }
        text.push(digit);
    }
    if let Some(rest) = rest {
        text.push('.');
        text.push_str(rest);
    }
    text
}

/// JSON in lines, with every character that says something as it was: digits, order, repetitions. What is no JSON stays as it
/// is.
pub(super) fn in_lines(json: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        return json.to_owned();
    }
    let (mut lines, mut depth, mut in_text, mut escaped) = (String::new(), 0_usize, false, false);
    let end_line = |lines: &mut String, depth: usize| {
        lines.push('\n');
        lines.extend(std::iter::repeat_n("  ", depth.min(DEPTH_SHOWN_MAX)));
    };
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_text {
            lines.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                lines.push(c);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    lines.push(end);
                } else {
                    depth += 1;
                    end_line(&mut lines, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end_line(&mut lines, depth);
                lines.push(c);
            }
            ',' => {
                lines.push(c);
                end_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            ' ' | '\t' | '\r' | '\n' => {}
            _ => {
                in_text = c == '"';
                lines.push(c);
            }
        }
    }
    lines
}

/// A count in groups of thousands.
pub(super) fn count(n: i64) -> String {
    grouped(&n.to_string())
}

/// `1 payment`, `2 payments`.
pub(super) fn counted(n: i64, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_all_its_digits_and_its_currency() {
        let check = |amount: &str, currency: &str, expected: &str| {
            let shown = money(amount.parse().unwrap(), currency.parse().unwrap());
            assert_eq!(shown.replace(['\u{202f}', '\u{a0}'], " "), expected);
        };
        check("49", "usd", "49.00 USD");
        check("49.1", "USD", "49.10 USD");
        check("0.00001", "USD", "0.00001 USD");
        check("1204", "USD", "1 204.00 USD");
        check("310000", "NGN", "310 000.00 NGN");
        check("15600", "JPY", "15 600 JPY");
        check("15.25", "KWD", "15.250 KWD");
        check("-1234567.5", "USD", "-1 234 567.50 USD");
    }

    #[test]
    fn a_detail_is_a_sentence_on_a_page() {
        assert_eq!(sentence("there is nothing at this path"), "There is nothing at this path.");
        assert_eq!(sentence("bkf_2 is done"), "bkf_2 is done.");
        assert_eq!(sentence("It is so."), "It is so.");
    }

    #[test]
    fn json_in_lines_says_what_it_said() {
        let check = |json: &str, expected: &str| assert_eq!(in_lines(json), expected);
        check(
            r#"{"b":1.10,"a":[1,{}], "t" : "x, {\"y\\"}"#,
            "{\n  \"b\": 1.10,\n  \"a\": [\n    1,\n    {}\n  ],\n  \"t\": \"x, {\\\"y\\\\\"\n}",
        );
        check("[ ]", "[]");
        check("", "");
        check("]] {", "]] {");
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(in_lines(&deep).lines().count(), 199);
    }

    #[test]
    fn times_are_those_of_the_zone_with_utc_behind_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let zone = TimeZone::get("Africa/Lagos").unwrap();
        let moment = Moment::new(at("2026-06-15T23:30:00Z"), at("2026-06-16T10:00:00Z"), &zone);
        assert_eq!((moment.short.as_str(), moment.utc.as_str()), ("16 Jun 00:30", "2026-06-15 23:30:00 UTC"));
        let moment = Moment::new(at("2025-06-15T10:00:00Z"), at("2026-06-16T10:00:00Z"), &zone);
        assert_eq!(moment.short, "15 Jun 2025 11:00");
        for (seconds, expected) in
            [(-5, "0 s ago"), (12, "12 s ago"), (240, "4 min ago"), (7200, "2 h ago"), (200_000, "2 days ago")]
        {
            let now = at("2026-06-16T10:00:00Z");
            assert_eq!(Moment::ago(now - SignedDuration::from_secs(seconds), now).short, expected);
        }
    }
}
