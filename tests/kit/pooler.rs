//! A pooler of a test's own in front of a PostgreSQL server: PgBouncer. It is gone when the test's process is.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::postgres::{as_other_user, free_port};

/// Runs until its input ends, which it does however the test's process ends. PgBouncer does not run as root. Every user
/// is let in, and every database is the server's of that name.
const RUN: &str = r#"
set -eu
PATH="$PATH:/usr/sbin"
command -v pgbouncer >/dev/null || {
    echo "PgBouncer is needed for the tests and is not there: install the package pgbouncer" >&2
    exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "[databases]
* = $1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
unix_socket_dir =
auth_type = trust
auth_file = $folder/users
pidfile =
server_login_retry = 1
$3" >"$folder/pgbouncer.ini"
echo '"postgres" ""' >"$folder/users"
pgbouncer "$folder/pgbouncer.ini" >"$folder/log" 2>&1 </dev/null &
pooler=$!
cat >/dev/null
kill -INT $pooler
wait
"#;

/// How long it may take to start.
const START_WAIT_MAX: Duration = Duration::from_secs(20);

/// A pooler.
pub struct Pooler {
    port: u16,
    /// Ends when its input is closed.
    _process: Child,
}

impl Pooler {
    /// One in front of the server at `upstream` (`host=... port=...`), with these lines among its settings.
    pub fn start(upstream: &str, settings: &str) -> Self {
        let port = free_port();
        let mut command = as_other_user(RUN);
        command.args([upstream, &port.to_string(), settings]);
        let mut process = command.current_dir("/").stdin(Stdio::piped()).spawn().expect("a shell");
        let give_up = Instant::now() + START_WAIT_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < give_up, "PgBouncer does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { port, _process: process }
    }

    /// The address of a database behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}
