//! Named points at which a test ends the process in an instant, as a kill or a power cut would: nothing is unwound,
//! flushed or said. Or a point panics, or hangs, as a defect of ours would. Without the feature `crash-points` they are
//! nothing, and a release build with it does not compile.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("the feature crash-points is for tests: a released bridge must not know how to end itself");

/// Where the process may end. Each is passed at one place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A webhook is read and verified, and not yet recorded.
    Verified,
    /// An event is committed, and not yet answered.
    Recorded,
    /// An event is about to be read.
    Reading,
    /// Events are read, and nothing of it is written.
    Mapped,
    /// The facts of some events are written and their calls are not, inside the transaction.
    Posting,
    /// The calls of a customer are about to be worked out, inside the transaction.
    Planning,
    /// A provider is about to be asked.
    Asking,
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

/// A task is in the middle of a step; it ends, panics or hangs there if that was ordered.
#[cfg(not(feature = "crash-points"))]
pub const fn at_work(_: &str) {}

/// How long is waited before something counts as stalled: less when a hang was ordered, for a test has no minutes.
#[cfg(not(feature = "crash-points"))]
#[must_use]
pub const fn shortened(longest: std::time::Duration) -> std::time::Duration {
    longest
}

/// Does `work`, and ends the process in the middle of it if that was ordered.
#[cfg(not(feature = "crash-points"))]
pub fn during<T>(_: Point, work: impl FnOnce() -> T) -> T {
    work()
}

/// Whether what is remembered is compared with what is stored: costly, and for tests.
#[cfg(any(test, feature = "crash-points"))]
static DISTRUSTS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(cfg!(test));

/// From now on what is remembered is compared with what is stored.
#[cfg(any(test, feature = "crash-points"))]
pub fn distrust() {
    DISTRUSTS.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// Whether it is.
#[cfg(any(test, feature = "crash-points"))]
pub(crate) fn distrusts() -> bool {
    DISTRUSTS.load(std::sync::atomic::Ordering::Relaxed)
}

/// Ends the program at what can never be: a panic would be caught, and what it is about tried again.
#[cfg(any(test, feature = "crash-points"))]
pub(crate) fn impossible(what: &str) -> ! {
    let _ = std::panic::catch_unwind(|| panic!("{what}"));
    std::process::abort();
}

#[cfg(feature = "crash-points")]
pub use ordered::{Order, arm, at_work, during, here, shortened};

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
    /// When a hang is ordered, half a minute becomes a second.
    const HASTE: u32 = 30;
    /// How the name of a task begins in an order.
    const TASK: &str = "task/";

    static ORDER: OnceLock<(Order, AtomicU32)> = OnceLock::new();

    impl Point {
        /// Every point.
        pub const ALL: &[Self] = &[
            Self::Verified,
            Self::Recorded,
            Self::Reading,
            Self::Mapped,
            Self::Posting,
            Self::Planning,
            Self::Asking,
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
                Self::Reading => "reading",
                Self::Mapped => "mapped",
                Self::Posting => "posting",
                Self::Planning => "planning",
                Self::Asking => "asking",
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

    /// Where an order is carried out.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Place {
        At(Point),
        /// In the middle of a step of the task of this name.
        Task(String),
    }

    /// What is to happen.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum End {
        /// The process ends in an instant.
        Process,
        Panic,
        /// The thread goes on no more.
        Hang,
    }

    /// What is to happen at a place, when it is passed for the n-th time. Written `POINT:N`, `POINT:N:panic` or
    /// `POINT:N:hang`; the point may be `task/NAME`.
    #[derive(Debug, Clone)]
    pub struct Order {
        place: Place,
        passing: u32,
        end: End,
    }

    impl FromStr for Order {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            let mut parts = text.split(':');
            let name = parts.next().unwrap_or_default();
            let place = match name.strip_prefix(TASK) {
                Some(task) => Place::Task(task.to_owned()),
                None => {
                    Place::At(Point::ALL.iter().copied().find(|p| p.name() == name).ok_or("there is no such point")?)
                }
            };
            let passing = parts.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            let passing = passing.ok_or("write POINT:N, N being a number from 1 on")?;
            let end = match parts.next() {
                None => End::Process,
                Some("panic") => End::Panic,
                Some("hang") => End::Hang,
                Some(_) => return Err("what is to happen is panic, hang, or the process's end".to_owned()),
            };
            Ok(Self { place, passing, end })
        }
    }

    /// Takes the process's one order; a second one is not heard.
    pub fn arm(order: Order) {
        let left = AtomicU32::new(order.passing);
        let _ = ORDER.set((order, left));
    }

    /// What was ordered for this place, when it is due.
    fn due(is_place: impl FnOnce(&Place) -> bool) -> Option<End> {
        let (order, left) = ORDER.get()?;
        // Counted down to zero and no further: a number that wraps would be met again.
        let is_due = is_place(&order.place)
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) == Ok(1);
        is_due.then_some(order.end)
    }

    fn happen(end: End) {
        match end {
            End::Process => std::process::abort(),
            End::Panic => panic!("as ordered"),
            End::Hang => {
                let hang = || loop {
                    std::thread::park();
                };
                // What hangs does not keep others from the runtime's threads.
                let runtime = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
                match runtime {
                    Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(hang),
                    Ok(_) | Err(_) => hang(),
                }
            }
        }
    }

    /// Does here what was ordered for this point.
    pub fn here(point: Point) {
        if let Some(end) = due(|place| *place == Place::At(point)) {
            happen(end);
        }
    }

    /// Does here what was ordered for this task.
    pub fn at_work(task: &str) {
        if let Some(end) = due(|place| matches!(place, Place::Task(name) if name == task)) {
            happen(end);
        }
    }

    /// How long is waited before something counts as stalled.
    #[must_use]
    pub fn shortened(longest: Duration) -> Duration {
        let hangs = ORDER.get().is_some_and(|(order, _)| order.end == End::Hang);
        if hangs { longest / HASTE } else { longest }
    }

    /// Does `work`, and ends the process in the middle of it if that was ordered, or else right behind it.
    pub fn during<T>(point: Point, work: impl FnOnce() -> T) -> T {
        let Some(end) = due(|place| *place == Place::At(point)) else { return work() };
        if end != End::Process {
            happen(end);
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
