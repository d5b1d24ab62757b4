//! What a rule found: where, what, and what to do instead.

use std::fmt;

/// One place where a rule is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    path: String,
    /// From 1; 0 when it is the file that is wrong, not a line of it.
    line: usize,
    what: String,
    instead: String,
}

impl Breach {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, instead } = self;
        if *line == 0 { write!(f, "{path}: {what}: {instead}") } else { write!(f, "{path}:{line}: {what}: {instead}") }
    }
}

/// Fails with every breach, each on a line.
pub(crate) fn none(mut breaches: Vec<Breach>) {
    breaches.sort_by(|a, b| (&a.path, a.line, &a.what).cmp(&(&b.path, b.line, &b.what)));
    let lines: Vec<String> = breaches.iter().map(|breach| format!("  {breach}")).collect();
    assert!(lines.is_empty(), "{} to mend:\n{}", lines.len(), lines.join("\n"));
}

/// A checker's own trial: on a sample, it must find breaches on exactly these lines.
#[track_caller]
pub(crate) fn on_lines(breaches: &[Breach], lines: &[usize]) {
    let found: Vec<usize> = breaches.iter().map(|breach| breach.line).collect();
    assert_eq!(found, lines, "the checker found: {breaches:#?}");
}

#[test]
fn a_breach_says_where_what_and_what_instead() {
    let breach = Breach::new("src/a.rs", 7, "reads the clock", "take the time as an argument");
    assert_eq!(breach.to_string(), "src/a.rs:7: reads the clock: take the time as an argument");
    assert_eq!(Breach::new("src", 0, "x", "y").to_string(), "src: x: y");
}
