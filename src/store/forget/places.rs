//! Where else an address stands: in bodies, in what was listed at a provider, in texts, in the index of addresses.

use std::collections::BTreeSet;

use super::texts::Spot;
use crate::domain::event::EventId;
use crate::store::inbox::body::decompress;
use crate::store::sql::{Db, first, values};
use crate::store::{Store, StoreError};

/// Bodies that are looked into in one read.
const READ_MAX: u32 = 200;
/// Longest body that is looked into, bytes: longer than any that is recorded.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Where an address stands outside of what is known of its customer.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// Events whose bodies hold it, with their states.
    pub(super) states: Vec<(EventId, String)>,
    pub(super) events: Vec<EventId>,
    /// What was listed and holds it.
    pub(super) listed: Vec<i64>,
    /// Ids that are theirs, each with its scope.
    pub(super) identities: Vec<(String, String)>,
    /// Texts that name it.
    pub(super) spots: Vec<Spot>,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.listed.is_empty() && self.identities.is_empty() && self.spots.is_empty()
    }

    /// Our numbers of the events in this state.
    pub(super) fn events_in(&self, state: &str) -> Vec<String> {
        self.states.iter().filter(|(_, of)| of == state).map(|(event, _)| event.to_string()).collect()
    }
}

impl Store {
    /// Looks through all bodies and texts. What comes in meanwhile is new.
    pub(super) async fn places_of(&self, email_key: &str) -> Result<Found, StoreError> {
        let mut found = Found::default();
        self.look_into_bodies(&spellings(email_key), &mut found).await?;
        self.look_into_lists(&spellings(email_key), &mut found).await?;
        // By what was read of them, too.
        let sql = "SELECT DISTINCT listed FROM listed_ids WHERE key = ?1".to_owned();
        for mut row in self.query(sql, values![format!("email {email_key}")]).await? {
            found.listed.push(row.int()?);
        }
        let sql = "SELECT scope, key FROM identities WHERE email_key = ?1".to_owned();
        for mut row in self.query(sql, values![email_key]).await? {
            found.identities.push((row.text()?, row.text()?));
        }
        found.spots = self.spots_of(&[email_key.to_owned()]).await?.remove(email_key).unwrap_or_default();
        Ok(found)
    }

    async fn look_into_bodies(&self, spellings: &[String], found: &mut Found) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let sql = "SELECT b.event_id, b.body, e.state FROM bodies b JOIN events e ON e.id = b.event_id \
                 WHERE b.event_id > ?1 ORDER BY b.event_id LIMIT ?2";
            let rows = self.query(sql.to_owned(), values![after, READ_MAX]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for mut row in rows {
                let (event, body, state) = (row.int()?, row.bytes_option()?.unwrap_or_default(), row.text()?);
                after = event;
                if holds(&body, spellings) {
                    found.events.push(EventId(event));
                    found.states.push((EventId(event), state));
                }
            }
        }
    }

    async fn look_into_lists(&self, spellings: &[String], found: &mut Found) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let sql = "SELECT id, body, outcome, calls FROM listed WHERE id > ?1 ORDER BY id LIMIT ?2";
            let rows = self.query(sql.to_owned(), values![after, READ_MAX]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for mut row in rows {
                let (id, body) = (row.int()?, row.bytes_option()?.unwrap_or_default());
                after = id;
                let told = [row.text_option()?, row.text_option()?].into_iter().flatten().collect::<String>();
                if holds(&body, spellings) || mentions(told.as_bytes(), spellings) {
                    found.listed.push(id);
                }
            }
        }
    }
}

/// How an address may be written in a body, in lower case.
fn spellings(email_key: &str) -> Vec<String> {
    let escaped: String = email_key
        .chars()
        .map(|c| {
            let mut units = [0; 2];
            let escape = |units: &[u16]| units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            if c.is_ascii() { c.to_string() } else { escape(c.encode_utf16(&mut units)) }
        })
        .collect();
    let mut all = vec![email_key.to_owned(), escaped.clone()];
    for at in ["\\u0040", "%40"] {
        all.extend([email_key.replace('@', at), escaped.replace('@', at)]);
    }
    all.extend([email_key.replace('+', "%2b").replace('@', "%40")]);
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a compressed body holds one of these. One that cannot be read may hold it.
fn holds(body_zstd: &[u8], spellings: &[String]) -> bool {
    decompress(body_zstd, BODY_BYTES_MAX).is_none_or(|body| mentions(&body, spellings))
}

fn mentions(body: &[u8], spellings: &[String]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    spellings.iter().any(|spelling| text.contains(spelling.as_str()))
}

/// Removes the bodies of these events. Gives how many there were.
pub(super) async fn remove_bodies<D: Db>(db: &D, events: &[EventId]) -> Result<u64, StoreError> {
    let mut removed = 0;
    for event in events {
        removed += db.execute("DELETE FROM bodies WHERE event_id = ?1", values![event.0]).await?;
    }
    Ok(removed)
}

/// How many of these events have a body, each counted once.
pub(super) async fn bodies<D: Db>(db: &D, events: &BTreeSet<EventId>) -> Result<u64, StoreError> {
    let mut bodies = 0;
    for event in events {
        let row = first(db, "SELECT 1 FROM bodies WHERE event_id = ?1", values![event.0]).await?;
        bodies += u64::from(row.is_some());
    }
    Ok(bodies)
}

/// Removes what was listed and is no event yet.
pub(super) async fn remove_listed<D: Db>(db: &D, listed: &[i64]) -> Result<(), StoreError> {
    for id in listed {
        db.execute("DELETE FROM listed_ids WHERE listed = ?1", values![*id]).await?;
        db.execute("DELETE FROM listed WHERE id = ?1", values![*id]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::inbox::body::compress;

    #[test]
    fn an_address_is_found_however_a_body_writes_it() {
        let check = |body: &str, found: bool| {
            let body = compress(body.as_bytes()).unwrap();
            assert_eq!(holds(&body, &spellings("zoë+x@example.com")), found);
        };
        check(r#"{"email":"zoë+x@example.com"}"#, true);
        check(r#"{"email":"ZOë+X@Example.COM"}"#, true);
        check(r#"{"email":"zo\u00eb+x@example.com"}"#, true);
        check(r#"{"email":"zo\u00EB+x\u0040example.com"}"#, true);
        check(r#"{"url":"https://example.com/?email=zoë%2Bx%40example.com"}"#, true);
        check(r#"{"email":"zoe+x@example.com"}"#, false);
        assert!(holds(b"no zstd", &[]), "nobody knows");
    }
}
