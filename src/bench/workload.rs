//! The workload: a catalogue made by set-wise SQL, and purchases enqueued through `enqueue_many`.

use std::fmt;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
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
    /// Whether the first line of every purchase is of the same product.
    pub is_hot: bool,
}

/// Jobs of one call of `enqueue_many`.
const CHUNK: i32 = 1_000;
/// Callers of `enqueue_many` at once.
const CALLERS: usize = 3;

impl Workload {
    /// Makes the catalogue: stock, credit and budgets that do not run out, so that every purchase completes with a
    /// subsidy (a refusal is cheap and would flatter the figure).
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub async fn seed(&self, owner: &PgPool) -> Result<(), DbError> {
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

    /// Purchases of each business.
    #[must_use]
    pub fn purchases_each(&self) -> u64 {
        u64::from(self.purchases / self.businesses)
    }

    /// Fills the queues, several businesses at once, with the purchases after the first `skipped` of each; says how long the
    /// calls took together.
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub async fn enqueue(&self, owner: &PgPool, skipped: u64) -> Result<Duration, DbError> {
        let started = Instant::now();
        stream::iter(1..=count(self.businesses))
            .map(|business| self.enqueue_business(owner, business, skipped))
            .buffer_unordered(CALLERS)
            .try_collect::<()>()
            .await?;
        Ok(started.elapsed())
    }

    async fn enqueue_business(&self, owner: &PgPool, business: i32, skipped: u64) -> Result<(), DbError> {
        let numbered = |purchase: u64| i32::try_from(purchase).unwrap_or(i32::MAX);
        let (mut first, end) = (numbered(skipped), numbered(skipped + self.purchases_each()));
        let [customers, products, lines] = [self.customers, self.products, self.lines].map(count);
        while first < end {
            let last = end.min(first.saturating_add(CHUNK));
            let call = sqlx::query_file!(
                "src/bench/sql/enqueue.sql",
                business,
                first,
                last,
                customers,
                products,
                lines,
                self.is_hot
            );
            call.fetch_one(owner).await?;
            first = last;
        }
        Ok(())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { businesses, customers, products, programs, lines, purchases, is_hot } = self;
        write!(
            f,
            "{purchases} purchases of {lines} lines in {businesses} businesses, each with {customers} customers, \
             {products} products and {programs} programs"
        )?;
        if *is_hot { f.write_str("; one product is in every purchase") } else { Ok(()) }
    }
}

/// A size as a statement takes it.
fn count(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
