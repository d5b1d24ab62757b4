//! Documents that name a file or a test name one that exists.

use crate::breach::{Breach, on_lines};
use crate::source::Source;

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

/// Underscores from which on a name in backticks is taken for a test's, or for something else that code has.
const UNDERSCORES_OF_A_TEST: usize = 3;

/// Tests named as proof that are not in the code.
pub(crate) fn dead_names(path: &str, text: &str, sources: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for name in line.split('`').skip(1).step_by(2) {
            let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_name
                && name.matches('_').count() >= UNDERSCORES_OF_A_TEST
                && !sources.iter().any(|source| has_word(&source.text, name))
            {
                let what = format!("`{name}` is not in the code");
                found.push(Breach::new(path, number, what, "name the test as it is called now"));
            }
        }
    }
    found
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn a_name_that_no_code_has_is_found() {
    let sources = [Source::read("tests/a.rs", "fn it_is_all_there() {}\nfn and_it_is_no_more_than_that() {}\n".into())];
    let text = "`it_is_all_there`\n`it_is_not_there`, `a_key`\n`it_is_no_more`\n";
    on_lines(&dead_names("README.md", text, &sources), &[2, 3]);
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    let text = "`src/lib.rs` and `src/store/`\n`src/gone.rs`\n[a](docs/x.md) [b](https://example.com) [c](#here)\n`tests/<case>`, `just x`\n[l](src/lib.rs#a)\n";
    let paths = ["src/lib.rs".to_owned(), "src/store/mod.rs".to_owned()];
    on_lines(&dead_paths("README.md", text, &paths), &[2, 3]);
}
