//! Settings, reasons, states and other names that documents quote are there, as users meet them.

use std::collections::BTreeSet;

use crate::breach::{Breach, on_lines};
use crate::docs::{OF_OTHERS, prose, quoted};
use crate::source::Source;

/// The words that a user can meet: in what the program reads and writes, and in its configuration.
pub(crate) struct Words {
    all: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl Words {
    /// From the code, and from the files that explain the configuration.
    pub(crate) fn read(sources: &[Source], configuration: &[String]) -> Self {
        let keys: BTreeSet<String> = configuration.iter().flat_map(|text| text.lines()).filter_map(key).collect();
        let mut all: BTreeSet<String> = OF_OTHERS.iter().map(|word| (*word).to_owned()).collect();
        all.extend(configuration.iter().flat_map(|text| names(text)));
        for source in sources {
            all.extend(source.literals.iter().filter(|l| !l.in_tests).flat_map(|l| names(&l.content)));
            all.extend(source.code.split("fn ").skip(1).filter_map(|rest| names(rest).next()));
            all.extend(fields(source));
        }
        Self { all, keys }
    }

    fn has(&self, word: &str) -> bool {
        self.all.contains(word) || self.keys.contains(word)
    }
}

/// The fields of the API's JSON, which are named as the types have them.
fn fields(source: &Source) -> impl Iterator<Item = String> {
    let lines = source.code.lines().filter(|_| source.path.starts_with("src/api/"));
    lines.filter_map(|line| line.trim_start().strip_prefix("pub ")?.split_once(": ").map(|(name, _)| name.to_owned()))
}

/// The key that a line of a configuration sets, or shows (`#key = value`, `# key = value`).
fn key(line: &str) -> Option<String> {
    let (name, _) = line.trim_start_matches(['#', ' ']).split_once(" =")?;
    is_word(name).then(|| name.to_owned())
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_part)
}

/// Names of one word may be anything; those that begin or end with an underscore are parts of names, and those that end
/// with a number are examples of ids.
fn is_compound(name: &str) -> bool {
    let last = name.rsplit_once('_').map_or("", |(_, last)| last);
    !name.starts_with('_') && last.contains(|c: char| !c.is_ascii_digit())
}

const fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn names(text: &str) -> impl Iterator<Item = String> {
    text.split(|c| !is_part(c)).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Quoted names that no user can meet, and settings (`key = value`, also in blocks of TOML) that there are not.
pub(crate) fn unknown(path: &str, text: &str, words: &Words) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for quote in quoted(line) {
            let name = quote.split(" = ").next().unwrap_or_default();
            let is_name = is_word(name) && is_compound(name);
            if is_name && !words.has(name) {
                let what = format!("nothing is called `{name}`");
                found.push(Breach::new(path, number, what, "name it as it is called now"));
            }
        }
    }
    for (number, key) in settings(text).filter(|(_, key)| !words.keys.contains(key)) {
        let what = format!("there is no setting `{key}`");
        found.push(Breach::new(path, number, what, "write it as the default configuration has it"));
    }
    found
}

/// The keys that a document's blocks of TOML set. Below `products` they are the user's own.
fn settings(text: &str) -> impl Iterator<Item = (usize, String)> {
    let (mut in_toml, mut own) = (false, false);
    let lines = (1..).zip(text.lines()).filter(move |(_, line)| {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            (in_toml, own) = (fence == "toml", false);
        } else if line.starts_with('[') {
            own = line.ends_with(".products]");
        }
        in_toml && !own
    });
    lines.filter_map(|(number, line)| Some((number, key(line)?)))
}

/// The states of `of`, an enum of `source`, that the `nth` diagram of a document leaves out, and those that there are not.
pub(crate) fn diagram(path: &str, text: &str, nth: usize, source: &str, of: &str) -> Vec<Breach> {
    let block = text.split("```mermaid\n").nth(nth).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let shown = block.lines().filter_map(|line| line.split(" : ").next()?.split_once(" --> "));
    let shown: BTreeSet<&str> = shown.flat_map(|(from, to)| [from.trim(), to.trim()]).filter(|s| *s != "[*]").collect();
    let body =
        source.split(&format!("impl {of} {{")).nth(1).and_then(|rest| rest.split("\n}").next()).unwrap_or_default();
    let codes = body.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""));
    let codes: BTreeSet<&str> = codes.filter_map(|(_, rest)| rest.split('"').next()).collect();
    let breach = |what: String| Breach::new(path, 0, what, "draw the states as the code has them");
    if codes.is_empty() {
        return vec![breach(format!("{of} was not found"))];
    }
    let wrong = codes.symmetric_difference(&shown);
    wrong.map(|state| breach(format!("`{state}` of {of} is in one of code and diagram only"))).collect()
}

#[test]
fn a_word_that_nobody_can_meet_is_found() {
    let code = "fn a_test() {}\nconst CODE: &str = \"a_reason\";\n#[cfg(test)]\nmod tests { const X: &str = \"of_a_test\"; }\n";
    let fields = |field: &str| format!("pub struct A {{\n    pub {field}: u8,\n}}\n");
    let files = [("src/a.rs", code.to_owned() + &fields("a_part")), ("src/api/a.rs", fields("a_field"))];
    let sources = files.map(|(path, text)| Source::read(path, text));
    let words = Words::read(&sources, &["[s]\n#a_key = 1\nother_key = 2\n".into()]);
    let check = |text: &str, lines: &[usize]| on_lines(&unknown("docs/a.md", text, &words), lines);
    check(
        "`a_reason`, `a_key`, `other_key = 3`, `a_test`, `a_field`\n`of_a_test`\n`gone_key = 1`\n`a_part`\n`word`, `_part`, \
         `evt_17`\n",
        &[2, 3, 4],
    );
    check("```sh\n`gone_key`\n```\n`gone_key`\n", &[4]);
    check("```toml\na_key = 1\ngone = 2\n[x.products]\nanything = 3\n[y]\ngone = 4\n```\ngone = 5\n", &[3, 7]);
}

#[test]
fn a_diagram_that_is_not_the_codes_is_found() {
    let code =
        "impl State {\n    fn code(self) {\n            Self::A => \"a\",\n            Self::B => \"b\",\n    }\n}\n";
    let check = |arrows: &str, lines: &[usize]| {
        let text = format!("```mermaid\nx --> y : z\n```\n```mermaid\nstateDiagram-v2\n{arrows}```\n");
        on_lines(&diagram("docs/a.md", &text, 2, code, "State"), lines);
    };
    check("    [*] --> a : in\n    a --> b : on\n", &[]);
    check("    [*] --> a : in\n", &[0]);
    check("    [*] --> a : in\n    a --> b : on\n    b --> c : on\n", &[0]);
    on_lines(&diagram("docs/a.md", "", 1, "", "State"), &[0]);
}
