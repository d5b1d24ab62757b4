//! The table of deadlines and bounds says what the code says, and leaves no limit out.

use crate::breach::{Breach, on_lines};
use crate::source::Source;

/// Rooms whose limits whoever runs the bridge may come to feel.
const ROOMS: &[&str] =
    &["delivery", "http", "intake", "lookup", "mapping", "outbound", "refairn", "store", "tasks", "telemetry"];

/// Rows that say something else than the code, and limits that no row has.
pub(crate) fn table(path: &str, text: &str, sources: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut listed = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, value, place, _] = cells.as_slice() else { continue };
        let Some((file, name)) = place.trim_matches('`').split_once("::").filter(|_| place.starts_with('`')) else {
            continue;
        };
        listed.push((file.to_owned(), name.to_owned()));
        let told = read(sources, file, name).map(|(literal, of)| human(sources, file, &of, &literal));
        if told.as_deref() != Some(value) {
            let what = match told {
                Some(told) => format!("{name} is {told}, not {value}"),
                None => format!("{file} has no {name}"),
            };
            found.push(Breach::new(path, number, what, "write what the code says"));
        }
    }
    for source in sources {
        let Some(file) = source.path.strip_prefix("src/").and_then(|p| p.strip_suffix(".rs")) else { continue };
        let is_ours = ROOMS.iter().any(|room| file.starts_with(&format!("{room}/"))) && !file.contains("/tests");
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()).filter(|_| is_ours) {
            let name =
                line.split_once("const ").and_then(|(_, rest)| rest.split_once(':')).map_or("", |(name, _)| name);
            if name.ends_with("_MAX") && !listed.iter().any(|(f, n)| f == file && n == name) {
                let instead = format!("add a row to the table of deadlines and bounds in {path}");
                found.push(Breach::new(&source.path, number, format!("{name} is not listed"), instead));
            }
        }
    }
    found
}

/// The literal of a constant, and its name; of one that is another's, that one's.
fn read(sources: &[Source], file: &str, name: &str) -> Option<(String, String)> {
    let source = sources.iter().find(|source| source.path == format!("src/{file}.rs"))?;
    let rest = source.text.split(&format!("const {name}: ")).nth(1)?;
    let literal = rest.split(';').next()?.split_once(" = ")?.1.to_owned();
    let is_name = literal.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if is_name { read(sources, file, &literal) } else { Some((literal, name.to_owned())) }
}

/// A limit as a person writes it.
fn human(sources: &[Source], file: &str, name: &str, literal: &str) -> String {
    for (unit, from) in [("s", "from_secs("), ("ms", "from_millis("), ("min", "from_mins("), ("h", "from_hours(")] {
        if let Some(n) = literal.split(from).nth(1).and_then(|rest| rest.strip_suffix(')')) {
            return format!("{} {unit}", number(sources, file, n));
        }
    }
    let n = number(sources, file, literal);
    match (name.contains("BYTES"), n % (1 << 20), n % (1 << 10)) {
        (true, 0, _) => format!("{} MiB", n >> 20),
        (true, _, 0) => format!("{} KiB", n >> 10),
        (true, ..) => format!("{n} bytes"),
        (false, ..) => n.to_string(),
    }
}

/// A number as the code writes it: digits, a product, a share, a shift, or another constant.
fn number(sources: &[Source], file: &str, text: &str) -> u64 {
    let of = |text: &str| number(sources, file, text);
    if let Some((a, b)) = text.rsplit_once(" << ") {
        of(a) << of(b)
    } else if let Some((a, b)) = text.rsplit_once(" * ") {
        of(a) * of(b)
    } else if let Some((a, b)) = text.rsplit_once(" / ") {
        of(a) / of(b)
    } else if text.starts_with(|c: char| c.is_ascii_uppercase()) {
        read(sources, file, text).map_or(0, |(literal, _)| of(&literal))
    } else {
        text.replace('_', "").parse().unwrap_or(0)
    }
}

#[test]
fn a_limit_that_is_told_wrongly_or_not_at_all_is_found() {
    let code = "const WAIT_MAX: Duration = Duration::from_secs(5);\nconst BODY_BYTES_MAX: usize = 8 << 20;\n\
        const ALL_MAX: usize = 1024;\nconst ONE_MAX: usize = ALL_MAX / 4;\nconst IDLE: Duration = WAIT_MAX;\n";
    let sources = [Source::read("src/http/a.rs", code.to_owned())];
    let text = "| a | 5 s | `http/a::WAIT_MAX` |\n| b | 8 MiB | `http/a::BODY_BYTES_MAX` |\n\
        | c | 1024 | `http/a::ALL_MAX` |\n| d | 256 | `http/a::ONE_MAX` |\n| e | 5 s | `http/a::IDLE` |\n";
    on_lines(&table("docs/x.md", text, &sources), &[]);
    on_lines(&table("docs/x.md", &text.replace("256", "250"), &sources), &[4]);
    on_lines(&table("docs/x.md", &text.replace("`http/a::IDLE`", "`http/a::GONE`"), &sources), &[5]);
    on_lines(&table("docs/x.md", &text.replace("| c | 1024 | `http/a::ALL_MAX` |\n", ""), &sources), &[3]);
}
