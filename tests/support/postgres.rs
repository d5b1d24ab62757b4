//! A PostgreSQL server of the tests' own: started by the first test that asks, gone when the test's process is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

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
"$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=400 -c fsync=off \
    -c full_page_writes=off >>"$folder/log" 2>&1 </dev/null &
until "$bin/psql" -q -h "$folder" -U postgres -c "" >/dev/null 2>&1; do
    kill -0 $! || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
echo "$bin $folder"
cat >/dev/null
kill -INT $!
wait
"#;

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Databases are made one after the other.
static MAKING: Mutex<()> = Mutex::new(());

struct Server {
    bin: String,
    folder: String,
    /// Ends when its input is closed.
    _process: Child,
}

/// An empty database of a test's own.
pub(crate) struct Database {
    name: String,
}

impl Server {
    fn start() -> Self {
        let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
        let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
        if root {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        let command = command.args(["-c", RUN]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a shell");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("what it says");
        match line.trim().split_once(' ') {
            Some((bin, folder)) => Self { bin: bin.to_owned(), folder: folder.to_owned(), _process: process },
            None => {
                panic!("PostgreSQL is needed for the tests and is not there: install the package postgresql ({line:?})")
            }
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{}/{program}", self.bin));
        command.args(["-h", &self.folder, "-U", "postgres"]);
        command
    }
}

fn run(command: &mut Command) {
    let out = command.output().expect("a client of PostgreSQL");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

impl Database {
    /// A new one.
    pub(crate) fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        run(SERVER.command("createdb").args(["-T", "template0", &name]));
        Self { name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("postgres:///{}?user=postgres&host={}", self.name, SERVER.folder)
    }

    /// Does something to it behind the bridge's back.
    pub(crate) fn run(&self, sql: &str) {
        run(SERVER.command("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.name, "-c", sql]));
    }
}
