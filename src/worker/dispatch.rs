//! Dispatch: which business has its turn next.
//!
//! Businesses with work stand in line; each has one turn (one batch) and goes to the end of the line if it has more, so
//! between two turns of one every other has at most one. A business stands in line once, and has at most one batch in
//! flight. Hints only shorten the wait: polling alone finds everything.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::WorkerSettings;
use crate::db::DbError;
use crate::engine::Served;
use crate::ids::BusinessId;
use crate::queue;

/// How often to look for further businesses while all hands are busy: it finds newcomers, and costs 20 looks a second.
const POLL_WHEN_BUSY: Duration = Duration::from_millis(50);
/// How long a business stays out of the line after the database could not serve it.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait between two attempts to reach a database that is gone.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Results are announced at most so often: waiters poll as well.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(5);

/// Word from the handler that a turn is over.
#[derive(Debug)]
pub(super) struct TurnEnded {
    pub(super) business: BusinessId,
    pub(super) served: Served,
}

pub(super) struct Dispatcher {
    pool: PgPool,
    settings: WorkerSettings,
    turns: mpsc::Sender<BusinessId>,
    ended: mpsc::UnboundedReceiver<TurnEnded>,
    until_empty: bool,
    line: Line,
    /// When each business that is not known to be idle was last seen with jobs.
    seen: HashMap<BusinessId, Instant>,
    wait: Duration,
    faults: u32,
    announce: Arc<Notify>,
}

/// Who waits, who is served, and who is left alone for a while.
#[derive(Default)]
struct Line {
    waiting: VecDeque<BusinessId>,
    standing: HashSet<BusinessId>,
    in_flight: HashSet<BusinessId>,
    backing_off: HashMap<BusinessId, Instant>,
}

impl Line {
    /// Takes a place at the end, unless it has one, is being served, or backs off.
    fn join(&mut self, business: BusinessId) -> bool {
        if self.backing_off.get(&business).is_some_and(|until| *until > Instant::now()) {
            return false;
        }
        self.backing_off.remove(&business);
        let joins = !self.in_flight.contains(&business) && self.standing.insert(business);
        if joins {
            self.waiting.push_back(business);
        }
        joins
    }

    fn next(&mut self) -> Option<BusinessId> {
        let business = self.waiting.pop_front()?;
        self.standing.remove(&business);
        self.in_flight.insert(business);
        Some(business)
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }
}

impl Dispatcher {
    pub(super) fn new(
        pool: PgPool,
        settings: WorkerSettings,
        turns: mpsc::Sender<BusinessId>,
        ended: mpsc::UnboundedReceiver<TurnEnded>,
        until_empty: bool,
    ) -> Self {
        let wait = Duration::from_millis(settings.poll_min_ms);
        let (line, seen, announce) = (Line::default(), HashMap::new(), Arc::new(Notify::new()));
        Self { pool, settings, turns, ended, until_empty, line, seen, wait, faults: 0, announce }
    }

    /// Runs until the worker is told to stop, or with `until_empty` until no business has a ready job.
    pub(super) async fn run(mut self) {
        let announcing = tokio::spawn(announce(self.pool.clone(), Arc::clone(&self.announce)));
        let mut listener = None;
        let mut connection = None;
        let mut poll_at = Instant::now();
        loop {
            let turns = self.turns.clone();
            tokio::select! {
                permit = turns.reserve(), if !self.line.waiting.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(business) = self.line.next() {
                        permit.send(business);
                    }
                }
                ended = self.ended.recv() => {
                    let Some(ended) = ended else { break };
                    if self.turn_ended(&ended) {
                        poll_at = poll_at.min(Instant::now() + self.wait);
                    }
                }
                () = hint(&mut listener) => poll_at = Instant::now(),
                () = sleep_until(poll_at) => {
                    let found = self.poll(&mut connection).await;
                    if self.until_empty && found == Some(0) && self.line.is_idle() {
                        break;
                    }
                    self.listen(&mut listener).await;
                    self.mark_idle();
                    poll_at = Instant::now() + self.next_poll(found);
                }
            }
        }
        announcing.abort();
    }

    /// Says whether a look for more is due soon.
    fn turn_ended(&mut self, ended: &TurnEnded) -> bool {
        let TurnEnded { business, served } = *ended;
        self.line.in_flight.remove(&business);
        match served {
            Served::Batch { jobs, has_more } => {
                if jobs > 0 {
                    self.seen.insert(business, Instant::now());
                    self.announce.notify_one();
                    self.wait = Duration::from_millis(self.settings.poll_min_ms);
                }
                if has_more {
                    self.line.join(business);
                }
                jobs > 0 && self.line.waiting.is_empty()
            }
            Served::Taken => false,
            Served::BackOff => {
                self.line.backing_off.insert(business, Instant::now() + BACK_OFF);
                false
            }
        }
    }

    /// Looks for businesses with work: how many there are, or none if the database could not be asked.
    async fn poll(&mut self, connection: &mut Option<PoolConnection<Postgres>>) -> Option<usize> {
        match find(&self.pool, connection).await {
            Ok(found) => {
                self.faults = 0;
                for business in &found {
                    self.seen.insert(*business, Instant::now());
                    if self.line.join(*business) {
                        self.wait = Duration::from_millis(self.settings.poll_min_ms);
                    }
                }
                Some(found.len())
            }
            Err(error) => {
                tracing::warn!(%error, "the database cannot be asked for work");
                *connection = None;
                self.faults += 1;
                None
            }
        }
    }

    /// How long until the next look: short while there was work lately, then doubling.
    fn next_poll(&mut self, found: Option<usize>) -> Duration {
        if found.is_none() {
            return (Duration::from_millis(100) * 2_u32.pow(self.faults.min(6))).min(RECONNECT_MAX);
        }
        let all_busy = self.line.in_flight.len() >= self.settings.concurrency as usize;
        if all_busy || !self.line.waiting.is_empty() {
            return POLL_WHEN_BUSY;
        }
        let wait = self.wait;
        // Until a business is marked idle its enqueues do not wake us: look eight times as seldom, not once a half second.
        let longest = if self.seen.is_empty() { self.settings.poll_max_ms } else { self.settings.poll_min_ms * 8 };
        self.wait = (self.wait * 2).min(Duration::from_millis(longest.min(self.settings.poll_max_ms)));
        wait
    }

    /// Opens the listener's connection if there is none; without one, polling goes on.
    async fn listen(&self, listener: &mut Option<PgListener>) {
        if listener.is_none() && !self.until_empty {
            match queue::listen_for_jobs(&self.pool).await {
                Ok(opened) => *listener = Some(opened),
                Err(error) => tracing::debug!(%error, "no hints for now: polling only"),
            }
        }
    }

    /// Marks businesses idle that have been without jobs for the grace, so that their next enqueue wakes the fleet.
    fn mark_idle(&mut self) {
        let grace = Duration::from_millis(self.settings.idle_grace_ms);
        let idle: Vec<BusinessId> =
            self.seen.iter().filter(|(_, last)| last.elapsed() > grace).map(|(business, _)| *business).collect();
        for business in idle {
            self.seen.remove(&business);
            let pool = self.pool.clone();
            tokio::spawn(async move {
                if let Err(error) = queue::mark_idle(&pool, business).await {
                    tracing::debug!(%business, %error, "not marked idle: polling finds its jobs");
                }
            });
        }
    }
}

async fn find(pool: &PgPool, kept: &mut Option<PoolConnection<Postgres>>) -> Result<Vec<BusinessId>, DbError> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(pool.acquire().await?),
    };
    queue::ready_businesses(connection).await
}

/// Waits for a hint; for ever without a listener.
async fn hint(listener: &mut Option<PgListener>) {
    let Some(listening) = listener else { return std::future::pending().await };
    if let Err(error) = listening.recv().await {
        tracing::debug!(%error, "the listener's connection was lost: polling only until it is back");
        *listener = None;
    }
}

/// Hints at results after commits, gathered.
async fn announce(pool: PgPool, due: Arc<Notify>) {
    loop {
        due.notified().await;
        if let Err(error) = queue::announce_results(&pool).await {
            tracing::debug!(%error, "results were not announced: waiters poll");
        }
        sleep(ANNOUNCE_EVERY).await;
    }
}
