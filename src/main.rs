//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    refairn_bridge::cli::run(std::env::args_os())
}
