//! What may be used in one place only: the database, the network, the environment, tasks, the terminal, statuses.

use crate::breach::{Breach, on_lines};
use crate::source::{Mention, Source};

/// Names that belong to some places. A place ending in `/` is a folder.
struct Rule {
    names: &'static [&'static str],
    only_in: &'static [&'static str],
    instead: &'static str,
    /// Whether test code keeps the rule too.
    in_tests: bool,
}

const RULES: &[Rule] = &[
    Rule {
        names: &["rusqlite", "sqlx", "tokio_postgres"],
        only_in: &["src/store/"],
        instead: "add a method to the store and call that",
        in_tests: false,
    },
    Rule {
        names: &["reqwest"],
        only_in: &["src/outbound/"],
        instead: "ask by outbound::Client: it limits every wait and every answer",
        in_tests: false,
    },
    Rule {
        names: &["env::var", "env::var_os", "env::vars", "providers::Env", "Env::raw", "Env::prefixed"],
        only_in: &["src/config/load.rs"],
        instead: "make it a setting: config::load is the only reader of the environment",
        in_tests: false,
    },
    Rule {
        names: &["std::env"],
        // The arguments come in at main.rs.
        only_in: &["src/config/load.rs", "src/main.rs"],
        instead: "make it a setting or an argument of the command",
        in_tests: false,
    },
    Rule {
        names: &["figment"],
        only_in: &["src/config/"],
        instead: "take the validated settings as an argument",
        in_tests: false,
    },
    Rule {
        names: &["tokio::spawn", "task::spawn", "rt::spawn", "spawn_local", "JoinSet", "TaskTracker", "thread::spawn"],
        only_in: &["src/tasks/"],
        instead: "use tasks::Tasks::spawn, which tracks a task and ends it at shutdown",
        in_tests: false,
    },
    Rule {
        names: &["spawn_blocking", "thread::Builder", "block_in_place"],
        // SQLite blocks: the store reads off the asynchronous threads and writes on one thread of its own. So does
        // whoever reads the log; and what is ordered to hang.
        only_in: &["src/store/", "src/tasks/", "src/telemetry/log/", "src/crash.rs"],
        instead: "nothing but the store and the log blocks; make it asynchronous",
        in_tests: false,
    },
    Rule {
        names: &["println!", "print!", "eprintln!", "eprint!", "dbg!"],
        only_in: &["src/cli/"],
        instead: "return it to the command, or tell telemetry::events",
        in_tests: false,
    },
    Rule {
        names: &["tracing", "tracing_subscriber", "prometheus"],
        only_in: &["src/telemetry/"],
        instead: "tell telemetry::events what happened: one function logs it and counts it",
        in_tests: false,
    },
    Rule {
        names: &["anyhow"],
        only_in: &["src/cli/", "src/main.rs"],
        instead: "use the module's own error type, which says whose fault it is",
        in_tests: false,
    },
    Rule {
        names: &["actix_web", "actix_http", "actix_server", "actix_service"],
        only_in: &["src/http/", "src/sandbox/", "src/app.rs"],
        instead: "keep HTTP at the door: hand on plain data",
        in_tests: false,
    },
    Rule {
        names: &["todo!", "unimplemented!"],
        only_in: &[],
        instead: "write it, or leave the function out",
        in_tests: true,
    },
];

/// Names used outside the places they belong to.
pub(crate) fn libraries(source: &Source) -> Vec<Breach> {
    let at_home = |rule: &Rule| rule.only_in.iter().any(|place| is_in(&source.path, place));
    let stray = |mention: &Mention| {
        let kept = RULES.iter().filter(|rule| (rule.in_tests || !mention.in_tests) && !at_home(rule));
        let (rule, name) = kept
            .flat_map(|rule| rule.names.iter().map(move |name| (rule, name)))
            .find(|(_, name)| mention.has(name))?;
        Some(Breach::new(&source.path, mention.line, format!("`{name}` does not belong here"), rule.instead))
    };
    source.mentions.iter().filter_map(stray).collect()
}

/// How a statement begins. Capitals, as our SQL has them: prose does not.
const SQL: &[&str] =
    &["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ", "DROP ", "PRAGMA ", "BEGIN ", "WITH "];

/// SQL in a string outside the store.
pub(crate) fn sql(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") || source.path.starts_with("src/store/") {
        return Vec::new();
    }
    let written = source.literals.iter().filter(|literal| !literal.in_tests);
    let sql = written.filter(|literal| SQL.iter().any(|start| literal.content.trim_start().starts_with(start)));
    sql.map(|literal| Breach::new(&source.path, literal.line, "SQL", "write it in src/store/")).collect()
}

/// Answers that are no errors: any room of `http` may give them.
const NO_ERROR: &[&str] = &["Ok", "Created", "Accepted", "NoContent", "SeeOther", "NotModified"];

/// Where any status may be chosen: the one place of the bridge, and the sandbox, which speaks for Refairn.
const STATUSES: &[&str] = &["src/http/problem.rs", "src/sandbox/"];

/// A status chosen outside `http::problem`.
pub(crate) fn statuses(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") || STATUSES.iter().any(|place| is_in(&source.path, place)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for mention in source.mentions.iter().filter(|mention| !mention.in_tests) {
        let after = |name: &str| {
            let at = mention.segments.iter().position(|segment| segment == name)?;
            mention.segments.get(at + 1).map(String::as_str)
        };
        let framework_error =
            |name: &String| name.strip_prefix("Error").is_some_and(|rest| rest.starts_with(char::is_uppercase));
        let chosen = mention.has("StatusCode")
            || mention.has("HttpResponseBuilder")
            || after("HttpResponse").is_some_and(|answer| !NO_ERROR.contains(&answer))
            || (mention.has("actix_web::error") && mention.segments.iter().any(framework_error));
        if chosen {
            let what = format!("`{}` chooses a status", mention.segments.join("::"));
            found.push(Breach::new(
                &source.path,
                mention.line,
                what,
                "return a Problem: http::problem chooses its status",
            ));
        }
    }
    found
}

fn is_in(path: &str, place: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

#[test]
fn every_rule_finds_its_names() {
    for rule in RULES {
        for name in rule.names {
            let text = format!("//! Sample.\nfn f() {{ {name}(); }}\n");
            let found = libraries(&Source::read("src/domain/sample.rs", text.clone()));
            assert_eq!(found.len(), 1, "`{name}` is found {} times", found.len());
            for place in rule.only_in {
                let path = if place.ends_with('/') { format!("{place}sample.rs") } else { (*place).to_owned() };
                on_lines(&libraries(&Source::read(&path, text.clone())), &[]);
            }
        }
    }
}

#[test]
fn a_name_inside_braces_is_found_and_tests_are_free() {
    let text = "use std::{\n    env,\n    fs,\n};\n#[cfg(test)]\nmod tests {\n    use rusqlite::Connection;\n}\n";
    on_lines(&libraries(&Source::read("src/store2.rs", text.to_owned())), &[2]);
}

#[test]
fn sql_outside_the_store_is_found() {
    let text = "fn f() {\n    run(\"SELECT 1\");\n    say(\"select one\");\n    run(r#\"\n  PRAGMA x = 1\"#);\n}\n";
    on_lines(&sql(&Source::read("src/http/api.rs", text.to_owned())), &[2, 4]);
    on_lines(&sql(&Source::read("src/store/rows.rs", text.to_owned())), &[]);
}

#[test]
fn a_status_chosen_elsewhere_is_found() {
    let text = "use actix_web::http::StatusCode;\nfn f() -> HttpResponse {\n    HttpResponse::Ok();\n    \
                HttpResponse::BadRequest();\n    HttpResponse::build(x);\n    actix_web::error::ErrorNotFound(x)\n}\n";
    on_lines(&statuses(&Source::read("src/http/api.rs", text.to_owned())), &[1, 4, 5, 6]);
    on_lines(&statuses(&Source::read("src/http/problem.rs", text.to_owned())), &[]);
}
