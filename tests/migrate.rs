//! `migrate`: once, twice, at once, and by whom.

mod fixtures;
mod support;

use std::process::Output;

use fixtures::{database_with_facts, with_ids};

use sqlx::AssertSqlSafe;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let database = support::empty_database().await;
    let first = database.commissary(&["migrate"]);
    assert!(first.status.success(), "{}", stderr(&first));
    let before = catalogue(&database).await;

    let second = database.commissary(&["migrate"]);
    assert!(second.status.success(), "{}", stderr(&second));
    assert!(String::from_utf8_lossy(&second.stdout).contains("0 migrations applied"), "{second:?}");
    assert_eq!(catalogue(&database).await, before);
}

/// Every object of the schema with its version: an object that was made or altered again has another.
async fn catalogue(database: &support::TestDatabase) -> Vec<String> {
    let sql = "SELECT format('%s %s %s', c.relname, c.xmin, c.relacl) FROM pg_class c
               WHERE c.relnamespace = 'commissary'::regnamespace
               UNION ALL SELECT format('%s %s %s', p.oid::regprocedure, p.xmin, p.proacl) FROM pg_proc p
               WHERE p.pronamespace = 'commissary'::regnamespace ORDER BY 1";
    let objects: Vec<String> =
        sqlx::query_scalar(sql).fetch_all(database.pool()).await.expect("the catalogue is readable");
    assert!(objects.len() > 30, "the schema is there: {objects:?}");
    objects
}

#[tokio::test]
async fn six_databases_of_one_cluster_are_migrated_at_once() {
    let mut databases = Vec::new();
    for _ in 0..6 {
        databases.push(support::empty_database().await);
    }
    let running: Vec<_> = databases
        .iter()
        .map(|database| {
            let mut command = database.command(&["migrate"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            command.spawn().expect("the program of this build runs")
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_login_without_rights_is_refused() {
    let mut database = support::empty_database().await;
    let url = database.login(&[]).await;
    let parsed = url::Url::parse(&url).expect("a URL");
    let (login, name) = (parsed.username(), parsed.path().trim_start_matches('/'));
    // Owning the database is not enough: under forced row level security its owner sees no rows.
    let sql = format!("ALTER DATABASE {name} OWNER TO {login}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(database.pool()).await.expect("a superuser may");

    let refused = database.commissary(&["migrate", "--database-url", &url]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let message = stderr(&refused);
    assert!(message.contains(&format!("login {login} may not migrate")) && message.contains("BYPASSRLS"), "{message}");
    let made: bool = sqlx::query_scalar("SELECT to_regnamespace('commissary') IS NOT NULL")
        .fetch_one(database.pool())
        .await
        .expect("the catalogue is readable");
    assert!(!made, "nothing was created");
}

#[tokio::test]
async fn a_test_database_is_migrated_and_its_settings_reach_it() {
    let database = support::database().await;
    let settings = database.settings();
    let pool = commissary::db::connect(&settings.database, commissary::db::Role::Worker, 1).await.expect("it connects");
    let acting: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&pool).await.expect("it answers");
    assert_eq!(acting, "commissary_worker");
    assert!(database.url().contains("commissary_test_"));
}

/// The facts of the fixtures, as migration 0025 would meet them.
const BEFORE_LINES_NAMED_THEIR_JOB: &str = "
    ALTER TABLE commissary.order_items DROP COLUMN job_id;
    ALTER TABLE commissary.refund_items DROP COLUMN job_id;
    DROP FUNCTION commissary.schema_version();
    DELETE FROM public._sqlx_migrations WHERE version = 25";
/// A worker that lives as long as this session.
const LIVES: &str = "SELECT commissary.begin_life('@aa')";

/// Migrating is refused while a worker lives, and goes through once it is dead.
async fn migrate_once_no_worker_lives(database: &support::TestDatabase) {
    let mut worker = database.pool().acquire().await.expect("a session").detach();
    sqlx::raw_sql(AssertSqlSafe(with_ids(LIVES))).execute(&mut worker).await.expect("its life begins");

    let refused = database.commissary(&["migrate"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let message = stderr(&refused);
    assert!(message.contains("workers of an earlier version are at work"), "{message}");
    assert!(message.contains("Stop all workers, migrate again"), "{message}");

    // It dies, unclean: its row stays, its lock does not.
    sqlx::Connection::close(worker).await.expect("its session ends");
    let migrated = database.commissary(&["migrate"]);
    assert!(migrated.status.success(), "{}", stderr(&migrated));
}

#[tokio::test]
async fn lines_get_the_job_of_their_order_once_no_worker_lives() {
    let database = database_with_facts().await;
    let pool = database.pool();
    sqlx::raw_sql(BEFORE_LINES_NAMED_THEIR_JOB).execute(pool).await.expect("a superuser may");
    migrate_once_no_worker_lives(&database).await;
    let lines = "SELECT count(*) FROM commissary.order_items i JOIN commissary.orders o USING (business_id, order_id, job_id)
        UNION ALL SELECT count(*) FROM commissary.order_items
        UNION ALL SELECT count(*) FROM commissary.refund_items t JOIN commissary.refunds r USING (business_id, refund_id, job_id)
        UNION ALL SELECT count(*) FROM commissary.refund_items";
    let counts: Vec<i64> = sqlx::query_scalar(lines).fetch_all(pool).await.expect("readable");
    let [lines, of_their_order, returned, of_their_refund] = *counts else { panic!("{counts:?}") };
    assert!(lines > 0 && lines == of_their_order && returned > 0 && returned == of_their_refund, "{counts:?}");
    let changed = sqlx::raw_sql("UPDATE commissary.order_items SET quantity = 9").execute(pool).await;
    assert!(changed.is_err_and(|error| error.to_string().contains("append-only")), "lines are final again");
}

/// Where the rows of the tables stand that migration 0026 gives other types; a table that is rewritten stands elsewhere.
const PLACES: &str = "SELECT format('%s %s', c.relname, pg_relation_filenode(c.oid)) FROM pg_class c
    WHERE c.relnamespace = 'commissary'::regnamespace AND c.relname IN
        ('orders', 'order_items', 'credit_ledger', 'subsidy_ledger', 'subsidy_budgets', 'products') ORDER BY 1";

#[tokio::test]
async fn rules_become_types_beside_facts_without_a_rewrite_once_no_worker_lives() {
    let database = support::empty_database().await;
    let pool = database.pool();
    commissary::db::MIGRATIONS.run_to(25, pool).await.expect("a superuser may");
    sqlx::raw_sql(include_str!("fixtures/facts.sql")).execute(pool).await.expect("the facts are consistent");
    let places: Vec<String> = sqlx::query_scalar(PLACES).fetch_all(pool).await.expect("readable");
    assert_eq!(places.len(), 6);
    migrate_once_no_worker_lives(&database).await;
    let found: Vec<String> = sqlx::query_scalar(PLACES).fetch_all(pool).await.expect("readable");
    assert_eq!(found, places, "no table was rewritten");
    for broken in [
        "UPDATE commissary.products SET price = -1",
        "UPDATE commissary.products SET price = 'NaN'",
        "UPDATE commissary.products SET tax_rate = 100.01",
        "UPDATE commissary.products SET name = ' '",
        "UPDATE commissary.products SET stock = -1",
        "UPDATE commissary.subsidy_budgets SET total_budget = 'NaN'",
        "UPDATE commissary.subsidy_budgets SET budget_used = -1",
        "UPDATE commissary.subsidy_budgets SET budget_period = 'year'",
    ] {
        let refused = sqlx::raw_sql(broken).execute(pool).await.expect_err(broken);
        let code = refused.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        assert_eq!(code.as_deref(), Some("23514"), "{broken}: {refused}");
    }
}

/// What comes after a migration that waits for a table waits behind it: so it does not wait for long.
#[tokio::test]
async fn a_table_in_use_is_not_waited_for_without_end() {
    let database = support::empty_database().await;
    let pool = database.pool();
    commissary::db::MIGRATIONS.run_to(25, pool).await.expect("a superuser may");
    let mut report = pool.begin().await.expect("a transaction begins");
    sqlx::query("SELECT FROM commissary.products").execute(&mut *report).await.expect("read");
    let migrate = || database.command(&["migrate"]).env("COMMISSARY_DATABASE__LOCK_TIMEOUT_MS", "200").output();
    let refused = migrate().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let message = stderr(&refused);
    assert!(message.contains("migration 26") && message.contains("run `commissary migrate` again"), "{message}");
    report.rollback().await.expect("it ends");
    let migrated = migrate().expect("it runs");
    assert!(migrated.status.success(), "{}", stderr(&migrated));
}

#[tokio::test]
async fn a_worker_refuses_a_schema_of_another_version() {
    let database = support::database().await;
    for (change, expected) in [
        (
            "CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer LANGUAGE sql RETURN 24",
            "at migration 24",
        ),
        (
            "CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer LANGUAGE sql RETURN 9999",
            "at migration 9999",
        ),
        ("DROP FUNCTION commissary.schema_version()", "not there or old"),
        ("DROP SCHEMA commissary CASCADE", "not there or old"),
    ] {
        sqlx::raw_sql(change).execute(database.pool()).await.expect(change);
        let refused = database.commissary(&["worker", "--until-empty"]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let message = stderr(&refused);
        assert!(
            message.contains("the worker does not start: the schema is") && message.contains(expected),
            "{message}"
        );
    }
}
