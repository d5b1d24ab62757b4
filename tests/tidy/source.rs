//! A Rust file as the rules see it: what its code names and its string literals say, each with its line, and which of
//! it is test code. Comments are left out, and so is what stands in a string: a rule about code reads code.

use std::ops::Range;

/// A Rust file, read.
pub(crate) struct Source {
    /// From the repository's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments and literals blanked; every byte stands where it stood.
    pub(crate) code: String,
    pub(crate) mentions: Vec<Mention>,
    pub(crate) literals: Vec<Literal>,
    lines: Lines,
}

/// Where each line but the first begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line, from 1, of a byte.
    fn of(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) + 1
    }
}

/// A path in code: `std::env::var`, `println!`, one for each leaf of a `use`.
pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    pub(crate) in_tests: bool,
}

/// A string literal, without its quotes, escapes as written.
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) content: String,
    pub(crate) in_tests: bool,
}

impl Source {
    pub(crate) fn read(path: &str, text: String) -> Self {
        let (code, strings) = mask(&text);
        let tests = test_ranges(path, &code);
        let lines = Lines::new(&text);
        let in_tests = |at: usize| tests.iter().any(|range| range.contains(&at));
        let mut found = Vec::new();
        let mut at = 0;
        while at < code.len() {
            at = if is_name_start(code.as_bytes(), at) { read_path(&code, at, "", &mut found) } else { at + 1 };
        }
        let mentions = found.into_iter().map(|(at, name)| Mention {
            line: lines.of(at),
            segments: name.split("::").map(str::to_owned).collect(),
            in_tests: in_tests(at),
        });
        let literals = strings.into_iter().map(|range| Literal {
            line: lines.of(range.start),
            in_tests: in_tests(range.start),
            content: content(&text[range]).to_owned(),
        });
        let (mentions, literals) = (mentions.collect(), literals.collect());
        Self { path: path.to_owned(), mentions, literals, lines, code, text }
    }

    /// The line, from 1, of a byte.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.lines.of(at)
    }
}

impl Mention {
    /// Whether the path has `name`, one or several segments of it, anywhere.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name: Vec<&str> = name.split("::").collect();
        self.segments.windows(name.len()).any(|part| part == name)
    }
}

/// What stands between the first and the last quote.
fn content(literal: &str) -> &str {
    let inside = literal.split_once('"').map_or("", |(_, rest)| rest);
    inside.rsplit_once('"').map_or(inside, |(content, _)| content)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_name_start(code: &[u8], at: usize) -> bool {
    is_name(code[at]) && !code[at].is_ascii_digit() && (at == 0 || !is_name(code[at - 1]))
}

/// Reads the path at `at`, or the leaves of a braced `use`, and tells where it ends.
fn read_path(code: &str, at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let bytes = code.as_bytes();
    let mut name = prefix.to_owned();
    let mut end = at;
    loop {
        let start = end;
        end = (start..bytes.len()).find(|i| !is_name(bytes[*i])).unwrap_or(bytes.len());
        name.push_str(&code[start..end]);
        if !bytes[end..].starts_with(b"::") {
            break;
        }
        if bytes.get(end + 2) == Some(&b'{') {
            return read_group(code, end + 3, &format!("{name}::"), found);
        }
        if end + 2 >= bytes.len() || !is_name_start(bytes, end + 2) {
            break;
        }
        name.push_str("::");
        end += 2;
    }
    if bytes.get(end) == Some(&b'!') && bytes.get(end + 1) != Some(&b'=') {
        name.push('!');
    }
    found.push((at, name));
    end
}

fn read_group(code: &str, mut at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    while at < code.len() && code.as_bytes()[at] != b'}' {
        at = if is_name_start(code.as_bytes(), at) { read_path(code, at, prefix, found) } else { at + 1 };
    }
    at + 1
}

/// The code with comments and literals blanked, and where the strings stood.
fn mask(text: &str) -> (String, Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut strings = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some((end, is_string)) = not_code(bytes, at) else {
            at += 1;
            continue;
        };
        for byte in code[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        if is_string {
            strings.push(at..end);
        }
        at = end;
    }
    (String::from_utf8_lossy(&code).into_owned(), strings)
}

/// The end of the comment or literal that starts at `at`, and whether it is a string.
fn not_code(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some((at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()), false));
    }
    if rest.starts_with(b"/*") {
        return Some((at + block_comment(rest), false));
    }
    if rest[0] == b'"' {
        return Some((at + quoted(rest, b'"'), true));
    }
    if at == 0 || !is_name(bytes[at - 1]) {
        let letters = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
        let hashes = rest[letters..].iter().take_while(|byte| **byte == b'#').count();
        let opened = rest.get(letters + hashes) == Some(&b'"');
        if opened && (1..=2).contains(&letters) && rest[letters - 1] == b'r' {
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let body = letters + hashes + 1;
            let found = rest[body..].windows(close.len()).position(|part| part == close);
            return Some((at + found.map_or(rest.len(), |i| body + i + close.len()), true));
        }
    }
    // A quote is a character when it closes after one, else it opens a lifetime's name.
    let after_one = std::str::from_utf8(rest).ok()?.chars().nth(1).map_or(1, |c| c.len_utf8() + 1);
    let is_char = rest[0] == b'\'' && (rest.get(1) == Some(&b'\\') || rest.get(after_one) == Some(&b'\''));
    is_char.then(|| (at + quoted(rest, b'\''), false))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    rest.len().min(at)
}

/// What is compiled for tests only: files of tests, and the items under `#[cfg(test)]`.
fn test_ranges(path: &str, code: &str) -> Vec<Range<usize>> {
    if !path.starts_with("src/") || path.contains("/tests/") || path.ends_with("/tests.rs") {
        return vec![Range { start: 0, end: code.len() + 1 }];
    }
    let item = |(start, _): (usize, &str)| {
        let open = code[start..].find([';', '{']).map_or(code.len(), |i| start + i);
        let mut depth = 0_usize;
        for (i, byte) in code.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return start..i + 1;
            }
        }
        start..code.len()
    };
    code.match_indices("#[cfg(test)]").map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r##"//! std::env in a comment
use std::{env::{self, var}, fs::*};
/* tokio::spawn /* nested */ still */ fn f<'a>(c: &'a str) -> char { 'x' }
const S: &str = "println!(\"no\")"; const R: &str = r#"SELECT "x""#; const Q: char = '\''; const D: char = '"';
fn g() { println!("{}", a::b::<u8>()); if x != y {} }
#[cfg(test)]
mod tests { fn h() { hidden::name(); } }
fn after() { seen::again() }
"##;

    fn names(in_tests: bool) -> Vec<String> {
        let source = Source::read("src/sample.rs", SAMPLE.to_owned());
        let here = source.mentions.iter().filter(|mention| mention.in_tests == in_tests);
        here.map(|mention| format!("{}:{}", mention.line, mention.segments.join("::"))).collect()
    }

    #[test]
    fn code_is_told_from_comments_strings_and_tests() {
        let code = names(false);
        for wanted in ["2:std::env::self", "2:std::env::var", "5:println!", "5:a::b", "8:seen::again"] {
            assert!(code.contains(&wanted.to_owned()), "{wanted} is not among {code:?}");
        }
        for unwanted in ["spawn", "hidden", "SELECT", "no"] {
            assert!(!code.iter().any(|name| name.contains(unwanted)), "{unwanted} is among {code:?}");
        }
        assert!(names(true).contains(&"7:hidden::name".to_owned()));
    }

    #[test]
    fn strings_are_kept_apart() {
        let source = Source::read("src/sample.rs", SAMPLE.to_owned());
        let strings: Vec<&str> = source.literals.iter().map(|literal| literal.content.as_str()).collect();
        assert_eq!(strings, [r#"println!(\"no\")"#, "SELECT \"x\"", "{}"]);
    }

    #[test]
    fn a_name_is_found_inside_a_path() {
        let source = Source::read("src/sample.rs", SAMPLE.to_owned());
        assert!(source.mentions.iter().any(|mention| mention.has("env::var")));
        assert!(!source.mentions.iter().any(|mention| mention.has("env::args") || mention.has("var::env")));
    }
}
