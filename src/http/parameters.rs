//! The parameters of a request's query: each is asked for by its name, and what nobody asked for is refused. A filter whose
//! name is wrong would find everything, and a bulk action would take it all.

use std::collections::BTreeMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use url::form_urlencoded;

use super::problem::Problem;

/// Characters of a name that are repeated in an answer.
const NAME_CHARS_MAX: usize = 40;

/// What a request's query holds, and which names have been asked for.
pub(super) struct Parameters {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl Parameters {
    /// Reads a query as browsers write it.
    ///
    /// # Errors
    /// A parameter stands in it twice.
    fn read(query: &str) -> Result<Self, Problem> {
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = name.into_owned();
            if given.insert(name.clone(), value.into_owned()).is_some() {
                return Err(Problem::bad_parameter(format!("{} is given twice", shown(&name))));
            }
        }
        Ok(Self { given, known: Vec::new() })
    }

    /// The text of a parameter; nothing if it is absent or empty.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name).filter(|text| !text.is_empty())
    }

    /// A parameter that may be absent, but not wrong; `expected` says what it takes.
    ///
    /// # Errors
    /// `read` knows nothing of its value.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Problem::bad_parameter(format!("{name} takes {expected}")))
    }

    /// A parameter that takes one of these codes.
    ///
    /// # Errors
    /// It is none of them.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        code: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let codes: Vec<_> = all.iter().map(|item| code(*item)).collect();
        self.parsed(name, &codes.join(", "), |text| all.iter().copied().find(|item| code(*item) == text))
    }

    /// A parameter that is so or not so.
    ///
    /// # Errors
    /// It says neither.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.parsed(name, "true, false, yes, no", |text| match text {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        })
    }

    /// Nothing else may be given.
    ///
    /// # Errors
    /// A parameter that the path does not take.
    pub(super) fn close(self) -> Result<(), Problem> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        let takes = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        let detail = format!("{} is no parameter of this path; it takes {takes}", shown(name));
        Err(Problem::unknown_parameter(detail))
    }
}

/// A name as it may stand in an answer.
fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic()).take(NAME_CHARS_MAX).collect()
}

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<Option<&str>, Problem>) {
        let asked = || -> Result<Option<&str>, Problem> {
            let mut parameters = Parameters::read(query)?;
            let state = parameters.one_of("state", &["held", "queued"], |code| code)?;
            parameters.text("after");
            parameters.close()?;
            Ok(state)
        };
        assert_eq!(asked(), expected, "{query}");
    }

    #[test]
    fn what_is_so_or_not_may_be_said_in_two_ways() {
        let flag = |query: &str| Parameters::read(query).and_then(|mut given| given.flag("totals"));
        for (text, expected) in [("true", true), ("yes", true), ("false", false), ("no", false)] {
            assert_eq!(flag(&format!("totals={text}")), Ok(Some(expected)), "{text}");
        }
        assert_eq!((flag(""), flag("totals=")), (Ok(None), Ok(None)));
        let neither = Problem::bad_parameter("totals takes true, false, yes, no".to_owned());
        for text in ["1", "True", "on", "yes no"] {
            assert_eq!(flag(&format!("totals={text}")), Err(neither.clone()), "{text}");
        }
    }

    #[test]
    fn what_a_path_does_not_take_is_refused() {
        let bad = |detail: &str| Err(Problem::bad_parameter(detail.to_owned()));
        let unknown = |name: &str| {
            let detail = format!("{name} is no parameter of this path; it takes state, after");
            Err(Problem::unknown_parameter(detail))
        };
        check("", Ok(None));
        check("state=&after=", Ok(None));
        check("state=held&after=dlv_1", Ok(Some("held")));
        check("state=h%65ld", Ok(Some("held")));
        check("state=sunny", bad("state takes held, queued"));
        check("state=held&state=queued", bad("state is given twice"));
        check("state=held&email=jane", unknown("email"));
        check("%0A%C3%A9mail", unknown("mail"));
    }
}
