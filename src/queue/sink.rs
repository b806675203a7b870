//! The apalis sink: `TaskSink` for those whose producers speak apalis already.
//!
//! ```no_run
//! # async fn example(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
//! use apalis::prelude::TaskSink;
//! use commissary::ids::BusinessId;
//! use commissary::queue::{JobRequest, JobSink};
//!
//! let business = BusinessId(uuid::uuid!("4fedf15a-b7b1-5d16-afc5-b6463005b504"));
//! let payload = serde_json::json!({"customer_id": "2961b4f7-af26-525f-a024-d08d96fd5e15", "amount": "12.50"});
//! JobSink::new(pool, business).push(JobRequest::new("payment", "transfer-4711", &payload)?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A sink has its own transactions. Where the job must stand or fall with your writes, use [`super::enqueue`] in yours.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use futures::Sink;
use futures::future::BoxFuture;
use sqlx::PgPool;
use tower::layer::util::Identity;

use super::enqueue::{JobRequest, enqueue_many};
use crate::db::DbError;
use crate::ids::BusinessId;

/// Requests that are gathered before they are sent without having been told to.
const BUFFERED_MAX: usize = 1_000;

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database failed: nothing of the pushed requests was stored.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Some were refused; the others were stored.
    #[error("{} of the pushed requests were refused; the first: {}", .0.len(), .0.first().map_or("", String::as_str))]
    Refused(Vec<String>),
}

/// Enqueues requests of one business.
pub struct JobSink {
    pool: PgPool,
    business: BusinessId,
    buffered: Vec<JobRequest>,
    flushing: Option<BoxFuture<'static, Result<(), SinkError>>>,
}

impl fmt::Debug for JobSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSink").field("business", &self.business).field("buffered", &self.buffered.len()).finish()
    }
}

impl JobSink {
    /// A sink for this business; the pool's login needs the producer's rights.
    #[must_use]
    pub const fn new(pool: PgPool, business: BusinessId) -> Self {
        Self { pool, business, buffered: Vec::new(), flushing: None }
    }
}

async fn send(pool: PgPool, business: BusinessId, requests: Vec<JobRequest>) -> Result<(), SinkError> {
    let mut tx = pool.begin().await.map_err(DbError::from)?;
    let answers = enqueue_many(&mut tx, business, &requests).await?;
    tx.commit().await.map_err(DbError::from)?;
    let refused: Vec<String> = answers
        .iter()
        .filter(|answer| answer.state.is_refused())
        .map(|answer| answer.outcome.as_ref().map_or_else(String::new, |outcome| outcome["message"].to_string()))
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(SinkError::Refused(refused)) }
}

impl Sink<Task<JobRequest>> for JobSink {
    type Error = SinkError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        if self.buffered.len() < BUFFERED_MAX {
            return Poll::Ready(Ok(()));
        }
        Sink::poll_flush(self, context)
    }

    fn start_send(self: Pin<&mut Self>, task: Task<JobRequest>) -> Result<(), SinkError> {
        self.get_mut().buffered.push(task.take().0);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        let sink = self.get_mut();
        loop {
            if let Some(flushing) = &mut sink.flushing {
                let sent = ready!(flushing.as_mut().poll(context));
                sink.flushing = None;
                sent?;
            }
            if sink.buffered.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let requests = std::mem::take(&mut sink.buffered);
            sink.flushing = Some(Box::pin(send(sink.pool.clone(), sink.business, requests)));
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        Sink::poll_flush(self, context)
    }
}

/// apalis asks a sink to be a backend too. This one never hands out a task: the fleet does the work.
impl Backend for JobSink {
    type Task = Task<Infallible>;
    type Error = SinkError;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), SinkError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, SinkError>>> {
        Poll::Ready(None)
    }

    fn poll_close(&mut self, context: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), SinkError>> {
        Sink::poll_flush(Pin::new(self), context)
    }
}

impl BackendConfig for JobSink {
    type Args = JobRequest;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &Self::Config {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Identity::new()
    }
}
