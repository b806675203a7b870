//! The ceiling: every purchase decided beforehand, then only written, by the worker's own set-wise statements: facts,
//! product and budget updates, results, job removal. No claim, no lock, no reading, no decision inside the timing.
//!
//! All decided batches are held in memory, about 3 KB a purchase: memory is not this baseline's figure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{ConnectOptions, PgConnection};

use super::Hand;
use crate::config::Settings;
use crate::db::{self, Role};
use crate::engine::{Engine, PreparedBatch};

/// Connections: one more than two cores, so that both have work while a commit is flushed.
pub(super) const CONCURRENCY: u32 = 3;
/// Purchases a transaction, as the worker's default.
const BATCH_SIZE: usize = 500;
/// Connections of the preparation.
const PREPARING: u32 = 2;

/// The businesses' batches, each in its order; a business is taken out while one of its batches is written.
type Businesses = Mutex<VecDeque<VecDeque<PreparedBatch>>>;

struct Writer(Arc<Businesses>);

pub(super) async fn hands(settings: &Settings, concurrency: u32) -> anyhow::Result<Vec<(PgConnection, Box<dyn Hand>)>> {
    let pool = db::connect(&settings.database, Role::Worker, PREPARING).await?;
    let engine = Engine::new(pool.clone(), settings.clone());
    let businesses = super::ready_businesses(&mut *pool.acquire().await?).await?;
    let mut prepared = VecDeque::new();
    for business in businesses {
        prepared.push_back(VecDeque::from(engine.prepare(business, BATCH_SIZE, u32::MAX).await?));
    }
    pool.close().await;
    let purchases: usize = prepared.iter().flatten().map(PreparedBatch::len).sum();
    println!("prepared = {purchases} purchases");
    let prepared = Arc::new(Mutex::new(prepared));
    let options = db::connect_options(&settings.database, Role::Worker)?;
    let mut hands: Vec<(PgConnection, Box<dyn Hand>)> = Vec::new();
    for _ in 0..concurrency {
        hands.push((options.connect().await?, Box::new(Writer(Arc::clone(&prepared)))));
    }
    Ok(hands)
}

impl Hand for Writer {
    fn turn<'a>(&'a mut self, connection: &'a mut PgConnection) -> BoxFuture<'a, anyhow::Result<bool>> {
        async move {
            let taken = self.0.lock().expect("nobody panics while holding it").pop_front();
            let Some(mut business) = taken else { return Ok(false) };
            let Some(batch) = business.pop_front() else { return Ok(true) };
            batch.write(connection).await?;
            self.0.lock().expect("nobody panics while holding it").push_back(business);
            Ok(true)
        }
        .boxed()
    }
}
