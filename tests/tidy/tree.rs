//! The files of the repository: what is built, downloaded or kept by a running bridge is left out.

use std::fs;
use std::path::Path;

/// What is not source, by name. In a further worktree of Git's, `.git` is a file.
const NOT_SOURCE: &[&str] = &[".git", "target", "data", "node_modules", ".idea", ".vscode"];

/// Every file, as a path from the root with forward slashes, sorted.
pub(crate) fn paths() -> Vec<String> {
    let mut found = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut found);
    found.sort();
    found
}

/// Every file that is UTF-8, with its text.
pub(crate) fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: String| fs::read_to_string(root.join(&path)).ok().map(|text| (path, text));
    paths().into_iter().filter_map(read).collect()
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if NOT_SOURCE.contains(&name.as_str()) {
            continue;
        }
        if !entry.path().is_dir() {
            found.push(path);
        } else {
            walk(&entry.path(), &format!("{path}/"), found);
        }
    }
}

#[test]
fn the_walk_finds_this_file_and_no_build() {
    let paths = paths();
    assert!(paths.contains(&"tests/tidy/tree.rs".to_owned()));
    assert!(!paths.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/") || path == ".git"));
}
