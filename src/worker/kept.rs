//! Kept: a connection of the pool that one task uses again and again, since the pool's care for one that is only lent costs
//! more than a short statement.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::db::DbError;

pub(super) struct Kept {
    pool: PgPool,
    connection: Option<PoolConnection<Postgres>>,
}

impl Kept {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self { pool, connection: None }
    }

    /// The connection; a new one after [`Kept::forget`].
    pub(super) async fn get(&mut self) -> Result<&mut PgConnection, DbError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(self.pool.acquire().await?)),
        }
    }

    /// Gives it back to the pool, which cleans or closes it: after a fault.
    pub(super) fn forget(&mut self) {
        self.connection = None;
    }
}
