//! When Refairn is down, one probe goes out, not the backlog. An outage is one thing, however many calls it ends: they
//! count once, and only a probe that fails makes the next wait longer.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::customer::CustomerKey;
use crate::outbound::{Backoff, Outage};

/// Customers whose calls failed, with no answer in between, at which Refairn counts as down. Different ones: where Refairn
/// fails over one customer's call, only that customer waits.
const FAILURES_MAX: usize = 3;
/// From the beginning of an outage to the first probe; each further wait is twice as long.
const PROBE_WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two probes.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(30);
/// When probes go out: Refairn's own wishes are those of the calls.
const PROBES: Backoff = Backoff { first: PROBE_WAIT_FIRST, own_max: PROBE_WAIT_MAX, asked_max: Duration::ZERO };

/// Watches how calls end.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failing: Vec<CustomerKey>,
    down: Option<Down>,
}

/// Refairn counts as down.
#[derive(Debug, Default)]
struct Down {
    outage: Outage,
    probing: bool,
}

impl Breaker {
    /// A call goes out. Whether it is the probe, which [`Breaker::failed`] wants to know.
    pub(super) const fn began(&mut self) -> bool {
        match &mut self.down {
            Some(down) => {
                down.probing = true;
                true
            }
            None => false,
        }
    }

    /// Refairn answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Refairn did not answer, or asked to be left alone.
    pub(super) fn failed(&mut self, whose: &CustomerKey, probe: bool, now: Timestamp) {
        match &mut self.down {
            Some(down) if probe => {
                down.outage.failed(&PROBES, None, now);
                down.probing = false;
            }
            // It began before the outage did, and tells nothing new.
            Some(_) => {}
            None => {
                if !self.failing.contains(whose) {
                    self.failing.push(whose.clone());
                }
                if self.failing.len() >= FAILURES_MAX {
                    self.down.insert(Down::default()).outage.failed(&PROBES, None, now);
                }
            }
        }
    }

    /// Refairn counts as down.
    pub(super) const fn is_open(&self) -> bool {
        self.down.is_some()
    }

    /// How many more calls may be on their way, of `calls_max`, while `in_flight` are. A call that hangs since before
    /// the outage does not keep the probe in.
    pub(super) fn room(&self, calls_max: usize, in_flight: usize, now: Timestamp) -> usize {
        match &self.down {
            None => calls_max.saturating_sub(in_flight),
            Some(down) => usize::from(!down.probing && down.outage.rests_until(now).is_none()),
        }
    }

    /// When the next probe may go out; nothing when it may now, while Refairn is well, or a probe on its way.
    pub(super) fn probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.down.as_ref().filter(|down| !down.probing)?.outage.rests_until(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    fn customer(n: usize) -> CustomerKey {
        CustomerKey { business: "biz_1".into(), email_key: format!("c{n}@example.com") }
    }

    fn second(n: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(n))
    }

    #[test]
    fn calls_that_fail_together_are_one_outage_and_its_first_probe_comes_after_a_second() {
        let mut breaker = Breaker::default();
        assert!((0..16).all(|_| !breaker.began()));
        for n in 0..16 {
            assert_eq!(breaker.is_open(), n > 2);
            breaker.failed(&customer(n), false, second(0));
        }
        assert_eq!(breaker.probe_at(second(0)), Some(second(1)));
        assert_eq!((breaker.room(16, 0, second(0)), breaker.room(16, 0, second(1))), (0, 1));
        let (mut at, mut waits) = (1, vec![]);
        for _ in 0..7 {
            assert!(breaker.began());
            assert_eq!(
                (breaker.room(16, 1, second(at)), breaker.probe_at(second(at))),
                (0, None),
                "one probe at a time"
            );
            breaker.failed(&customer(0), true, second(at));
            let next = breaker.probe_at(second(at)).unwrap();
            waits.push(next.duration_since(second(at)).as_secs());
            at += next.duration_since(second(at)).unsigned_abs().as_secs();
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
        let set_back = Timestamp::UNIX_EPOCH - Duration::from_secs(7200);
        assert_eq!(breaker.room(16, 0, set_back), 1, "nobody waits for hours because the clock was set back");
        breaker.answered();
        assert_eq!((breaker.room(16, 4, second(at)), breaker.is_open()), (12, false));
    }

    #[test]
    fn a_call_that_hangs_since_before_the_outage_does_not_keep_the_probe_in() {
        let mut breaker = Breaker::default();
        (0..3).for_each(|n| breaker.failed(&customer(n), false, second(0)));
        assert_eq!(breaker.room(16, 5, second(1)), 1);
        assert!(breaker.began());
        breaker.failed(&customer(9), false, second(2));
        assert_eq!(breaker.probe_at(second(2)), None, "the late failure is not the probe's");
        breaker.failed(&customer(0), true, second(2));
        assert_eq!(breaker.probe_at(second(2)), Some(second(4)));
    }

    #[test]
    fn one_customers_failures_are_no_outage() {
        let mut breaker = Breaker::default();
        (0..100).for_each(|n| breaker.failed(&customer(n % 2), false, second(0)));
        assert_eq!(breaker.room(16, 0, second(0)), 16);
        breaker.answered();
        breaker.failed(&customer(3), false, second(0));
        assert!(!breaker.is_open(), "an answer in between counts");
    }
}
