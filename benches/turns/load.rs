//! The senders. A closed loop sends the next webhook when the last one is answered; an open loop sends it when it is
//! due, and counts from then, so that a bridge that stalls is not asked less.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::sales::Sales;
use super::wire::Wire;

/// From the moment the senders are ready to the first webhook that is due.
const LEAD: Duration = Duration::from_millis(20);

/// What became of the webhooks of one turn.
pub struct Sent {
    pub began: Instant,
    /// From the first webhook to the last answer.
    pub took: Duration,
    /// Webhooks that were sent, whatever came of them.
    pub tried: usize,
    pub answers: Answers,
}

/// The answers of one sender, or of all.
#[derive(Default)]
pub struct Answers {
    /// Of what was answered 200, how long each answer took.
    pub times: Vec<Duration>,
    /// Their sales' places, and when each was sent or due.
    pub accepted: Vec<(usize, Instant)>,
    /// Answered otherwise.
    pub refused: usize,
}

/// How webhooks are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As fast as they are answered, for so long.
    Closed(Duration),
    /// So many a second.
    Open(u32),
}

struct Line {
    sales: Sales,
    /// Sent again and again: for who does not tell repetitions.
    repeats: bool,
    next: AtomicUsize,
    pace: Pace,
    began: Instant,
    /// One for each webhook that is due.
    due: Semaphore,
}

/// Sends over so many connections until the time is over or all are sent.
pub async fn send(to: SocketAddr, sales: Sales, repeats: bool, connections: usize, pace: Pace) -> anyhow::Result<Sent> {
    let wires = try_join_all((0..connections).map(|_| Wire::connect(to))).await?;
    let began = Instant::now() + if matches!(pace, Pace::Open(_)) { LEAD } else { Duration::ZERO };
    let line = Line { sales, repeats, next: AtomicUsize::default(), pace, began, due: Semaphore::new(0) };
    let line = Arc::new(line);
    if let Pace::Open(rate) = pace {
        let line = Arc::clone(&line);
        // A thread of its own: the runtime's timers round up to a millisecond.
        std::thread::spawn(move || line.keep_pace(rate, connections));
    }
    let mut senders = JoinSet::new();
    for wire in wires {
        senders.spawn(sender(wire, Arc::clone(&line)));
    }
    let mut answers = Answers::default();
    while let Some(of_one) = senders.join_next().await {
        let of_one = of_one??;
        answers.times.extend(of_one.times);
        answers.accepted.extend(of_one.accepted);
        answers.refused += of_one.refused;
    }
    let took = began.elapsed();
    Ok(Sent { began, took, tried: answers.accepted.len() + answers.refused, answers })
}

impl Line {
    fn keep_pace(&self, rate: u32, senders: usize) {
        for place in 0..self.sales.requests.len() {
            std::thread::sleep(self.due_at(place, rate).saturating_duration_since(Instant::now()));
            self.due.add_permits(1);
        }
        self.due.add_permits(senders);
    }

    fn due_at(&self, place: usize, rate: u32) -> Instant {
        self.began + Duration::from_secs(1) * u32::try_from(place).unwrap_or(u32::MAX) / rate
    }

    /// The next webhook, and from when its answer is counted; nothing when all is sent.
    async fn next(&self) -> Option<(usize, Instant)> {
        if let Pace::Open(_) = self.pace {
            self.due.acquire().await.ok()?.forget();
        }
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let all = self.sales.requests.len();
        let place = if self.repeats { n % all } else { n };
        match self.pace {
            Pace::Open(rate) => (n < all).then(|| (place, self.due_at(n, rate))),
            Pace::Closed(time) => {
                let now = Instant::now();
                (place < all && now.duration_since(self.began) < time).then_some((place, now))
            }
        }
    }
}

async fn sender(mut wire: Wire, line: Arc<Line>) -> std::io::Result<Answers> {
    let mut sent = Answers::default();
    while let Some((n, from)) = line.next().await {
        let Some(request) = line.sales.requests.get(n) else { break };
        if wire.ask(request).await? == 200 {
            sent.times.push(from.elapsed());
            sent.accepted.push((line.sales.places.start + n, from));
        } else {
            sent.refused += 1;
        }
    }
    Ok(sent)
}
