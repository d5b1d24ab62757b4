//! Why no answer came, or not all of it.

use std::fmt;

/// Why no answer came, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What happened.
    pub(crate) kind: FailureKind,
    /// The innermost cause, which is what helps: connection refused, unknown host, bad certificate.
    cause: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// There was no connection in time.
    ConnectTimeout,
    /// There is no connection.
    Unreachable,
    /// There was a connection, and no whole answer in time.
    Timeout,
    /// The connection broke.
    Broken,
}

impl Failure {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let kind = match (error.is_connect(), error.is_timeout()) {
            (true, true) => FailureKind::ConnectTimeout,
            (true, false) => FailureKind::Unreachable,
            (false, true) => FailureKind::Timeout,
            (false, false) => FailureKind::Broken,
        };
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        Self { kind, cause: cause.map(ToString::to_string) }
    }

    /// Whether the other side may have taken the request. Only a connection that was never made proves that it has nothing.
    pub(crate) const fn may_have_arrived(&self) -> bool {
        match self.kind {
            FailureKind::ConnectTimeout | FailureKind::Unreachable => false,
            FailureKind::Timeout | FailureKind::Broken => true,
        }
    }

    /// `what` happened, and its cause.
    pub(crate) fn with_cause(&self, what: &str) -> String {
        self.cause.as_ref().map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self.kind {
            // Its cause says the same again.
            FailureKind::ConnectTimeout | FailureKind::Timeout => "no answer in time".to_owned(),
            FailureKind::Unreachable => self.with_cause("cannot connect"),
            FailureKind::Broken => self.with_cause("the connection broke before the answer was complete"),
        })
    }
}
