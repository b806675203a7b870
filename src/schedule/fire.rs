//! Fire: ticks that are due become jobs, once.
//!
//! The schedules of one business are claimed, their jobs enqueued and their next ticks set in one transaction. Two workers
//! never fire the same tick: one holds the row, and the other skips it; should one come later with an older picture, the
//! row is read again and is no longer due. Behind that stands the job's idempotency key.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::cron::{CatchUp, Cron, Plan, plan};
use crate::db::{DbError, begin_tenant, expect_rows};
use crate::domain::request::Kind;
use crate::ids::BusinessId;
use crate::queue::{self, JobRequest};

/// Rounds over all due businesses in one call; each fires up to `TICKS_MAX` missed ticks a schedule.
const ROUNDS_MAX: u32 = 10_000;

/// Fires what is due at `now` (the database's clock if none) in every business, until nothing is; says how many jobs were
/// enqueued. A business that cannot be served is logged and left for the next call.
///
/// # Errors
/// [`DbError`] if the database cannot be asked for due schedules.
pub async fn fire_due(pool: &PgPool, now: Option<DateTime<Utc>>) -> Result<usize, DbError> {
    let mut fired = 0;
    for _ in 0..ROUNDS_MAX {
        let mut due = sqlx::query_file_scalar!("src/schedule/sql/due_businesses.sql", now as Option<DateTime<Utc>>)
            .fetch_all(pool)
            .await?;
        // Workers that look at the same moment begin with different businesses.
        fastrand::shuffle(&mut due);
        let mut claimed = 0;
        for business in due.into_iter().map(BusinessId) {
            match fire_due_of(pool, business, now).await {
                Ok(done) => (claimed, fired) = (claimed + done.claimed, fired + done.enqueued),
                Err(error) => tracing::warn!(%business, %error, "its schedules could not be served: next time"),
            }
        }
        if claimed == 0 {
            break;
        }
    }
    Ok(fired)
}

/// What one transaction did about a business's schedules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Schedules that were due, or computed for the first time.
    pub claimed: usize,
    /// Jobs that were enqueued.
    pub enqueued: usize,
}

/// A claimed schedule, and what to do about it.
struct Claimed {
    schedule_id: Uuid,
    name: String,
    kind: Kind,
    plan: Plan,
}

/// A tick, as an instant.
struct Tick {
    at: DateTime<Utc>,
    month_before: String,
}

/// Fires what is due in one business.
///
/// # Errors
/// [`DbError`] if a statement fails: then nothing was fired.
pub async fn fire_due_of(pool: &PgPool, business: BusinessId, now: Option<DateTime<Utc>>) -> Result<Fired, DbError> {
    let mut tx = begin_tenant(pool, business).await?;
    let claimed = claim(&mut tx, business, now).await?;
    if claimed.is_empty() {
        tx.rollback().await?;
        return Ok(Fired::default());
    }
    let readings: Vec<NaiveDateTime> =
        claimed.iter().flat_map(|one| one.plan.ticks.iter().chain(&one.plan.next)).copied().collect();
    let mut instants = instants(&mut tx, business, &readings).await?.into_iter();
    let (mut requests, mut next_at, mut last_tick_at) = (Vec::new(), Vec::new(), Vec::new());
    for one in &claimed {
        let mut ticks: Vec<Tick> = instants.by_ref().take(one.plan.ticks.len()).collect();
        ticks.dedup_by_key(|tick| tick.at); // readings inside one gap are one instant
        next_at.push(one.plan.next.and_then(|_| instants.next()).map(|tick| tick.at));
        last_tick_at.push(ticks.last().map(|tick| tick.at));
        for tick in ticks {
            requests.push((tick.at, request(one, &tick)?));
        }
    }
    requests.sort_by_key(|(at, _)| *at);
    let requests: Vec<JobRequest> = requests.into_iter().map(|(_, request)| request).collect();
    enqueue(&mut tx, business, &requests).await?;
    let ids: Vec<Uuid> = claimed.iter().map(|one| one.schedule_id).collect();
    let advanced = sqlx::query_file!(
        "src/schedule/sql/advance.sql",
        business.0,
        &ids,
        &next_at as &[Option<DateTime<Utc>>],
        &last_tick_at as &[Option<DateTime<Utc>>]
    );
    expect_rows("advance", advanced.execute(&mut *tx).await?, ids.len())?;
    tx.commit().await?;
    Ok(Fired { claimed: claimed.len(), enqueued: requests.len() })
}

async fn claim(
    connection: &mut PgConnection,
    business: BusinessId,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Claimed>, DbError> {
    let rows = sqlx::query_file!("src/schedule/sql/claim_due.sql", business.0, now as Option<DateTime<Utc>>);
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let unknown = |what: &str| DbError::Unknown(format!("schedule {:?}: {what} is unknown to this version", row.name));
            let kind = Kind::from_name(&row.kind).ok_or_else(|| unknown("its kind"))?;
            let catch_up = CatchUp::from_name(&row.catch_up).ok_or_else(|| unknown("its catch_up"))?;
            let plan = match Cron::parse(&row.cron) {
                Ok(cron) => plan(&cron, catch_up, row.due, row.now),
                Err(error) => {
                    tracing::error!(%business, schedule = row.name, %error, "a schedule cannot be read: it never fires");
                    Plan { ticks: Vec::new(), next: None }
                }
            };
            Ok(Claimed { schedule_id: row.schedule_id, name: row.name, kind, plan })
        })
        .collect()
}

async fn instants(
    connection: &mut PgConnection,
    business: BusinessId,
    readings: &[NaiveDateTime],
) -> Result<Vec<Tick>, DbError> {
    let rows = sqlx::query_file_as!(Tick, "src/schedule/sql/tick_instants.sql", business.0, readings);
    let ticks = rows.fetch_all(connection).await?;
    if ticks.len() == readings.len() {
        return Ok(ticks);
    }
    Err(DbError::Unknown(format!("{} readings gave {} instants", readings.len(), ticks.len())))
}

fn request(schedule: &Claimed, tick: &Tick) -> Result<JobRequest, DbError> {
    let payload = match schedule.kind {
        Kind::SettlementClose => json!({ "period": tick.month_before }),
        _ => json!({}),
    };
    let key = format!("schedule/{}/{}", schedule.name, tick.at.to_rfc3339_opts(SecondsFormat::Secs, true));
    JobRequest::new(schedule.kind.as_str(), &key, &payload).map_err(|error| DbError::Unknown(error.to_string()))
}

async fn enqueue(connection: &mut PgConnection, business: BusinessId, requests: &[JobRequest]) -> Result<(), DbError> {
    if requests.is_empty() {
        return Ok(());
    }
    let answers = queue::enqueue_many(connection, business, requests).await?;
    for (request, answer) in requests.iter().zip(answers).filter(|(_, answer)| answer.state.is_refused()) {
        let (key, outcome) = (&request.idempotency_key, answer.outcome.unwrap_or_default());
        tracing::error!(%business, key, %outcome, "a tick's job was refused");
    }
    Ok(())
}
