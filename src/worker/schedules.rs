//! Schedules: a calm look, beside the dispatcher, at what the businesses' clocks ask for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::schedule;

/// A tick is fired at most so long after its time. A look that finds nothing is one probe of an index.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The task that looks, until it is told to stop.
pub(super) struct Schedules {
    stop: oneshot::Sender<()>,
    looking: JoinHandle<()>,
}

impl Schedules {
    /// Looks at once and then every second, by the clock `now` if that is fixed.
    pub(super) fn start(pool: PgPool, now: Option<DateTime<Utc>>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let looking = tokio::spawn(async move {
            loop {
                look(&pool, now).await;
                // Only the wait is cut short: a transaction that has begun ends by itself.
                if timeout(LOOK_EVERY, &mut stopped).await.is_ok() {
                    break;
                }
            }
        });
        Self { stop, looking }
    }

    /// Waits for a look in progress, and looks no more.
    pub(super) async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.looking.await {
            tracing::error!(%error, "the task that looks at schedules died");
        }
    }
}

/// Fires what is due; a fault is logged, since the next look catches up.
pub(super) async fn look(pool: &PgPool, now: Option<DateTime<Utc>>) {
    match schedule::fire_due(pool, now).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "schedules were due: their jobs are enqueued"),
        Err(error) => tracing::warn!(%error, "the database cannot be asked for due schedules"),
    }
}
