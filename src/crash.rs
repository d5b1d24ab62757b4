//! Named points at which a test ends the process in an instant, as a kill or a power cut would: nothing is unwound,
//! flushed or said. Without the feature `crash-points` they are nothing, and a release build with it does not compile.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("the feature crash-points is for tests: a released bridge must not know how to end itself");

/// Where the process may end. Each is passed at one place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A webhook is read and verified, and not yet recorded.
    Verified,
    /// An event is committed, and not yet answered.
    Recorded,
    /// Events are read, and nothing of it is written.
    Mapped,
    /// The facts of some events are written and their calls are not, inside the transaction.
    Posting,
    /// A call is leased, and not yet sent.
    Leased,
    /// Refairn has answered, and we have not noted it.
    Sent,
    /// What became of a call is written and what follows is not, inside the transaction.
    Settling,
    /// What became of a call is committed.
    Settled,
    /// A migration has run, and is not committed.
    Migrating,
    /// The log is being copied into the database.
    Checkpointing,
    /// A clean stop: passed when it begins, when servers and workers have ended, and when the store is closed.
    Stopping,
}

/// Ends the process here if that was ordered; otherwise it is nothing.
#[cfg(not(feature = "crash-points"))]
pub const fn here(_: Point) {}

/// Does `work`, and ends the process in the middle of it if that was ordered.
#[cfg(not(feature = "crash-points"))]
pub fn during<T>(_: Point, work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(feature = "crash-points")]
pub use ordered::{Order, arm, during, here};

#[cfg(feature = "crash-points")]
mod ordered {
    //! The one order that a process may be given, and its execution.

    use std::str::FromStr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::Point;

    /// Work that is cut is cut within this time, milliseconds: as long as a checkpoint of a full log takes.
    const CUT_WITHIN_MS: std::ops::Range<u64> = 0..4;

    static ORDER: OnceLock<(Point, AtomicU32)> = OnceLock::new();

    impl Point {
        /// Every point.
        pub const ALL: &[Self] = &[
            Self::Verified,
            Self::Recorded,
            Self::Mapped,
            Self::Posting,
            Self::Leased,
            Self::Sent,
            Self::Settling,
            Self::Settled,
            Self::Migrating,
            Self::Checkpointing,
            Self::Stopping,
        ];

        /// Its name in an order.
        #[must_use]
        pub const fn name(self) -> &'static str {
            match self {
                Self::Verified => "verified",
                Self::Recorded => "recorded",
                Self::Mapped => "mapped",
                Self::Posting => "posting",
                Self::Leased => "leased",
                Self::Sent => "sent",
                Self::Settling => "settling",
                Self::Settled => "settled",
                Self::Migrating => "migrating",
                Self::Checkpointing => "checkpointing",
                Self::Stopping => "stopping",
            }
        }
    }

    /// End at this point, when it is passed for the n-th time. Written `POINT:N`.
    #[derive(Debug, Clone, Copy)]
    pub struct Order {
        point: Point,
        passing: u32,
    }

    impl FromStr for Order {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            let (name, passing) = text.split_once(':').ok_or("write POINT:N")?;
            let point = Point::ALL.iter().copied().find(|p| p.name() == name).ok_or("there is no such point")?;
            let passing = passing.parse().ok().filter(|n| *n > 0).ok_or("N is a number from 1 on")?;
            Ok(Self { point, passing })
        }
    }

    /// Takes the process's one order; a second one is not heard.
    pub fn arm(order: Order) {
        let _ = ORDER.set((order.point, AtomicU32::new(order.passing)));
    }

    fn is_due(point: Point) -> bool {
        ORDER.get().is_some_and(|(at, left)| *at == point && left.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    /// Ends the process here if that was ordered.
    pub fn here(point: Point) {
        if is_due(point) {
            std::process::abort();
        }
    }

    /// Does `work`, and ends the process in the middle of it if that was ordered, or else right behind it.
    pub fn during<T>(point: Point, work: impl FnOnce() -> T) -> T {
        if !is_due(point) {
            return work();
        }
        // A thread that ends with this call, and the process with it.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(rand::random_range(CUT_WITHIN_MS)));
                std::process::abort();
            });
            work()
        })
    }
}
