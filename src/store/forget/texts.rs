//! Columns of text in which a person, a provider or we may have written an address.

use std::collections::HashMap;

use crate::store::inbox::rename::replaced;
use crate::store::sql::{Db, Row, Value, first};
use crate::store::{Store, StoreError};

/// Texts that are looked into in one read.
const TEXTS_READ_MAX: u32 = 200;

/// A column of text, and the columns that say which row it is in.
pub(in crate::store) struct Text {
    pub(in crate::store) table: &'static str,
    pub(in crate::store) column: &'static str,
    keys: &'static [Key],
}

enum Key {
    Number(&'static str),
    Word(&'static str),
}

const fn text(table: &'static str, column: &'static str, keys: &'static [Key]) -> Text {
    Text { table, column, keys }
}

/// Where an address is replaced. What else holds one is renamed or removed with its customer.
pub(in crate::store) const TEXTS: &[Text] = &[
    text("audit", "note", &[Key::Number("id")]),
    text("compared", "data", &[Key::Number("backfill"), Key::Word("subject_key")]),
    text("events", "detail", &[Key::Number("id")]),
    text("deliveries", "detail", &[Key::Number("id")]),
    text("deliveries", "receipt", &[Key::Number("id")]),
    text("attempts", "response", &[Key::Number("delivery_id"), Key::Number("n")]),
    text("lookups", "note", &[Key::Number("event_id")]),
    text("backfills", "note", &[Key::Number("id")]),
    text("routes", "detail", &[Key::Word("business"), Key::Word("product")]),
    text("alert_messages", "notice", &[Key::Number("id")]),
];

/// A text that holds an address.
#[derive(Clone)]
pub(super) struct Spot {
    text: &'static Text,
    row: Vec<Value>,
}

impl Key {
    const fn name(&self) -> &'static str {
        match self {
            Self::Number(name) | Self::Word(name) => name,
        }
    }

    fn read(&self, row: &mut Row) -> Result<Value, StoreError> {
        match self {
            Self::Number(_) => row.int().map(Value::from),
            Self::Word(_) => row.text().map(Value::from),
        }
    }

    /// Comes before all that there are.
    fn least(&self) -> Value {
        match self {
            Self::Number(_) => Value::from(-1_i64),
            Self::Word(_) => Value::from(""),
        }
    }
}

impl Text {
    /// Reads some that may hold an address: with an `@`, behind a row.
    fn read(&self) -> String {
        let keys = self.keys.iter().map(Key::name).collect::<Vec<_>>().join(", ");
        let after = (1..=self.keys.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let Self { table, column, .. } = self;
        format!(
            "SELECT {keys}, {column} FROM {table} WHERE ({keys}) > ({after}) AND {column} LIKE '%@%' \
             ORDER BY {keys} LIMIT {TEXTS_READ_MAX}"
        )
    }

    /// The condition under which a row is the one of the first parameters.
    fn is_row(&self) -> String {
        let same = self.keys.iter().zip(1..).map(|(key, n)| format!("{} = ?{n}", key.name()));
        same.collect::<Vec<_>>().join(" AND ")
    }
}

impl Store {
    /// Where these addresses stand in texts, each in lower case. What comes in meanwhile is new.
    pub(super) async fn spots_of(&self, email_keys: &[String]) -> Result<HashMap<String, Vec<Spot>>, StoreError> {
        let mut spots: HashMap<String, Vec<Spot>> = HashMap::new();
        for text in TEXTS {
            let mut after: Vec<Value> = text.keys.iter().map(Key::least).collect();
            loop {
                let rows = self.query(text.read(), after.clone()).await?;
                if rows.is_empty() {
                    break;
                }
                for mut row in rows {
                    after = text.keys.iter().map(|key| key.read(&mut row)).collect::<Result<_, _>>()?;
                    let written = row.text()?.to_ascii_lowercase();
                    for email_key in email_keys.iter().filter(|key| written.contains(key.as_str())) {
                        let spot = Spot { text, row: after.clone() };
                        spots.entry(email_key.clone()).or_default().push(spot);
                    }
                }
            }
        }
        Ok(spots)
    }
}

/// Writes `to` in the place of an address.
pub(super) async fn replace<D: Db>(db: &D, spots: &[Spot], from: &str, to: &str) -> Result<(), StoreError> {
    for Spot { text, row } in spots {
        let Text { table, column, .. } = text;
        let sql = format!("SELECT {column} FROM {table} WHERE {}", text.is_row());
        let written = first(db, &sql, row.clone()).await?.map(|mut row| row.text_option()).transpose()?.flatten();
        if let Some(other) = written.and_then(|written| replaced(&written, from, to)) {
            let sql = format!("UPDATE {table} SET {column} = ?{} WHERE {}", row.len() + 1, text.is_row());
            let values = row.iter().cloned().chain([Value::from(other)]).collect();
            db.execute(&sql, values).await?;
        }
    }
    Ok(())
}
