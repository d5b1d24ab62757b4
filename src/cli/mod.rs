//! The command line: one command per file. Data goes to standard output, talk to standard error; exit code 0 is done,
//! 1 failed, 2 wrong usage.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talking to people is what the command line is for")]

mod backup;
mod bar;
mod bodies;
mod check;
mod config;
mod configuration;
mod connect;
mod dashboard;
mod demo;
mod examples;
mod healthcheck;
mod http_client;
mod map;
mod migrate_store;
mod operator;
mod output;
mod process;
mod sandbox;
mod send;
mod serve;
mod shell;
mod spreadsheet;
mod volume;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValue;
use clap::{Parser, Subcommand, ValueEnum};

use crate::domain::provider::ProviderKind;
use crate::telemetry::log;

/// Wrong usage, as clap has it too; and what could not be found out.
const WRONG_USAGE: u8 = 2;

/// Payment-provider webhooks in, Refairn commissions out: each sale told once, in order, and none lost.
#[derive(Parser)]
#[command(name = "refairn-bridge", version, arg_required_else_help = true, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Sandbox(sandbox::Args),
    Check(check::Args),
    Config(config::Args),
    Backup(backup::Args),
    MigrateStore(migrate_store::Args),
    Map(map::Args),
    Send(send::Args),
    Examples(examples::Args),
    Status(operator::status::Args),
    Find(operator::find::Args),
    Why(operator::why::WhyArgs),
    Customer(operator::why::CustomerArgs),
    Forget(operator::forget::Args),
    Payments(operator::payments::Args),
    Tail(operator::tail::Args),
    Events(operator::events::Args),
    Deliveries(operator::deliveries::Args),
    Backfill(operator::backfill::Args),
    Reconcile(operator::reconcile::Args),
    Export(operator::export::Args),
    Access(operator::access::Args),
    Audit(operator::audit::Args),
    Alerts(operator::alerts::Args),
    Connect(connect::Args),
    Disconnect(connect::DisconnectArgs),
    Healthcheck(healthcheck::Args),
    Completions(shell::Completions),
    Man(shell::Manual),
}

impl ValueEnum for ProviderKind {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.code()))
    }
}

/// What a command came to when nothing went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Fine,
    /// It was done, and found something that is wrong; it has said so.
    NotFine,
    /// It could not be found out; it has said why.
    Unknown,
}

/// Runs the command that `args` (the program's name first) ask for, and gives the process's exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    let program = args.peek().map(PathBuf::from);
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors of this kind too, but go to standard output and end well.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let done = match cli.command {
        Command::Demo(args) => demo::run(args, program).map(|()| Verdict::Fine),
        Command::Serve(args) => serve::run(args),
        Command::Sandbox(args) => sandbox::run(args),
        Command::Check(args) => check::run(args),
        Command::Config(args) => config::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::MigrateStore(args) => migrate_store::run(&args),
        Command::Map(args) => map::run(args),
        Command::Send(args) => send::run(args),
        Command::Examples(args) => examples::run(&args),
        Command::Status(args) => operator::status::run(args),
        Command::Tail(args) => operator::tail::run(args),
        Command::Find(args) => operator::find::run(args),
        Command::Why(args) => operator::why::why(args),
        Command::Customer(args) => operator::why::customer(args),
        Command::Forget(args) => operator::forget::run(args),
        Command::Payments(args) => operator::payments::run(args),
        Command::Events(args) => operator::events::run(args),
        Command::Deliveries(args) => operator::deliveries::run(args),
        Command::Backfill(args) => operator::backfill::run(args),
        Command::Reconcile(args) => operator::reconcile::run(args),
        Command::Export(args) => operator::export::run(args),
        Command::Access(args) => operator::access::run(args),
        Command::Audit(args) => operator::audit::run(args),
        Command::Alerts(args) => operator::alerts::run(args),
        Command::Connect(args) => connect::run(args),
        Command::Disconnect(args) => connect::disconnect(args),
        Command::Healthcheck(args) => healthcheck::run(args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::manual(&args),
    };
    let code = match done {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::NotFine) => ExitCode::FAILURE,
        Ok(Verdict::Unknown) => ExitCode::from(WRONG_USAGE),
        Err(error) if output::report(&error) => ExitCode::from(WRONG_USAGE),
        Err(_) => ExitCode::FAILURE,
    };
    log::flush();
    code
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
