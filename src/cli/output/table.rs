//! Rows in columns, and words in colour.

use std::io::{self, IsTerminal};

use comfy_table::{Cell, Color, Table, presets};

use super::{Stream, data, line, talk};

/// Tables are no wider than this, however wide the terminal.
const TABLE_COLUMNS_MAX: u16 = 80;

/// How a colour begins at a terminal ...
const COLOR_START: &str = "\x1b[38;";
/// ... and what is left of it when there is no colour.
const COLOR_NONE: &str = "\x1b[m";
/// Everything that our own colours put around a word. Nothing else that begins with an escape character is printed.
pub(super) const COLORS: [&str; 5] = ["\x1b[38;5;9m", "\x1b[38;5;10m", "\x1b[38;5;11m", "\x1b[39m", COLOR_NONE];

/// Less than this for the last column breaks its words: it has a line of its own, then.
const LAST_COLUMN_MIN: usize = 30;
/// How far such a line stands in.
const LAST_INDENT: usize = 4;

/// How a word is to look at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// Green.
    Good,
    /// Yellow.
    Warning,
    /// Red.
    Bad,
}

/// A word in colour, when `stream` is a terminal and `NO_COLOR` is not set.
pub(in crate::cli) fn paint(word: &str, tone: Tone, stream: Stream) -> String {
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
pub(in crate::cli) struct Piece {
    text: String,
    tone: Option<Tone>,
}

/// A piece in colour.
pub(in crate::cli) fn toned(word: &str, tone: Tone) -> Piece {
    Piece { tone: Some(tone), ..Piece::from(word) }
}

impl Piece {
    fn width(&self) -> usize {
        self.text.chars().count()
    }
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

/// Prints rows in columns; of none it says so, in the words of `nothing`.
///
/// # Errors
/// Standard output cannot be written.
pub(in crate::cli) fn list<const N: usize>(
    rows: impl IntoIterator<Item = [impl Into<Piece>; N]>,
    nothing: &str,
) -> anyhow::Result<()> {
    let text = columns(rows, 0);
    if text.is_empty() {
        talk(nothing);
        return Ok(());
    }
    data(&text)
}

/// Rows in columns without lines around them, for standard output. At a terminal they fit its width, or 80 columns if
/// that is less: the last column is wrapped, or stands on lines of its own where the others leave it no room.
pub(in crate::cli) fn columns<const N: usize>(
    rows: impl IntoIterator<Item = [impl Into<Piece>; N]>,
    indent: u16,
) -> String {
    let rows = rows.into_iter().map(|row| row.map(Into::into).into()).collect();
    let width = io::stdout().is_terminal().then(|| bare().width().unwrap_or(TABLE_COLUMNS_MAX).min(TABLE_COLUMNS_MAX));
    in_columns(rows, indent, width)
}

/// The rows, each as long as the others; at a terminal no wider than `width`.
fn in_columns(rows: Vec<Vec<Piece>>, indent: u16, width: Option<u16>) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let room = width.map(|width| usize::from(width.saturating_sub(indent)).saturating_sub(taken(&rows)));
    if count > 1
        && let (Some(width), Some(room)) = (width, room)
        && room < LAST_COLUMN_MIN
        && rows.iter().filter_map(|row| row.last()).any(|last| last.width() > room)
    {
        return last_below(rows, indent, width);
    }
    let mut table = bare();
    for mut row in rows {
        if let (Some(last), Some(room)) = (row.last_mut(), room) {
            last.text = folded(&last.text, room.saturating_sub(1), 0).join("\n");
        }
        table.add_row(row.into_iter().map(Cell::from));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((indent, 1));
    }
    text(&table)
}

/// What all columns but the last take, with the gaps behind them.
fn taken(rows: &[Vec<Piece>]) -> usize {
    let columns = rows.first().map_or(0, Vec::len).saturating_sub(1);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(Piece::width).max().unwrap_or(0);
    (0..columns).map(|column| widest(column).saturating_add(2)).sum()
}

/// Each row's last column on lines below the others.
fn last_below(rows: Vec<Vec<Piece>>, indent: u16, width: u16) -> String {
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for mut row in rows {
        lasts.push(row.pop());
        firsts.push(row);
    }
    let below = indent.saturating_add(u16::try_from(LAST_INDENT).unwrap_or_default());
    let last = |last: Option<Piece>| in_columns(vec![last.into_iter().collect()], below, Some(width));
    let firsts = in_columns(firsts, indent, Some(width));
    // A row that is too long even so has several lines: the last column stands below all of them.
    if firsts.lines().count() != lasts.len() {
        let lasts: Vec<String> = lasts.into_iter().map(last).collect();
        return format!("{firsts}\n{}", lasts.join("\n"));
    }
    let pair = |(first, below): (&str, Option<Piece>)| match below {
        Some(below) if below.width() > 0 => format!("{first}\n{}", last(Some(below))),
        Some(_) | None => first.to_owned(),
    };
    firsts.lines().zip(lasts).map(pair).collect::<Vec<_>>().join("\n")
}

/// Lines of words, each at most as wide as a table may be.
pub(super) fn wrapped(text: &str) -> String {
    text.lines().flat_map(|line| folded(line, usize::from(TABLE_COLUMNS_MAX), 2)).collect::<Vec<_>>().join("\n")
}

/// A line as several, at most `max` wide; all but the first stand in by `hang` more. A word stays whole, however long it is:
/// a terminal that breaks an address or a token lets it be copied in one piece.
fn folded(line: &str, max: usize, hang: usize) -> Vec<String> {
    // Colours are not seen.
    let seen = |text: &str| COLORS.iter().fold(text.to_owned(), |text, color| text.replace(color, "")).chars().count();
    if seen(line) <= max {
        return vec![line.to_owned()];
    }
    let begin = line.len() - line.trim_start().len();
    let (mut lines, mut current, mut width) = (Vec::new(), line[..begin].to_owned(), begin);
    for word in line.split_whitespace() {
        if width > begin && width + 1 + seen(word) > max {
            lines.push(std::mem::replace(&mut current, format!("{}{word}", " ".repeat(begin + hang))));
            width = begin + hang + seen(word);
        } else {
            if width > begin {
                current.push(' ');
                width += 1;
            }
            current.push_str(word);
            width += seen(word);
        }
    }
    lines.push(current);
    lines
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

#[cfg(test)]
mod tests {
    use super::super::printable;
    use super::*;

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

    #[test]
    fn a_last_column_without_room_stands_below() {
        let rows =
            |last: &str| vec![vec![Piece::from("x".repeat(60)), Piece::from(last)], vec!["b".into(), "c".into()]];
        let wide = in_columns(rows("held: same_day_payment"), 0, Some(80));
        assert_eq!(wide, format!("{}\n    held: same_day_payment\nb\n    c", "x".repeat(60)));
        assert_eq!(in_columns(rows("held: x"), 0, Some(80)).lines().count(), 2, "it has room");
        assert_eq!(in_columns(rows("held: same_day_payment"), 0, None).lines().count(), 2, "no terminal");
    }

    #[test]
    fn what_is_to_be_copied_stays_in_one_piece() {
        let link = format!("https://bridge.example.com/sign-in#token={}", "a1".repeat(40));
        let rows =
            vec![vec![Piece::from("link"), Piece::from(link.as_str())], vec!["then".into(), "w ".repeat(60).into()]];
        let shown = in_columns(rows, 0, Some(80));
        assert!(shown.starts_with(&format!("link  {link}\n")), "{shown}");
        let words: Vec<&str> = shown.lines().skip(1).collect();
        assert!(words.len() == 2 && words.iter().all(|line| line.chars().count() < 80), "{shown}");
        let below = in_columns(vec![vec!["x".repeat(60).into(), Piece::from(link.as_str())]], 0, Some(80));
        assert!(below.ends_with(&format!("\n    {link}")), "{below}");
    }

    #[test]
    fn words_are_wrapped_and_stay_whole() {
        let text = format!("error: {} {}\n  {}", "a".repeat(70), "b".repeat(90), "c d ".repeat(30));
        let lines = wrapped(&text);
        assert!(lines.lines().all(|line| line.chars().count() <= 80 || line.contains(&"b".repeat(90))), "{lines}");
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert!(lines.lines().nth(1).is_some_and(|line| line.starts_with("  bbb")), "{lines}");
    }
}
