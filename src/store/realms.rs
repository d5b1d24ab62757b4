//! What a start owes to what is stored: each endpoint's scopes under the realm that the configuration names, and customers
//! planned anew whom a change of the schema or of a realm concerns.

use jiff::Timestamp;

use super::codes::is_payment;
use super::rows::micros;
use super::sql::{Db, Dialect, Lock, Work, first, values};
use super::{Store, StoreError};
use crate::domain::customer::CustomerKey;
use crate::domain::endpoint::Endpoint;
use crate::store::queue::customer_plan::replan;
use crate::store::queue::planning::{Defect, Planning};

/// Customers who are planned anew in one write.
const REPLANS_MAX: u32 = 64;
/// Moving scopes may rewrite nearly all that is stored: that takes as long as it takes, and may read whole tables.
pub(super) const NO_TIME_LIMIT: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL enable_seqscan = DEFAULT; \
     SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_mergejoin = DEFAULT; SET LOCAL jit = DEFAULT";
/// The table of the scopes that have to be moved.
const MOVES: &str = "CREATE TABLE moves (scope TEXT NOT NULL, endpoint TEXT NOT NULL, business TEXT NOT NULL, \
     target TEXT NOT NULL, PRIMARY KEY (scope, endpoint, business))";

/// A lock that replicas take which start together.
const ONE_AT_A_TIME: Lock<'static> = Lock::Key { scope: "", key: "realms" };

impl Store {
    /// Puts all that stands under an endpoint's former realm under its realm of now. To be done before anything is read;
    /// replicas of another configuration have to be gone. Gives the endpoints that were moved.
    ///
    /// # Errors
    /// Nothing was moved.
    pub async fn rescope(&self, endpoints: &[Endpoint]) -> Result<Vec<String>, StoreError> {
        let realms = endpoints.iter().map(|e| (e.name.clone(), e.realm())).collect();
        self.backend.write_long(Rescope(realms)).await
    }

    /// Plans customers anew for whom the rules changed; gives how many. To be done again until there are none, before
    /// anything goes out.
    ///
    /// # Errors
    /// They are still to be planned.
    pub async fn plan_anew(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(PlanAnew { planning: self.planning.clone(), now }).await
    }

    /// Makes every paused route due for a probe: what stood in its way may be mended since. Each route yields one.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn probe_routes(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(ProbeRoutes(now)).await
    }
}

/// Endpoints and their realms.
struct Rescope(Vec<(String, String)>);

impl Work for Rescope {
    type Answer = Vec<String>;

    async fn run<D: Db>(&self, db: &D) -> Result<Vec<String>, StoreError> {
        db.lock(&[ONE_AT_A_TIME]).await?;
        let mut moved = Vec::new();
        for (endpoint, realm) in &self.0 {
            let row = first(db, "SELECT realm FROM realms WHERE endpoint = ?1", values![endpoint]).await?;
            let before = row.map(|mut row| row.text()).transpose()?;
            if before.as_ref() == Some(realm) {
                continue;
            }
            let sql = "INSERT INTO realms (endpoint, realm) VALUES (?1, ?2) \
                 ON CONFLICT (endpoint) DO UPDATE SET realm = excluded.realm";
            db.execute(sql, values![endpoint, realm]).await?;
            // What another provider sent to an endpoint of this name stays where it is.
            let Some(before) = before.filter(|before| kind(before) == kind(realm)) else { continue };
            if moved.is_empty() {
                if D::DIALECT == Dialect::Postgres {
                    db.run_all(NO_TIME_LIMIT).await?;
                }
                db.run_all(MOVES).await?;
            }
            note_moves(db, endpoint, &before, realm).await?;
            moved.push(endpoint.clone());
        }
        if !moved.is_empty() {
            db.run_all(D::DIALECT.rescope()).await?;
            db.count_anew().await?;
        }
        Ok(moved)
    }
}

/// Whose realm it is.
fn kind(realm: &str) -> &str {
    realm.split_once(':').map_or(realm, |(kind, _)| kind)
}

/// Notes where the scopes go under which facts of an endpoint stand, and calls that were made for its events.
async fn note_moves<D: Db>(db: &D, endpoint: &str, before: &str, realm: &str) -> Result<(), StoreError> {
    let (scope, is_payment) = (D::DIALECT.scope_of_payment(), is_payment("d."));
    let sql = format!(
        "INSERT INTO moves (scope, endpoint, business, target) \
         SELECT s.scope, s.endpoint, s.business, ?3 || substr(s.scope, length(?2) + 1) FROM ( \
         SELECT f.scope, e.endpoint, f.business FROM events e JOIN facts f ON f.event_id = e.id WHERE e.endpoint = ?1 \
         UNION SELECT {scope}, e.endpoint, d.business FROM events e JOIN deliveries d ON d.event_id = e.id \
         WHERE e.endpoint = ?1 AND {is_payment}) s \
         WHERE substr(s.scope, 1, length(?2) + 1) = ?2 || '/'"
    );
    db.execute(&sql, values![endpoint, before, realm]).await?;
    Ok(())
}

struct PlanAnew {
    planning: Planning,
    now: Timestamp,
}

impl Work for PlanAnew {
    type Answer = usize;

    async fn run<D: Db>(&self, db: &D) -> Result<usize, StoreError> {
        let take = D::DIALECT.take_free_rows();
        let sql = format!("SELECT business, email_key FROM replans ORDER BY business, email_key LIMIT ?1 {take}");
        let mut people = Vec::new();
        for mut row in db.query(&sql, values![REPLANS_MAX]).await? {
            people.push(CustomerKey { business: row.text()?, email_key: row.text()? });
        }
        db.lock(&people.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
        for key in &people {
            replan(db, &self.planning, key, self.now, Defect::Hold).await?;
            let sql = "DELETE FROM replans WHERE business = ?1 AND email_key = ?2";
            db.execute(sql, values![&key.business, &key.email_key]).await?;
        }
        Ok(people.len())
    }
}

struct ProbeRoutes(Timestamp);

impl Work for ProbeRoutes {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE routes SET probe_at = ?1 WHERE paused_since IS NOT NULL AND probe_at > ?1";
        db.execute(sql, values![micros(self.0)]).await?;
        Ok(())
    }
}
