//! What all processes of a store have to know alike, and none of them is told by its configuration.

use super::sql::{Db, Work, first, values};
use super::{Store, StoreError};

/// The name of the random text that goes into the key of the dashboard's sessions.
const SESSION_SALT: &str = "session_salt";

impl Store {
    /// The random text from which, with the admin token, the key of sessions is made. Replicas share it, and it outlives a
    /// restart. `made_up` becomes it where there is none.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub async fn session_salt(&self, made_up: String) -> Result<String, StoreError> {
        self.write(Setting { name: SESSION_SALT, made_up }).await
    }
}

struct Setting {
    name: &'static str,
    made_up: String,
}

impl Work for Setting {
    type Answer = String;

    async fn run<D: Db>(&self, db: &D) -> Result<String, StoreError> {
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.execute(sql, values![self.name, &self.made_up]).await?;
        let row = first(db, "SELECT value FROM settings WHERE name = ?1", values![self.name]).await?;
        row.map_or_else(|| Ok(self.made_up.clone()), |mut row| row.text())
    }
}
