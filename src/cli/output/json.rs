//! JSON as people read it.

use std::io::{self, IsTerminal};

use super::is_shown;

/// How wide a level of JSON stands in.
const INDENT: usize = 2;

/// JSON in which every character is written as an escape that might not be seen as it is.
pub(in crate::cli) fn json_text(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_shown(c) || c == '\n' {
            text.push(c);
        } else {
            // Such a character is in a string, where JSON has escapes.
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// A body of others or for others: at a terminal on several lines, elsewhere byte for byte in one.
pub(in crate::cli) fn body(json: &str) -> String {
    if io::stdout().is_terminal() { pretty(json, INDENT) } else { json_text(json) }
}

/// JSON on several lines, the same to the digit and in the order of its members; `indent` before each line.
fn pretty(json: &str, indent: usize) -> String {
    let mut text = " ".repeat(indent);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            text.push(c);
            in_string = c != '"' || is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        let new_line = |text: &mut String, depth: usize| {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent + depth * INDENT));
        };
        match c {
            '{' | '[' => {
                text.push(c);
                while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            '"' => {
                in_string = true;
                text.push(c);
            }
            c if c.is_ascii_whitespace() => {}
            c => text.push(c),
        }
    }
    json_text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_says_the_same() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}\u{9b}\u{200d}\u{e0041}\n\"é"});
        let text = json_text(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| is_shown(c) || c == '\n'), "{text}");
        assert!(text.contains(r"\u202e") && text.contains(r"\udb40\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn pretty_json_says_the_same_to_the_digit() {
        let json = r#"{"b":[1.50,{"a, {b}":"x \"y\": [z\\"}],"a":{},"c":[]}"#;
        let text = pretty(json, 2);
        assert_eq!(
            text,
            "  {\n    \"b\": [\n      1.50,\n      {\n        \"a, {b}\": \"x \\\"y\\\": [z\\\\\"\n      }\n    ],\n    \"a\": {},\n    \"c\": []\n  }"
        );
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&text), value(json));
        assert_eq!(pretty(&text, 2), text);
    }
}
