//! The server: templates that are filled once, and a database of its own for every run, copied from one.

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::task::JoinHandle;

use super::usage::ServerProcess;
use crate::config::{SecretUrl, Settings};

/// Sessions of ours in one database: filling, sampling, and what a scenario does beside.
const CONNECTIONS_MAX: u32 = 16;
/// How often a copy is tried while something, such as autovacuum, still holds the template.
const COPY_ATTEMPTS_MAX: u32 = 100;
const COPY_RETRY_AFTER: Duration = Duration::from_millis(100);

/// The server that is measured.
#[derive(Debug)]
pub struct Server {
    url: url::Url,
    maintenance: PgPool,
    process: Option<ServerProcess>,
    /// The names of the databases made here that are still there.
    made: Mutex<Vec<String>>,
    numbers: AtomicU32,
}

/// A database made here. It is removed by [`Server::drop_database`]; a benchmark that is killed leaves it behind, under
/// a name that says whose it was.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Where it is, as the login that `DATABASE_URL` names.
    pub url: SecretUrl,
    /// A pool of that login's connections.
    pub pool: PgPool,
}

impl Server {
    /// The server that the settings name.
    ///
    /// # Errors
    /// If none is named, or it cannot be reached.
    pub async fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings.database.url.as_ref().ok_or(crate::db::DbError::NoUrl)?;
        let options = quiet(PgConnectOptions::from_str(url.expose())?);
        let maintenance = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
        let process = ServerProcess::find(&maintenance).await?;
        Ok(Self {
            url: url::Url::parse(url.expose())?,
            maintenance,
            process,
            made: Mutex::default(),
            numbers: AtomicU32::new(0),
        })
    }

    /// An empty database.
    ///
    /// # Errors
    /// If the login may not make one.
    pub async fn create(&self) -> anyhow::Result<Database> {
        self.create_from("").await
    }

    /// A copy of a template, which nobody may be connected to: close its pool first.
    ///
    /// # Errors
    /// If the login may not make one, or somebody stays connected to the template.
    pub async fn copy(&self, template: &Database) -> anyhow::Result<Database> {
        template.pool.close().await;
        // By file: the other strategy would send every page through the WAL.
        self.create_from(&format!("TEMPLATE {} STRATEGY file_copy", template.name)).await
    }

    async fn create_from(&self, from: &str) -> anyhow::Result<Database> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = format!("commissary_bench_{}_{number}", std::process::id());
        for attempt in 1..=COPY_ATTEMPTS_MAX {
            let created = self.execute(format!("CREATE DATABASE {name} {from}")).await;
            match created {
                Ok(()) => break,
                // 55006 object_in_use: a session in the template, soon gone.
                Err(sqlx::Error::Database(error))
                    if error.code().as_deref() == Some("55006") && attempt < COPY_ATTEMPTS_MAX =>
                {
                    tokio::time::sleep(COPY_RETRY_AFTER).await;
                }
                Err(error) => return Err(error).with_context(|| format!("making database {name} {from}")),
            }
        }
        self.made.lock().expect("nobody panics while holding it").push(name.clone());
        let mut url = self.url.clone();
        url.set_path(&name);
        let options = quiet(PgConnectOptions::from_str(url.as_str())?);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect_lazy_with(options);
        Ok(Database { name, url: SecretUrl::new(url.into()), pool })
    }

    /// Removes a database, whoever is connected to it.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn drop_database(&self, database: &Database) -> anyhow::Result<()> {
        database.pool.close().await;
        self.drop_named(&database.name).await
    }

    /// Removes every database made here that is still there.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn drop_all(&self) -> anyhow::Result<()> {
        let names = self.made.lock().expect("nobody panics while holding it").clone();
        for name in names {
            self.drop_named(&name).await?;
        }
        Ok(())
    }

    async fn drop_named(&self, name: &str) -> anyhow::Result<()> {
        self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        self.made.lock().expect("nobody panics while holding it").retain(|made| made != name);
        Ok(())
    }

    /// Writes everything out, so that a run neither pays for what was before it nor owes anything.
    ///
    /// # Errors
    /// If the login may not.
    pub async fn checkpoint(&self) -> anyhow::Result<()> {
        self.execute("CHECKPOINT".to_owned()).await.context("CHECKPOINT needs a superuser or pg_checkpoint")
    }

    /// Begins one beside what goes on.
    pub fn begin_checkpoint(&self) -> JoinHandle<sqlx::Result<()>> {
        let pool = self.maintenance.clone();
        tokio::spawn(async move { sqlx::raw_sql("CHECKPOINT").execute(&pool).await.map(drop) })
    }

    /// The processor time of all its processes so far, if they can be seen.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        self.process.as_ref().and_then(ServerProcess::cpu)
    }

    /// The settings that figures depend on.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn settings(&self) -> sqlx::Result<Vec<(String, String)>> {
        let rows = sqlx::query_file!("src/bench/sql/server_settings.sql").fetch_all(&self.maintenance).await?;
        Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
    }

    async fn execute(&self, sql: String) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.maintenance).await?;
        Ok(())
    }
}

/// Filling and checking take long: their statements are no news.
fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("commissary bench").options([("timezone", "UTC")]).disable_statement_logging()
}
