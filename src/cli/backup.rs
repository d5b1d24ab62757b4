//! `backup`: a copy of the SQLite database, while the bridge runs.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::bar::Bar;
use super::configuration::ConfigFile;
use super::serve::store_hint;
use super::{Verdict, output};
use crate::config::StorageUrl;
use crate::store::{self, BackupError, BackupStep, BackupSummary};

/// Copy the database into a file, while the bridge runs
///
/// The copy is of one moment: everything that was answered 2xx before is in it. It
/// is one file, checked, and has its name only when it is whole. The bridge is not
/// kept from working. If it is killed, a file ending in .partial may be left.
///
/// To restore it: stop the bridge, move the database NAME away together with
/// NAME-wal and NAME-shm, put the copy in its place, and start. Leave NAME.spool,
/// if it is there: it has the last webhooks.
///
/// For a PostgreSQL database use pg_dump.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Where the copy goes
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigFile,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Copies.
///
/// # Errors
/// The configuration has mistakes, or there is no backup.
pub(super) fn run(args: &Args) -> anyhow::Result<Verdict> {
    let config = args.config.load()?;
    let StorageUrl::Sqlite(database) = &config.storage.url else {
        let hint = "save it with pg_dump, and restore it with pg_restore";
        return Err(output::failed("the database is a PostgreSQL server's, and not a file of ours", hint));
    };
    let started = Instant::now();
    let mut bar = Bar::new();
    let done = store::backup(database, &args.file, args.force, |step| match step {
        BackupStep::Copied { done, all } => bar.show("copying pages", done, all),
        BackupStep::Checking => {
            bar.clear();
            bar.show("checking the copy", 0, 0);
        }
    });
    bar.clear();
    let summary = done.map_err(|error| {
        let hint = hint(&error, &args.file.display().to_string(), &database.display().to_string());
        output::failed(error, hint)
    })?;
    if args.json {
        let tables: serde_json::Map<_, _> = summary.rows.iter().map(|(t, n)| (t.clone(), json!(n))).collect();
        let took_ms = u64::try_from(started.elapsed().as_millis())?;
        let file = args.file.display().to_string();
        output::json(&json!({ "file": file, "bytes": summary.bytes, "rows": tables, "took_ms": took_ms }))?;
    } else {
        output::data(&summary_text(&summary, &args.file.display().to_string()))?;
    }
    Ok(Verdict::Fine)
}

fn summary_text(summary: &BackupSummary, file: &str) -> String {
    let rows = |name: &str| summary.rows.iter().find(|(table, _)| table == name).map_or(0, |(_, n)| *n);
    let (kib, events, calls) = (summary.bytes.div_ceil(1024), rows("events"), rows("deliveries"));
    format!("{file}: {kib} KiB, {events} events, {calls} deliveries; checked")
}

fn hint(error: &BackupError, file: &str, database: &str) -> String {
    match error {
        BackupError::NoDatabase(_) => {
            "set DATABASE_URL to the bridge's database, or start the bridge, which makes one".to_owned()
        }
        BackupError::Exists(_) => "name another file, or give --force".to_owned(),
        BackupError::TargetInUse(_) => {
            "name another file; to replace a database, stop what uses it and move it away".to_owned()
        }
        BackupError::Source(error) => store_hint(error, database),
        BackupError::Target(error) => store_hint(error, file),
        BackupError::Unsound(_) => format!("look at {database}: refairn-bridge check. Keep the backups you have"),
    }
}
