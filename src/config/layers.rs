//! The layers a configuration is laid down in - compiled-in defaults, file, environment - and what lies on top.

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::mistake::Mistake;
use super::place::Place;
use super::raw::{Item, Node};

/// One layer. Figment's own providers are not used: its environment provider takes a secret such as `0123` for a number
/// and drops quotes, and its messages about a broken file quote the line, secrets and all.
#[derive(Debug)]
pub(super) struct Layer {
    metadata: Metadata,
    values: Dict,
}

impl Layer {
    /// The compiled-in defaults.
    ///
    /// # Errors
    /// When they are broken, which a test rules out.
    pub(super) fn defaults(text: &str) -> Result<Self, Mistake> {
        Ok(Self { metadata: Metadata::named("defaults"), values: parse(text, "the compiled-in defaults")? })
    }

    /// A file that holds `text`.
    ///
    /// # Errors
    /// The first line that is not TOML; what follows it cannot be read.
    pub(super) fn file(path: &Path, text: &str) -> Result<Self, Mistake> {
        let metadata = Metadata::named("file").source(Source::File(path.to_owned()));
        Ok(Self { metadata, values: parse(text, &path.display().to_string())? })
    }

    /// One environment variable that sets one key, to exactly its text.
    pub(super) fn variable(name: &str, section: &str, key: &str, text: &str) -> Self {
        let entry = Dict::from([(key.to_owned(), Value::from(text))]);
        Self {
            metadata: Metadata::named("environment").source(Source::Custom(name.to_owned())),
            values: Dict::from([(section.to_owned(), Value::from(entry))]),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// What lies on top once all `layers` are laid down, the first one lowest.
///
/// # Errors
/// When they do not fit together at all.
pub(super) fn merge(layers: Vec<Layer>) -> Result<Item, Mistake> {
    let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
    let mut profiles =
        figment.data().map_err(|_| Mistake::new("configuration", "its layers do not fit", "report this"))?;
    let sections = profiles.remove(&Profile::Default).unwrap_or_default();
    Ok(item(String::new(), Value::Dict(Tag::Default, sections), &figment))
}

/// TOML as figment's values.
fn parse(text: &str, name: &str) -> Result<Dict, Mistake> {
    let broken = |line: usize, what: &str| {
        let cause = format!("line {line} is not TOML: {what}");
        Mistake::new(name, cause, "write `key = value`, texts in double quotes, under a [section]")
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        broken(before.matches('\n').count().saturating_add(1), error.message())
    })?;
    match Value::serialize(table) {
        Ok(Value::Dict(_, values)) => Ok(values),
        Ok(_) | Err(_) => Err(broken(1, "it holds no keys")),
    }
}

fn place_of(tag: Tag, figment: &Figment) -> Place {
    match figment.get_metadata(tag).and_then(|metadata| metadata.source.clone()) {
        Some(Source::File(path)) => Place::File(path.display().to_string()),
        Some(Source::Custom(variable)) => Place::Variable(variable),
        // The compiled-in file is the only layer without a source.
        _ => Place::Defaults,
    }
}

/// A figment value as an item that knows its key and its place.
fn item(key: String, value: Value, figment: &Figment) -> Item {
    let place = place_of(value.tag(), figment);
    let node = match value {
        Value::String(_, text) => Node::Text(text),
        Value::Char(_, letter) => Node::Text(letter.to_string()),
        Value::Bool(_, yes) => Node::Boolean(yes),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(unsigned), ..) => i128::try_from(unsigned).map_or(Node::Nothing, Node::Integer),
            (None, Some(signed), _) => Node::Integer(signed),
            (None, None, Some(float)) => Node::Float(float),
            (None, None, None) => Node::Nothing,
        },
        Value::Empty(..) => Node::Nothing,
        Value::Array(_, values) => {
            let label = |index: usize, value: &Value| format!("{key}[{}]", label(index, value));
            Node::List(values.into_iter().enumerate().map(|(i, v)| item(label(i, &v), v, figment)).collect())
        }
        Value::Dict(_, values) => {
            let path = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            Node::Table(
                values.into_iter().map(|(k, v)| (k.clone(), item(path(&k), v, figment))).collect::<BTreeMap<_, _>>(),
            )
        }
    };
    Item { key, place, node }
}

/// How a list's entry is called in messages: by its own name where it has one, else by its number, counted from one.
fn label(index: usize, value: &Value) -> String {
    let name = ["name", "id"].iter().find_map(|key| value.find_ref(key)?.as_str());
    name.map_or_else(|| format!("#{}", index.saturating_add(1)), |name| format!("{name:?}"))
}
