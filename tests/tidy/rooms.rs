//! Who may name whom: dependencies point from the outside in, and the rooms that decide know nothing of the world.

use std::collections::BTreeSet;

use crate::breach::{Breach, on_lines};
use crate::source::{Mention, Source};

/// A room, the rooms it may name, and why no others.
type Room<'a> = (&'a str, &'a [&'a str], &'a str);

/// Each room of `src/` with the rooms it may name, and why no others. Test code may name what it likes.
const ROOMS: &[Room<'_>] = &[
    ("domain", &[], "the vocabulary stands alone; move what needs more to the room that has it"),
    ("clock", &[], "time depends on nothing"),
    ("crash", &[], "a point is a name and an end"),
    ("outbound", &["clock", "domain"], "it knows how to ask, and not what for"),
    ("private", &[], "it knows permissions, and not what files are for"),
    ("tasks", &["crash"], "it runs what it is handed"),
    ("providers", &["domain"], "bytes in, facts out: hand it what it needs as an argument"),
    ("ledger", &["clock", "domain"], "it decides over what was read before: hand it that as an argument"),
    ("api", &["domain"], "it is the JSON of the answers; `http` makes it from what it knows"),
    ("sandbox", &[], "it stands for the other side: sharing our code would share our mistakes"),
    (
        "config",
        &["domain", "private", "providers"],
        "settings are data: the room that uses them turns them into its own",
    ),
    (
        "store",
        &["clock", "crash", "domain", "ledger", "private", "tasks"],
        "it keeps and finds; whoever calls it tells what happened",
    ),
    ("refairn", &["clock", "domain", "outbound"], "it makes one call and reads the answer; delivery knows the rest"),
    ("telemetry", &["clock", "crash", "domain", "store"], "it is told what happened"),
    ("intake", &["crash", "domain", "providers", "store", "telemetry"], "verify, record, answer: no more"),
    (
        "mapping",
        &["clock", "crash", "domain", "providers", "store", "tasks", "telemetry"],
        "it reads facts off recorded events; sending is delivery's",
    ),
    (
        "backfill",
        &["clock", "domain", "mapping", "outbound", "providers", "store", "tasks", "telemetry"],
        "it reads lists and hands them to the store; mapping reads what is recorded of them like any event",
    ),
    (
        "lookup",
        &["clock", "crash", "domain", "outbound", "providers", "store", "tasks", "telemetry"],
        "it asks the provider and records the answer; mapping reads that like any event",
    ),
    (
        "delivery",
        &["clock", "crash", "domain", "outbound", "refairn", "store", "tasks", "telemetry"],
        "it sends what is queued; what to send was decided before",
    ),
    (
        "alerts",
        &["clock", "domain", "outbound", "store", "tasks", "telemetry"],
        "it looks at the store and tells people; what is so was found out before",
    ),
    (
        "http",
        &["api", "clock", "domain", "intake", "mapping", "providers", "store", "tasks", "telemetry"],
        "it answers requests; ask the store, which wakes whoever acts",
    ),
    (
        "upkeep",
        &["clock", "domain", "store", "tasks", "telemetry"],
        "it looks after the clock and the store, beside the one path; nobody waits for it",
    ),
    ("app", &[INSIDE], "it wires; commands call it"),
    ("cli", &[INSIDE, "app"], "the entrance is main.rs"),
    ("main", &["cli"], "arguments, cli::run, exit code"),
    ("lib", &[], "the list of rooms, no code"),
];

/// Stands for every room but `app`, `cli` and `main`.
const INSIDE: &str = "*";

/// Rooms named against the direction, and rooms that the table does not know.
pub(crate) fn directions(source: &Source) -> Vec<Breach> {
    let Some(inside) = source.path.strip_prefix("src/") else { return Vec::new() };
    let room = room_of(inside);
    let Some((_, may_name, why)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
        let instead = "say in ROOMS of tests/tidy/rooms.rs which rooms it may name";
        return vec![Breach::new(&source.path, 0, format!("unknown room `{room}`"), instead)];
    };
    let allowed = |named: &str| {
        let at_the_door = ["app", "cli", "main"].contains(&named);
        named == room || may_name.contains(&named) || (may_name.contains(&INSIDE) && !at_the_door)
    };
    let outward = |mention: &Mention| {
        let named = room_named(mention, depth(inside)).filter(|named| !mention.in_tests && !allowed(named))?;
        Some(Breach::new(&source.path, mention.line, format!("`{room}` names `{named}`"), *why))
    };
    source.mentions.iter().filter_map(outward).collect()
}

/// Permits that no code uses: a wall that says more than is true teaches the wrong thing.
pub(crate) fn unused_permits(sources: &[Source]) -> Vec<Breach> {
    unused(ROOMS, sources)
}

fn unused(rooms: &[Room<'_>], sources: &[Source]) -> Vec<Breach> {
    let mut used = BTreeSet::new();
    for source in sources {
        let Some(inside) = source.path.strip_prefix("src/") else { continue };
        let named = source.mentions.iter().filter(|m| !m.in_tests).filter_map(|m| room_named(m, depth(inside)));
        used.extend(named.map(|named| (room_of(inside), named)));
    }
    let permits = rooms.iter().flat_map(|(room, may_name, _)| may_name.iter().map(move |named| (*room, *named)));
    let unused = permits.filter(|(room, named)| *named != INSIDE && !used.contains(&(*room, *named)));
    let breach = |(room, named)| {
        let what = format!("`{room}` may name `{named}`, and does not");
        Breach::new("tests/tidy/rooms.rs", 0, what, "take the permit out of ROOMS")
    };
    unused.map(breach).collect()
}

/// The room of a path below `src/`.
fn room_of(inside: &str) -> &str {
    inside.split(['/', '.']).next().unwrap_or_default()
}

/// How many `super` lead out of the crate's root.
fn depth(inside: &str) -> usize {
    inside.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count()
}

/// The room that a path leads to; `None` when it stays in its own, or leaves for another library.
fn room_named(mention: &Mention, depth: usize) -> Option<&str> {
    let segments: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
    let named = match segments.first() {
        Some(&("crate" | "refairn_bridge")) => segments.get(1),
        Some(&"super") => {
            let up = segments.iter().take_while(|segment| **segment == "super").count();
            segments.get(up).filter(|_| up >= depth)
        }
        Some(_) | None => None,
    };
    named.copied().filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
}

#[test]
fn a_room_that_looks_outward_is_found() {
    let check = |path: &str, text: &str, lines: &[usize]| {
        on_lines(&directions(&Source::read(path, text.to_owned())), lines);
    };
    check(
        "src/domain/money.rs",
        "use super::event;\nuse crate::clock::after;\nuse super::super::store::Store;\n",
        &[2, 3],
    );
    check("src/providers/mod.rs", "use crate::{\n domain::Money,\n store::{Store, queries},\n};\n", &[3, 3]);
    check("src/providers/mod.rs", "use super::http;\nuse self::stripe;\n", &[1]);
    check(
        "src/http/api.rs",
        "fn f() { crate::delivery::send() }\n#[cfg(test)]\nmod tests { use crate::app::App; }\n",
        &[1],
    );
    check("src/app.rs", "use crate::cli::run;\nuse crate::store;\n", &[1]);
    check("src/main.rs", "use refairn_bridge::cli;\nuse refairn_bridge::store;\n", &[2]);
    check("src/cellar/mod.rs", "//! New.\n", &[0]);
    check("tests/golden.rs", "use refairn_bridge::store;\n", &[]);
}

#[test]
fn a_permit_that_nobody_uses_is_found() {
    let read = |(path, text): (&str, &str)| Source::read(path, text.to_owned());
    let code = "use crate::c::C;\n#[cfg(test)]\nmod tests { use crate::d::D; }\n";
    let sources = [("src/a/mod.rs", code), ("src/b.rs", "use super::d::D;\n")].map(read);
    let check = |rooms: &[Room<'_>], lines: &[usize]| on_lines(&unused(rooms, &sources), lines);
    check(&[("a", &["c"], ""), ("b", &["d", INSIDE], "")], &[]);
    check(&[("a", &["c", "d"], ""), ("b", &["c", "d"], "")], &[0, 0]);
}
