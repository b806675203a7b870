//! Callers: who enqueues, each on a connection of its own, a transaction after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::value::RawValue;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tokio::task::JoinSet;

use super::workload::array;
use crate::ids::BusinessId;
use crate::queue::{EnqueueState, JobRequest, enqueue, enqueue_many};

/// By which door jobs come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The same rows by a plain INSERT from arrays.
    InsertSet,
    /// `enqueue_many` by SQL, given the array's text.
    EnqueueMany,
    /// `enqueue_many` of the Rust client, given requests.
    Client,
    /// One row by a plain INSERT.
    InsertOne,
    /// `enqueue` of the Rust client.
    EnqueueOne,
}

impl Door {
    /// Jobs of a transaction.
    #[must_use]
    pub const fn set_size(self) -> usize {
        match self {
            Self::InsertSet | Self::EnqueueMany | Self::Client => 1_000,
            Self::InsertOne | Self::EnqueueOne => 1,
        }
    }
}

/// What the callers of a run share.
#[derive(Debug)]
pub struct Work {
    /// The door.
    pub door: Door,
    /// Whose queue: one for all callers, where they would meet if anything were hot.
    pub business: BusinessId,
    /// As many as a transaction takes at least; used again and again under new keys.
    pub payloads: Vec<String>,
    /// Jobs that may still be enqueued.
    pub left: AtomicI64,
    /// How long.
    pub duration: Duration,
}

/// What callers did.
#[derive(Debug, Default)]
pub struct Done {
    /// Jobs whose enqueueing was committed.
    pub jobs: u64,
    /// How long each transaction took.
    pub calls: Vec<Duration>,
}

/// Lets so many callers work at once; says what they did and how long that took.
///
/// # Errors
/// If a transaction fails, or a job is not queued.
pub async fn run(pool: &PgPool, work: Work, callers: u32) -> anyhow::Result<(Done, Duration)> {
    let work = Arc::new(work);
    let mut connections = Vec::new();
    for _ in 0..callers {
        connections.push(pool.acquire().await.context("connecting a caller")?);
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (caller, connection) in connections.into_iter().enumerate() {
        running.spawn(call(connection, Arc::clone(&work), caller, started));
    }
    let mut all = Done::default();
    while let Some(done) = running.join_next().await {
        let done = done??;
        all.jobs += done.jobs;
        all.calls.extend(done.calls);
    }
    Ok((all, started.elapsed()))
}

async fn call(
    mut connection: PoolConnection<Postgres>,
    work: Arc<Work>,
    caller: usize,
    started: Instant,
) -> anyhow::Result<Done> {
    let mut done = Done::default();
    let size = work.door.set_size();
    let taken = i64::try_from(size).context("a set is small")?;
    while started.elapsed() < work.duration && work.left.fetch_sub(taken, Ordering::Relaxed) >= taken {
        let keys = (done.jobs..).take(size).map(|n| format!("purchase-{caller}-{n}"));
        let from = usize::try_from(done.jobs)? % (work.payloads.len() - size + 1);
        let payloads = &work.payloads[from..from + size];
        let began = Instant::now();
        let queued = transaction(&mut connection, &work, keys, payloads).await?;
        done.calls.push(began.elapsed());
        anyhow::ensure!(queued == size, "{queued} of {size} new jobs were queued");
        done.jobs += u64::try_from(queued)?;
    }
    Ok(done)
}

/// One transaction of one caller; says how many jobs were queued.
async fn transaction(
    connection: &mut PgConnection,
    work: &Work,
    keys: impl Iterator<Item = String>,
    payloads: &[String],
) -> anyhow::Result<usize> {
    let business = work.business;
    let mut tx = connection.begin().await?;
    let queued = match work.door {
        Door::InsertSet => {
            let keys: Vec<String> = keys.collect();
            let insert = sqlx::query_file!("src/bench/sql/insert_jobs.sql", business.0, &keys, payloads);
            insert.execute(&mut *tx).await?.rows_affected().try_into()?
        }
        Door::EnqueueMany => {
            let array = array(keys, payloads);
            let call = sqlx::query_file_scalar!("src/bench/sql/count_queued.sql", business.0, array);
            call.fetch_one(&mut *tx).await?.try_into()?
        }
        Door::Client => {
            let requests =
                keys.zip(payloads).map(|(key, payload)| request(key, payload)).collect::<Result<Vec<_>, _>>()?;
            let answers = enqueue_many(&mut tx, business, &requests).await?;
            answers.iter().filter(|answer| answer.state == EnqueueState::Queued).count()
        }
        Door::InsertOne => {
            let (key, payload) = keys.zip(payloads).next().context("a transaction has a job")?;
            let insert = sqlx::query_file!("src/bench/sql/insert_job.sql", business.0, key, payload);
            insert.execute(&mut *tx).await?.rows_affected().try_into()?
        }
        Door::EnqueueOne => {
            let (key, payload) = keys.zip(payloads).next().context("a transaction has a job")?;
            let answer = enqueue(&mut tx, business, &request(key, payload)?).await?;
            usize::from(answer.state == EnqueueState::Queued)
        }
    };
    tx.commit().await?;
    Ok(queued)
}

fn request(key: String, payload: &str) -> serde_json::Result<JobRequest> {
    let payload = RawValue::from_string(payload.to_owned())?;
    Ok(JobRequest {
        kind: "purchase".to_owned(),
        idempotency_key: key,
        payload,
        run_at: None,
        priority: None,
        traceparent: None,
    })
}
