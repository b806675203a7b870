//! apalis-postgres 1.0: the successor of apalis-sql. It fetches a batch as soon as the last is handed out, and
//! acknowledges what ended meanwhile in one statement.

use anyhow::Context;
use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Data, TaskBuilder, WorkerBuilder};
use apalis_postgres::{Config, PostgresStorage, queries};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgPool;

use crate::Settings;
use crate::job::{self, Job};
use crate::purchase::purchase;
use crate::statement::sql;

/// The best measured (README.md, "Settings").
pub const BEST: Settings = Settings { concurrency: 8, prefetch: 1_000, poll_ms: None };
const QUEUE: &str = "purchase";
/// Jobs that are pushed in one statement.
const CHUNK: usize = 5_000;
/// Connections of the storage itself: fetching, acknowledging, heartbeat.
const STORAGE_CONNECTIONS: u32 = 4;

pub async fn prepare(url: &str) -> anyhow::Result<()> {
    let owner = PgPool::connect(url).await?;
    // Commissary's own migrations stand in the same table.
    PostgresStorage::<()>::migrations().set_ignore_missing(true).run(&owner).await?;
    job::check(&owner).await?;
    let mut connection = owner.acquire().await?;
    let waiting = sqlx::query_scalar::<_, Value>(sql!("waiting_jobs")).fetch(&owner);
    let mut chunks = waiting.try_chunks(CHUNK);
    while let Some(jobs) = chunks.try_next().await? {
        let tasks = jobs.iter().map(|job| Ok(TaskBuilder::new(serde_json::to_vec(job)?).build()));
        let tasks = tasks.collect::<anyhow::Result<Vec<_>>>()?;
        let pushed = queries::push_tasks(&mut *connection, QUEUE, tasks).await;
        pushed.context("cannot fill the queue of apalis-postgres")?;
    }
    drop((chunks, connection));
    job::hand_over(&owner).await
}

pub async fn run(url: &str, settings: Settings) -> anyhow::Result<()> {
    let storage_pool = sqlx::postgres::PgPoolOptions::new().max_connections(STORAGE_CONNECTIONS).connect(url).await?;
    // Fetched tasks are this worker's already: locking each once more would write its row a third time.
    let config = Config::default().queue(QUEUE).batch_size(settings.prefetch).lock_tasks(false);
    let storage: PostgresStorage<Job> = PostgresStorage::new(&storage_pool).with_config(config);
    let pool = job::task_pool(url, settings.concurrency).await?;
    let worker =
        WorkerBuilder::new("purchase").backend(storage).data(pool).concurrency(settings.concurrency).build(task);
    worker.run().await?;
    Ok(())
}

/// In a task of its own, so that both cores are used: the worker itself is one.
async fn task(job: Job, pool: Data<PgPool>) -> Result<(), BoxDynError> {
    let pool = (*pool).clone();
    tokio::spawn(async move { purchase(&pool, &job).await }).await??;
    Ok(())
}
