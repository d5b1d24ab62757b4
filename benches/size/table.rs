//! What was found with few events and with many, side by side.

use std::time::Duration;

use crate::measure::quantile;
use crate::pages::{Read, Reading};
use crate::turns::figure::{Figure, Unit};
use crate::turns::stage::milliseconds;

/// What was found at one size.
pub struct Measured {
    pub events: usize,
    /// What the store had.
    pub contents: String,
    rows: Vec<Row>,
    pages: Vec<Reading>,
}

struct Row {
    stage: String,
    what: &'static str,
    unit: Unit,
    values: Vec<f64>,
}

impl Row {
    fn middle(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Measured {
    pub fn of(events: usize, contents: String) -> Self {
        Self { events, contents, rows: Vec::new(), pages: Vec::new() }
    }

    /// Adds the figures of one turn.
    pub fn add(&mut self, stage: &str, figures: Vec<Figure>) {
        for Figure { what, unit, value } in figures {
            match self.rows.iter_mut().find(|row| row.stage == stage && row.what == what) {
                Some(row) => row.values.push(value),
                None => self.rows.push(Row { stage: stage.to_owned(), what, unit, values: vec![value] }),
            }
        }
    }

    /// Adds what the pages took, and the webhooks meanwhile.
    pub fn read(&mut self, read: Read) {
        let mut answers = read.webhooks.answers;
        let quantiles = [("answer p50", 500), ("answer p99", 990), ("answer p99.9", 999)];
        let figures = quantiles.map(|(what, per_mille)| Figure {
            what,
            unit: Unit::Milliseconds,
            value: milliseconds(quantile(&mut answers.times, per_mille)),
        });
        self.add("webhooks while pages are read", figures.into());
        if answers.refused > 0 {
            let value = answers.refused as f64;
            self.add("webhooks while pages are read", vec![Figure { what: "refused", unit: Unit::Count, value }]);
        }
        self.pages = read.pages;
    }
}

/// The table of one store.
pub fn text(name: &str, first: &Measured, last: &Measured) -> String {
    let (name, few, many) = (name.to_uppercase(), first.events, last.events);
    let mut lines = vec![
        format!("{name}, {few}: {}", first.contents),
        format!("{name}, {many}: {}", last.contents),
        String::new(),
        format!("{name:<28}{few:>12}{many:>12}{:>10}", "ratio"),
    ];
    let mut stage = "";
    for row in &last.rows {
        if stage != row.stage {
            stage = &row.stage;
            lines.push(stage.to_owned());
        }
        let before = first.rows.iter().find(|other| other.stage == row.stage && other.what == row.what);
        let (before, now) = (before.map_or(f64::NAN, Row::middle), row.middle());
        let (a, b) = (row.unit.show(before), row.unit.show(now));
        lines.push(format!("  {:<26}{a:>12}{b:>12}{:>9.2}x", row.what, now / before));
    }
    lines.push(String::new());
    lines.push(format!("{:<28}{few:>24}{many:>32}", "pages, ms"));
    lines.push(format!(
        "  {:<26}{:>8}{:>8}{:>8}{:>9}{:>8}{:>8}{:>8}{:>6}",
        "", "p50", "p99", "CPU", "p50", "p99", "most", "CPU", "ratio"
    ));
    for (before, now) in first.pages.iter().zip(&last.pages) {
        let ms = milliseconds;
        let cpu = |reading: &Reading| ms(reading.cpu + reading.server);
        lines.push(format!(
            "  {:<26}{:>8.1}{:>8.1}{:>8.1}{:>9.1}{:>8.1}{:>8.1}{:>8.1}{:>6.1}",
            now.page,
            ms(before.p50),
            ms(before.p99),
            cpu(before),
            ms(now.p50),
            ms(now.p99),
            ms(now.most),
            cpu(now),
            now.p99.as_secs_f64() / before.p99.max(Duration::from_micros(1)).as_secs_f64(),
        ));
    }
    lines.join("\n")
}
