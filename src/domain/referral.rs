//! An agent's referral code: short, plain, and passed on as given.

use super::text::visible;

/// Longest code that is passed on, in characters.
const CODE_CHARS_MAX: usize = 64;

/// What sites write where there is no code, in any case of letters: a missing value turned into text.
const NO_CODE: &[&str] = &["undefined", "null", "none", "nan", "false", "true", "n/a", "-"];

/// The first of `candidates` that is a code, with what is told of it; nothing when there are none.
///
/// # Errors
/// None is a code: why the first is not.
pub fn first_code<T>(candidates: impl IntoIterator<Item = (String, T)>) -> Result<Option<(String, T)>, String> {
    let mut refused = None;
    for (text, told) in candidates {
        match parse_code(&text) {
            Ok(code) => return Ok(Some((code, told))),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Reads a code: letters and digits of any script, `-`, `_` and `.`; trimmed, and without what nobody sees, which a copied
/// text may have in it.
///
/// # Errors
/// Why the text is no code, without repeating it: it may be anything that a visitor typed.
pub fn parse_code(text: &str) -> Result<String, String> {
    let code = visible(text);
    let count = code.chars().count();
    if count == 0 {
        return Err("the referral code is blank".to_owned());
    }
    if NO_CODE.iter().any(|word| code.eq_ignore_ascii_case(word)) {
        return Err("the referral code is a word for none, such as undefined or null".to_owned());
    }
    if count > CODE_CHARS_MAX {
        return Err(format!("the referral code has {count} characters, {CODE_CHARS_MAX} are allowed"));
    }
    let plain = |c: char| {
        if c.is_ascii() {
            c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
        } else {
            !c.is_whitespace() && !c.is_control() && c != char::REPLACEMENT_CHARACTER
        }
    };
    match code.chars().find(|c| !plain(*c)) {
        Some(c) => Err(format!("the referral code has a {c:?}; letters, digits, '-', '_' and '.' are allowed")),
        None => Ok(code),
    }
}

#[cfg(test)]
mod tests {
    use super::{first_code, parse_code};

    #[test]
    fn words_for_none_are_no_codes() {
        for word in ["undefined", "NULL", " None ", "NaN", "False", "TRUE", "n/a", "N/A", "-"] {
            assert!(parse_code(word).is_err(), "{word}");
        }
        for code in ["nonesuch", "null-1", "TRUE10", "-A", "--"] {
            assert_eq!(parse_code(code).as_deref(), Ok(code));
        }
    }

    #[test]
    fn what_is_no_code_gives_way_to_the_next_place() {
        let first = |texts: &[&str]| first_code(texts.iter().map(|t| (*t).to_owned()).zip(1..));
        assert_eq!(first(&["undefined", "a b", "ADA1", "BOB"]), Ok(Some(("ADA1".to_owned(), 3))));
        assert_eq!(first(&[]), Ok(None));
        assert!(first(&["a b", "null"]).unwrap_err().contains("' '"));
    }

    #[test]
    fn codes_are_short_and_plain() {
        assert_eq!(parse_code(" ADA-10_x.y ").as_deref(), Ok("ADA-10_x.y"));
        assert_eq!(parse_code(&"x".repeat(64)).map(|c| c.len()), Ok(64));
        assert_eq!(parse_code("ÀṢẸ-12").as_deref(), Ok("ÀṢẸ-12"));
        assert_eq!(parse_code("\u{feff}AGENT\u{200b}1\u{202e}").as_deref(), Ok("AGENT1"));
        for bad in [
            "",
            "  ",
            "\u{200b}",
            "ADA\u{fffd}",
            "a b",
            "a/b",
            "a\u{a0}b",
            "<script>",
            "jane@example.com",
            &"x".repeat(65),
        ] {
            assert!(parse_code(bad).is_err(), "{bad}");
        }
    }
}
