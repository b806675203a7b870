//! Properties of the line, shown on simulated fleets: virtual time, batches that cost a fixed part and a part per job.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;

/// What the simulated fleet does between two events is settled in steps of this.
const STEP: Duration = Duration::from_micros(500);

/// Until then a line has learned what jobs cost, and who is about.
const SETTLED: Duration = Duration::from_secs(1);

fn business(number: usize) -> BusinessId {
    BusinessId(Uuid::from_u128(number as u128 + 1))
}

fn ready(number: usize, weight: u8) -> Ready {
    Ready { business: business(number), weight, hint: Uuid::nil() }
}

struct Business {
    weight: u8,
    waiting: usize,
    /// Jobs that arrive in a second; they are there from the start if 0.
    rate: f64,
    served: usize,
    is_held: bool,
    job_cost: Duration,
    /// The starts of its turns, for counting others' turns in between.
    turns: Vec<Duration>,
    longest_batch: Duration,
}

impl Business {
    const fn flooded(weight: u8) -> Self {
        Self {
            weight,
            waiting: usize::MAX / 2,
            rate: 0.0,
            served: 0,
            is_held: false,
            job_cost: Duration::from_micros(150),
            turns: Vec::new(),
            longest_batch: Duration::ZERO,
        }
    }

    fn trickling(rate: f64) -> Self {
        Self { waiting: 0, rate, ..Self::flooded(1) }
    }
}

/// Workers with a line each, and the businesses that they share.
struct Fleet {
    lines: Vec<Line>,
    businesses: Vec<Business>,
    /// Turns in flight: when each ends, whose line, which business, how many jobs, since when. None: it was taken.
    ending: BTreeMap<(Duration, usize, usize), Option<(usize, Duration)>>,
    taken: usize,
}

impl Fleet {
    fn new(processes: usize, hands: u32, businesses: Vec<Business>) -> Self {
        let lines = (0..processes).map(|_| Line::new(hands, 500)).collect();
        Self { lines, businesses, ending: BTreeMap::new(), taken: 0 }
    }

    fn run(mut self, length: Duration) -> Self {
        let epoch = Instant::now();
        let mut time = Duration::ZERO;
        while time < length {
            self.arrive(time);
            self.end_turns(epoch, time);
            self.look(epoch + time);
            self.hand_out(epoch + time, time);
            time += STEP;
        }
        self
    }

    fn arrive(&mut self, time: Duration) {
        for one in self.businesses.iter_mut().filter(|one| one.rate > 0.0) {
            let arrived = (time.as_secs_f64() * one.rate) as usize;
            one.waiting = arrived - one.served;
        }
    }

    fn end_turns(&mut self, epoch: Instant, time: Duration) {
        let over: Vec<_> = self.ending.range(..=(time, usize::MAX, usize::MAX)).map(|(key, _)| *key).collect();
        for key in over {
            let (_, line, number) = key;
            let ended = self.ending.remove(&key).expect("just found");
            let (served, elapsed) = match ended {
                None => (Served::Taken, STEP),
                Some((jobs, since)) => {
                    let one = &mut self.businesses[number];
                    let limit = self.lines[line].places[&business(number)].last_limit as usize;
                    one.is_held = false;
                    one.served += jobs;
                    if one.rate == 0.0 {
                        one.waiting -= jobs;
                    }
                    (Served::Batch { jobs, has_more: jobs == limit }, time - since)
                }
            };
            self.lines[line].ended(business(number), served, elapsed, epoch + time);
        }
    }

    fn look(&mut self, now: Instant) {
        let found: Vec<Ready> = (0..self.businesses.len())
            .filter(|number| self.businesses[*number].waiting > 0)
            .map(|number| ready(number, self.businesses[number].weight))
            .collect();
        for line in &mut self.lines {
            line.found(&found, now);
        }
    }

    fn hand_out(&mut self, now: Instant, time: Duration) {
        for line in 0..self.lines.len() {
            while let Some(turn) = self.lines[line].next(now) {
                let number = (0..self.businesses.len()).find(|n| business(*n) == turn.business).expect("known");
                let one = &mut self.businesses[number];
                if one.is_held {
                    self.taken += 1;
                    self.ending.insert((time + STEP, line, number), None);
                    continue;
                }
                one.is_held = true;
                one.turns.push(time);
                let jobs = one.waiting.min(turn.limit as usize);
                let cost = Duration::from_millis(4) + one.job_cost * u32::try_from(jobs).expect("a batch");
                if time > SETTLED {
                    one.longest_batch = one.longest_batch.max(cost);
                }
                self.ending.insert((time + cost, line, number), Some((jobs, time)));
            }
        }
    }

    fn served(&self) -> Vec<f64> {
        self.businesses.iter().map(|one| one.served as f64).collect()
    }
}

/// Jain's index: 1 if all are served alike, 1/n if one has everything.
fn jain(served: &[f64]) -> f64 {
    let (sum, squares) = (served.iter().sum::<f64>(), served.iter().map(|one| one * one).sum::<f64>());
    sum * sum / (served.len() as f64 * squares)
}

fn weighted(weights: &[u8]) -> Vec<Business> {
    weights.iter().map(|weight| Business::flooded(*weight)).collect()
}

#[test]
fn equal_businesses_are_served_alike_by_any_number_of_processes() {
    for (processes, hands) in [(1, 8), (2, 4), (4, 2), (8, 1), (1, 1)] {
        let fleet = Fleet::new(processes, hands, weighted(&[1; 12])).run(Duration::from_secs(20));
        let index = jain(&fleet.served());
        assert!(index >= 0.99, "{processes} × {hands}: {index}");
    }
}

#[test]
fn shares_follow_weights_within_a_tenth() {
    let weights = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4];
    for (processes, hands) in [(1, 1), (1, 4), (2, 2), (4, 1)] {
        let fleet = Fleet::new(processes, hands, weighted(&weights)).run(Duration::from_secs(30));
        let per_weight: Vec<f64> =
            fleet.served().iter().zip(weights).map(|(served, weight)| served / f64::from(weight)).collect();
        let mean = per_weight.iter().sum::<f64>() / per_weight.len() as f64;
        for (share, weight) in per_weight.iter().zip(weights) {
            assert!((share / mean - 1.0).abs() <= 0.1, "{processes} × {hands}: weight {weight} has {}", share / mean);
        }
    }
}

#[test]
fn a_weight_far_above_the_others_comes_more_often_and_nobody_starves() {
    let mut weights = [1; 12];
    weights[5] = 40;
    let fleet = Fleet::new(1, 1, weighted(&weights)).run(Duration::from_secs(60));
    let served = fleet.served();
    let light = (served.iter().sum::<f64>() - served[5]) / 11.0;
    assert!((served[5] / light / 40.0 - 1.0).abs() <= 0.1, "{served:?}");
    assert!(served.iter().all(|one| *one > 0.9 * light), "{served:?}");
}

#[test]
fn between_two_turns_of_one_every_other_has_at_most_one() {
    let mut businesses = weighted(&[1; 6]);
    businesses.extend((0..6).map(|_| Business::trickling(200.0)));
    let fleet = Fleet::new(1, 1, businesses).run(Duration::from_secs(10));
    for flooded in &fleet.businesses[..6] {
        for pair in flooded.turns.windows(2) {
            for other in &fleet.businesses {
                let between = other.turns.iter().filter(|turn| **turn > pair[0] && **turn < pair[1]).count();
                assert!(between <= 1, "{between} turns between {pair:?}");
            }
        }
    }
}

#[test]
fn batches_are_short_while_someone_lively_is_about_and_long_otherwise() {
    let mut businesses = weighted(&[1; 11]);
    businesses.push(Business::trickling(20.0));
    let shared = Fleet::new(1, 2, businesses).run(Duration::from_secs(5));
    let bound = BATCH_TIME_LIVELY.mul_f64(1.2);
    assert!(shared.businesses.iter().all(|one| one.longest_batch <= bound));
    // Its jobs are answered within a round: eleven batches by two hands, and the batch it is in.
    let (flooded, trickling) = (&shared.businesses[0], &shared.businesses[11]);
    assert!(trickling.served >= 90, "{}", trickling.served);
    let settled = flooded.turns.windows(2).filter(|pair| pair[0] > SETTLED);
    let round = settled.map(|pair| pair[1] - pair[0]).max().expect("turns");
    assert!(round <= BATCH_TIME_LIVELY * 7, "{round:?}");

    let alone = Fleet::new(1, 2, weighted(&[1; 12])).run(Duration::from_secs(5));
    assert!(alone.businesses.iter().all(|one| one.longest_batch > BATCH_TIME_LIVELY));
}

#[test]
fn expensive_jobs_do_not_stretch_their_batches_beyond_bounds() {
    let mut businesses = weighted(&[1; 8]);
    businesses[3].job_cost = Duration::from_millis(20);
    let fleet = Fleet::new(1, 2, businesses).run(Duration::from_secs(60));
    let late: Vec<_> = fleet.businesses[3].turns.windows(2).skip(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(late.iter().all(|round| *round <= BATCH_TIME_MAX * 8), "{late:?}");
    let jobs_a_turn = fleet.businesses[3].served / fleet.businesses[3].turns.len();
    assert!(jobs_a_turn <= 60, "{jobs_a_turn}");
}

#[test]
fn one_business_has_one_place_and_idle_processes_leave_it_alone() {
    let fleet = Fleet::new(8, 1, weighted(&[1])).run(Duration::from_secs(5));
    let one = &fleet.businesses[0];
    // 79 ms a batch: each of the seven others tries eight times while its patience grows, then every 250 ms.
    assert!(fleet.taken <= 7 * (8 + 5_000 / 250), "{} tries were wasted", fleet.taken);
    assert!(one.served as f64 > 0.9 * 5.0 * 500.0 / 0.079, "{}", one.served);

    let mut line = Line::new(2, 500);
    let now = Instant::now();
    let ready = [ready(0, 1)];
    assert!(line.found(&ready, now));
    assert!(!line.found(&ready, now), "it stands in line");
    assert!(line.next(now).is_some());
    assert!(!line.found(&ready, now), "it is being served");
    assert!(line.next(now).is_none() && !line.is_idle());
    line.ended(business(0), Served::Taken, STEP, now);
    assert!(!line.found(&ready, now), "it is left alone for a while");
    assert!(line.found(&ready, now + TAKEN_FIRST));
    assert!(line.next(now + TAKEN_FIRST).is_some());
    line.ended(business(0), Served::BackOff, STEP, now);
    assert!(!line.found(&ready, now + BACK_OFF / 2));
    assert!(!line.found(&[], now + BACK_OFF) && line.is_idle());
    line.forget(business(0));
    assert!(line.places.is_empty() && line.away.is_empty() && line.weights.iter().all(|count| *count == 0));
}

#[test]
fn a_job_that_arrives_during_its_business_s_turn_brings_another() {
    let (mut line, now) = (Line::new(2, 100), Instant::now());
    let turn = Some(NextTurn { business: business(0), limit: 100, is_suspect: false });
    let emptied = Served::Batch { jobs: 1, has_more: false };
    line.arrived(ready(0, 1), now);
    assert_eq!(line.next(now), turn);
    line.arrived(ready(0, 1), now);
    assert_eq!(line.next(now), None, "it is being served");
    line.ended(business(0), emptied, STEP, now);
    assert_eq!(line.next(now), turn, "the job may have come too late for the turn before");
    line.ended(business(0), emptied, STEP, now);
    assert_eq!(line.next(now), None, "once is enough");

    line.arrived(ready(0, 1), now);
    line.arrived(ready(1, 1), now);
    assert_eq!(line.crowd(), Crowd::Served);
    line.arrived(ready(2, 1), now);
    assert_eq!(line.crowd(), Crowd::Waiting);
    while let Some(turn) = line.next(now) {
        line.ended(turn.business, Served::Taken, STEP, now);
    }
    assert_eq!(line.crowd(), Crowd::None);
    line.arrived(ready(0, 1), now);
    assert_eq!(line.next(now), None, "another worker has its turn");
    line.arrived(ready(0, 1), now + TAKEN_FIRST);
    assert_eq!(line.next(now + TAKEN_FIRST), turn);
}

#[test]
fn what_cannot_be_claimed_is_tried_more_and_more_seldom_and_delays_no_arrival() {
    let (mut line, begun) = (Line::new(2, 100), Instant::now());
    let (mut now, mut turns) = (begun, 0);
    while now < begun + Duration::from_secs(1) {
        line.found(&[ready(0, 1)], now);
        while line.next(now).is_some() {
            line.ended(business(0), Served::Batch { jobs: 0, has_more: false }, STEP, now);
            turns += 1;
        }
        now += STEP;
    }
    // 2 ms, 4 … 128, then every 250.
    assert!((8..=13).contains(&turns), "{turns} turns for nothing");

    line.arrived(ready(0, 1), now);
    assert!(line.next(now).is_some(), "an arrival can be claimed");
    line.ended(business(0), Served::Batch { jobs: 1, has_more: false }, STEP, now);
    line.found(&[ready(0, 1)], now);
    assert!(line.next(now).is_some());
    line.ended(business(0), Served::BackOff, STEP, now);
    line.arrived(ready(0, 1), now);
    assert!(line.next(now).is_none(), "the database cannot serve it, whatever arrives");
}

/// Serves jobs of which one, at this place, cannot end in time, until it was charged and batches are full again. Says how many timed
/// out before, and how many turns it took.
fn timeouts_with_a_culprit_at(place: usize) -> (usize, usize) {
    let (mut line, now) = (Line::new(2, 500), Instant::now());
    line.found(&[ready(0, 1)], now);
    let (mut done, mut timeouts, mut is_charged) = (0, 0, false);
    for turns in 1..=100 {
        let turn = line.next(now).expect("it has more");
        let jobs = turn.limit as usize;
        let elapsed = Duration::from_micros(300 * u64::from(turn.limit));
        let served = if is_charged || !(done..done + jobs).contains(&place) {
            done += jobs;
            Served::Batch { jobs, has_more: true }
        } else if turn.is_suspect {
            (is_charged, done) = (true, done + 1);
            Served::Charged
        } else {
            timeouts += 1;
            Served::TimedOut { jobs }
        };
        line.ended(business(0), served, elapsed, now);
        if is_charged && jobs == 500 {
            return (timeouts, turns);
        }
    }
    panic!("still searching after 100 turns, {timeouts} timeouts");
}

#[test]
fn a_job_that_is_too_slow_is_alone_after_three_timeouts_wherever_it_stands() {
    for place in [0, 1, 7, 61, 62, 250, 499, 500, 777, 999, 1_499] {
        let (timeouts, turns) = timeouts_with_a_culprit_at(place);
        assert_eq!(timeouts, 3, "of 500, 62 and 7 jobs, for the culprit at {place}");
        // Two full ones before, up to eight parts of each size, and nine that double.
        assert!(turns <= 2 + 3 * 9 + 1 + 9, "{turns} turns at {place}");
    }
}

#[test]
fn parts_of_a_batch_that_is_too_slow_teach_what_its_jobs_take() {
    let (mut line, now) = (Line::new(2, 500), Instant::now());
    line.found(&[ready(0, 1)], now);
    let mut timeouts = 0;
    for _ in 0..10_000 {
        let turn = line.next(now).expect("it has more");
        // Half a second a job, where a statement may take a minute.
        let served = if turn.limit > 120 {
            timeouts += 1;
            Served::TimedOut { jobs: turn.limit as usize }
        } else {
            Served::Batch { jobs: turn.limit as usize, has_more: true }
        };
        line.ended(business(0), served, Duration::from_millis(500) * turn.limit, now);
    }
    assert_eq!(timeouts, 1);
}

#[test]
fn after_a_timeout_batches_grow_when_enough_jobs_have_passed() {
    let (mut line, now) = (Line::new(2, 500), Instant::now());
    line.found(&[ready(0, 1)], now);
    let turn = line.next(now).expect("it has work");
    line.ended(business(0), Served::TimedOut { jobs: turn.limit as usize }, Duration::from_mins(1), now);
    let mut passed = 0;
    let limits: Vec<u32> = std::iter::from_fn(|| {
        let turn = line.next(now).expect("it has more");
        let elapsed = Duration::from_micros(300 * u64::from(turn.limit));
        line.ended(business(0), Served::Batch { jobs: turn.limit as usize, has_more: true }, elapsed, now);
        passed += turn.limit as usize;
        (passed < 60_000).then_some(turn.limit)
    })
    .collect();
    let small = limits.iter().take_while(|limit| **limit == 62).count();
    assert_eq!(small, (500 * PASSED_AFTER_TIMEOUT).div_ceil(62) + 1);
    assert!(limits[small..].starts_with(&[124, 248, 496, 500]), "{:?}", &limits[small..]);
}

#[test]
fn a_changed_weight_counts_from_the_next_turn() {
    let mut line = Line::new(1, 100);
    let now = Instant::now();
    let found = |line: &mut Line, weight| line.found(&[ready(0, 1), ready(1, weight)], now);
    assert!(found(&mut line, 1));
    assert_eq!(line.next(now).map(|turn| turn.limit), Some(100));
    line.ended(business(0), Served::Batch { jobs: 100, has_more: true }, Duration::from_millis(1), now);
    assert!(!found(&mut line, 4));
    // The first had a full batch for a weight of 1, so the second may have four before they go on in turns.
    for _ in 0..4 {
        assert_eq!(line.next(now), Some(NextTurn { business: business(1), limit: 100, is_suspect: false }));
        line.ended(business(1), Served::Batch { jobs: 100, has_more: true }, Duration::from_millis(1), now);
    }
    assert_eq!(line.next(now), Some(NextTurn { business: business(0), limit: 25, is_suspect: false }));
    line.ended(business(0), Served::Batch { jobs: 25, has_more: true }, Duration::from_millis(1), now);
    assert_eq!(line.next(now), Some(NextTurn { business: business(1), limit: 100, is_suspect: false }));
}

#[test]
fn a_batch_that_outlasts_a_round_costs_its_business_no_turn_and_earns_it_one() {
    let (mut line, now) = (Line::new(2, 100), Instant::now());
    let ready: Vec<Ready> = (0..3).map(|number| ready(number, 1)).collect();
    line.found(&ready, now);
    let end = |line: &mut Line, turn: NextTurn| {
        let served = Served::Batch { jobs: turn.limit as usize, has_more: true };
        line.ended(turn.business, served, Duration::from_millis(10), now);
        line.next(now).expect("someone waits")
    };
    let slow = line.next(now).expect("someone waits");
    let mut quick = line.next(now).expect("someone waits");
    for _ in 0..6 {
        quick = end(&mut line, quick);
        assert_ne!(quick.business, slow.business, "it is in flight");
    }
    let credited = end(&mut line, slow);
    assert_eq!(credited.business, slow.business, "the others have had more");
    assert_ne!(end(&mut line, credited).business, slow.business, "but they wait as well");
}
