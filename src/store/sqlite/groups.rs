//! Which writes are committed together: those that have come by the time the first of them is written.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Writes that share one commit.
const GROUP_WRITES_MAX: usize = 256;

/// What comes to the writer.
pub(super) enum Order<J> {
    /// A write.
    Write(J),
    /// Empty the log, unless somebody reads from it. Tells whether it is empty.
    EmptyLog(EmptyLog),
    /// Nothing comes after it.
    End,
}

/// Who waits until the log is empty.
pub(super) type EmptyLog = oneshot::Sender<Result<bool, StoreError>>;

/// What has come to the writer and is not written yet.
pub(super) struct Waiting<J> {
    orders: mpsc::Receiver<Order<J>>,
    writes: VecDeque<J>,
    /// At most so many as writes of one commit.
    for_empty_log: Vec<EmptyLog>,
    closed: bool,
}

impl<J> Waiting<J> {
    pub(super) const fn new(orders: mpsc::Receiver<Order<J>>) -> Self {
        Self { orders, writes: VecDeque::new(), for_empty_log: Vec::new(), closed: false }
    }

    /// Waits until there is something to write. False when nothing comes any more.
    pub(super) fn wait(&mut self) -> bool {
        if self.count() == 0 && !self.closed {
            match self.orders.blocking_recv() {
                Some(order) => self.take(order),
                None => self.closed = true,
            }
        }
        while !self.closed && self.count() < GROUP_WRITES_MAX {
            let Ok(order) = self.orders.try_recv() else { break };
            self.take(order);
        }
        self.count() > 0
    }

    /// What is committed together next. What is not asked for stays.
    pub(super) fn group(&mut self) -> impl Iterator<Item = J> + use<'_, J> {
        std::iter::from_fn(|| self.writes.pop_front())
    }

    /// Those who wait until the log is empty.
    pub(super) fn for_empty_log(&mut self) -> Vec<EmptyLog> {
        std::mem::take(&mut self.for_empty_log)
    }

    fn count(&self) -> usize {
        self.writes.len() + self.for_empty_log.len()
    }

    fn take(&mut self, order: Order<J>) {
        match order {
            Order::Write(job) => self.writes.push_back(job),
            Order::EmptyLog(tell) => self.for_empty_log.push(tell),
            Order::End => self.closed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_commit_is_of_more_than_its_limit() {
        let (sender, receiver) = mpsc::channel(1024);
        for n in 0..600 {
            assert!(sender.try_send(Order::Write(n)).is_ok());
        }
        assert!(sender.try_send(Order::End).is_ok());
        let mut waiting = Waiting::new(receiver);
        let mut written = Vec::new();
        while waiting.wait() {
            let group: Vec<_> = waiting.group().collect();
            assert!(!group.is_empty() && group.len() <= GROUP_WRITES_MAX);
            written.extend(group);
        }
        assert_eq!(written, (0..600).collect::<Vec<_>>());
    }
}
