//! Everybody of whom something is known, for those who look for a part of an address.

use std::collections::BTreeSet;

use crate::domain::customer::CustomerKey;
use crate::store::StoreError;
use crate::store::sql::{Db, Dialect, first, values};

/// Characters of a part.
const PART_CHARS: usize = 12;
/// Places of an address, and of a domain, at which a part may begin.
const PLACES: usize = 64;

/// Notes that there are these customers, whose locks the write has: so two writes never wait for each other here.
pub(super) async fn note<D: Db>(db: &D, people: &BTreeSet<CustomerKey>) -> Result<(), StoreError> {
    if people.is_empty() {
        return Ok(());
    }
    if D::DIALECT == Dialect::Postgres {
        // A trigger notes the parts.
        let pairs: Vec<[&str; 2]> = people.iter().map(|key| [key.business.as_str(), key.email_key.as_str()]).collect();
        let sql = format!(
            "INSERT INTO customers (business, email_key) {} ON CONFLICT (email_key, business) DO NOTHING",
            D::DIALECT.pairs("?1")
        );
        db.execute(&sql, values![serde_json::to_string(&pairs)?]).await?;
        return Ok(());
    }
    for key in people {
        let sql = "INSERT INTO customers (business, email_key) VALUES (?1, ?2) \
             ON CONFLICT (email_key, business) DO NOTHING";
        if let Some(id) = db.insert(sql, values![&key.business, &key.email_key]).await? {
            note_parts(db, id, &key.email_key).await?;
        }
    }
    Ok(())
}

/// Notes by which parts an address is found, as `parts.sql` does for all of them.
async fn note_parts<D: Db>(db: &D, customer: i64, address: &str) -> Result<(), StoreError> {
    let name = address.rfind('@').map_or(0, |at| at + 1);
    let (name, domain) = address.split_at(name);
    let sql = "INSERT INTO address_parts (part, customer) VALUES (?1, ?2) ON CONFLICT (part, customer) DO NOTHING";
    let ends_word = |(_, before): &(usize, char)| ['.', '-', '_', '+'].contains(before);
    for (at, before) in name.char_indices().take(PLACES - 1).filter(ends_word) {
        let begin = at + before.len_utf8();
        if begin < name.len() {
            db.execute(sql, values![part(&address[begin..]), customer]).await?;
        }
    }
    let sql = "SELECT 1 FROM domain_parts WHERE part = ?1 AND domain = ?2";
    if first(db, sql, values![part(domain), domain]).await?.is_none() {
        let sql = "INSERT INTO domain_parts (part, domain) VALUES (?1, ?2) ON CONFLICT (part, domain) DO NOTHING";
        let last = domain.chars().count().saturating_sub(1);
        for (begin, _) in domain.char_indices().take(last.min(PLACES)) {
            db.execute(sql, values![part(&domain[begin..]), domain]).await?;
        }
    }
    Ok(())
}

/// Removes the parts of an address's domain, if nobody has it any more.
pub(super) async fn remove_domain<D: Db>(db: &D, address: &str) -> Result<(), StoreError> {
    let Some((_, domain)) = address.rsplit_once('@') else { return Ok(()) };
    if first(db, "SELECT 1 FROM customers WHERE domain = ?1", values![domain]).await?.is_some() {
        return Ok(());
    }
    for (begin, _) in domain.char_indices().take(PLACES) {
        let sql = "DELETE FROM domain_parts WHERE part = ?1 AND domain = ?2";
        db.execute(sql, values![part(&domain[begin..]), domain]).await?;
    }
    Ok(())
}

fn part(text: &str) -> &str {
    text.char_indices().nth(PART_CHARS).map_or(text, |(end, _)| &text[..end])
}
