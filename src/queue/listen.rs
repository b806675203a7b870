//! Listen: hints across processes. Losing one costs at most a poll; nothing depends on them.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::db::DbError;

/// An enqueue that wakes an idle fleet hints here; no payload.
pub const JOBS_CHANNEL: &str = "commissary_jobs";
/// While a worker wants them, every enqueue of a business that is not idle hints here; the payload is what
/// [`Ready::hint`](super::Ready) calls the business, which says nothing to any other listener.
pub const ARRIVALS_CHANNEL: &str = "commissary_arrivals";
/// A worker hints here after a commit that stored results; no payload, hence no tenant's data.
pub const RESULTS_CHANNEL: &str = "commissary_results";

/// Listens for jobs on a connection of its own, which the server ends unless [`stay_listening`] is called within that time:
/// hints for a worker that is stopped would pile up in the server, and no other worker would have any. A session that waits for
/// a stopped worker to take what it sends sees no such limit, hence the one of TCP; a socket in the file system has none, so
/// hints also end by themselves (`may_hint`).
///
/// # Errors
/// [`DbError`] if the server cannot be reached.
pub async fn listen_for_jobs(pool: &PgPool, within: Duration) -> Result<PgListener, DbError> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection is to be noticed: what was asked for is lost with it.
    listener.eager_reconnect(false);
    let within = within.as_millis();
    let limits = format!("SET idle_session_timeout = {within}; SET tcp_user_timeout = {within}");
    sqlx::raw_sql(AssertSqlSafe(limits)).execute(&mut listener).await?;
    listener.listen(JOBS_CHANNEL).await?;
    Ok(listener)
}

/// Shows the server that the listener is alive.
///
/// # Errors
/// [`DbError`] if it cannot be reached.
pub async fn stay_listening(listener: &mut PgListener) -> Result<(), DbError> {
    sqlx::raw_sql("SELECT").execute(listener).await?;
    Ok(())
}

/// Asks for a hint of every arrival, on the listener's own connection; false if another worker has them. They end with
/// [`decline_arrivals`], or with the connection.
///
/// # Errors
/// [`DbError`] if the server cannot be reached.
pub async fn want_arrivals(listener: &mut PgListener) -> Result<bool, DbError> {
    let is_ours = sqlx::query_file_scalar!("src/queue/sql/want_arrivals.sql").fetch_one(&mut *listener).await?;
    if is_ours {
        listener.listen(ARRIVALS_CHANNEL).await?;
    }
    Ok(is_ours)
}

/// Asks for no more hints of arrivals.
///
/// # Errors
/// [`DbError`] if the server cannot be reached.
pub async fn decline_arrivals(listener: &mut PgListener) -> Result<(), DbError> {
    sqlx::query_file_scalar!("src/queue/sql/decline_arrivals.sql").fetch_one(&mut *listener).await?;
    listener.unlisten(ARRIVALS_CHANNEL).await?;
    Ok(())
}

/// Hints that results were stored, while hints have room. Outside the batch's transaction: a NOTIFY takes a cluster-wide lock
/// at commit.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn announce_results(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query_file!("src/queue/sql/announce_results.sql").fetch_optional(connection).await?;
    Ok(())
}
