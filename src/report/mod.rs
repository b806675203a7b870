//! Reports: what the ledgers say, written row by row while it is read.
//!
//! A report reads as the reporter, each business in one consistent picture, and holds no more than a row (a table: its
//! first rows, to measure the columns), so millions of rows need no more memory than ten. It is made of facts only:
//! ids, amounts and instants of the append-only tables, never a name, price or program of the present; so what it says
//! about an instant (`as_of`) stays what it said then. It must not decide anything, nor repair.

mod cell;
mod hledger;
pub mod journal;
mod output;
pub mod overdue;
pub mod settlement;
pub mod statement;
pub mod tax;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

pub use cell::{Cell, Column};
pub use output::{Format, Output};

use crate::db::{self, DbError};
use crate::ids::BusinessId;
use crate::money::Currency;

/// Why a report ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The database could not be read.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What was written could not be; a reader that has seen enough is [`std::io::ErrorKind::BrokenPipe`].
    #[error("the report cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// The question makes no sense, and what to ask instead.
    #[error("{0}")]
    Usage(String),
}

impl From<sqlx::Error> for ReportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A business that is reported on, in one consistent picture.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Whose facts.
    pub business: BusinessId,
    /// Its currency's decimals.
    pub currency: Currency,
    /// Its currency's ISO 4217 code.
    pub currency_code: String,
    /// Leaves out what was recorded later.
    pub as_of: Option<DateTime<Utc>>,
}

/// Opens the business's picture; a report may take long, and whoever reads it may pause.
///
/// # Errors
/// [`ReportError`] if the business is not the login's to look into, or the database cannot be asked.
pub async fn open(
    pool: &PgPool,
    business: BusinessId,
    as_of: Option<DateTime<Utc>>,
) -> Result<(Transaction<'static, Postgres>, Scope), ReportError> {
    let mut tx = db::begin_tenant_snapshot(pool, business).await?;
    sqlx::raw_sql(SESSION).execute(&mut *tx).await?;
    let scope = scope(&mut tx, business, as_of).await?;
    Ok((tx, scope))
}

/// The picture is held for as long as its reader takes.
const SESSION: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
                       SET LOCAL jit = off; SET LOCAL work_mem = '64MB'";

async fn scope(
    connection: &mut PgConnection,
    business: BusinessId,
    as_of: Option<DateTime<Utc>>,
) -> Result<Scope, ReportError> {
    let row = sqlx::query_file!("src/report/sql/scope.sql", business as BusinessId).fetch_optional(connection).await?;
    let Some(row) = row else {
        return Err(ReportError::Usage(format!("business {business}: it is unknown")));
    };
    let exponent = u32::try_from(row.exponent).expect("a currency's exponent is 0 to 4");
    Ok(Scope { business, currency: Currency::with_exponent(exponent), currency_code: row.currency, as_of })
}

impl Scope {
    /// An amount with exactly the currency's decimals. A sum may be above what one stored amount can be.
    #[must_use]
    pub fn money(&self, amount: Decimal) -> String {
        let mut value = self.currency.round(amount);
        value.rescale(self.currency.exponent());
        value.set_sign_positive(value.is_sign_positive() || value.is_zero());
        value.to_string()
    }
}
