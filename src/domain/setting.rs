//! Settings of an endpoint that only one provider's endpoints have. Which these are, and what they mean, its folder says.

use std::collections::BTreeMap;

/// A setting that holds one of a few words.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the configuration.
    pub key: &'static str,
    /// What it may hold. The first word holds where none is written.
    pub words: &'static [&'static str],
}

/// What an endpoint's settings hold, where it is not the first word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(BTreeMap<&'static str, &'static str>);

impl Settings {
    /// The same with a word written that is one of the setting's.
    #[must_use]
    pub fn with(mut self, setting: &Setting, word: &'static str) -> Self {
        self.0.remove(setting.key);
        if !self.holds(setting, word) {
            self.0.insert(setting.key, word);
        }
        self
    }

    /// Whether a setting holds this word.
    #[must_use]
    pub fn holds(&self, setting: &Setting, word: &str) -> bool {
        self.0.get(setting.key).or_else(|| setting.words.first()).is_some_and(|held| *held == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_holds_until_another_is_written() {
        const ROUNDING: Setting = Setting { key: "rounding", words: &["even", "up"] };
        const OTHER: Setting = Setting { key: "other", words: &[] };
        let none = Settings::default();
        assert!(none.holds(&ROUNDING, "even") && !none.holds(&ROUNDING, "up") && !none.holds(&OTHER, "even"));
        let up = none.with(&ROUNDING, "up");
        assert!(up.holds(&ROUNDING, "up") && !up.holds(&ROUNDING, "even"));
        assert_eq!(up.with(&ROUNDING, "even"), Settings::default(), "written or not, it is the same");
    }
}
