//! What a list asks of its rows.
//!
//! PostgreSQL plans a statement once, and without its values. To go by the numbers until enough rows fit looks cheap to it
//! wherever most rows might fit, and where none does it reads them all. So a list says how it is found: it goes
//! [`along`](Conditions::along) an index, or its order is an expression to which no index leads, and few rows are sorted.

use crate::store::sql::Value;

/// Conditions that are joined by AND, with their values.
#[derive(Clone, Default)]
pub(in crate::store) struct Conditions {
    sql: Vec<String>,
    pub(in crate::store) values: Vec<Value>,
}

impl Conditions {
    /// `sql` ends before its parameter; nothing is asked when there is no value.
    pub(in crate::store) fn and<T>(mut self, sql: &str, value: Option<T>) -> Self
    where
        Value: From<T>,
    {
        if let Some(value) = value {
            self.values.push(Value::from(value));
            self.sql.push(format!("{sql} ?{}", self.values.len()));
        }
        self
    }

    /// A condition in which `{}` stands for its parameter; nothing is asked when there is no value.
    pub(in crate::store) fn and_whole<T>(mut self, sql: &str, value: Option<T>) -> Self
    where
        Value: From<T>,
    {
        if let Some(value) = value {
            self.values.push(Value::from(value));
            self.sql.push(sql.replace("{}", &format!("?{}", self.values.len())));
        }
        self
    }

    /// The rows that have this value in a column, which an index has before the id, and of them those with a smaller id, if
    /// one is given. They are in the order that [`newest_along`] says. An equation would say the same, but then the order
    /// would be that of any index by id.
    pub(in crate::store) fn along(self, column: &str, of: &str, below: Option<i64>) -> Self {
        self.along_down_to(column, of, below, None)
    }

    /// The same, and none with a smaller id than `down_to`.
    pub(in crate::store) fn along_down_to(
        mut self,
        column: &str,
        of: &str,
        below: Option<i64>,
        down_to: Option<i64>,
    ) -> Self {
        self.values.push(Value::from(of));
        let n = self.values.len();
        let mut ends = |id: Option<i64>, with_id: &str, without: &str| match id {
            Some(id) => {
                self.values.push(Value::from(id));
                format!("({column}, id) {with_id} (?{n}, ?{})", self.values.len())
            }
            None => format!("{column} {without} ?{n}"),
        };
        let ends = [ends(down_to, ">=", ">="), ends(below, "<", "<=")];
        self.sql.extend(ends);
        self
    }

    /// A condition without a parameter.
    pub(in crate::store) fn and_always(self, sql: &str) -> Self {
        self.and_if(Some(sql.to_owned()))
    }

    /// A condition without a parameter, if there is one.
    pub(in crate::store) fn and_if(mut self, sql: Option<String>) -> Self {
        self.sql.extend(sql);
        self
    }

    /// `WHERE …`, or nothing.
    pub(in crate::store) fn clause(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!("WHERE {}", self.sql.join(" AND ")) }
    }
}

/// The newest first of what was looked for [along](Conditions::along) this column.
pub(in crate::store) fn newest_along(column: &str) -> String {
    format!("{column} DESC, id DESC")
}
