//! What is written together comes to what it comes to one after the other.

use futures_util::future::join_all;

use super::*;
use crate::domain::customer::CustomerKey;
use crate::domain::fact::Link;
use crate::store::counts::Counted;
use crate::store::numbering::Numbering;
use crate::store::parts::Parts;
use crate::store::recent::Stored;
use crate::store::sums::Sold;

/// Events of one batch, and batches. Few ids: nearly all events of a batch have to do with each other.
const EVENTS: usize = 24;
const BATCHES: u64 = 12;

/// Numbers that look like chance and are the same at each run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A report that shares its ids and address with others of its batch.
fn report(chance: &mut Chance, batch: u64) -> Fact {
    let id = |chance: &mut Chance, of: &str| format!("{of}_{batch}_{}", chance.below(5));
    let address = format!("c{}@example.com", chance.below(4));
    let email = (chance.below(3) > 0).then_some(address.as_str());
    let own = id(chance, "in");
    let mut report = match chance.below(4) {
        0 => fact(email, FactKind::Customer(Customer::default())),
        1 => fact(None, FactKind::Link(Link::default())),
        _ => payment(&own, email, "2026-01-10"),
    };
    report.customer = (chance.below(2) > 0).then(|| id(chance, "cus"));
    report.keys = vec![own, id(chance, "pi")];
    report
}

/// All that a batch came to, whatever number a call got.
async fn outcome(store: &Store) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for sql in [
        "SELECT event_id, email_key FROM facts ORDER BY event_id",
        "SELECT id, state, reason, detail FROM events ORDER BY id",
        "SELECT scope, key, email_key, evidence FROM identities ORDER BY scope, key",
        "SELECT scope, key, event_id FROM unresolved ORDER BY scope, key, event_id",
        "SELECT subject_key, email_key, event_id, call, state, reason, due_at FROM deliveries ORDER BY subject_key",
        "SELECT q.email_key, d.subject_key, q.due_at FROM queue q JOIN deliveries d ON d.id = q.delivery_id \
         ORDER BY q.email_key",
        "SELECT what, state, n FROM counts WHERE n <> 0 ORDER BY what, state",
    ] {
        let rows = store.query(sql.to_owned(), values![]).await.unwrap();
        all.extend(rows.into_iter().map(Row::values));
    }
    all
}

#[tokio::test]
async fn what_is_posted_together_comes_to_what_it_comes_to_one_by_one() {
    let (file, server) = (Place::file(), Place::server());
    // In a file events are posted one after the other.
    let (one_by_one, together) = (file.open().await, server.open().await);
    for batch in 0..BATCHES {
        let mut chance = Chance(batch);
        let reports: Vec<Fact> = (0..EVENTS).map(|_| report(&mut chance, batch)).collect();
        for store in [&one_by_one, &together] {
            let mut mapped = Vec::new();
            for (n, report) in reports.iter().enumerate() {
                let id = store.record(event(&format!("evt_{batch}_{n}"))).await.unwrap().id;
                mapped.push(followers::mapped(id, report.clone()));
            }
            store.post(mapped, now()).await.unwrap();
        }
        let (expected, found) = (outcome(&one_by_one).await, outcome(&together).await);
        assert!(expected.len() > EVENTS && expected == found, "batch {batch}");
    }
}

/// Adds a route, and fails after it if it is told to.
struct Route {
    name: String,
    fails: bool,
}

impl Work for Route {
    type Answer = usize;

    async fn run<D: Db>(&self, db: &D) -> Result<usize, StoreError> {
        let sql = "INSERT INTO routes (business, product) VALUES (?1, 'p')";
        db.execute(sql, values![&self.name]).await?;
        if self.fails {
            return Err(StoreError::Data("on purpose".into()));
        }
        let rows = db.query("SELECT product FROM routes WHERE business = ?1", values![&self.name]).await?;
        Ok(rows.len())
    }
}

in_both! {
    a_write_that_fails_does_not_take_the_others_with_it
}

async fn a_write_that_fails_does_not_take_the_others_with_it(place: Place) {
    let store = place.open().await;
    let write = |n: usize| store.backend.write_together(Route { name: format!("biz_{n}"), fails: n % 7 == 3 });
    let written = join_all((0..30).map(write)).await;
    for (n, written) in written.into_iter().enumerate() {
        let expected = if n % 7 == 3 { Err(StoreError::Data("on purpose".into())) } else { Ok(1) };
        assert_eq!(written, expected, "{n}");
    }
    assert_eq!(store.stats().await.unwrap().routes.len(), 26);
}

#[tokio::test]
async fn an_event_that_the_server_refuses_does_not_take_the_others_with_it() {
    let store = Place::server().open().await;
    // No index of PostgreSQL's holds so long a key, which does not get smaller.
    let mut chance = Chance(7);
    let long: String = (0..9000).map(|_| char::from(b'!' + u8::try_from(chance.below(90)).unwrap())).collect();
    let keys: Vec<String> = (0..20).map(|n| if n == 9 { long.clone() } else { format!("evt_{n}") }).collect();
    let recorded = join_all(keys.iter().map(|key| store.record(event(key)))).await;
    for (n, recorded) in recorded.into_iter().enumerate() {
        assert_eq!(recorded.is_ok(), n != 9, "{n}: {recorded:?}");
    }
}

/// A database whose answers come when others have had their turn.
struct Slow;

impl Db for Slow {
    const DIALECT: sql::Dialect = sql::Dialect::Postgres;

    async fn query(&self, _: &str, _: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        tokio::task::yield_now().await;
        Ok(Vec::new())
    }

    async fn execute(&self, _: &str, _: Vec<Value>) -> Result<u64, StoreError> {
        tokio::task::yield_now().await;
        Ok(0)
    }

    async fn insert(&self, _: &str, _: Vec<Value>) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    async fn run_all(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock(&self, _: &[sql::Lock<'_>]) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn try_lock(&self, _: sql::Lock<'_>) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn unread(&self, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        Ok(events.to_vec())
    }

    async fn try_out(&self) -> Result<(), StoreError> {
        self.run_all("SAVEPOINT as_it_is").await
    }

    async fn undo_trial(&self) -> Result<(), StoreError> {
        self.run_all("ROLLBACK TO SAVEPOINT as_it_is; RELEASE SAVEPOINT as_it_is").await
    }

    fn number(&self, _: &NewEvent) -> Result<Numbering, StoreError> {
        Ok(Numbering::ByDatabase)
    }

    fn recall(&self, _: &CustomerKey) -> Option<Stored> {
        None
    }

    fn recall_rows(&self, _: &CustomerKey) -> Option<Stored> {
        None
    }

    fn remember(&self, _: Stored) {}

    fn count(&self, _: Counted, _: i64) {}

    fn add_up(&self, _: Sold, _: bool) {}

    async fn count_anew(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn key(key: &str) -> sql::Lock<'_> {
    sql::Lock::Key { scope: "s", key }
}

#[tokio::test]
async fn parts_that_want_one_lock_keep_their_order() {
    let (parts, seen) = (Parts::default(), std::sync::Mutex::new(Vec::new()));
    // The second waits for the first, the third for the second, though its other lock is free; the last for nobody.
    let wants: [&[&str]; 4] = [&["a"], &["a", "b"], &["b"], &["c"]];
    join_all(wants.iter().enumerate().map(async |(number, keys)| {
        let part = parts.part(&Slow, number);
        part.lock(&keys.iter().map(|name| key(name)).collect::<Vec<_>>()).await.unwrap();
        seen.lock().unwrap().push((number, "begins"));
        part.query("", values![]).await.unwrap();
        seen.lock().unwrap().push((number, "ends"));
    }))
    .await;
    let seen = seen.into_inner().unwrap();
    let at = |of| seen.iter().position(|s| *s == of).unwrap();
    assert!(at((0, "ends")) < at((1, "begins")) && at((1, "ends")) < at((2, "begins")), "{seen:?}");
    assert!(at((3, "begins")) < at((0, "ends")), "{seen:?}");
}

#[tokio::test]
async fn parts_that_wait_for_each_other_are_told() {
    let parts = Parts::default();
    let ends = join_all([("a", "b"), ("b", "a")].into_iter().enumerate().map(async |(number, (first, second))| {
        let part = parts.part(&Slow, number);
        part.lock(&[key(first)]).await?;
        part.lock(&[key(second)]).await
    }))
    .await;
    assert_eq!(ends.iter().filter(|end| matches!(end, Err(StoreError::Locked(_)))).count(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1, "the other goes on");
}
