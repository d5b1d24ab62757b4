//! An example as a new sale: with ids, an address and times that no bridge has seen, and with what the caller sets.

use jiff::Timestamp;
use rand::Rng;
use serde_json::Value;

use super::set::Setting;
use crate::cli::bodies::Body;
use crate::cli::output;
use crate::domain::email::Email;
use crate::domain::mode::Mode;
use crate::domain::provider::ProviderKind;
use crate::providers::{self, Examples, provider};
use fresh::Fresh;

mod fresh;

/// The code of an agent whom the sandbox knows.
const CODE: &str = "ADA10";

/// What of an example is chosen.
#[derive(clap::Args)]
pub(super) struct Choices {
    /// Send an example as a new sale instead of files; refairn-bridge examples lists them
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    example: Option<String>,
    /// The example's referral code [default: ADA10, which the sandbox knows]
    #[arg(long, requires = "example")]
    code: Option<String>,
    /// The example's customer [default: a new address at each turn]
    #[arg(long, value_name = "ADDRESS", requires = "example", value_parser = address)]
    email: Option<Email>,
    /// Set a member in each of the example's bodies that has its place, such as data.object.amount_paid=4900
    #[arg(long, value_name = "PATH=VALUE", requires = "example", value_parser = Setting::parse)]
    set: Vec<Setting>,
    /// Send the example as real sales; without it they are test events
    #[arg(long, requires = "example")]
    live: bool,
}

/// An example and what is chosen of it.
pub(super) struct Example {
    kind: ProviderKind,
    example: &'static providers::Example,
    choices: Choices,
}

/// The example's webhooks of one turn.
#[derive(Default)]
pub(super) struct Turn {
    /// In their order.
    pub(super) bodies: Vec<Body>,
    /// Whom they are about, where they say it.
    pub(super) email: Option<String>,
}

fn address(text: &str) -> Result<Email, String> {
    Email::parse(text).ok_or_else(|| "it is no e-mail address".to_owned())
}

impl Choices {
    /// The example that was asked for, if one was.
    ///
    /// # Errors
    /// There is no such example, or it has no place for what is chosen.
    pub(super) fn find(self, kind: ProviderKind, now: Timestamp) -> anyhow::Result<Option<Example>> {
        let Some(name) = &self.example else {
            // That files are named keeps the parser from saying it.
            if self.live || self.code.is_some() || self.email.is_some() || !self.set.is_empty() {
                let what = "files are sent as they are: --code, --email, --set and --live are for an example";
                return Err(output::wrong_usage(what, "name one with --example, or leave them out"));
            }
            return Ok(None);
        };
        let list = provider(kind).descriptor().examples.list;
        let Some(example) = list.iter().find(|example| example.name == name) else {
            let names = list.iter().map(|example| example.name).collect::<Vec<_>>().join(", ");
            let what = format!("there is no {kind} example called {name:?}");
            return Err(output::wrong_usage(what, format!("name one of: {names}")));
        };
        let example = Example { kind, example, choices: self };
        // Whatever cannot be made fails before anything is sent.
        example.turn(now)?;
        Ok(Some(example))
    }
}

impl Example {
    /// How many webhooks a turn has.
    pub(super) const fn len(&self) -> usize {
        self.example.bodies.len()
    }

    /// Whether its events are real sales.
    pub(super) const fn is_live(&self) -> bool {
        self.choices.live
    }

    /// The example as a new sale, whose last event is of `now`.
    ///
    /// # Errors
    /// It has no place for what is chosen.
    pub(super) fn turn(&self, now: Timestamp) -> anyhow::Result<Turn> {
        let Examples { ids, references, mode: (mode_key, says), .. } = &provider(self.kind).descriptor().examples;
        let mode = if self.choices.live { Mode::Live } else { Mode::Test };
        let mut fresh = Fresh {
            ids,
            references,
            mode: (mode_key, says(mode)),
            email: self.choices.email.as_ref(),
            code: self.choices.code.as_deref().unwrap_or(CODE),
            tag: rand::rng().random_range(0x0010_0000_u64..0x1_0000_0000),
            shift_s: 0,
            renamed: std::collections::BTreeMap::new(),
            told: fresh::Told::default(),
        };
        let mut bodies = Vec::new();
        for (file, text) in self.example.bodies {
            let body: Value = serde_json::from_str(&fresh.text(text, mode))?;
            bodies.push((*file, body));
        }
        fresh.shift_s =
            bodies.iter().filter_map(|(_, body)| fresh::newest(body)).max().map_or(0, |at| now.as_second() - at);
        bodies.iter_mut().for_each(|(_, body)| fresh.walk("", body));
        if self.choices.code.is_some() && !fresh.told.code {
            let what = format!("the example {} has no referral code", self.example.name);
            return Err(output::wrong_usage(what, "leave --code out, or set one with --set"));
        }
        for setting in &self.choices.set {
            let set = bodies.iter_mut().map(|(_, body)| setting.apply(body)).filter(|is_set| *is_set).count();
            if set == 0 {
                let what = format!("no body of the example {} has a place for {}", self.example.name, setting.path());
                return Err(output::wrong_usage(
                    what,
                    "write the path from the top of the body, its parts apart by dots",
                ));
            }
        }
        let body = |(file, body): (&str, Value)| Body { name: file.to_owned(), bytes: body.to_string().into_bytes() };
        Ok(Turn { bodies: bodies.into_iter().map(body).collect(), email: fresh.told.email })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::send::Args;
    use clap::{Args as _, FromArgMatches};

    const NOW: &str = "2026-11-20T12:00:00Z";

    fn choices(args: &[&str]) -> Choices {
        let command = Args::augment_args(clap::Command::new("send")).no_binary_name(true);
        Args::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap().example
    }

    #[track_caller]
    fn turn(kind: ProviderKind, args: &[&str]) -> anyhow::Result<Turn> {
        let args: Vec<&str> = [kind.code()].iter().chain(args).copied().collect();
        choices(&args).find(kind, NOW.parse().unwrap())?.unwrap().turn(NOW.parse().unwrap())
    }

    #[test]
    fn every_example_is_new_at_every_turn_and_of_now() {
        for kind in ProviderKind::ALL {
            for example in provider(*kind).descriptor().examples.list {
                let (one, other) = (["--example", example.name], ["--example", example.name, "--live"]);
                let (one, other) = (turn(*kind, &one).unwrap(), turn(*kind, &other).unwrap());
                let ids = |turn: &Turn| -> BTreeSet<String> {
                    turn.bodies.iter().map(|body| provider(*kind).identify(&body.bytes).dedup_key).collect()
                };
                assert_eq!(ids(&one).len(), example.bodies.len(), "{}", example.name);
                assert!(ids(&one).is_disjoint(&ids(&other)) && one.email != other.email, "{}", example.name);
                for (turn, mode) in [(&one, Mode::Test), (&other, Mode::Live)] {
                    let modes = turn.bodies.iter().map(|body| provider(*kind).identify(&body.bytes).mode);
                    assert!(modes.into_iter().all(|found| found == Some(mode)), "{}", example.name);
                }
                let texts: String = one.bodies.iter().map(|body| String::from_utf8_lossy(&body.bytes)).collect();
                assert!(texts.contains("2026-11-20T12:00:00") || texts.contains("1795176000"), "{}", example.name);
            }
        }
    }

    #[test]
    fn what_is_chosen_is_in_it_or_refused() {
        let kind = ProviderKind::Stripe;
        let args = ["--example", "first-sale", "--code", "BAYO15", "--email", "jo@example.com"];
        let done = turn(kind, &[&args[..], &["--set", "data.object.amount_paid=700"]].concat()).unwrap();
        let bodies: Vec<Value> = done.bodies.iter().map(|b| serde_json::from_slice(&b.bytes).unwrap()).collect();
        assert_eq!(bodies[1]["data"]["object"]["client_reference_id"], "refairn_BAYO15");
        assert_eq!(bodies[4]["data"]["object"]["customer_email"], "jo@example.com");
        assert_eq!(
            (&bodies[4]["data"]["object"]["amount_paid"], done.email.as_deref()),
            (&700.into(), Some("jo@example.com"))
        );
        let invoice = &bodies[1]["data"]["object"]["invoice"];
        assert!(invoice.is_string() && bodies[4]["data"]["object"]["id"] == *invoice, "they belong together");
        let refused = |args: &[&str], says: &str| {
            let error = turn(kind, args).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        refused(&["--example", "nothing"], "no stripe example called");
        refused(&["--example", "renewal", "--code", "X"], "has no referral code");
        refused(&["--example", "renewal", "--set", "data.nothing.amount=1"], "no body of the example renewal");
    }
}
