//! `demo`: imports data, enqueues purchases, runs a fleet of worker processes, shows and audits what came of it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::output::{say, warn};
use super::{Ended, migrate};
use crate::cluster::Cluster;
use crate::config::{SecretUrl, Settings};
use crate::db::{self, Role};
use crate::demo::{Data, Program, Report, progress};

/// What is shown, and with how many workers.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Import files and purchases.ndjson[.gz] to use, instead of making some
    #[arg(long, value_name = "DIR", conflicts_with = "purchases")]
    data: Option<PathBuf>,
    /// How many jobs to make: purchases, with some payments in between
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    purchases: u64,
    /// How many worker processes to run
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Leave the private server running and the made files in place, to look around
    #[arg(long)]
    keep: bool,
}

/// Runs the demonstration; without a database URL on a private server.
///
/// # Errors
/// If there is no server to be had, or one of the steps failed; the message says which and why.
pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<Ended> {
    if settings.database.url.is_some() {
        say("Using the server of DATABASE_URL.")?;
        let ended = show(&args, settings, None).await?;
        say(format_args!("\n{}", ways_to_look("\"$DATABASE_URL\"")))?;
        return Ok(ended);
    }
    let cluster = Cluster::new(None)?;
    let url = cluster.start().await?;
    say(format_args!("DATABASE_URL is not set: using a private Postgres server under {}", cluster.root().display()))?;
    let mut own = settings.clone();
    own.database.url = Some(url.clone());
    (own.database.worker_url, own.database.producer_url) = (None, None);
    (own.database.reporter_url, own.database.admin_url) = (None, None);
    let shown = show(&args, &own, Some(url.clone())).await;
    if args.keep {
        say(format_args!("\nThe private server runs on; stop it with: {} cluster stop", program_name()))?;
        say(ways_to_look(&format!("'{}'", url.expose())))?;
    } else {
        cluster.stop().await?;
        say(format_args!(
            "\nThe private server was stopped; its data stays. To look around, start it: {} cluster start",
            program_name()
        ))?;
        say(format_args!("and stop it afterwards: {} cluster stop", program_name()))?;
        say(ways_to_look(&format!("'{}'", url.expose())))?;
    }
    shown
}

async fn show(args: &Args, settings: &Settings, private: Option<SecretUrl>) -> anyhow::Result<Ended> {
    migrate::run(settings).await?;
    let scratch = Scratch::new(args.keep)?;
    let data = match &args.data {
        Some(directory) => Data::read(directory)?,
        None => Data::generate(&scratch.path, args.purchases)?,
    };
    let program = Program::new(private)?;
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;

    say(format_args!("\nImporting {}", data.directory.display()))?;
    let imported = program.run(&[Path::new("import"), &data.directory]).await?;
    anyhow::ensure!(imported, "the import found problems; what it said stands above");
    let before = progress(&pool, &data.businesses).await?;
    anyhow::ensure!(before.asked_at > chrono::DateTime::UNIX_EPOCH, "the import left no business behind");
    say(format_args!("\nEnqueueing {}", data.jobs.display()))?;
    let mut is_well = program.run(&[Path::new("enqueue"), Path::new("--file"), &data.jobs]).await?;
    say(format_args!("\nWorking: {} processes of `commissary worker --until-empty`", args.workers))?;
    program.work(args.workers, &pool, &data.businesses, &scratch.path).await?;

    let report = Report::read(&pool, &data.businesses, before.asked_at).await?;
    say(format_args!("\n{report}"))?;
    if report.is_unchanged() {
        say("Running the demonstration again changes nothing: the same keys give the stored results.")?;
    }
    let waiting = progress(&pool, &data.businesses).await?.waiting;
    if waiting > 0 {
        say(format_args!(
            "{waiting} jobs still wait: for a retry, for their time, or in a paused queue (table commissary.jobs)"
        ))?;
        is_well = false;
    }
    say("\nAuditing: every invariant, over everything that was recorded")?;
    is_well &= program.run(&["audit"]).await?;
    Ok(if is_well { Ended::Well } else { Ended::WithProblems })
}

/// A directory for made data and the workers' logs, removed at the end unless it is to be kept.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    fn new(keep: bool) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("commissary-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, keep })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            say(format_args!("\nThe made files and the workers' logs are in {}", self.path.display())).ok();
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            warn(format_args!("{} could not be removed: {error}", self.path.display()));
        }
    }
}

fn program_name() -> String {
    std::env::current_exe().map_or_else(|_| "commissary".to_owned(), |path| path.display().to_string())
}

fn ways_to_look(url: &str) -> String {
    format!(
        "Look around as its superuser, who sees every business:
  psql {url}
    SELECT kind, status, reason, count(*) FROM commissary.job_results GROUP BY 1, 2, 3 ORDER BY 4 DESC;
    SELECT idempotency_key, outcome FROM commissary.job_results WHERE reason = 'credit_limit_exceeded' LIMIT 3;
    SELECT seq, kind, amount, balance_before, balance_after, credit_limit FROM commissary.credit_ledger
      WHERE (business_id, customer_id) = (SELECT business_id, customer_id FROM commissary.credit_ledger
        ORDER BY seq DESC LIMIT 1) ORDER BY seq DESC LIMIT 10;
    SELECT jsonb_pretty(evaluation) FROM commissary.subsidy_ledger LIMIT 1;"
    )
}
