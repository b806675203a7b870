//! Enqueue: how fast jobs are taken in, beside the same rows by plain INSERTs.
//!
//! All callers enqueue for one business, on a fresh database each run. The floor is the statement that anybody would write
//! by hand, under the same constraints and indexes: it looks for no key and no result, checks no limit and passes row
//! security by.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;

use super::Scenario;
use crate::bench::callers::{self, Done, Door, Work};
use crate::bench::counters::Counters;
use crate::bench::figures::{
    CALL_P50_MS, CALL_P99_MS, Figures, JOBS, JOBS_PER_SECOND, SECONDS, SERVER_CPU_US_PER_JOB, WAL_BYTES_PER_JOB,
};
use crate::bench::server::Database;
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Run};
use crate::db::{self, Role};
use crate::ids::BusinessId;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "enqueue",
    about: "enqueue_many and enqueue, by several callers at once, beside plain INSERTs of the same rows",
    run: |bench| run(bench).boxed_local(),
};

/// A run ends after so many jobs, however long it was to last: a million rows with their indexes are a gigabyte.
const JOBS_MAX: i64 = 1_000_000;
/// A shorter run's figures do not count, unless it ended for that reason.
const COUNTS_FROM_SECONDS: f64 = 60.0;
/// Different payloads.
const PAYLOADS: i32 = 10_000;

/// Doors, by how many callers at once each is used.
const LANES: [(Door, &str, &[u32]); 5] = [
    (Door::InsertSet, "plain INSERT", &[1, 2, 4]),
    (Door::EnqueueMany, "enqueue_many", &[1, 2, 4]),
    (Door::Client, "Rust client", &[1, 2, 4]),
    (Door::InsertOne, "plain INSERT, one by one", &[1, 4, 16, 32]),
    (Door::EnqueueOne, "enqueue, one by one", &[1, 4, 16, 32]),
];

struct Lane {
    name: String,
    door: Door,
    callers: u32,
}

/// Every door and its floor, those of the same number of callers side by side.
fn lanes() -> Vec<Lane> {
    let mut lanes: Vec<Lane> = LANES
        .iter()
        .flat_map(|(door, name, callers)| {
            callers.iter().map(move |callers| Lane { name: lane(name, *callers), door: *door, callers: *callers })
        })
        .collect();
    lanes.sort_by_key(|lane| (lane.door.set_size() == 1, lane.callers));
    lanes
}

fn lane(door: &str, callers: u32) -> String {
    format!("{door} x{callers}")
}

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = bench.options.workload;
    let template = Template::catalogue(bench, workload).await?;
    let payloads = workload.payloads(&template.pool, 0..PAYLOADS).await?;
    let mut businesses = workload.business_ids(&template.pool).await?.into_iter();
    let business = businesses.next().context("a workload has businesses")?;
    let mut findings = Findings::default();
    for round in 1..=bench.options.runs {
        for lane in lanes() {
            (bench.say)(&format!("run {round} of {}: {}", bench.options.runs, lane.name));
            let database = bench.server.copy(&template).await?;
            let figures = measured(bench, &lane, &database, business, &payloads).await;
            let figures = figures.with_context(|| format!("{}, run {round}", lane.name))?;
            let objections = objections(&figures);
            let (curve, settings) = Default::default();
            findings.runs.push(Run { name: lane.name, round, figures, curve, settings, objections });
            bench.server.drop_database(&database).await?;
        }
    }
    compare(&mut findings);
    Ok(findings)
}

fn compare(findings: &mut Findings) {
    for callers in [1, 2, 4] {
        for door in ["enqueue_many", "Rust client"] {
            findings.compare(&lane(door, callers), &lane("plain INSERT", callers), &JOBS_PER_SECOND, None);
        }
    }
    for callers in [1, 4, 16, 32] {
        let [ours, floor] = ["enqueue, one by one", "plain INSERT, one by one"].map(|door| lane(door, callers));
        findings.compare(&ours, &floor, &JOBS_PER_SECOND, None);
    }
    findings.notes.push("enqueue_many and the Rust client: aimed at 50000 jobs/s or more on two cores".to_owned());
    findings.notes.push(format!(
        "a transaction of enqueue_many, the Rust client and their floor has {} jobs; a run ends after {JOBS_MAX} jobs at \
         the latest",
        Door::EnqueueMany.set_size()
    ));
}

fn objections(figures: &Figures) -> Vec<String> {
    let (jobs, seconds) = (figures.get(&JOBS).unwrap_or_default(), figures.get(&SECONDS).unwrap_or_default());
    // The callers' last sets may be the ones that no longer fit.
    if seconds >= COUNTS_FROM_SECONDS || jobs > JOBS_MAX as f64 * 0.99 {
        return Vec::new();
    }
    vec![format!("it lasted {seconds:.1} s, less than {COUNTS_FROM_SECONDS} s, and took in less than {JOBS_MAX} jobs")]
}

async fn measured(
    bench: &Bench,
    lane: &Lane,
    database: &Database,
    business: BusinessId,
    payloads: &[String],
) -> anyhow::Result<Figures> {
    // The floor writes the table itself, which no producer may.
    let role = match lane.door {
        Door::InsertSet | Door::InsertOne => Role::Login,
        Door::EnqueueMany | Door::Client | Door::EnqueueOne => Role::Producer,
    };
    let pool = db::connect(&bench.settings_for(database).database, role, lane.callers).await?;
    let work = Work {
        door: lane.door,
        business,
        payloads: payloads.to_vec(),
        left: AtomicI64::new(JOBS_MAX),
        duration: bench.options.duration,
    };
    bench.server.checkpoint().await?;
    let before = Counters::read(&database.pool).await?;
    let cpu_before = bench.server.cpu();
    let (done, took) = callers::run(&pool, work, lane.callers).await?;
    let cpu = cpu_before.zip(bench.server.cpu()).map(|(before, after)| after.saturating_sub(before));
    pool.close().await;
    let after = Counters::read_at_the_end(&database.pool).await?;
    let stored = sqlx::query_file_scalar!("src/bench/sql/waiting.sql").fetch_one(&database.pool).await?;
    anyhow::ensure!(u64::try_from(stored)? == done.jobs, "{} jobs were queued, but {stored} are there", done.jobs);
    Ok(figures(done, took, cpu, after.wal_bytes - before.wal_bytes))
}

fn figures(mut done: Done, took: Duration, cpu: Option<Duration>, wal_bytes: i64) -> Figures {
    let mut figures = Figures::default();
    let jobs = done.jobs.max(1) as f64;
    figures.set(&JOBS, done.jobs as f64);
    figures.set(&SECONDS, took.as_secs_f64());
    figures.set(&JOBS_PER_SECOND, done.jobs as f64 / took.as_secs_f64());
    done.calls.sort_unstable();
    for (figure, percent) in [(&CALL_P50_MS, 50), (&CALL_P99_MS, 99)] {
        let call = done.calls.get(done.calls.len().saturating_sub(1) * percent / 100);
        figures.set_measured(figure, call.map(|call| call.as_secs_f64() * 1e3));
    }
    figures.set_measured(&SERVER_CPU_US_PER_JOB, cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / jobs));
    figures.set(&WAL_BYTES_PER_JOB, wal_bytes as f64 / jobs);
    figures
}
