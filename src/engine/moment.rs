//! Moment: the database's clock, and what a business's wall shows at it. No worker's clock decides anything.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::DbError;
use crate::domain::snapshot::{Moment, moment_of};
use crate::ids::BusinessId;

/// The instant, and the business's wall clock at it; `clock` fixes it for simulations.
///
/// # Errors
/// [`DbError`] of the statement.
pub(super) async fn moment(
    connection: &mut PgConnection,
    business: BusinessId,
    clock: Option<DateTime<Utc>>,
) -> Result<Moment, DbError> {
    let row = sqlx::query_file!("src/engine/sql/moment.sql", business.0, clock as Option<DateTime<Utc>>);
    let row = row.fetch_one(connection).await?;
    Ok(moment_of!(row))
}
