//! The stored function: one call, one transaction, one job. The function stands in `function.sql` and is made in the run's
//! own database only.

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{ConnectOptions, PgConnection};

use super::{Hand, Rota};
use crate::config::Settings;
use crate::db::{self, Role};

/// Connections. With 6 the rate was 1.08 times that with 3 (median of 17 pairs of short runs on two busy cores, 0.4 to 1.5),
/// though server and client together take 1.4 to 1.6 ms a purchase instead of 1.2 to 1.4; with 12 it was
/// 0.78 and 0.84 of that with 6.
pub(super) const CONCURRENCY: u32 = 6;

struct Caller(Rota);

pub(super) async fn hands(settings: &Settings, concurrency: u32) -> anyhow::Result<Vec<(PgConnection, Box<dyn Hand>)>> {
    let mut owner = db::connect_options(&settings.database, Role::Login)?.connect().await?;
    sqlx::raw_sql(include_str!("function.sql")).execute(&mut owner).await?;
    let options = super::connect_options(settings)?;
    let businesses = super::ready_businesses(&mut options.connect().await?).await?;
    let mut hands: Vec<(PgConnection, Box<dyn Hand>)> = Vec::new();
    for own in super::dealt(&businesses, concurrency) {
        hands.push((options.connect().await?, Box::new(Caller(Rota::new(own)))));
    }
    Ok(hands)
}

impl Hand for Caller {
    fn turn<'a>(&'a mut self, connection: &'a mut PgConnection) -> BoxFuture<'a, anyhow::Result<bool>> {
        async move {
            let Some(business) = self.0.next() else { return Ok(false) };
            // Not a checked statement: the function exists only in databases of the benchmark.
            let done = sqlx::query_scalar("SELECT bench.purchase($1)").bind(business.0).fetch_one(connection).await?;
            Ok(done)
        }
        .boxed()
    }
}
