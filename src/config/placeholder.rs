//! Texts that nobody meant as values: what an example shows, what a shell was to run, what quotation marks were left around.

/// What such a text is, and what to do; nothing of the text.
pub(super) fn found(text: &str) -> Option<(&'static str, &'static str)> {
    let text = text.trim();
    let is_quote = |c: char| matches!(c, '"' | '\'');
    if text.starts_with(is_quote) || text.ends_with(is_quote) {
        let cure = "take the quotation marks away: files of variables for docker and for clusters know none";
        return Some(("it has quotation marks around it, which count as a part of it", cure));
    }
    if ["$(", "${", "`"].iter().any(|start| text.starts_with(start)) {
        return Some(("it is a shell's command, and no shell has run it", "run the command, and write what it prints"));
    }
    let is_gap = text.ends_with("...") || text.ends_with('…') || (text.starts_with('<') && text.ends_with('>'));
    let lower = text.to_ascii_lowercase();
    let names_it = ["your_", "your-", "replace_me", "replace-me"].iter().any(|word| lower.contains(word));
    (is_gap || names_it).then_some(("it is an example's placeholder", "write your own, as the dashboard shows it"))
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn what_nobody_meant_is_found() {
        let check = |text: &str, words: Option<&str>| {
            let cause = found(text).map(|(cause, _)| cause);
            assert_eq!(cause.is_some(), words.is_some(), "{text}");
            assert!(cause.unwrap_or_default().contains(words.unwrap_or_default()), "{text}: {cause:?}");
        };
        for text in ["whsec_...", "sk_live_…", "<your key>", "YOUR_BUSINESS_ID", "replace-me"] {
            check(text, Some("placeholder"));
        }
        for text in ["\"whsec_1\"", "'sk_1", "sk_1'"] {
            check(text, Some("quotation marks"));
        }
        for text in ["$(openssl rand -hex 24)", "${TOKEN}", "`cat token`"] {
            check(text, Some("no shell has run it"));
        }
        for text in ["whsec_a..b", "pa$(word", "business_123", "a`b", "x<y>z"] {
            check(text, None);
        }
    }
}
