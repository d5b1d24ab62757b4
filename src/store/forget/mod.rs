//! A customer is forgotten: a pseudonym stands for their address in all that was told of them, and what else holds it is
//! removed. Ids stay, so retries, refunds and renewals are still theirs; an event that names the address brings it back.

mod places;
pub(super) mod texts;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use self::places::Found;
use super::codes::{RECEIVED, UNMAPPABLE, WAITING};
use super::inbox::rename::{Names, rename, replaced};
use super::people::audit::{Entry, note};
use super::queue::history::load;
use super::rows::{micros, update_delivery};
use super::settings::make_pseudonym_key;
use super::sql::{Db, Dialect, Lock, Work, values};
use super::{Store, StoreError};
use crate::domain::audit::{By, Decision, NOTE_CHARS_MAX, Note};
use crate::domain::customer::{CustomerHistory, CustomerKey};
use crate::domain::delivery::{Action, Delivery, DeliveryState};
use crate::domain::email::Email;
use crate::domain::event::EventId;
use crate::domain::pseudonym::is_pseudonym;
use crate::domain::refusal::Refusal;
use crate::ledger::resolve::all_ids;

/// Customers that are looked at in one read.
const LOOKED_AT_MAX: u32 = 500;
/// What is told of what is open: so many items.
const OPEN_TOLD_MAX: usize = 5;
/// What to do about what is open.
const ANYWAY: &str =
    "decide about it first, or give --anyway (the box on the page, \"anyway\": true in the API), which drops it";

/// What was done when a customer was forgotten, or what it would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// What stands for the address from now on; nothing as long as nobody is forgotten.
    pub pseudonym: Option<String>,
    /// What of theirs is still to be done, in a sentence: they are forgotten all the same if somebody wants it.
    pub in_the_way: Option<String>,
    /// Businesses whose customer it was.
    pub businesses: Vec<String>,
    /// Events whose facts stay, without address and name.
    pub events: u64,
    /// Bodies that were removed.
    pub bodies: u64,
    /// Calls that stay, without address and name.
    pub calls: u64,
    /// Of these, calls that had not been sent, and never will be.
    pub discarded: u64,
    /// Whether the database's own file holds no trace; nothing where the database is a server's.
    pub cleansed: Option<Result<(), StoreError>>,
}

/// Why nobody was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// Nothing is known of the address.
    #[error("nothing is known of this address")]
    Unknown,
    /// Something of theirs is still to be done.
    #[error(transparent)]
    Open(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Customers of whom nothing was heard for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// So many are forgotten now.
    pub forgotten: u64,
    /// Where to go on; nothing after the last customer.
    pub next: Option<i64>,
}

impl Store {
    /// Forgets the customer of this address in every business. Refuses while something of theirs is still to be done; with
    /// `anyway` what was not sent never will be, but what is being read or sent is waited for in any case.
    ///
    /// # Errors
    /// Nothing was changed. What only failed afterwards is told in [`Forgotten::cleansed`].
    pub async fn forget(&self, email: &Email, anyway: bool, by: By, now: Timestamp) -> Result<Forgotten, ForgetError> {
        let email_key = email.key();
        let found = self.places_of(&email_key).await?;
        let work = Forget { email_key, found, anyway, key: made_up(), by: Some((by, now)) };
        let forgotten = self.write(work).await??;
        let cleansed = self.cleanse().await;
        Ok(Forgotten { cleansed, ..forgotten })
    }

    /// What it would come to if the customer of this address were forgotten. Nothing is changed.
    ///
    /// # Errors
    /// Nothing is known of the address, or the store failed.
    pub async fn weigh_forgetting(&self, email: &Email) -> Result<Forgotten, ForgetError> {
        let email_key = email.key();
        let found = self.places_of(&email_key).await?;
        self.write(Weigh(Forget { email_key, found, anyway: false, key: String::new(), by: None })).await?
    }

    /// Forgets customers with nothing open, of whom nothing came in since `before`: looks at some after the one of `after`.
    ///
    /// # Errors
    /// Those before the failure are forgotten.
    pub async fn forget_old(&self, before: Timestamp, after: i64) -> Result<Old, StoreError> {
        let sql = "SELECT MAX(id) FROM (SELECT id FROM customers WHERE id > ?1 ORDER BY id LIMIT ?2) w";
        let mut row = self.query(sql.to_owned(), values![after, LOOKED_AT_MAX]).await?.into_iter().next();
        let Some(last) = row.as_mut().map(super::sql::Row::int_option).transpose()?.flatten() else {
            return Ok(Old { forgotten: 0, next: None });
        };
        let sql = format!(
            "SELECT DISTINCT c.email_key FROM customers c WHERE c.id > ?1 AND c.id <= ?2 \
             AND NOT EXISTS (SELECT 1 FROM customers o JOIN facts f ON f.business = o.business AND f.email_key = o.email_key \
             JOIN events e ON e.id = f.event_id WHERE o.email_key = c.email_key \
             AND (e.received_at >= ?3 OR e.attention = 1 OR e.state IN ('{RECEIVED}', '{WAITING}'))) \
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.email_key = c.email_key \
             AND (d.attention = 1 OR d.state IN ({}))) \
             AND NOT EXISTS (SELECT 1 FROM backfills b JOIN listed_ids l ON l.backfill = b.id \
             WHERE l.key = 'email ' || c.email_key) ORDER BY c.email_key",
            open_states()
        );
        let rows = self.query(sql, values![after, last, micros(before)]).await?;
        let keys = rows.into_iter().map(|mut row| row.text()).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<String> = keys.into_iter().filter(|key| !is_pseudonym(key)).collect();
        let mut spots = if keys.is_empty() { HashMap::new() } else { self.spots_of(&keys).await? };
        let mut forgotten = 0;
        for email_key in keys {
            // Bodies are kept for a shorter time than customers: those of their facts are removed, if any is left.
            let found = Found { spots: spots.remove(&email_key).unwrap_or_default(), ..Found::default() };
            let work = Forget { email_key, found, anyway: false, key: made_up(), by: None };
            match self.write(work).await? {
                Ok(_) => forgotten += 1,
                // Something came in meanwhile.
                Err(ForgetError::Unknown | ForgetError::Open(_)) => {}
                Err(ForgetError::Store(error)) => return Err(error),
            }
        }
        Ok(Old { forgotten, next: Some(last) })
    }

    /// Overwrites what was removed when customers were forgotten, where the database's own file is ours to write.
    ///
    /// # Errors
    /// Some of it may be left in the file.
    pub async fn overwrite_forgotten(&self) -> Result<(), StoreError> {
        self.cleanse().await.unwrap_or(Ok(()))
    }
}

/// The key of a store that has none.
fn made_up() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// The states of what was not sent yet.
const OPEN: [DeliveryState; 3] = [DeliveryState::Queued, DeliveryState::Sending, DeliveryState::Held];

fn open_states() -> String {
    OPEN.map(|state| format!("'{}'", state.code())).join(", ")
}

struct Forget {
    email_key: String,
    found: Found,
    anyway: bool,
    /// Becomes the store's key, if it has none.
    key: String,
    /// Who wants it, and when; nobody where it is for their age.
    by: Option<(By, Timestamp)>,
}

impl Work for Forget {
    type Answer = Result<Forgotten, ForgetError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let is_ours = D::DIALECT == Dialect::Sqlite;
        // A page that is used again before the file is looked through has nothing of it.
        if is_ours {
            db.run_all("PRAGMA secure_delete = ON").await?;
        }
        let done = self.forget(db).await;
        if is_ours {
            db.run_all("PRAGMA secure_delete = OFF").await?;
        }
        done
    }
}

/// What it would come to.
struct Weigh(Forget);

impl Work for Weigh {
    type Answer = Result<Forgotten, ForgetError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let Self(forget) = self;
        let businesses = forget.businesses(db).await?;
        if businesses.is_empty() && forget.found.is_empty() {
            return Ok(Err(ForgetError::Unknown));
        }
        let mut customers = Vec::new();
        for business in &businesses {
            let key = CustomerKey { business: business.clone(), email_key: forget.email_key.clone() };
            customers.push(load(db, &key).await?);
        }
        let own = customers.iter().flat_map(|customer| &customer.facts).filter(|known| !known.is_related);
        let told: BTreeSet<EventId> = own.map(|known| known.event).collect();
        let calls = || customers.iter().flat_map(|customer| &customer.deliveries);
        Ok(Ok(Forgotten {
            pseudonym: None,
            in_the_way: forget.what_is_open(db, &customers).await?.map(|open| open.why().to_owned()),
            businesses,
            events: told.len() as u64,
            bodies: places::bodies(db, &told.into_iter().chain(forget.found.events.iter().copied()).collect()).await?,
            calls: calls().count() as u64,
            discarded: calls().filter(|call| OPEN.contains(&call.state)).count() as u64,
            cleansed: None,
        }))
    }
}

impl Forget {
    async fn forget<D: Db>(&self, db: &D) -> Result<Result<Forgotten, ForgetError>, StoreError> {
        let businesses = self.businesses(db).await?;
        if businesses.is_empty() && self.found.is_empty() {
            return Ok(Err(ForgetError::Unknown));
        }
        // A refusal leaves nothing, not even a key.
        let mut seen = Vec::new();
        for business in &businesses {
            let key = CustomerKey { business: business.clone(), email_key: self.email_key.clone() };
            seen.push(load(db, &key).await?);
        }
        if let Some(open) = self.what_is_open(db, &seen).await? {
            return Ok(Err(ForgetError::Open(open)));
        }
        let Some(pseudonym) = make_pseudonym_key(db, &self.key).await?.of(&self.email_key) else {
            return Err(StoreError::Data("no pseudonym can be made".to_owned()));
        };
        let mut customers = Vec::new();
        for business in &businesses {
            let key = CustomerKey { business: business.clone(), email_key: self.email_key.clone() };
            customers.push(locked(db, &key, &pseudonym).await?);
        }
        if let Some(open) = self.what_is_open(db, &customers).await? {
            return Ok(Err(ForgetError::Open(open)));
        }
        self.note(db, &businesses, &pseudonym).await?;
        let mut forgotten = Forgotten { pseudonym: Some(pseudonym.key()), businesses, ..Forgotten::default() };
        for customer in &customers {
            forgotten.discarded += discard_unsent(db, customer).await?;
            let renamed = rename(db, &customer.key, &pseudonym, Names::Removed, &self.found.identities).await?;
            forgotten.calls += renamed.calls;
            forgotten.events += renamed.events.len() as u64;
            forgotten.bodies += places::remove_bodies(db, &renamed.events).await?;
        }
        forgotten.bodies += places::remove_bodies(db, &self.found.events).await?;
        texts::replace(db, &self.found.spots, &self.email_key, pseudonym.as_given()).await?;
        places::remove_listed(db, &self.found.listed).await?;
        Ok(Ok(forgotten))
    }

    /// Whose customer it is.
    async fn businesses<D: Db>(&self, db: &D) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT business FROM customers WHERE email_key = ?1 ORDER BY business";
        let rows = db.query(sql, values![&self.email_key]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// Notes who wanted it, without the address: a note may name it.
    async fn note<D: Db>(&self, db: &D, businesses: &[String], pseudonym: &Email) -> Result<(), StoreError> {
        let Some((by, now)) = &self.by else { return Ok(()) };
        let other = |text: &Note| replaced(text.text(), &self.email_key, pseudonym.as_given());
        let words = by.note.as_ref().map(|text| other(text).unwrap_or_else(|| text.text().to_owned()));
        let short: String = words.unwrap_or_default().chars().take(NOTE_CHARS_MAX).collect();
        let by = By { note: Note::parse(&short).unwrap_or_default(), ..by.clone() };
        let entry = || Entry::about(Decision::Forget, pseudonym.key());
        for business in businesses {
            note(db, &by, entry().of(business), *now).await?;
        }
        // A body, or a text, that is nobody's.
        if businesses.is_empty() { note(db, &by, entry(), *now).await } else { Ok(()) }
    }

    /// What of theirs is still to be done; nothing if they may be forgotten.
    async fn what_is_open<D: Db>(&self, db: &D, customers: &[CustomerHistory]) -> Result<Option<Refusal>, StoreError> {
        let deliveries = || customers.iter().flat_map(|customer| &customer.deliveries);
        let named = |items: Vec<String>| {
            let more = if items.len() > OPEN_TOLD_MAX { " and more" } else { "" };
            format!("{}{more}", items.into_iter().take(OPEN_TOLD_MAX).collect::<Vec<_>>().join(", "))
        };
        let ids = |open: Vec<&Delivery>| named(open.iter().filter_map(|d| Some(d.id?.to_string())).collect());
        let mut unread = self.found.events_in(RECEIVED);
        for customer in customers {
            let sql = format!(
                "SELECT e.id FROM facts f JOIN events e ON e.id = f.event_id \
                 WHERE f.business = ?1 AND f.email_key = ?2 AND e.state || '' = '{RECEIVED}'"
            );
            for mut row in db.query(&sql, values![&customer.key.business, &customer.key.email_key]).await? {
                unread.push(EventId(row.int()?).to_string());
            }
        }
        let sending: Vec<&Delivery> = deliveries().filter(|d| d.state == DeliveryState::Sending).collect();
        if !unread.is_empty() || !sending.is_empty() {
            let what = [named(unread), ids(sending)].into_iter().filter(|part| !part.is_empty());
            let what = what.collect::<Vec<_>>().join(", ");
            return Ok(Some(Refusal::new(format!("{what}: being read or sent right now"), "try again in a moment")));
        }
        if self.anyway {
            return Ok(None);
        }
        let open: Vec<&Delivery> = deliveries().filter(|d| OPEN.contains(&d.state)).collect();
        if !open.is_empty() {
            let why = format!("{} was not sent yet, and never will be if they are forgotten anyway", ids(open));
            return Ok(Some(Refusal::new(why, ANYWAY)));
        }
        let what = named(self.found.events_in(UNMAPPABLE));
        let why = || format!("{what} could not be read yet, and never will be if they are forgotten anyway");
        Ok((!what.is_empty()).then(|| Refusal::new(why(), ANYWAY)))
    }
}

/// The customer, with all locks of what will be changed.
async fn locked<D: Db>(db: &D, key: &CustomerKey, pseudonym: &Email) -> Result<CustomerHistory, StoreError> {
    let seen = load(db, key).await?;
    let own = seen.facts.iter().filter(|known| !known.is_related);
    let ids: Vec<(&str, String)> =
        own.flat_map(|known| all_ids(&known.fact).into_iter().map(|id| (known.scope.as_str(), id))).collect();
    let other = CustomerKey { business: key.business.clone(), email_key: pseudonym.key() };
    let mut locks: Vec<Lock<'_>> = ids.iter().map(|(scope, id)| Lock::Key { scope, key: id }).collect();
    locks.extend([Lock::Customer(key), Lock::Customer(&other)]);
    db.lock(&locks).await?;
    load(db, key).await
}

/// What was not sent never will be. Gives how many calls that were.
async fn discard_unsent<D: Db>(db: &D, customer: &CustomerHistory) -> Result<u64, StoreError> {
    let mut discarded = 0;
    for stored in customer.deliveries.iter().filter(|delivery| OPEN.contains(&delivery.state)) {
        let mut delivery = stored.clone();
        // No call of theirs is being sent: nothing else refuses it.
        if delivery.act(Action::Discard, stored.due_at).is_ok() {
            update_delivery(db, &customer.key.business, stored, &delivery).await?;
            discarded += 1;
        }
    }
    let CustomerKey { business, email_key } = &customer.key;
    db.execute("DELETE FROM queue WHERE business = ?1 AND email_key = ?2", values![business, email_key]).await?;
    Ok(discarded)
}
