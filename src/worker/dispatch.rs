//! Dispatch: asks who has work, hands out turns in the order of the line, and takes in how they ended.
//!
//! Hints only shorten the wait: looking alone finds everything.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::hints::{Hint, Hints};
use super::kept::Kept;
use super::line::{Line, NextTurn};
use super::scout::{Look, Scout};
use crate::config::WorkerSettings;
use crate::db::DbError;
use crate::engine::Served;
use crate::ids::BusinessId;
use crate::queue::{self, Ready};

/// How often to look at the most while businesses wait for a hand, but for hints: with short batches, and while all queues
/// are deep.
const LOOK_WHEN_LIVELY: Duration = Duration::from_millis(4);
const LOOK_WHEN_DEEP: Duration = Duration::from_millis(100);
/// Nobody can serve a newcomer while all hands are full, so that a look then waits for the next free one, but no longer: it
/// also gives the listener its sign of life.
const LOOK_WHEN_FULL: Duration = Duration::from_secs(1);
/// How long that hand waits for the look, at the most, before it has a turn without.
const LOOK_AWAITED: Duration = Duration::from_millis(10);
/// Looks wait so many times as long as they took, while businesses wait: on a bloated queue they are expensive. Up to a
/// second.
const LOOK_SHARE: u32 = 10;
const LOOK_SHARE_MAX: Duration = Duration::from_secs(1);
/// Likewise while hands are free, and a look is what a newcomer waits for.
const LOOK_SHARE_WHEN_FREE: u32 = 2;
/// While every arrival is hinted at, looks come so many times as seldom as they can: they find what hints missed.
const LOOK_WHEN_HINTED: u64 = 16;
/// For so long after the last work the looks stay as frequent as they can be: what arrives steadily does not wait for them.
const LIVELY: Duration = Duration::from_millis(200);
/// The longest wait between two attempts to reach a database that is gone.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Results are announced at most so often: waiters poll as well.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(5);

/// Word from the handler that a turn is over.
#[derive(Debug)]
pub(super) struct TurnEnded {
    pub(super) business: BusinessId,
    pub(super) served: Served,
    pub(super) elapsed: Duration,
}

pub(super) struct Dispatcher {
    pool: PgPool,
    settings: WorkerSettings,
    turns: mpsc::Sender<NextTurn>,
    ended: mpsc::UnboundedReceiver<TurnEnded>,
    until_empty: bool,
    line: Line,
    /// When each business that is not known to be idle was last seen with jobs.
    seen: HashMap<BusinessId, Instant>,
    /// Those of them that looks found, by what hints call them.
    called: HashMap<Uuid, Ready>,
    hints: Hints,
    /// The task that marks businesses idle, if there was one.
    marking: Option<JoinHandle<()>>,
    wait: Duration,
    worked_at: Option<Instant>,
    look_at: Instant,
    /// When the last look came back.
    looked_at: Instant,
    /// How long it took.
    look_took: Duration,
    /// Until when free hands wait for a look, since the last one is too old to say whose turn it is.
    looks_first: Option<Instant>,
    /// Whether a hint has come since the last look began.
    hinted: bool,
    faults: u32,
    announce: mpsc::Sender<()>,
    tally: Tally,
}

/// What a worker did in its life, for its last line in the log.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    looks: u64,
    /// In turns, summed.
    spent: Duration,
    turns: u64,
    jobs: u64,
    /// Turns that another worker had.
    taken: u64,
    /// Turns without a job: another worker had been quicker.
    empty: u64,
    /// Jobs that failed alone.
    charged: u64,
    timed_out: u64,
    backed_off: u64,
}

impl Dispatcher {
    pub(super) fn new(
        pool: PgPool,
        settings: WorkerSettings,
        turns: mpsc::Sender<NextTurn>,
        ended: mpsc::UnboundedReceiver<TurnEnded>,
        until_empty: bool,
    ) -> Self {
        let (announce, due) = mpsc::channel(1);
        tokio::spawn(announce_results(pool.clone(), due));
        Self {
            wait: Duration::from_millis(settings.poll_min_ms),
            worked_at: None,
            line: Line::new(settings.concurrency, settings.batch_size_max),
            hints: Hints::new(pool.clone(), Duration::from_millis(settings.poll_max_ms)),
            pool,
            settings,
            turns,
            ended,
            until_empty,
            seen: HashMap::new(),
            called: HashMap::new(),
            marking: None,
            look_at: Instant::now(),
            looked_at: Instant::now(),
            look_took: Duration::ZERO,
            looks_first: None,
            hinted: false,
            faults: 0,
            announce,
            tally: Tally::default(),
        }
    }

    /// Runs until the worker is told to stop, or with `until_empty` until no business has a ready job.
    pub(super) async fn run(mut self) {
        let mut scout = Scout::start(self.pool.clone());
        while self.hand_out().await {
            let least = if self.waits_to_look() { LOOK_WHEN_FULL } else { Duration::ZERO };
            let look_at = self.look_at.max(self.looked_at + least);
            tokio::select! {
                ended = self.ended.recv() => {
                    let Some(ended) = ended else { break };
                    self.turn_ended(&ended, scout.is_out());
                }
                look = scout.look(), if scout.is_out() => {
                    let Some(look) = look else { break };
                    let found = self.looked(look);
                    if self.until_empty && found == Some(0) && self.line.is_idle() {
                        break;
                    }
                    // Nobody waits for the hints to be tended.
                    if !self.hand_out().await {
                        break;
                    }
                    if !self.until_empty && found.is_some() && self.hints.tend(self.line.crowd()).await {
                        self.look_at = Instant::now();
                    }
                    self.mark_idle();
                }
                hint = self.hints.next() => self.take_hint(hint),
                () = sleep_until(self.looks_first.unwrap_or(look_at)), if self.looks_first.is_some() => self.looks_first = None,
                () = sleep_until(look_at), if !scout.is_out() => {
                    self.hinted = false;
                    scout.send();
                }
            }
        }
        scout.stop().await;
    }

    /// Hands out turns while hands are free; false if nobody takes them any more.
    async fn hand_out(&mut self) -> bool {
        if self.looks_first.is_some() {
            return true;
        }
        while let Some(turn) = self.line.next(Instant::now().into_std()) {
            if self.turns.send(turn).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Whether looks wait for a hand: all are full, and no hint tells of a newcomer.
    fn waits_to_look(&self) -> bool {
        self.line.is_full() && !self.hints.has_arrivals()
    }

    /// What was never looked at is unknown by its hint, and found by a look.
    fn take_hint(&mut self, hint: Hint) {
        let now = Instant::now();
        if let Hint::Arrived(hint) = hint
            && let Some(ready) = self.called.get(&hint)
        {
            self.line.arrived(*ready, now.into_std());
            self.seen.insert(ready.business, now);
        } else {
            (self.hinted, self.look_at) = (true, now);
        }
    }

    /// Takes in how a turn ended, while a look `is_out` or not.
    fn turn_ended(&mut self, ended: &TurnEnded, is_out: bool) {
        let TurnEnded { business, served, elapsed } = *ended;
        let now = Instant::now();
        // A hint may ask for a look sooner than one may cost again.
        let may_cost = self.look_at.max(self.looked_at + share(self.look_took));
        if self.waits_to_look() && !is_out && may_cost <= now {
            self.looks_first = Some(now + LOOK_AWAITED);
        }
        self.line.ended(business, served, elapsed, now.into_std());
        self.tally.turns += 1;
        self.tally.spent += elapsed;
        match served {
            Served::Batch { jobs: 0, .. } => self.tally.empty += 1,
            Served::Batch { jobs, .. } => self.tally.jobs += jobs as u64,
            Served::Charged => self.tally.charged += 1,
            Served::TimedOut { .. } => self.tally.timed_out += 1,
            Served::Taken => self.tally.taken += 1,
            Served::BackOff => self.tally.backed_off += 1,
        }
        // The last attempt that is charged leaves a result as well.
        let has_served = matches!(served, Served::Batch { jobs: 1.., .. } | Served::Charged);
        if has_served {
            self.worked_at = Some(now);
            self.seen.insert(business, now);
            // One that is under way or due already will do.
            self.announce.try_send(()).ok();
            self.wait = Duration::from_millis(self.settings.poll_min_ms);
        }
        // Whoever came while all hands were busy waits for this one, unless a hint told of it; and whoever is left alone comes
        // back by a look.
        let due = if has_served {
            (!self.hints.has_arrivals()).then_some(now)
        } else {
            self.line.back_at().map(Instant::from_std)
        };
        if let Some(due) = due
            && !self.line.is_busy()
        {
            self.look_at = self.look_at.min(due.max(self.looked_at + self.wait));
        }
    }

    /// Takes in a look, and says how many businesses it found, or none if the database could not be asked.
    fn looked(&mut self, look: Look) -> Option<usize> {
        let now = Instant::now();
        (self.looked_at, self.look_took, self.looks_first) = (now, look.took, None);
        self.tally.looks += 1;
        match look.found {
            Ok(found) => {
                self.faults = 0;
                self.seen.extend(found.iter().map(|one| (one.business, now)));
                self.called.extend(found.iter().map(|one| (one.hint, *one)));
                if self.line.found(&found, now.into_std()) {
                    self.wait = Duration::from_millis(self.settings.poll_min_ms);
                }
                // A hint that came meanwhile may be about what the look did not see.
                self.look_at = if self.hinted { now } else { now + self.next_wait(look.took) };
                Some(found.len())
            }
            Err(error) => {
                tracing::warn!(%error, "the database cannot be asked for work");
                self.faults += 1;
                self.look_at = now + (Duration::from_millis(100) * 2_u32.pow(self.faults.min(6))).min(RECONNECT_MAX);
                None
            }
        }
    }

    /// How long until the next look: short while there was work lately, then doubling.
    fn next_wait(&mut self, took: Duration) -> Duration {
        if self.hints.has_arrivals() && !self.seen.is_empty() {
            return Duration::from_millis(self.settings.poll_min_ms * LOOK_WHEN_HINTED).max(share(took));
        }
        if self.line.is_busy() {
            let is_lively = self.line.is_lively(Instant::now().into_std());
            let often = if is_lively { LOOK_WHEN_LIVELY } else { LOOK_WHEN_DEEP };
            return often.max(share(took));
        }
        if self.worked_at.is_some_and(|at| at.elapsed() < LIVELY) {
            self.wait = Duration::from_millis(self.settings.poll_min_ms);
        }
        let wait = self.wait;
        // Until a business is marked idle its enqueues do not wake us: look eight times as seldom, not once a half second.
        let longest = if self.seen.is_empty() { self.settings.poll_max_ms } else { self.settings.poll_min_ms * 8 };
        self.wait = (self.wait * 2).min(Duration::from_millis(longest.min(self.settings.poll_max_ms)));
        wait.max(took * LOOK_SHARE_WHEN_FREE)
    }

    /// Marks businesses idle that have been without jobs for the grace, so that their next enqueue wakes the fleet: one
    /// after the other, on one connection, however many they are.
    fn mark_idle(&mut self) {
        if self.marking.as_ref().is_some_and(|marking| !marking.is_finished()) {
            return;
        }
        let grace = Duration::from_millis(self.settings.idle_grace_ms);
        let idle: Vec<BusinessId> =
            self.seen.iter().filter(|(_, last)| last.elapsed() > grace).map(|(business, _)| *business).collect();
        if idle.is_empty() {
            return;
        }
        for business in &idle {
            self.seen.remove(business);
            self.line.forget(*business);
        }
        self.called.retain(|_, ready| self.seen.contains_key(&ready.business));
        let pool = self.pool.clone();
        self.marking = Some(tokio::spawn(async move {
            for business in idle {
                if let Err(error) = queue::mark_idle(&pool, business).await {
                    tracing::debug!(%business, %error, "not marked idle: polling finds its jobs");
                }
            }
        }));
    }
}

impl Drop for Dispatcher {
    /// It ends by itself or by being dropped; either way it says what it did.
    fn drop(&mut self) {
        let Tally { looks, spent, turns, jobs, taken, empty, charged, timed_out, backed_off } = self.tally;
        let turn_ms = spent.as_secs_f64() * 1_000.0 / turns.max(1) as f64;
        tracing::info!(
            looks,
            turns,
            turn_ms,
            jobs,
            taken,
            empty,
            charged,
            timed_out,
            backed_off,
            "no more turns are handed out"
        );
    }
}

/// How long not to look again after a look that took so long.
fn share(took: Duration) -> Duration {
    (took * LOOK_SHARE).min(LOOK_SHARE_MAX)
}

/// Hints at results after commits, gathered, until the dispatcher is gone.
async fn announce_results(pool: PgPool, mut due: mpsc::Receiver<()>) {
    let mut kept = Kept::new(pool);
    while due.recv().await.is_some() {
        if let Err(error) = announce_once(&mut kept).await {
            kept.forget();
            tracing::debug!(%error, "results were not announced: waiters poll");
        }
        sleep(ANNOUNCE_EVERY).await;
    }
}

async fn announce_once(kept: &mut Kept) -> Result<(), DbError> {
    queue::announce_results(kept.get().await?).await
}
