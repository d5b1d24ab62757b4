//! Connections that take their time, and many of them: whoever holds them is closed in the end, and others are served.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use refairn_bridge::domain::provider::ProviderKind::Stripe;

use super::target::{Store, Target, signature, signed, to};
use crate::kit::wire::{Line, Reply, Request};

/// Connections on which nothing is sent.
const IDLE: usize = 300;
/// Connections of each kind on which something is begun.
const BEGUN: usize = 12;
/// What is begun has been refused by then: a body may take fifteen seconds, and its answer is read for one more.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);

/// Side by side, for it is waiting that takes the time.
#[tokio::test(flavor = "multi_thread")]
async fn slow_and_many_connections() {
    tokio::join!(slow_and_many(Store::Sqlite), slow_and_many(Store::Postgres));
}

async fn slow_and_many(store: Store) {
    let mut target = Target::start(store).await;
    let addr = target.process.addr;
    let nobody: IpAddr = Ipv4Addr::new(127, 0, 0, 67).into();
    let idle = join_all((0..IDLE).map(|_| Line::open_from(nobody, addr))).await;
    target.genuine_sale().await;
    let body = target.forged();
    let head = to(Stripe).header("Stripe-Signature", signature(Stripe, &body));
    let length = |announced: usize| head.head_with(&format!("Content-Length: {announced}\r\n"));
    let chunked = head.head_with("Transfer-Encoding: chunked\r\n");
    let kinds: [(&str, Vec<u8>); 8] = [
        ("a letter", b"P".to_vec()),
        ("half a head", length(body.len())[..60].to_vec()),
        ("a head without its end", length(body.len())[..length(body.len()).len() - 2].to_vec()),
        ("no body", length(body.len())),
        ("half a body", [&length(body.len())[..], &body[..body.len() / 2]].concat()),
        ("a byte too few", [&length(body.len() + 1)[..], &body].concat()),
        ("half a chunk", [&chunked[..], b"ff\r\nx"].concat()),
        ("chunks without an end", [&chunked[..], format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()),
    ];
    let mut begun = Vec::new();
    for (name, bytes) in &kinds {
        for n in 0..BEGUN {
            let source = Ipv4Addr::new(127, 0, 1, u8::try_from(n).expect("few")).into();
            let mut line = Line::open_from(source, addr).await;
            line.write(bytes).await;
            begun.push((*name, line));
        }
    }
    target.genuine_sale().await;
    // A drip keeps nothing open.
    let mut drip = Line::open_from(nobody, addr).await;
    drip.write(&length(1000)).await;
    let ends = join_all(begun.into_iter().map(|(name, line)| async move {
        let end = tokio::time::timeout(REFUSED_WITHIN, line.rest()).await;
        (name, end.ok().map(|bytes| Reply::parse(&bytes).map(|r| r.status)))
    }));
    let dripping = async {
        while tokio::time::timeout(Duration::from_millis(500), drip.some()).await.is_err() {
            drip.write(b"x").await;
        }
    };
    let (ends, dripped) = tokio::join!(ends, tokio::time::timeout(REFUSED_WITHIN, dripping));
    target.holds("a drip", dripped.is_ok(), || "it is kept open".to_owned());
    for (name, end) in ends {
        target.holds(name, matches!(end, Some(None | Some(400..=499))), || format!("{end:?}"));
    }
    target.genuine_sale().await;
    let recorded = target.recorded().await;
    assert_eq!(recorded, target.taken, "what was begun is not recorded");
    drop(idle);
    many_in_a_row(&mut target).await;
    target.end().await;
}

/// Many short connections, and whoever hangs up before the answer.
async fn many_in_a_row(target: &mut Target) {
    let addr = target.process.addr;
    let request = Request::new("GET", "/livez");
    for _ in 0..5 {
        let replies = join_all((0..100).map(|_| request.try_send(addr))).await;
        let answered = replies.iter().flatten().filter(|r| r.status == 200).count();
        target.holds("many at once", answered == 100, || format!("{answered} were answered"));
    }
    let mut emails = Vec::new();
    for _ in 0..20 {
        let (body, email) = target.genuine_of(Stripe);
        let mut line = Line::open_from(target.attacker(), addr).await;
        line.write(&signed(Stripe, &body).bytes()).await;
        drop(line);
        // The provider has no answer, and sends it again.
        let reply = signed(Stripe, &body).send(addr).await;
        target.holds("hung up", reply.status == 200, || reply.text());
        emails.push(email);
    }
    for email in &emails {
        target.is_told(email).await;
    }
}
