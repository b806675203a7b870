//! Hands: connections that the engine keeps between batches.
//!
//! A batch is six round trips, and a connection that goes through the pool adds two (a ping, and the clean-up of its
//! release). One that has just ended its transaction needs neither, and the last one used has its plans and caches warm.
//! Whatever ended in a fault goes back to the pool, which cleans or closes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use crate::db::DbError;

/// How long a connection is kept from the pool, which closes those that are too old when they return.
const KEPT: Duration = Duration::from_secs(30);

/// The free hands, the last used on top; none are kept once the engine rests.
#[derive(Clone, Debug)]
pub(super) struct Hands {
    pool: PgPool,
    free: Arc<Mutex<Option<Vec<Hand>>>>,
}

/// A connection of the pool, outside any transaction while it is free.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Hands {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, free: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// A free hand, or a connection of the pool.
    pub(super) async fn take(&self) -> Result<Hand, DbError> {
        let free = self.locked().as_mut().and_then(Vec::pop);
        match free {
            Some(hand) => Ok(hand),
            None => Ok(Hand { connection: self.pool.acquire().await?, since: Instant::now() }),
        }
    }

    /// Takes back a hand whose transaction was committed or rolled back.
    pub(super) fn put_back(&self, hand: Hand) {
        if hand.since.elapsed() < KEPT
            && let Some(free) = self.locked().as_mut()
        {
            free.push(hand);
        }
    }

    /// Gives all hands back to the pool, those in use when their batch ends, so that it can be closed.
    pub(super) fn rest(&self) {
        *self.locked() = None;
    }

    /// A list of hands is whole after every operation on it, so a panic elsewhere spoils nothing.
    fn locked(&self) -> MutexGuard<'_, Option<Vec<Hand>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
