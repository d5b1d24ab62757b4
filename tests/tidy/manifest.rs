//! What stands beside the code: why each dependency is there, migrations, what the image is built from.

use crate::breach::{Breach, on_lines};

/// Dependencies without a word. A comment speaks for the line under it; a group set off by blank lines may have one
/// comment at its top for all.
pub(crate) fn dependencies(path: &str, manifest: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    // What speaks for the next dependency: a comment right above, or the group's only one.
    let (mut comment_above, mut group_comment, mut at_top) = (false, false, true);
    let mut open_brackets = 0_usize;
    for (number, line) in (1..).zip(manifest.lines()) {
        let line = line.trim();
        let continued = open_brackets > 0;
        if !line.starts_with('#') {
            open_brackets =
                (open_brackets + line.matches(['[', '{']).count()).saturating_sub(line.matches([']', '}']).count());
        }
        if line.starts_with('[') && !continued {
            in_dependencies = line.contains("dependencies");
        }
        if line.is_empty() || line.starts_with('[') && !continued {
            (comment_above, group_comment, at_top) = (false, false, true);
        } else if line.starts_with('#') {
            // A second comment: from here on each speaks for one line only.
            (group_comment, comment_above, at_top) = (at_top, true, false);
        } else if in_dependencies && !continued {
            let later =
                manifest.lines().skip(number).take_while(|line| !line.trim().is_empty() && !line.starts_with('['));
            let alone = !later.clone().any(|line| line.trim().starts_with('#'));
            if !(comment_above || group_comment && alone) {
                let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
                let what = format!("`{name}` does not say why it is there");
                found.push(Breach::new(path, number, what, "put a comment above it"));
            }
            (comment_above, at_top) = (false, false);
        }
    }
    found
}

/// Migrations that are missing, out of number, or not in the program. `store` is the store's code.
pub(crate) fn migrations(paths: &[String], store: &str) -> Vec<Breach> {
    let all: Vec<&String> = paths.iter().filter(|path| path.starts_with("migrations/")).collect();
    let mut found = Vec::new();
    if all.is_empty() {
        found.push(Breach::new("migrations", 0, "no migration", "add migrations/sqlite/0001_initial.sql"));
    }
    let mut backend = "";
    let mut next = 1;
    for path in all {
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        if folder != backend {
            (backend, next) = (folder, 1);
        }
        if !(file.starts_with(&format!("{next:04}_")) && file.ends_with(".sql")) {
            let instead = "number the migrations of a folder 0001_name.sql, 0002_name.sql and on";
            found.push(Breach::new(path, 0, format!("not migration {next:04}"), instead));
        }
        next += 1;
        if !store.contains(path.as_str()) {
            found.push(Breach::new(path, 0, "is not compiled in", "include it in migrations.rs of its store"));
        }
    }
    found
}

/// Ways for the points of `src/crash.rs` into what people run: features that are on by default, or asked for where the
/// image is built.
pub(crate) fn default_features(manifest: &str, dockerfile: &str) -> Vec<Breach> {
    let on = (1..).zip(manifest.lines()).filter(|(_, line)| line.starts_with("default = "));
    let instead = "features are for tests: leave them off";
    let mut found: Vec<Breach> =
        on.map(|(n, _)| Breach::new("Cargo.toml", n, "features that are on by default", instead)).collect();
    let asked = (1..).zip(dockerfile.lines()).filter(|(_, line)| line.contains("features"));
    found.extend(asked.map(|(n, _)| Breach::new("Dockerfile", n, "builds with features", instead)));
    found
}

/// What the image copies must be in the repository and let in by `.dockerignore`, and its Rust must be ours.
pub(crate) fn image(dockerfile: &str, ignored: &str, manifest: &str, paths: &[String]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(dockerfile.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((&"COPY", rest)) = words.split_first() else { continue };
        if rest.iter().any(|word| word.starts_with("--from=")) {
            continue;
        }
        let sources = rest.iter().take(rest.len().saturating_sub(1)).filter(|word| !word.starts_with("--"));
        for source in sources {
            let folder = format!("{}/", source.trim_end_matches('/'));
            if !paths.iter().any(|path| path == source || path.starts_with(&folder)) {
                let what = format!("copies `{source}`, which has no file");
                found.push(Breach::new("Dockerfile", number, what, "add the file or drop the line"));
            } else if !ignored.lines().any(|line| line.strip_prefix('!') == Some(*source)) {
                let what = format!("copies `{source}`, which .dockerignore keeps out");
                found.push(Breach::new("Dockerfile", number, what, format!("add `!{source}` to .dockerignore")));
            }
        }
    }
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let from = format!("FROM rust:{}", version.unwrap_or("?"));
    if !dockerfile.lines().any(|line| line.starts_with(&from)) {
        found.push(Breach::new("Dockerfile", 0, format!("no `{from}`"), "build with the Rust that Cargo.toml names"));
    }
    found
}

#[test]
fn a_dependency_without_a_word_is_found() {
    let each = "[package]\nname = \"x\"\n[dependencies]\n# Why a.\na = \"1\"\nb = \"1\"\n# Why c.\nc = { version = \"1\",\n  features = [\n] }\n";
    on_lines(&dependencies("Cargo.toml", each), &[6]);
    let group = "[dependencies]\n# Why all.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n[dev-dependencies]\nd = \"1\"\n[features]\ne = []\n";
    on_lines(&dependencies("Cargo.toml", group), &[6, 8]);
}

#[test]
fn a_migration_that_never_runs_is_found() {
    let paths = |names: &[&str]| names.iter().map(|name| format!("migrations/{name}")).collect::<Vec<_>>();
    let store = "include_str!(\"../../migrations/a/0001_x.sql\")";
    on_lines(&migrations(&[], store), &[0]);
    on_lines(&migrations(&paths(&["a/0001_x.sql"]), store), &[]);
    on_lines(&migrations(&paths(&["a/0001_x.sql", "a/0002_y.sql"]), store), &[0]);
    on_lines(&migrations(&paths(&["a/0001_x.sql", "b/0002_y.sql"]), store), &[0, 0]);
}

#[test]
fn an_image_of_what_is_not_there_is_found() {
    let dockerfile =
        "FROM rust:1.95-slim AS build\nCOPY Cargo.toml Cargo.lock ./\nCOPY src src\nCOPY --from=build /x /y\n";
    let paths = ["Cargo.toml".to_owned(), "src/lib.rs".to_owned()];
    let let_in = "*\n!Cargo.toml\n!Cargo.lock\n!src\n";
    on_lines(&image(dockerfile, let_in, "rust-version = \"1.95\"\n", &paths), &[2]);
    on_lines(&image(dockerfile, let_in, "rust-version = \"1.96\"\n", &paths), &[2, 0]);
    on_lines(&image(dockerfile, "*\n!Cargo.toml\n", "rust-version = \"1.95\"\n", &paths), &[2, 3]);
}

#[test]
fn a_feature_that_people_would_run_is_found() {
    let off = "[features]\ncrash-points = []\n";
    on_lines(&default_features(off, "RUN cargo build --release\n"), &[]);
    on_lines(&default_features("[features]\ndefault = [\"x\"]\n", "RUN cargo build --all-features\n"), &[2, 1]);
}
