//! The configuration as typed: what each key holds, read by type. A key that nobody asked for is a mistake.
//!
//! Nothing here stops at the first mistake: each is noted with the [`Reader`], and [`Reported`] says that one was.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::files::Files;
use super::mistake::{Mistake, Mistakes};
use super::place::Place;
use super::placeholder;
use super::warnings::Warning;
use crate::domain::network::Network;
use crate::domain::secret::Secret;
use crate::private::Reach;

/// A mistake was noted; there is no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// Reads secrets' files, notes mistakes, and remembers which files hold what.
#[derive(Debug)]
pub(super) struct Reader {
    files: Files,
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
    /// The files that were read, and whether a secret in them counts.
    read: BTreeMap<String, bool>,
    /// Secrets of endpoints may be made later: their files need not be there yet.
    lacks_secrets: bool,
    /// The files for the secrets of endpoints, by the endpoints' names.
    secret_files: BTreeMap<String, PathBuf>,
}

impl Reader {
    /// With nothing noted yet.
    pub(super) const fn new(files: Files) -> Self {
        Self {
            files,
            mistakes: Vec::new(),
            warnings: Vec::new(),
            read: BTreeMap::new(),
            lacks_secrets: false,
            secret_files: BTreeMap::new(),
        }
    }

    /// The same for a command that makes secrets of endpoints.
    pub(super) fn lacking_secrets(self) -> Self {
        Self { lacks_secrets: true, ..self }
    }

    /// Whether a file for secrets is not there, and need not be.
    pub(super) fn may_lack(&self, file: &Path) -> bool {
        self.lacks_secrets && !self.files.place(file).exists()
    }

    /// Notes the file for the secrets of an endpoint.
    pub(super) fn secrets_are_in(&mut self, endpoint: &str, file: &Path) {
        self.secret_files.insert(endpoint.to_owned(), self.files.place(file));
    }

    /// The files for the secrets of endpoints, by the endpoints' names.
    pub(super) fn secret_files(&mut self) -> BTreeMap<String, PathBuf> {
        std::mem::take(&mut self.secret_files)
    }

    /// The files it reads.
    pub(super) const fn files(&self) -> &Files {
        &self.files
    }

    /// Notes a mistake, once.
    pub(super) fn note(&mut self, mistake: Mistake) -> Reported {
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
        Reported
    }

    /// Notes the mistake of `result`, if it is one.
    pub(super) fn keep<T>(&mut self, result: Result<T, Mistake>) -> Result<T, Reported> {
        result.map_err(|mistake| self.note(mistake))
    }

    /// Remembers a file that was read.
    pub(super) fn has_read(&mut self, path: &Path) {
        self.read.entry(path.display().to_string()).or_default();
    }

    /// Remembers that a secret that counts is in `file`. `None` says that a variable holds it.
    pub(super) fn holds_secret(&mut self, file: Option<String>) {
        if let Some(path) = file {
            self.read.insert(path, true);
        }
    }

    /// Notes what is allowed but seldom meant.
    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// What is allowed but seldom meant: what was noted, and files that others may write, or read although a secret is in
    /// them.
    pub(super) fn warnings(&mut self) -> Vec<Warning> {
        let warning = |(path, holds_secret): (&String, &bool)| {
            let reach = self.files.reach(Path::new(path));
            // What has no secret in it may be read by everybody.
            let reach = Reach { read: reach.read && *holds_secret, ..reach };
            if reach == Reach::NONE {
                return None;
            }
            let why = if *holds_secret { ", and a secret is in it" } else { "" };
            let mode = if *holds_secret { "600" } else { "go-w" };
            Some(Warning::new(path, format!("{reach}{why}"), format!("run: chmod {mode} {path}")))
        };
        let files: Vec<Warning> = self.read.iter().filter_map(warning).collect();
        std::mem::take(&mut self.warnings).into_iter().chain(files).collect()
    }

    /// What was noted, when anything was.
    pub(super) fn mistakes(self) -> Option<Mistakes> {
        (!self.mistakes.is_empty()).then(|| Mistakes::new(self.mistakes))
    }
}

/// A value, its key and where it was set.
#[derive(Clone)]
pub(super) struct Item {
    /// Its key, from the root.
    pub(super) key: String,
    /// Where it was set.
    pub(super) place: Place,
    /// What it holds. May be a secret: this type has no `Debug`.
    pub(super) node: Node,
}

/// What a key may hold.
#[derive(Clone)]
pub(super) enum Node {
    /// Text, exactly as it was written.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// Several.
    List(Vec<Item>),
    /// A section, or a map.
    Table(BTreeMap<String, Item>),
    /// Nothing that can be used.
    Nothing,
}

impl Item {
    /// A text set by an environment variable that stands for no key.
    pub(super) fn variable(name: &str, text: &str) -> Self {
        Self { key: name.to_owned(), place: Place::Variable(name.to_owned()), node: Node::Text(text.to_owned()) }
    }

    /// A mistake of this value.
    pub(super) fn mistake(&self, cause: impl Into<String>, hint: impl Into<String>) -> Mistake {
        let place = Some(&self.place).filter(|place| **place != Place::Variable(self.key.clone()));
        Mistake { place: place.map(ToString::to_string), ..Mistake::new(&self.key, cause, hint) }
    }

    /// Text that is not blank, without spaces around it. Not for secrets.
    pub(super) fn text(&self) -> Result<String, Mistake> {
        match &self.node {
            Node::Text(text) if text.trim().is_empty() => {
                Err(self.mistake("it is blank", "give it a value, or take it away"))
            }
            Node::Text(text) => self.undamaged(text).map(|()| text.trim().to_owned()),
            Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::List(_) | Node::Table(_) | Node::Nothing => {
                Err(self.mistake(format!("it holds {}, not text", self.kind()), "write one text, in double quotes"))
            }
        }
    }

    /// Text that `parse` understands; its error is the cause.
    pub(super) fn parsed<T>(&self, parse: impl Fn(&str) -> Result<T, String>, hint: &str) -> Result<T, Mistake> {
        parse(&self.text()?).map_err(|cause| self.mistake(cause, hint))
    }

    /// An address, or a range of them.
    pub(super) fn network(&self) -> Result<Network, Mistake> {
        self.parsed(Network::parse, "write addresses such as 192.0.2.7, or ranges such as 10.0.0.0/8")
    }

    /// An id as Refairn or a provider gives it.
    pub(super) fn id(&self) -> Result<String, Mistake> {
        let sound = |text: &str| {
            let strange = text.chars().any(|c| c.is_whitespace() || c.is_control());
            if strange { Err("it has spaces or control characters in it".to_owned()) } else { Ok(text.to_owned()) }
        };
        self.meant(&self.text()?)?;
        self.parsed(sound, "copy the id as the dashboard shows it")
    }

    /// A secret, exactly as written.
    pub(super) fn secret(&self) -> Result<Secret, Mistake> {
        match &self.node {
            Node::Text(text) => self.secret_of(text),
            Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::List(_) | Node::Table(_) | Node::Nothing => {
                Err(self.mistake(format!("it holds {}, not text", self.kind()), "write the secret in double quotes"))
            }
        }
    }

    /// `text`, which this value holds or names, as a secret.
    pub(super) fn secret_of(&self, text: &str) -> Result<Secret, Mistake> {
        self.undamaged(text)?;
        self.meant(text)?;
        Secret::parse(text).map_err(|error| {
            let error = error.to_string();
            let (cause, hint) = error.split_once(": ").unwrap_or((&error, "copy it again, in one piece"));
            self.mistake(cause, hint)
        })
    }

    /// The text of the file this value names.
    pub(super) fn file_text(&self, files: &Files) -> Result<String, Mistake> {
        let path = self.text()?;
        files.secret(Path::new(&path)).map_err(|error| {
            self.mistake(
                format!("{path} cannot be read: {error}"),
                "name a text file the bridge may read, with the secret in it",
            )
        })
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, range: &RangeInclusive<u32>) -> Result<u32, Mistake> {
        let hint = || format!("write a whole number from {} to {}", range.start(), range.end());
        let number = match &self.node {
            Node::Integer(number) => Some(*number),
            // The environment knows no numbers, only texts.
            Node::Text(text) => text.trim().parse().ok(),
            Node::Boolean(_) | Node::Float(_) | Node::List(_) | Node::Table(_) | Node::Nothing => None,
        };
        let Some(number) = number else { return Err(self.mistake("it is not a whole number", hint())) };
        let fitting = u32::try_from(number).ok().filter(|number| range.contains(number));
        fitting.ok_or_else(|| self.mistake(format!("{number} is out of range"), hint()))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, Mistake> {
        match &self.node {
            Node::Boolean(yes) => Ok(*yes),
            Node::Text(text) if text.trim() == "true" => Ok(true),
            Node::Text(text) if text.trim() == "false" => Ok(false),
            Node::Text(_) | Node::Integer(_) | Node::Float(_) | Node::List(_) | Node::Table(_) | Node::Nothing => {
                Err(self.mistake("it is neither true nor false", "write true or false, without quotes"))
            }
        }
    }

    /// One of an enum's names.
    pub(super) fn choice<T: DeserializeOwned>(&self) -> Result<T, Mistake> {
        let text = self.text()?;
        let deserializer: StrDeserializer<'_, NotAmong> = text.as_str().into_deserializer();
        T::deserialize(deserializer).map_err(|NotAmong(names)| self.not_among(&text, names))
    }

    /// One of these words.
    pub(super) fn word<'w>(&self, words: &[&'w str]) -> Result<&'w str, Mistake> {
        let text = self.text()?;
        words.iter().find(|word| **word == text).copied().ok_or_else(|| self.not_among(&text, words))
    }

    fn not_among(&self, text: &str, names: &[&str]) -> Mistake {
        let shown: String = text.chars().take(64).collect();
        self.mistake(format!("{shown:?} is not among its values"), format!("write one of: {}", names.join(", ")))
    }

    /// The entries of a list, or of a text separated by commas.
    pub(super) fn list(self) -> Result<Vec<Self>, Mistake> {
        match self.node {
            Node::List(items) => Ok(items),
            Node::Text(ref text) if text.contains(',') => {
                let part = |(i, part): (usize, &str)| Self {
                    key: format!("{}[#{}]", self.key, i.saturating_add(1)),
                    place: self.place.clone(),
                    node: Node::Text(part.to_owned()),
                };
                Ok(text.split(',').enumerate().map(part).collect())
            }
            Node::Text(_) => Ok(vec![self]),
            Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::Table(_) | Node::Nothing => {
                Err(self.mistake(format!("it holds {}, not a list", self.kind()), "write [\"...\", \"...\"]"))
            }
        }
    }

    /// The keys and values of a map.
    pub(super) fn map(self) -> Result<BTreeMap<String, Self>, Mistake> {
        match self.node {
            Node::Table(items) => Ok(items),
            Node::Text(_) | Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::List(_) | Node::Nothing => {
                Err(self.mistake(format!("it holds {}, not keys and values", self.kind()), "write it as a table"))
            }
        }
    }

    /// Refuses what nobody meant as a value.
    fn meant(&self, text: &str) -> Result<(), Mistake> {
        placeholder::found(text).map_or(Ok(()), |(cause, hint)| Err(self.mistake(cause, hint)))
    }

    /// Refuses what stands for bytes that were no UTF-8: the true text is not known.
    fn undamaged(&self, text: &str) -> Result<(), Mistake> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(self.mistake("it is not UTF-8 text", "set it again, in UTF-8"));
        }
        Ok(())
    }

    const fn kind(&self) -> &'static str {
        match self.node {
            Node::Text(_) => "text",
            Node::Boolean(_) => "true or false",
            Node::Integer(_) | Node::Float(_) => "a number",
            Node::List(_) => "a list",
            Node::Table(_) => "a table",
            Node::Nothing => "nothing",
        }
    }
}

/// The names a text is not among.
#[derive(Debug)]
struct NotAmong(&'static [&'static str]);

impl std::fmt::Display for NotAmong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not one of {}", self.0.join(", "))
    }
}

impl std::error::Error for NotAmong {}

impl serde::de::Error for NotAmong {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}
