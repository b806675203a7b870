//! `cluster`: the private Postgres server that `demo` uses where `DATABASE_URL` is not set.

use std::path::PathBuf;

use super::Ended;
use super::output::{say, warn};
use crate::cluster::Cluster;

/// Which directory, and what to do.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// Where its data, log and password are
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start it, making it first if there is none; prints its URL
    Start,
    /// Stop it
    Stop,
    /// Print its URL; ends with 1 if it does not run
    Url,
}

/// Starts, stops or shows it.
///
/// # Errors
/// If there are no server programs, or the server does not start; the message says what to do.
pub async fn run(args: Args) -> anyhow::Result<Ended> {
    let cluster = Cluster::new(args.data_dir)?;
    let root = cluster.root().display();
    match args.action {
        Action::Start => say(cluster.start().await?.expose())?,
        Action::Stop if cluster.stop().await? => warn(format_args!("the private server under {root} was stopped")),
        Action::Stop => warn(format_args!("the private server under {root} does not run")),
        Action::Url => match cluster.url()? {
            Some(url) => say(url.expose())?,
            None => {
                warn(format_args!(
                    "the private server under {root} does not run: start it with `commissary cluster start`"
                ));
                return Ok(Ended::WithProblems);
            }
        },
    }
    Ok(Ended::Well)
}
