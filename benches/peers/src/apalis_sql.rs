//! apalis-sql 0.7: the stock storage of the 0.7 line. It polls, and acknowledges in batches in the same loop.

use std::time::Duration;

use anyhow::Context;
use apalis_0_7::layers::WorkerBuilderExt;
use apalis_0_7::prelude::{Data, Error, Monitor, WorkerBuilder, WorkerFactoryFn};
use apalis_sql::Config;
use apalis_sql::postgres::{PgPool as StoragePool, PostgresStorage};
use sqlx::{AssertSqlSafe, PgPool};

use crate::Settings;
use crate::job::{self, Job};
use crate::purchase::purchase;
use crate::statement::sql;

/// The best measured (README.md, "Settings").
pub const BEST: Settings = Settings { concurrency: 8, prefetch: 1_000, poll_ms: Some(20) };
const NAMESPACE: &str = "purchase";
/// Connections of the storage itself: one loop, and its heartbeat.
const STORAGE_CONNECTIONS: u32 = 4;

pub async fn prepare(url: &str) -> anyhow::Result<()> {
    let storage = storage_pool(url).await?;
    // Commissary's own migrations stand in the same table.
    PostgresStorage::<()>::migrations().set_ignore_missing(true).run(&storage).await?;
    let owner = PgPool::connect(url).await?;
    job::check(&owner).await?;
    let push = format!("SELECT count(apalis.push_job($1, w.job::json)) FROM ({}) w", sql!("waiting_jobs"));
    let pushed = sqlx::query(AssertSqlSafe(push)).bind(NAMESPACE).execute(&owner).await;
    pushed.context("cannot fill the queue of apalis-sql")?;
    job::hand_over(&owner).await
}

pub async fn run(url: &str, settings: Settings) -> anyhow::Result<()> {
    let mut config = Config::new(NAMESPACE).set_buffer_size(settings.prefetch);
    if let Some(poll_ms) = settings.poll_ms {
        config = config.set_poll_interval(Duration::from_millis(poll_ms));
    }
    let storage: PostgresStorage<Job> = PostgresStorage::new_with_config(storage_pool(url).await?, config);
    let pool = job::task_pool(url, settings.concurrency).await?;
    let worker =
        WorkerBuilder::new("purchase").concurrency(settings.concurrency).data(pool).backend(storage).build_fn(task);
    Monitor::new().register(worker).run().await?;
    Ok(())
}

async fn storage_pool(url: &str) -> anyhow::Result<StoragePool> {
    let options = apalis_sql::sqlx::postgres::PgPoolOptions::new().max_connections(STORAGE_CONNECTIONS);
    Ok(options.connect(url).await?)
}

/// In a task of its own, so that both cores are used: the worker itself is one.
async fn task(job: Job, pool: Data<PgPool>) -> Result<(), Error> {
    let pool = (*pool).clone();
    let done = tokio::spawn(async move { purchase(&pool, &job).await }).await;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Failed(std::sync::Arc::new(error));
    done.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))
}
