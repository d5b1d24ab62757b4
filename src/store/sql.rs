//! What the two databases have in common: values, rows, and statements that both understand. What the store does is
//! written once, over [`Db`]; a backend says how a statement is run, and [`Dialect`] where their SQL differs.
//!
//! Parameters are written `?1`, `?2`, …

use std::future::Future;
use std::time::Duration;

use super::StoreError;
use super::counts::Counted;
use super::numbering::Numbering;
use super::recent::Stored;
use super::sums::Sold;
pub(super) use super::value::{Row, Value, values};
use crate::domain::customer::CustomerKey;
use crate::domain::event::{EventId, NewEvent};

/// The table that is in a database as long as another store is being copied into it.
pub(super) const UNFINISHED_COPY: &str = "unfinished_copy";

/// The table that says whose an id of a provider's is.
pub(super) const IDENTITIES: &str = "identities";

/// A connection inside a write, or the writer's own.
pub(super) trait Db: Sync {
    /// Where its SQL differs.
    const DIALECT: Dialect;

    /// Runs a statement and reads its rows.
    fn query(&self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Runs a statement; gives how many rows it changed.
    fn execute(&self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs an INSERT of one row; gives its id, or nothing where it gave way to a row that is there.
    fn insert(&self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// Runs statements without parameters and rows.
    fn run_all(&self, sql: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Waits until nobody else is at work on these, and keeps them until the write has ended.
    fn lock(&self, locks: &[Lock<'_>]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a lock if nobody has it; does not wait.
    fn try_lock(&self, lock: Lock<'_>) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Those of the events that are still to be read; nobody else can read them until the write has ended.
    fn unread(&self, events: &[EventId]) -> impl Future<Output = Result<Vec<EventId>, StoreError>> + Send;

    /// Begins something that is only tried out.
    fn try_out(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Undoes what was written since [`Db::try_out`].
    fn undo_trial(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What was remembered of a customer, if the database says the same. From now on it is not remembered any more.
    fn recall(&self, key: &CustomerKey) -> Option<Stored>;

    /// What was remembered of a customer's rows, less those that have changed since. From now on it is not remembered any
    /// more.
    fn recall_rows(&self, key: &CustomerKey) -> Option<Stored>;

    /// Remembers a customer as the database has it now, where nobody else writes to the database.
    fn remember(&self, customer: Stored);

    /// Numbers an event that is about to be recorded, where the database does not.
    fn number(&self, event: &NewEvent) -> Result<Numbering, StoreError>;

    /// Counts so many more.
    fn count(&self, what: Counted, by: i64);

    /// Adds a payment to what payments add up to, or takes it away.
    fn add_up(&self, sold: Sold, is_there: bool);

    /// Counts all anew, after something that nobody counted.
    fn count_anew(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Something to be written, all or nothing. It may be run more than once: what an earlier run wrote was undone.
pub(super) trait Work: Send + Sync + 'static {
    /// What it gives.
    type Answer: Send + 'static;

    /// Writes.
    fn run<D: Db>(&self, db: &D) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;
}

/// What several replicas must not work on at once. SQLite has one writer, and needs no locks.
#[derive(Clone, Copy)]
pub(super) enum Lock<'a> {
    /// A provider's id in a scope: whose it is, and who waits for it.
    Key { scope: &'a str, key: &'a str },
    /// A customer's calls, and whose turn it is.
    Customer(&'a CustomerKey),
}

/// Where the two databases' SQL differs.
///
/// A lease of SQLite's has no end: one process has the file, and knows what it has under way. The replicas of PostgreSQL
/// do not know that of each other, and may disagree about the time: there a lease begins and ends by the database's
/// clock. When a call is due is told by the store's clock in
/// both, which with PostgreSQL follows the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// The database's clock, microseconds since 1970.
pub(super) const DATABASE_NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// A span as it is added to a time, microseconds.
pub(super) fn span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)
}

impl Dialect {
    /// The condition under which a row `q` of the queue may be leased, unless it [`is_held`](Self::is_held); `now` is the
    /// parameter with the time. In SQLite a lease that this process does not hold is one that it has lost.
    pub(super) fn due(self, now: &str) -> String {
        match self {
            Self::Sqlite => format!("q.due_at <= {now}"),
            Self::Postgres => {
                format!("(q.leased = 0 AND q.due_at <= {now} OR q.leased = 1 AND q.leased_until <= {DATABASE_NOW})")
            }
        }
    }

    /// The condition under which the customer of a row `q` of the queue is among those that parameter `list` has: a JSON
    /// list of pairs of business and address.
    pub(super) fn is_held(self, list: &str) -> String {
        format!("(q.business, q.email_key) IN ({})", self.pairs(list))
    }

    /// A SELECT of the pairs of business and address that parameter `list` has, a JSON list of them.
    pub(super) fn pairs(self, list: &str) -> String {
        self.lists(list, 2)
    }

    /// A SELECT of the lists of so many texts that parameter `list` has, a JSON list of them.
    pub(super) fn lists(self, list: &str, texts: usize) -> String {
        let columns = (0..texts).map(|n| format!("h.value ->> {n}")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite => format!("SELECT {columns} FROM json_each({list}) h WHERE TRUE"),
            Self::Postgres => {
                format!("SELECT {columns} FROM jsonb_array_elements(CAST(CAST({list} AS TEXT) AS JSONB)) h")
            }
        }
    }

    /// A SELECT of each text, as `key`, and its number, as `listed`, that parameter `list` has: a JSON list of such pairs.
    pub(super) fn numbered(self, list: &str) -> String {
        match self {
            Self::Sqlite => format!("SELECT h.value ->> 0 AS key, h.value ->> 1 AS listed FROM json_each({list}) h"),
            Self::Postgres => format!(
                "SELECT h.value ->> 0 AS key, CAST(h.value ->> 1 AS BIGINT) AS listed \
                 FROM jsonb_array_elements(CAST(CAST({list} AS TEXT) AS JSONB)) h"
            ),
        }
    }

    /// A SELECT of the numbers that parameter `list` has, a JSON list of them.
    pub(super) fn numbers(self, list: &str) -> String {
        match self {
            Self::Sqlite => format!("SELECT value FROM json_each({list})"),
            Self::Postgres => {
                format!(
                    "SELECT CAST(value AS BIGINT) FROM jsonb_array_elements_text(CAST(CAST({list} AS TEXT) AS JSONB))"
                )
            }
        }
    }

    /// A SELECT of the texts that parameter `list` has, a JSON list of them.
    pub(super) fn texts(self, list: &str) -> String {
        match self {
            Self::Sqlite => format!("SELECT value FROM json_each({list})"),
            Self::Postgres => {
                format!("SELECT value FROM jsonb_array_elements_text(CAST(CAST({list} AS TEXT) AS JSONB))")
            }
        }
    }

    /// The condition that a column has one of the texts in parameter `list`, a JSON list of them. Each of them is looked up, in
    /// an index that begins with other columns, too.
    pub(super) fn is_one_of(self, column: &str, list: &str) -> String {
        self.is_among(column, &self.texts(list))
    }

    /// The condition that a column has one of the values of a SELECT, which is run first. Each of them is looked up.
    pub(super) fn is_among(self, column: &str, select: &str) -> String {
        match self {
            Self::Sqlite => format!("{column} IN ({select})"),
            Self::Postgres => format!("{column} = ANY (ARRAY({select}))"),
        }
    }

    /// A SELECT of `columns` of what `from` has under a condition, for each of these rows in turn: they may be many or few,
    /// and nobody guesses. Of more than `most` in all it gives some.
    pub(super) fn for_each(self, rows: &str, [columns, from, condition]: [&str; 3], most: Option<u32>) -> String {
        let limit = most.map_or_else(String::new, |most| format!("LIMIT {most}"));
        match self {
            Self::Sqlite => format!("SELECT {columns} FROM {rows} CROSS JOIN {from} WHERE {condition} {limit}"),
            // OFFSET keeps the two apart: they are not planned as one. Where a few are enough, LIMIT has them read one by one.
            Self::Postgres => format!(
                "SELECT found.* FROM {rows} CROSS JOIN LATERAL \
                 (SELECT {columns} FROM {from} WHERE {condition} OFFSET 0 {limit}) found {limit}"
            ),
        }
    }

    /// The text that a column of JSON has in a field, as our indexes have it.
    pub(super) fn field(self, column: &str, field: &str) -> String {
        match self {
            Self::Sqlite => format!("{column} ->> '$.{field}'"),
            Self::Postgres => format!("CAST({column} AS JSON) ->> '{field}'"),
        }
    }

    /// The same of a field that holds a text without quotation marks, as we write it, wherever it is. PostgreSQL cuts it out in
    /// a tenth of the time in which it reads the JSON. In a text that quotes the field a backslash is before the quotation mark.
    pub(super) fn plain_field(self, column: &str, field: &str) -> String {
        match self {
            Self::Sqlite => self.field(column, field),
            Self::Postgres => format!("split_part(split_part({column}, '\"{field}\":\"', 2), '\"', 1)"),
        }
    }

    /// The condition that a text is in a column.
    pub(super) fn has_text(self, column: &str, text: &str) -> String {
        match self {
            Self::Sqlite => format!("instr({column}, {text}) > 0"),
            Self::Postgres => format!("strpos({column}, {text}) > 0"),
        }
    }

    /// The business and the time of a row `q` of the queue, as the index of the routes has them. In PostgreSQL it has them in a
    /// form of its own. So it is taken for a route, and for nothing else, and a route is found by no other index: of a queue that
    /// is thought to be empty, any index that has the business would do.
    pub(super) const fn in_turn(self) -> [&'static str; 2] {
        match self {
            Self::Sqlite => ["q.business", "q.due_at"],
            Self::Postgres => ["(q.business || '')", "(q.due_at + 0)"],
        }
    }

    /// How a lease that begins now notes its end, where it has one.
    pub(super) fn leased_until(self, lease: Duration) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!(", leased_until = {DATABASE_NOW} + {}", lease.as_micros()),
        }
    }

    /// The condition under which a row of the queue is leased for longer than a lease that begins now, where leases end.
    pub(super) fn leased_too_long(self, lease: Duration) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(format!("leased = 1 AND leased_until > {DATABASE_NOW} + {}", lease.as_micros())),
        }
    }

    /// The table that has what is counted, and the one that has what is still to be added to it, where that waits.
    pub(super) const fn counts(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Sqlite => ("counts", None),
            Self::Postgres => ("count_sums", Some("count_changes")),
        }
    }

    /// A write that changes nothing.
    pub(super) const fn probe(self) -> &'static str {
        match self {
            Self::Sqlite => "UPDATE counts SET n = n WHERE what = 'attention'",
            // Replicas that ask at the same time do not wait for each other: it adds nothing to a sum.
            Self::Postgres => "INSERT INTO count_changes (what, state, n) VALUES ('attention', '', 0)",
        }
    }

    /// Whether there is a table `?1`.
    pub(super) const fn has_table(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
            Self::Postgres => "SELECT to_regclass(?1) IS NOT NULL",
        }
    }

    /// What an INSERT says that brings ids with it.
    pub(super) const fn with_ids(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "OVERRIDING SYSTEM VALUE",
        }
    }

    /// Makes ids of a table's column go on after the last one; where they do by themselves there is nothing to run.
    pub(super) fn go_on_after_the_last(self, table: &str, column: &str) -> Option<String> {
        match self {
            Self::Sqlite => None,
            // Only an `id` is counted by the database. A table without rows gives nothing to set.
            Self::Postgres => (column == "id").then(|| {
                format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT MAX({column}) FROM {table}))"
                )
            }),
        }
    }

    /// Notes by which parts every address is found, where no trigger does.
    pub(super) const fn parts(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some(include_str!("sqlite/parts.sql")),
            Self::Postgres => None,
        }
    }

    /// Moves what stands under the scopes in the table `moves` to their targets.
    pub(super) const fn rescope(self) -> &'static str {
        match self {
            Self::Sqlite => include_str!("sqlite/rescope.sql"),
            Self::Postgres => include_str!("postgres/rescope.sql"),
        }
    }

    /// The scope of a payment's delivery `d`.
    pub(super) const fn scope_of_payment(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "CASE substr(d.subject, 1, 1) WHEN '{' THEN d.subject ->> '$.payment.scope' \
                 ELSE substr(d.subject_key, 9, CAST(d.subject AS INTEGER)) END"
            }
            Self::Postgres => {
                "CASE left(d.subject, 1) WHEN '{' THEN CAST(d.subject AS JSON) #>> '{payment,scope}' \
                 ELSE substr(d.subject_key, 9, CAST(d.subject AS INTEGER)) END"
            }
        }
    }

    /// Makes a SELECT wait for the write that has its rows of this table.
    pub(super) fn take_rows(self, table: &str) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!("FOR UPDATE OF {table}"),
        }
    }

    /// Makes a SELECT take its rows, and leave out those that somebody else has taken.
    pub(super) const fn take_free_rows(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }
}

/// The first row, where at most one is looked for.
pub(super) async fn first<D: Db>(db: &D, sql: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
    Ok(db.query(sql, values).await?.into_iter().next())
}
