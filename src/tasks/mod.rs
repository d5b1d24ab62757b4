//! The one place that spawns: every task is tracked, and told when to stop. A task that the process cannot do without
//! has a name and a [`Pulse`]; when it ends unasked, or stalls, [`Tasks::failed`] tells.

mod vigil;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use vigil::{Failure, How, Pulse, Step, TURN_MAX};

/// The process's background tasks.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    shared: Arc<Shared>,
}

/// What all handles know.
#[derive(Debug, Default)]
struct Shared {
    /// What is watched.
    pulses: Mutex<Vec<Pulse>>,
    /// What failed first.
    failure: OnceLock<Failure>,
    failed: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task until it ends by itself; it should watch [`Tasks::stopping`].
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Runs a task that the process cannot do without: one that ends before it is told to stop has failed.
    pub fn spawn_vital<F, T>(&self, name: &'static str, task: F)
    where
        F: FnOnce(Pulse) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let pulse = Pulse::new(name);
        self.watch(pulse.clone());
        let (task, stop) = (task(pulse.clone()), self.stop.clone());
        self.tracker.spawn(async move {
            let done = AssertUnwindSafe(task).catch_unwind().await;
            if !stop.is_cancelled() {
                pulse.ended(done.is_err());
            }
        });
    }

    /// Watches over something that runs elsewhere, such as a thread.
    pub fn watch(&self, pulse: Pulse) {
        self.shared.pulses.lock().unwrap_or_else(PoisonError::into_inner).push(pulse);
    }

    /// Begins to look, on a thread of its own, whether what is watched still goes on: until the tasks are to stop.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn begin_vigil(&self) -> std::io::Result<()> {
        let (shared, stop) = (Arc::downgrade(&self.shared), self.stop.clone());
        let keep = move || {
            while let Some(shared) = shared.upgrade().filter(|shared| !stop.is_cancelled() && !shared.has_failed()) {
                shared.look();
                drop(shared);
                std::thread::sleep(vigil::LOOK_EVERY);
            }
        };
        std::thread::Builder::new().name("vigil".to_owned()).spawn(keep)?;
        Ok(())
    }

    /// What failed, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.shared.failure.get().copied()
    }

    /// Waits until something fails that the process cannot do without; perhaps for ever.
    pub async fn failed(&self) -> Failure {
        loop {
            self.shared.failed.cancelled().await;
            // It is written before it is told.
            if let Some(failure) = self.failure() {
                return failure;
            }
        }
    }

    /// Done when the tasks are to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks every task to stop and waits for them, at most for `grace`. True when all have ended.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

impl Shared {
    fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Looks once at all that is watched.
    fn look(&self) {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failures = pulses.iter().filter_map(|pulse| pulse.look(vigil::LOOK_EVERY));
        // What ended is the cause of what stalls since.
        if let Some(failure) = failures.min_by_key(|failure| failure.how == How::Stalled) {
            let _ = self.failure.set(failure);
            self.failed.cancel();
        }
    }
}

/// Runs what takes a processor for a while off the asynchronous threads. A panic goes on here; where the process ends
/// meanwhile, nothing comes.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failure is seen within this time, or never.
    const SEEN_WITHIN: Duration = Duration::from_secs(30);

    async fn fails_as(tasks: &Tasks, task: &str, how: How) {
        let failure = tokio::time::timeout(SEEN_WITHIN, tasks.failed()).await.expect("a failure");
        assert_eq!((failure.task, failure.how), (task, how));
        assert_eq!(tasks.failure(), Some(failure));
    }

    #[tokio::test]
    async fn a_vital_task_that_ends_or_panics_unasked_has_failed() {
        let tasks = Tasks::new();
        tasks.begin_vigil().unwrap();
        tasks.spawn_vital("good", |_| std::future::pending());
        tasks.spawn_vital("weary", |_| async {});
        fails_as(&tasks, "weary", How::Ended).await;
        let tasks = Tasks::new();
        tasks.begin_vigil().unwrap();
        tasks.spawn_vital("hasty", |_| async { panic!("on purpose") });
        fails_as(&tasks, "hasty", How::Panicked).await;
    }

    #[tokio::test]
    async fn what_ends_when_it_is_told_to_has_not_failed() {
        let tasks = Tasks::new();
        tasks.begin_vigil().unwrap();
        let stop = tasks.stopping();
        tasks.spawn_vital("good", |_| async move { stop.cancelled().await });
        tasks.spawn(async {});
        assert!(tasks.stop(SEEN_WITHIN).await);
        tasks.shared.look();
        assert_eq!(tasks.failure(), None);
    }

    #[tokio::test]
    async fn a_step_that_does_not_end_is_a_stall_even_if_it_blocks_the_whole_runtime() {
        let tasks = Tasks::new();
        tasks.begin_vigil().unwrap();
        let seen = tasks.clone();
        tasks.spawn_vital("stuck", |pulse| async move {
            let _step = pulse.step(Duration::from_secs(1));
            let begun = std::time::Instant::now();
            while seen.failure().is_none() && begun.elapsed() < SEEN_WITHIN {
                std::thread::yield_now();
            }
        });
        fails_as(&tasks, "stuck", How::Stalled).await;
    }
}
