//! Fairness: one business floods, eleven others go on as before; equal ones are served alike, and weights are kept.

use std::time::Duration;

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::{
    Figures, JAIN, LATENCY_P99_MS, PURCHASES, PURCHASES_PER_SECOND, SECONDS, WEIGHT_ERROR_PERCENT,
};
use crate::bench::offer::Offer;
use crate::bench::offered::{AIM, Load, jain, offered, run as run_of, start};
use crate::bench::server::Database;
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Run, Workload};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fairness",
    about: "one business floods 100,000 jobs while the others offer 20/s each; equal and weighted businesses with deep queues",
    run: |bench| run(bench).boxed_local(),
};

const FLOOD: u32 = 100_000;
const PER_SECOND: f64 = 20.0;
const ALONE: &str = "others alone";
const FLOODED: &str = "others, one floods";
const EQUAL: &str = "all flood, equal";
const WEIGHTED: &str = "all flood, weights 1 to 3";
/// The others' p99 may reach the greater of these: so many times their p99 alone, so many milliseconds.
const P99_TIMES: f64 = 2.0;
const P99_MS: f64 = 50.0;
const JAIN_TARGET: f64 = 0.95;
const WEIGHT_ERROR_MAX_PERCENT: f64 = 10.0;
/// Rates are taken after so long: the line has learned what a batch costs.
const WARM_UP: Duration = Duration::from_secs(2);

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = bench.options.workload;
    anyhow::ensure!(workload.businesses > 1, "fairness is between businesses: ask for two or more");
    let quiet = Template::catalogue(bench, workload).await?;
    let flooded = Template::catalogue(bench, workload).await?;
    // The first business alone is filled: its whole share of a workload of that many for each.
    let flood = FLOOD.min(workload.purchases);
    Workload { businesses: 1, purchases: flood, ..workload }.enqueue(&flooded.pool, 0).await?;
    let deep = Template::filled(bench, workload).await?;
    let weighted = bench.server.copy(&deep.database).await?;
    let businesses = i32::try_from(workload.businesses)?;
    sqlx::query_file!("src/bench/sql/weigh.sql", businesses).execute(&weighted.pool).await?;
    let offers: Vec<Offer> = (2..=businesses).map(|business| Offer { business, per_second: PER_SECOND }).collect();
    let alone = Load { name: ALONE, template: &quiet, workload, offers: offers.clone() };
    let beside = Load { name: FLOODED, template: &flooded, workload, offers };
    let mut findings = Findings::default();
    for round in 1..=bench.options.runs {
        let alone = offered(bench, &alone, round).await?;
        let mut aim = Figures::default();
        let p99 = alone.figures.get(&LATENCY_P99_MS).map(|alone| (alone * P99_TIMES).max(P99_MS));
        aim.set_measured(&LATENCY_P99_MS, p99);
        aim.set(&JAIN, JAIN_TARGET);
        aim.set(&WEIGHT_ERROR_PERCENT, WEIGHT_ERROR_MAX_PERCENT);
        findings.runs.extend([alone, offered(bench, &beside, round).await?]);
        findings.runs.push(shared(bench, EQUAL, &deep.database, businesses, round).await?);
        findings.runs.push(shared(bench, WEIGHTED, &weighted, businesses, round).await?);
        findings.runs.push(run_of(AIM, round, aim));
    }
    findings.compare(AIM, FLOODED, &LATENCY_P99_MS, Some(1.0));
    findings.compare(EQUAL, AIM, &JAIN, Some(1.0));
    findings.compare(AIM, WEIGHTED, &WEIGHT_ERROR_PERCENT, Some(1.0));
    Ok(findings)
}

/// How deep queues are served for a time: who had how much of it.
async fn shared(bench: &Bench, name: &str, template: &Database, businesses: i32, round: u32) -> anyhow::Result<Run> {
    (bench.say)(&format!("run {round} of {}: {name}", bench.options.runs));
    let database = bench.server.copy(template).await?;
    let processes = start(bench, &database).await?;
    tokio::time::sleep(WARM_UP).await;
    let read = || sqlx::query_file!("src/bench/sql/decided_each.sql", businesses).fetch_all(&database.pool);
    let before = read().await?;
    tokio::time::sleep(bench.options.duration).await;
    let after = read().await?;
    processes.stop().await?;
    let left = sqlx::query_file_scalar!("src/bench/sql/emptied.sql", businesses).fetch_one(&database.pool).await?;
    let served: Vec<(f64, f64)> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| ((after.decision_seq - before.decision_seq) as f64, f64::from(after.weight)))
        .collect();
    let mut run = run_of(name, round, shares(&served, bench.options.duration));
    if left > 0 {
        run.objections.push(format!("{left} queues ran empty: enqueue more with --purchases"));
    }
    bench.server.drop_database(&database).await?;
    Ok(run)
}

/// Figures of what each business of a weight was served in a time.
fn shares(served: &[(f64, f64)], duration: Duration) -> Figures {
    let (mut figures, seconds) = (Figures::default(), duration.as_secs_f64());
    let total: f64 = served.iter().map(|(served, _)| served).sum();
    let per_weight: Vec<f64> = served.iter().map(|(served, weight)| served / weight).collect();
    let mean = per_weight.iter().sum::<f64>() / per_weight.len() as f64;
    let error = per_weight.iter().map(|one| (one / mean - 1.0).abs() * 100.0).reduce(f64::max);
    figures.set(&PURCHASES, total);
    figures.set(&SECONDS, seconds);
    figures.set(&PURCHASES_PER_SECOND, total / seconds);
    figures.set_measured(&JAIN, jain(&per_weight));
    figures.set_measured(&WEIGHT_ERROR_PERCENT, error.filter(|_| mean > 0.0));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_held_against_weights() {
        let figures = shares(&[(100.0, 1.0), (200.0, 2.0), (330.0, 3.0)], Duration::from_secs(2));
        assert_eq!(figures.get(&PURCHASES_PER_SECOND), Some(315.0));
        assert!((figures.get(&WEIGHT_ERROR_PERCENT).expect("measured") - 6.45).abs() < 0.01);
        assert_eq!(shares(&[(0.0, 1.0)], Duration::from_secs(1)).get(&WEIGHT_ERROR_PERCENT), None);
    }
}
