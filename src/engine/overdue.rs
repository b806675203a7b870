//! The overdue scan: what changed since the last scan is appended, once, as events.
//!
//! It runs in its business's turn, so no entry of the business is being written meanwhile; it locks no customer, and
//! other businesses go on. Time is the decision's, not the server's. A scan of what did not change appends nothing.

use rust_decimal::Decimal;
use serde_json::json;

use super::control::{Control, Progress};
use crate::db::DbError;
use crate::domain::outcome::format_decimal;

/// A scan reads the recent entries of every customer, in one statement: longer than any other may take, yet limited.
const RAISE_TIMEOUT: &str = "SET LOCAL statement_timeout = '15min'";

/// Appends who became overdue or was cleared; all of it in this one transaction.
pub(super) async fn scan(control: Control<'_>) -> Result<Progress, DbError> {
    let Control { connection, turn, job, moment } = control;
    sqlx::raw_sql(RAISE_TIMEOUT).execute(&mut *connection).await?;
    let scan = sqlx::query_file!("src/engine/sql/scan_overdue.sql", turn.business.0, moment.now, job.job_id.0);
    let found = scan.fetch_one(connection).await;
    let found = found.map_err(|error| DbError::of_long_work(error, "the scan of all customers"))?;
    // The sum over all customers may exceed what one amount holds.
    let overdue_total: Decimal = found.overdue_total;
    Ok(Progress::Done(json!({
        "customers_checked": found.customers_checked,
        "became_overdue": found.became_overdue,
        "cleared": found.cleared,
        "overdue_total": format_decimal(overdue_total, turn.settings.currency),
    })))
}
