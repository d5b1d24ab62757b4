//! `config show`: what is in force, and where each value is from.

use serde::Serialize;

use super::configuration::ConfigFile;
use super::{Verdict, output};
use crate::config::{self, Mistakes, Setting};

/// Look at the configuration in force
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show every value, and whether a file, a variable or a default set it; secrets are masked
    Show(Show),
}

#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Serialize)]
struct Shown {
    settings: Vec<Setting>,
    mistakes: Option<Mistakes>,
}

/// Shows.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<Verdict> {
    let Command::Show(args) = &args.command;
    let (settings, mistakes) = config::show(args.config.sources());
    let verdict = if mistakes.is_none() { Verdict::Fine } else { Verdict::NotFine };
    if args.json {
        output::json(&Shown { settings, mistakes })?;
        return Ok(verdict);
    }
    output::data(&text(&settings))?;
    if let Some(mistakes) = mistakes {
        output::report(&output::wrong_usage(mistakes, "see what else is amiss with: refairn-bridge check"));
    }
    Ok(verdict)
}

/// The settings, a block for each section.
fn text(settings: &[Setting]) -> String {
    let blocks = settings.chunk_by(|one, next| section(&one.key) == section(&next.key));
    let block = |settings: &[Setting]| {
        let title = settings.first().map(|setting| section(&setting.key)).unwrap_or_default();
        let rows = settings.iter().map(|Setting { key, value, from }| {
            let from = if from == "default" { String::new() } else { format!("  ({from})") };
            [key[title.len()..].trim_start_matches('.').to_owned(), format!("{value}{from}")]
        });
        format!("[{title}]\n{}\n", output::columns(rows, 2))
    };
    blocks.map(block).collect::<Vec<_>>().join("\n") + "\nWhat names no file or variable is a default.\n"
}

/// The section of a key: all but its last part.
fn section(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(section, _)| section)
}
