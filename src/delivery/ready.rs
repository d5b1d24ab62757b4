//! Calls that are leased and wait for a free place, one route after the other: one with many does not keep the others
//! waiting.

use std::collections::VecDeque;

use crate::store::Leased;

/// The waiting calls. Each route has its queue, and the queues take turns.
#[derive(Debug, Default)]
pub(super) struct Ready(VecDeque<VecDeque<Leased>>);

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, leased: Leased) {
        let route = |leased: &Leased| (leased.key.business.clone(), leased.delivery.call.product().to_owned());
        let new = route(&leased);
        match self.0.iter_mut().find(|queue| queue.front().is_some_and(|front| route(front) == new)) {
            Some(queue) => queue.push_back(leased),
            None => self.0.push_back(VecDeque::from([leased])),
        }
    }

    /// The next call of the route whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Leased> {
        let mut queue = self.0.pop_front()?;
        let leased = queue.pop_front();
        if !queue.is_empty() {
            self.0.push_back(queue);
        }
        leased
    }
}
