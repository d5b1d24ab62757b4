//! Everybody of whom something is known, for those who look for a part of an address.

use std::collections::BTreeSet;

use crate::domain::customer::CustomerKey;
use crate::store::StoreError;
use crate::store::sql::{Db, values};

/// Notes that there are these customers, whose locks the write has: so two writes never wait for each other here.
pub(super) async fn note<D: Db>(db: &D, people: &BTreeSet<CustomerKey>) -> Result<(), StoreError> {
    if people.is_empty() {
        return Ok(());
    }
    let pairs: Vec<[&str; 2]> = people.iter().map(|key| [key.business.as_str(), key.email_key.as_str()]).collect();
    let sql = format!(
        "INSERT INTO customers (business, email_key) {} ON CONFLICT (email_key, business) DO NOTHING",
        D::DIALECT.pairs("?1")
    );
    db.execute(&sql, values![serde_json::to_string(&pairs)?]).await?;
    Ok(())
}
