//! What a table's rows come to, whichever database holds them and in whichever order it gives them.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::store::sql::Value;

/// Of the rows that were added: how many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checksum {
    /// How many.
    pub(super) rows: u64,
    sum: u128,
}

impl Checksum {
    /// Adds a row. The same values are the same row, be they SQLite's or PostgreSQL's.
    pub(super) fn add(&mut self, row: &[Value]) {
        let mut hash = Sha256::new();
        for value in row {
            match value {
                Value::Null => hash.update([0]),
                Value::Int(n) => {
                    hash.update([1]);
                    hash.update(n.to_be_bytes());
                }
                Value::Text(text) => add_bytes(&mut hash, 2, text.as_bytes()),
                Value::Bytes(bytes) => add_bytes(&mut hash, 3, bytes),
            }
        }
        let mut first = [0; 16];
        first.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
    }
}

/// The length first: what ends one value cannot begin the next.
fn add_bytes(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    hash.update([kind]);
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::values;

    fn of(rows: &[Vec<Value>]) -> Checksum {
        let mut sum = Checksum::default();
        rows.iter().for_each(|row| sum.add(row));
        sum
    }

    #[test]
    fn rows_count_in_any_order_and_every_value_counts() {
        let (a, b) = (values![1i64, "ab", Value::Null], values![2i64, "c", "d"]);
        assert_eq!(of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
        assert_ne!(of(&[a.clone(), b.clone()]), of(&[a.clone(), a.clone()]));
        assert_ne!(of(std::slice::from_ref(&a)), of(&[a.clone(), a.clone()]));
        let check = |one: Vec<Value>, other: Vec<Value>| assert_ne!(of(&[one]).to_string(), of(&[other]).to_string());
        check(a.clone(), values![1i64, "a", "b"]);
        check(values!["ab", ""], values!["a", "b"]);
        check(values!["1"], values![1i64]);
        check(values![""], values![Value::Null]);
        check(values!["x"], vec![Value::Bytes(b"x".to_vec())]);
        check(values!["a\0"], values!["a"]);
    }
}
