//! `serve`: the bridge, until a signal ends it.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use anyhow::Context;

use super::configuration::{ConfigFile, storage, storage_warnings, webhook_path};
use super::process::{Signals, block_on, keep_memory_private, raise_open_files};
use super::{Verdict, output};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::secret::Secret;
use crate::store::{Home, ServerTrouble, StoreError};
use crate::telemetry::log::{self, Format};

/// Random bytes of an admin token that is made for one run.
const TOKEN_BYTES: usize = 24;
/// What is logged unless something else is asked for.
const LOG_LEVEL: &str = "info";

/// What to do when a part of the bridge does not go on.
const FAILURE_HINT: &str = "start it again, or let a supervisor do so: nothing is lost; if it comes back, report it with the \
    lines of the log before this one";

/// Run the bridge
///
/// Takes webhooks, records them and tells Refairn, until SIGTERM or SIGINT; then
/// it finishes what is on its way. A second signal stops it at once. Nothing is
/// lost: what was answered 2xx is on disk.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// What is logged: error, warn, info, debug, or a filter such as info,refairn_bridge::delivery=debug
    #[arg(long, value_name = "LEVEL", default_value = LOG_LEVEL, value_parser = filter)]
    log: String,
    /// How it is logged [default: text at a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Where the process is to end in an instant, to panic or to hang
    #[cfg(feature = "crash-points")]
    #[arg(long, value_name = "POINT:N[:panic|:hang]", hide = true)]
    crash_at: Option<crate::crash::Order>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The levels there are.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Refuses what would be taken for something else without a word: every part is a level, or a place and a level.
fn filter(text: &str) -> Result<String, String> {
    let is_level = |part: &str| part.rsplit('=').next().is_some_and(|level| LEVELS.contains(&level.trim()));
    if text.split(',').all(is_level) {
        Ok(text.to_owned())
    } else {
        Err(format!("write one of {}, or PLACE=LEVEL, separated by commas", LEVELS.join(", ")))
    }
}

/// Runs the bridge.
///
/// # Errors
/// The configuration has mistakes, or the bridge cannot start.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    #[cfg(feature = "crash-points")]
    args.crash_at.into_iter().for_each(crate::crash::arm);
    let config = args.config.load()?;
    let format = match args.log_format {
        Some(LogFormat::Text) => Format::Text,
        Some(LogFormat::Json) => Format::Json,
        None => Format::detect(),
    };
    // The HTTP server has a line for each request that anybody breaks off: ours are counted. Who names it, gets it.
    let filter = format!("actix_http=off,actix_server=off,{}", args.log);
    log::start(&filter, format).context("cannot start the log's thread")?;
    raise_open_files();
    keep_memory_private();
    block_on(serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<Verdict> {
    let mut signals = Signals::listen()?;
    let token = match &config.admin_token {
        Some(token) => token.clone(),
        None => Secret::parse(hex::encode(rand::random::<[u8; TOKEN_BYTES]>()))?,
    };
    let app = App::start(config, token.clone(), &Clock::system()).await;
    let app = app.map_err(|error| cannot_start(error, config))?;
    config.warnings().iter().for_each(output::warn);
    storage_warnings(&config.storage.url).iter().for_each(output::warn);
    let door = Door::of(config, &token);
    if let Door::Shut = door {
        output::warn(
            "no admin token is set: the dashboard, the API and the metrics stay shut; set BRIDGE_ADMIN_TOKEN to a long \
             text that nobody can guess",
        );
    }
    output::talk(&welcome(config, &app, &door));

    let signal = tokio::select! {
        signal = signals.next() => signal,
        // Nothing more is waited for: what was on its way is taken up by the next start, as after any other end.
        failure = app.tasks().failed() => return Err(output::failed(failure, FAILURE_HINT)),
    };
    output::talk(&format!("{signal}: finishing what is on its way; a second signal stops at once"));
    tokio::select! {
        () = app.stop() => {
            output::talk("stopped");
            Ok(Verdict::Fine)
        }
        second = signals.next() => {
            output::talk(&format!("{second}: stopped at once; the next start takes up what was on its way"));
            Ok(Verdict::NotFine)
        }
    }
}

/// Who gets in to the dashboard, the API and the metrics.
enum Door<'a> {
    /// Everybody who knows the token of the configuration.
    Kept,
    /// The person at this terminal, where the token of this run is shown.
    Shown(&'a Secret),
    /// Nobody: what is written elsewhere than at a terminal is kept, and a token does not belong there.
    Shut,
}

impl<'a> Door<'a> {
    fn of(config: &Config, token: &'a Secret) -> Self {
        if config.admin_token.is_some() {
            Self::Kept
        } else if io::stderr().is_terminal() {
            Self::Shown(token)
        } else {
            Self::Shut
        }
    }
}

/// Where everything is.
fn welcome(config: &Config, app: &App, door: &Door<'_>) -> String {
    let mut lines = vec![format!("listening on http://{}", app.addr())];
    for endpoint in &config.endpoints {
        lines.push(format!("webhooks of endpoint {}: POST {}", endpoint.name, webhook_path(config, endpoint)));
    }
    let Home { place, is_new, .. } = app.store().home();
    lines.push(format!("data in {}{place}", if *is_new { "a new store: " } else { "" }));
    lines.extend(config.proxies_in_use());
    let admin = app.admin_addr();
    let inside =
        [format!("dashboard: http://{admin}/"), format!("API: http://{admin}/api/v1, metrics: http://{admin}/metrics")];
    match door {
        Door::Kept => lines.extend(inside),
        Door::Shown(token) => {
            lines.extend(inside);
            lines.push(format!("admin token for this run (set BRIDGE_ADMIN_TOKEN to keep one): {}", token.expose()));
        }
        Door::Shut => {}
    }
    lines.join("\n")
}

/// What to do when the bridge does not start.
fn cannot_start(error: StartError, config: &Config) -> anyhow::Error {
    let hint = match &error {
        StartError::Store(error) => store_hint(error, &storage(&config.storage.url)),
        StartError::Listen(addr, error) => listen_hint(*addr, error, "BRIDGE_LISTEN"),
        StartError::Client(_) => {
            "install the system's certificates (the package is called ca-certificates), or set SSL_CERT_FILE".to_owned()
        }
        StartError::Thread(_) => "let this user start more processes and threads (ulimit -u)".to_owned(),
    };
    output::failed(error, hint)
}

/// What to do when the database cannot be used.
pub(super) fn store_hint(error: &StoreError, place: &str) -> String {
    match error {
        StoreError::Overloaded | StoreError::Locked(_) | StoreError::InUse => {
            format!("stop what else uses {place}: a second bridge, a backup, a database shell")
        }
        StoreError::TooManyLocks(_) => format!("raise max_locks_per_transaction of {place}"),
        StoreError::Closed => "start it again".to_owned(),
        StoreError::Panicked => "report it with the lines of the log before this one".to_owned(),
        StoreError::Full(_) => format!("make room on the disk of {place}"),
        StoreError::ReadOnly(_) | StoreError::Io(_) => {
            format!("let this user write {place} and its folder, or set DATABASE_URL to another place")
        }
        StoreError::Corrupt(_) | StoreError::Data(_) => {
            format!(
                "see whether {place} is the bridge's database; restore a backup, or set DATABASE_URL to another place"
            )
        }
        StoreError::NewerSchema { .. } => "run the newer version, or set DATABASE_URL to another place".to_owned(),
        StoreError::NoCopy { copy, needed_mib, .. } => format!(
            "make {needed_mib} MiB of room beside {place}, for its copy {copy}, and start again; the version before goes on \
             with the database as it is"
        ),
        StoreError::UnfinishedCopy => {
            format!("run the same migrate-store again, which goes on where it stopped, or empty {place}")
        }
        StoreError::Unanswered(_) => {
            "see whether the server waits for a standby that is gone (synchronous_standby_names), and that connections to \
             it last"
                .to_owned()
        }
        StoreError::OtherSchema { held, .. } => format!(
            "let the user work where the store is: ALTER ROLE ... SET search_path = {held}. If a second store is wanted, \
             keep it in a database of its own"
        ),
        StoreError::Server(trouble, _) => server_hint(*trouble).to_owned(),
    }
}

/// What to do when a PostgreSQL server cannot be used.
const fn server_hint(trouble: ServerTrouble) -> &'static str {
    match trouble {
        ServerTrouble::Unreachable => {
            "see that the server runs, that host and port in DATABASE_URL are right, and that no firewall is in between"
        }
        ServerTrouble::Login => {
            "see that user and password in DATABASE_URL are right (an @, /, : or % in them is written %40, %2F, %3A, \
             %25), and that the server lets this machine in (pg_hba.conf)"
        }
        ServerTrouble::NoDatabase => "make the database (CREATE DATABASE), or correct its name in DATABASE_URL",
        ServerTrouble::Rights => {
            "let the user of DATABASE_URL make tables: let it own the database, or GRANT USAGE, CREATE ON SCHEMA public to it"
        }
        ServerTrouble::TooManyConnections => {
            "raise max_connections of the server (behind a pooler, its pool's size), or lower connections_max of \
             [storage]: each bridge takes up to that many connections, and one more"
        }
        ServerTrouble::ReadOnly => {
            "name the primary server in DATABASE_URL; with several hosts, add target_session_attrs=read-write"
        }
        ServerTrouble::NoTls => {
            "turn on TLS at the server (ssl = on), or on a network of your own write sslmode=disable in DATABASE_URL"
        }
        ServerTrouble::Tls => {
            "see that the host in DATABASE_URL is one that the server's certificate is for, and that sslrootcert names the \
             authority that signed it; sslmode=require encrypts without asking who the server is"
        }
        ServerTrouble::Authorities => {
            "sslrootcert has to name a file with certificates in PEM form, which this user may read; without it, install \
             the system's certificates (the package is called ca-certificates)"
        }
        ServerTrouble::Pooler => {
            "put the pooler in DATABASE_URL in session mode (PgBouncer: pool_mode = session for this database), or name \
             its port for session mode, or the server itself"
        }
        ServerTrouble::PoolerRefuses => {
            "a pooler speaks for the server: see in its log whether it reaches the server; PgBouncer takes no setting \
             `options` in DATABASE_URL"
        }
        ServerTrouble::Encoding => {
            "make another database (CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0) and name it in DATABASE_URL; \
             if this one holds a store already, copy it there with migrate-store first"
        }
        ServerTrouble::NoSchema => {
            "make the schema that the user's search_path names (CREATE SCHEMA), or correct it (ALTER ROLE ... SET \
             search_path)"
        }
    }
}

/// What to do when an address cannot be listened on.
pub(super) fn listen_hint(addr: SocketAddr, error: &io::Error, setting: &str) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        format!("something listens there already: stop it, or set {setting} to another address")
    } else if error.kind() == io::ErrorKind::PermissionDenied && addr.port() < 1024 {
        format!("ports below 1024 are for privileged users: set {setting} to a higher one")
    } else {
        format!("set {setting} to an address of this machine, such as 127.0.0.1:8080 or 0.0.0.0:8080")
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_log_filter_has_levels() {
        let check = |text: &str, fine: bool| assert_eq!(filter(text).is_ok(), fine, "{text}");
        check("info", true);
        check("warn,refairn_bridge::delivery=debug", true);
        for bad in ["", "loud", "info,", "refairn_bridge", "refairn_bridge=loud"] {
            check(bad, false);
        }
    }
}
