//! How comments speak: to readers whose first language is another. A phrase that only a reader of old books knows has a
//! plain one, and a comment that says nothing has to say more, or go.

use crate::breach::{Breach, on_lines};

/// Phrases, and what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "say who: the caller, the sender, the operator, the server"),
    ("forsaken", "write `idle` or `abandoned`"),
    ("as good as", "say what it counts as"),
    ("cannot bear", "say what it refuses"),
    ("nobody misses", "say why it may be lost"),
    ("is to be", "write `must be`, `will be` or `has to be`; of a state, `the desired state`"),
    ("are to be", "write `must be`, `will be` or `have to be`; of a state, `the desired state`"),
    ("was to be", "write `had to be` or `should have been`"),
    ("were to be", "write `had to be` or `should have been`"),
];

/// Comments that say no more than the name below them.
const EMPTY: &[&str] = &["When.", "Why.", "Who.", "Whose.", "What.", "Which.", "Where.", "How."];

/// Comments of the product that speak so.
pub(crate) fn wording(path: &str, text: &str) -> Vec<Breach> {
    if !path.starts_with("src/") || !path.ends_with(".rs") {
        return Vec::new();
    }
    let comments = (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, comment(line)?)));
    let found = comments.filter_map(|(number, comment)| {
        let (what, instead) = finding(comment)?;
        Some(Breach::new(path, number, what, instead))
    });
    found.collect()
}

fn comment(line: &str) -> Option<&str> {
    Some(line.trim_start().strip_prefix("//")?.trim_start_matches(['/', '!']).trim())
}

fn finding(comment: &str) -> Option<(String, &'static str)> {
    let is_word = |word: &str, of: &str| of.split(|c: char| !c.is_alphanumeric()).any(|w| w == word);
    let lower = comment.to_lowercase();
    // A phrase of several words begins where a word does: `this to be` is none.
    let has = |phrase: &str| {
        if phrase.contains(' ') {
            format!(" {lower} ").contains(&format!(" {phrase}"))
        } else {
            is_word(phrase, &lower)
        }
    };
    if let Some((phrase, instead)) = PHRASES.iter().find(|(phrase, _)| has(phrase)) {
        return Some((format!("`{phrase}` in a comment"), instead));
    }
    let says_nothing = EMPTY.contains(&comment) || is_its_name(comment);
    let instead = "say the unit, who writes it, or what it means that it is absent; or make the field private";
    says_nothing.then(|| (format!("`{comment}` says no more than the name"), instead))
}

/// `Its id.`, `Its status.`: one word, of which the name below is the whole.
fn is_its_name(comment: &str) -> bool {
    let name = comment.strip_prefix("Its ").and_then(|rest| rest.strip_suffix('.'));
    name.is_some_and(|name| name.chars().all(char::is_alphanumeric))
}

#[test]
fn a_mannered_or_empty_comment_is_found() {
    let text = "//! Whoever comes.\n/// Its id.\n/// Its id at Stripe.\n    // It is to be sent.\n/// This to begin with.\nlet when = 1; // When.\n/// When.\n";
    on_lines(&wording("src/http/a.rs", text), &[1, 2, 4, 7]);
    on_lines(&wording("tests/a.rs", text), &[]);
    for (phrase, _) in PHRASES {
        on_lines(&wording("src/a.rs", &format!("/// It {phrase} so.")), &[1]);
    }
}
