//! The settlement close: open → closing in one transaction, closing → settled in another.
//!
//! The first is part of the business's turn and short: it takes the ended month's row exclusively, so whoever stamped an
//! entry with it has committed, and marks it `closing`, after which none comes. The second aggregates, which takes
//! seconds for a large month, so it runs beside the turn (see `aside`): nothing that purchases need is locked, and
//! nothing about the period can change any more. Interrupted anywhere, the job goes on where it was.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::control::{Control, Progress};
use super::moment::moment;
use crate::db::{DbError, expect_rows};
use crate::domain::outcome::{Reason, Refusal};
use crate::domain::request::Month;
use crate::ids::{BusinessId, JobId};
use crate::queue::Turn;

/// How long the second step waits for the period's row. A statement limit, because `lock_timeout` never fires under a
/// stream of overlapping shared holders.
const WAIT_FOR_PERIOD: &str = "SET LOCAL statement_timeout = '5s'";
/// How long one aggregation may take.
const AGGREGATION: &str = "SET LOCAL statement_timeout = '15min'";

/// The step that is part of the business's turn.
///
/// # Errors
/// [`DbError`] of a statement.
pub(super) async fn close(control: Control<'_>, month: &Month) -> Result<Progress, DbError> {
    let Control { connection, turn, moment, .. } = control;
    let business = turn.business.0;
    let mut taken = take(&mut *connection, turn, month).await?;
    let ended = sqlx::query_file!("src/engine/sql/settlement_month.sql", business, month.0);
    let ended = ended.fetch_one(&mut *connection).await?;
    // What is closing or settled had ended by the clock of then, whatever this one says.
    if moment.now < ended.ends_at && taken.as_ref().is_none_or(|period| period.state == "open") {
        return Ok(Progress::Refused(not_ended(month, ended.ends_at)));
    }
    if taken.is_none() {
        let create = sqlx::query_file!("src/engine/sql/create_period.sql", business, Uuid::now_v7(), month.0);
        create.execute(&mut *connection).await?;
        taken = take(&mut *connection, turn, month).await?;
    }
    let Some(period) = taken else { return Ok(Progress::Aside(month.clone())) };
    if period.state != "open" {
        return Ok(period.progress(month));
    }
    let close = sqlx::query_file!(
        "src/engine/sql/close_period.sql",
        business,
        period.period_id,
        ended.ends_at,
        ended.overdue_after_days,
        moment.now
    );
    expect_rows("close_period", close.execute(connection).await?, 1)?;
    Ok(Progress::GoesOn)
}

/// A settlement period's row, locked.
struct Period {
    period_id: Uuid,
    state: String,
    statements: Option<i64>,
    entries: Option<i64>,
    hash: Option<String>,
}

impl Period {
    /// Of one that is closed: done, or to be settled.
    fn progress(self, month: &Month) -> Progress {
        if self.state == "closing" {
            return Progress::Aside(month.clone());
        }
        let Self { period_id, statements, entries, hash, .. } = self;
        Progress::Done(json!({ "period_id": period_id, "statements": statements, "entries": entries, "hash": hash }))
    }
}

async fn take(connection: &mut PgConnection, turn: &Turn, month: &Month) -> Result<Option<Period>, DbError> {
    let take = sqlx::query_file_as!(Period, "src/engine/sql/take_period.sql", turn.business.0, month.0);
    Ok(take.fetch_optional(connection).await?)
}

fn not_ended(month: &Month, ends_at: DateTime<Utc>) -> Refusal {
    let message = format!("period {} ends at {}; close it then, not before", month.0, ends_at.to_rfc3339());
    Refusal {
        reason: Reason::Malformed,
        outcome: json!({ "message": message, "field": "period", "period": month.0, "ends_at": ends_at }),
    }
}

/// The step beside the turn: the statements of a closing period, all or none. A period in another state is left alone:
/// the next turn sees what to do.
///
/// # Errors
/// [`DbError`] of a statement.
pub(super) async fn settle(
    connection: &mut PgConnection,
    (business, job): (BusinessId, JobId),
    month: &Month,
    clock: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    sqlx::raw_sql(WAIT_FOR_PERIOD).execute(&mut *connection).await?;
    let awaited = sqlx::query_file!("src/engine/sql/await_period.sql", business.0, month.0);
    let Some(period) = awaited.fetch_optional(&mut *connection).await? else { return Ok(()) };
    if period.state != "closing" {
        return Ok(());
    }
    let now = moment(&mut *connection, business, clock).await?.now;
    sqlx::raw_sql(AGGREGATION).execute(&mut *connection).await?;
    let insert = sqlx::query_file!("src/engine/sql/insert_statements.sql", business.0, period.period_id, now, job.0);
    let aggregated = insert.execute(&mut *connection).await;
    aggregated.map_err(|error| DbError::of_long_work(error, "aggregating the statements"))?;
    let settle = sqlx::query_file!("src/engine/sql/settle_period.sql", business.0, period.period_id, now);
    expect_rows("settle_period", settle.execute(connection).await?, 1)
}
