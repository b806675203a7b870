//! The textbook transaction: one job a transaction, a statement a step, as it is usually written with sqlx.
//!
//! It decides by the same pure rules and writes the same rows. It is written well: statements are prepared once, a
//! connection serves businesses that no other serves, the business's counter is taken by the last statement, so that the row
//! all share is held for as short as can be, and rows of one order go in as one statement.

mod load;
mod store;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{Hand, Rota};
use crate::config::Settings;
use crate::domain::decide;
use crate::domain::effects::Effects;
use crate::domain::outcome::Decision;
use crate::ids::BusinessId;

/// Connections. With 6 the rate was 1.14 times that with 3 (median of 9 pairs of short runs on two busy cores, 1.03 to 1.79),
/// though each purchase takes more processor time; with 12 it was 0.92 to 1.03 of that with 6 (3 pairs).
pub(super) const CONCURRENCY: u32 = 6;

struct Clerk(Rota);

pub(super) async fn hands(settings: &Settings, concurrency: u32) -> anyhow::Result<Vec<(PgConnection, Box<dyn Hand>)>> {
    let options = super::connect_options(settings)?;
    let businesses = super::ready_businesses(&mut options.connect().await?).await?;
    let mut hands: Vec<(PgConnection, Box<dyn Hand>)> = Vec::new();
    for own in super::dealt(&businesses, concurrency) {
        hands.push((options.connect().await?, Box::new(Clerk(Rota::new(own)))));
    }
    Ok(hands)
}

impl Hand for Clerk {
    fn turn<'a>(&'a mut self, connection: &'a mut PgConnection) -> BoxFuture<'a, anyhow::Result<bool>> {
        async move {
            let Some(business) = self.0.next() else { return Ok(false) };
            purchase(connection, business).await
        }
        .boxed()
    }
}

/// Claims, locks, reads, decides, records, removes, commits.
async fn purchase(connection: &mut PgConnection, business: BusinessId) -> anyhow::Result<bool> {
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL app.business_id = '{business}'");
    let mut tx = connection.begin_with(AssertSqlSafe(begin)).await?;
    let Some(claimed) = load::claim(&mut tx, business).await? else { return Ok(false) };
    let (request, snapshot) = load::snapshot(&mut tx, business, &claimed).await?;
    let decision = decide::decide(&snapshot, &claimed.job(request));
    if let Decision::Completed(effects) = &decision {
        let Effects::Purchase(purchase) = effects else { anyhow::bail!("only purchases are decided here") };
        store::purchase(&mut tx, business, &claimed, snapshot.period, purchase).await?;
    }
    store::finish(&mut tx, business, &claimed, &decision).await?;
    tx.commit().await?;
    Ok(true)
}
