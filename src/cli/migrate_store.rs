//! `migrate-store`: everything from one database into another, of the same kind or the other.

use std::time::Instant;

use serde_json::json;

use super::bar::Bar;
use super::configuration::{ConfigFile, storage};
use super::process::block_on;
use super::serve::store_hint;
use super::{Verdict, output};
use crate::config::StorageUrl;
use crate::store::copy::{self, CopiedTable, CopyError, CopyStep, Place};

/// Copy everything into another database: from SQLite to PostgreSQL, or back
///
/// Stop the bridge first. All events, calls and their numbers are copied, and at
/// the end every table is read from both and compared. If it is interrupted, run
/// it again: it goes on where it stopped, and no bridge starts on the copy before
/// it is whole. Nothing is taken away from the source.
///
/// An address that is left out is that of the configuration, DATABASE_URL: there a
/// password is not seen in the list of processes.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The database to copy: sqlite://PATH or postgres://... [default: the configuration's]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The empty database to copy it into [default: the configuration's]
    #[arg(long, value_name = "URL", required_unless_present = "from")]
    to: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Copies.
///
/// # Errors
/// An address is wrong, or there is no copy yet.
pub(super) fn run(args: &Args) -> anyhow::Result<Verdict> {
    let from = address("--from", args.from.as_deref(), &args.config)?;
    let to = address("--to", args.to.as_deref(), &args.config)?;
    if is_same(&from, &to) {
        return Err(output::wrong_usage("--from and --to are one database", "name another one to copy it into"));
    }
    let started = Instant::now();
    let mut bar = Bar::new();
    let show = |step: CopyStep<'_>| {
        let what = if step.comparing { "comparing" } else { "copying" };
        bar.show(&format!("{what} {}", step.table), step.done, step.all);
    };
    let copied = block_on(async { Ok(copy::copy(place(&from), place(&to), show).await) })?;
    bar.clear();
    let tables = copied.map_err(|error| {
        let hint = hint(&error, &storage(&from), &storage(&to));
        output::failed(error, hint)
    })?;
    if args.json {
        let rows = tables.iter().map(|t| json!({ "table": t.name, "rows": t.rows, "checksum": t.checksum }));
        let took_ms = u64::try_from(started.elapsed().as_millis())?;
        output::json(&json!({ "tables": rows.collect::<Vec<_>>(), "took_ms": took_ms }))?;
    } else {
        output::data(&summary_text(&tables))?;
        let (from, to) = (storage(&from), storage(&to));
        output::talk(&format!("now let DATABASE_URL name {to}, and start no bridge on {from} any more"));
    }
    Ok(Verdict::Fine)
}

/// The database that an argument names, or the configuration. An error quotes nothing: a password may be in it.
fn address(argument: &str, given: Option<&str>, config: &ConfigFile) -> anyhow::Result<StorageUrl> {
    let Some(text) = given else { return Ok(config.load()?.storage.url) };
    StorageUrl::parse(text, None)
        .map_err(|error| output::wrong_usage(format!("{argument}: {}", error.cause), error.hint))
}

fn place(url: &StorageUrl) -> Place<'_> {
    match url {
        StorageUrl::Sqlite(path) => Place::File(path),
        StorageUrl::Postgres(url) => Place::Server(url),
    }
}

/// Two files that are one; two addresses of a server's database are found out by what is in it.
fn is_same(from: &StorageUrl, to: &StorageUrl) -> bool {
    match (from, to) {
        (StorageUrl::Sqlite(from), StorageUrl::Sqlite(to)) => {
            from == to || from.canonicalize().is_ok_and(|from| to.canonicalize().is_ok_and(|to| from == to))
        }
        (StorageUrl::Sqlite(_) | StorageUrl::Postgres(_), StorageUrl::Sqlite(_) | StorageUrl::Postgres(_)) => false,
    }
}

fn summary_text(tables: &[CopiedTable]) -> String {
    let title = ["table", "rows", "checksum"].map(str::to_owned);
    let rows = tables.iter().map(|table| [table.name.clone(), table.rows.to_string(), table.checksum.clone()]);
    output::columns(std::iter::once(title).chain(rows), 0) + "\nboth databases hold the same"
}

fn hint(error: &CopyError, from: &str, to: &str) -> String {
    match error {
        CopyError::NoSource => format!("look at the address: {from} is not a database of the bridge"),
        CopyError::Source(error) => store_hint(error, from),
        CopyError::Target(error) => store_hint(error, to),
        CopyError::Served(_) => "stop every bridge that uses it".to_owned(),
        CopyError::TargetHolds(_) => "name an empty database: a new file, or what createdb makes".to_owned(),
        CopyError::KeyTooLong(_) => format!(
            "nothing is lost, and trying again does not help: stay with {from}, where new events have no such ids any more"
        ),
        CopyError::OtherVersion => {
            "go on with that version, or begin anew: remove the target's file, or drop its database and make it again"
                .to_owned()
        }
        CopyError::Differs(_) => {
            "something wrote to one of them: stop it, and begin anew with an empty target. No bridge starts on this one"
                .to_owned()
        }
    }
}
