//! Modules of a room depend on each other in one direction only: where two need each other, what both need is a third.

use std::collections::{BTreeMap, BTreeSet};

use crate::breach::{Breach, on_lines};
use crate::source::{Mention, Source};

/// A module's path below `src/`, one segment for each folder and file.
type Module<'a> = Vec<&'a str>;

/// Modules with those beside them that they name, each with the file and the line where they do.
type Named<'a> = BTreeMap<Module<'a>, BTreeMap<Module<'a>, (&'a str, usize)>>;

/// Modules that come back to themselves over others beside them. A folder counts as one module, with all that is in it;
/// between a module and its parents nothing is counted.
pub(crate) fn circles(sources: &[Source]) -> Vec<Breach> {
    let modules: BTreeMap<Module<'_>, &Source> = sources.iter().filter_map(|s| Some((module(&s.path)?, s))).collect();
    let mut named = Named::new();
    for (module, source) in &modules {
        for mention in source.mentions.iter().filter(|mention| !mention.in_tests) {
            let Some(other) = named_by(module, mention, &modules) else { continue };
            // Only modules of one room, and none that is within the other.
            let common = module.iter().zip(other).take_while(|(a, b)| a == b).count();
            if (1..module.len().min(other.len())).contains(&common) {
                let (from, to) = (module[..=common].to_vec(), other[..=common].to_vec());
                named.entry(from).or_default().entry(to).or_insert((&source.path, mention.line));
            }
        }
    }
    let back = |from: &Module<'_>, to: &Module<'_>| reaches(to, from, &named);
    let ties = named.iter().flat_map(|(from, others)| others.iter().map(move |(to, place)| (from, to, place)));
    let circle = ties.filter(|(from, to, _)| back(from, to));
    let breaches = circle.map(|(from, to, (path, line))| {
        let what = format!("`{}` names `{}`, which leads back to it", from.join("::"), to.join("::"));
        Breach::new(path, *line, what, "move what both need into a module of its own, or hand it over as an argument")
    });
    breaches.collect()
}

fn module(path: &str) -> Option<Module<'_>> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    Some(inside.strip_suffix("/mod").unwrap_or(inside).split('/').collect())
}

/// The module that has what a path names.
fn named_by<'a>(
    module: &Module<'a>,
    mention: &'a Mention,
    modules: &'a BTreeMap<Module<'a>, &Source>,
) -> Option<&'a [&'a str]> {
    let segments: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
    let up = segments.iter().take_while(|segment| **segment == "super").count();
    let path: Vec<&str> = match segments[0] {
        "crate" => segments[1..].to_vec(),
        "super" => [&module[..module.len().checked_sub(up)?], &segments[up..]].concat(),
        "self" => [module, &segments[1..]].concat(),
        _ => [module, segments.as_slice()].concat(),
    };
    (1..=path.len())
        .rev()
        .find_map(|length| modules.get_key_value(&path[..length]))
        .map(|(module, _)| module.as_slice())
}

fn reaches<'a>(from: &'a Module<'a>, to: &Module<'_>, named: &'a Named<'a>) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(named.get(module).into_iter().flat_map(BTreeMap::keys));
        }
    }
    false
}

#[test]
fn a_circle_is_found() {
    let check = |files: &[(&str, &str)], lines: &[usize]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::read(path, (*text).to_owned())).collect();
        on_lines(&circles(&sources), lines);
    };
    let circle = [
        ("src/a/mod.rs", "mod b;\nmod c;\nuse b::B;\n"),
        ("src/a/b.rs", "use super::A;\nuse super::c::{C, D};\n"),
        ("src/a/c/mod.rs", "mod d;\nuse d::D;\n"),
        ("src/a/c/d.rs", "\n\nfn f() { crate::a::b::g() }\n"),
    ];
    check(&circle, &[2, 3]);
    check(&circle[..3], &[]);
    let long = [
        ("src/a/b.rs", "use super::c::C;\n"),
        ("src/a/c.rs", "\nuse super::d;\n"),
        ("src/a/d.rs", "use super::b::B;\n"),
    ];
    check(&long, &[1, 2, 1]);
    let in_tests =
        [("src/a/b.rs", "use super::c::C;\n"), ("src/a/c.rs", "#[cfg(test)]\nmod tests { use super::super::b; }\n")];
    check(&in_tests, &[]);
    let elsewhere = [("src/a/b.rs", "use crate::c::C;\n"), ("src/c/mod.rs", "use crate::a::b::B;\n")];
    check(&elsewhere, &[]);
}
