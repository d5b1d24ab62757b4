//! A PostgreSQL server of a run's own, which may be restarted as a crash would; gone when the run is.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// Runs until its input ends, which it does however the test's process ends. PostgreSQL does not run as root.
const RUN: &str = r#"
set -eu
bin=""
for folder in /usr/bin /usr/pgsql-*/bin /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/psql" ]; then bin="$folder"; fi
done
if [ -z "$bin" ]; then echo "missing"; exit 0; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    exit 1
}
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off \
        >>"$folder/log" 2>&1 </dev/null &
    until "$bin/psql" -q -h "$folder" -U postgres -c "" >/dev/null 2>&1; do
        kill -0 $! || { cat "$folder/log" >&2; exit 1; }
        sleep 0.05
    done
    echo "$bin $folder"
}
start
# Each further line asks for a restart, as after a crash: nothing is finished, and the log is read anew.
while read -r _; do
    kill -QUIT $!
    wait $! || true
    start
done
kill -INT $!
wait
"#;

/// A running server.
pub(crate) struct Server {
    bin: PathBuf,
    folder: PathBuf,
    /// What is asked, and what is answered. It ends when it is asked no more.
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
        let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
        if root {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        let command = command.args(["-c", RUN]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a shell");
        let input = process.stdin.take().expect("its input");
        let mut out = BufReader::new(process.stdout.take().expect("its output"));
        let line = next_line(&mut out);
        let Some((bin, folder)) = line.split_once(' ') else {
            panic!("PostgreSQL is needed for the tests and is not there: install the package postgresql ({line:?})")
        };
        Self { bin: bin.into(), folder: folder.into(), lines: Mutex::new((input, out)), _process: process }
    }

    /// The address of its database, if the server is reached at `addr`.
    pub(crate) fn url_at(addr: SocketAddr) -> String {
        format!("postgres://postgres@{addr}/postgres")
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Restarts it as a crash would; returns when it takes connections again.
    pub(crate) fn crash(&self) {
        let mut lines = self.lines.lock().expect("unpoisoned");
        let (input, out) = &mut *lines;
        input.write_all(b"crash\n").expect("asked");
        assert!(next_line(out).contains(' '), "the server did not come back");
    }

    /// Does something to the database behind the bridge's back.
    pub(crate) fn run(&self, sql: &str) {
        let host: &Path = &self.folder;
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-c", sql]).arg("-h").arg(host);
        let out = command.output().expect("a client of PostgreSQL");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

fn next_line(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).expect("what it says");
    line.trim().to_owned()
}
