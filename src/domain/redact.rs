//! Taking secrets and personal data out of what others say, before anybody keeps or reads it: a server may repeat the key
//! and the address that it was sent, and it may spell them as a URL, as JSON or as HTML does.
//!
//! A text is compared as it stands and as it reads once it is decoded, up to `DECODED_MAX` times. What a server hides on
//! purpose, by a spelling of its own, is not found.

use std::fmt;
use std::ops::Range;

use super::secret::Secret;

/// What stands for what was taken out.
const CUT: &str = "…";
/// How often what was encoded over again is decoded.
const DECODED_MAX: usize = 3;
/// Parts of names that are shorter than this are also parts of other words.
const NAME_CHARS_MIN: usize = 3;
/// How providers' keys begin, of each provider.
const KEYS: [&str; 5] = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];
/// What is taken for a part of an address or for a key, in characters.
const PART_CHARS_MAX: usize = 320;
/// Longest piece of HTML that stands for a character, with `&` and `;`.
const ENTITY_CHARS_MAX: usize = 12;

/// What must not be repeated. It has no `Debug` that tells.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Found anywhere.
    secrets: Vec<Vec<char>>,
    /// Found where they are words.
    names: Vec<Vec<char>>,
}

impl Redactor {
    /// One that takes out `secret`, everybody's addresses, and what looks like a provider's key.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        Self::default().and(secret.expose())
    }

    /// Takes out `text` as well, wherever it stands.
    #[must_use]
    pub fn and(mut self, text: &str) -> Self {
        // Where a text is decoded, what is looked for in it has been, too.
        let mut read = reading(text.trim());
        for _ in 0..=DECODED_MAX {
            let secret: Vec<char> = read.iter().map(|part| folded(part.c)).collect();
            if !secret.is_empty() && !self.secrets.contains(&secret) {
                self.secrets.push(secret);
            }
            read = decoded(&read);
        }
        self
    }

    /// Takes out a person's name as well, and its parts, where they are words.
    #[must_use]
    pub fn and_name(mut self, name: &str) -> Self {
        let parts = name.split_whitespace().filter(|part| part.chars().count() >= NAME_CHARS_MIN);
        let folded = |name: &str| name.trim().chars().map(folded).collect::<Vec<char>>();
        self.names.extend(std::iter::once(name).chain(parts).map(folded).filter(|name| !name.is_empty()));
        self
    }

    /// `text` without any of it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.without(text, true)
    }

    /// `id`, which may have a name in it without being one, without the rest.
    #[must_use]
    pub fn id(&self, id: &str) -> String {
        self.without(id, false)
    }

    fn without(&self, text: &str, names: bool) -> String {
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let mut read = reading(text);
        for _ in 0..=DECODED_MAX {
            self.find(&read, names, &mut cuts);
            let decoded = decoded(&read);
            if decoded.len() == read.len() {
                break;
            }
            read = decoded;
        }
        cuts.sort_by_key(|cut| cut.start);
        let (mut rest, mut end) = (String::with_capacity(text.len()), 0);
        for cut in cuts {
            if cut.start >= end {
                rest.push_str(text.get(end..cut.start).unwrap_or_default());
                rest.push_str(CUT);
            }
            end = end.max(cut.end);
        }
        rest.push_str(text.get(end..).unwrap_or_default());
        rest
    }

    /// Where the original text holds what is to go, going by its reading `read`.
    fn find(&self, read: &[Read], names: bool, cuts: &mut Vec<Range<usize>>) {
        let folded: Vec<char> = read.iter().map(|part| folded(part.c)).collect();
        let mut cut = |from: usize, to: usize| {
            if let (Some(first), Some(last)) = (read.get(from), read.get(to.saturating_sub(1))) {
                cuts.push(first.at.start..last.at.end);
            }
        };
        let is_word = |at: Option<usize>| at.and_then(|at| folded.get(at)).is_some_and(|c| c.is_alphanumeric());
        for from in 0..folded.len() {
            let rest = folded.get(from..).unwrap_or_default();
            for secret in self.secrets.iter().filter(|secret| rest.starts_with(secret)) {
                cut(from, from + secret.len());
            }
            for name in self.names.iter().filter(|name| names && rest.starts_with(name)) {
                if !is_word(from.checked_sub(1)) && !is_word(Some(from + name.len())) {
                    cut(from, from + name.len());
                }
            }
            let is_key = |key: &&str| key.chars().eq(rest.iter().copied().take(key.len()));
            if let Some(key) = KEYS.iter().find(|key| is_key(key)) {
                cut(from, from + key.len() + part(read.iter().skip(from + key.len())));
            }
            if folded.get(from) == Some(&'@') {
                let before = part(read.get(..from).unwrap_or_default().iter().rev());
                let after = part(read.iter().skip(from + 1));
                if before > 0 && after > 0 {
                    cut(from - before, from + 1 + after);
                }
            }
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

/// A character as it reads, and where it stands in the original.
struct Read {
    c: char,
    at: Range<usize>,
}

/// A text as it stands.
fn reading(text: &str) -> Vec<Read> {
    text.char_indices().map(|(at, c)| Read { c, at: at..at.saturating_add(c.len_utf8()) }).collect()
}

/// How many characters of an address or a key follow.
fn part<'a>(text: impl Iterator<Item = &'a Read>) -> usize {
    let is_part =
        |part: &&Read| !part.c.is_whitespace() && !part.c.is_control() && !"\"'`<>()[]{},;:=&?/\\@".contains(part.c);
    text.take(PART_CHARS_MAX).take_while(is_part).count()
}

/// How a character is compared: without regard to case, and `+`, which stands for a space in forms, as one.
fn folded(c: char) -> char {
    if c == '+' || c.is_whitespace() { ' ' } else { c.to_lowercase().next().unwrap_or(c) }
}

/// The text with each piece that stands for a character read as that.
fn decoded(text: &[Read]) -> Vec<Read> {
    let mut read = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        let (c, length) = match first.c {
            '%' => percent(rest),
            '\\' => escape(rest),
            '&' => entity(rest),
            _ => None,
        }
        .unwrap_or((first.c, 1));
        let (taken, left) = rest.split_at(length.min(rest.len()));
        let end = taken.last().map_or(first.at.end, |last| last.at.end);
        read.push(Read { c, at: first.at.start..end });
        rest = left;
    }
    read
}

/// The number that `digits` of a text write from `at` on.
fn number(text: &[Read], at: usize, digits: usize, radix: u32) -> Option<u32> {
    let digits = text.get(at..at.checked_add(digits)?)?;
    digits.iter().try_fold(0_u32, |n, digit| n.checked_mul(radix)?.checked_add(digit.c.to_digit(radix)?))
}

/// A character as a URL writes it: the bytes of its UTF-8, each as `%XX`.
fn percent(text: &[Read]) -> Option<(char, usize)> {
    let mut bytes = Vec::new();
    for at in (0..12).step_by(3) {
        let byte = text.get(at).filter(|part| part.c == '%').and_then(|_| number(text, at + 1, 2, 16))?;
        bytes.push(u8::try_from(byte).ok()?);
        if let Some(c) = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
            return Some((c, at + 3));
        }
    }
    None
}

/// A character as JSON writes it.
fn escape(text: &[Read]) -> Option<(char, usize)> {
    let unit = |at: usize| match (text.get(at)?.c, text.get(at + 1)?.c) {
        ('\\', 'u') => u16::try_from(number(text, at + 2, 4, 16)?).ok(),
        _ => None,
    };
    match (unit(0), unit(6)) {
        (Some(one), Some(two)) if (0xd800..0xdc00).contains(&one) => {
            char::decode_utf16([one, two]).next()?.ok().map(|c| (c, 12))
        }
        (Some(one), _) => char::from_u32(u32::from(one)).map(|c| (c, 6)),
        (None, _) => text.get(1).filter(|next| matches!(next.c, '"' | '\\' | '/')).map(|next| (next.c, 2)),
    }
}

/// A character as HTML writes it.
fn entity(text: &[Read]) -> Option<(char, usize)> {
    let length = text.iter().take(ENTITY_CHARS_MAX).position(|part| part.c == ';')?;
    let name: String = text.get(1..length)?.iter().map(|part| part.c).collect();
    let c = match (name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")), name.strip_prefix('#')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?,
        (None, Some(decimal)) => decimal.parse().ok().and_then(char::from_u32)?,
        (None, None) => match name.as_str() {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "commat" => '@',
            "period" => '.',
            "plus" => '+',
            "lowbar" => '_',
            "hyphen" | "dash" => '-',
            "nbsp" => ' ',
            _ => return None,
        },
    };
    Some((c, length + 1))
}

/// `text` without addresses and what looks like a provider's key, for what may have come from anywhere.
#[must_use]
pub fn without_addresses(text: &str) -> String {
    Redactor::default().text(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "rfk_A1b2/C3+d4%41";

    fn redactor() -> Redactor {
        Redactor::of(&Secret::parse(KEY).unwrap()).and("jané.doe+x@example.com").and_name("Jané van Doe")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redactor().text(text), expected, "{text}");
    }

    #[test]
    fn a_key_is_found_in_every_spelling() {
        check(&format!("no such key {KEY}."), "no such key ….");
        check(&format!("{}!", KEY.to_uppercase()), "…!");
        check("rfk_A1b2%2FC3%2Bd4%2541", "…");
        check("rfk_A1b2%2fC3%2bd4%2541&x=1", "…&x=1");
        check("%72%66%6b_A1b2%252FC3%252Bd4%252541", "…");
        check(r"a rfk_A1b2\/C3\u002bd4%41 b", "a … b");
        check("<b>rfk&lowbar;A1b2&#47;C3&#x2B;d4&#37;41</b>", "<b>…</b>");
        check(r#"{\"key\":\"rfk_A1b2\\\/C3+d4%41\"}"#, r#"{\"key\":\"…\"}"#);
    }

    #[test]
    fn addresses_and_names_are_found_in_every_spelling_and_other_words_stay() {
        for spelling in [
            "jané.doe+x@example.com",
            "JANÉ.DOE+X@EXAMPLE.COM",
            "jan%C3%A9.doe%2Bx%40example.com",
            "jan%c3%a9.doe+x%40example%2ecom",
            r"jan\u00e9.doe+x\u0040example.com",
            "jan&#233;.doe&plus;x&commat;example&period;com",
            "somebody.else@example.org",
            "somebody.else%40example.org",
            "somebody.else%2540example.org",
        ] {
            check(&format!("known: {spelling}, since May"), "known: …, since May");
        }
        check("Jané van Doe", "…");
        check("jan%C3%A9+van+doe", "…");
        check("dear JANÉ, dear doe", "dear …, dear …");
        for plain in ["a vandal does janéfy @ 5 vans", "not positive (400): 100% & more \\ %zz &x; \\u12 &#; %"] {
            check(plain, plain);
        }
    }

    #[test]
    fn others_keys_are_found_and_ids_keep_names() {
        check("Invalid API Key: sk_live_****zq9 given", "Invalid API Key: … given");
        check("the bearer token is missing", "the bearer token is missing");
        assert_eq!(redactor().id("agent-Doe-jané.doe+x@example.com"), "…");
        assert_eq!(redactor().id("agent-Doe"), "agent-Doe");
        assert_eq!(without_addresses("rk_test_1 of a+x@b.c"), "… of …");
        assert_eq!(format!("{:?}", redactor()), "Redactor(…)");
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(text in "\\PC*") {
            let _ = redactor().text(&text);
        }

        #[test]
        fn what_it_leaves_holds_no_key(before in "\\PC{0,9}", after in "\\PC{0,9}", spelling in 0..3_usize) {
            let percent: String = KEY.bytes().map(|b| format!("%{b:02X}")).collect();
            let json: String = KEY.bytes().map(|b| format!("\\u{b:04x}")).collect();
            let spelt = [KEY.to_owned(), percent, json][spelling].clone();
            // What stands before it may be the beginning of a piece that reads as something else.
            let text = format!("{before} {spelt} {after}");
            prop_assert!(!redactor().text(&text).contains(&spelt));
        }
    }
}
