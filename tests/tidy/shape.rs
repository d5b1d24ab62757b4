//! What every Rust file has, and what none has.

use crate::breach::{Breach, on_lines};
use crate::source::Source;

/// Longest file, lines.
const FILE_LINES_MAX: usize = 400;
/// Longest `main.rs`, lines: it only hands on.
const MAIN_LINES_MAX: usize = 30;

/// A first line that says what the file is for, and a length that can be read in one go.
pub(crate) fn opening_and_length(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    let opening = source.text.lines().next().and_then(|line| line.strip_prefix("//!")).unwrap_or_default();
    if opening.trim().len() < 4 {
        found.push(Breach::new(&source.path, 1, "does not say what it is for", "open it with `//!` and a sentence"));
    }
    let (lines_max, instead) = match source.path.as_str() {
        "src/main.rs" => (MAIN_LINES_MAX, "move it to src/cli/"),
        _ => (FILE_LINES_MAX, "split it by topic"),
    };
    let lines = source.text.lines().count();
    if lines > lines_max {
        found.push(Breach::new(&source.path, lines, format!("{lines} lines, {lines_max} at most"), instead));
    }
    found
}

/// Tests that are switched off. The marks here and in its trial below are what it looks for, in strings.
pub(crate) fn unfinished(source: &Source) -> Vec<Breach> {
    let ignored = ["#[ignore", ", ignore)]", ", ignore ="].into_iter().flat_map(|mark| source.code.match_indices(mark));
    let instead = "mend it or delete it: a test that does not run proves nothing";
    ignored.map(|(at, _)| Breach::new(&source.path, source.line_of(at), "an ignored test", instead)).collect()
}

#[test]
fn a_silent_or_endless_file_is_found() {
    let check = |path: &str, text: String, lines: &[usize]| {
        on_lines(&opening_and_length(&Source::read(path, text)), lines);
    };
    check("src/a.rs", "use std::fs;\n".to_owned(), &[1]);
    check("src/a.rs", "//! x\n".to_owned(), &[1]);
    check("src/a.rs", String::new(), &[1]);
    check("src/a.rs", "//! What it is for.\n".repeat(400), &[]);
    check("src/a.rs", "//! What it is for.\n".repeat(401), &[401]);
    check("src/main.rs", "//! What it is for.\n".repeat(31), &[31]);
}

#[test]
fn an_ignored_test_is_found() {
    let text = "// #[ignore]\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(unix, ignore)]\nfn b() {}\n#[ignore]\nfn c() {}\n";
    let mut found = unfinished(&Source::read("tests/a.rs", text.to_owned()));
    found.sort_by_key(ToString::to_string);
    on_lines(&found, &[3, 5, 7]);
}
