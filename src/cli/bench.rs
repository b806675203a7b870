//! `bench`: the standard workload, measured on this machine.

use clap::Args;

use super::Ended;
use crate::bench::{self, Workload};
use crate::cluster::Cluster;
use crate::config::Settings;

/// The arguments of `bench`; the defaults are the standard workload.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Purchases of all businesses together
    #[arg(long, default_value_t = 120_000, value_parser = clap::value_parser!(u32).range(1..))]
    purchases: u32,
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
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the workload on a database of its own and prints what it measured; without a database URL on a private server
/// that is removed afterwards.
///
/// # Errors
/// If the server, the schema or the worker fails.
pub async fn run(args: BenchArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let BenchArgs { purchases, businesses, customers, products, programs, lines, json } = args;
    let workload = Workload { businesses, customers, products, programs, lines, purchases };
    let report = if settings.database.url.is_some() {
        bench::run(settings, workload, &say).await?
    } else {
        on_private_server(settings, workload).await?
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(Ended::Well)
}

fn say(step: &str) {
    eprintln!("bench: {step}");
}

async fn on_private_server(settings: &Settings, workload: Workload) -> anyhow::Result<bench::Report> {
    let root = std::env::temp_dir().join(format!("commissary-bench-{}", std::process::id()));
    let cluster = Cluster::new(Some(root.clone()))?;
    say("starting a private Postgres server: DATABASE_URL is not set");
    let mut own = settings.clone();
    own.database.url = Some(cluster.start().await?);
    let report = bench::run(&own, workload, &say).await;
    cluster.stop().await?;
    std::fs::remove_dir_all(&root)?;
    report
}
