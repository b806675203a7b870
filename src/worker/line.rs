//! The line: which business has its turn next, and how many jobs that turn may take. Pure: no I/O, no clock.
//!
//! Businesses with work stand in line; each has one place, and at most one batch in flight. A turn may take jobs in
//! proportion to the business's weight, so that equal turns give weighted shares; whoever has had a turn stands behind
//! everyone who has not. Between two turns of one business every other that waits gets at most one, unless it is owed one
//! that its own long batch cost it, or weighs more than [`SHARE_MIN`] times as much: batches that small cost more than
//! they move, so from there on the heavier one comes more often instead. Nothing idles for fairness' sake: while hands are
//! free, whoever waits is served at once, or after the look that says who else waits.
//!
//! A turn is also bounded in time, by what recent turns took: shortly while someone lively is about (whose batches are
//! not full, so that somebody may be waiting for the answer), longer while all there is to do is to drain deep queues.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::hints::Crowd;
use crate::engine::Served;
use crate::ids::BusinessId;
use crate::queue::Ready;

/// How long a batch may take while a business is about that is not drowned in work.
const BATCH_TIME_LIVELY: Duration = Duration::from_millis(50);
/// How long a batch may take at all.
const BATCH_TIME_MAX: Duration = Duration::from_millis(500);
/// A business counts as lively for so long after a batch that was not full.
const LIVELY_FOR: Duration = Duration::from_secs(1);
/// What a job is taken to cost until the first batches are measured.
const PACE_ASSUMED: Duration = Duration::from_micros(300);
/// A batch of a business may be cut short if its jobs cost more than so many times the average.
const PACE_TOLERANCE: f64 = 2.0;
/// What earlier batches count in the average, at each new one.
const PACE_MEMORY: f64 = 0.8;
/// The smallest share of a full batch is one in so many: lighter businesses come more seldom instead.
const SHARE_MIN: u64 = 8;
/// A full batch, charged to a business of weight 1.
const FULL: u64 = 1 << 32;
/// After a batch that a statement's time limit ended, a minute, the next are smaller by that: one culprit among 500 jobs is alone
/// after three such minutes, where halves would take eight.
const TIMEOUT_SHRINKS_BY: usize = 8;
/// For each of its jobs so many may pass, more urgent ones for instance, until the one that was to blame has come again; then batches
/// grow.
const PASSED_AFTER_TIMEOUT: usize = 100;
/// How long a business stays out of the line after the database could not serve it.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How long it does when another worker had its turn, or twice there was nothing to claim: first, doubling each time, and at the most, one part in so many of
/// the time that the other's batch may take.
const TAKEN_FIRST: Duration = Duration::from_millis(2);
const TAKEN_MAX_PART: u32 = 2;
/// The heaviest a business can be (`queues.weight`).
const WEIGHT_MAX: usize = 100;

/// A turn that is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextTurn {
    /// Whose.
    pub(super) business: BusinessId,
    /// The most jobs it may take.
    pub(super) limit: u32,
    /// Whether it takes one because a batch of the business timed out.
    pub(super) is_suspect: bool,
}

/// Who waits, who is served, and who is left alone for a while.
pub(super) struct Line {
    hands: usize,
    batch_size_max: u32,
    places: HashMap<BusinessId, Place>,
    waiting: BTreeSet<(u64, u64, BusinessId)>,
    in_flight: usize,
    away: HashSet<BusinessId>,
    /// How many businesses of each weight have work, as far as is known.
    weights: [usize; WEIGHT_MAX + 1],
    /// The virtual time: what the business that was served last had been charged before.
    reached: u64,
    /// Counts arrivals, so that those charged alike are served as they came.
    arrivals: u64,
    pace: Pace,
    lively_until: Option<Instant>,
}

/// What is known of a business.
struct Place {
    state: State,
    weight: usize,
    /// What it has been charged: a full batch over its weight is [`FULL`].
    charged: u64,
    /// What its last turn was charged, for the case that it was none.
    last_charge: u64,
    /// The fraction of a job that its turns were cut off so far.
    owed: f64,
    last_limit: u32,
    pace: Pace,
    /// After a batch that took too long.
    parts: Option<Parts>,
    taken_wait: Duration,
    /// Turns in a row that found nothing to claim.
    empty_turns: u32,
    /// Whether a job has come since its turn began.
    has_news: bool,
}

/// How small batches are after one that took too long, until the job that was to blame was alone.
#[derive(Clone, Copy)]
struct Parts {
    jobs: usize,
    /// How many more may pass before it must have; from then on batches double.
    left: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Without work, as far as is known.
    Absent,
    /// In line, since that arrival.
    Waiting(u64),
    InFlight,
    /// Not to be tried until then.
    Away(Instant),
}

/// What a job costs, on the average of recent batches.
#[derive(Clone, Copy)]
struct Pace {
    seconds: f64,
    jobs: f64,
}

impl Pace {
    const UNKNOWN: Self = Self { seconds: 0.0, jobs: 0.0 };

    fn learn(&mut self, jobs: usize, elapsed: Duration) {
        self.seconds = self.seconds * PACE_MEMORY + elapsed.as_secs_f64();
        self.jobs = self.jobs * PACE_MEMORY + jobs as f64;
    }

    /// How many jobs fit into that time.
    fn fitting(&self, time: Duration) -> Option<f64> {
        (self.jobs > 0.0).then(|| time.as_secs_f64() * self.jobs / self.seconds.max(1e-6))
    }
}

impl Parts {
    /// After a batch of so many jobs that was in time; none when batches are as large as they may be.
    fn passed(self, jobs: usize, max: usize) -> Option<Self> {
        let Self { jobs: size, left } = self;
        if left > 0 || jobs < size {
            return Some(Self { jobs: size, left: left.saturating_sub(jobs) });
        }
        (size * 2 < max).then_some(Self { jobs: size * 2, left })
    }
}

impl Line {
    /// A line for so many hands.
    pub(super) fn new(hands: u32, batch_size_max: u32) -> Self {
        Self {
            hands: hands as usize,
            batch_size_max,
            places: HashMap::new(),
            waiting: BTreeSet::new(),
            in_flight: 0,
            away: HashSet::new(),
            weights: [0; WEIGHT_MAX + 1],
            reached: 0,
            arrivals: 0,
            pace: Pace { seconds: PACE_ASSUMED.as_secs_f64(), jobs: 1.0 },
            lively_until: None,
        }
    }

    /// Takes in what a look found: everyone with work, and so nobody else. Says whether anyone took a place.
    pub(super) fn found(&mut self, ready: &[Ready], now: Instant) -> bool {
        let mut joined = false;
        for one in ready {
            joined |= self.join(*one, now);
        }
        let is_over = |business: &&BusinessId| match self.places[*business].state {
            State::Away(until) => until <= now,
            _ => false,
        };
        let over: Vec<BusinessId> = self.away.iter().filter(is_over).copied().collect();
        for business in over {
            self.set_state(business, State::Absent);
        }
        joined
    }

    /// Takes in that a business has a new job. If it is being served it is served again: the job may have come too late.
    pub(super) fn arrived(&mut self, ready: Ready, now: Instant) {
        match self.places.get_mut(&ready.business) {
            Some(place) if place.state == State::InFlight => place.has_news = true,
            // It is left alone for what cannot be claimed; this can.
            Some(place) if place.empty_turns > 0 && matches!(place.state, State::Away(_)) => self.stand(ready.business),
            _ => _ = self.join(ready, now),
        }
    }

    /// Takes a place, unless it has one, is being served, or is left alone.
    fn join(&mut self, ready: Ready, now: Instant) -> bool {
        let weight = usize::from(ready.weight).clamp(1, WEIGHT_MAX);
        let place = self.places.entry(ready.business).or_insert_with(|| Place::new(weight));
        if place.weight != weight {
            if place.state != State::Absent {
                self.weights[place.weight] -= 1;
                self.weights[weight] += 1;
            }
            place.weight = weight;
        }
        let joins = match place.state {
            State::Absent => true,
            State::Away(until) => until <= now,
            State::Waiting(_) | State::InFlight => false,
        };
        if joins {
            self.stand(ready.business);
        }
        joins
    }

    /// Stands in line: behind those that were charged less, but with no credit for the time it was not there.
    fn stand(&mut self, business: BusinessId) {
        self.stand_from(business, self.reached);
    }

    /// Stands in line after a turn. Whoever was in flight was there: if its batch took longer than the others needed for a
    /// round, it has the credit of one turn, and no more, for everyone else waits as well.
    fn stand_again(&mut self, business: BusinessId) {
        let credit = self.places.get(&business).map_or(0, |place| place.last_charge);
        self.stand_from(business, self.reached.saturating_sub(credit));
    }

    fn stand_from(&mut self, business: BusinessId, least: u64) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.set_state(business, State::Waiting(arrival));
        if let Some(place) = self.places.get_mut(&business) {
            place.charged = place.charged.max(least);
            self.waiting.insert((place.charged, arrival, business));
        }
    }

    /// The next turn, if a hand is free and someone waits.
    pub(super) fn next(&mut self, now: Instant) -> Option<NextTurn> {
        while !self.is_full() {
            let (charged, _, business) = self.waiting.pop_first()?;
            self.reached = self.reached.max(charged);
            let limit = self.charge(business, now);
            if limit > 0 {
                self.set_state(business, State::InFlight);
                let is_suspect = self.places[&business].parts.is_some_and(|parts| parts.jobs == 1 && parts.left > 0);
                return Some(NextTurn { business, limit, is_suspect });
            }
            self.stand(business);
        }
        None
    }

    /// Charges a business for its next turn, and says how many jobs it may take: less than one is saved up.
    fn charge(&mut self, business: BusinessId, now: Instant) -> u32 {
        let (full, time, heaviest) = (self.full_batch(now), self.batch_time(now), self.heaviest() as u64);
        let is_crowded = self.weights.iter().sum::<usize>() > self.hands;
        let place = self.places.get_mut(&business).expect("whoever waits has a place");
        let weight = place.weight as u64;
        // The share of a full batch is share / whole.
        let whole = SHARE_MIN * heaviest;
        let share = if is_crowded { (SHARE_MIN * weight).max(heaviest) } else { whole };
        place.last_charge = FULL / whole * share / weight;
        place.charged += place.last_charge;
        place.owed += full * share as f64 / whole as f64;
        let fitting = place.pace.fitting(time.mul_f64(PACE_TOLERANCE)).map_or(f64::MAX, |jobs| jobs.max(1.0));
        let part = place.parts.map_or(f64::MAX, |parts| parts.jobs as f64);
        let limit = place.owed.min(fitting).min(part).min(f64::from(self.batch_size_max)).floor();
        place.owed = (place.owed - limit).min(1.0);
        place.last_limit = limit as u32;
        place.last_limit
    }

    /// Takes in how a turn ended. A business that has more goes to its next place at once.
    pub(super) fn ended(&mut self, business: BusinessId, served: Served, elapsed: Duration, now: Instant) {
        let taken_max = self.batch_time(now) / TAKEN_MAX_PART;
        let Some(place) = self.places.get_mut(&business) else { return };
        let has_news = std::mem::take(&mut place.has_news);
        place.empty_turns = if matches!(served, Served::Batch { jobs: 0, .. }) { place.empty_turns + 1 } else { 0 };
        match served {
            Served::Batch { jobs, has_more } => {
                place.taken_wait = TAKEN_FIRST;
                place.parts = place.parts.and_then(|parts| parts.passed(jobs, self.batch_size_max as usize));
                let is_full = jobs >= place.last_limit as usize;
                if is_full && jobs > 0 {
                    place.pace.learn(jobs, elapsed);
                    self.pace.learn(jobs, elapsed);
                } else if jobs > 0 {
                    place.owed = 0.0;
                    self.lively_until = Some(now + LIVELY_FOR);
                }
                // Once the look may have been older than the turn before; twice it sees what cannot be claimed, such as a job
                // that is worked on beside the turn.
                let empty_wait = place.empty_turns.checked_sub(2).map(|turns| TAKEN_FIRST * 2_u32.pow(turns.min(10)));
                if has_more || has_news {
                    self.stand_again(business);
                } else if let Some(wait) = empty_wait {
                    self.set_state(business, State::Away(now + wait.min(taken_max)));
                } else {
                    self.set_state(business, State::Absent);
                }
            }
            Served::Charged => {
                // One that failed in time ends no search for one that does not.
                if let Some(parts) = place.parts.as_mut().filter(|parts| parts.jobs == 1) {
                    parts.left = 0;
                }
                self.stand_again(business);
            }
            Served::TimedOut { jobs } => {
                let left = jobs * PASSED_AFTER_TIMEOUT;
                place.parts = Some(Parts { jobs: (jobs / TIMEOUT_SHRINKS_BY).max(1), left });
                // Without the credit of a turn: its batch was long by its own fault.
                self.stand(business);
            }
            Served::Taken => {
                place.charged -= place.last_charge;
                let until = now + place.taken_wait;
                place.taken_wait = (place.taken_wait * 2).min(taken_max);
                self.set_state(business, State::Away(until));
            }
            Served::BackOff => self.set_state(business, State::Away(now + BACK_OFF)),
        }
    }

    /// Forgets a business that has been without work for long.
    pub(super) fn forget(&mut self, business: BusinessId) {
        if self.places.get(&business).is_some_and(|place| place.state == State::Absent) {
            self.places.remove(&business);
        }
    }

    /// When the next of those that are left alone may be tried again, if there are any.
    pub(super) fn back_at(&self) -> Option<Instant> {
        let back = |business: &BusinessId| match self.places[business].state {
            State::Away(until) => Some(until),
            _ => None,
        };
        self.away.iter().filter_map(back).min()
    }

    /// Whether nobody waits and nobody is served.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// Whether no hand is free.
    pub(super) const fn is_full(&self) -> bool {
        self.in_flight >= self.hands
    }

    /// Whether someone waits, or would have to.
    pub(super) fn is_busy(&self) -> bool {
        self.is_full() || !self.waiting.is_empty()
    }

    /// How many have work, for the hands there are.
    pub(super) fn crowd(&self) -> Crowd {
        match self.in_flight + self.waiting.len() {
            0 => Crowd::None,
            some if some <= self.hands => Crowd::Served,
            _ => Crowd::Waiting,
        }
    }

    /// Whether someone is about who is not drowned in work.
    pub(super) fn is_lively(&self, now: Instant) -> bool {
        self.lively_until.is_some_and(|until| until > now)
    }

    fn batch_time(&self, now: Instant) -> Duration {
        if self.is_lively(now) { BATCH_TIME_LIVELY } else { BATCH_TIME_MAX }
    }

    /// The jobs of a full batch: what fits into its time, at the average pace, so that shares of it are shares of jobs.
    fn full_batch(&self, now: Instant) -> f64 {
        let max = f64::from(self.batch_size_max);
        self.pace.fitting(self.batch_time(now)).unwrap_or(max).clamp(1.0, max)
    }

    fn heaviest(&self) -> usize {
        self.weights.iter().rposition(|businesses| *businesses > 0).unwrap_or(1)
    }

    /// The one place where a business changes its state, and is counted.
    fn set_state(&mut self, business: BusinessId, state: State) {
        let Some(place) = self.places.get_mut(&business) else { return };
        let before = std::mem::replace(&mut place.state, state);
        if let State::Waiting(arrival) = before {
            self.waiting.remove(&(place.charged, arrival, business));
        }
        self.weights[place.weight] -= usize::from(before != State::Absent);
        self.weights[place.weight] += usize::from(state != State::Absent);
        self.in_flight -= usize::from(before == State::InFlight);
        self.in_flight += usize::from(state == State::InFlight);
        if matches!(state, State::Away(_)) {
            self.away.insert(business);
        } else {
            self.away.remove(&business);
        }
    }
}

impl Place {
    fn new(weight: usize) -> Self {
        Self {
            state: State::Absent,
            weight,
            charged: 0,
            last_charge: 0,
            owed: 0.0,
            last_limit: 0,
            pace: Pace::UNKNOWN,
            parts: None,
            taken_wait: TAKEN_FIRST,
            empty_turns: 0,
            has_news: false,
        }
    }
}

#[cfg(test)]
mod tests;
