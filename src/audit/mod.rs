//! The audit: DOMAIN's invariants, each a query that must return no row, over everything that is stored.
//!
//! It shares no code with the domain: what `decide` gets wrong must not look right here. It reads as the reporter, one
//! business a transaction, each in one consistent picture, so it may run while workers write. Each check is set-wise,
//! with one pass over the tables it looks at.

mod checks;
mod isolation;

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{PgConnection, PgPool};

pub use checks::{CHECKS, Check};

use crate::db::{self, DbError};
use crate::ids::BusinessId;

/// The most offending keys that one check names, over all businesses; the rest is counted.
pub const KEYS_MAX: usize = 100;

/// What an audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many businesses it looked into.
    pub businesses: usize,
    /// How many rows it looked at, by table.
    pub rows: BTreeMap<String, i64>,
    /// How many violations there are in all.
    pub violations: i64,
    /// Every check, in the order of DOMAIN's invariants.
    pub checks: Vec<Finding>,
}

/// What one check found.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The number of the invariant in DOMAIN; a rule that stands elsewhere there has none.
    pub invariant: Option<u8>,
    /// The check's name.
    pub check: &'static str,
    /// What holds if there is no violation.
    pub holds: &'static str,
    /// How many violations there are.
    pub violations: i64,
    /// The offending keys, at most [`KEYS_MAX`].
    pub keys: Vec<Key>,
}

/// One violation.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Whose.
    pub business_id: BusinessId,
    /// The offending key, and what is wrong with it.
    pub detail: String,
}

/// A row of a check: a violation, and how many there are of its kind.
pub struct Violation {
    detail: String,
    violations: i64,
}

impl Report {
    /// A report of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let finding = |check: &Check| Finding {
            invariant: check.invariant,
            check: check.name,
            holds: check.holds,
            violations: 0,
            keys: Vec::new(),
        };
        Self { businesses: 0, rows: BTreeMap::new(), violations: 0, checks: CHECKS.iter().map(finding).collect() }
    }

    /// Runs every check on one business, which the connection's transaction has entered, and adds what it finds.
    ///
    /// # Errors
    /// [`DbError`] if a check cannot be run.
    pub async fn look_into(
        &mut self,
        connection: &mut PgConnection,
        business: BusinessId,
        mut progress: impl FnMut(&Check),
    ) -> Result<(), DbError> {
        for table in
            sqlx::query_file!("src/audit/sql/rows.sql", business as BusinessId).fetch_all(&mut *connection).await?
        {
            *self.rows.entry(table.name).or_default() += table.rows;
        }
        for (check, finding) in CHECKS.iter().zip(&mut self.checks) {
            progress(check);
            let violations = (check.find)(&mut *connection, business).await?;
            let count = violations.first().map_or(0, |violation| violation.violations);
            finding.violations += count;
            self.violations += count;
            let room = KEYS_MAX.saturating_sub(finding.keys.len());
            let keys = violations.into_iter().take(room);
            finding.keys.extend(keys.map(|violation| Key { business_id: business, detail: violation.detail }));
        }
        self.businesses += 1;
        Ok(())
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// The businesses that the pool's login may look into.
///
/// # Errors
/// [`DbError`] if they cannot be asked for.
pub async fn businesses(pool: &PgPool) -> Result<Vec<BusinessId>, DbError> {
    Ok(sqlx::query_file_scalar!("src/audit/sql/businesses.sql").fetch_all(pool).await?)
}

/// Audits the businesses one after the other, each in one consistent picture. `progress` hears of every check begun.
///
/// # Errors
/// [`DbError`] if a check cannot be run.
pub async fn audit(
    pool: &PgPool,
    businesses: &[BusinessId],
    mut progress: impl FnMut(BusinessId, &Check),
) -> Result<Report, DbError> {
    let mut report = Report::new();
    for &business in businesses {
        let mut transaction = db::begin_tenant_snapshot(pool, business).await?;
        sqlx::raw_sql(SESSION).execute(&mut *transaction).await?;
        report.look_into(&mut transaction, business, |check| progress(business, check)).await?;
        transaction.rollback().await?;
    }
    Ok(report)
}

/// An audit may take long. Under row level security the planner believes that a tenant has far fewer rows than it has
/// (the same condition counts twice), and would loop where it should hash.
const SESSION: &str = "SET LOCAL statement_timeout = 0; SET LOCAL enable_nestloop = off; SET LOCAL jit = off; \
                       SET LOCAL work_mem = '64MB'";
