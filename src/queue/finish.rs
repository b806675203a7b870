//! Finish: how jobs end. Results are stored and their jobs removed by the statement that stores the effects (`engine::store`).

use std::collections::HashSet;

use sqlx::PgConnection;

use crate::db::DbError;
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
