//! Growth: many orders that are there already, beside none; and how long reading a long account's balance takes.

use std::time::Instant;

use futures::FutureExt;
use uuid::Uuid;

use super::Scenario;
use crate::bench::figures::{BALANCE_READ_MS, Figures, LEDGER_ENTRIES, PURCHASES_PER_SECOND, median};
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Run};
use crate::db::{self, Role, begin_tenant};
use crate::ids::BusinessId;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "growth",
    about: "many orders that are there already, beside none; and reading the balance of a long account",
    run: |bench| run(bench).boxed_local(),
};

/// At least so much of the rate with empty tables.
const TARGET: f64 = 0.9;
const EMPTY: &str = "empty";
const GROWN: &str = "grown";
const LONG_ACCOUNT: &str = "long account";
/// Entries of the long account for each order that is there: a million for half a million.
const ENTRIES_PER_ORDER: u32 = 2;
/// Reads of the balance, each in a transaction of its own.
const READS: usize = 200;

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let (workload, orders) = (bench.options.workload, bench.options.orders_before);
    let grown = Template::grown(bench, workload, orders).await?;
    let account = long_account(bench, &grown, orders.saturating_mul(ENTRIES_PER_ORDER)).await?;
    let empty = Template::filled(bench, workload).await?;
    let mut findings = interleaved(bench, &[Lane::worker(GROWN, &grown), Lane::worker(EMPTY, &empty)]).await?;
    findings.compare(GROWN, EMPTY, &PURCHASES_PER_SECOND, Some(TARGET));
    findings.runs.push(account);
    findings.notes.push(format!(
        "{GROWN}: {orders} orders were there; {LONG_ACCOUNT}: the median of {READS} reads, aimed at less than 1 ms"
    ));
    Ok(findings)
}

/// Gives the template a customer with so many entries, and reads that balance as a reporter does.
async fn long_account(bench: &Bench, grown: &Template, entries: u32) -> anyhow::Result<Run> {
    (bench.say)(&format!("making an account of {entries} entries"));
    let pool = &grown.database.pool;
    sqlx::query_file!("src/bench/sql/long_account.sql", i64::from(entries)).execute(pool).await?;
    sqlx::raw_sql("VACUUM ANALYZE commissary.credit_ledger").execute(pool).await?;
    let reporter = db::connect(&bench.settings_for(&grown.database).database, Role::Reporter, 1).await?;
    let ids = sqlx::query_file!("src/bench/sql/long_account_ids.sql").fetch_one(pool).await?;
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        times.push(read_balance(&reporter, BusinessId(ids.business_id), ids.customer_id).await?);
    }
    reporter.close().await;
    let mut figures = Figures::default();
    figures.set(&LEDGER_ENTRIES, f64::from(entries));
    figures.set_measured(&BALANCE_READ_MS, median(&times));
    let (curve, settings, objections) = Default::default();
    Ok(Run { name: LONG_ACCOUNT.to_owned(), round: 1, figures, curve, settings, objections })
}

/// Milliseconds of the statement alone.
async fn read_balance(reporter: &sqlx::PgPool, business: BusinessId, customer: Uuid) -> anyhow::Result<f64> {
    let mut tx = begin_tenant(reporter, business).await?;
    let started = Instant::now();
    sqlx::query_file!("src/bench/sql/balance.sql", business.0, customer).fetch_one(&mut *tx).await?;
    let took = started.elapsed();
    tx.commit().await?;
    Ok(took.as_secs_f64() * 1e3)
}
