//! Where a value was set: the compiled-in file, a file, or an environment variable.

use std::fmt;

/// Where a value was set; the later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the compiled-in file.
    Defaults,
    /// In this file.
    File(String),
    /// In this environment variable.
    Variable(String),
}

impl Place {
    /// The layer's height: what is higher wins.
    pub(super) const fn height(&self) -> u8 {
        match self {
            Self::Defaults => 0,
            Self::File(_) => 1,
            Self::Variable(_) => 2,
        }
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::Defaults | Self::Variable(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("compiled-in default"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}
