//! Every fixture is whole: a body (or a sequence of them), its settings, and what must come of it.

use std::collections::BTreeMap;

use crate::breach::{Breach, on_lines};

const ROOT: &str = "tests/fixtures/";

/// Cases that lack something, have something that nobody reads, or stand where nobody looks.
pub(crate) fn whole(paths: &[String]) -> Vec<Breach> {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // Stores that earlier versions left are explained by a README of their own.
    let is_case = |path: &str| path != "README.md" && !path.starts_with("stores/");
    for path in paths.iter().filter(|path| path.strip_prefix(ROOT).is_some_and(is_case)) {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        cases.entry(folder).or_default().push(file);
    }
    if cases.is_empty() {
        return vec![Breach::new(ROOT, 0, "no fixtures", "add the first: <provider>/<event type>/<case>/body.json")];
    }
    cases.iter().flat_map(|(folder, files)| case(folder, files)).collect()
}

fn case(folder: &str, files: &[&str]) -> Vec<Breach> {
    let breach = |what: String, instead: &str| Breach::new(folder, 0, what, instead);
    let parts: Vec<&str> = folder.trim_start_matches(ROOT).split('/').collect();
    let [_, topic, _] = parts.as_slice() else {
        return vec![breach("not a case".to_owned(), "keep files in <provider>/<event type>/<case>/ only")];
    };
    let mut found = Vec::new();
    for wanted in ["case.toml", "expected.json"] {
        if !files.contains(&wanted) {
            found.push(breach(format!("no {wanted}"), "add it; `just bless` writes what is expected"));
        }
    }
    let mut bodies: Vec<&str> =
        files.iter().copied().filter(|file| !["case.toml", "expected.json"].contains(file)).collect();
    bodies.sort_unstable();
    if *topic == "_sequence" {
        let numbered =
            (1..).zip(&bodies).all(|(n, body)| body.starts_with(&format!("{n:02}-")) && body.ends_with(".json"));
        if bodies.len() < 2 || !numbered {
            found.push(breach(format!("bodies {bodies:?}"), "number two or more 01-name.json, 02-name.json and on"));
        }
    } else if !matches!(bodies.as_slice(), ["body.json" | "body.bin"]) {
        found.push(breach(format!("bodies {bodies:?}"), "have one: body.json, or body.bin for what is not JSON"));
    }
    found
}

/// Where the form of a case's bodies may come from, as the README of the fixtures explains it.
const ORIGINS: &[&str] = &["documented", "recorded-shape", "derived"];

/// Cases that do not say where the form of their bodies comes from, and origins that the README does not explain.
pub(crate) fn origins(path: &str, text: &str) -> Vec<Breach> {
    let says = |origin: &&&str| match path.strip_prefix(ROOT) {
        Some("README.md") => text.contains(&format!("`{origin}`")),
        _ => text.lines().any(|line| line == format!("origin = \"{origin}\"")),
    };
    let (wanted, what) = match path.strip_prefix(ROOT) {
        Some("README.md") => (ORIGINS.len(), "an origin is not explained"),
        Some(case) if case.ends_with("/case.toml") => (1, "no origin"),
        Some(_) | None => return Vec::new(),
    };
    let instead = format!("say what the form of a body comes from: {}", ORIGINS.join(", "));
    let found = ORIGINS.iter().filter(says).count();
    if found == wanted { Vec::new() } else { vec![Breach::new(path, 0, what, instead)] }
}

/// Git must hand the bodies on byte for byte: a changed newline is a changed signature.
pub(crate) fn protected(gitattributes: &str) -> Vec<Breach> {
    let kept = gitattributes.lines().any(|line| line.split_whitespace().eq(["tests/fixtures/**", "-text"]));
    if kept { Vec::new() } else { vec![Breach::new(".gitattributes", 0, "fixtures", "add `tests/fixtures/** -text`")] }
}

#[test]
fn a_fixture_of_unknown_origin_is_found() {
    let check = |file: &str, text: &str, lines: &[usize]| on_lines(&origins(&format!("{ROOT}{file}"), text), lines);
    check("stripe/a/one/case.toml", "about = \"x\"\norigin = \"derived\"\n", &[]);
    check("stripe/a/one/case.toml", "about = \"x\"\n", &[0]);
    check("stripe/a/one/case.toml", "origin = \"somewhere\"\n", &[0]);
    check("stripe/a/one/body.json", "{}", &[]);
    check("README.md", "`documented`, `recorded-shape`, `derived`", &[]);
    check("README.md", "`documented`, `derived`", &[0]);
}

#[test]
fn a_fixture_that_lacks_something_is_found() {
    let check = |files: &[&str], lines: &[usize]| {
        let paths: Vec<String> = files.iter().map(|file| format!("{ROOT}{file}")).collect();
        on_lines(&whole(&paths), lines);
    };
    check(&[], &[0]);
    check(&["stripe/a/one/body.json", "stripe/a/one/case.toml", "stripe/a/one/expected.json"], &[]);
    check(&["stripe/a/one/body.json", "stripe/a/one/expected.json"], &[0]);
    check(&["stripe/a/one/body.json", "stripe/a/one/case.toml"], &[0]);
    check(&["stripe/a/one/case.toml", "stripe/a/one/expected.json"], &[0]);
    check(
        &["stripe/a/one/body.json", "stripe/a/one/body.bin", "stripe/a/one/case.toml", "stripe/a/one/expected.json"],
        &[0],
    );
    check(&["stripe/a/body.json"], &[0]);
    let sequence = |bodies: &[&str], lines: &[usize]| {
        let files = bodies.iter().chain(&["case.toml", "expected.json"]);
        let files: Vec<String> = files.map(|file| format!("stripe/_sequence/one/{file}")).collect();
        check(&files.iter().map(String::as_str).collect::<Vec<_>>(), lines);
    };
    sequence(&["01-a.json", "02-b.json"], &[]);
    sequence(&["01-a.json"], &[0]);
    sequence(&["01-a.json", "03-b.json"], &[0]);
}

#[test]
fn unprotected_fixtures_are_found() {
    on_lines(&protected("# tests/fixtures/** -text\n*.json text\n"), &[0]);
    on_lines(&protected("# Why.\ntests/fixtures/** -text\n"), &[]);
}
