//! Ready: which businesses have work. Only ids cross tenants.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::db::{DbError, begin_tenant};
use crate::ids::BusinessId;

/// A business that has work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which.
    pub business: BusinessId,
    /// Its share in comparison with others', 1 to 100.
    pub weight: u8,
    /// What hints call it.
    pub hint: Uuid,
}

/// Businesses with ready or due jobs that are not paused. One may be named twice: for ready jobs and for due ones.
///
/// # Errors
/// [`DbError`] of the statement, or if a weight is out of its range.
pub async fn ready_queues(connection: &mut PgConnection) -> Result<Vec<Ready>, DbError> {
    let rows = sqlx::query_file!("src/queue/sql/ready_queues.sql").fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let unknown =
                |_| DbError::Unknown(format!("business {}: weight {} is unknown", row.business_id, row.weight));
            let weight = u8::try_from(row.weight).map_err(unknown)?;
            Ok(Ready { business: BusinessId(row.business_id), weight, hint: row.hint })
        })
        .collect()
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
