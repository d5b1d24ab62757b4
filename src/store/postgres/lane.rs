//! What comes while others are being written waits, and is written together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::StoreError;

/// Those that may wait in a lane; beyond that webhooks are answered 503.
const WAITING_MAX: usize = 1024;
/// Those that are written together.
const GROUP_MAX: usize = 128;

/// A lane, and who waits in it; cheap to clone.
pub(super) struct Lane<J>(Arc<Mutex<State<J>>>);

struct State<J> {
    waiting: VecDeque<J>,
    is_served: bool,
}

/// Takes what waits in a lane, group by group, until none waits. Then the lane may have another server before this one is
/// dropped.
pub(super) struct Server<J> {
    lane: Lane<J>,
    is_done: bool,
}

impl<J> Lane<J> {
    /// Takes a place. Gives who has to serve the lane from now on, if nobody does.
    ///
    /// # Errors
    /// Too many are waiting.
    pub(super) fn wait(&self, job: J) -> Result<Option<Server<J>>, StoreError> {
        let mut state = self.state();
        if state.waiting.len() >= WAITING_MAX {
            return Err(StoreError::Overloaded);
        }
        state.waiting.push_back(job);
        Ok((!std::mem::replace(&mut state.is_served, true)).then(|| Server { lane: self.clone(), is_done: false }))
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Server<J> {
    /// The next group, as long as the `weight` of all in it is no more than `heaviest`; one goes in any case. Nothing when
    /// none waits: then the lane is not served any more.
    pub(super) fn next(&mut self, heaviest: usize, weight: impl Fn(&J) -> usize) -> Option<Vec<J>> {
        let mut state = self.lane.state();
        let (mut group, mut sum) = (Vec::new(), 0_usize);
        while group.len() < GROUP_MAX
            && let Some(job) = state.waiting.pop_front_if(|job| {
                sum = sum.saturating_add(weight(job));
                group.is_empty() || sum <= heaviest
            })
        {
            group.push(job);
        }
        self.is_done = group.is_empty();
        state.is_served = !self.is_done;
        state.is_served.then_some(group)
    }
}

impl<J> Drop for Server<J> {
    fn drop(&mut self) {
        if !self.is_done {
            // It panicked. The callers get an error that says so, and come again.
            let mut state = self.lane.state();
            state.is_served = false;
            state.waiting.clear();
        }
    }
}

impl<J> Clone for Lane<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J> Default for Lane<J> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { waiting: VecDeque::new(), is_served: false })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_serves_a_lane_and_groups_are_no_heavier_than_they_may_be() {
        let lane = Lane::default();
        let mut server = lane.wait(1_usize).unwrap().unwrap();
        (2..=GROUP_MAX + 9).for_each(|n| assert!(lane.wait(n).unwrap().is_none()));
        assert_eq!(server.next(6, |n| *n), Some(vec![1, 2, 3]));
        assert_eq!(server.next(3, |n| *n), Some(vec![4]), "what is too heavy goes alone");
        assert_eq!(server.next(usize::MAX, |_| 1).unwrap().len(), GROUP_MAX);
        assert_eq!(server.next(usize::MAX, |_| 1).unwrap().len(), 5);
        assert_eq!(server.next(6, |n| *n), None);
        assert!(lane.wait(1).unwrap().is_some(), "another has to serve it");
    }

    #[test]
    fn what_comes_when_a_server_is_done_stays_with_the_next_one() {
        let lane = Lane::default();
        let mut done = lane.wait(1).unwrap().unwrap();
        assert_eq!(done.next(1, |_| 1), Some(vec![1]));
        assert_eq!(done.next(1, |_| 1), None);
        let mut next = lane.wait(2).unwrap().unwrap();
        drop(done);
        assert_eq!(next.next(1, |_| 1), Some(vec![2]));
    }

    #[test]
    fn what_a_server_leaves_behind_is_told_and_a_full_lane_takes_no_more() {
        let lane = Lane::default();
        let (tell, mut told) = tokio::sync::oneshot::channel::<()>();
        let server = lane.wait(Some(tell)).unwrap().unwrap();
        drop(server);
        assert!(told.try_recv().is_err());
        let server = lane.wait(None).unwrap();
        assert!(server.is_some());
        (1..WAITING_MAX).for_each(|_| assert!(lane.wait(None).is_ok()));
        assert_eq!(lane.wait(None).err(), Some(StoreError::Overloaded));
    }
}
