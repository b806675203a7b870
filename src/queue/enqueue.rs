//! Enqueue: the producer's side, in the caller's own transaction.
//!
//! ```no_run
//! # async fn example(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
//! use commissary::ids::BusinessId;
//! use commissary::queue::{JobRequest, enqueue};
//!
//! let business = BusinessId(uuid::uuid!("4fedf15a-b7b1-5d16-afc5-b6463005b504"));
//! let payload = serde_json::json!({
//!     "customer_id": "2961b4f7-af26-525f-a024-d08d96fd5e15",
//!     "amount": "12.50",
//!     "reference": "bank transfer 4711",
//! });
//! let mut tx = pool.begin().await?; // your own transaction, with your own writes in it
//! let enqueued = enqueue(&mut tx, business, &JobRequest::new("payment", "transfer-4711", &payload)?).await?;
//! tx.commit().await?; // only now does the job exist
//! println!("job {:?} is {}", enqueued.job_id, enqueued.state);
//! # Ok(())
//! # }
//! ```

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::PgConnection;

use crate::db::DbError;
use crate::ids::{BusinessId, JobId};

/// A request, before it is a job. Its limits are checked by the database: a key of 1 to 200 characters, a payload of at
/// most 64 KiB of text.
#[derive(Clone, Debug, Serialize)]
pub struct JobRequest {
    /// What it asks for, such as `purchase`.
    pub kind: String,
    /// Under which it takes effect once, for ever.
    pub idempotency_key: String,
    /// Its JSON text, which reaches the database as it is: no number passes through a float.
    pub payload: Box<RawValue>,
    /// Not before this instant; at once if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<DateTime<Utc>>,
    /// Lower is taken first; 0 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// W3C trace context, handed on to the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobRequest {
    /// A request to run at once, at the usual priority.
    ///
    /// # Errors
    /// If the payload cannot be written as JSON.
    pub fn new(kind: &str, idempotency_key: &str, payload: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self {
            kind: kind.to_owned(),
            idempotency_key: idempotency_key.to_owned(),
            payload: serde_json::value::to_raw_value(payload)?,
            run_at: None,
            priority: None,
            traceparent: None,
        })
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Enqueued {
    /// The job's id, unless the request is invalid.
    pub job_id: Option<JobId>,
    /// Where it stands.
    pub state: EnqueueState,
    /// The stored result's outcome; for `conflict` and `invalid` what is wrong, as `message`.
    pub outcome: Option<Value>,
}

/// Where a request stands after an enqueue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnqueueState {
    /// It waits now.
    Queued,
    /// The same request already waits.
    Pending,
    /// The same request was answered: done.
    Completed,
    /// The same request was answered: refused by a rule.
    Rejected,
    /// The same request was answered: given up.
    Failed,
    /// The key is taken by another request (`enqueue_many` only).
    Conflict,
    /// It breaks a limit (`enqueue_many` only).
    Invalid,
}

impl EnqueueState {
    /// The name in SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the request was not taken.
    #[must_use]
    pub const fn is_refused(self) -> bool {
        matches!(self, Self::Conflict | Self::Invalid)
    }

    fn from_name(name: &str) -> Result<Self, DbError> {
        use EnqueueState::{Completed, Conflict, Failed, Invalid, Pending, Queued, Rejected};
        let all = [Queued, Pending, Completed, Rejected, Failed, Conflict, Invalid];
        all.into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| DbError::Unknown(format!("enqueue state {name:?} is unknown to this version")))
    }
}

impl fmt::Display for EnqueueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Enqueues one request in the connection's transaction.
///
/// # Errors
/// [`DbError`] with SQLSTATE `CM409` if the key is taken by another payload, `CM400` if the business or kind is unknown or
/// a limit is broken ([`DbError::sqlstate`]).
pub async fn enqueue(
    connection: &mut PgConnection,
    business: BusinessId,
    request: &JobRequest,
) -> Result<Enqueued, DbError> {
    let row = sqlx::query_file!(
        "src/queue/sql/enqueue.sql",
        business.0,
        request.kind,
        request.idempotency_key,
        request.payload.get(),
        request.run_at as Option<DateTime<Utc>>,
        request.priority as Option<i32>,
        request.traceparent.as_deref() as Option<&str>
    );
    let row = row.fetch_one(connection).await?;
    Ok(Enqueued { job_id: row.job_id.map(JobId), state: EnqueueState::from_name(&row.state)?, outcome: row.outcome })
}

/// Enqueues requests of one business in the connection's transaction: one answer a request, in their order. One that is
/// invalid or in conflict does not spoil the others.
///
/// # Errors
/// [`DbError`] with SQLSTATE `CM400` if the business is unknown; otherwise of the statement, for instance if a payload is
/// JSON that Postgres refuses (`\u0000`, extreme depth).
pub async fn enqueue_many(
    connection: &mut PgConnection,
    business: BusinessId,
    requests: &[JobRequest],
) -> Result<Vec<Enqueued>, DbError> {
    let array = serde_json::to_string(requests).map_err(|error| DbError::Unknown(error.to_string()))?;
    enqueue_array(connection, business, &array).await
}

/// As [`enqueue_many`], with the requests as the text of a JSON array.
///
/// # Errors
/// Likewise.
pub async fn enqueue_array(
    connection: &mut PgConnection,
    business: BusinessId,
    array: &str,
) -> Result<Vec<Enqueued>, DbError> {
    let rows = sqlx::query_file!("src/queue/sql/enqueue_many.sql", business.0, array).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let state = EnqueueState::from_name(&row.state)?;
            Ok(Enqueued { job_id: row.job_id.map(JobId), state, outcome: row.outcome })
        })
        .collect()
}
