//! `completions` and `man`: what shells and manual readers need, made from the arguments themselves.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Verdict, output};

/// Print what a shell completes
///
/// bash: refairn-bridge completions bash > /etc/bash_completion.d/refairn-bridge
/// zsh:  refairn-bridge completions zsh > ~/.zfunc/_refairn-bridge
/// fish: refairn-bridge completions fish > \
///       ~/.config/fish/completions/refairn-bridge.fish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write a page for each command
///
/// Read it at once: refairn-bridge man | man -l -
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Manual {
    /// Folder for the pages [default: prints the program's own page]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Prints a script of the shell's.
///
/// # Errors
/// It cannot be printed.
pub(super) fn completions(args: &Completions) -> anyhow::Result<Verdict> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Verdict::Fine)
}

/// Prints or writes the manual.
///
/// # Errors
/// It cannot be printed or written.
pub(super) fn manual(args: &Manual) -> anyhow::Result<Verdict> {
    let command = Cli::command();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        output::data(String::from_utf8_lossy(&page).trim_end())?;
        return Ok(Verdict::Fine);
    };
    clap_mangen::generate_to(command, folder).map_err(|error| {
        let what = format!("cannot write the pages into {}: {error}", folder.display());
        output::failed(what, "name a folder that is there and may be written")
    })?;
    output::talk(&format!("the pages are in {}", folder.display()));
    Ok(Verdict::Fine)
}
