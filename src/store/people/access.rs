//! Named tokens. Of a token nothing is kept but its hash; one that has ended stays in the list, and opens nothing.

use jiff::Timestamp;

use super::audit::{Entry, note};
use crate::domain::access::{AccessId, Grant, Role, Who};
use crate::domain::audit::{By, Decision};
use crate::domain::refusal::Refusal;
use crate::store::rows::{micros, time, time_option, unknown};
use crate::store::sql::{Db, Lock, Row, Work, first, values};
use crate::store::{ActionError, Store, StoreError};

/// Tokens that hold at a time.
pub const ACCESS_IN_FORCE_MAX: u32 = 200;
/// Tokens of a list, the newest.
const LISTED_MAX: u32 = 500;

/// A lock for giving and taking access: of one name there is one token.
const ONE_AT_A_TIME: Lock<'static> = Lock::Key { scope: "", key: "access" };

/// A token that was given to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The number that the store gave it; written `acc_3`.
    pub id: AccessId,
    /// Whose it is.
    pub who: Who,
    /// SHA-256 of it, in hexadecimal digits.
    pub hash: String,
    /// When it was given.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl Access {
    /// Whether it opens anything.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.ends_at > now
    }
}

const COLUMNS: &str = "id, name, role, business, hash, created_at, created_by, ends_at, revoked_at";

impl Store {
    /// Gives somebody access by a token of this hash.
    ///
    /// # Errors
    /// The name has a token that holds, or too many do; or the store failed.
    pub async fn give_access(
        &self,
        grant: Grant,
        hash: String,
        by: By,
        now: Timestamp,
    ) -> Result<AccessId, ActionError> {
        self.write(Give { grant, hash, by, now }).await?
    }

    /// Takes access back from whom this name's token was given to; gives the token's number.
    ///
    /// # Errors
    /// The name has no token that holds, or the store failed.
    pub async fn revoke_access(&self, name: String, by: By, now: Timestamp) -> Result<AccessId, ActionError> {
        self.write(Revoke { name, by, now }).await?
    }

    /// The tokens that hold.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn access_in_force(&self, now: Timestamp) -> Result<Vec<Access>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM access WHERE revoked_at IS NULL AND ends_at > ?1 ORDER BY id LIMIT {ACCESS_IN_FORCE_MAX}"
        );
        self.rows(sql, values![micros(now)], access).await
    }

    /// The tokens that were given, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn access(&self) -> Result<Vec<Access>, StoreError> {
        self.rows(format!("SELECT {COLUMNS} FROM access ORDER BY id DESC LIMIT {LISTED_MAX}"), values![], access).await
    }
}

fn access(row: &mut Row) -> Result<Access, StoreError> {
    let (id, name, role, business) = (AccessId(row.int()?), row.text()?, row.text()?, row.text_option()?);
    let role = Role::parse(&role).ok_or_else(|| unknown("role", &role))?;
    Ok(Access {
        id,
        who: Who { name, role, business },
        hash: row.text()?,
        created_at: time(row.int()?)?,
        created_by: row.text()?,
        ends_at: time(row.int()?)?,
        revoked_at: time_option(row.int_option()?)?,
    })
}

struct Give {
    grant: Grant,
    hash: String,
    by: By,
    now: Timestamp,
}

impl Work for Give {
    type Answer = Result<AccessId, ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        db.lock(&[ONE_AT_A_TIME]).await?;
        let (Grant { who, ends_at }, now) = (&self.grant, micros(self.now));
        if in_force(db, &who.name, now).await?.is_some() {
            let why = format!("{} has access already", who.name);
            return Ok(Err(ActionError::NotNow(Refusal::new(why, "revoke it first, or choose another name"))));
        }
        let sql = "SELECT COUNT(*) FROM access WHERE revoked_at IS NULL AND ends_at > ?1";
        let held = first(db, sql, values![now]).await?.map_or(Ok(0), |mut row| row.int())?;
        if held >= i64::from(ACCESS_IN_FORCE_MAX) {
            let why = format!("{ACCESS_IN_FORCE_MAX} people have access, and no more can");
            return Ok(Err(ActionError::NotNow(Refusal::new(why, "revoke the access of one first"))));
        }
        let sql = "INSERT INTO access (name, role, business, hash, created_at, created_by, ends_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";
        let (business, ends_at) = (who.business.as_ref(), micros(*ends_at));
        let of = values![&who.name, who.role.code(), business, &self.hash, now, &self.by.who.name, ends_at];
        let row = first(db, sql, of).await?;
        let mut row = row.ok_or_else(|| StoreError::Data("a token got no number".to_owned()))?;
        let id = AccessId(row.int()?);
        let became = format!("{}: {}", who.name, who.role);
        let entry = Entry::about(Decision::GiveAccess, id.to_string()).changing(None, Some(became));
        note(db, &self.by, entry, self.now).await?;
        Ok(Ok(id))
    }
}

struct Revoke {
    name: String,
    by: By,
    now: Timestamp,
}

impl Work for Revoke {
    type Answer = Result<AccessId, ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        db.lock(&[ONE_AT_A_TIME]).await?;
        let now = micros(self.now);
        let Some(id) = in_force(db, &self.name, now).await? else { return Ok(Err(ActionError::NotFound)) };
        db.execute("UPDATE access SET revoked_at = ?2 WHERE id = ?1", values![id.0, now]).await?;
        let entry = Entry::about(Decision::RevokeAccess, id.to_string()).changing(Some(self.name.clone()), None);
        note(db, &self.by, entry, self.now).await?;
        Ok(Ok(id))
    }
}

/// The token of this name that holds.
async fn in_force<D: Db>(db: &D, name: &str, now: i64) -> Result<Option<AccessId>, StoreError> {
    let sql = "SELECT id FROM access WHERE name = ?1 AND revoked_at IS NULL AND ends_at > ?2";
    first(db, sql, values![name, now]).await?.map(|mut row| row.int().map(AccessId)).transpose()
}
