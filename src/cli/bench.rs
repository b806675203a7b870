//! `bench`: the standard workload, measured on this machine.

use clap::Args;

use super::Ended;
use crate::bench::{self, Workload};
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

/// Runs the workload on a database of its own and prints what it measured.
///
/// # Errors
/// If the server, the schema or the worker fails.
pub async fn run(args: BenchArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let BenchArgs { purchases, businesses, customers, products, programs, lines, json } = args;
    let workload = Workload { businesses, customers, products, programs, lines, purchases };
    let report = bench::run(settings, workload, &|step| eprintln!("bench: {step}")).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(Ended::Well)
}
