//! What was found: ratios first, then figures, as text of 80 columns or as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::turns::figure::{Figure, Unit};
use crate::turns::subject::Who;

/// One line: what each subject came to, round by round.
struct Row {
    store: &'static str,
    stage: String,
    what: &'static str,
    unit: Unit,
    values: BTreeMap<Who, Vec<f64>>,
}

/// All lines, in the order in which they were first found.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub fn add(&mut self, store: &'static str, stage: &str, who: Who, figures: Vec<Figure>) {
        for Figure { what, unit, value } in figures {
            let at = self.place(store, stage, what, unit);
            if let Some(row) = self.rows.get_mut(at) {
                row.values.entry(who).or_default().push(value);
            }
        }
    }

    /// Where this line is; a new one is put below the others of its stage.
    fn place(&mut self, store: &'static str, stage: &str, what: &'static str, unit: Unit) -> usize {
        let is_beside = |row: &Row| row.store == store && row.stage == stage;
        if let Some(at) = self.rows.iter().position(|row| is_beside(row) && row.what == what) {
            return at;
        }
        let at = self.rows.iter().rposition(is_beside).map_or(self.rows.len(), |last| last + 1);
        self.rows.insert(at, Row { store, stage: stage.to_owned(), what, unit, values: BTreeMap::new() });
        at
    }

    /// All lines of a store.
    pub fn text(&self, store: &str) -> String {
        let [new, old, floor, bare] = Who::ALL.map(Who::name);
        let (name, spread) = (store.to_uppercase(), " least-most");
        let mut lines = vec![
            String::new(),
            format!("{name:<20}{:>7} {spread:<12}{new:>10}{old:>10}{floor:>10}{bare:>10}", "new/old"),
        ];
        let mut stage = "";
        for row in self.rows.iter().filter(|row| row.store == store) {
            if stage != row.stage {
                stage = &row.stage;
                lines.push(stage.to_owned());
            }
            lines.push(row.line());
        }
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        self.rows.iter().map(Row::json).collect()
    }
}

impl Row {
    /// New by old of each round, in order: neighbours in time, so that what befalls the machine befalls both.
    fn ratios(&self) -> Vec<f64> {
        let of = |who| self.values.get(&who).into_iter().flatten().copied();
        let mut ratios: Vec<f64> = of(Who::New).zip(of(Who::Old)).map(|(new, old)| new / old).collect();
        ratios.retain(|ratio| ratio.is_finite());
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    fn middle(&self, who: Who) -> Option<f64> {
        let mut values = self.values.get(&who)?.clone();
        values.sort_by(f64::total_cmp);
        middle(&values)
    }

    fn line(&self) -> String {
        let ratios = self.ratios();
        let ratio = middle(&ratios).map(|ratio| format!("{ratio:.2}x")).unwrap_or_default();
        let spread = match ratios.as_slice() {
            [least, .., most] => format!("{least:.2}-{most:.2}"),
            [] | [_] => String::new(),
        };
        let show = |who| self.middle(who).map(|value| self.unit.show(value)).unwrap_or_default();
        let [new, old, floor, bare] = Who::ALL.map(show);
        let line = format!("  {:<18}{ratio:>7}  {spread:<11}{new:>10}{old:>10}{floor:>10}{bare:>10}", self.what);
        line.trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let ratios = self.ratios();
        let figures = self.values.keys().map(|who| (who.name().to_owned(), self.figures(*who)));
        json!({
            "store": self.store,
            "stage": self.stage,
            "what": self.what,
            "unit": self.unit,
            "new_by_old": { "median": middle(&ratios), "least": ratios.first(), "most": ratios.last() },
            "figures": figures.collect::<serde_json::Map<_, _>>(),
        })
    }

    fn figures(&self, who: Who) -> Value {
        json!({ "median": self.middle(who), "rounds": self.values.get(&who) })
    }
}

/// The median of values in order; of an even number, the middle of the two.
fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(*sorted.get(half.checked_sub(1)?)?, *upper))
}
