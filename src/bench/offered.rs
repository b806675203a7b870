//! Offered: a run under an open load, on a copy of a database, with what it cost.

use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;

use super::Bench;
use super::contender::{Contender, Launch, Processes};
use super::figures::{
    Figure, Figures, JAIN, LATENCY_P50_MS, LATENCY_P95_MS, LATENCY_P99_MS, PURCHASES, SECONDS, SERVER_CPU_PERCENT,
    WORKER_CPU_PERCENT, WORKER_MEMORY_PEAK_MIB,
};
use super::findings::{Findings, Run};
use super::offer::{Offer, Waited, offer};
use super::server::Database;
use super::workload::Workload;

/// What stands beside measured lanes, so that a target is a ratio like any other.
pub const AIM: &str = "aim";

/// How long a worker may take to be ready before an open load begins, or before it is watched.
const STARTS_WITHIN: Duration = Duration::from_secs(1);

/// A load, and the tables' name for it.
#[derive(Debug)]
pub struct Load<'a> {
    /// What tables call it.
    pub name: &'static str,
    /// The database that is copied.
    pub template: &'a Database,
    /// What it was filled with.
    pub workload: Workload,
    /// What is offered, and measured.
    pub offers: Vec<Offer>,
}

/// Lets a worker answer the load on a copy, and measures what the callers see.
///
/// # Errors
/// If the worker, the server or a caller fails.
pub async fn offered(bench: &Bench, load: &Load<'_>, round: u32) -> anyhow::Result<Run> {
    (bench.say)(&format!("run {round} of {}: {}", bench.options.runs, load.name));
    let database = bench.server.copy(load.template).await?;
    let processes = start(bench, &database).await?;
    let before = (Instant::now(), bench.server.cpu(), processes.cpu());
    let waited = offer(&database.pool, &load.workload, &load.offers, bench.options.duration).await;
    let mut figures = latencies(&waited.with_context(|| format!("{}, run {round}", load.name))?)?;
    cpu(bench, &processes, before, &mut figures);
    figures.set_measured(&WORKER_MEMORY_PEAK_MIB, processes.memory_peak_mib());
    processes.stop().await?;
    bench.server.drop_database(&database).await?;
    Ok(run(load.name, round, figures))
}

/// Starts a worker and waits until it has connected.
///
/// # Errors
/// If it cannot be started.
pub async fn start(bench: &Bench, database: &Database) -> anyhow::Result<Processes> {
    let launch = Launch { concurrency: bench.options.concurrency, ..Launch::default() };
    let processes = Contender::Commissary.prepare(database, &launch).await?.go().await?;
    tokio::time::sleep(STARTS_WITHIN).await;
    Ok(processes)
}

/// The processor time since a moment, in percent of one core.
pub fn cpu(
    bench: &Bench,
    processes: &Processes,
    (since, server, worker): (Instant, Option<Duration>, Option<Duration>),
    figures: &mut Figures,
) {
    let seconds = since.elapsed().as_secs_f64();
    let percent = |before: Option<Duration>, after: Option<Duration>| {
        // A process that has used nothing yet has no time to show.
        let spent = after.map(|after| after.saturating_sub(before.unwrap_or_default()));
        spent.map(|spent| spent.as_secs_f64() * 100.0 / seconds)
    };
    figures.set(&SECONDS, seconds);
    figures.set_measured(&SERVER_CPU_PERCENT, percent(server, bench.server.cpu()));
    figures.set_measured(&WORKER_CPU_PERCENT, percent(worker, processes.cpu()));
}

/// All businesses' latencies together, and how alike they were served.
fn latencies(waited: &[Waited]) -> anyhow::Result<Figures> {
    let mut all = Histogram::<u64>::new(3)?;
    for one in waited {
        all.add(&one.histogram)?;
    }
    let mut figures = Figures::default();
    figures.set(&PURCHASES, all.len() as f64);
    for (figure, quantile) in [(&LATENCY_P50_MS, 0.5), (&LATENCY_P95_MS, 0.95), (&LATENCY_P99_MS, 0.99)] {
        figures.set(figure, all.value_at_quantile(quantile) as f64 / 1e3);
    }
    figures.set_measured(&JAIN, jain(&waited.iter().map(|one| one.histogram.len() as f64).collect::<Vec<_>>()));
    Ok(figures)
}

/// Jain's index of what each had: 1 if all had the same, 1/n if one had everything.
#[must_use]
pub fn jain(served: &[f64]) -> Option<f64> {
    let squares: f64 = served.iter().map(|one| one * one).sum();
    let sum: f64 = served.iter().sum();
    (squares > 0.0).then(|| sum * sum / (served.len() as f64 * squares))
}

/// A run with nothing but figures.
#[must_use]
pub fn run(name: &str, round: u32, figures: Figures) -> Run {
    let (curve, settings, objections) = Default::default();
    Run { name: name.to_owned(), round, figures, curve, settings, objections }
}

/// Compares a lane with fixed aims, "aim / lane, 1 or more" where less is better.
pub fn aim_below(findings: &mut Findings, lane: &str, aims: &[(&'static Figure, f64)], rounds: u32) {
    let mut figures = Figures::default();
    for (figure, value) in aims {
        figures.set(figure, *value);
    }
    findings.runs.extend((1..=rounds).map(|round| run(AIM, round, figures.clone())));
    for (figure, _) in aims {
        findings.compare(AIM, lane, figure, Some(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::jain;

    #[test]
    fn jains_index_is_1_for_equals_and_a_share_for_a_monopoly() {
        assert_eq!(jain(&[3.0, 3.0, 3.0, 3.0]), Some(1.0));
        assert_eq!(jain(&[8.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[0.0, 0.0]), None);
    }
}
