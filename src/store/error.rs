//! What can go wrong with the store, told apart by whose fault it is and whether waiting helps.

use std::io::ErrorKind;

use rusqlite::ErrorCode;

/// Why a read or a write did not happen. Nothing of a failed write is on disk, but where [`StoreError::may_be_written`]
/// says that it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// More is waiting to be written than is allowed to wait.
    #[error("too many writes are waiting for the disk")]
    Overloaded,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// No space is left.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Another process holds the database, or a part of it that we need.
    #[error("the database is locked by another process: {0}")]
    Locked(String),
    /// A running bridge has it open.
    #[error("the database is in use by a running refairn-bridge; one process at a time may open it")]
    InUse,
    /// A write takes more locks than the server has room for.
    #[error("PostgreSQL has no room for more locks: {0}")]
    TooManyLocks(String),
    /// The file or its folder cannot be written.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The file is damaged, or no database.
    #[error("the database file is damaged or no database: {0}; restore a backup")]
    Corrupt(String),
    /// Reading or writing failed.
    #[error("the database cannot be read or written: {0}")]
    Io(String),
    /// The PostgreSQL server cannot be reached, or does not let us work.
    #[error("PostgreSQL: {1}")]
    Server(ServerTrouble, String),
    /// The server was told to write, and has not said whether it did.
    #[error("PostgreSQL was told to write, and whether it did is not known: {0}")]
    Unanswered(String),
    /// The store is in another schema of the database than the one that its user works in.
    #[error("the store is in schema {held} of this database, and its user works in schema {used}, where there is none")]
    OtherSchema {
        /// The store's.
        held: String,
        /// The one that is in use.
        used: String,
    },
    /// The file was written by a newer version of the bridge.
    #[error("the database has schema {found}, this version knows {known}: run the newer refairn-bridge that wrote it")]
    NewerSchema {
        /// The file's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database has to be copied before its schema is raised, and that failed. Nothing was changed.
    #[error(
        "the database is to be brought up to date, and could not be copied to {copy} before: {why}; nothing was changed"
    )]
    NoCopy {
        /// The path at which the copy should have been.
        copy: String,
        /// Space that it needs, MiB.
        needed_mib: u64,
        /// What stood in the way.
        why: String,
    },
    /// It is being filled with another database's data, and does not hold all of it.
    #[error("the database holds a part of another one: migrate-store was not finished")]
    UnfinishedCopy,
    /// It panicked: a defect of ours. The log has its place in the code.
    #[error("it was given up because of a defect of the bridge")]
    Panicked,
    /// What is stored is not what we store: a defect of ours, or an edit by hand.
    #[error("unexpected data in the database: {0}")]
    Data(String),
}

/// What stands between us and a PostgreSQL server; each has another cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTrouble {
    /// It cannot be found, does not answer, or is just starting or stopping.
    Unreachable,
    /// It does not take the user, the password or this machine.
    Login,
    /// It has no such database.
    NoDatabase,
    /// The user may not make or use the tables.
    Rights,
    /// It has no connection to spare.
    TooManyConnections,
    /// It takes no writes: a standby.
    ReadOnly,
    /// It does not encrypt, and we were told to.
    NoTls,
    /// Encryption failed, or its certificate does not prove what we were told to ask for.
    Tls,
    /// The certificates to check it with cannot be used.
    Authorities,
    /// Something between us and it gives each transaction another connection.
    Pooler,
    /// Something between us and it refuses in its place.
    PoolerRefuses,
    /// Its database cannot hold every text.
    Encoding,
    /// None of the schemas that the user works in is there.
    NoSchema,
}

impl StoreError {
    /// Whether the write that failed may be on disk all the same. The next try will tell: what was recorded is
    /// recognised.
    #[must_use]
    pub const fn may_be_written(&self) -> bool {
        // A disk that fails may have kept what it was given, and so may a writer that has ended since.
        matches!(self, Self::Unanswered(_) | Self::Io(_) | Self::Closed)
    }

    /// Whether it is a defect of ours: then to wait and try again heals nothing.
    #[must_use]
    pub const fn is_a_defect(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// A failure of the file system, told apart as SQLite's are.
    pub(super) fn from_io(what: &str, error: &std::io::Error) -> Self {
        let text = format!("{what}: {error}");
        let kind = error.kind();
        if kind == ErrorKind::StorageFull {
            Self::Full(text)
        } else if matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
            Self::ReadOnly(text)
        } else {
            Self::Io(text)
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(text),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io(text),
            Some(_) | None => Self::Data(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Data(error.to_string())
    }
}
