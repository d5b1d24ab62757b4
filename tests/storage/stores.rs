//! Where a server keeps the store: the schema, the encoding, and writes that it never answers.

use refairn_bridge::domain::event::{EventId, Identity, NewEvent, Origin, Recorded};
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::store::copy::{self, Place};
use refairn_bridge::store::{ServerTrouble, Store, StoreError, body};

use crate::kit::postgres::{Database, Server};
use crate::kit::until;
use crate::postgres::connect;

/// A name that few encodings can hold.
const NAME: &str = "€ Œ 李雷";

fn event(key: &str) -> NewEvent {
    NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: "biz_1".into(),
        identity: Identity {
            dedup_key: key.into(),
            provider_event_id: Some(key.into()),
            event_type: NAME.into(),
            snapshot_event: None,
            mode: None,
        },
        body_zstd: body::compress(key.as_bytes()).expect("compressed"),
        received_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

async fn record(store: &Store, key: &str) -> Result<Recorded, StoreError> {
    store.record(event(key)).await
}

#[tokio::test]
async fn an_encoding_that_cannot_hold_every_name_is_refused() {
    for encoding in ["LATIN1", "EUC_JP"] {
        let database = Database::encoded(encoding);
        let Err(StoreError::Server(ServerTrouble::Encoding, text)) = connect(&database.url()).await else {
            panic!("{encoding} is taken")
        };
        assert!(text.contains(encoding) && text.contains(database.name()), "{text}");
        assert_eq!(database.ask("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "nothing was made");
    }
    for encoding in ["UTF8", "SQL_ASCII"] {
        let store = connect(&Database::encoded(encoding).url()).await.expect("a store");
        let id = record(&store, "one").await.expect("recorded").id;
        let kept = store.event(id).await.expect("read").expect("there");
        assert_eq!(kept.event.event_type, NAME, "{encoding}");
    }
}

#[tokio::test]
async fn a_store_in_an_encoding_that_is_refused_can_be_copied_into_one_that_is_not() {
    let (old, new) = (Database::encoded("LATIN1"), Database::make());
    let mut files: Vec<_> =
        std::fs::read_dir("migrations/postgres").expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    for file in &files {
        old.run(&std::fs::read_to_string(file).expect("a migration"));
    }
    old.run(&format!("CREATE TABLE schema_version AS SELECT CAST({} AS BIGINT) AS version", files.len()));
    old.run(
        "INSERT INTO events (endpoint, provider, business, dedup_key, type, state, received_at) \
         VALUES ('stripe', 'stripe', 'biz_1', 'k', 'caf' || chr(233), 'ignored', 0); \
         INSERT INTO count_sums SELECT what, state, n FROM counted",
    );
    let address =
        |database: &Database| refairn_bridge::domain::database::ServerUrl::parse(&database.url()).expect("one");
    let (from, to) = (address(&old), address(&new));
    copy::copy(Place::Server(&from), Place::Server(&to), |_| ()).await.expect("copied");
    assert_eq!(new.ask("SELECT type FROM events"), "café");
}

#[tokio::test]
async fn a_store_that_is_not_where_its_user_works_is_not_begun_anew() {
    let database = Database::make();
    database.run("CREATE ROLE mover LOGIN");
    database.run(&format!("ALTER DATABASE {} OWNER TO mover", database.name()));
    // Somebody else's tables of the same names are no store.
    database.run("CREATE SCHEMA a; CREATE TABLE a.schema_version (v INT); CREATE TABLE a.events (v INT)");
    database.run("GRANT USAGE ON SCHEMA a TO mover; GRANT SELECT ON ALL TABLES IN SCHEMA a TO mover");
    let url = database.url_of("mover");
    let home = async || connect(&url).await.map(|store| store.home().clone());
    let place = format!("database {}, schema public", database.name());
    for is_new in [true, false] {
        let found = home().await.expect("a store");
        assert_eq!((found.place.as_str(), found.is_new, found.others.len()), (place.as_str(), is_new, 0));
    }
    let other = |used: &str| Err(StoreError::OtherSchema { held: "public".into(), used: used.into() });
    // PostgreSQL prefers a schema of the user's name.
    database.run("CREATE SCHEMA mover AUTHORIZATION mover");
    assert_eq!(home().await, other("mover"));
    let from = refairn_bridge::domain::database::ServerUrl::parse(&url).expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let copied = copy::copy(Place::Server(&from), Place::File(&folder.path().join("copy.db")), |_| ()).await;
    assert!(copied.is_err_and(|error| error.to_string().contains("schema public")), "a copy says the same");
    database.run("DROP SCHEMA mover; ALTER ROLE mover SET search_path = nowhere");
    assert_eq!(home().await, other("(none that is there)"));
    database.run("ALTER ROLE mover SET search_path = a");
    assert_eq!(home().await, other("a"));
    database.run("ALTER ROLE mover RESET search_path");
    assert!(home().await.is_ok());
    // Whoever cannot read this store has another in peace, and whoever can read both is told.
    database.run("CREATE ROLE neighbour LOGIN; CREATE SCHEMA neighbour AUTHORIZATION neighbour");
    let neighbour = connect(&database.url_of("neighbour")).await.expect("a store").home().clone();
    assert!(neighbour.is_new && neighbour.place.ends_with("schema neighbour"), "{neighbour:?}");
    let both = connect(&database.url()).await.expect("a store").home().clone();
    assert_eq!((both.place, both.others), (place, vec!["neighbour".to_owned()]));
}

#[tokio::test]
async fn a_search_path_that_changes_later_moves_no_connection() {
    let database = Database::make();
    database.run("CREATE ROLE settled LOGIN");
    database.run(&format!("ALTER DATABASE {} OWNER TO settled", database.name()));
    let store = connect(&database.url_of("settled")).await.expect("a store");
    assert_eq!(record(&store, "one").await.expect("recorded").id, EventId(1));
    database.run("CREATE SCHEMA settled AUTHORIZATION settled");
    // With the same tables in it, nothing but the numbers would tell.
    database.run("CREATE TABLE settled.events (LIKE public.events INCLUDING ALL)");
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'settled'");
    // Connections that were lost are found so; then new ones are made.
    let again = until("it is recorded", async || record(&store, "one").await.ok()).await;
    assert_eq!(again, Recorded { id: EventId(1), duplicate: true });
    assert_eq!(database.ask("SELECT COUNT(*) FROM settled.events"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_not_answered_may_have_been_kept() {
    let server = Server::with_tls();
    let store = connect(&format!("postgres://postgres@localhost:{}/postgres", server.port())).await.expect("a store");
    let first = record(&store, "before").await.expect("recorded").id;
    // A commit waits for a standby that does not come: it is kept, and not answered.
    server.run("postgres", &["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"]);
    until("the server waits for its standby", async || {
        (server.run("postgres", &["SHOW synchronous_standby_names"]) == "nobody").then_some(())
    })
    .await;
    // One connection is ended while its commit waits; the other waits longer than we do.
    let (ended, silent) = tokio::join!(
        async {
            let cut = async {
                until("a commit waits", async || {
                    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE wait_event = 'SyncRep' AND query LIKE '%INSERT INTO events%'";
                    (server.run("postgres", &[cut]) == "1").then_some(())
                })
                .await;
            };
            tokio::join!(record(&store, "ended"), cut).0
        },
        store.probe(),
    );
    for outcome in [ended.map(|_| ()), silent] {
        let error = outcome.expect_err("not answered");
        assert!(error.may_be_written() && matches!(error, StoreError::Unanswered(_)), "{error:?}");
    }
    server.run("postgres", &["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"]);
    let again = until("it answers again", async || record(&store, "ended").await.ok()).await;
    assert_eq!(again, Recorded { id: EventId(first.0 + 1), duplicate: true }, "it had been kept");
    // What never reached the server is told as what was not written.
    drop(server);
    let error = until("it is gone", async || record(&store, "never").await.err().filter(|e| !e.may_be_written())).await;
    assert!(matches!(error, StoreError::Server(ServerTrouble::Unreachable, _)), "{error:?}");
}
