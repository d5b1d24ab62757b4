//! A customer of the provider's under several addresses: what came with one counts for the others, up to a number.

use super::StoreError;
use super::sql::{Db, values};
use crate::domain::customer::CustomerKey;

/// Addresses between which a provider's customer carries a code. One with more is no person: a shop that sells to all
/// walk-in customers under one.
pub const RELATED_MAX: u32 = 5;

/// Of facts with `speaks_for_related`, those that have a code or could have brought one: a subscription has it for its product, too.
pub(super) const MAY_HOLD_A_CODE: &str = r#"(f.data NOT LIKE '%"kind":"subscription"%' OR f.data LIKE '%"code":"%')"#;

/// Everybody with facts of this customer of the provider's, as far as a code goes from one to another.
pub(super) async fn related_customers<D: Db>(
    db: &D,
    business: &str,
    scope: &str,
    customer: &str,
) -> Result<Vec<CustomerKey>, StoreError> {
    let addresses = addresses(db, scope, customer).await?;
    let key = |email_key| CustomerKey { business: business.to_owned(), email_key };
    Ok(addresses.into_iter().map(key).collect())
}

/// Everybody with facts of this customer, when the address of the fact that was placed just now makes them too many for
/// one person. What was planned by another's code has to be planned without it.
pub(super) async fn no_longer_related<D: Db>(
    db: &D,
    business: &str,
    scope: &str,
    customer: &str,
    email_key: &str,
) -> Result<Vec<CustomerKey>, StoreError> {
    let sql = "SELECT email_key, COUNT(*) FROM facts WHERE scope = ?1 AND customer = ?2 AND email_key IS NOT NULL \
         GROUP BY email_key ORDER BY email_key LIMIT ?3";
    let rows = db.query(sql, values![scope, customer, RELATED_MAX + 2]).await?;
    let counts: Vec<(String, i64)> =
        rows.into_iter().map(|mut row| Ok((row.text()?, row.int()?))).collect::<Result<_, StoreError>>()?;
    let is_new = counts.iter().any(|(address, facts)| address == email_key && *facts == 1);
    let too_many_now = is_new && counts.len() == RELATED_MAX as usize + 1;
    let all = counts.into_iter().filter(|_| too_many_now);
    Ok(all.map(|(email_key, _)| CustomerKey { business: business.to_owned(), email_key }).collect())
}

/// The addresses of a customer of the provider's; none when there are so many that it is no one person.
pub(super) async fn addresses<D: Db>(db: &D, scope: &str, customer: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT email_key FROM facts WHERE scope = ?1 AND customer = ?2 AND email_key IS NOT NULL \
         GROUP BY email_key ORDER BY email_key LIMIT ?3";
    let rows = db.query(sql, values![scope, customer, RELATED_MAX + 1]).await?;
    let addresses: Vec<String> = rows.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    Ok(if addresses.len() > RELATED_MAX as usize { Vec::new() } else { addresses })
}
