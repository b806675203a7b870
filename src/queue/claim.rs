//! Claim: a business's turn, and its next jobs in their order.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::DbError;
use crate::domain::request::Kind;
use crate::domain::snapshot::{Business, OverduePolicy};
use crate::ids::{BusinessId, JobId};
use crate::money::Currency;

/// How many jobs whose time has come are moved among the ready ones at once.
const PROMOTED_MAX: i64 = 10_000;

/// A business's turn: its queue row is locked until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Whose.
    pub business: BusinessId,
    /// Its last decision's number.
    pub decision_seq: i64,
    /// What decisions depend on.
    pub settings: Business,
    /// Whether scheduled jobs are due.
    pub has_due: bool,
}

/// Takes the business's turn, unless another worker has it or it is paused.
///
/// # Errors
/// [`DbError`] of the statement, or if the business's settings are unknown to this program.
pub async fn take_turn(connection: &mut PgConnection, business: BusinessId) -> Result<Option<Turn>, DbError> {
    let row = sqlx::query_file!("src/queue/sql/lock_queue.sql", business.0).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let unknown = |what: &str| DbError::Unknown(format!("business {business}: {what}"));
    let settings = Business {
        currency: Currency::with_exponent(u32::try_from(row.exponent).map_err(|_| unknown("negative exponent"))?),
        overdue_after_days: u32::try_from(row.overdue_after_days)
            .map_err(|_| unknown("negative overdue_after_days"))?,
        overdue_policy: match row.overdue_policy.as_str() {
            "allow" => OverduePolicy::Allow,
            "block" => OverduePolicy::Block,
            other => return Err(unknown(&format!("overdue_policy {other:?} is unknown to this version"))),
        },
    };
    Ok(Some(Turn { business, decision_seq: row.decision_seq, settings, has_due: row.has_due }))
}

/// Moves jobs whose time has come among the ready ones; says how many.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn promote_due(connection: &mut PgConnection, business: BusinessId) -> Result<u64, DbError> {
    let done = sqlx::query_file!("src/queue/sql/promote_due.sql", business.0, PROMOTED_MAX).execute(connection).await?;
    Ok(done.rows_affected())
}

/// A job as it waits.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// Its id.
    pub job_id: JobId,
    /// What it asks for.
    pub kind: Kind,
    /// Under which it is known for ever.
    pub idempotency_key: String,
    /// The text of its jsonb.
    pub payload: String,
    /// Attempts that failed so far.
    pub attempts: u32,
}

/// The next ready jobs, at most `limit`: by priority, then `run_at`, then in the order of enqueueing; without those that
/// this process works on beside the turn.
///
/// # Errors
/// [`DbError`] of the statement, or if a kind is unknown to this program.
pub async fn claim(
    connection: &mut PgConnection,
    business: BusinessId,
    limit: u32,
    beside: &[Uuid],
) -> Result<Vec<ClaimedJob>, DbError> {
    let rows = sqlx::query_file!("src/queue/sql/claim_jobs.sql", business.0, i64::from(limit), beside)
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            let kind = Kind::from_name(&row.kind)
                .ok_or_else(|| DbError::Unknown(format!("job kind {:?} is unknown to this version", row.kind)))?;
            Ok(ClaimedJob {
                job_id: JobId(row.job_id),
                kind,
                idempotency_key: row.idempotency_key,
                payload: row.payload,
                attempts: u32::try_from(row.attempts).unwrap_or_default(),
            })
        })
        .collect()
}
