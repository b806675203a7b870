//! What a worker refuses to start on.

use sqlx::PgPool;

use super::DbError;

/// A server or login on which the promises would not hold; each reason says what to do.
#[derive(Debug, thiserror::Error)]
#[error("the worker does not start: {}", .0.join("; "))]
pub struct UnsafeServer(pub Vec<String>);

/// Looks at the server as the worker's login sees it. The outer error is a fault of the database.
///
/// # Errors
/// [`DbError`] if the server cannot be asked, for instance because the schema is not there.
pub async fn check_worker_server(pool: &PgPool, development: bool) -> Result<Result<(), UnsafeServer>, DbError> {
    let facts = sqlx::query_file!("src/db/sql/startup_facts.sql").fetch_one(pool).await?;
    let mut reasons = Vec::new();
    if facts.bypasses_rls {
        reasons.push(format!(
            "role {} is a superuser or has BYPASSRLS; connect as a member of commissary_worker",
            facts.acting_as
        ));
    }
    if let Some(table) = facts.unforced_table {
        reasons.push(format!("table {table} has no forced row level security; run `commissary migrate`"));
    }
    if !development && facts.fsync == "off" {
        reasons.push("fsync is off on the server; turn it on, or set development = true".to_owned());
    }
    if !development && facts.synchronous_commit == "off" {
        reasons.push("synchronous_commit is off for this login; turn it on, or set development = true".to_owned());
    }
    if facts.login_is_superuser {
        tracing::warn!("the login behind the worker's role is a superuser: fine for development, not for production");
    }
    Ok(if reasons.is_empty() { Ok(()) } else { Err(UnsafeServer(reasons)) })
}
