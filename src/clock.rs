//! Time and chance, as arguments. The process has its machine's clock, and one that follows a database's; tests drive
//! one by hand.
//!
//! Any clock may be set while we look at it. So each has two hands: the time that is told, [`Clock::now`], and the time
//! that passes, which nobody can set. What waits looks at both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// How long nobody sleeps without a look at the clock: it may have been set forward, or the machine have slept.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What was told so little later than now is of now: several look at one clock, and one at several.
pub const SLACK: Duration = Duration::from_secs(1);
/// Looks at two clocks that are too far apart to be of one moment are tried again so often.
const READINGS_MAX: u32 = 10;
/// How far they may be apart.
const ONE_MOMENT: Duration = Duration::from_millis(10);

/// Tells the time and waits for it. Cheap to clone; clones share their time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// The machine's clock.
    System,
    /// Another machine's, as far as it is known here.
    Following(Arc<Following>),
    /// Nobody's: it stands still until it is moved.
    Manual(Arc<watch::Sender<Reading>>),
}

/// It goes by the steady time of this machine, and is put right by what it is told.
#[derive(Debug)]
struct Following {
    start: Instant,
    /// What it told at `start`, microseconds since 1970.
    start_micros: AtomicI64,
}

/// What a clock tells at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The time, which can be set.
    now: Timestamp,
    /// The time that has passed, since whenever. A manual clock passes it when it is moved forward.
    passed: Duration,
}

impl Reading {
    /// How much further the time went from `earlier` to here than time has passed: by so much the clock was set forward;
    /// back when it is negative. A machine that has slept was set forward, too.
    #[must_use]
    pub fn set_since(&self, earlier: &Self) -> jiff::SignedDuration {
        let passed = jiff::SignedDuration::try_from(self.passed.saturating_sub(earlier.passed));
        self.now.duration_since(earlier.now) - passed.unwrap_or(jiff::SignedDuration::ZERO)
    }
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
        Self(Kind::Manual(Arc::new(watch::Sender::new(Reading { now: start, passed: Duration::ZERO }))))
    }

    /// A clock that follows one which tells `now` at this moment, whatever this machine's is set to later. One that is
    /// driven by hand follows nobody: it stands for every clock there is.
    #[must_use]
    pub fn following(&self, now: Timestamp) -> Self {
        match &self.0 {
            Kind::System | Kind::Following(_) => {
                let (start, start_micros) = (Instant::now(), AtomicI64::new(now.as_microsecond()));
                Self(Kind::Following(Arc::new(Following { start, start_micros })))
            }
            Kind::Manual(_) => self.clone(),
        }
    }

    /// Puts a clock right that follows another, which told `told` at some moment after `asked`. What fits the time that
    /// the answer took changes nothing: the way to and fro does not make a clock go back and forth.
    pub fn heard(&self, told: Timestamp, asked: Timestamp) {
        if let Kind::Following(following) = &self.0 {
            let fits = told.clamp(asked, self.now().max(asked));
            let wrong_by = told.as_microsecond().saturating_sub(fits.as_microsecond());
            following.start_micros.fetch_add(wrong_by, Ordering::Relaxed);
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is handed")]
            // Whole microseconds: what is stored reads back as it was.
            Kind::System => Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or(Timestamp::MAX),
            Kind::Following(following) => following.now(),
            Kind::Manual(time) => time.borrow().now,
        }
    }

    /// Both hands.
    #[must_use]
    pub fn read(&self) -> Reading {
        if let Kind::Manual(time) = &self.0 {
            return *time.borrow();
        }
        let start = process_start();
        let mut reading = Reading { now: self.now(), passed: start.elapsed() };
        for _ in 0..READINGS_MAX {
            let before = start.elapsed();
            reading = Reading { now: self.now(), passed: start.elapsed() };
            if reading.passed.saturating_sub(before) <= ONE_MOMENT {
                break;
            }
        }
        reading
    }

    /// Moves a manual clock, and wakes all that wait for that time. No other clock can be moved: nothing happens.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(time) = &self.0 {
            time.send_modify(|reading| {
                reading.passed += Duration::try_from(to.duration_since(reading.now)).unwrap_or_default();
                reading.now = to;
            });
        }
    }

    /// Waits until `at` is here; at once when it has passed. A wait that has begun is no longer because the clock is set
    /// back, and hardly longer than it is right when it is set forward.
    pub async fn sleep_until(&self, at: Timestamp) {
        let begun = self.read();
        let longest = Duration::try_from(at.duration_since(begun.now)).unwrap_or_default();
        self.wait_while(|read| {
            let left = longest.saturating_sub(read.passed.saturating_sub(begun.passed));
            if read.now >= at { Duration::ZERO } else { left }
        })
        .await;
    }

    /// Waits for a span to pass, whatever the clock is set to meanwhile.
    pub async fn pass(&self, span: Duration) {
        let begun = self.read();
        self.wait_while(|read| span.saturating_sub(read.passed.saturating_sub(begun.passed))).await;
    }

    /// Waits for a span.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(after(self.now(), span)).await;
    }

    /// Waits until nothing is left.
    async fn wait_while(&self, left: impl Fn(Reading) -> Duration) {
        match &self.0 {
            Kind::System | Kind::Following(_) => loop {
                let left = left(self.read());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_EVERY)).await;
            },
            Kind::Manual(time) => {
                let mut time = time.subscribe();
                // The sender lives as long as `self`: waiting cannot fail.
                while !left(*time.borrow_and_update()).is_zero() && time.changed().await.is_ok() {}
            }
        }
    }
}

impl Following {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        let micros = self.start_micros.load(Ordering::Relaxed).saturating_add(passed);
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }
}

/// A moment that steady time is counted from.
fn process_start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// A wait, by one clock: from when it was decided to its end. Clocks are set back; so an end alone does not tell whether
/// it is hours away because somebody is to wait for hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    from: Timestamp,
    until: Timestamp,
}

impl Wait {
    /// A wait that begins now.
    #[must_use]
    pub fn new(now: Timestamp, span: Duration) -> Self {
        Self { from: now, until: after(now, span) }
    }

    /// When it is over.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether it is over: at its end, or when it would only begin later than now.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now || is_ahead(self.from, now)
    }
}

/// Whether `at` was told by a clock that was ahead of the one that tells `now`, or was set back since.
#[must_use]
pub fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    at > after(now, SLACK)
}

/// `at` plus `span`; the end of time when that is later than can be told.
#[must_use]
pub fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A random share of a thousand, `0..1000`, for jitter.
#[must_use]
pub fn chance_permille() -> u32 {
    rand::random_range(0..1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(n))
    }

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
        assert_eq!(clock.now(), second(60));
    }

    #[test]
    fn a_wait_is_over_at_its_end_and_when_it_would_only_begin() {
        let wait = Wait::new(second(7200), Duration::from_secs(30));
        let check = |at, over: bool| assert_eq!(wait.is_over(second(at)), over, "{at}");
        check(7230, true);
        check(7229, false);
        check(7200, false);
        check(7199, false);
        check(7198, true);
        check(0, true);
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_time_that_passes() {
        let clock = Clock::manual(second(1000));
        let before = clock.read();
        clock.set(second(1600));
        assert_eq!(clock.read().set_since(&before).as_secs(), 0);
        clock.set(second(100));
        assert_eq!(clock.read().set_since(&before).as_secs(), -1500);
        let machine = Clock::system();
        let before = machine.read();
        assert_eq!(machine.read().set_since(&before).as_secs(), 0);
    }

    #[test]
    fn a_following_clock_goes_by_what_it_is_told_and_not_by_how_long_the_answer_took() {
        let clock = Clock::system().following(second(1000));
        let off = |from: u64| clock.now().duration_since(second(from)).as_secs();
        assert_eq!(off(1000), 0);
        // An answer that took three seconds: anything in between fits.
        let asked = after(clock.now(), Duration::ZERO) - Duration::from_secs(3);
        for told in [998, 1000] {
            clock.heard(second(told), asked);
            assert_eq!(off(1000), 0, "{told}");
        }
        let before = clock.read();
        clock.heard(second(4600), clock.now());
        assert_eq!(off(4600), 0);
        assert!((3599..=3600).contains(&clock.read().set_since(&before).as_secs()));
        clock.heard(second(1000), clock.now());
        assert_eq!(off(1000), 0);
        // One that is driven by hand is everybody's.
        let hand = Clock::manual(second(7));
        hand.following(second(1000)).set(second(8));
        assert_eq!(hand.now(), second(8));
    }

    #[tokio::test]
    async fn time_that_passes_is_waited_for_whatever_the_clock_is_set_to() {
        let clock = Clock::manual(second(100_000));
        let (sleeper, steady) = (clock.clone(), clock.clone());
        let until = async move { sleeper.sleep_until(second(100_060)).await };
        let pass = async move {
            steady.pass(Duration::from_secs(60)).await;
            steady.now()
        };
        let drive = async {
            tokio::task::yield_now().await;
            clock.set(second(10));
            tokio::task::yield_now().await;
            clock.set(second(69));
            tokio::task::yield_now().await;
            clock.set(second(70));
        };
        let ((), passed_at, ()) = tokio::join!(until, pass, drive);
        assert_eq!(passed_at, second(70));
    }
}
