//! What is wrong with a configuration: the key, the cause and a hint, never a secret's value.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The key, such as `delivery.concurrency`, or the variable or file that is meant.
    pub key: String,
    /// Where that was set, when it was set at all: a file or an environment variable.
    pub place: Option<String>,
    /// What is wrong.
    pub cause: String,
    /// What to do about it. People and JSON read it as `cure`.
    #[serde(rename = "cure")]
    pub hint: String,
}

impl Mistake {
    /// A mistake of something that is not set, or is no key.
    pub(super) fn new(key: impl Into<String>, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key: key.into(), place: None, cause: cause.into(), hint: hint.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        write!(f, "\n   cause: {}\n   cure:  {}", self.cause, self.hint)
    }
}

/// Everything that is wrong with a configuration; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// All of `mistakes`.
    pub(super) const fn new(mistakes: Vec<Mistake>) -> Self {
        Self(mistakes)
    }

    /// One after the other, in the order of the sections.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        for (index, mistake) in self.0.iter().enumerate() {
            write!(f, "\n{}. {mistake}", index.saturating_add(1))?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
