//! `bench`: what this machine does, beside baselines that were run in turn with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::Ended;
use super::output::{say, warn};
use crate::bench::{Bench, Contender, Options, Report, Scenario, Workload, contender, plot, scenarios};
use crate::cluster::Cluster;
use crate::config::Settings;

const MORE: &str = "\
Each contender works as a process of its own on a copy of one filled database, in turn with the others (A B C, A B C …), over
a checkpoint in the middle of each run; what it did is checked after each run. Printed are the medians of all runs and the
median of the ratios run by run: on a machine that does other things only the ratios mean anything.

A figure counts if 99% of the purchases had a subsidy, runs lasted 60 s or more, the queue did not run empty, and it is the
median of 5 runs or more. What does not count is said to.

Without DATABASE_URL a private server is started and removed; with it, databases commissary_bench_… are made on that server,
whose login must be a superuser, and removed. WAL and the server's processor time are the whole server's. Processor time
needs /proc, and a server on this machine.

  commissary bench --plot curves.svg                        the standard workload, about half an hour
  commissary bench --seconds 5 --runs 1                     a glance
  commissary bench hot --json > hot.json                    another scenario
  commissary bench --external 'pg-boss=node benches/boss.js'  another program beside ours";

/// The arguments of `bench`; the default sizes are the standard workload.
#[derive(Debug, Args)]
#[command(after_long_help = MORE)]
pub struct BenchArgs {
    /// What to measure
    #[arg(default_value = "throughput", value_parser = PossibleValuesParser::new(values()))]
    scenario: String,
    /// How long each run lasts; figures count from 60 on
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Interleaved runs of each; figures are medians, and count from 5 on
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Who is compared
    #[arg(long, value_delimiter = ',', default_value = "commissary,ceiling,textbook,function")]
    contenders: Vec<Contender>,
    /// Another program that does the same purchases: its command is run with `prepare` (untimed, to take over the jobs),
    /// then with `run` until SIGTERM, each time with DATABASE_URL naming the run's own database; repeatable
    #[arg(long, value_name = "NAME='COMMAND'", value_parser = contender::external)]
    external: Vec<Contender>,
    /// Transactions at once of every built-in contender, instead of each one's best
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrency: Option<u32>,
    /// Purchases that wait, of all businesses together; by default more than any contender does in the time
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    purchases: Option<u32>,
    /// Businesses
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    businesses: u32,
    /// Customers of each business
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    customers: u32,
    /// Products of each business
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    products: u32,
    /// Programs that every customer is eligible for
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=90))]
    programs: u32,
    /// Lines of a purchase
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=500))]
    lines: u32,
    /// Orders that are there already, in the scenario growth
    #[arg(long, default_value_t = 500_000)]
    orders_before: u32,
    /// Audit the last run of each contender with every check of `commissary audit`
    #[arg(long)]
    audit: bool,
    /// Print everything as JSON, every run included
    #[arg(long)]
    json: bool,
    /// Draw results a second over time
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

fn values() -> impl Iterator<Item = PossibleValue> {
    scenarios::ALL.iter().map(|scenario| PossibleValue::new(scenario.name).help(scenario.about))
}

/// Shorter than that a contender has hardly started.
const SECONDS_MIN: f64 = 0.5;
const SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    let allowed = SECONDS_MIN..=SECONDS_MAX;
    if allowed.contains(&seconds) { Ok(seconds) } else { Err(format!("it must be {SECONDS_MIN} to {SECONDS_MAX}")) }
}

impl BenchArgs {
    fn options(&self) -> Options {
        let duration = Duration::from_secs_f64(self.seconds);
        let &Self { businesses, customers, products, programs, lines, .. } = self;
        let purchases = self.purchases.unwrap_or_else(|| Options::depth(duration)).max(businesses);
        let workload = Workload { businesses, customers, products, programs, lines, purchases, is_hot: false };
        Options {
            duration,
            runs: self.runs,
            contenders: self.contenders.iter().chain(&self.external).cloned().collect(),
            concurrency: self.concurrency,
            orders_before: self.orders_before,
            audit: self.audit,
            workload,
        }
    }
}

/// Runs a scenario on databases of its own and prints what it found; without a database URL on a private server that is
/// removed afterwards.
///
/// # Errors
/// If the server, the schema or a contender fails, or a contender's results are wrong.
pub async fn run(args: BenchArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let scenario = Scenario::named(&args.scenario).ok_or_else(|| anyhow::anyhow!("{} is unknown", args.scenario))?;
    let options = args.options();
    let report = if settings.database.url.is_some() {
        measure(scenario, settings.clone(), options).await?
    } else {
        on_private_server(scenario, settings, options).await?
    };
    if let Some(path) = &args.plot {
        plot::write(&report, path)?;
    }
    if args.json {
        say(serde_json::to_string_pretty(&report)?)?;
    } else {
        say(report.to_string().trim_end())?;
    }
    Ok(Ended::Well)
}

fn tell(step: &str) {
    warn(format_args!("bench: {step}"));
}

async fn measure(scenario: &'static Scenario, settings: Settings, options: Options) -> anyhow::Result<Report> {
    Bench::new(settings, options, tell).await?.run(scenario).await
}

async fn on_private_server(
    scenario: &'static Scenario,
    settings: &Settings,
    options: Options,
) -> anyhow::Result<Report> {
    let root = std::env::temp_dir().join(format!("commissary-bench-{}", std::process::id()));
    let cluster = Cluster::new(Some(root.clone()))?;
    tell("starting a private Postgres server: DATABASE_URL is not set");
    let mut own = settings.clone();
    own.database.url = Some(cluster.start().await?);
    let report = measure(scenario, own, options).await;
    cluster.stop().await?;
    std::fs::remove_dir_all(&root)?;
    report
}
