//! The tokens that open something: the admin token, and those that people were given. What is given is compared with the
//! hash of each of them, whichever is the right one, so that no time tells how near a guess was.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use super::parameters::Parameters;
use super::problem::Problem;
use crate::domain::access::{AccessId, Who};
use crate::domain::audit::{By, Note, Via};
use crate::domain::secret::Secret;
use crate::store::access::Access;
use crate::store::{Store, StoreError};

/// How a token begins that was given to somebody.
const TOKEN_START: &str = "rba_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 24;
/// How long the list of tokens counts: what another replica changed holds here after that. It is read no more often,
/// whatever strangers send.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The person, with their role.
    pub(super) who: Who,
    /// By which token; none of the admin's.
    pub(super) access: Option<AccessId>,
    /// When it ends; the admin token does not.
    pub(super) ends_at: Option<Timestamp>,
}

impl Caller {
    fn admin() -> Self {
        Self { who: Who::admin(), access: None, ends_at: None }
    }

    /// Who decides something, and what they wrote about it.
    pub(super) fn by(&self, via: Via, note: Option<Note>) -> By {
        By { who: self.who.clone(), via, note }
    }

    /// The same by the API, with the note of the request.
    ///
    /// # Errors
    /// It is no note.
    pub(super) fn by_api(&self, query: &mut Parameters) -> Result<By, Problem> {
        let text = query.text("note").unwrap_or_default();
        let note = Note::parse(&text).map_err(|wrong| Problem::bad_parameter(wrong.to_owned()))?;
        Ok(self.by(Via::Api, note))
    }

    /// The only business that they see.
    pub(super) fn business(&self) -> Option<String> {
        self.who.business.clone()
    }
}

impl From<&Access> for Caller {
    fn from(access: &Access) -> Self {
        Self { who: access.who.clone(), access: Some(access.id), ends_at: Some(access.ends_at) }
    }
}

type InForce = Arc<Vec<Access>>;

/// The tokens that open something.
pub struct Keys {
    admin: Secret,
    last: Mutex<Option<(Instant, InForce)>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// The admin token, and those that are in the store.
    #[must_use]
    pub fn new(admin: Secret) -> Self {
        Self { admin, last: Mutex::default() }
    }

    /// Whose token this is; nobody's if it opens nothing.
    ///
    /// # Errors
    /// The store cannot be read. The admin token needs no store.
    pub(super) async fn holder(
        &self,
        store: &Store,
        given: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        // Hashes have one length, so that not even the token's length can be timed.
        let given_hash = Sha256::digest(given.as_bytes());
        let wanted = Sha256::digest(self.admin.expose().as_bytes());
        if wanted.as_slice().ct_eq(given_hash.as_slice()).into() {
            return Ok(Some(Caller::admin()));
        }
        if !given.starts_with(TOKEN_START) {
            return Ok(None);
        }
        let given_hash = hex::encode(given_hash);
        let mut found = None;
        for access in self.in_force(store, now).await?.iter() {
            let is_it: bool = access.hash.as_bytes().ct_eq(given_hash.as_bytes()).into();
            if is_it && access.is_in_force(now) {
                found = Some(Caller::from(access));
            }
        }
        Ok(found)
    }

    /// The holder of the token of this number, as long as it holds; the admin without a number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn of(
        &self,
        store: &Store,
        access: Option<AccessId>,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        let Some(id) = access else { return Ok(Some(Caller::admin())) };
        let in_force = self.in_force(store, now).await?;
        let access = in_force.iter().find(|access| access.id == id && access.is_in_force(now));
        Ok(access.map(Caller::from))
    }

    /// The list is read again before it counts: somebody here has changed it.
    pub(super) async fn forget(&self) {
        self.last.lock().await.take();
    }

    async fn in_force(&self, store: &Store, now: Timestamp) -> Result<InForce, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((_, found)) = last.as_ref().filter(|(at, _)| at.elapsed() < READ_EVERY) {
            return Ok(found.clone());
        }
        let found = Arc::new(store.access_in_force(now).await?);
        *last = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

/// A new token, and its hash.
pub(super) fn new_token() -> (String, String) {
    let token = format!("{TOKEN_START}{}", hex::encode(rand::random::<[u8; TOKEN_BYTES]>()));
    let hash = hex::encode(Sha256::digest(token.as_bytes()));
    (token, hash)
}
