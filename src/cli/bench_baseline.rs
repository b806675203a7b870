//! `bench-baseline`: a process of `bench` that does the purchases in another way; not for people.

use clap::Args;

use super::Ended;
use crate::bench::baselines::{self, Baseline};
use crate::config::Settings;

/// Which one, and how many transactions at once.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    baseline: Baseline,
    /// Connections; without it the baseline's best
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrency: Option<u32>,
}

/// Prepares, prints `ready`, waits for a line, works until SIGTERM.
///
/// # Errors
/// If the database fails.
pub async fn run(args: BaselineArgs, settings: &Settings) -> anyhow::Result<Ended> {
    baselines::run(args.baseline, settings, args.concurrency).await?;
    Ok(Ended::Well)
}
