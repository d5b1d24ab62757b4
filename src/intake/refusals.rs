//! The requests that were refused last: why does my webhook fail?

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::domain::source::Source;

/// How many are kept. They are in memory only: forged traffic must not wear the disk.
const REFUSALS_MAX: usize = 100;
/// How many of one source are kept, so that none can push those of others out.
const OF_ONE_SOURCE_MAX: usize = 20;

/// Refused requests of one source, alike in endpoint and reason. Nothing of their bodies is kept.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// When the last of them came.
    pub at: Timestamp,
    /// At which endpoint; nothing when they met none.
    pub endpoint: Option<String>,
    /// The path of the last of them, if it met no endpoint.
    pub path: Option<String>,
    /// A stable code.
    pub reason: &'static str,
    /// The sender's address, of the last of them.
    pub source: Option<IpAddr>,
    /// The size of its body, bytes, of the last of them.
    pub body_bytes: usize,
    /// How many there were.
    pub times: u64,
}

impl Refusal {
    fn source(&self) -> Option<Source> {
        self.source.map(Source::of)
    }

    fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason && self.source() == other.source() && self.endpoint == other.endpoint
    }
}

/// The last refused requests, the newest first.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<VecDeque<Refusal>>);

impl Refusals {
    /// Keeps one more: with those that it is like, if there are any. Forgets the oldest when there are too many.
    pub fn add(&self, mut refusal: Refusal) {
        let Ok(mut kept) = self.0.lock() else { return };
        if let Some(alike) = kept.iter().position(|r| r.is_like(&refusal)).and_then(|n| kept.remove(n)) {
            refusal.times = refusal.times.saturating_add(alike.times);
        } else {
            let source = refusal.source();
            let of_source = |(n, r): (usize, &Refusal)| (r.source() == source).then_some(n);
            let beyond = kept.iter().enumerate().filter_map(of_source).nth(OF_ONE_SOURCE_MAX - 1);
            beyond.and_then(|n| kept.remove(n));
            kept.truncate(REFUSALS_MAX - 1);
        }
        kept.push_front(refusal);
    }

    /// What is kept.
    #[must_use]
    pub fn list(&self) -> Vec<Refusal> {
        self.0.lock().map(|kept| kept.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{OF_ONE_SOURCE_MAX, REFUSALS_MAX, Refusal, Refusals};

    fn add(refusals: &Refusals, second: usize, endpoint: &str, source: &str) {
        refusals.add(Refusal {
            at: jiff::Timestamp::from_second(second as i64).unwrap(),
            endpoint: Some(endpoint.to_owned()),
            path: None,
            reason: "signature_mismatch",
            source: Some(source.parse().unwrap()),
            body_bytes: second,
            times: 1,
        });
    }

    #[test]
    fn those_that_are_alike_are_counted_and_the_last_is_shown() {
        let refusals = Refusals::default();
        for (second, endpoint, source) in [
            (1, "a", "203.0.113.9"),
            (2, "a", "203.0.113.10"),
            (3, "a", "203.0.113.9"),
            (4, "b", "203.0.113.9"),
            (5, "a", "2001:db8::1"),
            (6, "a", "2001:db8::2"),
        ] {
            add(&refusals, second, endpoint, source);
        }
        let list: Vec<_> = refusals.list().iter().map(|r| (r.body_bytes, r.at.as_second(), r.times)).collect();
        assert_eq!(list, [(6, 6, 2), (4, 4, 1), (3, 3, 2), (2, 2, 1)]);
    }

    #[test]
    fn no_source_pushes_those_of_others_out() {
        let refusals = Refusals::default();
        add(&refusals, 0, "a", "203.0.113.9");
        (1..500).for_each(|n| add(&refusals, n, &format!("endpoint {n}"), "203.0.113.66"));
        let list = refusals.list();
        assert_eq!(list.len(), OF_ONE_SOURCE_MAX + 1);
        assert_eq!(
            (list[0].body_bytes, list[OF_ONE_SOURCE_MAX - 1].body_bytes),
            (499, 480),
            "the oldest are forgotten"
        );
        assert_eq!(list.last().map(|r| r.body_bytes), Some(0));
        (0..500).for_each(|n| add(&refusals, n, "a", &format!("198.51.100.{}", n % 250)));
        assert_eq!(refusals.list().len(), REFUSALS_MAX);
    }
}
