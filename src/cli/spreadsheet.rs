//! Tables for spreadsheets. What others wrote is never run there: a cell that a spreadsheet would take for a formula begins
//! with an apostrophe.

use std::io::{self, Write};

use anyhow::Context;

/// What a formula begins with; a tab or a line end in front of it is skipped by some.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Rows of comma-separated values, as they are written.
pub(super) struct Spreadsheet<W: Write>(csv::Writer<W>);

impl<W: Write> Spreadsheet<W> {
    /// A table with these columns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn new(to: W, columns: &[&str]) -> anyhow::Result<Self> {
        let mut table = Self(csv::Writer::from_writer(to));
        table.row(columns)?;
        Ok(table)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn row<C: AsRef<str>>(&mut self, cells: &[C]) -> anyhow::Result<()> {
        self.0.write_record(cells.iter().map(|cell| safe(cell.as_ref()))).context("cannot write the table")
    }

    /// Ends after all is written.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.0.flush().context("cannot write the table")
    }
}

/// A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Those of `done`, but for that one.
pub(super) fn unless_nobody_reads(done: anyhow::Result<()>) -> anyhow::Result<()> {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let of_table = |error: &csv::Error| matches!(error.kind(), csv::ErrorKind::Io(error) if is_broken(error));
    done.or_else(|error| {
        let seen_enough = error.chain().any(|cause| {
            cause.downcast_ref::<csv::Error>().is_some_and(of_table)
                || cause.downcast_ref::<io::Error>().is_some_and(is_broken)
        });
        if seen_enough { Ok(()) } else { Err(error) }
    })
}

/// Whether a spreadsheet may run it.
pub(super) fn is_formula(cell: &str) -> bool {
    cell.starts_with(FORMULAS) || cell.trim_start().starts_with(FORMULAS)
}

/// A cell that is only shown.
fn safe(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_run() {
        let check = |cell: &str, expected: &str| {
            let mut written = Vec::new();
            let mut table = Spreadsheet::new(&mut written, &["a", "b"]).unwrap();
            table.row(&[cell, "1"]).unwrap();
            table.end().unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), format!("a,b\n{expected},1\n"));
        };
        check("Jane, Smith", "\"Jane, Smith\"");
        check("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
        check("+2348012345678", "'+2348012345678");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t=1");
        check(" =1", "' =1");
        check("29.99", "29.99");
        check("a\nb", "\"a\nb\"");
    }
}
