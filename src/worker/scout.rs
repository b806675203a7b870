//! The scout: looks for businesses with work, on a connection of its own, so that handing out turns need not wait for it.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::kept::Kept;
use crate::db::DbError;
use crate::queue::{self, Ready};

/// What a look gave.
pub(super) struct Look {
    /// The businesses with work.
    pub(super) found: Result<Vec<Ready>, DbError>,
    /// How long it took.
    pub(super) took: Duration,
}

/// The task that looks when it is asked to; one look at a time.
pub(super) struct Scout {
    asked: mpsc::Sender<()>,
    looks: mpsc::Receiver<Look>,
    is_out: bool,
    looking: JoinHandle<()>,
}

impl Scout {
    pub(super) fn start(pool: PgPool) -> Self {
        let (asked, asking) = mpsc::channel(1);
        let (seen, looks) = mpsc::channel(1);
        Self { asked, looks, is_out: false, looking: tokio::spawn(look_when_asked(pool, asking, seen)) }
    }

    /// Whether a look is under way.
    pub(super) const fn is_out(&self) -> bool {
        self.is_out
    }

    /// Starts a look, unless one is under way.
    pub(super) fn send(&mut self) {
        self.is_out |= self.asked.try_send(()).is_ok();
    }

    /// The look that was started; none if its task died. Cancelling loses nothing.
    pub(super) async fn look(&mut self) -> Option<Look> {
        let look = self.looks.recv().await;
        self.is_out = false;
        look
    }

    /// Ends once a look under way has ended: a statement that is dropped half way spoils its connection.
    pub(super) async fn stop(self) {
        let Self { asked, looks, looking, .. } = self;
        drop((asked, looks));
        if let Err(error) = looking.await {
            tracing::error!(%error, "the task that looks for work died");
        }
    }
}

async fn look_when_asked(pool: PgPool, mut asking: mpsc::Receiver<()>, seen: mpsc::Sender<Look>) {
    let mut kept = Kept::new(pool);
    while asking.recv().await.is_some() {
        let started = Instant::now();
        let found = find(&mut kept).await;
        if found.is_err() {
            kept.forget();
        }
        if seen.send(Look { found, took: started.elapsed() }).await.is_err() {
            break;
        }
    }
}

async fn find(kept: &mut Kept) -> Result<Vec<Ready>, DbError> {
    queue::ready_queues(kept.get().await?).await
}
