//! Statements for many sets of parameters, made from those for one.

use tokio_postgres::types::Type;

use super::*;
use crate::store::sql::values;

const GIVEN: &str = "unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS given (v1, v2, nth)";

fn form(single: &str) -> SetForm {
    SetForm::of(single, &[Type::INT8, Type::TEXT]).unwrap()
}

#[test]
fn what_is_read_is_read_for_each() {
    let form = form("SELECT a FROM t WHERE id = ?1 AND b = ?2 ORDER BY a LIMIT 3");
    let each = "SELECT a FROM t WHERE id = given.v1 AND b = given.v2 ORDER BY a LIMIT 3";
    let apart = format!("LATERAL (SELECT * FROM ({each}) AS one OFFSET 0) AS found");
    assert_eq!(form.sql, format!("SELECT given.nth, found.* FROM {GIVEN}, {apart}"));
    assert_eq!(form.apart_by, [0_usize; 0]);
}

#[test]
fn what_is_changed_says_for_whom() {
    let change = form("UPDATE t SET a = (SELECT 1 WHERE true) WHERE id = ?1 AND (a IS DISTINCT FROM ?2 OR b = ?2)");
    let condition = "WHERE (id = ANY (ARRAY[given.v1]) AND (a IS DISTINCT FROM given.v2 OR b = given.v2))";
    let set = "UPDATE t SET a = (SELECT 1 WHERE true)";
    assert_eq!(change.sql, format!("{set} FROM {GIVEN} {condition} RETURNING given.nth"));
    assert_eq!(change.apart_by, [0], "the row is the same, whatever it becomes");
    let removal = form("DELETE FROM t WHERE id = ?1 AND b = ?2 RETURNING c");
    let condition = "WHERE (id = ANY (ARRAY[given.v1]) AND b = given.v2)";
    assert_eq!(removal.sql, format!("DELETE FROM t USING {GIVEN} {condition} RETURNING given.nth, c"));
    assert_eq!(removal.apart_by, [0, 1]);
    let sum = form("UPDATE t SET a = 1 WHERE b = ?2 + 1 AND id = ?1");
    assert!(sum.sql.contains("(b = given.v2 + 1 AND id = given.v1)"), "{}", sum.sql);
}

#[test]
fn what_is_added_comes_in_the_order_of_the_sets_or_by_its_name() {
    let plain = form("INSERT INTO t (a, b, c) VALUES (?1, 'x', ?2)");
    let select = format!("INSERT INTO t (a, b, c) SELECT given.v1, 'x', given.v2 FROM {GIVEN} ORDER BY given.nth");
    assert_eq!((plain.sql.as_str(), &plain.rows), (select.as_str(), &Rows::None));
    let numbered = form("INSERT INTO t (a, b, c) VALUES (?1, 'x', ?2) RETURNING id");
    assert_eq!((numbered.sql, numbered.rows), (format!("{select} RETURNING id"), Rows::InOrder));
    let named =
        form("INSERT INTO t (a, b, c) VALUES (?1, 'x', ?2) ON CONFLICT (c, a) DO UPDATE SET b = ?2 WHERE t.b < ?2");
    let rest = "ON CONFLICT (c, a) DO UPDATE SET b = $3 WHERE t.b < $3 RETURNING c, a";
    assert_eq!(named.sql, format!("{select} {rest}"));
    assert_eq!((named.shared, named.apart_by, named.rows), (vec![1], vec![1, 0], Rows::Named(vec![1, 0])));
    let once = form("INSERT INTO t (a, b, c) VALUES (?1, 'x', ?2) ON CONFLICT (a) DO NOTHING RETURNING id");
    assert_eq!(once.sql, format!("{select} ON CONFLICT (a) DO NOTHING RETURNING a, id"));
    assert_eq!((once.apart_by.len(), once.rows), (0, Rows::Named(vec![0])));
}

#[test]
fn what_cannot_be_told_apart_is_run_one_by_one() {
    for single in [
        "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        "INSERT INTO t (a, b) VALUES (COALESCE(?1, 0), ?2) ON CONFLICT (b) DO NOTHING",
        "UPDATE t SET a = ?1, b = ?2",
        "DELETE FROM t WHERE a < ?1 AND (b = ?2)",
        "WITH x AS (SELECT ?1) SELECT ?2 FROM x",
    ] {
        assert_eq!(SetForm::of(single, &[Type::INT8, Type::TEXT]), None, "{single}");
    }
    assert_eq!(SetForm::of("SELECT 1", &[]), None);
    assert_eq!(SetForm::of("SELECT ?1", &[Type::NUMERIC]), None);
}

#[test]
fn each_set_gets_what_is_its_own() {
    let (one, two, three) = (values![1_i64, "x"], values![2_i64, "y"], values![1_i64, "z"]);
    let sets = [one.as_slice(), two.as_slice(), three.as_slice()];
    let changed = |form: &SetForm, rows: Vec<Vec<Value>>| {
        let replies = form.replies(rows.into_iter().map(Row::new).collect(), &sets);
        replies.map(|replies| replies.iter().map(|reply| reply.changed).collect::<Vec<_>>())
    };
    let read = form("SELECT a FROM t WHERE id = ?1 AND b = ?2");
    assert_eq!(
        changed(&read, vec![values![3_i64, "a"], values![1_i64, "b"], values![3_i64, "c"]]),
        Some(vec![1, 0, 2])
    );
    assert_eq!(changed(&read, vec![values![4_i64, "a"]]), None, "nobody asked for that");
    let once = form("INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO NOTHING");
    assert_eq!(
        changed(&once, vec![values![2_i64], values![1_i64]]),
        Some(vec![1, 1, 0]),
        "the first of those that agree"
    );
    let numbered = form("INSERT INTO t (a, b) VALUES (?1, ?2) RETURNING id");
    assert_eq!(changed(&numbered, vec![values![7_i64], values![8_i64], values![9_i64]]), Some(vec![1, 1, 1]));
    assert_eq!(changed(&numbered, vec![values![7_i64], values![8_i64]]), None, "one is missing");
    assert_eq!(changed(&form("INSERT INTO t (a, b) VALUES (?1, ?2)"), vec![]), Some(vec![1, 1, 1]));
}
