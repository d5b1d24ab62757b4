//! PostgreSQL servers of the tests' own: one for all, started by the first test that asks, and others where the server
//! itself is what matters. They are gone when the test's process is.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

/// Runs until its input ends, which it does however the test's process ends. PostgreSQL does not run as root. With a
/// port it listens there, too, and offers TLS: its certificate is for `localhost`, and `ca.pem` has signed it. With a
/// folder it finds its data there, and leaves it. What follows goes to the server, whose last word on a setting counts.
const RUN: &str = r#"
set -eu
port="$1"
kept="$2"
shift 2
bin=""
for folder in /usr/bin /usr/pgsql-*/bin /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/psql" ]; then bin="$folder"; fi
done
if [ -z "$bin" ]; then echo "missing"; exit 0; fi
folder="$kept"
if [ -z "$kept" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
[ -d "$folder/data" ] || "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    exit 1
}
if [ -n "$port" ]; then
    cd "$folder"
    key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    {
        openssl req -x509 $key -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
        openssl req -x509 $key -days 2 -subj /CN=stranger -keyout stranger.key -out stranger.pem
        openssl req $key -subj /CN=server -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
            -out server.pem
    } >>log 2>&1 || { cat log >&2; exit 1; }
    { echo "host all secured all scram-sha-256"; cat data/pg_hba.conf; } >hba
    mv hba data/pg_hba.conf
    echo "ssl = on
        ssl_cert_file = '$folder/server.pem'
        ssl_key_file = '$folder/server.key'" >>data/postgresql.conf
    set -- -p "$port" "$@"
fi
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -c "listen_addresses=${port:+localhost}" -c max_connections=400 \
        -c fsync=off -c full_page_writes=off "$@" >>"$folder/log" 2>&1 </dev/null &
    until "$bin/psql" -q -h "$folder" ${port:+-p "$port"} -U postgres -c "" >/dev/null 2>&1; do
        kill -0 $! || { cat "$folder/log" >&2; exit 1; }
        sleep 0.05
    done
    echo "$bin $folder"
}
start "$@"
# Each further line asks for a restart, as after a crash: nothing is finished, and the log is read anew.
while read -r _; do
    kill -QUIT $!
    wait $! || true
    start "$@"
done
kill -INT $!
wait
"#;

/// A server that syncs what it commits, as people run it.
const DURABLE: &[&str] = &["-c", "fsync=on", "-c", "full_page_writes=on"];

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(None, "", &[]));

/// Databases are made one after the other.
static MAKING: Mutex<()> = Mutex::new(());

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

/// A script, as an unprivileged user where this one is root.
pub(crate) fn as_other_user(script: &str) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", script, "sh"]);
    command
}

/// A server of a test's own.
pub(crate) struct Server {
    bin: String,
    folder: String,
    port: Option<u16>,
    /// What is asked, and what is answered. It ends when this is closed.
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

/// An empty database of a test's own.
pub(crate) struct Database {
    name: String,
}

impl Server {
    /// One that listens on `localhost`, and offers TLS.
    pub(crate) fn with_tls() -> Self {
        Self::start(Some(free_port()), "", &[])
    }

    /// One that no network reaches.
    pub(crate) fn own() -> Self {
        Self::start(None, "", &[])
    }

    /// One that no network reaches, with these settings.
    pub(crate) fn set(settings: &[&str]) -> Self {
        Self::start(None, "", settings)
    }

    /// One that no network reaches and that syncs what it commits, as people run it: for measurements.
    pub(crate) fn durable() -> Self {
        Self::start(None, "", DURABLE)
    }

    /// The same, with its data in this folder, which any user may write to, and which stays.
    pub(crate) fn kept(folder: &Path) -> Self {
        Self::start(None, folder.to_str().expect("a folder with a plain name"), DURABLE)
    }

    fn start(port: Option<u16>, folder: &str, settings: &[&str]) -> Self {
        let mut command = as_other_user(RUN);
        command.arg(port.map(|port| port.to_string()).unwrap_or_default()).arg(folder).args(settings);
        let command = command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a shell");
        let input = process.stdin.take().expect("its input");
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        let line = next_line(&mut output);
        match line.split_once(' ') {
            Some((bin, folder)) => {
                let (bin, folder) = (bin.to_owned(), folder.to_owned());
                Self { bin, folder, port, talk: Mutex::new((input, output)), _process: process }
            }
            None if line == "missing" => {
                panic!("PostgreSQL is needed for the tests and is not there: install the package postgresql")
            }
            None => panic!("PostgreSQL does not start; see above"),
        }
    }

    /// Restarts it as a crash would; returns when it takes connections again.
    pub(crate) fn crash(&self) {
        let mut talk = self.talk.lock().expect("unpoisoned");
        let (input, output) = &mut *talk;
        input.write_all(b"crash\n").expect("asked");
        assert!(next_line(output).contains(' '), "the server did not come back");
    }

    /// The socket it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file(".s.PGSQL.5432").into()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{}/{program}", self.bin));
        command.args(["-h", &self.folder, "-U", "postgres"]);
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        command
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port.expect("it listens on a port")
    }

    /// A file beside its data.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Runs statements in a database, each for itself; gives what the last one answers.
    pub(crate) fn run(&self, database: &str, statements: &[&str]) -> String {
        let mut command = self.command("psql");
        command.args(["-qAt", "-v", "ON_ERROR_STOP=1", "-d", database]);
        statements.iter().for_each(|statement| {
            command.args(["-c", statement]);
        });
        run(&mut command).trim().to_owned()
    }
}

fn next_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("what it says");
    line.trim().to_owned()
}

fn run(command: &mut Command) -> String {
    let out = command.output().expect("a client of PostgreSQL");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

impl Database {
    /// A new one.
    pub(crate) fn make() -> Self {
        Self::encoded("UTF8")
    }

    /// A new one that keeps its texts so.
    pub(crate) fn encoded(encoding: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        run(SERVER.command("createdb").args(["-T", "template0", "-E", encoding, &name]));
        Self { name }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on, as poolers are told.
    pub(crate) fn upstream() -> String {
        format!("host={} port=5432", SERVER.folder)
    }

    /// Its address for another user.
    pub(crate) fn url_of(&self, user: &str) -> String {
        format!("postgres:///{}?user={user}&host={}", self.name, SERVER.folder)
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Does something to it behind the bridge's back.
    pub(crate) fn run(&self, sql: &str) {
        self.ask(sql);
    }

    /// What it answers.
    pub(crate) fn ask(&self, sql: &str) -> String {
        SERVER.run(&self.name, &[sql])
    }

    /// All that is in it, as text.
    pub(crate) fn dump(&self) -> String {
        run(SERVER.command("pg_dump").args(["--inserts", "-d", &self.name]))
    }
}
