//! `worker`: a process of the fleet.

use clap::Args;

use super::Ended;
use crate::config::Settings;
use crate::worker;

/// The arguments of `worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// End when no job is ready; paused and future jobs do not count
    #[arg(long)]
    until_empty: bool,
}

/// Works until told to stop, or until nothing is ready.
///
/// # Errors
/// If the worker refuses to start (it says why), or died.
pub async fn run(args: WorkerArgs, settings: &Settings) -> anyhow::Result<Ended> {
    worker::run(settings.clone(), args.until_empty).await?;
    Ok(Ended::Well)
}
