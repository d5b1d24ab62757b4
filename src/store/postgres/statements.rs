//! Statements that are prepared once on a connection.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::{GenericClient, Statement};

use super::error::store_error;
use crate::store::StoreError;

/// The statements that a connection has prepared: ours are a closed list.
#[derive(Default)]
pub(super) struct Statements(Mutex<HashMap<String, Statement>>);

impl Statements {
    /// The statement, prepared once.
    pub(super) async fn prepare(
        &self,
        client: &(impl GenericClient + Sync),
        sql: &str,
    ) -> Result<Statement, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = client.prepare(sql).await.map_err(|e| store_error(&e))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}
