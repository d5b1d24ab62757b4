//! `completions` and `man`: what shells and manual readers need, made from the arguments themselves.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Verdict, output};

/// Print what a shell completes
///
/// bash: refairn-bridge completions bash > /etc/bash_completion.d/refairn-bridge
///
/// zsh: refairn-bridge completions zsh > ~/.zfunc/_refairn-bridge
///
/// fish, in its config.fish: refairn-bridge completions fish | source
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
    // Help is a flag of each command, and no page.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.folder else {
        let page = page(&Man::new(command))?;
        output::data(page.trim_end())?;
        return Ok(Verdict::Fine);
    };
    write_pages(command, folder).map_err(|error| {
        let what = format!("cannot write the pages into {}: {error}", folder.display());
        output::failed(what, "name a folder that is there and may be written")
    })?;
    output::talk(&format!("the pages are in {}", folder.display()));
    Ok(Verdict::Fine)
}

/// A command's page. A command to copy is in it as it is typed: without hyphens of its own, and without more room between words.
fn page(manual: &Man) -> io::Result<String> {
    let mut page = Vec::new();
    manual.render(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    // The title sets both anew.
    Ok(match page.find("\n.SH ") {
        Some(end) => format!("{}\n.nh\n.ad l{}", &page[..end], &page[end..]),
        None => page.into_owned(),
    })
}

/// Writes the page of a command, and those of the commands below it.
fn write_pages(command: clap::Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below.clone(), folder)?;
    }
    let manual = Man::new(command);
    fs::write(folder.join(manual.get_filename()), page(&manual)?)
}
