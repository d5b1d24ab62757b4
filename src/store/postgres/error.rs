//! What PostgreSQL and the way to it can fail with. Details of the server are left out: they quote what is stored.

use std::error::Error as _;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// A failure of the server or of the connection to it.
pub(super) fn told(error: &tokio_postgres::Error) -> StoreError {
    let Some(server) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        return StoreError::Io(format!("PostgreSQL: {error}{cause}"));
    };
    let code = server.code();
    let text = format!("PostgreSQL: {} ({})", server.message(), code.code());
    let retry = [&SqlState::T_R_DEADLOCK_DETECTED, &SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::LOCK_NOT_AVAILABLE];
    let class = code.code().get(..2).unwrap_or_default();
    if retry.contains(&code) {
        StoreError::Locked(text)
    } else if code == &SqlState::DISK_FULL {
        StoreError::Full(text)
    } else if code == &SqlState::READ_ONLY_SQL_TRANSACTION {
        StoreError::ReadOnly(text)
    } else if class == "XX" {
        StoreError::Corrupt(text)
    } else if ["08", "28", "3D", "53", "57", "58"].contains(&class) {
        // No connection, no entry, no such database, no resources, shut down, trouble of its system.
        StoreError::Io(text)
    } else {
        StoreError::Data(text)
    }
}

/// Why there is no connection.
pub(super) fn no_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => told(&error),
        PoolError::Closed => StoreError::Closed,
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Overloaded,
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            StoreError::Io("PostgreSQL: the server does not answer".to_owned())
        }
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::Io("PostgreSQL: a connection could not be set up".to_owned())
        }
    }
}
