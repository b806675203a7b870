//! Idle: what a fleet costs that has had work, and has none.

use std::time::{Duration, Instant};

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::{Figures, SERVER_CPU_PERCENT, WORKER_CPU_PERCENT};
use crate::bench::offered::{aim_below, cpu, run as run_of, start};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Run, Workload};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "idle",
    about: "the processor time of a worker and the whole server while nothing is to be done, after something was",
    run: |bench| run(bench).boxed_local(),
};

const IDLE: &str = "idle";
/// Purchases that are done before.
const PURCHASES: u32 = 1_200;
/// How long all businesses take to be marked idle, beyond the grace.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = Workload { purchases: PURCHASES, ..bench.options.workload };
    let template = Template::filled(bench, workload).await?;
    let mut findings = Findings::default();
    for round in 1..=bench.options.runs {
        findings.runs.push(idle(bench, &template, round).await?);
    }
    // Worker and server together may take 1%; each is held against half of it.
    aim_below(&mut findings, IDLE, &[(&WORKER_CPU_PERCENT, 0.5), (&SERVER_CPU_PERCENT, 0.5)], bench.options.runs);
    findings.notes.push("percentages are of one core; the server's include its background processes".to_owned());
    Ok(findings)
}

async fn idle(bench: &Bench, template: &Template, round: u32) -> anyhow::Result<Run> {
    (bench.say)(&format!("run {round} of {}: {IDLE}", bench.options.runs));
    let database = bench.server.copy(&template.database).await?;
    let mut processes = start(bench, &database).await?;
    let grace = Duration::from_millis(bench.settings.worker.idle_grace_ms);
    tokio::time::sleep(grace + SETTLES_WITHIN).await;
    let left = sqlx::query_file_scalar!("src/bench/sql/waiting.sql").fetch_one(&database.pool).await?;
    anyhow::ensure!(left == 0, "{left} purchases still wait: the worker is not idle");
    // What was written before is not the idle fleet's.
    bench.server.checkpoint().await?;
    let mut figures = Figures::default();
    let before = (Instant::now(), bench.server.cpu(), processes.cpu());
    tokio::time::sleep(bench.options.duration).await;
    cpu(bench, &processes, before, &mut figures);
    processes.check_running()?;
    processes.stop().await?;
    bench.server.drop_database(&database).await?;
    Ok(run_of(IDLE, round, figures))
}
