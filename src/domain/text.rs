//! Characters that nobody sees.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether a character shows nothing and may change how what is around it looks: zero-width characters, marks of
/// direction, fillers. Control characters are others.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

/// `text` without what nobody sees, and without white space around it.
#[must_use]
pub fn visible(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    visible.trim().to_owned()
}

/// Longest name that is passed on, in characters. The payer writes it, and a call that is too long would keep the payment
/// behind it from going out.
const NAME_CHARS_MAX: usize = 200;

/// A name as it is passed on: in one line, cut where no name goes on. Nothing when it is blank.
#[must_use]
pub fn name(text: &str) -> Option<String> {
    let shown = text.chars().filter(|c| c.is_whitespace() || !c.is_control());
    let line: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name: String = line.trim().chars().take(NAME_CHARS_MAX).collect();
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_has_an_end() {
        assert_eq!(name(" Ada\nEze\t"), Some("Ada Eze".to_owned()));
        assert_eq!(name("A\u{0}da"), Some("Ada".to_owned()));
        assert_eq!(name(" \n "), None);
        assert_eq!(name(&"é".repeat(70_000)).map(|name| name.chars().count()), Some(NAME_CHARS_MAX));
        assert_eq!(name(&format!("{} Eze", "a".repeat(199))), Some("a".repeat(199)));
    }

    #[test]
    fn what_nobody_sees_is_taken_out() {
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0041}',
        ] {
            assert!(is_invisible(c), "{c:?}");
            assert_eq!(visible(&format!(" {c} A{c}B {c}")), "AB");
        }
        for c in ['a', ' ', '\n', '\0', 'é', 'ẹ', '\u{301}', '漢', '\u{1f600}', '\u{fffd}', '\u{212a}'] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
