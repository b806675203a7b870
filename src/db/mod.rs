//! Connections and tenant transactions: which role acts, and for which one business.

mod error;
mod record;
mod startup;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Postgres, Row, Transaction};

pub use error::{DbError, Fault};
pub(crate) use record::records;
pub(crate) use startup::misfit;
pub use startup::{MIGRATIONS, UnsafeServer, check_worker_server};

use crate::config::{DatabaseSettings, SecretUrl};
use crate::ids::BusinessId;

/// A session keeps its plans, those of foreign-key checks included, and a plan that was made while tables were nearly empty
/// reads every row of a business once they are not (all indexes begin with the business, so they tie). A new session a
/// minute forgets such plans as early as autovacuum would at best.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// As which of the system's roles a connection acts (FAULTS, "Roles").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decides and records.
    Worker,
    /// Enqueues and reads results, through functions.
    Producer,
    /// Reads.
    Reporter,
    /// Writes the catalogue.
    Admin,
    /// Whoever the URL names: migrations only.
    Login,
}

impl Role {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Worker => Some("commissary_worker"),
            Self::Producer => Some("commissary_producer"),
            Self::Reporter => Some("commissary_reporter"),
            Self::Admin => Some("commissary_admin"),
            Self::Login => None,
        }
    }

    fn url(self, settings: &DatabaseSettings) -> Option<&SecretUrl> {
        let own = match self {
            Self::Worker => settings.worker_url.as_ref(),
            Self::Producer => settings.producer_url.as_ref(),
            Self::Reporter => settings.reporter_url.as_ref(),
            Self::Admin => settings.admin_url.as_ref(),
            Self::Login => None,
        };
        own.or(settings.url.as_ref())
    }
}

/// Opens a pool of connections that act as the role.
///
/// The role and its settings are start-up options: `RESET ALL` undoes session settings, and `ALTER ROLE … SET` is ignored
/// after SET ROLE; start-up options survive both.
///
/// # Errors
/// [`DbError`] if no URL is set, it is not one, or the server cannot be reached.
pub async fn connect(settings: &DatabaseSettings, role: Role, connections_max: u32) -> Result<PgPool, DbError> {
    let options = connect_options(settings, role)?;
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .max_lifetime(CONNECTION_LIFETIME)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        .after_release(|connection, _| Box::pin(reset(connection)))
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Leaves no transaction, setting or advisory lock of a borrower on its connection; in a transaction that failed it is an error, and
/// the pool closes the connection.
///
/// A cancelled `begin()` can leave the next borrower inside a stale transaction (sqlx 0.9.0: 108 of 1,500 trials lost an
/// acknowledged insert; with a ROLLBACK here 0 of 1,500). It is asked for first, because a ROLLBACK without a transaction is a
/// warning in the server's log and a rollback in its statistics, one each time that a connection is given back.
async fn reset(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // Outside a transaction a message begins its own, so both clocks show when it came.
    let ask = "RESET ALL; SELECT pg_advisory_unlock_all(), now() <> statement_timestamp() AS is_in_transaction";
    let is_in_transaction: bool = sqlx::raw_sql(ask).fetch_one(&mut *connection).await?.try_get("is_in_transaction")?;
    if is_in_transaction {
        sqlx::raw_sql("ROLLBACK; RESET ALL; SELECT pg_advisory_unlock_all()").execute(connection).await?;
    }
    Ok(true)
}

/// How to connect as the role.
///
/// # Errors
/// [`DbError::NoUrl`] or [`DbError::Sql`] if the URL is missing or not one.
pub fn connect_options(settings: &DatabaseSettings, role: Role) -> Result<PgConnectOptions, DbError> {
    let url = role.url(settings).ok_or(DbError::NoUrl)?;
    let mut options = PgConnectOptions::from_str(url.expose())?
        .application_name(concat!("commissary/", env!("CARGO_PKG_VERSION")))
        .options([("search_path", "commissary,pg_temp"), ("client_min_messages", "error"), ("timezone", "UTC")]);
    if let Some(name) = role.name() {
        options = options.options([("role", name)]);
    }
    if role != Role::Login {
        // One wait for a lock that ran into the statement's own limit would look like work that is too slow.
        let lock_timeout_ms = settings.lock_timeout_ms.min(settings.statement_timeout_ms / 2);
        options = options.options([
            ("statement_timeout", settings.statement_timeout_ms.to_string()),
            ("lock_timeout", lock_timeout_ms.to_string()),
            ("idle_in_transaction_session_timeout", settings.statement_timeout_ms.to_string()),
        ]);
    }
    if role == Role::Reporter {
        // Reports and audits take as long as they take, and as long as their reader does: no statement of theirs is slow.
        options = options.disable_statement_logging();
    }
    if role == Role::Worker {
        // Foreign-key checks cache their plan; on a fresh table that is a sequential scan (5,959 → 889 purchases a
        // second). Compilation costs more than any statement of ours takes. A worker that died while its statement waited
        // for a lock is noticed within a second, instead of holding its business until the lock is free.
        options =
            options.options([("enable_seqscan", "off"), ("jit", "off"), ("client_connection_check_interval", "1000")]);
        // Left to itself, Postgres plans some statements anew for every small batch: half a millisecond of three.
        if settings.generic_plans {
            options = options.options([("plan_cache_mode", "force_generic_plan")]);
        }
    }
    Ok(options)
}

/// Begins a transaction for one business: READ COMMITTED is stated, because the engine's locking relies on it, and the
/// setting that the policies compare with ends with the transaction. The literal form also reaches a distributed
/// database's shards; the id is a typed UUID, never a string from outside.
///
/// Never wrap this in `timeout` or `select!` (see [`connect`]).
///
/// # Errors
/// [`DbError`] if the server refuses or cannot be reached.
pub async fn begin_tenant(pool: &PgPool, business: BusinessId) -> Result<Transaction<'static, Postgres>, DbError> {
    Ok(pool.begin_with(AssertSqlSafe(begin_statement(business))).await?)
}

/// As [`begin_tenant`], on a connection that is in no transaction.
///
/// # Errors
/// [`DbError`] if the server refuses or cannot be reached.
pub async fn begin_tenant_on(
    connection: &mut PgConnection,
    business: BusinessId,
) -> Result<Transaction<'_, Postgres>, DbError> {
    Ok(connection.begin_with(AssertSqlSafe(begin_statement(business))).await?)
}

fn begin_statement(business: BusinessId) -> String {
    format!("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL app.business_id = '{business}'")
}

/// As [`begin_tenant`], for reading one consistent picture while workers write: REPEATABLE READ, READ ONLY. It holds back
/// the removal of dead rows for as long as it lasts, so it is for audits and reports only.
///
/// # Errors
/// [`DbError`] if the server refuses or cannot be reached.
pub async fn begin_tenant_snapshot(
    pool: &PgPool,
    business: BusinessId,
) -> Result<Transaction<'static, Postgres>, DbError> {
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.business_id = '{business}'");
    Ok(pool.begin_with(AssertSqlSafe(begin)).await?)
}

/// Compares the number of rows that a statement changed with what its rule demands.
///
/// # Errors
/// [`DbError::RowCount`] if they differ: the transaction must not commit.
pub fn expect_rows(
    statement: &'static str,
    done: sqlx::postgres::PgQueryResult,
    expected: usize,
) -> Result<(), DbError> {
    expect_count(statement, done.rows_affected(), expected)
}

/// As [`expect_rows`], of a count that a part of a statement gave.
///
/// # Errors
/// [`DbError::RowCount`], likewise.
pub fn expect_count(statement: &'static str, actual: impl TryInto<u64>, expected: usize) -> Result<(), DbError> {
    // No count is negative.
    let (actual, expected) = (actual.try_into().unwrap_or(u64::MAX), expected as u64);
    if actual == expected { Ok(()) } else { Err(DbError::RowCount { statement, expected, actual }) }
}
