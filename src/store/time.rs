//! The clock that all who work on a store go by.

use jiff::Timestamp;

use super::rows::time_option;
use super::sql::{DATABASE_NOW, values};
use super::{Backend, Store, StoreError};
use crate::clock::Clock;

impl Store {
    /// What time the database tells; nothing where the machine's clock is the store's.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => {
                let row = postgres.query(&format!("SELECT {DATABASE_NOW}"), values![]).await?.into_iter().next();
                time_option(row.map(|mut row| row.int()).transpose()?)
            }
        }
    }

    /// The clock that all who work on this store go by: everything that is stored, or compared with what is stored, is
    /// told by it. With SQLite it is `machine`'s own; with PostgreSQL it follows the server's, which all replicas share.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn clock(&self, machine: &Clock) -> Result<Clock, StoreError> {
        Ok(self.time().await?.map_or_else(|| machine.clone(), |now| machine.following(now)))
    }

    /// Asks the server for its time, and puts a clock right that follows it.
    ///
    /// # Errors
    /// The server cannot be asked. The clock goes on by itself.
    pub async fn put_right(&self, clock: &Clock) -> Result<(), StoreError> {
        let asked = clock.now();
        if let Some(told) = self.time().await? {
            clock.heard(told, asked);
        }
        Ok(())
    }
}
