//! One statement in place of many: what is asked for with the same text and other parameters is asked for at once, over
//! arrays of parameters.
//!
//! Nobody writes such a statement by hand. The text of the single one says all that is needed to make it.

use std::fmt::Write as _;

use tokio_postgres::types::Type;

use crate::store::sql::{Row, Value};

/// A statement over arrays, made from one for a single set of parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SetForm {
    /// Its text. The arrays are its first parameters, one for each of the single statement's.
    pub(super) sql: String,
    /// Parameters of the single statement, counted from 0, that follow the arrays as they are: they have to be the same in
    /// all sets.
    pub(super) shared: Vec<usize>,
    /// Parameters that say which rows a set is about. Sets that agree in them must not be in one statement: each is to see
    /// what the one before it did. Empty where any sets may be together.
    pub(super) apart_by: Vec<usize>,
    /// How its rows are told apart.
    rows: Rows,
}

/// Which set of parameters a row belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Rows {
    /// The first column is the number of the set, counted from 1.
    Numbered,
    /// The first columns are these parameters of its set.
    Named(Vec<usize>),
    /// Each set has one, in the order of the sets.
    InOrder,
    /// There are none, and each set changes one row of a table.
    None,
}

/// What came of one set of parameters.
#[derive(Default)]
pub(super) struct Reply {
    /// What was read.
    pub(super) rows: Vec<Row>,
    /// How many rows were read or changed.
    pub(super) changed: u64,
}

impl SetForm {
    /// Makes it from the text of a single statement, whose parameters have these types; nothing where the text is not of a
    /// kind that can be run for many at once.
    pub(super) fn of(single: &str, types: &[Type]) -> Option<Self> {
        if types.is_empty() {
            return None;
        }
        match single.split_once(' ')?.0 {
            "SELECT" => Some(Self::of_select(single, &given(types)?)),
            "INSERT" => Self::of_insert(single, types),
            "UPDATE" | "DELETE" => Self::of_change(single, &given(types)?),
            _ => None,
        }
    }

    fn of_select(single: &str, given: &str) -> Self {
        let each = substitute(single, |n| format!("given.v{n}"));
        // OFFSET keeps the two apart: each set is looked up, and not all that there is compared with the sets.
        let sql = format!(
            "SELECT given.nth, found.* FROM {given}, LATERAL (SELECT * FROM ({each}) AS one OFFSET 0) AS found"
        );
        Self { sql, shared: Vec::new(), apart_by: Vec::new(), rows: Rows::Numbered }
    }

    fn of_change(single: &str, given: &str) -> Option<Self> {
        let (change, rest) = outermost(single, " WHERE ")?;
        let (condition, returning) = outermost(rest, " RETURNING ").unwrap_or((rest, ""));
        let apart_by = compared(condition);
        if apart_by.is_empty() {
            return None;
        }
        let source = if change.starts_with("DELETE") { "USING" } else { "FROM" };
        let returning = if returning.is_empty() { String::new() } else { format!(", {returning}") };
        let condition = looked_up(condition);
        let text = format!("{change} {source} {given} WHERE ({condition}) RETURNING given.nth{returning}");
        let sql = substitute(&text, |n| format!("given.v{n}"));
        Some(Self { sql, shared: Vec::new(), apart_by, rows: Rows::Numbered })
    }

    fn of_insert(single: &str, types: &[Type]) -> Option<Self> {
        let (into, rest) = single.split_once(" VALUES (")?;
        let (row, rest) = rest.split_at(closing(rest)?);
        let rest = &rest[1..];
        let (rest, returning) = outermost(rest, " RETURNING ").unwrap_or((rest, ""));
        let shared = parameters(rest);
        let mut rest = substitute(rest, |n| {
            let place = shared.iter().position(|shared| *shared + 1 == n).unwrap_or(0);
            format!("${}", types.len() + place + 1)
        });
        let (mut apart_by, mut rows) = (Vec::new(), Rows::InOrder);
        let mut columns = String::new();
        if rest.contains(" ON CONFLICT ") {
            let target = rest.split_once(" ON CONFLICT (")?.1.split_once(')')?.0;
            let named: Vec<usize> = target.split(", ").map(|name| value_of(into, row, name)).collect::<Option<_>>()?;
            if !rest.contains(" DO NOTHING") {
                apart_by.clone_from(&named);
            }
            columns.push_str(target);
            rows = Rows::Named(named);
        } else if returning.is_empty() {
            rows = Rows::None;
        }
        let returned: Vec<&str> = [columns.as_str(), returning].into_iter().filter(|part| !part.is_empty()).collect();
        if !returned.is_empty() {
            let _ = write!(rest, " RETURNING {}", returned.join(", "));
        }
        let each = substitute(row, |n| format!("given.v{n}"));
        let sql = format!("{into} SELECT {each} FROM {} ORDER BY given.nth{rest}", given(types)?);
        Some(Self { sql, shared, apart_by, rows })
    }

    /// Gives each set what is its own. `read` are the rows of the statement, `sets` the parameters it was run for.
    pub(super) fn replies(&self, read: Vec<Row>, sets: &[&[Value]]) -> Option<Vec<Reply>> {
        let mut replies: Vec<Reply> = sets.iter().map(|_| Reply::default()).collect();
        if self.rows == Rows::InOrder && read.len() != sets.len() {
            return None;
        }
        for (n, mut row) in read.into_iter().enumerate() {
            let place = match &self.rows {
                Rows::Numbered => usize::try_from(row.int().ok()?).ok()?.checked_sub(1)?,
                Rows::InOrder => n,
                Rows::Named(by) => {
                    let name: Vec<Value> = by.iter().map(|_| row.next().ok()).collect::<Option<_>>()?;
                    let is_it = |set: &[Value]| by.iter().zip(&name).all(|(n, value)| set.get(*n) == Some(value));
                    let free = |(n, _): &(usize, &&[Value])| replies.get(*n).is_some_and(|reply| reply.changed == 0);
                    sets.iter().enumerate().filter(free).find(|(_, set)| is_it(set))?.0
                }
                Rows::None => return None,
            };
            let reply = replies.get_mut(place)?;
            reply.changed += 1;
            reply.rows.push(row);
        }
        if self.rows == Rows::None {
            replies.iter_mut().for_each(|reply| reply.changed = 1);
        }
        Some(replies)
    }
}

/// The sets of parameters, as a table.
fn given(types: &[Type]) -> Option<String> {
    let arrays: Vec<String> =
        (1..).zip(types).map(|(n, ty)| Some(format!("${n}::{}[]", name(ty)?))).collect::<Option<_>>()?;
    let columns: Vec<String> = (1..=types.len()).map(|n| format!("v{n}")).collect();
    Some(format!("unnest({}) WITH ORDINALITY AS given ({}, nth)", arrays.join(", "), columns.join(", ")))
}

fn name(ty: &Type) -> Option<&'static str> {
    match *ty {
        Type::INT8 => Some("bigint"),
        Type::INT4 => Some("integer"),
        Type::TEXT => Some("text"),
        Type::BYTEA => Some("bytea"),
        _ => None,
    }
}

/// Puts something else in the place of each parameter `?n`.
fn substitute(sql: &str, parameter: impl Fn(usize) -> String) -> String {
    let mut parts = sql.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        text.push_str(&parameter(number.parse().unwrap_or(0)));
        text.push_str(rest);
    }
    text
}

/// The parameters in a text, counted from 0, each once.
fn parameters(sql: &str) -> Vec<usize> {
    let found = std::cell::RefCell::new(Vec::new());
    substitute(sql, |n| {
        found.borrow_mut().push(n.saturating_sub(1));
        String::new()
    });
    let mut found = found.into_inner();
    found.sort_unstable();
    found.dedup();
    found
}

/// The parameters that a condition compares a column with for equality, outside of any parentheses, counted from 0.
fn compared(condition: &str) -> Vec<usize> {
    let mut outer = String::new();
    let mut depth = 0_u32;
    for c in condition.chars() {
        depth = depth + u32::from(c == '(') - u32::from(c == ')' && depth > 0);
        if depth == 0 {
            outer.push(c);
        }
    }
    let terms =
        outer.split(" AND ").filter_map(|term| term.trim().split_once(" = ?")?.1.split(' ').next()?.parse().ok());
    terms.map(|n: usize| n.saturating_sub(1)).collect()
}

/// The same condition, whose first column the server can only look up. Two columns that are equal can be joined from either end:
/// of a table that is thought to be empty, all is read and compared with the sets. A queue is empty whenever the server looks, and
/// long when it matters. The other columns stay as they are: of two such forms in one index, the second may be left out of it.
fn looked_up(condition: &str) -> String {
    let first = condition.split(" AND ").next().unwrap_or_default();
    match first.split_once(" = ?") {
        Some((column, number)) if number.parse::<usize>().is_ok() => {
            condition.replacen(first, &format!("{column} = ANY (ARRAY[?{number}])"), 1)
        }
        _ => condition.to_owned(),
    }
}

/// The two parts of a text around a word that stands outside of any parentheses.
fn outermost<'a>(sql: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let outside = |at: usize| sql[..at].matches('(').count() == sql[..at].matches(')').count();
    let (at, _) = sql.match_indices(word).find(|(at, _)| outside(*at))?;
    Some((&sql[..at], &sql[at + word.len()..]))
}

/// Where the parenthesis is closed that was opened before this text.
fn closing(sql: &str) -> Option<usize> {
    let mut depth = 1_u32;
    sql.char_indices().find_map(|(at, c)| {
        depth = depth + u32::from(c == '(') - u32::from(c == ')');
        (depth == 0).then_some(at)
    })
}

/// The parameter that an INSERT puts into a column, counted from 0.
fn value_of(into: &str, row: &str, column: &str) -> Option<usize> {
    let columns = into.split_once('(')?.1.split_once(')')?.0;
    let place = columns.split(',').position(|name| name.trim() == column).filter(|_| !row.contains('('))?;
    row.split(',').nth(place)?.trim().strip_prefix('?')?.parse().ok().map(|n: usize| n.saturating_sub(1))
}

#[cfg(test)]
mod tests;
