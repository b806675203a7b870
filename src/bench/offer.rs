//! Offer: an open load. Callers enqueue at a rate that does not wait for the answers, each purchase in a transaction of
//! its own, and a reader watches for the results.
//!
//! A purchase's latency is from the moment when its caller has been told of the commit to the moment when a reader, who
//! looks every half millisecond at the feeds of those who wait, has the result in hand. Arrivals are random (exponential
//! gaps, from a fixed seed), so that some come in bursts, as in life.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::value::RawValue;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use super::workload::Workload;
use crate::ids::BusinessId;
use crate::queue::{self, EnqueueState, JobRequest};

/// How long the reader sleeps between two looks.
const READ_EVERY: Duration = Duration::from_micros(500);
/// The first purchases are not counted: connections are opened, plans made.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the last results may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// So many payloads are made beforehand; a business's purchases use them in turn.
const PAYLOADS: i32 = 4_096;
/// The callers of all businesses share so many connections, as those of one service do: on average one is in use. A caller
/// that waits for one has not committed yet, so its wait is no purchase's latency.
const CALLERS_CONNECTIONS: usize = 4;
/// The seed of the arrivals.
const SEED: u64 = 4;

/// A business's load.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Its number.
    pub business: i32,
    /// Purchases a second.
    pub per_second: f64,
}

/// How long the purchases of one business took, in microseconds.
#[derive(Debug)]
pub struct Waited {
    /// All but those of the warm-up.
    pub histogram: Histogram<u64>,
}

/// A purchase whose caller was told of the commit.
struct Committed {
    place: usize,
    number: i32,
    at: Instant,
    counts: bool,
}

/// Offers the loads for a time, after a warm-up, and waits for all results.
///
/// # Errors
/// If an enqueue or the reader fails, or results do not come.
pub async fn offer(
    pool: &PgPool,
    workload: &Workload,
    offers: &[Offer],
    duration: Duration,
) -> anyhow::Result<Vec<Waited>> {
    let (committed, commits) = mpsc::unbounded_channel();
    let businesses: Vec<i32> = offers.iter().map(|offer| offer.business).collect();
    let ids: Vec<Uuid> = sqlx::query_file_scalar!("src/bench/sql/ids.sql", &businesses).fetch_all(pool).await?;
    let payloads = workload.payloads(pool, 0..PAYLOADS).await?;
    let payloads: Arc<[_]> = payloads.into_iter().map(RawValue::from_string).collect::<Result<_, _>>()?;
    let options = pool.connect_options().as_ref().clone();
    let callers = Callers { options: options.clone(), offers: offers.to_vec(), ids: ids.clone(), payloads, committed };
    let reader = Reader { options, ids, commits };
    // Each on a thread and a runtime of its own, which its connections are opened on: no answer goes from one core to the
    // other before it is heard. The reader sleeps itself: the runtime's timers are as coarse as two milliseconds.
    let calling = on_a_thread(move || callers.call(WARM_UP + duration));
    let reading = on_a_thread(move || reader.read());
    calling.await??;
    reading.await?
}

/// Runs a future on a thread and a runtime of its own.
fn on_a_thread<F, T>(work: impl FnOnce() -> F + Send + 'static) -> tokio::task::JoinHandle<anyhow::Result<T>>
where
    F: Future<Output = anyhow::Result<T>>,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(work())
    })
}

/// The callers' connections. A pool would ask each whether it is alive when it comes back: a round trip that no enqueue needs.
struct Connections {
    /// The last used on top.
    free: Mutex<Vec<PgConnection>>,
    permits: Semaphore,
}

impl Connections {
    async fn open(options: &PgConnectOptions) -> sqlx::Result<Self> {
        let free = try_join_all((0..CALLERS_CONNECTIONS).map(|_| options.connect())).await?;
        Ok(Self { free: Mutex::new(free), permits: Semaphore::new(CALLERS_CONNECTIONS) })
    }

    /// Enqueues as soon as a connection is free; says when the caller was told.
    async fn enqueue(&self, business: BusinessId, number: i32, payload: Box<RawValue>) -> anyhow::Result<Instant> {
        let _permit = self.permits.acquire().await?;
        let taken = self.free.lock().expect("nobody panics while holding it").pop();
        let mut connection = taken.context("a permit is a free connection")?;
        let at = enqueue(&mut connection, business, number, payload).await?;
        self.free.lock().expect("nobody panics while holding it").push(connection);
        Ok(at)
    }

    async fn close(self) -> sqlx::Result<()> {
        let free = self.free.into_inner().expect("nobody panics while holding it");
        try_join_all(free.into_iter().map(PgConnection::close)).await?;
        Ok(())
    }
}

/// The callers of all businesses.
struct Callers {
    options: PgConnectOptions,
    offers: Vec<Offer>,
    ids: Vec<Uuid>,
    payloads: Arc<[Box<RawValue>]>,
    committed: mpsc::UnboundedSender<Committed>,
}

impl Callers {
    async fn call(self, length: Duration) -> anyhow::Result<()> {
        let connections = Arc::new(Connections::open(&self.options).await?);
        let started = Instant::now();
        let callers = self.offers.iter().zip(self.ids).enumerate().map(|(place, (offer, business))| {
            let caller = Caller {
                connections: Arc::clone(&connections),
                business: BusinessId(business),
                per_second: offer.per_second,
                payloads: Arc::clone(&self.payloads),
                place,
                committed: self.committed.clone(),
            };
            tokio::spawn(caller.call(started, length))
        });
        let callers: Vec<_> = callers.collect();
        for called in try_join_all(callers).await? {
            called?;
        }
        Ok(Arc::into_inner(connections).context("a caller still calls")?.close().await?)
    }
}

/// One business's callers.
struct Caller {
    connections: Arc<Connections>,
    business: BusinessId,
    per_second: f64,
    payloads: Arc<[Box<RawValue>]>,
    place: usize,
    committed: mpsc::UnboundedSender<Committed>,
}

impl Caller {
    async fn call(self, started: Instant, length: Duration) -> anyhow::Result<()> {
        let mut random = fastrand::Rng::with_seed(SEED + self.place as u64);
        let (mut after, mut number, mut calls) = (Duration::ZERO, 0, tokio::task::JoinSet::new());
        loop {
            after += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / self.per_second);
            if after >= length {
                return calls.join_all().await.into_iter().collect();
            }
            tokio::time::sleep_until((started + after).into()).await;
            number += 1;
            let (connections, committed) = (Arc::clone(&self.connections), self.committed.clone());
            let (place, business) = (self.place, self.business);
            let payload = self.payloads[number as usize % self.payloads.len()].clone();
            calls.spawn(async move {
                let at = connections.enqueue(business, number, payload).await?;
                // A reader that is gone has failed, and says why itself.
                committed.send(Committed { place, number, at, counts: after >= WARM_UP }).ok();
                anyhow::Ok(())
            });
        }
    }
}

/// Says when the caller was told.
async fn enqueue(
    connection: &mut PgConnection,
    business: BusinessId,
    number: i32,
    payload: Box<RawValue>,
) -> anyhow::Result<Instant> {
    let request = JobRequest { payload, ..JobRequest::new("purchase", &format!("offered-{number}"), &())? };
    let state = queue::enqueue(connection, business, &request).await?.state;
    let at = Instant::now();
    anyhow::ensure!(state == EnqueueState::Queued, "purchase {number} of business {business} is {state}, not queued");
    Ok(at)
}

/// Reads the feeds until all callers have ended and all they asked for is answered.
struct Reader {
    options: PgConnectOptions,
    ids: Vec<Uuid>,
    commits: mpsc::UnboundedReceiver<Committed>,
}

impl Reader {
    async fn read(mut self) -> anyhow::Result<Vec<Waited>> {
        let mut after = vec![0_i64; self.ids.len()];
        let mut waited = Vec::with_capacity(self.ids.len());
        for _ in &self.ids {
            waited.push(Waited { histogram: Histogram::new(3)? });
        }
        let mut asked: HashMap<(usize, i32), Committed> = HashMap::new();
        // What the feeds told of before its caller did.
        let mut answered: HashMap<(usize, i32), Instant> = HashMap::new();
        // It would be planned anew each time, as a short array costs less than one of unknown length: 12 % of a core, not 6.
        let options = self.options.options([("plan_cache_mode", "force_generic_plan")]);
        let (mut connection, mut heard) = (options.connect().await?, Instant::now());
        loop {
            while let Ok(committed) = self.commits.try_recv() {
                heard = Instant::now();
                asked.insert((committed.place, committed.number), committed);
            }
            let waiting: BTreeSet<usize> = asked.keys().map(|(place, _)| *place).collect();
            let waiting: Vec<usize> = waiting.into_iter().collect();
            let ids: Vec<Uuid> = waiting.iter().map(|place| self.ids[*place]).collect();
            let seen_up_to: Vec<i64> = waiting.iter().map(|place| after[*place]).collect();
            if !waiting.is_empty() {
                let rows = sqlx::query_file!("src/bench/sql/offered_results.sql", &ids, &seen_up_to);
                let rows = rows.fetch_all(&mut connection).await?;
                let seen = Instant::now();
                for row in rows {
                    let place = waiting[usize::try_from(row.place - 1)?];
                    after[place] = row.decision_seq;
                    let number = row.idempotency_key.strip_prefix("offered-");
                    let number = number.context("a result that nobody asked for")?.parse()?;
                    answered.insert((place, number), seen);
                }
            }
            let mut counted = Vec::new();
            answered.retain(|key, seen| {
                let Some(committed) = asked.remove(key) else { return true };
                let took = seen.saturating_duration_since(committed.at);
                if committed.counts {
                    counted.push((key.0, u64::try_from(took.as_micros()).unwrap_or(u64::MAX)));
                }
                false
            });
            for (place, micros) in counted {
                // The histogram grows as it needs to; `saturating_record` would cut off at its first size.
                waited[place].histogram.record(micros)?;
            }
            if self.commits.is_closed() && self.commits.is_empty() && asked.is_empty() {
                connection.close().await?;
                return Ok(waited);
            }
            anyhow::ensure!(heard.elapsed() < ANSWERED_WITHIN, "{} purchases are not answered", asked.len());
            std::thread::sleep(READ_EVERY);
        }
    }
}
