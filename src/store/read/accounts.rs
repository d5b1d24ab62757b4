//! The connected accounts of a provider from which anything was heard: a scope names each.

use std::collections::BTreeSet;

use crate::store::sql::values;
use crate::store::{Store, StoreError};

/// Scopes that are looked at.
const SCOPES_MAX: u32 = 1000;

impl Store {
    /// The connected accounts that have told anything under this realm to this business, as far as `SCOPES_MAX` scopes show
    /// them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn connected_accounts(&self, realm: &str, business: &str) -> Result<BTreeSet<String>, StoreError> {
        // From each scope to the next one, along the index that begins with it.
        let sql = "WITH RECURSIVE scopes (scope) AS (SELECT MIN(scope) FROM facts \
             UNION ALL SELECT (SELECT MIN(f.scope) FROM facts f WHERE f.scope > scopes.scope) FROM scopes \
             WHERE scopes.scope IS NOT NULL) SELECT scope FROM scopes WHERE scope IS NOT NULL LIMIT ?1";
        let rows = self.query(sql.to_owned(), values![SCOPES_MAX]).await?;
        let scopes = rows.into_iter().map(|mut row| row.text()).collect::<Result<Vec<_>, _>>()?;
        let own = format!("{realm}/{business}/");
        let account = |scope: &String| Some(scope.strip_prefix(&own)?.rsplit_once('/')?.0.to_owned());
        Ok(scopes.iter().filter_map(account).filter(|account| !account.is_empty()).collect())
    }
}
