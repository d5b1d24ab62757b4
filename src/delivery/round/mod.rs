//! What the dispatcher does next: who is called, when to lease, how long to wait. Nothing here waits itself.

use jiff::Timestamp;

use super::breaker::Breaker;
use super::pace::Pace;
use super::ready::Ready;
use crate::domain::customer::CustomerKey;
use crate::store::Leased;

/// Seconds for which calls may be leased ahead when they are spread over time: a lease must not run out before its call.
const AHEAD_S: usize = 10;

/// What came of looking for calls that are due.
#[derive(Debug)]
pub(super) struct DueCalls {
    /// Calls that are ours to make.
    pub(super) leased: Vec<Leased>,
    /// There may be more.
    pub(super) more: bool,
    /// When the next is due, if there are none now.
    pub(super) due: Option<Timestamp>,
}

/// Places and who is in them. A place is taken from a call's beginning to its answer; while the answer is written, the
/// next call goes out.
#[derive(Debug)]
pub(super) struct Round {
    places: usize,
    /// Calls that may be leased and not begun.
    ready_max: usize,
    calls: usize,
    settling: usize,
    leasing: bool,
    ready: Ready,
    breaker: Breaker,
    pace: Pace,
    /// There may be something due that is not leased.
    look: bool,
    due: Option<Timestamp>,
}

impl Round {
    pub(super) fn new(places: usize, max_per_second: Option<u32>) -> Self {
        let paced = max_per_second.and_then(|n| usize::try_from(n).ok()).map(|n| n.saturating_mul(AHEAD_S));
        Self {
            places,
            ready_max: paced.unwrap_or(usize::MAX).max(1),
            calls: 0,
            settling: 0,
            leasing: false,
            ready: Ready::default(),
            breaker: Breaker::default(),
            pace: Pace::new(max_per_second),
            look: true,
            due: None,
        }
    }

    /// Something may have become due.
    pub(super) const fn look(&mut self) {
        self.look = true;
    }

    /// A call that goes out now, and whether it is a probe.
    pub(super) fn next_call(&mut self, now: Timestamp) -> Option<(Leased, bool)> {
        if self.room(now) == 0 || self.ready.is_empty() || !self.pace.take(now) {
            return None;
        }
        let leased = self.ready.pop()?;
        self.calls += 1;
        Some((leased, self.breaker.began()))
    }

    /// Whether Refairn counts as down.
    pub(super) const fn is_down(&self) -> bool {
        self.breaker.is_open()
    }

    /// How many calls to lease now: enough for the free places, and as many again that wait until others are
    /// free, so that no place is empty while a lease is written. Never just a few: a lease is a write.
    pub(super) fn next_lease(&mut self, now: Timestamp) -> Option<usize> {
        let (ahead, least) = if self.breaker.is_open() { (0, 1) } else { (self.places, self.places.div_ceil(4)) };
        let wanted = (self.room(now) + ahead).min(self.ready_max);
        let missing = wanted.saturating_sub(self.ready.len());
        if !self.look || self.leasing || missing < least.min(self.ready_max.div_ceil(4)) {
            return None;
        }
        self.look = false;
        self.leasing = true;
        Some(missing)
    }

    /// When to look again, if nothing happens before; nothing when something is bound to happen.
    pub(super) fn wait_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.room(now) > 0 && !self.ready.is_empty() {
            return self.pace.next();
        }
        match self.breaker.probe_at(now) {
            Some(at) => Some(at),
            None if self.look || self.leasing => None,
            None => self.due,
        }
    }

    /// A lease was written.
    pub(super) fn found_due(&mut self, calls: DueCalls) {
        self.leasing = false;
        calls.leased.into_iter().for_each(|leased| self.ready.push(leased));
        self.look |= calls.more;
        self.due = calls.due;
    }

    /// A call was answered, or has failed; now it is settled.
    pub(super) fn ended(&mut self, whose: &CustomerKey, probe: bool, answered: bool, now: Timestamp) {
        self.calls = self.calls.saturating_sub(1);
        self.settling += 1;
        if answered {
            self.breaker.answered();
        } else {
            self.breaker.failed(whose, probe, now);
        }
    }

    /// A settle was written: the customer's next call may be due.
    pub(super) const fn settled(&mut self) {
        self.settling = self.settling.saturating_sub(1);
        self.look = true;
    }

    /// What was leased ahead and is not on its way after all, because Refairn is down.
    pub(super) fn unwanted(&mut self, now: Timestamp) -> Vec<Leased> {
        let keep = if self.breaker.is_open() { self.room(now) } else { usize::MAX };
        let beyond = self.ready.len().saturating_sub(keep);
        (0..beyond).map_while(|_| self.ready.pop()).collect()
    }

    /// All that is leased and was not begun.
    pub(super) fn rest(&mut self) -> Vec<Leased> {
        std::iter::from_fn(|| self.ready.pop()).collect()
    }

    /// Free places. Answers that are still to be written take them up when there are as many as places: a store that
    /// does not keep up must not be run over.
    fn room(&self, now: Timestamp) -> usize {
        let unsettled_max = self.places * 2;
        let room = self.breaker.room(self.places, self.calls, now);
        room.min(unsettled_max.saturating_sub(self.calls + self.settling))
    }
}

#[cfg(test)]
mod tests;
