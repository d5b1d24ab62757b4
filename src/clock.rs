//! Time and chance, as arguments: the process has a system clock, tests drive one by hand.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// Tells the time and waits for it. Cheap to clone; clones of a manual clock share its time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands still until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is handed")]
            // Whole microseconds: what is stored reads back as it was.
            Kind::System => Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or(Timestamp::MAX),
            Kind::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock, and wakes whoever waits for that time. A system clock cannot be moved: nothing happens.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(time) = &self.0 {
            time.send_replace(to);
        }
    }

    /// Waits until `at` is here; at once when it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.0 {
            Kind::System => {
                let left = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
                tokio::time::sleep(left).await;
            }
            Kind::Manual(time) => {
                let mut time = time.subscribe();
                let mut seen = *time.borrow_and_update();
                let mut left = at.duration_since(seen);
                // As with the system's clock, a wait that has begun is no longer because the clock is set back. The
                // sender lives as long as `self`: waiting cannot fail.
                while left.is_positive() && time.changed().await.is_ok() {
                    let now = *time.borrow_and_update();
                    left -= now.duration_since(seen).max(jiff::SignedDuration::ZERO);
                    seen = now;
                }
            }
        }
    }

    /// Waits for a span.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(after(self.now(), span)).await;
    }
}

/// `at` plus `span`; the end of time when that is later than can be told.
#[must_use]
pub fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Whether a wait that lasts no longer than `longest` and was to end at `end` is over. It is, too, if it would end later
/// than one that begins now: then the clock was set back.
#[must_use]
pub fn is_over(end: Timestamp, longest: Duration, now: Timestamp) -> bool {
    end <= now || end > after(now, longest)
}

/// A random share of a thousand, `0..1000`, for jitter.
#[must_use]
pub fn chance_permille() -> u32 {
    rand::random_range(0..1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_those_who_wait_for_its_time() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = clock.clone();
        let nap = async move { sleeper.sleep(Duration::from_secs(60)).await };
        let drive = async {
            clock.set(after(clock.now(), Duration::from_secs(59)));
            tokio::task::yield_now().await;
            clock.set(after(clock.now(), Duration::from_secs(1)));
        };
        tokio::join!(nap, drive);
        assert_eq!(clock.now(), after(Timestamp::UNIX_EPOCH, Duration::from_secs(60)));
    }

    #[test]
    fn a_wait_is_over_at_its_end_and_when_the_clock_was_set_back() {
        let (end, longest) = (after(Timestamp::UNIX_EPOCH, Duration::from_secs(7200)), Duration::from_secs(30));
        let check = |at, over: bool| {
            assert_eq!(is_over(end, longest, after(Timestamp::UNIX_EPOCH, Duration::from_secs(at))), over, "{at}");
        };
        check(7200, true);
        check(7199, false);
        check(7170, false);
        check(7169, true);
        check(0, true);
    }
}
