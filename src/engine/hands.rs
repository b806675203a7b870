//! Hands: connections that the engine keeps between batches.
//!
//! A batch is five round trips, and a connection that goes through the pool adds two (a ping, and the clean-up of its
//! release). One that has just ended its transaction needs neither, and the last one used has its plans and caches warm.
//! Whatever ended in a fault goes back to the pool, which cleans or closes it.
//!
//! A session also keeps its bad plans. All indexes of a tenant's table begin with the business, so while the table is nearly
//! empty they cost the planner alike, and a foreign-key check planned then may read all that the business has, until the
//! session ends: 1.4 s a batch instead of 0.1, and a business of weight 3 at half of its share. So a session that stores much
//! more slowly than others do is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use crate::db::DbError;

/// How long a connection is kept from the pool, which closes those that are too old when they return.
const KEPT: Duration = Duration::from_secs(30);
/// A session is slow that takes so many times as long for a row as the best of late.
const SLOW: f64 = 3.0;
/// Fewer rows say nothing: a statement's own cost outweighs them.
const ROWS_MIN: usize = 200;
/// How fast the best of late is forgotten, a store.
const FORGET: f64 = 1.05;

/// The free hands, the last used on top; none are kept once the engine rests.
#[derive(Clone, Debug)]
pub(super) struct Hands {
    pool: PgPool,
    free: Arc<Mutex<Option<Vec<Hand>>>>,
    best: Arc<Mutex<Best>>,
}

/// The shortest that storing a row took of late, in seconds.
#[derive(Debug, Default)]
struct Best(Option<f64>);

impl Best {
    /// Takes in a store; says whether it was slow beside others.
    fn is_slow(&mut self, stored: Stored) -> bool {
        if stored.rows < ROWS_MIN {
            return false;
        }
        let pace = stored.took.as_secs_f64() / stored.rows as f64;
        let is_slow = self.0.is_some_and(|best| pace > best * SLOW);
        self.0 = Some(self.0.map_or(pace, |best| pace.min(best * FORGET)));
        is_slow
    }
}

/// How many rows a batch stored, and how long the statements took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Jobs and lines.
    pub rows: usize,
    /// From the first statement to the last.
    pub took: Duration,
}

/// A connection of the pool, outside any transaction while it is free.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Hands {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, free: Arc::new(Mutex::new(Some(Vec::new()))), best: Arc::default() }
    }

    /// A free hand, or a connection of the pool.
    pub(super) async fn take(&self) -> Result<Hand, DbError> {
        let free = self.locked().as_mut().and_then(Vec::pop);
        match free {
            Some(hand) => Ok(hand),
            None => Ok(Hand { connection: self.pool.acquire().await?, since: Instant::now() }),
        }
    }

    /// Takes back a hand whose transaction was committed or rolled back, after it stored that much.
    pub(super) async fn put_back(&self, hand: Hand, stored: Stored) {
        let is_slow = self.best.lock().unwrap_or_else(PoisonError::into_inner).is_slow(stored);
        if is_slow {
            tracing::info!(rows = stored.rows, took = ?stored.took, "a session that stores slowly is closed");
            if let Err(error) = hand.connection.close().await {
                tracing::debug!(%error, "it was closed already");
            }
        } else if hand.since.elapsed() < KEPT
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_slow_beside_the_best_of_late() {
        let stored = |rows, millis| Stored { rows, took: Duration::from_millis(millis) };
        let mut best = Best::default();
        assert!(!best.is_slow(stored(2_000, 900)), "the first has nothing beside it");
        assert!(!best.is_slow(stored(2_000, 100)));
        assert!(!best.is_slow(stored(2_000, 290)));
        assert!(best.is_slow(stored(2_000, 400)));
        assert!(!best.is_slow(stored(4, 50)), "a statement's own cost is no slowness");
        // A machine that has become slower as a whole is not slow for long.
        assert!((0..100).filter(|_| best.is_slow(stored(2_000, 400))).count() < 10);
    }
}
