//! Claim: a business's turn, and its next jobs in their order.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::{self, DbError};
use crate::domain::request::Kind;
use crate::domain::snapshot::{Business, Moment, OverduePolicy, moment_of};
use crate::ids::{BusinessId, JobId};
use crate::money::Currency;

/// How many jobs whose time has come are moved among the ready ones at once.
const PROMOTED_MAX: i64 = 10_000;

/// A business's turn: its queue row is locked until the transaction ends.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whose.
    pub business: BusinessId,
    /// Its last decision's number.
    pub decision_seq: i64,
    /// What decisions depend on.
    pub settings: Business,
    /// Its currency's code, for what is stored to be compared with.
    pub currency: String,
    /// Its time zone, by its name.
    pub time_zone: String,
}

/// A turn with its jobs.
#[derive(Debug)]
pub struct Claim {
    /// The turn.
    pub turn: Turn,
    /// When it was taken.
    pub moment: Moment,
    /// The jobs, locked; perhaps none.
    pub jobs: Vec<ClaimedJob>,
    /// How many jobs whose time has come were moved among the ready ones.
    pub promoted: u64,
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

/// Takes the business's turn, unless another worker has it or it is paused, and its next ready jobs, at most `limit`: by
/// priority, then `run_at`, then in the order of enqueueing; without those that this process works on beside the turn.
/// `clock` fixes the moment for simulations.
///
/// # Errors
/// [`DbError`] of a statement, or if the business's settings or a kind are unknown to this program;
/// [`DbError::OtherSchema`] if the schema was migrated since the worker started.
pub async fn claim(
    connection: &mut PgConnection,
    business: BusinessId,
    limit: u32,
    beside: &[Uuid],
    clock: Option<DateTime<Utc>>,
) -> Result<Option<Claim>, DbError> {
    let mut promoted = None;
    loop {
        let claimed = sqlx::query_file!(
            "src/queue/sql/claim.sql",
            business.0,
            i64::from(limit),
            beside,
            clock as Option<DateTime<Utc>>
        );
        let Some(row) = claimed.fetch_optional(&mut *connection).await? else { return Ok(None) };
        if let Some(misfit) = db::misfit(Some(row.schema_version)) {
            return Err(DbError::OtherSchema(misfit));
        }
        if row.has_due && promoted.is_none() {
            // They may come before those that were claimed, so it is claimed again.
            promoted = Some(promote_due(connection, business).await?);
            continue;
        }
        let settings = settings(business, row.exponent, row.overdue_after_days, &row.overdue_policy)?;
        let (ids, kinds) = (row.job_ids.unwrap_or_default(), row.kinds.unwrap_or_default());
        let keys = row.idempotency_keys.unwrap_or_default();
        let rest = row.payloads.unwrap_or_default().into_iter().zip(row.attempts.unwrap_or_default());
        let jobs = ids.into_iter().zip(kinds).zip(keys).zip(rest);
        let jobs = jobs.map(|(((id, kind), key), (payload, attempts))| job(id, &kind, key, payload, attempts));
        let jobs = jobs.collect::<Result<_, _>>()?;
        let moment = moment_of!(row);
        let (decision_seq, currency, time_zone) = (row.decision_seq, row.currency, row.time_zone);
        let turn = Turn { business, decision_seq, settings, currency, time_zone };
        return Ok(Some(Claim { turn, moment, jobs, promoted: promoted.unwrap_or_default() }));
    }
}

async fn promote_due(connection: &mut PgConnection, business: BusinessId) -> Result<u64, DbError> {
    let done = sqlx::query_file!("src/queue/sql/promote_due.sql", business.0, PROMOTED_MAX).execute(connection).await?;
    Ok(done.rows_affected())
}

fn settings(business: BusinessId, exponent: i16, after_days: i32, policy: &str) -> Result<Business, DbError> {
    let unknown = |what: &str| DbError::Unknown(format!("business {business}: {what}"));
    Ok(Business {
        currency: Currency::with_exponent(u32::try_from(exponent).map_err(|_| unknown("negative exponent"))?),
        overdue_after_days: u32::try_from(after_days).map_err(|_| unknown("negative overdue_after_days"))?,
        overdue_policy: match policy {
            "allow" => OverduePolicy::Allow,
            "block" => OverduePolicy::Block,
            other => return Err(unknown(&format!("overdue_policy {other:?} is unknown to this version"))),
        },
    })
}

fn job(id: Uuid, kind: &str, key: String, payload: String, attempts: i32) -> Result<ClaimedJob, DbError> {
    Ok(ClaimedJob {
        job_id: JobId(id),
        kind: Kind::from_name(kind)
            .ok_or_else(|| DbError::Unknown(format!("job kind {kind:?} is unknown to this version")))?,
        idempotency_key: key,
        payload,
        attempts: u32::try_from(attempts).unwrap_or_default(),
    })
}
