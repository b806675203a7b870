//! Batches that fail: who is charged an attempt, who goes on, and what backs off.

use std::process::Child;
use std::time::{Duration, Instant};

use commissary::config::Settings;
use commissary::db::{DbError, Role, begin_tenant, connect};
use commissary::domain::decide::{Job, decide};
use commissary::domain::outcome::Decision;
use commissary::domain::request::Request;
use commissary::domain::snapshot::Snapshot;
use commissary::engine::{Engine, Served};
use commissary::ids::{BusinessId, JobId};
use commissary::queue::{Failure, charge_attempts};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::shop::{self, Shop};
use crate::{count, four_waiting, support, until, worker};

fn quick(database: &support::TestDatabase) -> Settings {
    let mut settings = database.settings();
    settings.worker.attempts_max = 3;
    settings.worker.backoff_ms = 1;
    settings.worker.backoff_max_ms = 1;
    settings.database.lock_timeout_ms = 50;
    settings
}

async fn engine(settings: &Settings) -> Engine {
    Engine::new(connect(&settings.database, Role::Worker, 2).await.expect("connects"), settings.clone())
}

/// Serves the business until its queue is empty.
async fn drain(engine: &Engine, pool: &PgPool, shop: &Shop) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while count(pool, "SELECT count(*) FROM commissary.jobs").await > 0 {
        assert!(Instant::now() < deadline, "the queue does not drain");
        engine.serve(BusinessId(shop.business)).await;
    }
}

async fn attempts(pool: &PgPool, shop: &Shop, key: &str) -> i64 {
    let sql = "SELECT attempts::bigint FROM commissary.job_results WHERE business_id = $1 AND idempotency_key = $2";
    sqlx::query_scalar(sql).bind(shop.business).bind(key).fetch_one(pool).await.expect(sql)
}

/// A shop that runs out of nothing, with forty purchases waiting.
async fn forty_waiting(pool: &PgPool) -> Shop {
    let shop = Shop::open(pool, 1_000_000, 1_000_000).await;
    for key in 1..=40 {
        shop.enqueue(pool, "purchase", &key.to_string(), &shop.purchase(1)).await;
    }
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_batch_is_halved_down_to_the_culprit() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = forty_waiting(pool).await;
    sqlx::raw_sql(
        "CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = '22000'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON commissary.orders FOR EACH ROW
            WHEN (NEW.idempotency_key = '17') EXECUTE FUNCTION public.poison()",
    )
    .execute(pool)
    .await
    .expect("a purchase that the database refuses");
    drain(&engine(&quick(&database)).await, pool, &shop).await;
    only_the_17th_failed(pool, &shop, "poisoned").await;
    let kept = "SELECT payload FROM commissary.job_results WHERE business_id = $1 AND idempotency_key = '17'";
    let payload: Value = sqlx::query_scalar(kept).bind(shop.business).fetch_one(pool).await.expect(kept);
    assert_eq!(payload, shop.purchase(1), "the payload is kept for a replay");
    assert_eq!(attempts(pool, &shop, "17").await, 3);
    assert_eq!(count(pool, "SELECT max(decision_seq) FROM commissary.job_results").await, 40);
}

/// Runs so many workers until the queue is empty.
async fn work(database: &support::TestDatabase, workers: usize) {
    let settings = [
        ("COMMISSARY_WORKER__ATTEMPTS_MAX", "3"),
        ("COMMISSARY_WORKER__BACKOFF_MS", "1"),
        ("COMMISSARY_WORKER__BACKOFF_MAX_MS", "1"),
    ];
    let mut workers: Vec<Child> = (0..workers).map(|_| worker(database, &[], &settings)).collect();
    until(database.pool(), "SELECT NOT EXISTS (SELECT FROM commissary.jobs)").await;
    for worker in &mut workers {
        worker.kill().and_then(|()| worker.wait()).expect("a worker is stopped");
    }
}

/// Of forty, the seventeenth became a failed result that says so, and all others are done at their first attempt.
async fn only_the_17th_failed(pool: &PgPool, shop: &Shop, message: &str) {
    let (status, _, outcome) = shop.result(pool, "17").await.expect("the culprit's result");
    assert_eq!(status, "failed");
    assert!(outcome["message"].as_str().is_some_and(|found| found.contains(message)), "{outcome}");
    let others = "SELECT max(attempts)::bigint FROM commissary.job_results WHERE idempotency_key <> '17'";
    assert_eq!(count(pool, others).await, 1, "nobody else is charged");
    assert_eq!(shop::facts(pool, shop.business).await, [39, 39, 39, 0, 40]);
}

/// What a statement's time limit gives where the condition holds of the rows that it inserted, without the minute.
async fn out_of_time_where(pool: &PgPool, table: &str, condition: &str) {
    let sql = format!(
        "CREATE FUNCTION public.cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF {condition} THEN RAISE EXCEPTION 'out of time' USING ERRCODE = 'query_canceled'; END IF; RETURN NULL; END $$;
         CREATE TRIGGER cancel AFTER INSERT ON commissary.{table} REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION public.cancel()"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.expect("statements that take too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_too_long_is_followed_by_smaller_ones() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = forty_waiting(pool).await;
    out_of_time_where(pool, "orders", "(SELECT count(*) FROM inserted) > 4").await;
    work(&database, 1).await;
    assert_eq!(shop::facts(pool, shop.business).await, [40, 40, 40, 0, 40]);
    let attempts = "SELECT max(attempts)::bigint FROM commissary.job_results";
    assert_eq!(count(pool, attempts).await, 1, "a batch's slowness charges no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_too_slow_by_itself_is_given_up_and_holds_up_nobody() {
    for workers in [1, 3] {
        let database = support::database().await;
        let pool = database.pool();
        let shop = forty_waiting(pool).await;
        out_of_time_where(pool, "orders", "EXISTS (SELECT FROM inserted WHERE idempotency_key = '17')").await;
        work(&database, workers).await;
        only_the_17th_failed(pool, &shop, "out of time").await;
        assert_eq!(attempts(pool, &shop, "17").await, 3, "two workers that both ran it charge it once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_that_saw_an_attempt_fail_the_first_charges_it() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.enqueue(pool, "purchase", "seen twice", &shop.purchase(1)).await;
    let job: uuid::Uuid =
        sqlx::query_scalar("SELECT job_id FROM commissary.jobs").fetch_one(pool).await.expect("a job");
    let settings = quick(&database);
    let worker = connect(&settings.database, Role::Worker, 1).await.expect("connects");
    let seen = [Failure { job_id: JobId(job), attempts: 0, error: "in vain".to_owned() }];
    for is_first in [true, false] {
        let mut tx = begin_tenant(&worker, BusinessId(shop.business)).await.expect("begins");
        let now = chrono::Utc::now();
        let charged = charge_attempts(&mut tx, BusinessId(shop.business), &seen, &settings.worker, now).await;
        assert!(matches!((is_first, &charged), (true, Ok(())) | (false, Err(DbError::RowCount { .. }))), "{charged:?}");
        if is_first {
            tx.commit().await.expect("committed");
        }
    }
    assert_eq!(count(pool, "SELECT attempts::bigint FROM commissary.jobs").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_given_up_is_announced_like_any_result() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.enqueue(pool, "purchase", "poison", &shop.purchase(1)).await;
    let poison = "ALTER TABLE commissary.orders ADD CONSTRAINT poison CHECK (idempotency_key <> 'poison')";
    sqlx::raw_sql(poison).execute(pool).await.expect("a purchase that the database refuses");
    let mut listener = sqlx::postgres::PgListener::connect(database.url()).await.expect("connects");
    listener.listen("commissary_results").await.expect("listens");
    let mut worker = worker(&database, &[], &[("COMMISSARY_WORKER__ATTEMPTS_MAX", "1")]);
    let announced = tokio::time::timeout(Duration::from_secs(60), listener.recv()).await;
    worker.kill().and_then(|()| worker.wait()).expect("the worker is stopped");
    announced.expect("a hint").expect("a notification");
    assert_eq!(shop.result(pool, "poison").await.expect("a result").0, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_timeout_of_a_job_alone_charges_nothing_and_the_second_does() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.enqueue(pool, "purchase", "slow", &shop.purchase(1)).await;
    out_of_time_where(pool, "orders", "true").await;
    let engine = engine(&quick(&database)).await;
    let attempts = "SELECT attempts::bigint FROM commissary.jobs";
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::TimedOut { jobs: 1 });
    assert_eq!(count(pool, attempts).await, 0);
    assert_eq!(engine.serve_suspect(BusinessId(shop.business)).await, Served::Charged);
    assert_eq!(count(pool, attempts).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_cannot_end_in_time_is_given_up_and_holds_up_nobody() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000_000, 1_000_000).await;
    out_of_time_where(pool, "overdue_events", "true").await;
    shop.enqueue(pool, "overdue_scan", "scan", &serde_json::json!({})).await;
    shop.enqueue(pool, "purchase", "behind", &shop.purchase(1)).await;
    drain(&engine(&quick(&database)).await, pool, &shop).await;
    let (status, _, outcome) = shop.result(pool, "scan").await.expect("a result");
    assert_eq!(status, "failed");
    assert!(outcome["message"].as_str().is_some_and(|message| message.contains("did not end in time")), "{outcome}");
    assert_eq!(shop.result(pool, "behind").await.expect("a result").0, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_beside_another_schema_charges_nothing() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = four_waiting(pool).await;
    let engine = engine(&quick(&database)).await;
    let version: i32 =
        sqlx::query_scalar("SELECT commissary.schema_version()").fetch_one(pool).await.expect("a version");
    let set = |version: i32| {
        let body = format!("LANGUAGE sql IMMUTABLE RETURN {version}");
        AssertSqlSafe(format!("CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer {body}"))
    };
    // The statement is prepared before the schema changes.
    assert_eq!(engine.serve_at_most(BusinessId(shop.business), 1).await, Served::Batch { jobs: 1, has_more: true });
    sqlx::raw_sql(set(version + 1)).execute(pool).await.expect("migrated");
    let fault = engine.process(BusinessId(shop.business), 500).await.expect_err("it is not for this program");
    assert!(fault.to_string().contains("start the version that migrated it"), "{fault}");
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::BackOff);
    assert_eq!(count(pool, "SELECT max(attempts)::bigint FROM commissary.jobs").await, 0);
    sqlx::raw_sql(set(version)).execute(pool).await.expect("as before");
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::Batch { jobs: 3, has_more: false });
}

/// Where the decision below finds its database, and whether it has already changed it.
static BUSINESS_OF: std::sync::Mutex<Option<(String, uuid::Uuid)>> = std::sync::Mutex::new(None);

/// Gives the business another currency before it decides, once: as if the claim had read what was there before a change.
fn beside_a_new_currency(snapshot: &Snapshot, job: &Job) -> Decision {
    if let Some((url, business)) = BUSINESS_OF.lock().expect("unspoilt").take() {
        let change = format!(
            "SET session_replication_role = replica;
             UPDATE commissary.businesses SET currency = 'JPY' WHERE business_id = '{business}'"
        );
        let changed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await?;
                sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut connection).await
            })
        });
        changed.join().expect("no panic").expect("changed past its trigger, which waits for the turn");
    }
    decide(snapshot, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_of_a_currency_that_was_just_replaced_are_not_stored() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let payment = serde_json::json!({ "customer_id": shop.customer, "amount": "12.50" });
    shop.enqueue(pool, "payment", "cents", &payment).await;
    *BUSINESS_OF.lock().expect("unspoilt") = Some((database.url().to_owned(), shop.business));
    let engine = engine(&quick(&database)).await.deciding_by(beside_a_new_currency);
    let fault = engine.process(BusinessId(shop.business), 500).await.expect_err("it decided in dollars");
    assert!(fault.to_string().contains("currency or time zone was changed"), "{fault}");
    drain(&engine, pool, &shop).await;
    let (status, reason, _) = shop.result(pool, "cents").await.expect("a result");
    assert_eq!((status.as_str(), reason.as_deref()), ("rejected", Some("malformed")), "yen have no cents");
    assert_eq!(shop::facts(pool, shop.business).await[2], 0, "nothing is in the ledger");
}

/// Panics on purchases of 13 pieces.
fn superstitious(snapshot: &Snapshot, job: &Job) -> Decision {
    if let Ok(Request::Purchase(purchase)) = &job.request {
        assert_ne!(purchase.lines[0].quantity, 13, "unlucky");
    }
    decide(snapshot, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_charged_to_its_job_alone() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000_000, 1_000_000).await;
    for quantity in 12..=14 {
        shop.enqueue(pool, "purchase", &quantity.to_string(), &shop.purchase(quantity)).await;
    }
    let engine = engine(&quick(&database)).await.deciding_by(superstitious);
    let batch = engine.process(BusinessId(shop.business), 500).await.expect("the batch commits");
    assert_eq!((batch.claimed, batch.finished, batch.retried), (3, 2, 1), "one transaction, without any rerun");
    drain(&engine, pool, &shop).await;
    let (status, _, outcome) = shop.result(pool, "13").await.expect("the culprit's result");
    assert_eq!(status, "failed");
    assert!(outcome["message"].as_str().is_some_and(|message| message.contains("unlucky")), "{outcome}");
    assert_eq!((attempts(pool, &shop, "13").await, attempts(pool, &shop, "12").await), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_lock_in_vain_burns_no_attempt() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = four_waiting(pool).await;
    let engine = engine(&quick(&database)).await;
    let mut held = pool.begin().await.expect("a transaction begins");
    sqlx::query("SELECT FROM commissary.customers FOR UPDATE").execute(&mut *held).await.expect("held up");
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::BackOff);
    assert_eq!(count(pool, "SELECT max(attempts)::bigint FROM commissary.jobs").await, 0);
    held.rollback().await.expect("free again");
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::Batch { jobs: 4, has_more: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_of_a_business_is_in_flight() {
    let database = support::database().await;
    let pool = database.pool();
    let (shop, other) = (four_waiting(pool).await, four_waiting(pool).await);
    let engine = engine(&quick(&database)).await;
    let mut held = pool.begin().await.expect("a transaction begins");
    let turn = "SELECT FROM commissary.queues WHERE business_id = $1 FOR NO KEY UPDATE";
    sqlx::query(turn).bind(shop.business).execute(&mut *held).await.expect("another worker has the turn");
    assert_eq!(engine.serve(BusinessId(shop.business)).await, Served::Taken);
    assert_eq!(engine.serve(BusinessId(other.business)).await, Served::Batch { jobs: 4, has_more: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_key_has_a_result_is_dropped() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = four_waiting(pool).await;
    let engine = engine(&quick(&database)).await;
    engine.serve(BusinessId(shop.business)).await;
    // Past enqueue, which would have found the result: a job as a restored backup or a mistaken operator might leave it.
    let again = "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload)
        SELECT business_id, kind, idempotency_key, payload FROM commissary.job_results";
    sqlx::query(again).execute(pool).await.expect(again);
    let batch = engine.process(BusinessId(shop.business), 500).await.expect("the batch commits");
    assert_eq!((batch.claimed, batch.finished, batch.dropped), (4, 0, 4));
    assert_eq!(shop::facts(pool, shop.business).await, [4; 5]);
    assert_eq!(count(pool, "SELECT count(*) FROM commissary.jobs").await, 0);
}
