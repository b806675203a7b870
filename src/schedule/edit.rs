//! Edit: what an operator sees and changes of a business's schedules. The next tick is a worker's to compute.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::cron::{CatchUp, Cron, CronFault};
use crate::db::DbError;
use crate::domain::request::Kind;
use crate::ids::BusinessId;

/// Ticks that a listing shows of each schedule.
const UPCOMING_MAX: usize = 3;

/// A schedule as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Whose.
    pub business_id: BusinessId,
    /// Unique within the business.
    pub name: String,
    /// The kind of the jobs it makes.
    pub kind: String,
    /// Five fields, in the business's time zone.
    pub cron: String,
    /// `latest` or `all`.
    pub catch_up: String,
    /// Whether it fires at all.
    pub is_active: bool,
    /// The business's.
    pub time_zone: String,
    /// The last tick that was fired.
    pub last_tick_at: Option<DateTime<Utc>>,
    /// The next ticks, if it is active and matches at all; a missed one comes first.
    pub upcoming: Vec<Upcoming>,
}

/// A tick to come.
#[derive(Clone, Debug, Serialize)]
pub struct Upcoming {
    /// When.
    pub at: DateTime<Utc>,
    /// What the business's wall clock shows then, as `2026-10-31 02:00`.
    pub local: String,
}

/// A business's schedules, by name. `now` is where those begin that no worker has looked at yet; the database's clock if
/// none.
///
/// # Errors
/// [`DbError`] of the statements.
pub async fn list(
    connection: &mut PgConnection,
    business: BusinessId,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Listed>, DbError> {
    let rows = sqlx::query_file!("src/schedule/sql/list.sql", business.0, now as Option<DateTime<Utc>>);
    let rows = rows.fetch_all(&mut *connection).await?;
    let readings: Vec<Vec<NaiveDateTime>> = rows
        .iter()
        .map(|row| match Cron::parse(&row.cron) {
            Ok(cron) if row.is_active && !row.is_over => following(&cron, row.reading, row.is_computed),
            _ => Vec::new(),
        })
        .collect();
    let all: Vec<NaiveDateTime> = readings.iter().flatten().copied().collect();
    let upcoming = sqlx::query_file_as!(Upcoming, "src/schedule/sql/upcoming.sql", business.0, &all);
    let mut upcoming = upcoming.fetch_all(connection).await?.into_iter();
    let listed = rows.into_iter().zip(readings).map(|(row, readings)| Listed {
        business_id: business,
        name: row.name,
        kind: row.kind,
        cron: row.cron,
        catch_up: row.catch_up,
        is_active: row.is_active,
        time_zone: row.time_zone,
        last_tick_at: row.last_tick_at,
        upcoming: upcoming.by_ref().take(readings.len()).collect(),
    });
    Ok(listed.collect())
}

/// The readings of the next ticks after this one, itself included if it is one.
fn following(cron: &Cron, reading: NaiveDateTime, is_tick: bool) -> Vec<NaiveDateTime> {
    let first = if is_tick { Some(reading) } else { cron.next_after(reading) };
    std::iter::successors(first, |reading| cron.next_after(*reading)).take(UPCOMING_MAX).collect()
}

/// A schedule to be.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// Unique within the business: small letters, digits, `-` and `_`; at most 64.
    pub name: String,
    /// A control kind.
    pub kind: Kind,
    /// Five fields, in the business's time zone.
    pub cron: String,
    /// What to do about missed ticks.
    pub catch_up: CatchUp,
    /// Whether it fires at all.
    pub is_active: bool,
}

impl NewSchedule {
    /// The cron expression in the form in which it is stored, one blank between fields.
    ///
    /// # Errors
    /// [`CronFault`] if it is none.
    pub fn cron(&self) -> Result<String, CronFault> {
        Cron::parse(&self.cron)?;
        Ok(self.cron.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Why a schedule was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Its cron expression is none.
    #[error(transparent)]
    Cron(#[from] CronFault),
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Adds a schedule, or edits the one of this name; says whether it is new. An edited one starts anew: nothing is caught up.
///
/// # Errors
/// [`PutError`] if the cron expression is none, or the statement fails.
pub async fn put(
    connection: &mut PgConnection,
    business: BusinessId,
    schedule: &NewSchedule,
) -> Result<bool, PutError> {
    let cron = schedule.cron()?;
    let put = sqlx::query_file_scalar!(
        "src/schedule/sql/put.sql",
        business.0,
        schedule.name,
        schedule.kind.as_str(),
        cron,
        schedule.catch_up.as_str(),
        schedule.is_active
    );
    Ok(put.fetch_one(connection).await.map_err(DbError::from)?)
}

/// Takes a schedule away; says whether there was one. Jobs that it made stay.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn remove(connection: &mut PgConnection, business: BusinessId, name: &str) -> Result<bool, DbError> {
    let done = sqlx::query_file!("src/schedule/sql/remove.sql", business.0, name).execute(connection).await?;
    Ok(done.rows_affected() > 0)
}
