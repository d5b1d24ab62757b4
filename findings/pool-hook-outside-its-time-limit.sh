#!/usr/bin/env bash
# deadpool's time limit for making a connection, and the hook that sets a new connection up.
#
# A good guess: create_timeout bounds how long a connection takes until it can be used, its post_create hook included. The
# hook is where a connection to PostgreSQL gets its settings: a SET that a pooler or a server lets hang.
# What happens: the limit is for the manager's own create alone. A hook that takes three seconds under a limit of a tenth
# of a second is waited for, and the connection is handed out as if all were well.
#
# deadpool 0.13.0, tokio 1.54. Seen: "got a connection after 3 s, although create_timeout is 0.1 s".
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
deadpool = { version = "=0.13.0", features = ["managed", "rt_tokio_1"] }
tokio = { version = "1.54", features = ["macros", "rt", "time"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{Hook, Manager, Metrics, Pool, RecycleResult};

struct Connections;

impl Manager for Connections {
    type Type = ();
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn recycle(&self, _: &mut (), _: &Metrics) -> RecycleResult<Self::Error> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let set_up = Hook::async_fn(|_, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(())
        })
    });
    let pool: Pool<Connections> = Pool::builder(Connections)
        .create_timeout(Some(Duration::from_millis(100)))
        .runtime(Runtime::Tokio1)
        .post_create(set_up)
        .build()
        .unwrap();
    let begin = Instant::now();
    match pool.get().await {
        Ok(_) => println!("got a connection after {} s, although create_timeout is 0.1 s", begin.elapsed().as_secs()),
        Err(error) => println!("no connection: {error}"),
    }
}
RUST
said=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$said"
[[ "$said" == "got a connection after 3 s, although create_timeout is 0.1 s" ]]
