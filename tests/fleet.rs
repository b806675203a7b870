//! The fleet on one database: real worker processes, many callers, and limits that must be met exactly.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shop::Shop;
use sqlx::PgPool;
use tokio::sync::Barrier;

/// The session that is told of every arrival, or 0; a worker's life is an advisory lock too.
const HOLDER: &str = "SELECT coalesce(max(pid), 0)::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = commissary.arrivals_lock()";
/// Enqueuers, and purchases of each at each shop.
const CALLERS: usize = 32;
const PURCHASES: usize = 2;

fn worker(database: &support::TestDatabase, settings: &[(&str, &str)]) -> Child {
    let mut worker = database.command(&["worker"]);
    worker.env("RUST_LOG", "error").envs(settings.iter().copied()).spawn().expect("a worker starts")
}

fn workers(database: &support::TestDatabase, count: usize) -> Vec<Child> {
    (0..count).map(|_| worker(database, &[])).collect()
}

fn stop(workers: Vec<Child>) {
    for mut worker in workers {
        worker.kill().and_then(|()| worker.wait()).expect("a worker is stopped");
    }
}

/// Waits until the query gives this number; a minute is far more than it takes.
async fn until(pool: &PgPool, sql: &'static str, expected: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(pool).await.expect(sql);
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{sql} gives {found}, not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// 40 pieces, credit for exactly 20 subsidised and 20 unsubsidised purchases, a budget for exactly 20 subsidies.
async fn nearly_exhausted(pool: &PgPool) -> Shop {
    let shop = Shop::open(pool, 20 * 9 + 20 * 10, 40).await;
    shop.subsidise(pool, 20).await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_callers_and_workers_end_exactly_at_the_limits() {
    let database = support::database().await;
    let pool = database.pool();
    let shops = [nearly_exhausted(pool).await, nearly_exhausted(pool).await, nearly_exhausted(pool).await];
    let fleet = workers(&database, 4);
    let barrier = Arc::new(Barrier::new(CALLERS));
    let callers = (0..CALLERS).map(|caller| {
        let (pool, barrier) = (pool.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            for purchase in 0..PURCHASES {
                for shop in shops {
                    shop.enqueue(&pool, "purchase", &format!("{caller}-{purchase}"), &shop.purchase(1)).await;
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("a caller ends well");
    }
    let all = i64::try_from(CALLERS * PURCHASES * shops.len()).expect("small");
    until(pool, "SELECT count(*) FROM commissary.job_results", all).await;
    stop(fleet);

    for shop in shops {
        let counted = |sql| shop.number(pool, sql);
        assert_eq!(counted("SELECT stock FROM commissary.products WHERE business_id = $1").await, 0);
        assert_eq!(
            counted("SELECT budget_used::bigint FROM commissary.subsidy_budgets WHERE business_id = $1").await,
            20
        );
        let balance = "SELECT balance_after::bigint FROM commissary.credit_ledger WHERE business_id = $1 ORDER BY seq DESC LIMIT 1";
        assert_eq!(counted(balance).await, 380);
        let completed = "SELECT count(*) FROM commissary.job_results WHERE business_id = $1 AND status = 'completed'";
        assert_eq!(counted(completed).await, 40);
        let short =
            "SELECT count(*) FROM commissary.job_results WHERE business_id = $1 AND reason = 'insufficient_stock'";
        assert_eq!(counted(short).await, 24);
        assert_eq!(shop::facts(pool, shop.business).await, [40, 40, 40, 20, 64]);
        assert_eq!(counted("SELECT max(decision_seq) FROM commissary.job_results WHERE business_id = $1").await, 64);
        assert_eq!(counted("SELECT decision_seq FROM commissary.queues WHERE business_id = $1").await, 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_raced_by_many_callers_take_effect_once() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000_000, 1_000_000).await;
    let fleet = workers(&database, 2);
    let barrier = Arc::new(Barrier::new(8));
    let callers = (0..8).map(|caller: u64| {
        let (pool, barrier) = (pool.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            for key in 0..100 {
                let state = shop
                    .enqueue(&pool, "purchase", &format!("key-{}", (key * 7 + caller) % 100), &shop.purchase(1))
                    .await;
                assert!(["queued", "pending", "completed"].contains(&state.as_str()), "{state}");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("a caller ends well");
    }
    until(pool, "SELECT count(*) FROM commissary.jobs", 0).await;
    stop(fleet);
    assert_eq!(shop::facts(pool, shop.business).await, [100, 100, 100, 0, 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn until_empty_leaves_paused_and_future_jobs_alone() {
    let database = support::database().await;
    let pool = database.pool();
    let (paused, future) = (Shop::open(pool, 100, 100).await, Shop::open(pool, 100, 100).await);
    sqlx::query("UPDATE commissary.queues SET is_paused = true WHERE business_id = $1")
        .bind(paused.business)
        .execute(pool)
        .await
        .expect("paused");
    paused.enqueue(pool, "purchase", "k", &paused.purchase(1)).await;
    let later = "SELECT state FROM commissary.enqueue($1, 'purchase', 'later', $2, now() + interval '1 hour')";
    let state: String =
        sqlx::query_scalar(later).bind(future.business).bind(future.purchase(1)).fetch_one(pool).await.expect(later);
    assert_eq!(state, "queued");
    let ended = database.commissary(&["worker", "--until-empty"]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM commissary.jobs").fetch_one(pool).await.expect("jobs");
    assert_eq!(waiting, 2);

    // Its time has come, and the pause is over.
    sqlx::query("UPDATE commissary.jobs SET run_at = now() WHERE state = 'scheduled'")
        .execute(pool)
        .await
        .expect("due");
    sqlx::query("UPDATE commissary.queues SET is_paused = false").execute(pool).await.expect("resumed");
    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    assert_eq!(future.result(pool, "later").await.expect("a result").0, "completed");
    assert_eq!(paused.result(pool, "k").await.expect("a result").0, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_alone_bring_every_job_at_once() {
    const LISTENS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND query = 'LISTEN \"commissary_arrivals\"'";
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    // Only hints can be in time: the next look would be in a minute.
    let rare = [("COMMISSARY_WORKER__POLL_MIN_MS", "60000"), ("COMMISSARY_WORKER__POLL_MAX_MS", "60000")];
    let worker = worker(&database, &rare);
    let begun = Instant::now();
    until(pool, LISTENS, 1).await;
    // The first wakes the idle worker, the others find the business lively.
    for (key, results) in [("1", 1), ("2", 2), ("3", 3)] {
        shop.enqueue(pool, "purchase", key, &shop.purchase(1)).await;
        until(pool, "SELECT count(*) FROM commissary.job_results", results).await;
    }

    // A lost connection loses what was asked for: it is asked for again.
    let killed = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%') t";
    assert_eq!(sqlx::query_scalar::<_, i64>(killed).fetch_one(pool).await.expect("killed"), 1);
    until(pool, LISTENS, 1).await;
    shop.enqueue(pool, "purchase", "4", &shop.purchase(1)).await;
    until(pool, "SELECT count(*) FROM commissary.job_results", 4).await;
    assert!(begun.elapsed() < Duration::from_secs(50));
    stop(vec![worker]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_loses_its_hints_to_another() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    let mut stopped = workers(&database, 1);
    let holder = || async { sqlx::query_scalar::<_, i64>(HOLDER).fetch_one(pool).await.expect(HOLDER) };
    while holder().await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let process = stopped[0].id().to_string();
    let send = |signal: &str| Command::new("kill").args([signal, &process]).status().expect("kill runs").success();
    assert!(send("-STOP"));
    let before = holder().await;
    stopped.extend(workers(&database, 1));
    // The server forgets it after 15 s without a sign of life.
    let deadline = Instant::now() + Duration::from_secs(60);
    while [0, before].contains(&holder().await) {
        assert!(Instant::now() < deadline, "the stopped worker still has the hints");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shop.enqueue(pool, "purchase", "k", &shop.purchase(1)).await;
    until(pool, "SELECT count(*) FROM commissary.job_results", 1).await;
    assert!(send("-CONT"));
    stop(stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_does_not_wait_for_deep_queues() {
    const OTHERS: &str = "SELECT count(*) FROM commissary.job_results WHERE business_id <> $1";
    let database = support::database().await;
    let pool = database.pool();
    let newcomer = Shop::open(pool, 100, 100).await;
    let deep = [Shop::open(pool, 100, 100).await, Shop::open(pool, 100, 100).await];
    let one_hand = [("COMMISSARY_WORKER__CONCURRENCY", "1"), ("COMMISSARY_WORKER__BATCH_SIZE_MAX", "10")];
    let worker = worker(&database, &one_hand);
    // Whoever had work of late wakes nobody.
    newcomer.enqueue(pool, "purchase", "before", &newcomer.purchase(1)).await;
    until(pool, "SELECT count(*) FROM commissary.job_results", 1).await;
    for shop in &deep {
        // Most are refused, which is as good here.
        sqlx::query(
            "SELECT count(*) FROM commissary.enqueue_many($1, (SELECT jsonb_agg(jsonb_build_object(
                'kind', 'purchase', 'idempotency_key', n::text, 'payload', $2::jsonb)) FROM generate_series(1, 3000) n))",
        )
        .bind(shop.business)
        .bind(shop.purchase(1))
        .execute(pool)
        .await
        .expect("enqueued");
    }
    until(pool, "SELECT count(*) FROM commissary.job_results WHERE idempotency_key = '1'", 2).await;
    // Its one hand is full and businesses wait for it, so that it wants no hints: a look has to find the newcomer.
    until(pool, HOLDER, 0).await;
    newcomer.enqueue(pool, "purchase", "k", &newcomer.purchase(1)).await;
    let at_once = newcomer.number(pool, OTHERS).await;
    until(pool, "SELECT count(*) FROM commissary.job_results WHERE idempotency_key = 'k'", 1).await;
    let first = "SELECT count(*) FROM commissary.job_results o JOIN commissary.job_results n ON n.business_id = $1
        WHERE o.business_id <> $1 AND n.idempotency_key = 'k' AND o.finished_at < n.finished_at";
    let between = newcomer.number(pool, first).await - at_once;
    stop(vec![worker]);
    assert!(between < 500, "{between} jobs of deep queues came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_with_anothers_ids_finds_nothing() {
    let database = support::database().await;
    let pool = database.pool();
    let (shop, other) = (Shop::open(pool, 100, 100).await, Shop::open(pool, 100, 100).await);
    let lines = |product| json!([{"product_id": product, "quantity": 1}]);
    for (key, payload) in [
        ("customer", json!({"customer_id": other.customer, "outlet_id": shop.outlet, "lines": lines(shop.product)})),
        ("outlet", json!({"customer_id": shop.customer, "outlet_id": other.outlet, "lines": lines(shop.product)})),
        ("product", json!({"customer_id": shop.customer, "outlet_id": shop.outlet, "lines": lines(other.product)})),
    ] {
        shop.enqueue(pool, "purchase", key, &payload).await;
    }
    shop.enqueue(pool, "payment", "payment", &json!({"customer_id": other.customer, "amount": 1})).await;
    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    for (key, reason) in [
        ("customer", "unknown_customer"),
        ("outlet", "unknown_outlet"),
        ("product", "unknown_product"),
        ("payment", "unknown_customer"),
    ] {
        assert_eq!(shop.result(pool, key).await.expect("a result").1.as_deref(), Some(reason), "{key}");
    }
    assert_eq!(shop::facts(pool, other.business).await, [0; 5]);
}
