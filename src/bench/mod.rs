//! The benchmark: workloads on databases of their own, through the same doors as real work, beside baselines.
//!
//! The standard workload is 12 businesses, each with 200 customers of one organization and office, 100 products and 3
//! eligible capped-percentage programs; a purchase has 3 lines. Nothing is left out for speed: every constraint,
//! trigger, policy, fsync and synchronous_commit are on, and the report says so.
//!
//! A scenario (`scenarios/`) is a file that makes templates, lets contenders run, interleaved, and compares them. Each run
//! is on a fresh copy of a template, crosses a checkpoint, and is checked: nobody wins by doing less.

pub mod baselines;
pub mod callers;
mod check;
pub mod contender;
mod counters;
pub mod figures;
mod findings;
mod offer;
mod offered;
mod options;
pub mod plot;
mod print;
mod rounds;
mod run;
pub mod scenarios;
mod server;
mod template;
mod usage;
mod watch;
mod workload;

pub use contender::Contender;
pub use findings::{Findings, Ratio, Run};
pub use options::Options;
pub use print::Report;
pub use scenarios::Scenario;
pub use workload::Workload;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Settings;
use server::{Database, Server};

/// What every scenario works with.
#[derive(Debug)]
pub struct Bench {
    /// The settings of this process; workers are given the same.
    pub settings: Settings,
    /// What the command line asks for.
    pub options: Options,
    server: Server,
    /// Tells whoever waits what is being done.
    pub say: fn(&str),
}

impl Bench {
    /// A benchmark on the server that the settings name.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn new(settings: Settings, options: Options, say: fn(&str)) -> anyhow::Result<Self> {
        let server = Server::new(&settings).await?;
        Ok(Self { settings, options, server, say })
    }

    /// Runs a scenario; its databases are removed afterwards, also if it fails.
    ///
    /// # Errors
    /// If the server, the schema or a contender fails, or a contender's results are wrong.
    pub async fn run(&self, scenario: &'static Scenario) -> anyhow::Result<Report> {
        let found = tokio::select! {
            found = (scenario.run)(self) => found,
            interrupted = interrupted() => interrupted.map_err(Into::into).and_then(|()| {
                Err(anyhow::anyhow!("interrupted; its databases are removed"))
            }),
        };
        self.server.drop_all().await?;
        let settings = self.server.settings().await?;
        Ok(Report::new(scenario, self, found?, settings))
    }

    /// The settings of this process, pointing at a database of the benchmark.
    fn settings_for(&self, database: &Database) -> Settings {
        let mut settings = self.settings.clone();
        settings.database.url = Some(database.url.clone());
        (settings.database.worker_url, settings.database.producer_url) = (None, None);
        (settings.database.reporter_url, settings.database.admin_url) = (None, None);
        settings
    }

    async fn migrate(&self, database: &Database) -> anyhow::Result<()> {
        crate::cli::migrate(&self.settings_for(database)).await?;
        Ok(())
    }
}

/// Waits for SIGINT or SIGTERM: whoever ends the benchmark leaves neither a server nor databases behind.
async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
