//! Runs the binary: in a folder of its own, with an empty environment.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::child::Running;

/// Longest wait for a line or an end.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a run came to.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output without the word that the folder of a test, in a container, is no volume, and as if it were not
    /// counted.
    pub fn wherever_it_ran(&self) -> String {
        let (lost, kept): (Vec<&str>, Vec<&str>) =
            self.stdout.split_inclusive('\n').partition(|line| line.contains("the database is lost"));
        let counted = |n: usize| format!("; {n} things to look at");
        let more = (3..10).find(|n| !lost.is_empty() && kept.iter().any(|line| line.contains(&counted(*n))));
        let kept = kept.concat();
        more.map_or_else(|| kept.clone(), |n| kept.replace(&counted(n), &counted(n - lost.len())))
    }
}

/// A folder to run in.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // A configuration with secrets in it is its owner's alone.
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refairn-bridge"));
        command.args(args).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Done {
        finish(self.command(args))
    }
}

/// Runs to the end.
pub fn finish(mut command: Command) -> Done {
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A command that runs until it is told to stop; ended with its guard.
pub struct Background {
    child: Running,
    lines: Receiver<String>,
    /// The lines that were read.
    seen: Vec<String>,
    /// What its first telling line ends with.
    pub addr: String,
}

impl Background {
    /// Starts it, and waits for the line on standard error that holds `sign`, directly before its address.
    pub fn start(mut command: Command, sign: &str) -> Self {
        let mut child = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let stderr = BufReader::new(child.take_stderr());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut background = Self { child, lines, seen: Vec::new(), addr: String::new() };
        let line = background.line_with(sign);
        // In JSON a quotation mark follows.
        background.addr = line.split(sign).nth(1).unwrap().split('"').next().unwrap().to_owned();
        background
    }

    /// Waits for a line on standard error that holds `sign`.
    #[track_caller]
    pub fn line_with(&mut self, sign: &str) -> String {
        while let Ok(line) = self.lines.recv_timeout(WAIT_MAX) {
            self.seen.push(line.clone());
            if line.contains(sign) {
                return line;
            }
        }
        panic!("no line has {sign:?}:\n{}", self.seen.join("\n"));
    }

    /// Sends it a signal, upon which it has to end with exit code 0; gives all lines of its standard error.
    #[track_caller]
    pub fn ends_well_on(mut self, signal: &str) -> Vec<String> {
        self.child.signal(signal);
        // Its standard error ends when it does.
        while let Ok(line) = self.lines.recv_timeout(WAIT_MAX) {
            self.seen.push(line);
        }
        let status = self.child.ended();
        assert_eq!(status.code(), Some(0), "{:?}", self.seen.last());
        self.seen
    }
}

/// Compares a text with the one that was kept under this name.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "BLESS is asked for where it is used")]
pub fn same_as_before(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("it can be written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "tests/cli/{name}.txt differs; if it should, run with BLESS=1 and look at what it writes.\n\
         --- kept\n{kept}\n--- came\n{text}"
    );
}
