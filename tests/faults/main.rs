//! Faults: whatever dies, at whatever step, either all of a batch stands or nothing, and the next worker goes on.

mod batches;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../support/mod.rs"]
mod support;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use commissary::db::{Role, connect};
use commissary::engine::Engine;
use commissary::ids::BusinessId;
use shop::Shop;
use sqlx::{AssertSqlSafe, PgPool};

/// Each statement of a batch that changes or locks something, in their order, with a table lock that holds it up while
/// letting every statement before it pass.
const STEPS: [(&str, &str); 13] = [
    ("settlement_periods", "EXCLUSIVE"),
    ("customers", "EXCLUSIVE"),
    ("subsidy_budgets", "EXCLUSIVE"),
    ("products", "EXCLUSIVE"),
    ("orders", "SHARE"),
    ("order_items", "SHARE"),
    ("products", "SHARE"),
    ("credit_ledger", "SHARE"),
    ("subsidy_budgets", "SHARE"),
    ("subsidy_ledger", "SHARE"),
    ("job_results", "SHARE"),
    ("jobs", "SHARE"),
    ("queues", "SHARE"),
];

/// Waits until the condition holds; a minute is far more than it takes.
async fn until(pool: &PgPool, sql: &'static str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await.expect(sql) {
        assert!(Instant::now() < deadline, "still not: {sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const BLOCKED: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'commissary/%' AND wait_event_type = 'Lock')";
const NOBODY: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'commissary/%')";

fn worker(database: &support::TestDatabase, arguments: &[&str], settings: &[(&str, &str)]) -> Child {
    let mut command = database.command(&[&["worker"], arguments].concat());
    command.env("RUST_LOG", "off").envs(settings.iter().copied()).spawn().expect("a worker starts")
}

fn worker_in_twos(database: &support::TestDatabase) -> Child {
    worker(database, &["--until-empty"], &[("COMMISSARY_WORKER__BATCH_SIZE_MAX", "2")])
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.expect(sql)
}

/// A shop with four subsidised purchases waiting, one of them done already so that no step is the first of its kind.
async fn four_waiting(pool: &PgPool) -> Shop {
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.subsidise(pool, 50).await;
    for key in ["1", "2", "3", "4"] {
        shop.enqueue(pool, "purchase", key, &shop.purchase(1)).await;
    }
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_step_leaves_nothing_and_the_next_goes_on() {
    for (table, mode) in STEPS {
        let database = support::database().await;
        let pool = database.pool();
        let shop = four_waiting(pool).await;
        // The period and the budget exist, so that the steps that lock them find them.
        let first = Engine::new(
            connect(&database.settings().database, Role::Worker, 2).await.expect("connects"),
            database.settings(),
        );
        first.process(BusinessId(shop.business), 1).await.expect("the first purchase is decided");
        let mut held = pool.begin().await.expect("a transaction begins");
        let lock = format!("LOCK TABLE commissary.{table} IN {mode} MODE");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *held).await.expect("the step is held up");
        let mut dying = worker_in_twos(&database);
        until(pool, BLOCKED).await;
        dying.kill().and_then(|()| dying.wait()).expect("the worker is killed");
        // While the step is still held up, the dead worker's session must go and free its business.
        until(pool, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").await;
        held.rollback().await.expect("the step is free again");
        assert_eq!(shop::facts(pool, shop.business).await, [1; 5], "killed at {table} {mode}");
        assert_eq!(count(pool, "SELECT stock FROM commissary.products").await, 99, "killed at {table} {mode}");

        assert!(worker_in_twos(&database).wait().expect("the next worker ends").success());
        assert_eq!(shop::facts(pool, shop.business).await, [4; 5], "after {table} {mode}");
        assert_eq!(count(pool, "SELECT stock FROM commissary.products").await, 96);
        assert_eq!(count(pool, "SELECT budget_used::bigint FROM commissary.subsidy_budgets").await, 4);
        assert_eq!(count(pool, "SELECT count(*) FROM commissary.jobs").await, 0);
        assert_eq!(
            count(pool, "SELECT max(attempts)::bigint FROM commissary.job_results").await,
            1,
            "no attempt is charged"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_survived_in_the_same_process() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = four_waiting(pool).await;
    let mut held = pool.begin().await.expect("a transaction begins");
    sqlx::raw_sql("LOCK TABLE commissary.job_results IN SHARE MODE").execute(&mut *held).await.expect("held up");
    let mut cut = worker_in_twos(&database);
    until(pool, BLOCKED).await;
    let terminate = "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'commissary/%'";
    assert!(sqlx::query_scalar::<_, bool>(terminate).fetch_one(pool).await.expect("terminated"));
    held.rollback().await.expect("free again");
    assert!(cut.wait().expect("the worker ends").success());
    assert_eq!(shop::facts(pool, shop.business).await, [4; 5]);
    assert_eq!(
        count(pool, "SELECT max(attempts)::bigint FROM commissary.job_results").await,
        1,
        "no attempt is charged"
    );
}

fn signal(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sigterm_drains_and_the_second_aborts() {
    for signals in [1, 2] {
        let database = support::database().await;
        let pool = database.pool();
        let shop = four_waiting(pool).await;
        let mut held = pool.begin().await.expect("a transaction begins");
        sqlx::raw_sql("LOCK TABLE commissary.job_results IN SHARE MODE").execute(&mut *held).await.expect("held up");
        let mut stopped = worker_in_twos(&database);
        until(pool, BLOCKED).await;
        signal(&stopped);
        if signals == 2 {
            // The worker must have taken the first one in; a second that comes at once would be the same signal.
            until_signal_is_handled(&stopped);
            signal(&stopped);
            assert_eq!(stopped.wait().expect("it aborts").code(), Some(130));
            held.rollback().await.expect("free again");
            until(pool, NOBODY).await;
            assert_eq!(shop::facts(pool, shop.business).await, [0; 5], "an aborted batch is rolled back");
        } else {
            until_signal_is_handled(&stopped);
            held.rollback().await.expect("free again");
            assert!(stopped.wait().expect("it drains").success());
            assert_eq!(shop::facts(pool, shop.business).await, [2; 5], "the batch in flight, and no other");
        }
    }
}

/// A batch that outlasts the time that a shutdown waits for it: the process then waits for its connection, and still listens.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_sigterm_aborts_however_long_ago_the_first_was() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = four_waiting(pool).await;
    let mut held = pool.begin().await.expect("a transaction begins");
    sqlx::raw_sql("LOCK TABLE commissary.job_results IN SHARE MODE").execute(&mut *held).await.expect("held up");
    let patience =
        [("COMMISSARY_WORKER__SHUTDOWN_TIMEOUT_MS", "100"), ("COMMISSARY_DATABASE__LOCK_TIMEOUT_MS", "30000")];
    let mut stopped = worker(&database, &[], &patience);
    until(pool, BLOCKED).await;
    signal(&stopped);
    until_signal_is_handled(&stopped);
    // Far longer than it waits for the batch.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(stopped.try_wait().expect("it can be asked").is_none(), "the batch is not over");
    signal(&stopped);
    assert_eq!(stopped.wait().expect("it aborts").code(), Some(130));
    held.rollback().await.expect("free again");
    until(pool, NOBODY).await;
    assert_eq!(shop::facts(pool, shop.business).await, [0; 5], "an aborted batch is rolled back");
}

/// Waits until no SIGTERM is pending for the process: its handler has run.
fn until_signal_is_handled(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    let is_pending = || {
        let status = std::fs::read_to_string(&status).expect("the process runs");
        let pending = status.lines().filter(|line| line.starts_with("SigPnd") || line.starts_with("ShdPnd"));
        pending
            .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok())
            .any(|set| set & (1 << 14) != 0)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_pending() {
        assert!(Instant::now() < deadline, "SIGTERM is not taken");
        std::thread::sleep(Duration::from_millis(5));
    }
    // From the handler to the task that waits for it: a pipe inside the process, which nothing outside can see.
    std::thread::sleep(Duration::from_millis(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_refuses_an_unsafe_server() {
    let database = support::database().await;
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(database.pool()).await.expect("a name");
    let refused = |reason: &str| {
        let ended = database.commissary(&["worker", "--until-empty"]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.code() == Some(2) && said.contains(reason), "{said}");
    };
    let alter = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sqlx::raw_sql(AssertSqlSafe(alter)).execute(database.pool()).await.expect("altered");
    refused("synchronous_commit is off");
    let reset = format!("ALTER DATABASE {name} RESET synchronous_commit");
    sqlx::raw_sql(AssertSqlSafe(reset)).execute(database.pool()).await.expect("altered");
    sqlx::raw_sql("ALTER TABLE commissary.orders NO FORCE ROW LEVEL SECURITY")
        .execute(database.pool())
        .await
        .expect("altered");
    refused("orders has no forced row level security");
}
