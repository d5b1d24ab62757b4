//! A provider is its folder: outside of it the code names it in the list of providers and in the one match over that list.

use crate::breach::{Breach, on_lines};
use crate::source::{Mention, Source};

/// Where providers may be told apart: their own folders with the list of implementations, and a story about two of them.
const PLACES: &[&str] = &["src/providers/", "src/cli/demo/"];

/// A provider that is named outside of its folder.
pub(crate) fn strangers(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("src/") || PLACES.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let named = source.mentions.iter().filter(|mention| !mention.in_tests && is_one(mention));
    let breach = |mention: &Mention| {
        let what = format!("`{}` is one provider", mention.segments.join("::"));
        Breach::new(
            &source.path,
            mention.line,
            what,
            "ask providers::provider for what is different: its descriptor, or a method",
        )
    };
    named.map(breach).collect()
}

fn is_one(mention: &Mention) -> bool {
    let after = |name: &str| {
        let at = mention.segments.iter().position(|segment| segment == name)?;
        mention.segments.get(at + 1).map(String::as_str)
    };
    let is_variant = |name: &str| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    let folders = ["stripe", "paystack"];
    after("ProviderKind").is_some_and(is_variant) || after("providers").is_some_and(|module| folders.contains(&module))
}

/// Lines of `text` that name the provider `kind`, whose folder is `folder`, in its list or its match.
pub(crate) fn entries(text: &str, kind: &str, folder: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let names = |line: &&str| {
        let line = line.trim_start();
        let is_code = !line.starts_with("//");
        let words = || line.split(|c: char| !c.is_alphanumeric() && c != '_');
        is_code && words().any(|word| word == kind || word == folder)
    };
    code.lines().filter(names).count()
}

#[test]
fn a_provider_named_elsewhere_is_found() {
    let text = "use crate::domain::provider::ProviderKind;\nfn f() { g(ProviderKind::ALL, ProviderKind::parse(x)) }\n\
                fn h() { g(ProviderKind::Stripe) }\nuse crate::providers::{provider, stripe::NO_SESSION};\n\
                #[cfg(test)]\nmod tests { fn f() { ProviderKind::Paystack } }\n";
    on_lines(&strangers(&Source::read("src/http/api.rs", text.to_owned())), &[3, 4]);
    on_lines(&strangers(&Source::read("src/providers/mod.rs", text.to_owned())), &[]);
    on_lines(&strangers(&Source::read("tests/golden.rs", text.to_owned())), &[]);
    let list = "// Stripe\nproviders! {\n    Stripe = \"stripe\",\n    Other = \"other\",\n}\n#[cfg(test)]\nmod tests {\n  stripe\n}\n";
    assert_eq!(entries(list, "Stripe", "stripe"), 1);
}
