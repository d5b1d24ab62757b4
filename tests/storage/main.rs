//! What a bridge's storage does to it: disks that are full, damaged or forbidden, and PostgreSQL with its certificates,
//! poolers and restarts. The real program, or the real store.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod disk;
#[path = "../kit/mod.rs"]
mod kit;
mod poolers;
mod postgres;
mod standard_error;
mod stores;
