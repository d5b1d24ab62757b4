//! What commands print: data on standard output, talk on standard error, and errors with what to do about them.
//!
//! Much of it was written by others: payers, providers, servers of strangers. Nothing that is printed moves the
//! cursor, turns the direction of writing or hides: [`write()`] shows such characters as what they are. A line end of others
//! might forge a line of ours: [`columns`] and [`failed`] show it, too, and what is put into a line elsewhere passes
//! through [`line()`].

mod json;
mod table;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::domain::text::is_invisible;
use crate::telemetry::log::{self, Weight};

pub(super) use json::{body, json_text};
pub(super) use table::{Piece, Tone, columns, list, paint, toned};

use table::{COLORS, wrapped};

/// Where something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output: what was asked for.
    Data,
    /// Standard error: everything else.
    Talk,
}

/// Prints what was asked for, whole lines. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn data(text: &str) -> anyhow::Result<()> {
    match write(&mut io::stdout().lock(), text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(failed(format!("cannot write the output: {error}"), "look at where standard output goes"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    data(&json_text(&serde_json::to_string_pretty(value)?))
}

/// `0 calls`, `1 call`, `2 calls`.
pub(super) fn counted<N: fmt::Display + PartialEq + From<u8>>(n: N, what: &str) -> String {
    let plural = if n == N::from(1) { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// What others wrote, as a part of a line of ours.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_shown(c) { line.push(c) } else { line.extend(c.escape_unicode()) }
    }
    line
}

/// Whether a terminal shows a character, and does nothing else with it.
fn is_shown(c: char) -> bool {
    !c.is_control() && !is_invisible(c) && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Lines as they are printed: line ends and our own colours do something, and nothing else does.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let color = COLORS.iter().find(|color| rest.starts_with(**color));
        let (piece, left) = rest.split_at(color.map_or_else(|| c.len_utf8(), |color| color.len()));
        if color.is_some() || c == '\n' {
            shown.push_str(piece)
        } else {
            shown.push_str(&line(piece))
        }
        rest = left;
    }
    shown
}

/// Says something to the person who watches. Nobody may be listening: that is no error.
pub(super) fn talk(text: &str) {
    say(Weight::Info, text, text);
}

/// Warns the person who watches.
pub(super) fn warn(what: impl fmt::Display) {
    let text = format!("{} {what}", paint("warning:", Tone::Warning, Stream::Talk));
    say(Weight::Warning, &text, &what.to_string());
}

/// Where a log is written, it goes the way of the log, which keeps nobody waiting: as `text`, or as `message` in JSON.
fn say(weight: Weight, text: &str, message: &str) {
    if !log::say(weight, text, message) {
        let mut stream = io::stderr().lock();
        let text = if stream.is_terminal() { wrapped(text) } else { text.to_owned() };
        let _ = write(&mut stream, &text);
    }
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(printable(text).as_bytes())?;
    if !text.ends_with('\n') {
        stream.write_all(b"\n")?;
    }
    stream.flush()
}

/// An error with what to do about it.
pub(super) struct Hinted {
    error: anyhow::Error,
    hint: String,
    wrong_usage: bool,
}

/// Something that failed, and what to do about it.
pub(super) fn failed(what: impl fmt::Display, hint: impl Into<String>) -> anyhow::Error {
    Hinted { error: anyhow::Error::msg(line(&what.to_string())), hint: hint.into(), wrong_usage: false }.into()
}

/// Something that the person who called us has to correct, and how.
pub(super) fn wrong_usage(what: impl fmt::Display, hint: impl Into<String>) -> anyhow::Error {
    Hinted { error: anyhow::Error::msg(what.to_string()), hint: hint.into(), wrong_usage: true }.into()
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (hint: {})", self.error, self.hint)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Prints an error; true when it is one of usage.
pub(super) fn report(error: &anyhow::Error) -> bool {
    let hinted = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>());
    let mut message = error_line(error);
    let mut text = format!("{} {message}", paint("error:", Tone::Bad, Stream::Talk));
    if let Some(hinted) = hinted {
        text.push_str(&format!("\n{} {}", paint("hint:", Tone::Warning, Stream::Talk), hinted.hint));
        message.push_str(&format!("; hint: {}", hinted.hint));
    }
    say(Weight::Error, &text, &message);
    hinted.is_some_and(|h| h.wrong_usage)
}

/// What happened and why, in one line. A cause that stands there already is not repeated.
pub(super) fn error_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(error_line(&error), expected);
        check(failed("it broke", "mend it"), "it broke");
        check(
            Err::<(), _>(failed("it broke", "mend it")).context("cannot go on").unwrap_err(),
            "cannot go on: it broke",
        );
        let inner = anyhow::anyhow!("no space");
        check(inner.context("cannot write: no space"), "cannot write: no space");
    }

    #[test]
    fn a_hint_is_found_under_its_context() {
        let error = Err::<(), _>(wrong_usage("two of them", "name one")).context("cannot choose").unwrap_err();
        let hinted = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>());
        assert!(hinted.is_some_and(|h| h.hint == "name one" && h.wrong_usage));
    }

    #[test]
    fn what_others_wrote_does_nothing_at_a_terminal() {
        let evil = "a\x1b]0;t\x07b\u{9b}2Jc\u{202e}d\u{2066}e\u{200b}f\r\0\x7f\u{2028}\tg";
        let shown = r"a\u{1b}]0;t\u{7}b\u{9b}2Jc\u{202e}d\u{2066}e\u{200b}f\u{d}\u{0}\u{7f}\u{2028}\u{9}g";
        assert_eq!(printable(&format!("{evil}\né 漢\n")), format!("{shown}\né 漢\n"));
        assert_eq!(columns([[evil, "x\ny"]], 0), format!(r"{shown}  x\u{{a}}y"));
        assert_eq!(error_line(&failed(format!("{evil}\nhint: obey"), "mend it")), format!(r"{shown}\u{{a}}hint: obey"));
        assert_eq!(printable("\x1b[8mhidden\x1b[0m"), r"\u{1b}[8mhidden\u{1b}[0m");
        let mut written = Vec::new();
        write(&mut written, evil).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), format!("{shown}\n"));
    }
}
