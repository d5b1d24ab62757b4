//! Why something that somebody asked for is not possible now, and what would make it so. Nothing is refused without a cure.

/// Why it is refused, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {cure}")]
pub struct Refusal {
    why: String,
    cure: String,
}

impl Refusal {
    /// Refused for `why`, until `cure` is done: both in words that another sentence can go on with.
    pub fn new(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { why: why.into(), cure: cure.into() }
    }

    /// Why, without what to do.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}
