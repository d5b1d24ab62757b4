//! Brings a store to its size through the bridge's own door.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use crate::kit::program::get;
use crate::mix::Mix;
use crate::turns::load::{Pace, send};
use crate::turns::subject::Subject;

/// Webhooks that are signed at once: they have to be sent within the signature's tolerance.
const CHUNK: usize = 10_000;
const SENDERS: usize = 32;
/// Calls that may be on their way when the next webhooks are sent: Refairn is told as fast as events come.
const BEHIND_MAX: u64 = 20_000;
/// Longest time for one chunk.
const CHUNK_TIME: Duration = Duration::from_secs(250);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Without any progress for so long, there is none any more.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Sends events until the store has so many, and waits until nothing is on its way.
pub async fn fill(subject: &mut Subject, name: &str, events: usize) -> anyhow::Result<Duration> {
    let (began, mix) = (Instant::now(), Mix::new());
    while subject.next < events {
        let end = events.min(subject.next + CHUNK);
        let chunk = mix.sign(subject.next..end);
        let sent = send(subject.addr(), chunk, false, SENDERS, Pace::Closed(CHUNK_TIME)).await?;
        if sent.answers.refused > 0 || sent.answers.accepted.len() < end - subject.next {
            bail!("of {} webhooks {} were answered 200", end - subject.next, sent.answers.accepted.len());
        }
        subject.next = end;
        let behind = until_behind(subject, BEHIND_MAX).await?;
        if end.is_multiple_of(CHUNK * 5) {
            eprintln!("{name}: {end} events after {} s, {behind} on their way", began.elapsed().as_secs());
        }
    }
    until_behind(subject, 0).await?;
    Ok(began.elapsed())
}

/// Waits until no more than so many events and calls are on their way; gives how many that are.
async fn until_behind(subject: &Subject, most: u64) -> anyhow::Result<u64> {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    loop {
        let Some(stats) = get(subject.addr(), "/api/v1/stats").await else { bail!("the bridge tells no state") };
        let of = |list: &str, state: &str| stats[list][state].as_u64().unwrap_or(0);
        let behind = of("events", "received") + of("deliveries", "queued") + of("deliveries", "sending");
        if behind <= most {
            return Ok(behind);
        }
        if behind < least {
            (least, since) = (behind, Instant::now());
        } else if since.elapsed() > SILENCE_MAX {
            bail!("{behind} events and calls are on their way, and no fewer any more");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a store has, in a line.
pub async fn contents(subject: &Subject) -> anyhow::Result<String> {
    let Some(stats) = get(subject.addr(), "/api/v1/stats").await else { bail!("the bridge tells no state") };
    let list = |name: &str| {
        let of = stats[name].as_object().into_iter().flatten().filter(|(_, n)| n.as_u64() != Some(0));
        of.map(|(state, n): (&String, &Value)| format!("{n} {state}")).collect::<Vec<_>>().join(", ")
    };
    let needs = &stats["needs_attention"];
    Ok(format!("events {}; calls {}; {needs} need a person", list("events"), list("deliveries")))
}
