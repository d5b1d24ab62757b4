//! What a list asks of its rows.

use crate::store::sql::Value;

/// Conditions that are joined by AND, with their values.
#[derive(Default)]
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
