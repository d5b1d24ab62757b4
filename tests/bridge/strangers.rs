//! The real program, held up by strangers on every connection that they can get: whoever sends from another address is
//! served all the while, and the log stays short. `STRANGERS_FLOOD_S=40` makes the flood long, and the test strict.

#![cfg(target_os = "linux")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::tasks::Tasks;

use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::{Line, Request};

/// Where the provider sends from, and a stranger.
const PROVIDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));
/// How long the flood lasts, and how long a webhook may take beside it on a machine that is busy with other tests.
const FLOOD: Duration = Duration::from_secs(8);
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// The same for a long flood on a machine of its own.
const STRICTLY_WITHIN: Duration = Duration::from_secs(2);
/// Idle connections and half heads of strangers have ended by then.
const CUT_WITHIN: Duration = Duration::from_secs(40);
/// Connections that the strangers have at once at the beginning, and how often one more comes.
const SENDERS: u32 = 1600;
const NEXT_EVERY: Duration = Duration::from_millis(10);

fn sale(id: &str) -> Vec<u8> {
    Sale::new(id, &format!("{id}@example.com"), Clock::system().now()).event().to_string().into_bytes()
}

/// Sends a webhook that could be signed, but for its body, which never comes; until the connection is closed.
async fn dawdle(process_addr: std::net::SocketAddr) {
    let Some(mut line) = Line::try_open_from(STRANGER, process_addr).await else { return };
    let signature = format!("t={},v1={}", Clock::system().now().as_second(), "0".repeat(64));
    let request = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", signature).body(&[b'x'; 1000]);
    line.write(&request.head("close")).await;
    line.write(b"x").await;
    line.rest().await;
}

/// How long the flood is to last, if somebody says so.
#[expect(clippy::disallowed_methods, reason = "who runs the test says how long")]
fn long() -> Option<Duration> {
    std::env::var("STRANGERS_FLOOD_S").ok()?.parse().ok().map(Duration::from_secs)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_of_one_address_are_in_nobodys_way() {
    let (flood, answered_within) = long().map_or((FLOOD, ANSWERED_WITHIN), |long| (long, STRICTLY_WITHIN));
    let mut process = Process::new(&[]);
    process.start().await;
    let (addr, tasks, began) = (process.addr, Tasks::new(), Instant::now());
    (0..SENDERS).for_each(|_| tasks.spawn(dawdle(addr)));
    let (more, stopping) = (tasks.clone(), tasks.stopping());
    tasks.spawn(async move {
        while began.elapsed() < flood && !stopping.is_cancelled() {
            more.spawn(dawdle(addr));
            tokio::time::sleep(NEXT_EVERY).await;
        }
    });
    let mut answered = 0;
    while began.elapsed() < flood {
        let request = process.signed(Stripe, &sale(&format!("s{answered}")));
        let sent = Instant::now();
        let reply = tokio::time::timeout(answered_within, request.try_send_from(PROVIDER, addr)).await;
        let reply = reply.unwrap_or_else(|_| panic!("webhook {answered} is not answered within {answered_within:?}"));
        assert_eq!(reply.expect("an answer").status, 200, "webhook {answered} after {:?}", sent.elapsed());
        answered += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let turned_away = process.metric("refairn_bridge_disconnected_total{reason=\"too_many_connections\"}").await;
    eprintln!("{answered} webhooks answered; {turned_away} connections turned away");
    assert!(turned_away > u64::from(SENDERS) / 2, "{turned_away}: a source has its share of connections, and no more");
    let minutes = usize::try_from(began.elapsed().as_secs() / 60 + 2).expect("some");
    let lines = process.log().lines().filter(|l| l.contains("127.0.0.3")).count();
    assert!(lines <= 3 * minutes, "{lines} lines of one stranger");
    process.kill();
    assert!(tasks.stop(Duration::from_secs(60)).await);
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_underneath_says_of_strangers_is_not_logged() {
    let mut process = Process::new(&[]);
    process.start().await;
    for _ in 0..50 {
        let mut line = Line::try_open_from(STRANGER, process.addr).await.expect("connected");
        line.write(b"no request at all\r\n\r\n").await;
        assert!(line.rest().await.starts_with(b"HTTP/1.1 400 "));
    }
    until("they are counted", async || {
        let counted = process.metric("refairn_bridge_disconnected_total{reason=\"malformed_request\"}").await;
        (counted == 50).then_some(())
    })
    .await;
    let log = process.log();
    let lines: Vec<&str> = log.lines().filter(|l| l.contains("actix") || l.contains("malformed")).collect();
    assert!((1..=2).contains(&lines.len()), "a line of ours each minute: {lines:?}");
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_request_pins_no_connection() {
    let mut process = Process::new(&[]);
    process.start().await;
    let (addr, captured) = (process.addr, sale("captured"));
    let request = process.signed(Stripe, &captured);
    assert_eq!(request.try_send_from(PROVIDER, addr).await.expect("an answer").status, 200);
    let mut replay = request.head("keep-alive");
    replay.extend_from_slice(&captured);
    // From five addresses, more than there are connections: silent ones, repetitions, and half a head behind them, together
    // with them or after the answer.
    let pin = async |n: u8| {
        let mut line = Line::try_open_from(IpAddr::from([127, 0, 0, 10 + n % 5]), addr).await?;
        let half = &request.head("keep-alive")[..40];
        match n % 4 {
            0 => {}
            1 => line.write(&replay).await,
            2 => line.write(&[&replay, half].concat()).await,
            _ => {
                line.write(&replay).await;
                line.next_answer().await?;
                line.write(half).await;
            }
        }
        Some(line)
    };
    let began = Instant::now();
    let all = async {
        let mut pinned = Vec::new();
        for _ in 0..5 {
            pinned.extend(join_all((0..210).map(&pin)).await.into_iter().flatten());
        }
        let genuine = async {
            let reply = process.signed(Stripe, &sale("genuine")).try_send_from(PROVIDER, addr).await;
            assert_eq!(reply.expect("an answer").status, 200);
            began.elapsed()
        };
        let (took, ends) = tokio::join!(genuine, join_all(pinned.into_iter().map(Line::rest)));
        (took, ends.len())
    };
    let ended = tokio::time::timeout(CUT_WITHIN, all).await;
    let (took, connections) = ended.expect("an answer, and the end of what strangers hold");
    assert!(connections > 900, "{connections} connections");
    eprintln!("answered after {took:?}, all others ended after {:?}", began.elapsed());
    process.end().await;
}
