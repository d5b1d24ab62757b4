//! Whether the database outlives a container: its own file system goes with it, and so does what is only in memory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Linux says what is mounted where.
const MOUNTS: &str = "/proc/self/mountinfo";
/// What Docker and Podman leave in a container.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
/// File systems of which containers' own ones are made.
const LAYERED: [&str; 3] = ["overlay", "aufs", "fuse-overlayfs"];
/// File systems that are only in memory.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// What is mounted somewhere.
struct Mount {
    at: PathBuf,
    kind: String,
}

/// Why a database at `path` would be lost with this container, as a sentence. Nothing elsewhere.
pub(super) fn warning(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string(MOUNTS).ok()?;
    let is_marked = MARKS.iter().any(|mark| Path::new(mark).exists());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is not there yet is made in what is.
    let made_in = folder.ancestors().find_map(|folder| folder.canonicalize().ok());
    lost(&mounts, is_marked, &made_in.or_else(|| Path::new(".").canonicalize().ok())?)
}

/// The same of a folder, by what is mounted, and whether this is known to be a container.
fn lost(mounts: &str, is_marked: bool, folder: &Path) -> Option<String> {
    let mounts: Vec<Mount> = mounts.lines().filter_map(mount).collect();
    let root = mounts.iter().rfind(|mount| mount.at == Path::new("/"))?;
    if !is_marked && !LAYERED.contains(&root.kind.as_str()) {
        return None;
    }
    // Of two at one place, the later one is in front.
    let over = mounts.iter().filter(|mount| folder.starts_with(&mount.at));
    let over = over.max_by_key(|mount| mount.at.components().count())?;
    let folder = folder.display();
    if IN_MEMORY.contains(&over.kind.as_str()) {
        let cure = "mount a volume there";
        Some(format!(
            "{folder} is only in memory ({}), and the database is lost when the container stops: {cure}",
            over.kind
        ))
    } else if over.at == Path::new("/") {
        let cure = "mount a volume there, or set DATABASE_URL to a folder on one or to a PostgreSQL server";
        Some(format!("{folder} is no volume, and the database is lost with the container: {cure}"))
    } else {
        None
    }
}

/// A line of what is mounted: `36 35 98:0 /part /mnt/data rw - ext4 /dev/sda1 rw`.
fn mount(line: &str) -> Option<Mount> {
    let (place, source) = line.split_once(" - ")?;
    let at = place.split(' ').nth(4)?;
    Some(Mount { at: unescaped(at).into(), kind: source.split(' ').next()?.to_owned() })
}

/// Blanks and the like are written as `\040`.
fn unescaped(text: &str) -> OsString {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = "\
        640 517 0:51 / / rw,relatime master:291 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A,upperdir=/b,workdir=/c\n\
        641 640 0:54 / /proc rw,nosuid - proc proc rw\n\
        642 640 0:55 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k\n\
        650 640 254:1 /docker/containers/x/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n";
    const VOLUME: &str =
        "651 640 254:1 /var/lib/docker/volumes/bridge_data/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw\n";
    const MACHINE: &str = "\
        25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        26 25 0:23 / /dev/shm rw,nosuid shared:2 - tmpfs tmpfs rw\n";

    /// What is said of this folder: `no volume`, `in memory` or nothing.
    #[track_caller]
    fn check(mounts: &str, is_marked: bool, folder: &str, said: Option<&str>) {
        let found = lost(mounts, is_marked, Path::new(folder));
        assert_eq!(found.is_some(), said.is_some(), "{folder}: {found:?}");
        assert!(found.is_none_or(|found| found.contains(said.unwrap_or_default()) && found.starts_with(folder)));
    }

    #[test]
    fn a_database_in_a_containers_own_file_system_is_told_of() {
        for marked in [true, false] {
            check(DOCKER, marked, "/data", Some("is no volume"));
            check(DOCKER, marked, "/", Some("is no volume"));
            check(DOCKER, marked, "/etc", Some("is no volume"));
            check(DOCKER, marked, "/dev/shm", Some("only in memory"));
            let mounted = format!("{DOCKER}{VOLUME}");
            check(&mounted, marked, "/data", None);
            check(&mounted, marked, "/data/deep/er", None);
            check(&mounted, marked, "/database", Some("is no volume"));
        }
        // A cluster's volume that is only in memory, in front of another one.
        let emptied = format!("{DOCKER}{VOLUME}660 640 0:60 / /data rw - tmpfs tmpfs rw\n");
        check(&emptied, true, "/data", Some("only in memory"));
        let blank = format!("{DOCKER}661 640 254:1 /x /my\\040data rw - ext4 /dev/vda1 rw\n");
        check(&blank, true, "/my data", None);
        // A container whose file system is a plain one, as under Podman with the vfs driver.
        check(MACHINE, true, "/data", Some("is no volume"));
    }

    #[test]
    fn a_machine_is_no_container() {
        for folder in ["/", "/var/lib/refairn-bridge", "/dev/shm"] {
            check(MACHINE, false, folder, None);
        }
        for odd in ["", "nonsense\n", "1 2 3 4\n - \n", "25 1 254:1 / / rw\n"] {
            check(odd, true, "/data", None);
        }
    }
}
