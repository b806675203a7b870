//! What a worker refuses to start on.

use sqlx::PgPool;
use sqlx::migrate::Migrator;

use super::DbError;

/// The schema's history, as this version of the program knows it.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// What Postgres says of a function that is not there, and of a schema: the schema is of a time before it told its version.
const UNDEFINED: &[&str] = &["42883", "3F000"];

/// A server or login on which the promises would not hold; each reason says what to do.
#[derive(Debug, thiserror::Error)]
#[error("the worker does not start: {}", .0.join("; "))]
pub struct UnsafeServer(pub Vec<String>);

/// Looks at the server as the worker's login sees it. The outer error is a fault of the database.
///
/// # Errors
/// [`DbError`] if the server cannot be asked.
pub async fn check_worker_server(pool: &PgPool, development: bool) -> Result<Result<(), UnsafeServer>, DbError> {
    // What else is asked depends on the schema.
    if let Some(reason) = misfit(schema_version(pool).await?) {
        return Ok(Err(UnsafeServer(vec![reason])));
    }
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

/// The number of the last migration of the database's schema; none if it is older than that function, or not there.
async fn schema_version(pool: &PgPool) -> Result<Option<i32>, DbError> {
    match sqlx::query_file_scalar!("src/db/sql/schema_version.sql").fetch_one(pool).await {
        Ok(version) => Ok(Some(version)),
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| UNDEFINED.contains(&&*code)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Why this program cannot work on a schema of that version, if so. A worker writes what its own schema asks for: on another, every
/// batch would fail, and each failure is an attempt of a job. So it is asked at the start, and with every turn that is taken.
pub(crate) fn misfit(version: Option<i32>) -> Option<String> {
    let ours = MIGRATIONS.iter().last().map_or(0, |migration| migration.version);
    let theirs = version.map(i64::from);
    if theirs == Some(ours) {
        return None;
    }
    let state = theirs.map_or("not there or old".to_owned(), |theirs| format!("at migration {theirs}"));
    Some(if theirs > Some(ours) {
        format!(
            "the schema is {state}, and this program knows {ours}; start the version that migrated it, or a later one"
        )
    } else {
        format!("the schema is {state}, and this program needs migration {ours}; run `commissary migrate`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_takes_its_own_schema_and_no_other() {
        let ours = MIGRATIONS.iter().count();
        let ours = i32::try_from(ours).expect("migrations are numbered from 1 without a gap");
        assert_eq!(misfit(Some(ours)), None);
        assert!(misfit(Some(ours - 1)).is_some_and(|reason| reason.contains("run `commissary migrate`")));
        assert!(misfit(None).is_some_and(|reason| reason.contains("run `commissary migrate`")));
        assert!(misfit(Some(ours + 1)).is_some_and(|reason| reason.contains("start the version that migrated it")));
    }
}
