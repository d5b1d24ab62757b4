//! What PostgreSQL and the way to it can fail with. Details of the server are left out: they quote what is stored.

use std::error::Error;

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};

use crate::store::{ServerTrouble, StoreError};

/// A failure of the server or of the connection to it.
pub(super) fn told(error: &tokio_postgres::Error) -> StoreError {
    error.as_db_error().map_or_else(|| broken(error), refused)
}

/// What the server says.
fn refused(server: &DbError) -> StoreError {
    let code = server.code();
    let text = format!("{} ({})", server.message(), code.code());
    let in_postgres = || format!("PostgreSQL: {text}");
    let retry = [&SqlState::T_R_DEADLOCK_DETECTED, &SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::LOCK_NOT_AVAILABLE];
    let pooled = [&SqlState::INVALID_SQL_STATEMENT_NAME, &SqlState::DUPLICATE_PSTATEMENT];
    let class = code.code().get(..2).unwrap_or_default();
    if retry.contains(&code) {
        StoreError::Locked(in_postgres())
    } else if code == &SqlState::DISK_FULL {
        StoreError::Full(in_postgres())
    } else if code == &SqlState::READ_ONLY_SQL_TRANSACTION {
        StoreError::Server(ServerTrouble::ReadOnly, text)
    } else if code == &SqlState::TOO_MANY_CONNECTIONS {
        StoreError::Server(ServerTrouble::TooManyConnections, text)
    } else if code == &SqlState::INSUFFICIENT_PRIVILEGE {
        StoreError::Server(ServerTrouble::Rights, text)
    } else if pooled.contains(&code) {
        StoreError::Server(ServerTrouble::Pooler, text)
    } else if class == "28" {
        StoreError::Server(ServerTrouble::Login, text)
    } else if class == "3D" {
        StoreError::Server(ServerTrouble::NoDatabase, text)
    } else if ["08", "57"].contains(&class) {
        // The connection broke, or an operator, a start or a stop is in the way.
        StoreError::Server(ServerTrouble::Unreachable, text)
    } else if class == "XX" {
        StoreError::Corrupt(in_postgres())
    } else if ["53", "58"].contains(&class) {
        // No resources, trouble of its system.
        StoreError::Io(in_postgres())
    } else {
        StoreError::Data(in_postgres())
    }
}

/// What happened on the way. The driver tells its kinds of failure apart by their words alone.
fn broken(error: &tokio_postgres::Error) -> StoreError {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let text = if cause.is_empty() { error.to_string() } else { format!("{error}: {cause}") };
    let trouble = if error.to_string().contains("TLS handshake") {
        if cause.contains("does not support TLS") { ServerTrouble::NoTls } else { ServerTrouble::Tls }
    } else if cause.contains("password missing") || error.to_string().contains("authentication") {
        ServerTrouble::Login
    } else {
        ServerTrouble::Unreachable
    };
    StoreError::Server(trouble, text)
}

/// A server that says nothing for too long.
pub(super) fn silent() -> StoreError {
    StoreError::Server(ServerTrouble::Unreachable, "the server does not answer in time".to_owned())
}

/// Why there is no connection.
pub(super) fn no_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => told(&error),
        PoolError::Closed => StoreError::Closed,
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Overloaded,
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => silent(),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(HookError::Message(_)) => {
            StoreError::Io("PostgreSQL: a connection could not be set up".to_owned())
        }
    }
}
