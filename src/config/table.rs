//! One section as typed. Each key is asked for by name; what is left over at the end is nobody's.

use std::collections::BTreeMap;

use super::mistake::Mistake;
use super::raw::{Item, Reader, Reported};
use crate::domain::secret::Secret;

/// A section, or one entry of `[[businesses]]` or `[[endpoints]]`.
pub(super) struct Table {
    path: String,
    items: BTreeMap<String, Item>,
    /// Every key that was asked for, to suggest the right one.
    asked: Vec<&'static str>,
}

/// How a secret was given.
pub(super) enum Form {
    /// As it is.
    Plain(Item),
    /// As the name of a file that holds it.
    File(Item),
}

impl Form {
    /// Where it was given.
    pub(super) const fn item(&self) -> &Item {
        match self {
            Self::Plain(item) | Self::File(item) => item,
        }
    }

    /// The file that holds it; none when a variable does.
    pub(super) fn file(&self) -> Option<String> {
        match self {
            Self::Plain(item) => item.place.file().map(str::to_owned),
            Self::File(item) => item.text().ok(),
        }
    }

    /// The secret that was given: as it is, or what its file holds.
    fn text(&self, reader: &Reader) -> Result<String, Mistake> {
        match self {
            Self::Plain(item) => item.secret().map(|secret| secret.expose().to_owned()),
            Self::File(item) => item.file_text(reader.files()),
        }
    }
}

impl Table {
    /// The section `item` holds.
    pub(super) fn open(item: Item, reader: &mut Reader) -> Result<Self, Reported> {
        let path = item.key.clone();
        let items = reader.keep(item.map())?;
        Ok(Self::new(path, items))
    }

    /// A section at `path`.
    pub(super) const fn new(path: String, items: BTreeMap<String, Item>) -> Self {
        Self { path, items, asked: Vec::new() }
    }

    /// A key of this section, from the root.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether a key is set and not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.items.contains_key(name)
    }

    /// The text that a key holds, which is not taken.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        self.items.get(name)?.text().ok()
    }

    /// Takes what a key holds.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Item> {
        self.asked.push(name);
        self.items.remove(name)
    }

    /// A section of the root.
    pub(super) fn section(&mut self, name: &'static str, reader: &mut Reader) -> Result<Self, Reported> {
        let path = self.key(name);
        self.take(name).map_or_else(|| Ok(Self::new(path, BTreeMap::new())), |item| Self::open(item, reader))
    }

    /// A key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        reader: &mut Reader,
        read: impl FnOnce(&Item) -> Result<T, Mistake>,
    ) -> Result<Option<T>, Reported> {
        self.take(name).map(|item| reader.keep(read(&item))).transpose()
    }

    /// A key that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        reader: &mut Reader,
        hint: &str,
        read: impl FnOnce(&Item) -> Result<T, Mistake>,
    ) -> Result<T, Reported> {
        let key = self.key(name);
        self.optional(name, reader, read)?.ok_or_else(|| reader.note(Mistake::new(key, "it is missing", hint)))
    }

    /// Every entry of a list that may be left out, each read by `read`.
    pub(super) fn each<T>(
        &mut self,
        name: &'static str,
        reader: &mut Reader,
        read: impl Fn(&Item) -> Result<T, Mistake>,
    ) -> Result<Option<Vec<T>>, Reported> {
        let Some(item) = self.take(name) else { return Ok(None) };
        let items = reader.keep(item.list())?;
        all(items.iter().map(|item| reader.keep(read(item)))).map(Some)
    }

    /// The text of a secret key, given as it is or as the name of a file; and how it was given.
    pub(super) fn secret_text(
        &mut self,
        names: [&'static str; 2],
        reader: &mut Reader,
    ) -> Result<Option<(Form, String)>, Reported> {
        let Some(form) = self.form(names, reader)? else { return Ok(None) };
        let text = form.text(reader);
        reader.keep(text).map(|text| Some((form, text)))
    }

    /// A secret, given as it is or as the name of a file.
    pub(super) fn secret(&mut self, names: [&'static str; 2], reader: &mut Reader) -> Result<Option<Secret>, Reported> {
        let Some((form, text)) = self.secret_text(names, reader)? else { return Ok(None) };
        reader.holds_secret(form.file());
        reader.keep(form.item().secret_of(&text)).map(Some)
    }

    /// Several secrets, given as a list, as a text separated by commas, or one a line in a file; never an empty list.
    pub(super) fn secrets(
        &mut self,
        names: [&'static str; 2],
        reader: &mut Reader,
    ) -> Result<Option<Vec<Secret>>, Reported> {
        let Some(form) = self.form(names, reader)? else { return Ok(None) };
        reader.holds_secret(form.file());
        let (origin, secrets) = match form {
            Form::Plain(item) => {
                let items = reader.keep(item.clone().list())?;
                (item, all(items.iter().map(|item| reader.keep(item.secret())))?)
            }
            Form::File(item) => {
                let text = reader.keep(item.file_text(reader.files()))?;
                let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
                let secrets = all(lines.into_iter().map(|line| reader.keep(item.secret_of(line))))?;
                (item, secrets)
            }
        };
        if secrets.is_empty() {
            return Err(
                reader.note(origin.mistake("it holds no secret", "give at least one: without it anybody could sign"))
            );
        }
        Ok(Some(secrets))
    }

    /// Ends the reading: what was not asked for is nobody's key.
    pub(super) fn close(self, reader: &mut Reader) {
        for (name, item) in &self.items {
            let near = self.asked.iter().map(|asked| (strsim::levenshtein(asked, name), *asked)).min();
            let hint = match near {
                Some((steps, asked)) if steps <= 3 => format!("did you mean `{asked}`?"),
                Some(_) | None if self.path.is_empty() => format!("the sections are: {}", self.asked.join(", ")),
                Some(_) | None => format!("the keys here are: {}", self.asked.join(", ")),
            };
            reader.note(item.mistake("there is no such key", hint));
        }
    }

    /// Which of a secret's two forms counts: the one of the higher layer, and of one layer never both.
    fn form(&mut self, [plain, file]: [&'static str; 2], reader: &mut Reader) -> Result<Option<Form>, Reported> {
        match (self.take(plain), self.take(file)) {
            (None, None) => Ok(None),
            (Some(item), None) => Ok(Some(Form::Plain(item))),
            (None, Some(item)) => Ok(Some(Form::File(item))),
            (Some(item), Some(named)) if item.place.height() == named.place.height() => {
                let cause = format!("it is given twice: here and as {} ({})", named.key, named.place);
                Err(reader.note(item.mistake(cause, "keep one of the two")))
            }
            (Some(item), Some(named)) if item.place.height() > named.place.height() => Ok(Some(Form::Plain(item))),
            (Some(_), Some(named)) => Ok(Some(Form::File(named))),
        }
    }
}

/// All values, or that a mistake was noted; every result is looked at before.
pub(super) fn all<T>(results: impl Iterator<Item = Result<T, Reported>>) -> Result<Vec<T>, Reported> {
    let results: Vec<_> = results.collect();
    results.into_iter().collect()
}
