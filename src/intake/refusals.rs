//! The requests that were refused last: why does my webhook fail?

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;

use jiff::Timestamp;
use serde::Serialize;

/// How many are kept. They are in memory only: forged traffic must not wear the disk.
const REFUSALS_MAX: usize = 100;

/// One refused request. Nothing of its body is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// At which endpoint.
    pub endpoint: String,
    /// A stable code.
    pub reason: &'static str,
    /// The sender's address.
    pub source: Option<IpAddr>,
    /// The size of its body, bytes.
    pub body_bytes: usize,
}

/// The last refused requests, the newest first.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<VecDeque<Refusal>>);

impl Refusals {
    /// Keeps one more, and forgets the oldest when there are too many.
    pub fn add(&self, refusal: Refusal) {
        if let Ok(mut kept) = self.0.lock() {
            kept.truncate(REFUSALS_MAX - 1);
            kept.push_front(refusal);
        }
    }

    /// What is kept.
    #[must_use]
    pub fn list(&self) -> Vec<Refusal> {
        self.0.lock().map(|kept| kept.iter().cloned().collect()).unwrap_or_default()
    }
}
