//! Ready: which businesses have work. Only ids cross tenants.

use sqlx::{PgConnection, PgPool};

use crate::db::{DbError, begin_tenant};
use crate::ids::BusinessId;

/// Businesses with ready or due jobs that are not paused, in the order of their ids.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn ready_businesses(connection: &mut PgConnection) -> Result<Vec<BusinessId>, DbError> {
    let ids = sqlx::query_file_scalar!("src/queue/sql/ready_businesses.sql").fetch_all(connection).await?;
    Ok(ids.into_iter().map(BusinessId).collect())
}

/// Marks a business idle, so that its next enqueue wakes the fleet. A row that someone holds is left for later.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn mark_idle(pool: &PgPool, business: BusinessId) -> Result<(), DbError> {
    let mut tx = begin_tenant(pool, business).await?;
    sqlx::query_file!("src/queue/sql/mark_idle.sql", business.0).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
