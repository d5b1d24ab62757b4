//! What no text of ours holds: paths of somebody's machine, addresses of people who may exist, keys that may work.

use crate::breach::{Breach, on_lines};

/// Folders of a machine, at the start of a path. Written in two parts, so that this file does not hold them.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/h/")];

/// How keys begin that open something; a long tail makes one.
const KEYS: &[&str] =
    &["sk_live_", "rk_live_", "AKIA", "ghp_", concat!("-----BE", "GIN PRIVATE"), concat!("-----BE", "GIN RSA")];
/// From this many letters and digits on, what follows may be a real key's tail.
const KEY_TAIL_MIN: usize = 16;

/// Names that are reserved for examples and tests (RFC 2606), and the one service that we do speak of.
const NOBODY: &[&str] = &["example", "test", "invalid", "localhost", "refairn"];

/// Lines that name a machine, a person or a key.
pub(crate) fn foreign(path: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(folder) = MACHINE.iter().find(|folder| starts_a_path(line, folder)) {
            let what = format!("names a folder of one machine, `{folder}`");
            found.push(Breach::new(path, number, what, "write a path from the repository's root"));
        }
        if let Some(address) = address_of_somebody(line) {
            let instead = "use example.com, example.org or example.net";
            found.push(Breach::new(path, number, format!("an address that may exist, at `{address}`"), instead));
        }
        if KEYS.iter().any(|start| line.match_indices(start).any(|(at, _)| has_tail(&line[at + start.len()..], start)))
        {
            found.push(Breach::new(path, number, "looks like a key", "write one that says that it is made up"));
        }
    }
    found
}

fn starts_a_path(line: &str, folder: &str) -> bool {
    let leads = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "./-_~*}".contains(c)))
    };
    line.match_indices(folder).any(|(at, _)| leads(at))
}

/// The domain of the first e-mail address that is not one of the reserved ones.
fn address_of_somebody(line: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let at_signs = line.match_indices('@').filter(|(at, _)| line[..*at].ends_with(|c: char| c.is_ascii_alphanumeric()));
    let domains = at_signs.map(|(at, _)| {
        let rest = &line[at + 1..];
        rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())].trim_end_matches('.')
    });
    let somewhere = |domain: &&str| {
        let labels: Vec<String> = domain.split('.').map(str::to_ascii_lowercase).collect();
        let has_top = labels.len() > 1
            && labels.last().is_some_and(|top| top.len() > 1 && top.chars().all(|c| c.is_ascii_alphabetic()));
        has_top && !labels.iter().any(|label| NOBODY.contains(&label.as_str()))
    };
    domains.into_iter().find(somewhere)
}

fn has_tail(tail: &str, start: &str) -> bool {
    let letters = tail.chars().take_while(char::is_ascii_alphanumeric);
    start.starts_with('-') || letters.clone().count() >= KEY_TAIL_MIN && letters.clone().any(|c| c.is_ascii_digit())
}

#[test]
fn machines_people_and_keys_are_found() {
    let (folder, start) = (MACHINE[0], KEYS[0]);
    // Put together here, or this file would break its own rule.
    let (somebody, key) = (["anna", "mail.se"].join("@"), format!("{start}{}", "a1".repeat(12)));
    let lines = [
        format!("see {folder}notes"),
        format!("net{folder}x and a/b{folder}c"),
        somebody,
        "anna@example.com, b@shop.test, u@1.2.3".to_owned(),
        key,
        format!("{start}made_up"),
    ];
    let text = lines.join("\n");
    on_lines(&foreign("a.md", &text), &[1, 3, 5]);
    for folder in MACHINE {
        on_lines(&foreign("a.md", &format!("\"{folder}x\"")), &[1]);
    }
}
