//! The `commissary` program: parses the command line and runs it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commissary::cli::run(commissary::cli::Cli::parse())
}
