//! The program's own subcommands as child processes, and a fleet of workers among them.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use tokio::process::{Child, Command};

use super::{progress, tail};
use crate::config::SecretUrl;
use crate::ids::BusinessId;

/// How often the queues are asked how far they are.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// This very program, to be run against one database.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    database: Option<SecretUrl>,
}

impl Program {
    /// Runs against the private server if a URL is given, else as this process was told to.
    ///
    /// # Errors
    /// If the system does not know where the program is.
    pub fn new(database: Option<SecretUrl>) -> anyhow::Result<Self> {
        Ok(Self { path: std::env::current_exe().context("finding this program")?, database })
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(url) = &self.database {
            // The roles' own URLs, if any are set, name another server.
            for role in ["WORKER_", "PRODUCER_", "REPORTER_", "ADMIN_", ""] {
                command.env_remove(format!("COMMISSARY_DATABASE__{role}URL"));
            }
            command.env("DATABASE_URL", url.expose());
        }
        command
    }

    /// Runs a subcommand to its end, its output going where ours goes; says whether all was well (exit code 0), or the
    /// work found a problem (1).
    ///
    /// # Errors
    /// If it could not be run, or ended in any other way.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<bool> {
        let name = arguments.first().map(|name| name.as_ref().display().to_string()).unwrap_or_default();
        let status = self.command(arguments).status().await.with_context(|| format!("running `commissary {name}`"))?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => anyhow::bail!("`commissary {name}` failed ({status}); what it said stands above"),
        }
    }

    /// Lets a fleet of so many workers empty the queues, showing how far it is. Their logs go to `logs`.
    ///
    /// # Errors
    /// If a worker failed; the message shows the end of its log. Nothing is lost by that: its jobs still wait.
    pub async fn work(
        &self,
        workers: u32,
        pool: &PgPool,
        businesses: &[BusinessId],
        logs: &Path,
    ) -> anyhow::Result<()> {
        let start = progress(pool, businesses).await?;
        let mut fleet = Vec::new();
        for number in 1..=workers {
            let log = logs.join(format!("worker-{number}.log"));
            let file = File::create(&log).with_context(|| log.display().to_string())?;
            let mut command = self.command(&["worker", "--until-empty"]);
            command.stdout(file.try_clone()?).stderr(file);
            fleet.push((command.spawn().with_context(|| format!("starting worker {number}"))?, log));
        }
        let bar = ProgressBar::new(start.waiting);
        bar.set_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} jobs, {elapsed}")?);
        while is_running(&mut fleet)? {
            tokio::time::sleep(WATCH_EVERY).await;
            bar.set_position(progress(pool, businesses).await?.decided.saturating_sub(start.decided));
        }
        bar.finish();
        for (number, (mut child, log)) in (1..).zip(fleet) {
            check(number, workers, child.wait().await?, &log)?;
        }
        Ok(())
    }
}

fn is_running(fleet: &mut [(Child, PathBuf)]) -> anyhow::Result<bool> {
    let mut running = false;
    for (child, _) in fleet {
        running |= child.try_wait()?.is_none();
    }
    Ok(running)
}

fn check(number: u32, workers: u32, status: ExitStatus, log: &Path) -> anyhow::Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = tail(log).unwrap_or_else(|error| format!("{}: {error}", log.display()));
    anyhow::bail!(
        "worker {number} of {workers} failed ({status}); what it had not committed still waits in the queue, and another \
         run takes it up. The end of its log:\n{said}"
    )
}
