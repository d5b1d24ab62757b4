//! What commands print: data on standard output, talk on standard error, and errors with what to do about them.
//!
//! Much of it was written by others: payers, providers, servers of strangers. Nothing that is printed moves the
//! cursor, turns the direction of writing or hides: [`write()`] shows such characters as what they are. A line end of others
//! might forge a line of ours: [`columns`] and [`failed`] show it, too, and what is put into a line elsewhere passes
//! through [`line()`].

use std::fmt;
use std::io::{self, IsTerminal, Write};

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::domain::text::is_invisible;
use crate::telemetry::log::{self, Weight};

/// Tables are no wider than this, however wide the terminal.
const TABLE_COLUMNS_MAX: u16 = 80;

/// How a colour begins at a terminal ...
const COLOR_START: &str = "\x1b[38;";
/// ... and what is left of it when there is no colour.
const COLOR_NONE: &str = "\x1b[m";
/// Everything that our own colours put around a word. Nothing else that begins with an escape character is printed.
const COLORS: [&str; 5] = ["\x1b[38;5;9m", "\x1b[38;5;10m", "\x1b[38;5;11m", "\x1b[39m", COLOR_NONE];

/// Where something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output: what was asked for.
    Data,
    /// Standard error: everything else.
    Talk,
}

/// How a word is to look at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Green.
    Good,
    /// Yellow.
    Warning,
    /// Red.
    Bad,
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

/// JSON in which every character is written as an escape that might not be seen as it is.
pub(super) fn json_text(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_shown(c) || c == '\n' {
            text.push(c);
        } else {
            // Such a character is in a string, where JSON has escapes.
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
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
        let _ = write(&mut io::stderr().lock(), text);
    }
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(printable(text).as_bytes())?;
    if !text.ends_with('\n') {
        stream.write_all(b"\n")?;
    }
    stream.flush()
}

/// A word in colour, when `stream` is a terminal and `NO_COLOR` is not set.
pub(super) fn paint(word: &str, tone: Tone, stream: Stream) -> String {
    let mut table = bare();
    if stream == Stream::Talk {
        table.use_stderr();
    }
    table.add_row([toned(word, tone)]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    text(&table)
}

/// What is in a row of [`columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    text: String,
    tone: Option<Tone>,
}

/// A piece in colour.
pub(super) fn toned(word: &str, tone: Tone) -> Piece {
    Piece { tone: Some(tone), ..Piece::from(word) }
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self { text: line(text), tone: None }
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Piece> for Cell {
    fn from(piece: Piece) -> Self {
        let color = piece.tone.map(|tone| match tone {
            Tone::Good => Color::Green,
            Tone::Warning => Color::Yellow,
            Tone::Bad => Color::Red,
        });
        let cell = Self::new(piece.text);
        match color {
            Some(color) => cell.fg(color),
            None => cell,
        }
    }
}

/// Rows in columns without lines around them, for standard output. At a terminal they fit its width, or 80 columns if
/// that is less: the last column is wrapped.
pub(super) fn columns<const N: usize>(rows: impl IntoIterator<Item = [impl Into<Piece>; N]>, indent: u16) -> String {
    let mut table = bare();
    for row in rows {
        table.add_row(row.map(|piece| Cell::from(piece.into())));
    }
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let width = table.width().unwrap_or(TABLE_COLUMNS_MAX).min(TABLE_COLUMNS_MAX);
        table.set_width(width);
        for column in table.column_iter_mut().take(N.saturating_sub(1)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((indent, 1));
    }
    text(&table)
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// The table's lines without spaces at their ends.
fn text(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let text = lines.join("\n");
    // With NO_COLOR the table leaves colours out, but not the codes around them.
    if text.contains(COLOR_START) { text } else { text.replace(COLOR_NONE, "") }
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

    #[test]
    fn json_stays_json_and_says_the_same() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}\u{9b}\u{200d}\u{e0041}\n\"é"});
        let text = json_text(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| is_shown(c) || c == '\n'), "{text}");
        assert!(text.contains(r"\u202e") && text.contains(r"\udb40\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn our_own_colours_are_printed_as_they_are() {
        for tone in [Tone::Good, Tone::Warning, Tone::Bad] {
            let mut table = bare();
            table.add_row([toned("word", tone)]).force_no_tty().enforce_styling();
            let text = text(&table);
            assert!(text.contains(COLOR_START), "{text:?}");
            assert_eq!(printable(&text), text);
        }
    }

    #[test]
    fn columns_line_up_and_end_without_spaces() {
        let rows = [["a", "first"], ["long", "second"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(rows, 2), "  a     first\n  long  second");
    }
}
