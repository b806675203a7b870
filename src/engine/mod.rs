//! The engine: one transaction, one business, many jobs.
//!
//! Claim, effects, results and removal are one commit, so a worker that dies at any point leaves either all of it or
//! nothing. What could interleave with the transaction, and what stops it:
//! - another batch of the business: the queue row is held (SKIP LOCKED) until the commit;
//! - the catalogue being edited: customers, budgets and products are locked before anything is decided;
//! - a settlement period being closed: its row is held shared, and only ended months are closed;
//! - the same request enqueued again: the key is unique in `jobs`, `job_results` and `orders`, and looked up here.

mod aside;
mod careful;
mod control;
mod hands;
mod load;
mod lock;
mod moment;
mod orders;
mod overdue;
mod prepared;
mod process;
mod returns;
pub(crate) mod rows;
mod serve;
mod settlement;
mod store;

use std::sync::Arc;

use sqlx::PgPool;
use uuid::Uuid;

use crate::config::Settings;
use crate::domain::decide::{self, Job};
use crate::domain::outcome::Decision;
use crate::domain::snapshot::Snapshot;

pub use aside::ASIDES_MAX;
pub use hands::Stored;
pub(crate) use prepared::PreparedBatch;
pub use process::{Batch, BatchFault};
pub use serve::Served;

/// The pure decision; a field of the engine, so that a test can plant a panic.
pub type Decide = fn(&Snapshot, &Job) -> Decision;

/// Runs batches on a pool of connections that act as the worker.
#[derive(Clone, Debug)]
pub struct Engine {
    pool: PgPool,
    hands: hands::Hands,
    settings: Settings,
    decide: Decide,
    asides: Arc<aside::Asides>,
    care: Option<Arc<careful::Care>>,
}

impl Engine {
    /// An engine on this pool.
    #[must_use]
    pub fn new(pool: PgPool, settings: Settings) -> Self {
        let (hands, asides) = (hands::Hands::new(pool.clone()), Arc::new(aside::Asides::new()));
        Self { pool, hands, settings, decide: decide::decide, asides, care: None }
    }

    /// The same engine, careful with the first jobs of every business: after a worker's process died, perhaps of one of them.
    /// `worker` is what the database knows this one as.
    #[must_use]
    pub fn carefully(self, worker: Uuid) -> Self {
        let care = careful::Care::new(worker, self.settings.worker.batch_size_max);
        Self { care: Some(Arc::new(care)), ..self }
    }

    /// The same engine with another decision, for tests of faults.
    #[must_use]
    pub fn deciding_by(self, decide: Decide) -> Self {
        Self { decide, ..self }
    }

    /// Gives the connections that are kept between batches back to the pool, and gives up what is worked on beside turns (the
    /// next worker starts it anew), so that the pool can be closed.
    pub fn rest(&self) {
        self.hands.rest();
        self.asides.give_up();
    }
}
