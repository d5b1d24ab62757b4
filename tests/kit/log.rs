//! Everything the bridge logs in this process, at the finest level: no secret, no e-mail and no body may be in it.

use std::io::Write;
use std::sync::{Mutex, Once};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static START: Once = Once::new();

struct Tap;

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts to capture; once for all tests of the process.
pub fn capture() {
    START.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new("debug,refairn_bridge=trace");
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Tap);
        log.try_init().expect("the first subscriber of this process");
    });
}

/// All that has been logged so far.
pub fn text() -> String {
    String::from_utf8_lossy(&LOG.lock().expect("unpoisoned")).into_owned()
}

/// The first line that holds `text`.
pub fn line_with(text: &str) -> Option<String> {
    let log = self::text();
    log.lines().find(|line| line.contains(text)).map(str::to_owned)
}
