//! Finish: results are stored and their jobs removed, in the transaction that holds the effects.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Turn;
use crate::db::{DbError, expect_count};
use crate::ids::{BusinessId, JobId};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// With effects.
    Completed,
    /// Refused by a rule, without any effect.
    Rejected,
    /// Given up after its last attempt; the payload is kept for a replay.
    Failed,
}

impl Status {
    /// The name in `job_results`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// A finished job's result.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Which job.
    pub job_id: JobId,
    /// How it ended.
    pub status: Status,
    /// Why it was refused, if it was.
    pub reason: Option<&'static str>,
    /// The outcome: a JSON object.
    pub outcome: String,
}

/// Stores the results, removes those jobs and the dropped ones, and counts the decisions. It is the last statement of a
/// transaction, and checked: `commit()` returns Ok after a swallowed error (FAULTS 2).
///
/// # Errors
/// [`DbError`] if the statement fails, or removes another number of jobs than there are results and dropped ones.
pub async fn finish(
    connection: &mut PgConnection,
    turn: &Turn,
    results: &[Finished],
    dropped: &[JobId],
    (decided_at, simulated): (DateTime<Utc>, bool),
) -> Result<(), DbError> {
    let ids: Vec<Uuid> = results.iter().map(|result| result.job_id.0).collect();
    let last_seq = turn.decision_seq + i64::try_from(results.len()).expect("a batch has at most 10,000 jobs");
    let statuses: Vec<&str> = results.iter().map(|result| result.status.as_str()).collect();
    let reasons: Vec<Option<&str>> = results.iter().map(|result| result.reason).collect();
    let outcomes: Vec<&str> = results.iter().map(|result| result.outcome.as_str()).collect();
    let seqs: Vec<i64> = (turn.decision_seq + 1..=last_seq).collect();
    let gone: Vec<Uuid> = ids.iter().copied().chain(dropped.iter().map(|job| job.0)).collect();
    let finished = sqlx::query_file!(
        "src/queue/sql/finish.sql",
        turn.business.0,
        &ids,
        &statuses as &[&str],
        &reasons as &[Option<&str>],
        &outcomes as &[&str],
        &seqs,
        decided_at,
        simulated,
        &gone,
        last_seq
    );
    let finished = finished.fetch_one(connection).await?;
    expect_count("finish: jobs", finished.gone, gone.len())?;
    expect_count("finish: queues", finished.queues, 1)
}

/// Which of these keys have a result already: the worker's own, final check against doing a request twice.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn finished_keys(
    connection: &mut PgConnection,
    business: BusinessId,
    keys: &[String],
) -> Result<HashSet<String>, DbError> {
    let rows =
        sqlx::query_file_scalar!("src/queue/sql/finished_keys.sql", business.0, keys).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}
