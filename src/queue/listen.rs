//! Listen: hints across processes. Losing one costs at most a poll; nothing depends on them.

use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPool};

use crate::db::DbError;

/// An enqueue that wakes an idle fleet hints here; no payload.
pub const JOBS_CHANNEL: &str = "commissary_jobs";
/// A worker hints here after a commit that stored results; no payload, hence no tenant's data.
pub const RESULTS_CHANNEL: &str = "commissary_results";

/// Listens for jobs on a connection of its own.
///
/// # Errors
/// [`DbError`] if the server cannot be reached.
pub async fn listen_for_jobs(pool: &PgPool) -> Result<PgListener, DbError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(JOBS_CHANNEL).await?;
    Ok(listener)
}

/// Hints that results were stored. Outside the batch's transaction: a NOTIFY takes a cluster-wide lock at commit. It has
/// nothing to lose, so its own commit does not wait for the disk.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn announce_results(connection: &mut PgConnection) -> Result<(), DbError> {
    let hint = "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY commissary_results; COMMIT";
    sqlx::raw_sql(hint).execute(connection).await?;
    Ok(())
}
