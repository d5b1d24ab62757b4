//! One number that was found, and how it is written.

use serde::Serialize;

/// One number of one turn.
pub struct Figure {
    pub what: &'static str,
    pub unit: Unit,
    pub value: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A second.
    Rate,
    Milliseconds,
    Microseconds,
    Mebibytes,
    Bytes,
    Count,
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{value:.0}/s"),
            Self::Milliseconds if value < 100.0 => format!("{value:.2} ms"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Microseconds => format!("{value:.0} µs"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Count => format!("{value:.0}"),
        }
    }
}
