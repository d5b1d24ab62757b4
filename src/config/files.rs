//! Reading the files a configuration consists of: its own, and those that hold secrets. Never more than a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::private::Reach;

/// Longest configuration file.
const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest file that holds secrets.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// The files of one configuration.
#[derive(Debug, Clone)]
pub(super) struct Files {
    directory: Option<PathBuf>,
}

impl Files {
    /// Files whose paths, unless they are absolute, start at `directory`; without one, where the process was started.
    pub(super) const fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Where relative paths start.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// A configuration file's text; nothing when there is no such file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn configuration(&self, path: &Path) -> Result<Option<String>, String> {
        match self.text(path, CONFIG_FILE_BYTES_MAX) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A secret file's text, without the line ends an editor puts at its end.
    ///
    /// # Errors
    /// Why it cannot be read; nothing of what it holds.
    pub(super) fn secret(&self, path: &Path) -> Result<String, String> {
        let text = self.text(path, SECRET_FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// What others may do with a file.
    pub(super) fn reach(&self, path: &Path) -> Reach {
        Reach::of(&self.place(path))
    }

    pub(super) fn place(&self, path: &Path) -> PathBuf {
        self.directory.as_deref().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    fn text(&self, path: &Path, bytes_max: u64) -> io::Result<String> {
        let path = self.place(path);
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {bytes_max} bytes")));
        }
        String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    }
}
