//! Counters: what the server has counted in a database.

use std::time::Duration;

use sqlx::PgPool;

/// How long the server may take to see that the contender's sessions are gone: only then are their statistics complete.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);
const SESSIONS_LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the server has counted so far. The WAL is the whole server's: measure on one that does nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Transactions committed.
    pub commits: i64,
    /// Transactions rolled back.
    pub rollbacks: i64,
    /// Deadlocks found.
    pub deadlocks: i64,
    /// WAL written, in bytes.
    pub wal_bytes: i64,
    /// Rows inserted, updated and deleted in tables of any schema but the server's own.
    pub rows_written: i64,
    /// Row versions that updates and deletes left dead.
    pub rows_dead: i64,
}

impl Counters {
    /// Reads them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn read(pool: &PgPool) -> sqlx::Result<Self> {
        let row = sqlx::query_file!("src/bench/sql/counters.sql").fetch_one(pool).await?;
        Ok(Self {
            commits: row.commits,
            rollbacks: row.rollbacks,
            deadlocks: row.deadlocks,
            wal_bytes: row.wal_bytes,
            rows_written: row.inserted + row.updated + row.deleted,
            rows_dead: row.updated + row.deleted,
        })
    }

    /// Reads them once the sessions of others in the database have ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn read_at_the_end(pool: &PgPool) -> sqlx::Result<Self> {
        let began = std::time::Instant::now();
        while began.elapsed() < SESSIONS_END_WITHIN {
            let others = sqlx::query_file_scalar!("src/bench/sql/sessions.sql").fetch_one(pool).await?;
            if others == 0 {
                break;
            }
            tokio::time::sleep(SESSIONS_LOOK_EVERY).await;
        }
        Self::read(pool).await
    }
}
