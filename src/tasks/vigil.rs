//! How a task shows that it goes on, and what is said of one that does not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::crash;

/// How often the vigil looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest that one turn of a task may take: its reads and writes, each of which has a limit of its own, and its rest.
pub const TURN_MAX: Duration = Duration::from_secs(360);
/// The longest that a task rests before it looks for work that nobody told it of.
const REST_MAX: Duration = Duration::from_secs(60);

/// What ended, or goes on no longer, although the process cannot do without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What the log calls it.
    pub task: &'static str,
    /// What became of it.
    pub how: How,
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It ended, and nobody had asked it to.
    Ended,
    /// It ended by a panic.
    Panicked,
    /// It takes longer for a step than that can take.
    Stalled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Ended => "ended, and nobody had asked it to",
            How::Panicked => "ended by a panic",
            How::Stalled => "has stalled",
        };
        write!(f, "the task {} {how}", self.task)
    }
}

/// By what a task shows that it goes on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse {
    name: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    ended: Option<How>,
    next: u64,
    /// The steps under way.
    steps: BTreeMap<u64, Open>,
}

/// A step under way. Its watcher counts its time: while the whole process stands still, or the clock is set,
/// it does not pass.
#[derive(Debug)]
struct Open {
    took: Duration,
    longest: Duration,
}

impl Pulse {
    /// The pulse of something that begins now.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, state: Arc::default() }
    }

    /// Begins a step that can take no more than `longest`. It is over when what this gives is dropped.
    #[must_use = "the step is over when this is dropped"]
    pub fn step(&self, longest: Duration) -> Step {
        let step = {
            let mut state = self.state();
            state.next += 1;
            let n = state.next;
            state.steps.insert(n, Open { took: Duration::ZERO, longest: crash::shortened(longest) });
            Step { pulse: self.clone(), n }
        };
        crash::at_work(self.name);
        step
    }

    /// Waits as long as a task may rest that nobody wakes. A word that was missed then costs time and nothing else.
    pub async fn rest(&self) {
        tokio::time::sleep(crash::shortened(REST_MAX)).await;
    }

    /// It does not go on. A task that was told to stop does not say so.
    pub fn ended(&self, panicked: bool) {
        self.state().ended = Some(if panicked { How::Panicked } else { How::Ended });
    }

    /// Lets time pass for the steps under way; tells if one takes too long, or there will be none any more.
    pub(super) fn look(&self, passed: Duration) -> Option<Failure> {
        let mut state = self.state();
        let mut stalled = false;
        for step in state.steps.values_mut() {
            step.took += passed;
            stalled |= step.took > step.longest;
        }
        let how = state.ended.or_else(|| stalled.then_some(How::Stalled))?;
        Some(Failure { task: self.name, how })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step under way.
#[derive(Debug)]
pub struct Step {
    pulse: Pulse,
    n: u64,
}

impl Drop for Step {
    fn drop(&mut self) {
        self.pulse.state().steps.remove(&self.n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_take_its_time_and_no_more() {
        let (pulse, second) = (Pulse::new("worker"), Duration::from_secs(1));
        let stalled = Some(Failure { task: "worker", how: How::Stalled });
        for _ in 0..100 {
            assert_eq!(pulse.look(second), None, "it rests");
        }
        let (long, short) = (pulse.step(second * 4), pulse.step(second * 2));
        let looks = [None, None, stalled].map(|expected| (pulse.look(second), expected));
        assert!(looks.iter().all(|(seen, expected)| seen == expected), "{looks:?}");
        drop(short);
        assert_eq!(pulse.look(second), None);
        assert_eq!(pulse.look(second), stalled);
        drop(long);
        assert_eq!(pulse.look(second), None);
        let failure = Failure { task: "worker", how: How::Stalled };
        assert_eq!(failure.to_string(), "the task worker has stalled");
    }
}
