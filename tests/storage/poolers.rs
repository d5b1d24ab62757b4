//! A pooler between the bridge and its server: refused when it gives no sessions, and no hindrance when it does.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::store::{ServerTrouble, StoreError};

use crate::kit::command::finish;
use crate::kit::pooler::Pooler;
use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;

/// A webhook that arrives in a burst is answered before that.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

fn sale(name: &str) -> String {
    Sale::new(name, &format!("{name}@example.com"), Clock::system().now()).event().to_string()
}

async fn trouble(pooler: &Pooler, database: &Database) -> ServerTrouble {
    match crate::postgres::connect(&pooler.url(database.name())).await {
        Err(StoreError::Server(trouble, _)) => trouble,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_gives_no_sessions_is_refused() {
    let database = Database::make();
    let check = async |mode: &str, pool: u8, round_robin: u8| {
        let settings = format!("pool_mode={mode}\ndefault_pool_size={pool}\nserver_round_robin={round_robin}");
        let pooler = Pooler::start(&Database::upstream(), &settings);
        assert_eq!(trouble(&pooler, &database).await, ServerTrouble::Pooler, "{settings}");
        // Whatever it did before, and to whomever it gave which connection. With one connection all wait for it.
        for _ in 1..pool.min(4) {
            assert_eq!(trouble(&pooler, &database).await, ServerTrouble::Pooler, "{settings}, again");
        }
    };
    check("transaction", 1, 0).await;
    for round_robin in [0, 1] {
        for pool in [2, 3, 20] {
            check("transaction", pool, round_robin).await;
        }
    }
    check("statement", 20, 0).await;
    assert_eq!(database.ask("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_with_one_connection_is_not_enough() {
    let database = Database::make();
    let pooler = Pooler::start(&Database::upstream(), "pool_mode=session\ndefault_pool_size=1");
    assert_eq!(trouble(&pooler, &database).await, ServerTrouble::TooManyConnections);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_opens_the_store_refuses_a_pooler_without_sessions() {
    let database = Database::make();
    let pooler = Pooler::start(&Database::upstream(), "pool_mode=transaction");
    let url = pooler.url(database.name());
    let process = Process::new(&[("DATABASE_URL", &url)]);
    let file = format!("sqlite://{}", process.folder.path().join("other.db").display());
    for args in [
        &["check"][..],
        &["migrate-store", "--to", &file],
        &["serve"],
        &["migrate-store", "--from", &url, "--to", &file],
    ] {
        let done = tokio::task::block_in_place(|| finish(process.command(args)));
        let said = done.stdout + &done.stderr;
        assert_eq!(done.code, Some(1), "{args:?}: {said}");
        assert!(
            said.contains("transaction or statement mode") && said.contains("pool_mode = session"),
            "{args:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_pooler_in_session_mode_a_sale_is_told_and_bridges_hear_of_each_others_calls() {
    let database = Database::make();
    let pooler = Pooler::start(&Database::upstream(), "pool_mode=session\ndefault_pool_size=60");
    let url = pooler.url(database.name());
    let (mut one, mut other) = (Process::new(&[("DATABASE_URL", &url)]), Process::new(&[("DATABASE_URL", &url)]));
    one.start().await;
    other.start().await;
    let (first, duplicate) = one.post(Stripe, sale("pooled").as_bytes()).await.expect("answered 2xx");
    assert!(!duplicate);
    let again = other.post(Stripe, sale("pooled").as_bytes()).await.expect("answered 2xx");
    assert_eq!(again, (first, true));
    until("it is told", async || {
        let told = |process: &Process| process.sandbox.look(|book| book.payments().len());
        (told(&one) + told(&other) == 1).then_some(())
    })
    .await;
    // Both listen, on connections that the pooler keeps for them.
    until("both listen", async || {
        let listening = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND query LIKE 'LISTEN refairn%'";
        (database.ask(listening) == "2").then_some(())
    })
    .await;
    one.end().await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_a_pool_that_is_too_small() {
    let database = Database::make();
    let check = |pool: u8, connections: &str, says: Option<&str>| {
        let settings = format!("pool_mode=session\ndefault_pool_size={pool}");
        let pooler = Pooler::start(&Database::upstream(), &settings);
        let variables = [
            ("DATABASE_URL", &*pooler.url(database.name())),
            ("REFAIRN_BRIDGE__STORAGE__CONNECTIONS_MAX", connections),
        ];
        let process = Process::new(&variables);
        let done = tokio::task::block_in_place(|| finish(process.command(&["check"])));
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(done.stdout.contains("schema public"), "{}", done.stdout);
        let warned = done.stdout.lines().find(|line| line.contains("lower storage.connections_max"));
        assert!(says.map_or(warned.is_none(), |says| warned.is_some_and(|line| line.contains(says))), "{warned:?}");
    };
    check(5, "16", Some("has 5 connections for this bridge, which takes up to 17"));
    check(5, "4", None);
    check(20, "16", None);
    database.run(&format!("ALTER DATABASE {} CONNECTION LIMIT 9", database.name()));
    check(20, "16", Some("has 9 connections for this bridge, which takes up to 17"));
}

/// Posts so many sales at once; gives how long the last answer took.
async fn burst(process: &Process, name: &str, count: usize) -> Duration {
    let begin = Instant::now();
    let bodies: Vec<String> = (0..count).map(|n| sale(&format!("{name}{n}"))).collect();
    let answers = join_all(bodies.iter().map(|body| process.post(Stripe, body.as_bytes()))).await;
    let refused = answers.iter().filter(|answer| answer.is_none()).count();
    assert_eq!(refused, 0, "of {count} webhooks so many were not answered 200");
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bridges_that_share_a_small_pool_answer_every_webhook_at_once() {
    let database = Database::make();
    // Fewer than the two want together: each wants four, and one to listen.
    let pooler = Pooler::start(&Database::upstream(), "pool_mode=session\ndefault_pool_size=8");
    let url = pooler.url(database.name());
    let variables = [("DATABASE_URL", &*url), ("REFAIRN_BRIDGE__STORAGE__CONNECTIONS_MAX", "4")];
    let (mut greedy, mut late) = (Process::new(&variables), Process::new(&variables));
    greedy.start().await;
    let held = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut round = 0;
    while database.ask(held) != "5" {
        burst(&greedy, &format!("greedy{round}x"), 60).await;
        round += 1;
        assert!(round < 20, "it never takes all of its connections: {}", database.ask(held));
    }
    late.start().await;
    for round in 0..3 {
        let took = burst(&late, &format!("late{round}x"), 30).await;
        assert!(took < ANSWER_WAIT_MAX, "round {round} took {took:?}");
    }
    let checked = tokio::task::block_in_place(|| finish(Process::new(&variables).command(&["check"])));
    let said = checked.stdout + &checked.stderr;
    assert!(said.contains("has no connection to spare") && said.contains("connections_max"), "{said}");
    greedy.end().await;
    late.end().await;
}
