//! A store copied into another one: whole, wherever it was interrupted, and never taken for a store before that.

use sha2::Digest;

use super::*;
use crate::domain::access::{Grant, Role};
use crate::domain::alert::{AlertItem, AlertKind, Watching};
use crate::domain::backfill::Purpose;
use crate::domain::database::ServerUrl;
use crate::store::alerts::SoNow;
use crate::store::copy::{self, CopiedTable, CopyError, Copying};

impl Place {
    fn url(&self) -> Option<ServerUrl> {
        match self {
            Self::File(_) => None,
            Self::Server(database) => Some(ServerUrl::parse(&database.url()).unwrap()),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        match self {
            Self::File(folder) => folder.path().join("bridge.db"),
            Self::Server(_) => std::path::PathBuf::new(),
        }
    }
}

/// Runs with both places as the copy takes them.
macro_rules! with_places {
    ($from:expr, $to:expr, $run:expr) => {{
        let ((from_url, from_path), (to_url, to_path)) = (($from.url(), $from.path()), ($to.url(), $to.path()));
        let from = from_url.as_ref().map_or(copy::Place::File(&from_path), copy::Place::Server);
        let to = to_url.as_ref().map_or(copy::Place::File(&to_path), copy::Place::Server);
        $run(from, to).await
    }};
}

pub(super) async fn copied(from: &Place, to: &Place) -> Result<Vec<CopiedTable>, CopyError> {
    with_places!(from, to, |from, to| copy::copy(from, to, |_| ()))
}

/// What the next start would have to do.
struct Owed;

impl Work for Owed {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.run_all("INSERT INTO realms (endpoint, realm) VALUES ('shop', 'stripe'), ('till', 'paystack:till')").await?;
        db.run_all("INSERT INTO replans (business, email_key) VALUES ('biz_1', 'p.0@example.com')").await?;
        let compared =
            "INSERT INTO compared (backfill, subject_key, comparison, rank, at) VALUES (9, 'in_1', 'missing', 1, 2)";
        db.run_all(compared).await?;
        let kept = "INSERT INTO reconciliations (backfill, endpoint, since, until, time_zone, summary, to_see, compared_at) \
             VALUES (9, 'stripe', 1, 2, 'UTC', '{}', 1, 3)";
        db.run_all(kept).await
    }
}

/// A store with something in every table, and a call under way.
async fn fill(place: &Place) {
    let store = place.open().await;
    let record = async |n| store.record(event(&format!("evt_{n}\0\u{1}ü"))).await.unwrap().id;
    for n in 0..60 {
        let id = record(n).await;
        if n % 2 == 0 {
            let mut fact = payment(&format!("in_{n}"), Some(&format!("p.{n}@example.com")), "2026-01-10");
            fact.keys = vec![format!("in_{n}")];
            post(&store, id, fact).await;
        } else {
            let mut fact = payment(&format!("in_{n}"), None, "2026-01-10");
            (fact.customer, fact.keys) = (Some(format!("cus_{n}")), vec![format!("cus_{n}")]);
            post(&store, id, fact).await;
        }
    }
    let leased = store.lease(now(), LEASE, 5).await.unwrap();
    let receipt = Receipt::default();
    store.settle(&leased[0], attempt(), Settlement::Delivered(receipt), now()).await.unwrap();
    let refused = Settlement::PauseRoute("no key".into());
    store.settle(&leased[1], attempt(), refused, now()).await.unwrap();
    for n in 60..90 {
        record(n).await;
    }
    store.write(Owed).await.unwrap();
    assert_eq!(store.session_salt("the first one".to_owned()).await.unwrap(), "the first one");
    list(&store).await;
    store.watches_alerts("us".to_owned(), LEASE, now()).await.unwrap();
    let (item, text, path) = ("disk".to_owned(), "It is nearly full.".to_owned(), "/".to_owned());
    let full = AlertItem { item, kind: AlertKind::DiskNearlyFull, text, path };
    let watching = Watching { disk: true, ..Watching::default() };
    let so_now = SoNow { items: vec![full], unknown: Vec::new(), watching };
    store.tell(so_now, vec!["slack"], now()).await.unwrap();
    let grant = Grant::new("finance", Role::Read, Some("biz_1".to_owned()), 7, now()).unwrap();
    store.give_access(grant, "a hash".to_owned(), By::admin(), now()).await.unwrap();
    store.close().await;
}

/// A backfill whose first page has a row.
async fn list(store: &Store) {
    let id = store.start_backfill(Purpose::Record, "stripe", [now(), now()], Some(By::admin()), now()).await.unwrap();
    let NewEvent { identity, body_zstd, .. } = event("evt_listed");
    let row = Listed::of(&payment("in_listed", Some("listed@example.com"), "2026-01-10"), identity, body_zstd);
    let place = store.backfill(id).await.unwrap().unwrap().place;
    store.write_page(id, Written { place, next: None, rows: vec![row], ignored: 1 }, now()).await.unwrap();
}

/// The copy works on as its source would have: same answers, numbers that go on, nothing told twice.
async fn goes_on(place: &Place, events: i64) {
    place.end_leases();
    let store = place.open().await;
    let new = store.record(event("evt_new")).await.unwrap().id;
    assert_eq!(new, EventId(events + 1), "numbers go on after the last one");
    let again = store.record(event("evt_0\0\u{1}ü")).await.unwrap();
    assert!(again.duplicate && again.id == EventId(1), "{again:?}");
    assert_eq!(store.session_salt("another one".to_owned()).await.unwrap(), "the first one", "sessions go on");
    let access = store.access_in_force(now()).await.unwrap();
    assert_eq!(access.iter().map(|access| access.who.name.as_str()).collect::<Vec<_>>(), ["finance"]);
    let before = deliveries(&store).await;
    let last = before.iter().filter_map(|d| d.id).map(|id| id.0).max().unwrap();
    post(&store, new, payment("in_new", Some("new@example.com"), "2026-01-10")).await;
    let after = deliveries(&store).await;
    let made: Vec<_> = after.iter().filter_map(|d| d.id).filter(|id| id.0 > last).collect();
    assert_eq!(made, [DeliveryId(last + 1)]);
    assert_eq!(store.event(EventId(2)).await.unwrap().unwrap().body_zstd, Some(event("evt_1\0\u{1}ü").body_zstd));
    store.close().await;
}

async fn both_ways(one: Place, other: Place, third: Place) {
    fill(&one).await;
    let there = copied(&one, &other).await.unwrap();
    let rows = |name: &str| there.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("events"), rows("bodies"), rows("unresolved") > 0, rows("lookups") > 0), (90, 90, true, true));
    let empty: Vec<_> = there.iter().filter(|t| t.rows == 0).map(|t| t.name.as_str()).collect();
    assert_eq!(empty, [""; 0], "every table is tried");
    // And on into a third: what is compared is the same however often it is copied. A file that is opened for work
    // takes leases back, which the queue shows.
    let on = copied(&other, &third).await.unwrap();
    let apart = |tables: Vec<CopiedTable>| tables.into_iter().filter(|t| t.name != "queue").collect::<Vec<_>>();
    assert_eq!(apart(there), apart(on));
    goes_on(&other, 90).await;
    goes_on(&third, 90).await;
}

#[tokio::test]
async fn everything_is_copied_from_a_file_to_a_server_and_back() {
    both_ways(Place::file(), Place::server(), Place::file()).await;
}

#[tokio::test]
async fn everything_is_copied_from_a_server_to_a_file_and_back() {
    both_ways(Place::server(), Place::file(), Place::server()).await;
}

#[tokio::test]
async fn a_server_knows_how_much_there_is_in_a_copy() {
    let (from, to) = (Place::file(), Place::server());
    fill(&from).await;
    copied(&from, &to).await.unwrap();
    let Place::Server(database) = to else { unreachable!("a server") };
    let unknown = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND reltuples < 0 \
         AND relnamespace = CAST('public' AS regnamespace)";
    assert_eq!(database.ask(unknown), "");
    assert_eq!(database.ask("SELECT reltuples FROM pg_class WHERE relname = 'events'"), "90");
}

#[tokio::test]
async fn a_store_to_which_a_forgotten_customer_came_back_is_copied() {
    for from in [Place::file(), Place::server()] {
        let (store, jane) = (from.open().await, "jane@only-hers.example");
        let sell = async |n: u32| {
            let id = store.record(event(&format!("evt_{n}"))).await.unwrap().id;
            post(&store, id, payment(&format!("in_{n}"), Some(jane), "2026-01-10")).await;
        };
        sell(1).await;
        store.forget(&Email::parse(jane).unwrap(), true, By::admin(), now()).await.unwrap();
        sell(2).await;
        store.close().await;
        let tables = copied(&from, &Place::file()).await.unwrap();
        let parts = tables.iter().find(|table| table.name == "domain_parts").unwrap();
        assert_eq!(parts.rows, "only-hers.example".len() as u64 - 1, "of nothing but her domain");
    }
}

/// Ends the copy after so many steps, as a crash would. False when it had come to its end.
async fn interrupted_after(steps: usize, from: copy::Place<'_>, to: copy::Place<'_>) -> bool {
    let mut copy = Copying::open(from, to).await.unwrap();
    for _ in 0..steps {
        let Some(table) = copy.current().cloned() else { return false };
        copy.step(&table).await.unwrap();
    }
    copy.close().await;
    true
}

async fn interrupted(to: Place) {
    let from = Place::file();
    fill(&from).await;
    let mut went_on = true;
    let mut runs = 0;
    while went_on {
        went_on = with_places!(&from, &to, |from, to| interrupted_after(1, from, to));
        assert_eq!(to.try_open().await.err(), Some(StoreError::UnfinishedCopy), "after {runs} steps");
        runs += 1;
    }
    assert!(runs > 20, "{runs} runs");
    let tables = copied(&from, &to).await.unwrap();
    assert_eq!(tables.iter().find(|table| table.name == "events").unwrap().rows, 90);
    goes_on(&to, 90).await;
}

#[tokio::test]
async fn a_copy_into_a_server_goes_on_wherever_it_was_interrupted_and_is_no_store_before_its_end() {
    interrupted(Place::server()).await;
}

#[tokio::test]
async fn a_copy_into_a_file_goes_on_wherever_it_was_interrupted_and_is_no_store_before_its_end() {
    interrupted(Place::file()).await;
}

#[tokio::test]
async fn a_source_that_changed_between_two_runs_is_found_out() {
    for to in [Place::file(), Place::server()] {
        let from = Place::file();
        fill(&from).await;
        assert!(with_places!(&from, &to, |from, to| interrupted_after(12, from, to)));
        let db = rusqlite::Connection::open(from.path()).unwrap();
        db.execute("UPDATE events SET detail = 'other' WHERE id = 3", []).unwrap();
        drop(db);
        let error = copied(&from, &to).await.unwrap_err();
        assert_eq!(error.to_string(), "the copy differs from its source in events (90 rows, and 90 in the copy)");
        assert_eq!(to.try_open().await.err(), Some(StoreError::UnfinishedCopy));
    }
}

#[tokio::test]
async fn only_a_store_is_copied_and_only_into_an_empty_one_that_nobody_uses() {
    let check = async |from: &Place, to: &Place, says: &str| {
        let error = copied(from, to).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    };
    let (file, server) = (Place::file(), Place::server());
    check(&file, &server, "no store to copy").await;
    check(&server, &file, "no store to copy").await;
    assert!(!file.path().exists(), "looking for one does not make one");
    fill(&file).await;
    let other = Place::server();
    other.open().await.record(event("somebody's")).await.unwrap();
    check(&file, &other, "holds data already, in its table events").await;
    let at_work = file.open().await;
    check(&file, &server, "in use by a running refairn-bridge").await;
    at_work.close().await;

    let replica = server.open().await;
    let wake = || Arc::new(Notify::new());
    let tasks = crate::tasks::Tasks::new();
    tasks.spawn(replica.clone().watch(wake(), wake(), crate::tasks::Pulse::new("watch"), tasks.stopping()));
    let Backend::Postgres(postgres) = &replica.backend else { panic!("a server") };
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !postgres.is_served().await.unwrap() {
        assert!(std::time::Instant::now() < deadline, "the replica does not listen");
        tokio::task::yield_now().await;
    }
    check(&file, &server, "a running refairn-bridge uses the target").await;
    check(&server, &Place::file(), "a running refairn-bridge uses the store that is to be copied").await;
    assert!(tasks.stop(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_key_that_is_too_long_for_the_server_is_told_of() {
    let (from, to) = (Place::file(), Place::server());
    let store = from.open().await;
    let id = store.record(event("evt_1")).await.unwrap().id;
    // What repeats itself would be kept in less.
    let long: String = (0..200_u8).map(|n| hex::encode(sha2::Sha256::digest([n]))).collect();
    let mut fact = payment("in_1", Some("jane@example.com"), "2026-01-10");
    fact.keys = vec![long];
    post(&store, id, fact).await;
    store.close().await;
    for _ in 0..2 {
        let told = copied(&from, &to).await;
        assert!(matches!(told, Err(CopyError::KeyTooLong(_))), "{told:?}");
    }
}
