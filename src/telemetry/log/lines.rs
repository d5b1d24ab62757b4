//! Lines on their way to where they are written. A thread of its own writes them. What finds no room, and what cannot be
//! written, is dropped and counted.
//!
//! The library `tracing-appender` does the like, but bounds lines and not bytes, does not count what could not be
//! written, and at the end prints to standard output when its queue is full: that may block, or panic.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::crash;
use crate::telemetry::events;
use crate::telemetry::metrics::METRICS;

/// Bytes that may wait to be written; as many again are being written.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// A handle on the lines; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// All was written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
}

impl State {
    const fn is_busy(&self) -> bool {
        self.is_writing || !self.waiting.is_empty()
    }
}

impl Lines {
    /// Starts a thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let (writing, mut out) = (lines.clone(), Out { out, cut: false });
        let run = move || loop {
            // It says itself why the process ends: a panic costs the lines at hand, and nothing more.
            let _ = catch_unwind(AssertUnwindSafe(|| writing.write_all_that_comes(&mut out)));
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        Ok(lines)
    }

    /// Adds a line, or drops it when too much is waiting. Does not wait.
    pub(super) fn add(&self, line: &[u8]) {
        let mut state = self.state();
        if state.waiting.len() + line.len() > WAITING_BYTES_MAX {
            drop(state);
            METRICS.log_lines_dropped.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until all is written, for so long at most.
    pub(super) fn flush(&self, longest: Duration) {
        // Whether it is done or the time is over: there is nothing more to do.
        drop(self.0.emptied.wait_timeout_while(self.state(), longest, |state| state.is_busy()));
    }

    fn write_all_that_comes(&self, out: &mut Out<impl Write>) {
        let mut dropped_before = METRICS.log_lines_dropped.get();
        loop {
            let lines = self.next();
            crash::at_work("log");
            let lost = out.write(&lines);
            METRICS.log_lines_dropped.inc_by(lost);
            let dropped = METRICS.log_lines_dropped.get();
            if lost == 0 && dropped > dropped_before {
                events::log_lines_dropped(dropped - dropped_before);
                dropped_before = dropped;
            }
        }
    }

    /// Waits for lines and takes them all.
    fn next(&self) -> Vec<u8> {
        let mut state = self.state();
        state.is_writing = false;
        loop {
            if !state.waiting.is_empty() {
                state.is_writing = true;
                return std::mem::take(&mut state.waiting);
            }
            self.0.emptied.notify_all();
            state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The library writes a line at a time.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where lines are written.
struct Out<W> {
    out: W,
    /// The last line was written in part.
    cut: bool,
}

impl<W: Write> Out<W> {
    /// Writes lines; gives how many of them could not be.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let mut lost = 0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            // What is left of a line that was cut off is not to be taken for the beginning of the next.
            let (mended, _) = if self.cut { self.put(b"\n") } else { (true, 0) };
            self.cut &= !mended;
            let (whole, written) = if mended { self.put(line) } else { (false, 0) };
            if !whole {
                lost += 1;
                self.cut |= written > 0;
            }
        }
        lost
    }

    /// Writes bytes; gives whether it wrote all, and how many.
    fn put(&mut self, bytes: &[u8]) -> (bool, usize) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.out.write(rest) {
                Ok(0) => return (false, written),
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return (false, written),
            }
        }
        (true, written)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes so many bytes, and then none until there is room again.
    struct Disk {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= fits;
            self.text.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_spoils_no_later_line() {
        let mut out = Out { out: Disk { text: Vec::new(), room: 9 }, cut: false };
        assert_eq!(out.write(b"first\nsecond\nthird\n"), 2);
        assert_eq!(out.write(b"fourth\n"), 1);
        out.out.room = 100;
        assert_eq!(out.write(b"fifth\nsixth\n"), 0);
        assert_eq!(String::from_utf8(out.out.text).unwrap(), "first\nsec\nfifth\nsixth\n");
    }

    /// Hands on what is written; each write waits until it is taken.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_keeps_nobody_waiting_and_bounds_what_waits() {
        let (pipe, reader) = mpsc::sync_channel(0);
        let lines = Lines::start(Pipe(pipe)).unwrap();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        let before = METRICS.log_lines_dropped.get();
        for _ in 0..WAITING_BYTES_MAX / line.len() * 3 {
            lines.add(&line);
        }
        let dropped = METRICS.log_lines_dropped.get() - before;
        assert!(dropped >= (WAITING_BYTES_MAX / line.len()) as u64, "{dropped}");
        assert!(lines.state().waiting.len() <= WAITING_BYTES_MAX);
        lines.flush(Duration::from_millis(10));
        assert!(lines.state().is_busy(), "it did not wait for ever");
        std::thread::spawn(move || reader.iter().for_each(drop));
        lines.flush(Duration::from_secs(60));
        assert!(!lines.state().is_busy());
    }
}
