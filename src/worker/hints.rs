//! Hints: what enqueues tell this worker, so that a job need not wait for a look. Nothing depends on one: looks find all.
//!
//! An idle business's enqueue wakes every worker. While a worker has free hands it also asks for a hint of every arrival at
//! the lively businesses; one worker at a time has those, which is enough as long as it has free hands. NOTIFY makes
//! commits wait for one another (16 callers: 12,000 enqueues a second without, 4,800 with one each), so a crowded worker
//! declines them: then looks, each of which finds many, are the cheaper way.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgListener, PgPool};
use tokio::time::timeout;
use uuid::Uuid;

use crate::db::DbError;
use crate::queue;

/// So many looks in a row must agree before arrivals are asked for, or declined.
const LOOKS_THAT_DECIDE: u32 = 8;
/// How long to wait before asking again for what another worker has.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The server forgets a listener that has shown no sign of life for so long, or for so many of the longest waits between
/// looks; one is shown three times as often.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);
const FORGOTTEN_AFTER_WAITS: u32 = 3;
const SIGNS_OF_LIFE: u32 = 3;
/// How long tending the hints may hold up the worker, and how long a listener that could not be had is done without: while
/// the server has no connection left, opening one takes as long as the pool waits for one.
const TEND_MAX: Duration = Duration::from_secs(1);
const OPEN_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// More hints a second than this are no help: a look every two milliseconds costs less.
const ARRIVALS_MAX: f64 = 1_500.0;

/// What a hint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Somebody has work who had none for long.
    Look,
    /// The business that hints call so has a new job.
    Arrived(Uuid),
}

/// The listener's connection, once there is one, and whether it is told of every arrival.
pub(super) struct Hints {
    pool: PgPool,
    listener: Option<PgListener>,
    has_arrivals: bool,
    /// Looks in a row that spoke for changing that.
    against: u32,
    arrived: u32,
    tended: Instant,
    alive: Instant,
    forgotten_after: Duration,
    /// When arrivals were asked for in vain.
    refused: Option<Instant>,
    /// When the listener was given up.
    lost: Option<Instant>,
}

/// How many have work, at a look, for the hands there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Nobody has any.
    None,
    /// Each has a hand.
    Served,
    /// Some wait for a hand.
    Waiting,
}

impl Hints {
    /// For a worker that looks at least that often.
    pub(super) fn new(pool: PgPool, wait_max: Duration) -> Self {
        let now = Instant::now();
        Self {
            pool,
            listener: None,
            has_arrivals: false,
            against: 0,
            arrived: 0,
            tended: now,
            alive: now,
            forgotten_after: FORGOTTEN_AFTER.max(wait_max * FORGOTTEN_AFTER_WAITS),
            refused: None,
            lost: None,
        }
    }

    /// Whether every arrival is hinted at, so that looks only find what hints missed.
    pub(super) const fn has_arrivals(&self) -> bool {
        self.has_arrivals
    }

    /// The next hint; none comes without a connection. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Hint {
        let Some(listener) = &mut self.listener else { return std::future::pending().await };
        match listener.try_recv().await {
            Ok(Some(hint)) if hint.channel() == queue::ARRIVALS_CHANNEL => {
                self.arrived += 1;
                hint.payload().parse().map_or(Hint::Look, Hint::Arrived)
            }
            Ok(Some(_)) => Hint::Look,
            lost => {
                tracing::debug!(error = ?lost.err(), "the listener's connection was lost: polling only until it is back");
                self.forget();
                Hint::Look
            }
        }
    }

    /// After a look: opens the connection if there is none, and asks for arrivals or declines them, by the crowd at the last
    /// looks; an idle worker asks at once. True if they are hinted at from now on: what came before is to be looked for.
    pub(super) async fn tend(&mut self, crowd: Crowd) -> bool {
        let rate = f64::from(self.arrived) / self.tended.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        (self.arrived, self.tended) = (0, Instant::now());
        let is_too_much = crowd == Crowd::Waiting || rate > ARRIVALS_MAX;
        self.against = if is_too_much == self.has_arrivals { self.against + 1 } else { 0 };
        let is_decided = self.against >= if crowd == Crowd::None { 1 } else { LOOKS_THAT_DECIDE };
        if self.lost.is_some_and(|at| at.elapsed() < OPEN_AGAIN_AFTER) {
            return false;
        }
        let tended = timeout(TEND_MAX, self.try_tend(is_decided)).await;
        tended.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into())).unwrap_or_else(|error| {
            tracing::debug!(%error, "no hints for now: polling only");
            self.forget();
            self.lost = Some(Instant::now());
            false
        })
    }

    async fn try_tend(&mut self, is_decided: bool) -> Result<bool, DbError> {
        let listener = match &mut self.listener {
            Some(listener) => listener,
            none => {
                self.alive = Instant::now();
                none.insert(queue::listen_for_jobs(&self.pool, self.forgotten_after).await?)
            }
        };
        if self.alive.elapsed() > self.forgotten_after / SIGNS_OF_LIFE {
            queue::stay_listening(listener).await?;
            self.alive = Instant::now();
        }
        if !is_decided {
            return Ok(false);
        }
        if self.has_arrivals {
            queue::decline_arrivals(listener).await?;
            self.has_arrivals = false;
        } else if self.refused.is_none_or(|at| at.elapsed() > ASK_AGAIN_AFTER) {
            self.has_arrivals = queue::want_arrivals(listener).await?;
            self.refused = (!self.has_arrivals).then(Instant::now);
        } else {
            return Ok(false);
        }
        self.against = 0;
        tracing::debug!(has_arrivals = self.has_arrivals, "hints of every arrival");
        Ok(self.has_arrivals)
    }

    /// What was asked for ended with the connection.
    fn forget(&mut self) {
        (self.listener, self.has_arrivals, self.against) = (None, false, 0);
    }
}
