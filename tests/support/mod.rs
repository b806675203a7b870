//! A fresh, migrated database for a test, on the server that `DATABASE_URL` names (`scripts/test` provides one).
//!
//! Migrating is done once, into a template database, and copied from there. Every database and login made here is
//! removed when its [`TestDatabase`] is dropped, and the template with the last of them: no server is left littered.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::{Command, Output};
use std::str::FromStr;
use std::time::Duration;

use commissary::config::{Overrides, SecretUrl, Settings};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Serializes the makers and droppers of the template, across threads and processes: "commissa" as a number.
const TEMPLATE_LOCK: i64 = 0x636f_6d6d_6973_7361;
/// How often a copy is tried while something, such as autovacuum, still holds the template.
const COPY_ATTEMPTS_MAX: u32 = 50;
const COPY_RETRY_AFTER: Duration = Duration::from_millis(100);
const POOL_CONNECTIONS_MAX: u32 = 16;

// Each test binary uses another part of this module; naming the rest here keeps it from being dead code in the others.
const _: () = {
    let _ = (TestDatabase::pool, TestDatabase::settings, TestDatabase::commissary, TestDatabase::login);
    let _ = (database, empty_database, TestDatabase::url);
};

/// A database of its own, removed at the end, with the logins made for it.
pub struct TestDatabase {
    name: String,
    url: String,
    pool: PgPool,
    logins: Vec<String>,
}

/// A fresh database with all migrations.
pub async fn database() -> TestDatabase {
    let template = template_name();
    let mut server = server().await;
    lock(&mut server).await;
    ensure_template(&mut server, &template).await;
    let database = TestDatabase::create(&mut server, &template).await;
    unlock(&mut server).await;
    database
}

/// A fresh database with nothing in it.
pub async fn empty_database() -> TestDatabase {
    TestDatabase::create(&mut server().await, "template1").await
}

impl TestDatabase {
    async fn create(server: &mut PgConnection, template: &str) -> Self {
        let name = format!("commissary_test_{}", Uuid::new_v4().simple());
        copy(server, template, &name).await;
        let url = url_of(&name, None);
        let pool = PgPoolOptions::new().max_connections(POOL_CONNECTIONS_MAX).connect_lazy(&url).expect("a valid URL");
        Self { name, url, pool, logins: Vec::new() }
    }

    /// Where it is, as the superuser that `DATABASE_URL` names.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connections of the superuser, who passes row level security by.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The default settings, pointing here.
    pub fn settings(&self) -> Settings {
        let overrides = Overrides { database_url: Some(SecretUrl::new(self.url.clone())), now: None };
        Settings::from_sources(HashMap::new(), overrides).expect("the defaults are valid")
    }

    /// The real program with these arguments, pointing here, without the settings of whoever runs the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        program(&self.url, arguments)
    }

    /// Runs the real program to its end.
    pub fn commissary(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program of this build runs")
    }

    /// Makes a login that is a member of these roles and nothing else; gives its URL. It is removed with the database.
    pub async fn login(&mut self, roles: &[&str]) -> String {
        let (name, password) =
            (format!("commissary_test_{}", Uuid::new_v4().simple()), Uuid::new_v4().simple().to_string());
        let member = if roles.is_empty() { String::new() } else { format!(" IN ROLE {}", roles.join(", ")) };
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'{member}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.expect("DATABASE_URL is a superuser's");
        self.logins.push(name.clone());
        url_of(&self.name, Some((&name, &password)))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, logins) = (self.name.clone(), std::mem::take(&mut self.logins));
        // The test's own runtime may be single-threaded, and is busy here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(remove(&name, &logins));
        });
        if dropped.join().is_err() {
            eprintln!("database {} could not be removed", self.name);
        }
    }
}

fn program(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_commissary"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("COMMISSARY_")) {
        command.env_remove(key);
    }
    command.args(arguments).env("DATABASE_URL", url);
    command
}

fn server_url() -> String {
    std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()).expect(
        "these tests need a Postgres server: run scripts/test, which starts one, or set DATABASE_URL to a superuser's \
         URL of any server",
    )
}

async fn server() -> PgConnection {
    let options = PgConnectOptions::from_str(&server_url()).expect("DATABASE_URL is a Postgres URL");
    options.connect().await.expect("the server that DATABASE_URL names answers")
}

fn url_of(database: &str, login: Option<(&str, &str)>) -> String {
    let mut url = url::Url::parse(&server_url()).expect("DATABASE_URL is a URL");
    url.set_path(database);
    if let Some((name, password)) = login {
        url.set_username(name).and_then(|()| url.set_password(Some(password))).expect("DATABASE_URL names a host");
    }
    url.into()
}

fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    MIGRATIONS.iter().for_each(|migration| migration.checksum.hash(&mut hasher));
    format!("commissary_template_{:016x}", hasher.finish())
}

async fn lock(server: &mut PgConnection) {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(server).await.expect("the lock is taken");
}

async fn unlock(server: &mut PgConnection) {
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(server)
        .await
        .expect("the lock is given back");
}

async fn exists(server: &mut PgConnection, database: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    sqlx::query_scalar(sql).bind(database).fetch_one(server).await.expect("the server lists its databases")
}

/// Migrated under another name first: a maker that was killed leaves nothing that looks finished.
async fn ensure_template(server: &mut PgConnection, template: &str) {
    if exists(server, template).await {
        return;
    }
    let unfinished = format!("{template}_unfinished");
    execute(server, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
    copy(server, "template1", &unfinished).await;
    let migrated = program(&url_of(&unfinished, None), &["migrate"]).output().expect("the program of this build runs");
    assert!(migrated.status.success(), "migrate: {}", String::from_utf8_lossy(&migrated.stderr));
    execute(server, format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await;
}

async fn copy(server: &mut PgConnection, template: &str, name: &str) {
    for attempt in 1..=COPY_ATTEMPTS_MAX {
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *server).await {
            Ok(_) => return,
            // 55006 object_in_use: a session in the template, soon gone.
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some("55006") && attempt < COPY_ATTEMPTS_MAX =>
            {
                tokio::time::sleep(COPY_RETRY_AFTER).await;
            }
            Err(error) => panic!("copying {template} to {name}: {error}"),
        }
    }
}

async fn remove(name: &str, logins: &[String]) {
    let mut server = server().await;
    execute(&mut server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    for login in logins {
        execute(&mut server, format!("DROP ROLE IF EXISTS {login}")).await;
    }
    lock(&mut server).await;
    let sql = r"SELECT EXISTS (SELECT FROM pg_database WHERE datname LIKE 'commissary\_test\_%')";
    let in_use: bool = sqlx::query_scalar(sql).fetch_one(&mut server).await.expect("the server lists its databases");
    if !in_use {
        execute(&mut server, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", template_name())).await;
    }
    unlock(&mut server).await;
    server.close().await.expect("the server answers to the end");
}

async fn execute(server: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(server).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
