//! Where exported payments go: standard output, or a file of each currency. A file takes its name when it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Format;
use super::refairn::{ALL, IMPORTED, all, imported};
use crate::api::Delivery;
use crate::cli::output;
use crate::cli::spreadsheet::Spreadsheet;
use crate::private;

/// Files that are written side by side at most: there are fewer currencies.
const FILES_MAX: usize = 200;

/// What is written, as it comes.
pub(super) struct Files {
    format: Format,
    folder: Option<PathBuf>,
    open: BTreeMap<String, Sink>,
    written: u64,
    left_out: u64,
}

/// One file, or standard output.
struct Sink {
    table: Table,
    /// The name that it takes, and the one that it has until then.
    names: Option<(PathBuf, PathBuf)>,
}

enum Table {
    Csv(Box<Spreadsheet<Box<dyn Write>>>),
    Lines(Box<dyn Write>),
}

impl Files {
    pub(super) const fn new(format: Format, folder: Option<PathBuf>) -> Self {
        Self { format, folder, open: BTreeMap::new(), written: 0, left_out: 0 }
    }

    /// How many payments were written.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Writes a payment in a currency.
    pub(super) fn write(&mut self, payment: &Delivery, currency: &str) -> anyhow::Result<()> {
        let format = self.format;
        let imported = if format == Format::RefairnCsv { imported(payment) } else { None };
        if format == Format::RefairnCsv && imported.is_none() {
            self.left_out += 1;
            return Ok(());
        }
        let name = if self.folder.is_some() { currency } else { "" };
        if !self.open.contains_key(name) {
            let sink = self.sink(currency)?;
            self.open.insert(name.to_owned(), sink);
        }
        let Some(sink) = self.open.get_mut(name) else { return Ok(()) };
        match &mut sink.table {
            Table::Csv(table) => match &imported {
                Some(row) => table.row(row)?,
                None => table.row(&all(payment))?,
            },
            Table::Lines(lines) => {
                writeln!(lines, "{}", output::json_text(&serde_json::to_string(payment)?)).context("cannot write")?;
            }
        }
        self.written += 1;
        Ok(())
    }

    fn sink(&self, currency: &str) -> anyhow::Result<Sink> {
        let (to, names): (Box<dyn Write>, _) = match &self.folder {
            None => (Box::new(io::stdout()), None),
            Some(folder) => {
                if self.open.len() >= FILES_MAX {
                    return Err(output::failed("there are too many currencies", "export some with --currency"));
                }
                let ending = if self.format == Format::Jsonl { "jsonl" } else { "csv" };
                let name = folder.join(format!("payments-{}.{ending}", plain(currency)));
                let partial = name.with_extension(format!("{ending}.partial"));
                (Box::new(BufWriter::new(create(folder, &partial)?)), Some((name, partial)))
            }
        };
        let table = match self.format {
            Format::RefairnCsv => Table::Csv(Box::new(Spreadsheet::new(to, &IMPORTED)?)),
            Format::Csv => Table::Csv(Box::new(Spreadsheet::new(to, &ALL)?)),
            Format::Jsonl => Table::Lines(to),
        };
        Ok(Sink { table, names })
    }

    /// Ends all files, and says which there are.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        // A table of nothing has its columns all the same.
        if self.folder.is_none() && self.open.is_empty() {
            let sink = self.sink("")?;
            self.open.insert(String::new(), sink);
        }
        for sink in self.open.into_values() {
            match sink.table {
                Table::Csv(table) => table.end()?,
                Table::Lines(mut lines) => lines.flush().context("cannot write")?,
            }
            if let Some((name, partial)) = sink.names {
                fs::rename(&partial, &name).with_context(|| format!("cannot give {} its name", name.display()))?;
                output::talk(&format!("written: {}", name.display()));
            }
        }
        if self.left_out > 0 {
            let payments = output::counted(self.left_out, "payment");
            output::warn(format!("{payments} left out: a spreadsheet would take such an address for a formula"));
        }
        if self.folder.is_some() {
            output::talk(&output::counted(self.written, "payment"));
        }
        Ok(())
    }
}

/// A file that only its owner reads: there are addresses in it.
fn create(folder: &Path, name: &Path) -> anyhow::Result<File> {
    private::make_folders(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = private::options().write(true).create(true).truncate(true).open(name);
    file.with_context(|| format!("cannot write {}", name.display()))
}

/// A currency as a part of a file's name.
fn plain(currency: &str) -> String {
    currency.chars().filter(char::is_ascii_alphanumeric).collect()
}
