#!/usr/bin/env bash
# tracing-appender's non-blocking writer, whose lines go to a writer that fails.
#
# A good guess: its error counter, "the count of log lines dropped", counts the lines that were not written.
# What happens: it counts only lines that found no room in the queue. A line whose write failed is gone, the counter stays
# at 0, and nobody is told. On a full disk all lines are lost, and the metric that was made of the counter says that all
# is well.
#
# tracing-appender 0.2.5, tracing-subscriber 0.3.23. Seen: "100 lines logged, 100 writes failed, 0 counted as dropped".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
tracing = "=0.1.44"
tracing-appender = "=0.2.5"
tracing-subscriber = "=0.3.23"
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::io::{Error, ErrorKind, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

static FAILED: AtomicUsize = AtomicUsize::new(0);

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        FAILED.fetch_add(1, Ordering::Relaxed);
        Err(Error::from(ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    let (writer, guard) = tracing_appender::non_blocking(Full);
    let counter = writer.error_counter();
    tracing_subscriber::fmt().with_writer(writer).init();
    for n in 0..100 {
        tracing::info!(n, "a line");
    }
    // Its end waits until all was handed to the writer.
    drop(guard);
    let failed = FAILED.load(Ordering::Relaxed);
    println!("100 lines logged, {failed} writes failed, {} counted as dropped", counter.dropped_lines());
}
RUST
said=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$said"
[[ "$said" == "100 lines logged, 100 writes failed, 0 counted as dropped" ]]
