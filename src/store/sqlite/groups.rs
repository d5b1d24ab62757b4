//! Which writes are committed together: others for a moment, and then the records that have come by then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Writes that share one commit.
const GROUP_WRITES_MAX: usize = 256;
/// How long a group goes on with other writes before it takes the records that have come meanwhile, and is committed.
const OTHER_WRITES_WAIT_MAX: Duration = Duration::from_millis(3);

/// What comes to the writer.
pub(super) enum Order<J> {
    /// A write, and whether somebody waits outside for it.
    Write(J, Urgency),
    /// Empty the log, unless somebody reads from it. Tells whether it is empty.
    EmptyLog(EmptyLog),
    /// Nothing comes after it.
    End,
}

/// Who waits until the log is empty.
pub(super) type EmptyLog = oneshot::Sender<Result<bool, StoreError>>;

/// Whether a write is a webhook's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    Record,
    Other,
}

/// What has come to the writer and is not written yet.
pub(super) struct Waiting<J> {
    orders: mpsc::Receiver<Order<J>>,
    records: VecDeque<J>,
    others: VecDeque<J>,
    /// At most so many as writes of one commit.
    for_empty_log: Vec<EmptyLog>,
    closed: bool,
}

impl<J> Waiting<J> {
    pub(super) const fn new(orders: mpsc::Receiver<Order<J>>) -> Self {
        Self { orders, records: VecDeque::new(), others: VecDeque::new(), for_empty_log: Vec::new(), closed: false }
    }

    /// Waits until there is something to write. False when nothing comes any more.
    pub(super) fn wait(&mut self) -> bool {
        if self.is_empty() && !self.closed {
            match self.orders.blocking_recv() {
                Some(order) => self.take(order),
                None => self.closed = true,
            }
        }
        self.look();
        !self.is_empty()
    }

    /// What is committed together next.
    pub(super) fn group(&mut self) -> Group<'_, J> {
        Group { waiting: self, begun: None, taken: 0, takes_records: false }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.others.is_empty() && self.for_empty_log.is_empty()
    }

    fn count(&self) -> usize {
        self.records.len() + self.others.len() + self.for_empty_log.len()
    }

    /// Those who wait until the log is empty.
    pub(super) fn for_empty_log(&mut self) -> Vec<EmptyLog> {
        std::mem::take(&mut self.for_empty_log)
    }

    /// Takes what has come meanwhile.
    fn look(&mut self) {
        while !self.closed && self.count() < GROUP_WRITES_MAX {
            let Ok(order) = self.orders.try_recv() else { break };
            self.take(order);
        }
    }

    fn take(&mut self, order: Order<J>) {
        match order {
            Order::Write(job, Urgency::Record) => self.records.push_back(job),
            Order::Write(job, Urgency::Other) => self.others.push_back(job),
            Order::EmptyLog(tell) => self.for_empty_log.push(tell),
            Order::End => self.closed = true,
        }
    }
}

/// The writes of one commit, as each is asked for when the one before it is done.
pub(super) struct Group<'a, J> {
    waiting: &'a mut Waiting<J>,
    /// When the first one was asked for: to begin a transaction may take longer than the others may.
    begun: Option<Instant>,
    taken: usize,
    takes_records: bool,
}

impl<J> Iterator for Group<'_, J> {
    type Item = J;

    fn next(&mut self) -> Option<J> {
        if self.taken >= GROUP_WRITES_MAX {
            return None;
        }
        self.taken += 1;
        let begun = *self.begun.get_or_insert_with(Instant::now);
        if !self.takes_records && begun.elapsed() < OTHER_WRITES_WAIT_MAX {
            let other = self.waiting.others.pop_front();
            if other.is_some() {
                return other;
            }
        }
        if !self.takes_records {
            self.takes_records = true;
            self.waiting.look();
        }
        self.waiting.records.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(orders: &[(u32, Urgency)]) -> (mpsc::Sender<Order<u32>>, Waiting<u32>) {
        let (sender, receiver) = mpsc::channel(1024);
        for (n, urgency) in orders {
            assert!(sender.try_send(Order::Write(*n, *urgency)).is_ok());
        }
        (sender, Waiting::new(receiver))
    }

    #[test]
    fn records_share_the_commit_of_a_moments_other_writes() {
        use Urgency::{Other, Record};
        let (sender, mut waiting) = waiting(&[(1, Other), (2, Record), (3, Other)]);
        assert!(waiting.wait());
        let mut group = waiting.group();
        assert_eq!((group.next(), group.next()), (Some(1), Some(3)));
        // It came while the others were written.
        assert!(sender.try_send(Order::Write(4, Record)).is_ok());
        assert_eq!(group.collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn records_do_not_wait_until_all_others_are_written() {
        use Urgency::{Other, Record};
        let (sender, mut waiting) = waiting(&[(1, Other), (2, Other), (3, Record)]);
        assert!(waiting.wait());
        let mut group = waiting.group();
        assert_eq!(group.next(), Some(1));
        group.begun = group.begun.map(|begun| begun - OTHER_WRITES_WAIT_MAX);
        assert_eq!(group.collect::<Vec<_>>(), [3]);
        assert!(sender.try_send(Order::End).is_ok());
        assert!(waiting.wait());
        assert_eq!(waiting.group().collect::<Vec<_>>(), [2]);
        assert!(!waiting.wait());
    }

    #[test]
    fn no_commit_is_of_more_than_its_limit() {
        let all: Vec<_> = (0..600).map(|n| (n, if n % 3 == 0 { Urgency::Other } else { Urgency::Record })).collect();
        let (sender, mut waiting) = waiting(&all);
        drop(sender);
        let mut written = Vec::new();
        while waiting.wait() {
            let group: Vec<_> = waiting.group().collect();
            assert!(!group.is_empty() && group.len() <= GROUP_WRITES_MAX);
            written.extend(group);
        }
        written.sort_unstable();
        assert_eq!(written, (0..600).collect::<Vec<_>>());
    }
}
