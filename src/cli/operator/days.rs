//! Which days payments are of: a month, or from one day to another, in the time zone of the bridge.

use jiff::civil::Date;

use crate::cli::output;

/// Days of payments.
#[derive(clap::Args)]
pub(super) struct Days {
    /// Paid in this month, such as 2026-10
    #[arg(long, conflicts_with_all = ["from", "to"])]
    month: Option<String>,
    /// Paid on this day or later
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Paid on this day or before
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

impl Days {
    /// The first and the last day, as far as they are given: the API knows when they begin and end.
    ///
    /// # Errors
    /// What is given for a month is none.
    pub(super) fn first_and_last(&self) -> anyhow::Result<[Option<String>; 2]> {
        let Some(month) = &self.month else { return Ok([self.from.clone(), self.to.clone()]) };
        let first = format!("{month}-01").parse::<Date>();
        let first = first.map_err(|_| output::wrong_usage(format!("{month} is no month"), "write it as 2026-10"))?;
        Ok([first, first.last_of_month()].map(|day| Some(day.to_string())))
    }
}
