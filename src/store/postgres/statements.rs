//! Statements that are prepared once on a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::{GenericClient, Statement};

use super::error::store_error;
use super::sets::SetForm;
use crate::store::StoreError;

/// The statements that a connection has prepared: ours are a closed list.
#[derive(Default)]
pub(super) struct Statements {
    prepared: Mutex<HashMap<String, Statement>>,
    /// Which of them can be run for many sets of parameters at once, and how.
    forms: Mutex<HashMap<String, Option<Arc<SetForm>>>>,
}

impl Statements {
    /// The statement, prepared once.
    pub(super) async fn prepare(
        &self,
        client: &(impl GenericClient + Sync),
        sql: &str,
    ) -> Result<Statement, StoreError> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = client.prepare(sql).await.map_err(|e| store_error(&e))?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The form of a statement for many sets of parameters, if it has one. `numbered` is the same statement as the server
    /// reads it.
    pub(super) async fn set_form(
        &self,
        client: &(impl GenericClient + Sync),
        sql: &str,
        numbered: &str,
    ) -> Result<Option<Arc<SetForm>>, StoreError> {
        let known = self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(form) = known {
            return Ok(form);
        }
        let single = self.prepare(client, numbered).await?;
        let form = SetForm::of(sql, single.params()).map(Arc::new);
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), form.clone());
        Ok(form)
    }
}
