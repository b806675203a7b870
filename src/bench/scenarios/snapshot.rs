//! Snapshot: a transaction elsewhere that keeps every dead row version alive for the whole run.

use std::any::Any;

use futures::FutureExt;
use sqlx::PgPool;

use super::Scenario;
use crate::bench::figures::PURCHASES_PER_SECOND;
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "snapshot",
    about: "a snapshot held open elsewhere for the whole run, beside none; --seconds 120 is the target's length",
    run: |bench| run(bench).boxed_local(),
};

/// At least so much of the rate without one.
const TARGET: f64 = 0.7;
const HELD: &str = "snapshot held";
const WITHOUT: &str = "without";

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let template = Template::warm(bench, bench.options.workload).await?;
    let held = Lane { beside: Some(|pool| hold(pool).boxed()), ..Lane::worker(HELD, &template) };
    let mut findings = interleaved(bench, &[held, Lane::worker(WITHOUT, &template)]).await?;
    findings.compare(HELD, WITHOUT, &PURCHASES_PER_SECOND, Some(TARGET));
    Ok(findings)
}

/// A snapshot is taken by the first statement, and held until what is given here is dropped.
async fn hold(pool: PgPool) -> anyhow::Result<Box<dyn Any + Send>> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::query_file!("src/bench/sql/clock.sql").fetch_one(&mut *tx).await?;
    Ok(Box::new(tx))
}
