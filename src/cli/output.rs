//! What commands print: data on standard output, talk on standard error, and errors with what to do about them.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

/// Tables are no wider than this, however wide the terminal.
const TABLE_COLUMNS_MAX: u16 = 80;

/// How a colour begins at a terminal ...
const COLOR_START: &str = "\x1b[38;";
/// ... and what is left of it when there is no colour.
const COLOR_NONE: &str = "\x1b[m";

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
    data(&serde_json::to_string_pretty(value)?)
}

/// Says something to the person who watches. Nobody may be listening: that is no error.
pub(super) fn talk(text: &str) {
    let _ = write(&mut io::stderr().lock(), text);
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
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

/// A cell in colour, for [`columns`].
pub(super) fn toned(word: &str, tone: Tone) -> Cell {
    let color = match tone {
        Tone::Good => Color::Green,
        Tone::Warning => Color::Yellow,
        Tone::Bad => Color::Red,
    };
    Cell::new(word).fg(color)
}

/// Rows in columns without lines around them, for standard output. At a terminal they fit its width, or 80 columns if
/// that is less: the last column is wrapped.
pub(super) fn columns<const N: usize>(rows: impl IntoIterator<Item = [impl Into<Cell>; N]>, indent: u16) -> String {
    let mut table = bare();
    for row in rows {
        table.add_row(row);
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
    Hinted { error: anyhow::Error::msg(what.to_string()), hint: hint.into(), wrong_usage: false }.into()
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
    let mut text = format!("{} {}", paint("error:", Tone::Bad, Stream::Talk), told(error));
    if let Some(hinted) = hinted {
        text.push_str(&format!("\n{} {}", paint("hint:", Tone::Warning, Stream::Talk), hinted.hint));
    }
    talk(&text);
    hinted.is_some_and(|h| h.wrong_usage)
}

/// What happened and why, in one line. A cause that was told already is not told again.
pub(super) fn told(error: &anyhow::Error) -> String {
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

/// The cause behind all others.
pub(super) fn innermost(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(told(&error), expected);
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
    fn columns_line_up_and_end_without_spaces() {
        let rows = [["a", "first"], ["long", "second"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(rows, 2), "  a     first\n  long  second");
    }
}
