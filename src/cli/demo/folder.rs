//! A folder of the demo's own, in the system's place for temporary files; it goes with the demo.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::private;

/// A new folder that nobody else can read, removed with all it holds when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Errors
    /// The system's folder for temporary files cannot be written.
    pub(super) fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("refairn-bridge-demo-{}", super::made_up(16)));
        // It fails when the name is taken, be it by a link that somebody else has laid there.
        private::make_folder(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, which clears its temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn it_is_new_each_time_and_goes_with_all_it_holds() {
        let (one, other) = (Folder::make().unwrap(), Folder::make().unwrap());
        assert_ne!(one.path(), other.path());
        std::fs::write(one.path().join("demo.db"), b"x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        assert!(other.path().exists());
    }
}
