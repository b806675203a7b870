//! Templates: databases with the schema, the catalogue and filled queues, made once and copied for every run, so that
//! each starts from the same state and size.

use anyhow::Context;

use super::Bench;
use super::server::Database;
use super::workload::Workload;

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

    /// A database with full queues. With `statistics` the planner knows what is in it.
    ///
    /// # Errors
    /// If the server, the schema or an enqueue fails.
    pub async fn filled(bench: &Bench, workload: Workload, statistics: bool) -> anyhow::Result<Self> {
        (bench.say)(&format!("filling a template: {workload}"));
        let database = Self::catalogue(bench, workload).await?;
        Self::fill(bench, database, workload, statistics).await
    }

    /// Fills the queues of a database with a catalogue.
    ///
    /// # Errors
    /// If an enqueue fails.
    pub async fn fill(bench: &Bench, database: Database, workload: Workload, statistics: bool) -> anyhow::Result<Self> {
        let took = workload.enqueue(&database.pool).await.context("filling the queues")?;
        if statistics {
            sqlx::raw_sql("VACUUM ANALYZE").execute(&database.pool).await?;
        }
        let jobs = workload.purchases_each() * u64::from(workload.businesses);
        (bench.say)(&format!("{jobs} purchases enqueued in {:.1} s", took.as_secs_f64()));
        Ok(Self { database, workload, jobs })
    }
}
