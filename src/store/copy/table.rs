//! Tables as they are copied: their columns and keys, and the statements made of them.

use crate::store::StoreError;
use crate::store::sql::{Dialect, Value};
use crate::store::sqlite::schema::{self, Column};

/// Follow from the other rows, and are a view in one of the databases: compared, and not copied.
const COUNTS: &str = "counts";
/// Made by triggers of each customer: compared, and not copied.
const PARTS: [&str; 2] = ["address_parts", "domain_parts"];
/// A count that was never made and one that is back at nothing are the same.
const COUNTED: &str = "n <> 0";

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Table {
    /// The name, as in the schema.
    pub(super) name: String,
    /// Whether its rows are copied; if not, the copied rows of others make them.
    pub(super) is_copied: bool,
    columns: Vec<String>,
    /// Which of the columns are the key, in the key's order.
    key: Vec<usize>,
}

/// The tables of the schema; those that others refer to first.
pub(super) fn tables() -> Result<Vec<Table>, StoreError> {
    schema::tables()?.into_iter().map(|(name, columns)| Table::new(name, columns)).collect()
}

impl Table {
    fn new(name: String, columns: Vec<Column>) -> Result<Self, StoreError> {
        let mut key: Vec<(i64, usize)> = columns
            .iter()
            .enumerate()
            .filter(|(_, (_, place))| *place > 0)
            .map(|(n, (_, place))| (*place, n))
            .collect();
        key.sort_unstable();
        if key.is_empty() {
            return Err(StoreError::Data(format!("the table {name} has no primary key to copy it by")));
        }
        Ok(Self {
            is_copied: name != COUNTS && !PARTS.contains(&name.as_str()),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            key: key.into_iter().map(|(_, n)| n).collect(),
            name,
        })
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: &[Value]) -> Vec<Value> {
        self.key.iter().filter_map(|n| row.get(*n).cloned()).collect()
    }

    /// The column that is the key alone.
    pub(super) fn sole_key(&self) -> Option<&str> {
        match self.key.as_slice() {
            [n] => self.columns.get(*n).map(String::as_str),
            _ => None,
        }
    }

    fn key_columns(&self) -> String {
        let names: Vec<&str> = self.key.iter().filter_map(|n| self.columns.get(*n)).map(String::as_str).collect();
        names.join(", ")
    }

    /// The rows after a key, or all.
    fn after(&self, after: &[Value]) -> String {
        let mut conditions = Vec::new();
        if self.name == COUNTS {
            conditions.push(COUNTED.to_owned());
        }
        if !after.is_empty() {
            conditions.push(format!("({}) > ({})", self.key_columns(), places(1, after.len())));
        }
        let name = &self.name;
        if conditions.is_empty() { name.clone() } else { format!("{name} WHERE {}", conditions.join(" AND ")) }
    }

    /// Reads rows after a key, in its order. How many is the last parameter, to be added.
    pub(super) fn read_after(&self, after: &[Value]) -> (String, Vec<Value>) {
        let (columns, rows, key) = (self.columns.join(", "), self.after(after), self.key_columns());
        (format!("SELECT {columns} FROM {rows} ORDER BY {key} LIMIT ?{}", after.len() + 1), after.to_vec())
    }

    /// Counts the rows after a key.
    pub(super) fn count_after(&self, after: &[Value]) -> (String, Vec<Value>) {
        (format!("SELECT COUNT(*) FROM {}", self.after(after)), after.to_vec())
    }

    /// Looks for any row.
    pub(super) fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.after(&[]))
    }

    /// Adds so many rows.
    pub(super) fn insert(&self, rows: usize, dialect: Dialect) -> String {
        let width = self.columns.len();
        let rows: Vec<String> = (0..rows).map(|n| format!("({})", places(n * width + 1, width))).collect();
        let (name, columns) = (&self.name, self.columns.join(", "));
        format!("INSERT INTO {name} ({columns}) {} VALUES {}", dialect.with_ids(), rows.join(", "))
    }
}

/// Parameters from the `first` on.
fn places(first: usize, n: usize) -> String {
    let places: Vec<String> = (first..first + n).map(|n| format!("?{n}")).collect();
    places.join(", ")
}

/// About what a row takes in memory.
pub(super) fn bytes(row: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Null | Value::Int(_) => size_of::<Value>(),
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    };
    row.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_schema_can_be_copied_by_its_key() {
        let tables = tables().unwrap();
        let identities = tables.iter().find(|table| table.name == "identities").unwrap();
        assert_eq!(identities.key_of(&["s", "k", "e", "1"].map(Value::from)).len(), 2);
        assert_eq!(
            identities.read_after(&["s", "k"].map(Value::from)).0,
            "SELECT scope, key, email_key, evidence FROM identities WHERE (scope, key) > (?1, ?2) ORDER BY scope, key LIMIT ?3"
        );
        assert_eq!(
            identities.insert(2, Dialect::Postgres),
            "INSERT INTO identities (scope, key, email_key, evidence) OVERRIDING SYSTEM VALUE \
             VALUES (?1, ?2, ?3, ?4), (?5, ?6, ?7, ?8)"
        );
        let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        assert!(place("events") < place("bodies"), "a body refers to its event");
        let not_copied: Vec<&str> = tables.iter().filter(|t| !t.is_copied).map(|t| t.name.as_str()).collect();
        assert_eq!(not_copied, ["counts", "address_parts", "domain_parts"]);
    }
}
