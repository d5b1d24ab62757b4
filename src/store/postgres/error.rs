//! What PostgreSQL and the way to it can fail with. Details of the server are left out: they quote what is stored.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

use crate::store::{ServerTrouble, StoreError};

/// A failure of the server or of the connection to it.
pub(super) fn store_error(error: &tokio_postgres::Error) -> StoreError {
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
    } else if code == &SqlState::OUT_OF_MEMORY {
        StoreError::TooManyLocks(text)
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
    } else if class == "3F" {
        StoreError::Server(ServerTrouble::NoSchema, text)
    } else if code == &SqlState::PROTOCOL_VIOLATION {
        // No server says so of what the driver sends: a pooler speaks in its place.
        StoreError::Server(ServerTrouble::PoolerRefuses, text)
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

/// Whether the server refused a key that is longer than it can index.
pub(in crate::store) fn is_key_too_long(error: &StoreError) -> bool {
    is_of(error, &SqlState::PROGRAM_LIMIT_EXCEEDED)
}

/// Whether the write met another one: both waited for each other, or both wrote a row of one key. One that is run again finds
/// what the other has written.
pub(super) fn has_met_another(error: &StoreError) -> bool {
    matches!(error, StoreError::Locked(_)) || is_of(error, &SqlState::UNIQUE_VIOLATION)
}

fn is_of(error: &StoreError, state: &SqlState) -> bool {
    matches!(error, StoreError::Data(text) if text.ends_with(&format!("({})", state.code())))
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

/// The user has no schema to work in.
pub(super) fn no_schema() -> StoreError {
    let text = "none of the schemas in its user's search_path is there";
    StoreError::Server(ServerTrouble::NoSchema, text.to_owned())
}

/// A connection that can do nothing: poolers let clients in before they have one of the server's for them.
pub(super) fn occupied() -> StoreError {
    let text = "it lets us in and then does not answer: a pooler in front of the server has no connection to spare";
    StoreError::Server(ServerTrouble::TooManyConnections, text.to_owned())
}

/// Connections are not sessions, as this shows.
pub(super) fn pooled(shown_by: &str) -> StoreError {
    let text =
        format!("connections to it are no sessions, as from a pooler in transaction or statement mode: {shown_by}");
    StoreError::Server(ServerTrouble::Pooler, text)
}

/// What came of a write that the server was told to keep. When the way to it broke, it may have been kept.
pub(super) fn unanswered(error: StoreError) -> StoreError {
    if let StoreError::Server(ServerTrouble::Unreachable | ServerTrouble::PoolerRefuses, text) = error {
        StoreError::Unanswered(text)
    } else {
        error
    }
}
