//! What all processes of a store have to know alike, and none of them is told by its configuration.

use super::sql::{Db, Row, Work, first, values};
use super::{Store, StoreError};
use crate::domain::pseudonym::PseudonymKey;

/// The name of the random text that goes into the key of the dashboard's sessions.
const SESSION_SALT: &str = "session_salt";

/// The name of the random text that keys what stands for the addresses of customers who are forgotten. It is there once
/// anybody was.
const PSEUDONYM_KEY: &str = "pseudonym_key";

/// What a name stands for, if it stands for anything.
const VALUE: &str = "SELECT value FROM settings WHERE name = ?1";

impl Store {
    /// The random text from which, with the admin token, the key of sessions is made. Replicas share it, and it outlives a
    /// restart. `made_up` becomes it where there is none.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub async fn session_salt(&self, made_up: String) -> Result<String, StoreError> {
        self.write(Setting { name: SESSION_SALT, made_up }).await
    }

    /// What keys the pseudonyms of this store, if anybody is forgotten: for a read, which has no part in a write.
    pub(super) async fn pseudonym_key(&self) -> Result<Option<PseudonymKey>, StoreError> {
        key_of(self.query(VALUE.to_owned(), values![PSEUDONYM_KEY]).await?)
    }
}

struct Setting {
    name: &'static str,
    made_up: String,
}

impl Work for Setting {
    type Answer = String;

    async fn run<D: Db>(&self, db: &D) -> Result<String, StoreError> {
        setting(db, self.name, &self.made_up).await
    }
}

/// What a name stands for; `made_up` where nothing stood for it.
async fn setting<D: Db>(db: &D, name: &str, made_up: &str) -> Result<String, StoreError> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.execute(sql, values![name, made_up]).await?;
    let row = first(db, VALUE, values![name]).await?;
    row.map_or_else(|| Ok(made_up.to_owned()), |mut row| row.text())
}

/// The same, for a write.
pub(super) async fn pseudonym_key<D: Db>(db: &D) -> Result<Option<PseudonymKey>, StoreError> {
    key_of(db.query(VALUE, values![PSEUDONYM_KEY]).await?)
}

fn key_of(rows: Vec<Row>) -> Result<Option<PseudonymKey>, StoreError> {
    rows.into_iter().next().map(|mut row| row.text().map(PseudonymKey::new)).transpose()
}

/// The same; `made_up` becomes it where there is none.
pub(super) async fn make_pseudonym_key<D: Db>(db: &D, made_up: &str) -> Result<PseudonymKey, StoreError> {
    setting(db, PSEUDONYM_KEY, made_up).await.map(PseudonymKey::new)
}
