//! Documents that name a file name one that exists.

use crate::breach::{Breach, on_lines};

/// Folders whose files documents speak of.
const FOLDERS: &[&str] = &["src/", "tests/", "config/", "migrations/", "benches/", "fuzz/", ".ci/"];

/// Files that whoever runs the bridge may write; the repository has none.
const WRITTEN_BY_USERS: &[&str] = &["config/refairn-bridge.toml"];

/// Paths in backticks and links that lead nowhere. Patterns (`<case>`, `*`, `{a,b}`) are left alone.
pub(crate) fn dead_paths(path: &str, text: &str, paths: &[String]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let quoted =
            line.split('`').skip(1).step_by(2).filter(|name| FOLDERS.iter().any(|folder| name.starts_with(folder)));
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let linked = linked.filter(|target| !target.is_empty() && !target.contains(':'));
        for name in quoted.chain(linked) {
            let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            let folder = format!("{}/", name.trim_end_matches('/'));
            if is_path
                && !WRITTEN_BY_USERS.contains(&name)
                && !paths.iter().any(|known| known == name || known.starts_with(&folder))
            {
                found.push(Breach::new(
                    path,
                    number,
                    format!("`{name}` is not there"),
                    "name the file as it is called now",
                ));
            }
        }
    }
    found
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    let text = "`src/lib.rs` and `src/store/`\n`src/gone.rs`\n[a](docs/x.md) [b](https://example.com) [c](#here)\n`tests/<case>`, `just x`\n[l](src/lib.rs#a)\n";
    let paths = ["src/lib.rs".to_owned(), "src/store/mod.rs".to_owned()];
    on_lines(&dead_paths("README.md", text, &paths), &[2, 3]);
}
