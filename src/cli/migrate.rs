//! `migrate`: creates or updates the schema and the roles.

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Ended;
use super::output::say;
use crate::config::Settings;
use crate::db::{self, Role};

/// Applies what is missing. The login must be a superuser, or own the database with CREATEROLE and BYPASSRLS: under
/// forced row level security a migration would silently see no rows (FAULTS 14).
///
/// # Errors
/// If the login may not, or a migration fails; nothing of a failed migration stays.
pub async fn run(settings: &Settings) -> anyhow::Result<Ended> {
    let (new, all) = migrate(settings).await?;
    say(format_args!("schema commissary: {new} migrations applied, {all} in all"))?;
    Ok(Ended::Well)
}

/// As [`run`], without a word: how many migrations were applied now, and how many are applied in all.
///
/// # Errors
/// Likewise.
pub async fn migrate(settings: &Settings) -> anyhow::Result<(i64, i64)> {
    let options = db::connect_options(&settings.database, Role::Login)?.options([("search_path", "public")]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(db::DbError::from)?;
    let login = sqlx::query_file!("src/db/sql/migrator.sql").fetch_one(&mut connection).await?;
    anyhow::ensure!(
        login.may_migrate,
        "login {} may not migrate: it must be a superuser or have BYPASSRLS and CREATEROLE, because forced row level \
         security would hide the rows it must change",
        login.name
    );
    // Another `migrate` is waited for, as long as it takes. A table that is in use is not: whoever came after us would wait behind.
    connection.lock().await?;
    let lock_timeout = format!("SET lock_timeout = {}", settings.database.lock_timeout_ms);
    sqlx::raw_sql(AssertSqlSafe(lock_timeout)).execute(&mut connection).await?;
    let before = applied(&mut connection).await?;
    db::MIGRATIONS.run(&mut connection).await.map_err(told_once)?;
    let after = applied(&mut connection).await?;
    Ok((after - before, after))
}

/// What the database says of a migration that failed and what to do, without the three layers that repeat it.
fn told_once(error: MigrateError) -> anyhow::Error {
    if let MigrateError::ExecuteMigration(sqlx::Error::Database(fault), version) = &error
        && let Some(fault) = fault.try_downcast_ref::<PgDatabaseError>()
    {
        let advice = match (fault.hint(), fault.code()) {
            (Some(hint), _) => format!(". {hint}"),
            // 55P03: a report, an audit or a session that was left open reads or writes a table that is to be changed.
            (None, "55P03") => {
                ". Another session uses a table that it changes; nothing of it was applied: when that session has \
                 ended (pg_stat_activity shows it), run `commissary migrate` again"
                    .to_owned()
            }
            (None, _) => String::new(),
        };
        return anyhow::anyhow!("migration {version}: {}{advice}", fault.message());
    }
    error.into()
}

async fn applied(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let known: Option<bool> = sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if known != Some(true) {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT count(*) FROM public._sqlx_migrations WHERE success").fetch_one(connection).await
}
