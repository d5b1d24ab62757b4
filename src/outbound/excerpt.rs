//! What people are shown of a server's words.

use crate::domain::text::is_invisible;

/// The beginning of `text`, at most `chars_max` characters, without what is not seen or moves what is.
pub(crate) fn shorten(text: &str, chars_max: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c });
    let mut short: String = printable.take(chars_max).collect();
    if text.chars().count() > chars_max {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_texts_are_cut_and_nothing_stays_unseen() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("naïve", 3), "naï…");
        assert_eq!(shorten("a\u{202e}b\n\u{200b}c", 9), "a b  c");
        assert_eq!(shorten("", 0), "");
    }
}
