//! How many payments of some times stand how: what the dashboard's chart shows. An index has all of it, and each count is
//! one walk along it.

use crate::domain::delivery::{DeliveryState, Fate};
use crate::domain::mode::Mode;
use crate::store::codes::is_payment;
use crate::store::rows::micros;
use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};
use jiff::Timestamp;

/// Times of one chart.
pub const TIMES_MAX: usize = 400;

/// How many payments of one time stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// An agent is credited.
    pub credited: i64,
    /// Refairn was told, and nobody is credited, or it is not known who.
    pub nobody: i64,
    /// They go out by themselves.
    pub on_its_way: i64,
    /// A person has to look at them.
    pub needs_you: i64,
}

impl Counts {
    /// All of them. Those that are not told, and rightly so, are not counted.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.credited + self.nobody + self.on_its_way + self.needs_you
    }

    /// Adds those of another time.
    pub const fn add(&mut self, other: Self) {
        self.credited += other.credited;
        self.nobody += other.nobody;
        self.on_its_way += other.on_its_way;
        self.needs_you += other.needs_you;
    }
}

impl Store {
    /// How many payments of a mode were paid in each of these times, from the first moment on and before the second one. The
    /// answer is in the order of the times; of two that begin together the longer one is first. Of
    /// more than [`TIMES_MAX`] times the first ones are answered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments_within(
        &self,
        times: &[(Timestamp, Timestamp)],
        mode: Mode,
    ) -> Result<Vec<Counts>, StoreError> {
        let times: Vec<[i64; 2]> =
            times.iter().take(TIMES_MAX).map(|(from, to)| [micros(*from), micros(*to)]).collect();
        let list = |codes: &[&str]| codes.iter().map(|code| format!("'{code}'")).collect::<Vec<_>>().join(", ");
        let states = |wanted: fn(DeliveryState) -> bool| {
            list(
                &DeliveryState::ALL
                    .iter()
                    .filter(|state| wanted(**state))
                    .map(|state| state.code())
                    .collect::<Vec<_>>(),
            )
        };
        let (told, open) = (states(DeliveryState::is_acknowledged), states(DeliveryState::is_open));
        let (all, fates) = (states(|_| true), list(&Fate::ALL.iter().map(|fate| fate.code()).collect::<Vec<_>>()));
        let (credited, other) =
            (Fate::Credited.code(), list(&[Fate::CreditedNobody.code(), Fate::CreditUnknown.code()]));
        // Every column of the index before the time is told exactly, so that each count is a walk from one moment to another.
        let is_payment = is_payment("");
        let n = |standing: String| {
            format!(
                "(SELECT COUNT(*) FROM deliveries WHERE {is_payment} AND mode = ?2 AND {standing} \
                 AND at >= CAST(t.a AS BIGINT) AND at < CAST(t.b AS BIGINT))"
            )
        };
        let sql = format!(
            "WITH t (a, b) AS ({}) SELECT {}, {}, {}, {} + {} FROM t ORDER BY CAST(t.a AS BIGINT), CAST(t.b AS BIGINT) DESC",
            self.dialect().pairs("?1"),
            n(format!("fate = '{credited}' AND attention = 0 AND state IN ({told})")),
            n(format!("fate IN ({other}) AND attention = 0 AND state IN ({told})")),
            n(format!("fate IS NULL AND attention = 0 AND state IN ({open})")),
            n(format!("fate IS NULL AND attention = 1 AND state IN ({all})")),
            n(format!("fate IN ({fates}) AND attention = 1 AND state IN ({all})")),
        );
        self.rows(sql, values![serde_json::to_string(&times)?, mode.code()], counts).await
    }
}

fn counts(row: &mut Row) -> Result<Counts, StoreError> {
    Ok(Counts { credited: row.int()?, nobody: row.int()?, on_its_way: row.int()?, needs_you: row.int()? })
}
