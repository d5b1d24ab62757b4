//! Files for this user alone: how they are made, and which of those that are there others reach.
//!
//! On systems without permission bits files are made as usual, and nobody is said to reach them.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// What a new file's owner may do, and nobody else: read and write.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;
/// The same of a folder.
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

/// How a file is opened that is this user's alone, should it be made by that.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
    options
}

/// Makes a folder, and those above it that are missing. What is there already stays as it is.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make_folders(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
    builder.recursive(true).create(path)
}

/// What others may do with a file. That a group may read it is usually meant, and not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Every user may read it.
    pub(crate) read: bool,
    /// Its group or every user may write it.
    pub(crate) write: bool,
}

impl Reach {
    /// Nobody else reaches it.
    pub(crate) const NONE: Self = Self { read: false, write: false };

    /// Of a file; of one that is not there, none.
    pub(crate) fn of(path: &Path) -> Self {
        #[cfg(unix)]
        let mode = std::fs::metadata(path).map_or(0, |found| std::os::unix::fs::MetadataExt::mode(&found));
        #[cfg(not(unix))]
        let mode = {
            let _ = path;
            0
        };
        Self { read: mode & 0o004 != 0, write: mode & 0o022 != 0 }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.read, self.write) {
            (true, true) => "other users of this machine may read and write it",
            (true, false) => "other users of this machine may read it",
            (false, true) => "other users of this machine may write it",
            (false, false) => "other users of this machine do not reach it",
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_is_for_this_user_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        make_folders(&folder).unwrap();
        make_folders(&folder).unwrap();
        let file = folder.join("c");
        options().create(true).append(true).open(&file).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&place.path().join("a")), mode(&file)), (0o700, 0o700, 0o600));
    }

    #[test]
    fn a_file_that_others_reach_is_told_from_one_that_a_group_reads() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |mode: u32, expected: Reach| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Reach::of(file.path()), expected, "{mode:o}");
        };
        check(0o600, Reach::NONE);
        check(0o640, Reach::NONE);
        check(0o644, Reach { read: true, write: false });
        check(0o660, Reach { read: false, write: true });
        check(0o666, Reach { read: true, write: true });
        assert_eq!(Reach::of(Path::new("/no/such/file")), Reach::NONE);
    }
}
