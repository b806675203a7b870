//! Templates: databases with the schema, the catalogue and filled queues, made once and copied for every run, so that
//! each starts from the same state and size.

use anyhow::Context;

use super::Bench;
use super::server::Database;
use super::workload::Workload;
use crate::demo::Program;

/// The purchases of each customer that make a past.
const PAST_PER_CUSTOMER: u32 = 10;

/// A filled database; nobody works in it.
#[derive(Debug)]
pub struct Template {
    /// Where it is.
    pub database: Database,
    /// What it was filled with.
    pub workload: Workload,
    /// Jobs that are ready in it.
    pub jobs: u64,
}

impl Template {
    /// A database with the schema and the catalogue, and nothing enqueued: for scenarios that fill it their own way.
    ///
    /// # Errors
    /// If the server, the schema or the catalogue fails.
    pub async fn catalogue(bench: &Bench, workload: Workload) -> anyhow::Result<Database> {
        let database = bench.server.create().await?;
        bench.migrate(&database).await?;
        workload.seed(&database.pool).await.context("making the catalogue")?;
        Ok(database)
    }

    /// A database with full queues, and with what the planner knows of it after a vacuum.
    ///
    /// # Errors
    /// If the server, the schema or an enqueue fails.
    pub async fn filled(bench: &Bench, workload: Workload) -> anyhow::Result<Self> {
        (bench.say)(&format!("filling a template: {workload}"));
        let database = Self::catalogue(bench, workload).await?;
        Self::fill(bench, database, workload, 0).await
    }

    /// Likewise, with a past that is long enough for plans and statistics to have settled: a plan of the first seconds, made
    /// for empty tables, would cost those most who do the least per statement.
    ///
    /// # Errors
    /// Likewise, or if the worker fails.
    pub async fn warm(bench: &Bench, workload: Workload) -> anyhow::Result<Self> {
        let past = workload.businesses.saturating_mul(workload.customers).saturating_mul(PAST_PER_CUSTOMER);
        Self::grown(bench, workload, past.min(workload.purchases)).await
    }

    /// Likewise, after so many orders that are there already, decided by the worker itself.
    ///
    /// # Errors
    /// Likewise, or if the worker fails.
    pub async fn grown(bench: &Bench, workload: Workload, orders: u32) -> anyhow::Result<Self> {
        (bench.say)(&format!("filling a template with {orders} orders: {workload}"));
        let database = Self::catalogue(bench, workload).await?;
        let before = Workload { purchases: orders, ..workload };
        before.enqueue(&database.pool, 0).await.context("filling the queues")?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&database.pool).await?;
        let program = Program::new(Some(database.url.clone()))?;
        anyhow::ensure!(program.run(&["worker", "--until-empty"]).await?, "the worker failed");
        Self::fill(bench, database, workload, before.purchases_each()).await
    }

    /// Fills the queues of a database with a catalogue, in which each business has had `skipped` purchases already.
    ///
    /// # Errors
    /// If an enqueue fails.
    pub async fn fill(bench: &Bench, database: Database, workload: Workload, skipped: u64) -> anyhow::Result<Self> {
        let took = workload.enqueue(&database.pool, skipped).await.context("filling the queues")?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&database.pool).await?;
        let jobs = workload.purchases_each() * u64::from(workload.businesses);
        (bench.say)(&format!("{jobs} purchases enqueued in {:.1} s", took.as_secs_f64()));
        Ok(Self { database, workload, jobs })
    }

    /// Takes away what the planner knows: as if all tables had just been made.
    ///
    /// # Errors
    /// If the login is no superuser.
    pub async fn forget_statistics(&self) -> anyhow::Result<()> {
        for sql in [include_str!("sql/forget_statistics.sql"), include_str!("sql/forget_sizes.sql")] {
            sqlx::raw_sql(sql).execute(&self.database.pool).await.context("a cold start needs a superuser")?;
        }
        Ok(())
    }
}
