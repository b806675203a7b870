//! The `commissary` program: parses the command line and runs it.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    commissary::cli::run(commissary::cli::Cli::parse()).await
}
