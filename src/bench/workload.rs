//! The workload: a catalogue made by set-wise SQL, and purchases enqueued through `enqueue_many`.

use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::db::DbError;

/// How much of everything; the default is the standard workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Businesses.
    pub businesses: u32,
    /// Customers of each.
    pub customers: u32,
    /// Products of each.
    pub products: u32,
    /// Programs that every customer is eligible for.
    pub programs: u32,
    /// Lines of a purchase.
    pub lines: u32,
    /// Purchases of all businesses together.
    pub purchases: u32,
}

/// Jobs of one call of `enqueue_many`.
const CHUNK: i32 = 1_000;

impl Workload {
    /// Makes the catalogue: stock, credit and budgets that do not run out, so that every purchase completes with a
    /// subsidy (a refusal is cheap and would flatter the figure).
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub async fn seed(&self, owner: &PgPool) -> Result<(), DbError> {
        let count = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let businesses = count(self.businesses);
        sqlx::query_file!("src/bench/sql/businesses.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/organizations.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/offices.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/outlets.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/organization_outlets.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/office_outlets.sql", businesses).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/customers.sql", businesses, count(self.customers)).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/products.sql", businesses, count(self.products)).execute(owner).await?;
        sqlx::query_file!("src/bench/sql/programs.sql", businesses, count(self.programs)).execute(owner).await?;
        Ok(())
    }

    /// Fills the queues; says how long the calls took together.
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub async fn enqueue(&self, owner: &PgPool) -> Result<Duration, DbError> {
        let started = Instant::now();
        let per_business = i32::try_from(self.purchases / self.businesses).unwrap_or(i32::MAX);
        for business in 1..=i32::try_from(self.businesses).unwrap_or(i32::MAX) {
            let mut first = 0;
            while first < per_business {
                let last = per_business.min(first + CHUNK);
                let [customers, products, lines] =
                    [self.customers, self.products, self.lines].map(|value| i32::try_from(value).unwrap_or(i32::MAX));
                sqlx::query_file!("src/bench/sql/enqueue.sql", business, first, last, customers, products, lines)
                    .fetch_one(owner)
                    .await?;
                first = last;
            }
        }
        Ok(started.elapsed())
    }
}
