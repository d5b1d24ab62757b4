//! The life of a delivery: the only place that writes its fields. Each function is one transition, by the name of what
//! happens. A transition that cannot be - the table does not list it, or what was sent would change - changes nothing,
//! and says so where it gives a `bool`.

mod operator;
mod transitions;

use std::ops::Deref;
use std::time::Duration;

use jiff::Timestamp;

use super::{DeliveryId, DeliveryRecord, DeliveryState, DesiredDelivery, Receipt, Seq, Settlement};
use crate::domain::reason::DeliveryReason;
use transitions::{By, is_listed};

/// A delivery: a record that everybody reads, and nobody but the transitions of this module changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    record: DeliveryRecord,
}

impl Deref for Delivery {
    type Target = DeliveryRecord;

    fn deref(&self) -> &DeliveryRecord {
        &self.record
    }
}

impl Delivery {
    /// A delivery as it was written down.
    #[must_use]
    pub const fn restore(record: DeliveryRecord) -> Self {
        Self { record }
    }

    /// A new call, as the plan wants it. It has no number yet.
    #[must_use]
    pub fn plan(desired: DesiredDelivery, now: Timestamp) -> Self {
        let (state, reason, due_at) = desired.intent.parts(now);
        let DesiredDelivery { event, subject, mode, at, call, intent: _, detail } = desired;
        let record = DeliveryRecord {
            id: None,
            event,
            subject,
            mode,
            at,
            call,
            state,
            reason,
            detail,
            attention: state == DeliveryState::Held,
            released: false,
            acknowledged: false,
            due_at,
            waits_from: now,
            attempts: 0,
            first_attempt_at: None,
            taken_seq: None,
            last_seq: None,
            waited: Duration::ZERO,
            outcome_unknown: false,
            settled_at: None,
            receipt: None,
            created_at: now,
        };
        Self { record }
    }

    /// The store has given it its number. It keeps the first.
    pub fn number(&mut self, id: DeliveryId) {
        self.record.id.get_or_insert(id);
    }

    /// Makes a call of which nothing was sent what the plan wants. False when something of it may have been sent.
    pub fn change(&mut self, desired: DesiredDelivery, now: Timestamp) -> bool {
        let (state, reason, due_at) = desired.intent.parts(now);
        if self.may_be_acknowledged() || !self.may_enter(By::Plan, state) {
            return false;
        }
        // A call in backoff keeps its turn, and a due one its place, unless it has to wait for something now.
        let backing_off = self.state == DeliveryState::Queued && self.attempts > 0;
        let still_due = self.state == DeliveryState::Queued && self.due_at <= now;
        let keep = state == DeliveryState::Queued && due_at <= now && (backing_off || still_due);
        if !keep {
            let turn = if backing_off { self.due_at } else { due_at };
            self.wait_until(due_at.max(turn), now);
        }
        let record = &mut self.record;
        if !(backing_off && keep) {
            record.reason = reason;
            record.detail = desired.detail;
        }
        record.attention = state == DeliveryState::Held;
        record.state = state;
        // The event that first asked for it may report something else by now.
        record.event = desired.event;
        record.call = desired.call;
        record.at = desired.at;
        true
    }

    /// Gives an open call another place among its customer's calls: what it tells became true at another time than was
    /// known. Its body stays.
    pub const fn reorder(&mut self, at: Timestamp) {
        if self.record.state.is_open() {
            self.record.at = at;
        }
    }

    /// Ends the wait of a queued call that a clock told in error: it may go out at `now`.
    pub fn wait(&mut self, now: Timestamp) {
        if self.state == DeliveryState::Queued {
            self.wait_until(now, now);
        }
    }

    /// Keeps it until an operator lets it go. False when it is on its way, or not going out anyway.
    pub fn hold(&mut self, reason: DeliveryReason, detail: Option<String>) -> bool {
        if !matches!(self.state, DeliveryState::Queued | DeliveryState::Rejected) {
            return false;
        }
        self.stand(By::Plan, DeliveryState::Held, Some(reason)) && {
            self.record.detail = detail;
            self.record.attention = true;
            true
        }
    }

    /// Lets a held call go on that may have been sent: it is tried again, as it is.
    pub fn resume(&mut self) -> bool {
        self.state == DeliveryState::Held
            && self.outcome_unknown
            && self.stand(By::Plan, DeliveryState::Queued, Some(DeliveryReason::Retrying))
            && {
                self.record.detail = None;
                self.record.attention = false;
                true
            }
    }

    /// Ends an unsent call for which no fact asks any more.
    pub fn cancel(&mut self, reason: DeliveryReason) -> bool {
        self.is_unsent() && self.stand(By::Plan, DeliveryState::Cancelled, Some(reason)) && {
            self.record.attention = false;
            true
        }
    }

    /// Ends an unsent call because something later says what it would.
    pub fn supersede(&mut self) -> bool {
        self.is_unsent() && self.stand(By::Plan, DeliveryState::Superseded, Some(DeliveryReason::Superseded)) && {
            self.record.attention = false;
            true
        }
    }

    /// Ends a call that Refairn does not have because its payment is told under another of its ids.
    pub fn give_way(&mut self) -> bool {
        !self.may_be_acknowledged()
            && self.stand(By::Plan, DeliveryState::Superseded, Some(DeliveryReason::AlreadyReported))
            && {
                self.record.detail = None;
                self.record.attention = false;
                true
            }
    }

    /// Marks a call that Refairn has as needing attention, or no longer. An operator's word that it was seen holds until
    /// there is something new to see.
    pub fn flag(&mut self, finding: Option<(DeliveryReason, String)>) {
        if !self.state.is_acknowledged() {
            return;
        }
        let settled_as = self.settled_as();
        let (reason, detail) = finding.unzip();
        let record = &mut self.record;
        if reason.is_some() && (record.reason != reason || record.detail != detail) {
            record.acknowledged = false;
        }
        record.attention = reason.is_some() && !record.acknowledged;
        record.reason = reason.or(settled_as);
        record.detail = detail;
    }

    /// Whether to [flag](Self::flag) it with this changes nothing.
    #[must_use]
    pub fn is_flagged(&self, finding: Option<&(DeliveryReason, String)>) -> bool {
        let same = self.reason == finding.map(|(reason, _)| *reason).or_else(|| self.settled_as());
        let same = same && self.detail.as_ref() == finding.map(|(_, detail)| detail);
        same && self.attention == (finding.is_some() && !self.acknowledged)
    }

    /// The reason of a call that Refairn has, as long as there is nothing to see.
    fn settled_as(&self) -> Option<DeliveryReason> {
        (self.state == DeliveryState::Duplicate).then_some(DeliveryReason::AlreadyAtRefairn)
    }

    /// Notes something about a call that Refairn has, which asks nobody to do anything.
    pub fn note(&mut self, reason: DeliveryReason, detail: String) {
        if self.state.is_acknowledged() {
            self.record.attention = false;
            self.record.reason = Some(reason);
            self.record.detail = Some(detail);
        }
    }

    /// A lease is taken to make the attempt `seq`. False when nothing has to be sent, or the number is not a new one.
    pub fn lease(&mut self, seq: Seq, now: Timestamp) -> bool {
        if !self.may_enter(By::Lease, DeliveryState::Sending) || self.last_seq.is_some_and(|last| last >= seq) {
            return false;
        }
        if self.state == DeliveryState::Sending {
            // It was leased before and never settled.
            self.lose_sight();
        }
        let record = &mut self.record;
        record.state = DeliveryState::Sending;
        record.attempts = record.attempts.saturating_add(1);
        record.first_attempt_at = record.first_attempt_at.or(Some(now));
        record.taken_seq = record.taken_seq.or(Some(seq));
        record.last_seq = Some(seq);
        true
    }

    /// The attempt was never made. Its number stays taken: a number is never given twice.
    pub fn give_back(&mut self) -> bool {
        if self.state != DeliveryState::Sending {
            return false;
        }
        let record = &mut self.record;
        record.state = DeliveryState::Queued;
        record.attempts = record.attempts.saturating_sub(1);
        record.first_attempt_at = record.first_attempt_at.filter(|_| record.attempts > 0);
        record.taken_seq = record.taken_seq.filter(|taken| Some(*taken) != record.last_seq);
        true
    }

    /// Writes what an attempt came to, and which attempt Refairn took, or may have taken. False when it is not on its way.
    pub fn settle(&mut self, settlement: Settlement, now: Timestamp) -> bool {
        if self.state != DeliveryState::Sending {
            return false;
        }
        // Of an attempt that ended under a lost lease Refairn said that it took the call: nothing else can come of it.
        let (settlement, taken) = match self.record.receipt.take() {
            Some(receipt) => (Settlement::Delivered(receipt), self.taken_seq),
            None => (settlement, self.last_seq),
        };
        self.end_attempt(settlement, now);
        if self.state == DeliveryState::Delivered {
            self.record.taken_seq = taken;
        } else if !self.state.is_acknowledged() && !self.outcome_unknown {
            self.record.taken_seq = None;
        }
        true
    }

    /// Keeps the receipt of the attempt `seq`, whose lease was lost: Refairn has the call. Under somebody's lease it is
    /// theirs to settle; otherwise it is delivered now. False when a receipt is there already.
    pub fn keep_receipt(&mut self, receipt: Receipt, seq: Seq, now: Timestamp) -> bool {
        if self.receipt.is_some() {
            return false;
        }
        self.record.taken_seq = Some(seq);
        self.record.outcome_unknown = true;
        if self.may_enter(By::Receipt, DeliveryState::Delivered) {
            self.end_attempt(Settlement::Delivered(receipt), now);
        } else {
            self.record.receipt = Some(receipt);
        }
        true
    }

    fn end_attempt(&mut self, settlement: Settlement, now: Timestamp) {
        let record = &mut self.record;
        record.attention = false;
        record.acknowledged = false;
        record.detail = None;
        match settlement {
            Settlement::Delivered(receipt) => {
                record.state = DeliveryState::Delivered;
                record.reason = None;
                record.receipt = Some(receipt);
                record.settled_at = Some(now);
            }
            Settlement::Duplicate => {
                record.state = DeliveryState::Duplicate;
                record.reason = Some(DeliveryReason::AlreadyAtRefairn);
                record.settled_at = Some(now);
            }
            Settlement::Rejected(reason, detail) => self.reject(reason, detail, now),
            Settlement::Retry { wait, outcome_unknown, detail } => {
                record.state = DeliveryState::Queued;
                record.reason = Some(DeliveryReason::Retrying);
                record.detail = Some(detail);
                record.waited = record.waited.saturating_add(wait);
                if outcome_unknown {
                    self.lose_sight();
                }
                self.wait_until(now.checked_add(wait).unwrap_or(Timestamp::MAX), now);
            }
            Settlement::PauseRoute(detail) => {
                record.state = DeliveryState::Queued;
                record.reason = Some(DeliveryReason::RoutePaused);
                record.detail = Some(detail);
                self.wait_until(now, now);
            }
        }
    }

    fn reject(&mut self, reason: DeliveryReason, detail: String, now: Timestamp) {
        let record = &mut self.record;
        record.state = DeliveryState::Rejected;
        record.reason = Some(reason);
        record.detail = Some(detail);
        record.attention = true;
        record.settled_at = Some(now);
        if reason == DeliveryReason::InternalError {
            // It is we who failed.
            self.lose_sight();
        } else {
            // That Refairn has something of that day does not say what; any other word of its is final.
            record.outcome_unknown &= matches!(reason, DeliveryReason::GivenUp | DeliveryReason::DaySlotTaken);
        }
    }

    /// Nobody knows whether Refairn has it. From now on its body stays as it is; a person's word of before, that let it go,
    /// was about something else.
    const fn lose_sight(&mut self) {
        self.record.released &= self.record.outcome_unknown;
        self.record.outcome_unknown = true;
    }

    /// It may go out at `due_at`, as is decided now.
    fn wait_until(&mut self, due_at: Timestamp, now: Timestamp) {
        if self.record.due_at != due_at {
            self.record.due_at = due_at;
            self.record.waits_from = now;
        }
    }

    /// Moves it to a state for a reason, if the table lists that.
    fn stand(&mut self, by: By, state: DeliveryState, reason: Option<DeliveryReason>) -> bool {
        let may = self.may_enter(by, state);
        if may {
            self.record.state = state;
            self.record.reason = reason;
        }
        may
    }

    /// The table lists it, or it stays where it is.
    fn may_enter(&self, by: By, state: DeliveryState) -> bool {
        let stays = self.state == state && by != By::Lease;
        stays || is_listed(by, self.state, state)
    }
}

#[cfg(test)]
mod tests;
