//! Careful: a job that ends its worker's process is given up in the end, and its neighbours are done.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::collections::HashMap;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use commissary::config::{Overrides, SecretUrl, Settings};
use commissary::db::{Role, connect};
use commissary::domain::decide::{Job, decide};
use commissary::domain::outcome::Decision;
use commissary::domain::request::Request;
use commissary::domain::snapshot::Snapshot;
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use commissary::worker;
use shop::Shop;
use sqlx::PgPool;
use support::TestDatabase;
use uuid::Uuid;

/// A purchase of so many pieces ends the process.
const DEADLY: u32 = 7;
const ATTEMPTS_MAX: u32 = 2;

fn is_deadly(job: &Job) -> bool {
    matches!(&job.request, Ok(Request::Purchase(purchase)) if purchase.lines[0].quantity == DEADLY)
}

fn deadly(snapshot: &Snapshot, job: &Job) -> Decision {
    if is_deadly(job) {
        std::process::abort();
    }
    decide(snapshot, job)
}

/// The process that dies: this test's own program, told to run only this.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn a_worker_that_aborts() {
    let url = std::env::var("CAREFUL_DATABASE_URL").expect("the test that starts it says where");
    let overrides = Overrides { database_url: Some(SecretUrl::new(url)), now: None };
    let mut settings = Settings::from_sources(HashMap::new(), overrides).expect("the defaults are valid");
    settings.worker.attempts_max = ATTEMPTS_MAX;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(worker::run_deciding_by(settings, true, deadly)).expect("it ends in order");
}

fn run(database: &TestDatabase) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", "a_worker_that_aborts", "--ignored"]).env("CAREFUL_DATABASE_URL", database.url());
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a worker starts")
}

async fn workers(pool: &PgPool) -> (i64, i64) {
    let sql = "SELECT count(*), count(*) FILTER (WHERE died_at IS NOT NULL) FROM commissary.workers";
    sqlx::query_as(sql).fetch_one(pool).await.expect("workers are counted")
}

async fn attempts(pool: &PgPool, shop: &Shop, key: &str) -> i32 {
    let sql = "SELECT attempts FROM commissary.job_results WHERE business_id = $1 AND idempotency_key = $2";
    sqlx::query_scalar(sql).bind(shop.business).bind(key).fetch_one(pool).await.expect("there is a result")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_its_process_is_given_up_and_its_neighbours_are_done() {
    let database = support::database().await;
    let pool = database.pool();
    let (shop, other) = (Shop::open(pool, 1_000, 100).await, Shop::open(pool, 1_000, 100).await);
    for (key, quantity) in [("before", 1), ("deadly", DEADLY), ("after", 1)] {
        shop.enqueue(pool, "purchase", key, &shop.purchase(quantity)).await;
    }
    other.enqueue(pool, "purchase", "beside", &other.purchase(1)).await;
    let mut deaths = 0;
    while !run(&database).success() {
        deaths += 1;
        assert!(deaths < 10, "workers die of it for ever");
    }
    assert_eq!(deaths, 1 + ATTEMPTS_MAX, "once in a batch, and once at each attempt alone");
    for (shop, key) in [(&shop, "before"), (&shop, "after"), (&other, "beside")] {
        assert_eq!(shop.result(pool, key).await.expect("a result").0, "completed", "{key}");
        assert_eq!(attempts(pool, shop, key).await, 1, "{key}: a neighbour is not charged");
    }
    let (status, reason, outcome) = shop.result(pool, "deadly").await.expect("a result");
    assert_eq!((status.as_str(), reason), ("failed", None));
    assert!(outcome["message"].as_str().is_some_and(|message| message.contains("died")), "{outcome}");
    assert_eq!(attempts(pool, &shop, "deadly").await, i32::try_from(ATTEMPTS_MAX).expect("few"));
    assert_eq!(shop::facts(pool, shop.business).await, [2, 2, 2, 0, 3], "nothing partial");
    let (known, dead) = workers(pool).await;
    assert_eq!((known, dead), (i64::from(deaths), i64::from(deaths)), "the one that ended in order is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lives_is_not_taken_for_dead() {
    let database = support::database().await;
    let pool = database.pool();
    let mut living = database.command(&["worker"]).env("RUST_LOG", "off").spawn().expect("a worker starts");
    for _ in 0..1_000 {
        if workers(pool).await.0 > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    assert_eq!(workers(pool).await, (1, 0));
    living.kill().and_then(|()| living.wait()).expect("it is killed");
    let next = database.commissary(&["worker", "--until-empty"]);
    let log = String::from_utf8_lossy(&next.stderr).into_owned() + &String::from_utf8_lossy(&next.stdout);
    assert!(log.contains("a worker died of late"), "{log}");
    assert_eq!(workers(pool).await, (1, 1));
}

async fn careful(database: &TestDatabase) -> Engine {
    let mut settings = database.settings();
    settings.database.lock_timeout_ms = 200;
    let pool = connect(&settings.database, Role::Worker, 4).await.expect("connects");
    Engine::new(pool, settings).carefully(Uuid::new_v4())
}

/// Attempts that are charged, and those that are begun.
async fn charged_and_begun(pool: &PgPool, shop: &Shop) -> (i64, i64) {
    let charged = "SELECT sum(attempts)::bigint FROM commissary.jobs WHERE business_id = $1";
    let begun = "SELECT count(*) FROM commissary.begun_attempts WHERE business_id = $1";
    (shop.number(pool, charged).await, shop.number(pool, begun).await)
}

/// An operating fault burns no attempt, and a panic burns one, as without care.
#[tokio::test(flavor = "multi_thread")]
async fn care_charges_no_attempt_that_was_survived() {
    static PANICS: AtomicBool = AtomicBool::new(true);
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let business = BusinessId(shop.business);
    let engine = careful(&database).await.deciding_by(|snapshot, job| {
        assert!(!PANICS.load(Ordering::Relaxed) || !is_deadly(job), "a planted panic");
        decide(snapshot, job)
    });
    shop.enqueue(pool, "purchase", "first", &shop.purchase(1)).await;
    shop.enqueue(pool, "purchase", "panics", &shop.purchase(DEADLY)).await;

    // The result cannot be stored for longer than the locks wait.
    let mut held = pool.begin().await.expect("begins");
    sqlx::raw_sql("LOCK TABLE commissary.job_results IN SHARE MODE").execute(&mut *held).await.expect("held up");
    let storing = {
        let engine = engine.clone();
        tokio::spawn(async move { engine.process(business, 500).await })
    };
    while charged_and_begun(pool, &shop).await != (0, 1) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(storing.await.expect("it does not panic").is_err());
    assert_eq!(charged_and_begun(pool, &shop).await, (0, 0), "survived");
    held.rollback().await.expect("free again");

    assert_eq!(engine.serve(business).await, Served::Batch { jobs: 1, has_more: true });
    assert_eq!(attempts(pool, &shop, "first").await, 1);
    assert_eq!(engine.serve(business).await, Served::Batch { jobs: 1, has_more: true });
    assert_eq!(charged_and_begun(pool, &shop).await, (1, 0), "the panic");
    PANICS.store(false, Ordering::Relaxed);
    let now = "UPDATE commissary.jobs SET run_at = now() WHERE business_id = $1";
    sqlx::query(now).bind(shop.business).execute(pool).await.expect("its time comes");
    assert_eq!(engine.serve(business).await, Served::Batch { jobs: 1, has_more: true });
    assert_eq!(attempts(pool, &shop, "panics").await, 2);
    assert_eq!(engine.serve(business).await, Served::Batch { jobs: 0, has_more: false });
}

/// Only attempts of workers that died are lost: those of one that lives, or ended in order, count for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_lost_with_dead_workers_only() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let business = BusinessId(shop.business);
    let begin =
        "WITH w AS (INSERT INTO commissary.workers (worker_id, died_at) SELECT gen_random_uuid(), $3::timestamptz
            FROM generate_series(1, 5) RETURNING worker_id),
        b AS (INSERT INTO commissary.begun_attempts (business_id, job_id, worker_id)
            SELECT j.business_id, j.job_id, w.worker_id FROM commissary.jobs j, w
            WHERE j.business_id = $1 AND j.idempotency_key = $2)
        SELECT count(*) FROM w";
    let engine = careful(&database).await;
    for (key, died_at, status, attempted) in
        [("alive", None, "completed", 1), ("dead", Some(chrono::Utc::now()), "failed", 5)]
    {
        shop.enqueue(pool, "purchase", key, &shop.purchase(1)).await;
        let begun = sqlx::query(begin).bind(shop.business).bind(key).bind(died_at);
        begun.execute(pool).await.expect("five attempts are begun");
        assert_eq!(engine.serve(business).await, Served::Batch { jobs: 1, has_more: true });
        assert_eq!(shop.result(pool, key).await.expect("a result").0, status, "{key}");
        assert_eq!(attempts(pool, &shop, key).await, attempted, "{key}");
    }
    // What was begun of jobs that are gone is forgotten with the next.
    shop.enqueue(pool, "purchase", "next", &shop.purchase(1)).await;
    engine.serve(business).await;
    assert_eq!(charged_and_begun(pool, &shop).await, (0, 0));
}
