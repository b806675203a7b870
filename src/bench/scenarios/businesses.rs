//! Businesses: 10,000 of them, of which 50 have work.

use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::{Figures, LOOK_CPU_MS, PURCHASES_PER_SECOND};
use crate::bench::offered::{aim_below, run as run_of};
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::server::Database;
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Workload, usage};
use crate::db::{self, Role};
use crate::demo::Program;
use crate::queue;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "businesses",
    about: "10,000 businesses of which 50 have work, beside those 50 alone; and what finding them costs the server",
    run: |bench| run(bench).boxed_local(),
};

const BUSY: u32 = 50;
const ALL: i32 = 10_000;
/// At least so much of the rate without the others.
const TARGET: f64 = 0.9;
const AMONG_MANY: &str = "50 of 10,000";
const ALONE: &str = "50 of 50";
const LOOK: &str = "looking";
/// Processor time is counted in hundredths of a second: looks are repeated until they took so much.
const LOOKS_TAKE: Duration = Duration::from_secs(1);
const LOOKS_MAX: u32 = 20_000;
/// How often that is looked at.
const LOOKS_AT_ONCE: u32 = 100;

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = Workload { businesses: BUSY, ..bench.options.workload };
    let many = Template::catalogue(bench, workload).await?;
    let (busy, all) = (i32::try_from(BUSY)?, ALL);
    sqlx::query_file!("src/bench/sql/further_businesses.sql", busy, all).execute(&many.pool).await?;
    // A worker's first start computes the schedules of new businesses: not what is measured here.
    let program = Program::new(Some(many.url.clone()))?;
    anyhow::ensure!(program.run(&["worker", "--until-empty"]).await?, "the worker failed");
    let many = Template::fill(bench, many, workload, 0).await?;
    let look_cpu_ms = look(bench, &many.database).await?;
    let alone = Template::filled(bench, workload).await?;
    let mut findings = interleaved(bench, &[Lane::worker(AMONG_MANY, &many), Lane::worker(ALONE, &alone)]).await?;
    findings.compare(AMONG_MANY, ALONE, &PURCHASES_PER_SECOND, Some(TARGET));
    let mut figures = Figures::default();
    figures.set_measured(&LOOK_CPU_MS, look_cpu_ms);
    findings.runs.push(run_of(LOOK, 1, figures));
    aim_below(&mut findings, LOOK, &[(&LOOK_CPU_MS, 2.0)], 1);
    Ok(findings)
}

/// The server's processor time for one look, in milliseconds; none if its processes cannot be seen.
async fn look(bench: &Bench, database: &Database) -> anyhow::Result<Option<f64>> {
    (bench.say)("looking for businesses with work");
    let pool = db::connect(&bench.settings_for(database).database, Role::Worker, 1).await?;
    let mut connection = pool.acquire().await?;
    let found = queue::ready_queues(&mut connection).await?.len();
    anyhow::ensure!(found == BUSY as usize, "a look finds {found} businesses instead of {BUSY}");
    let Some(process) = usage::backend(&mut connection).await? else { return Ok(None) };
    let spent = || usage::process_cpu(process).context("the server's process is gone");
    let (before, mut looks) = (spent()?, 0);
    while looks < LOOKS_MAX && spent()? - before < LOOKS_TAKE {
        for _ in 0..LOOKS_AT_ONCE {
            queue::ready_queues(&mut connection).await?;
        }
        looks += LOOKS_AT_ONCE;
    }
    let each = (spent()? - before).as_secs_f64() * 1e3 / f64::from(looks);
    drop(connection);
    pool.close().await;
    Ok(Some(each))
}
