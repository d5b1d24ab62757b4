//! An agent's referral code: short, plain, and passed on as given.

use super::text::visible;

/// Longest code that is passed on, in characters.
const CODE_CHARS_MAX: usize = 64;

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
    use super::parse_code;

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
