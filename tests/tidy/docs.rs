//! Documents are whole: their links lead somewhere, the files and tests that they name exist, and README stays a front page.

use std::collections::BTreeMap;

use crate::breach::{Breach, on_lines};
use crate::source::Source;

/// Folders whose files documents speak of.
const FOLDERS: &[&str] = &["src/", "tests/", "config/", "migrations/", "benches/", "docs/", "fuzz/", ".ci/"];

/// Files that whoever runs the bridge may write; the repository has none.
const WRITTEN_BY_USERS: &[&str] = &["config/refairn-bridge.toml"];

/// Settings of databases, poolers, proxies and platforms that documents speak of.
pub(crate) const OF_OTHERS: &[&str] = &[
    "RAILWAY_RUN_UID",
    "auto_stop_machines",
    "buffer_requests",
    "client_max_body_size",
    "default_pool_size",
    "full_page_writes",
    "lb_try_duration",
    "server_login_retry",
];

/// Longest front page, lines.
const FRONT_PAGE_LINES_MAX: usize = 150;

/// Where the pages of `docs/` are listed.
const CONTENTS: &str = "docs/README.md";

/// Paths in backticks that are not there, from the repository's root. Patterns (`<case>`, `*`, `{a,b}`) are left alone.
pub(crate) fn dead_paths(path: &str, text: &str, paths: &[String]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for name in quoted(line).filter(|name| FOLDERS.iter().any(|folder| name.starts_with(folder))) {
            let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
            if is_path && !WRITTEN_BY_USERS.contains(&name) && !is_there(paths, name) {
                let what = format!("`{name}` is not there");
                found.push(Breach::new(path, number, what, "name the file as it is called now"));
            }
        }
    }
    found
}

/// Links that lead to no file, or to no heading of it. They go out from the document's own folder.
pub(crate) fn dead_links(
    path: &str,
    text: &str,
    paths: &[String],
    documents: &BTreeMap<String, String>,
) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains(':') {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { Some(path.to_owned()) } else { from_folder_of(path, file) };
            let Some(target) = target.filter(|target| is_there(paths, target)) else {
                let what = format!("the link to `{file}` leads nowhere");
                found.push(Breach::new(path, number, what, "write the path from the document's own folder"));
                continue;
            };
            let headings = || documents.get(&target).map_or("", String::as_str);
            if let Some(anchor) = anchor.filter(|anchor| !anchors(headings()).any(|known| known == *anchor)) {
                let what = format!("{target} has no heading `#{anchor}`");
                found.push(Breach::new(path, number, what, "link to a heading as it is called now"));
            }
        }
    }
    found
}

/// What a document says outside of fenced blocks, by line.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// What stands in backticks.
pub(crate) fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_there(paths: &[String], name: &str) -> bool {
    let folder = format!("{}/", name.trim_end_matches('/'));
    paths.iter().any(|known| known == name || known.starts_with(&folder))
}

/// A path from the root, for one from the folder of `document`; nothing when it leaves the repository.
fn from_folder_of(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => _ = parts.pop()?,
            "." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = prose(text).filter_map(|(_, line)| line.trim_start_matches('#').strip_prefix(' ').zip(Some(line)));
    headings.filter(|(_, line)| line.starts_with('#')).map(|(heading, _)| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    })
}

/// Underscores from which on a name in backticks is taken for a test's, or for something else that code has.
const UNDERSCORES_OF_A_TEST: usize = 3;

/// Tests named as proof, and functions named by their type or room (`Store::record`), that are not in the code.
pub(crate) fn dead_names(path: &str, text: &str, sources: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for quote in quoted(line).filter(|quote| !OF_OTHERS.contains(quote)) {
            let (of, name) = quote.rsplit_once("::").map_or((None, quote), |(of, name)| (Some(of), name));
            let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_path = of.is_some_and(|of| of.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)));
            let is_of_code = is_path || of.is_none() && name.matches('_').count() >= UNDERSCORES_OF_A_TEST;
            if is_name && is_of_code && !sources.iter().any(|source| has_word(&source.text, name)) {
                let what = format!("`{quote}` is not in the code");
                found.push(Breach::new(path, number, what, "name the test, or the function, as it is called now"));
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

/// A front page that has grown into a handbook.
pub(crate) fn front_page(path: &str, text: &str) -> Vec<Breach> {
    let lines = text.lines().count();
    let what = format!("{lines} lines, {FRONT_PAGE_LINES_MAX} at most");
    let too_long = lines > FRONT_PAGE_LINES_MAX;
    too_long.then(|| Breach::new(path, lines, what, "move what is not for everybody to docs/")).into_iter().collect()
}

/// Pages of `docs/` that the table of contents does not name.
pub(crate) fn contents(documents: &BTreeMap<String, String>) -> Vec<Breach> {
    let list = documents.get(CONTENTS).map_or("", String::as_str);
    let pages = documents.keys().filter_map(|path| Some((path, path.strip_prefix("docs/")?)));
    let unlisted = pages.filter(|(path, page)| *path != CONTENTS && !list.contains(&format!("]({page})")));
    unlisted.map(|(path, _)| Breach::new(path, 0, format!("is not listed in {CONTENTS}"), "add a line to it")).collect()
}

#[test]
fn a_name_that_no_code_has_is_found() {
    let sources = [Source::read("tests/a.rs", "fn it_is_all_there() {}\nfn and_it_is_no_more_than_that() {}\n".into())];
    let text = "`it_is_all_there`\n`it_is_not_there`, `a_key`\n`it_is_no_more`\n`A::it_is_all_there`\n`a::B::gone`, `a::GONE`\n";
    on_lines(&dead_names("README.md", text, &sources), &[2, 3, 5]);
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    let text = "`src/lib.rs` and `src/store/`\n`src/gone.rs`\n`tests/<case>`, `just x`\n```sh\nrun `src/gone.rs`\n```\n`docs/x.md`\n";
    let paths = ["src/lib.rs".to_owned(), "src/store/mod.rs".to_owned()];
    on_lines(&dead_paths("README.md", text, &paths), &[2, 7]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let paths = ["README.md".to_owned(), "docs/a.md".to_owned(), "src/lib.rs".to_owned()];
    let headings = "# A page\n## What `x_y` is, and why\n```sh\n# no heading\n```\n##none\n";
    let documents = BTreeMap::from([("docs/a.md".to_owned(), headings.to_owned())]);
    let check = |path: &str, text: &str, lines: &[usize]| on_lines(&dead_links(path, text, &paths, &documents), lines);
    check("README.md", "[a](docs/a.md) [b](https://example.com)\n[c](a.md)\n[d](src/) [e](LICENSE)\n", &[2, 3]);
    check("docs/a.md", "[a](a.md)\n[b](docs/a.md)\n[c](../README.md)\n[d](../../README.md)\n", &[2, 4]);
    check(
        "docs/a.md",
        "[a](#a-page) [b](#what-x_y-is-and-why)\n[c](#no-heading)\n[d](#none)\n[e](#gone)\n",
        &[2, 3, 4],
    );
    check("README.md", "[a](docs/a.md#a-page)\n[b](docs/a.md#gone)\n[c](#a-page)\n", &[2, 3]);
}

#[test]
fn a_front_page_that_is_too_long_is_found() {
    on_lines(&front_page("README.md", &"x\n".repeat(FRONT_PAGE_LINES_MAX)), &[]);
    on_lines(&front_page("README.md", &"x\n".repeat(FRONT_PAGE_LINES_MAX + 1)), &[FRONT_PAGE_LINES_MAX + 1]);
}

#[test]
fn a_page_that_is_not_listed_is_found() {
    let list = "[a](a.md)".to_owned();
    let page = |path: &str| (path.to_owned(), String::new());
    let documents = BTreeMap::from([(CONTENTS.to_owned(), list), page("docs/a.md"), page("docs/b.md"), page("x.md")]);
    on_lines(&contents(&documents), &[0]);
}
