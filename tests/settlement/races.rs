//! The close against purchases in flight, its own interruption, and faults: barriers are locks, seen in pg_stat_activity.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use super::{NOVEMBER, OCTOBER, STATEMENTS, buy, close, drain, engine_at, period_of, support};
use crate::shop::Shop;
use commissary::engine::Engine;
use commissary::ids::BusinessId;

const BLOCKED: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'commissary/%' AND wait_event_type = 'Lock')";

/// Waits until the condition holds; a minute is far more than it takes.
async fn until(pool: &PgPool, sql: &'static str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await.expect(sql) {
        assert!(Instant::now() < deadline, "still not: {sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_interrupted_between_its_steps_goes_on() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    buy(&engine_at(&database.settings(), OCTOBER).await, pool, &shop, "one", 1).await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    let dying = engine_at(&database.settings(), NOVEMBER).await;
    let batch = dying.process(BusinessId(shop.business), 500).await.expect("the first step commits");
    assert_eq!((batch.claimed, batch.finished, batch.has_more), (1, 0, true));
    drop(dying);
    until(pool, "SELECT count(*) = 1 FROM commissary.settlement_periods WHERE state = 'closing'").await;
    assert_eq!(shop.number(pool, STATEMENTS).await, 0);
    // A purchase of the old month comes too late now.
    shop.enqueue(pool, "purchase", "late", &shop.purchase(1)).await;
    let next = engine_at(&database.settings(), NOVEMBER).await;
    drain(&next, pool, &shop).await;
    let (status, _, outcome) = shop.result(pool, "close").await.expect("a result");
    assert_eq!((status.as_str(), &outcome["entries"]), ("completed", &json!(1)));
    assert_eq!(period_of(pool, &shop, "late").await, "2026-11");
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(0));
}

/// Holds up whatever takes the table's lock in this mode, until the transaction ends.
async fn hold(pool: &PgPool, table: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut held = pool.begin().await.expect("a transaction begins");
    let lock = format!("LOCK TABLE commissary.{table} IN SHARE MODE");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *held).await.expect("the table is held");
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_in_flight_is_in_the_period_that_closes_after_it() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let october = engine_at(&database.settings(), OCTOBER).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    shop.enqueue(pool, "purchase", "in flight", &shop.purchase(1)).await;
    let held = hold(pool, "job_results").await;
    let purchase = tokio::spawn(async move { october.process(BusinessId(shop.business), 500).await });
    until(pool, BLOCKED).await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    let batch = november.process(BusinessId(shop.business), 500).await.expect("it is no fault");
    assert!(!batch.had_turn, "the purchase has the turn");
    held.rollback().await.expect("free again");
    purchase.await.expect("no panic").expect("the purchase commits");
    drain(&november, pool, &shop).await;
    let (_, _, outcome) = shop.result(pool, "close").await.expect("a result");
    assert_eq!((&outcome["entries"], period_of(pool, &shop, "in flight").await.as_str()), (&json!(1), "2026-10"));
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_after_a_close_in_flight_is_in_the_next_period() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let october = engine_at(&database.settings(), OCTOBER).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    buy(&october, pool, &shop, "before", 1).await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    let held = hold(pool, "queues").await;
    let closer = november.clone();
    let closing = tokio::spawn(async move { closer.process(BusinessId(shop.business), 500).await });
    until(pool, BLOCKED).await;
    shop.enqueue(pool, "purchase", "after", &shop.purchase(1)).await;
    let batch = october.process(BusinessId(shop.business), 500).await.expect("it is no fault");
    assert!(!batch.had_turn, "the close has the turn");
    held.rollback().await.expect("free again");
    closing.await.expect("no panic").expect("the first step commits");
    drain(&october, pool, &shop).await;
    let (_, _, outcome) = shop.result(pool, "close").await.expect("a result");
    assert_eq!((&outcome["entries"], period_of(pool, &shop, "after").await.as_str()), (&json!(1), "2026-11"));
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(0));
}

/// The period's row alone must do, without the business's turn: whoever stamps an entry holds it shared.
#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_the_period_orders_a_close_and_an_entry_by_itself() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let october = engine_at(&database.settings(), OCTOBER).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    buy(&october, pool, &shop, "before", 1).await;
    let mut held = pool.begin().await.expect("a transaction begins");
    let share = "SELECT FROM commissary.settlement_periods WHERE business_id = $1 FOR SHARE";
    sqlx::query(share).bind(shop.business).execute(&mut *held).await.expect(share);
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    shop.enqueue(pool, "purchase", "meanwhile", &shop.purchase(1)).await;
    while shop.result(pool, "meanwhile").await.is_none() {
        november.serve(BusinessId(shop.business)).await;
    }
    until(pool, BLOCKED).await;
    let paid = "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before,
            balance_after, credit_limit, created_at, period_id, job_id)
        SELECT l.business_id, l.customer_id, l.seq + 1, 'payment', -1, l.balance_after, l.balance_after - 1, l.credit_limit,
            l.created_at, p.period_id, l.job_id
        FROM commissary.credit_ledger l JOIN commissary.settlement_periods p ON p.business_id = $1 AND p.period = '2026-10'
        WHERE l.business_id = $1 ORDER BY l.seq DESC LIMIT 1";
    sqlx::query(paid).bind(shop.business).execute(&mut *held).await.expect(paid);
    held.commit().await.expect("the entry commits");
    drain(&november, pool, &shop).await;
    let (_, _, outcome) = shop.result(pool, "close").await.expect("a result");
    assert_eq!(outcome["entries"], 2, "the entry that was in flight is among them");

    // The other way round: an entry waits for whoever closes the period, and then goes into the next one.
    let mut closing = pool.begin().await.expect("a transaction begins");
    let close = "UPDATE commissary.settlement_periods SET state = 'closing', ends_at = now(), overdue_after_days = 30,
        closing_at = now() WHERE business_id = $1 AND period = '2026-11'";
    sqlx::query(close).bind(shop.business).execute(&mut *closing).await.expect(close);
    shop.enqueue(pool, "purchase", "waits", &shop.purchase(1)).await;
    let purchase = tokio::spawn(async move { november.process(BusinessId(shop.business), 500).await });
    until(pool, BLOCKED).await;
    closing.commit().await.expect("the period closes");
    purchase.await.expect("no panic").expect("the purchase commits");
    assert_eq!(period_of(pool, &shop, "waits").await, "2026-12");
}

/// Starts a close of October whose aggregation, beside the turn, is held up until the transaction ends.
async fn close_held_up(pool: &PgPool, shop: &Shop, november: &Engine) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let held = hold(pool, "settlement_statements").await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    for _ in 0..2 {
        november.serve(BusinessId(shop.business)).await;
    }
    until(pool, BLOCKED).await;
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_commit_while_statements_are_aggregated() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    buy(&engine_at(&database.settings(), OCTOBER).await, pool, &shop, "before", 1).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let another = engine_at(&database.settings(), NOVEMBER).await;
    let held = close_held_up(pool, &shop, &november).await;
    for (engine, key) in [(&november, "same process"), (&another, "another process")] {
        shop.enqueue(pool, "purchase", key, &shop.purchase(1)).await;
        let batch = engine.process(BusinessId(shop.business), 500).await.expect("the purchase commits");
        assert_eq!((batch.claimed, batch.finished), (1, 1), "{key}: the close is skipped, not waited for");
    }
    assert!(sqlx::query_scalar::<_, bool>(BLOCKED).fetch_one(pool).await.expect("asked"), "it is still held up");
    held.rollback().await.expect("free again");
    drain(&another, pool, &shop).await;
    let (status, _, outcome) = shop.result(pool, "close").await.expect("a result");
    assert_eq!((status.as_str(), &outcome["entries"]), ("completed", &json!(1)));
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(0));
}

/// A discard takes the turn: waiting for the aggregation would hold up every purchase, and call what was done discarded.
#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_is_worked_on_is_not_discarded() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    buy(&engine_at(&database.settings(), OCTOBER).await, pool, &shop, "before", 1).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let held = close_held_up(pool, &shop, &november).await;
    let discard = "SELECT commissary.discard($1, 'close')";
    let refused = sqlx::query(discard).bind(shop.business).execute(pool).await.expect_err("it is worked on");
    let refused = refused.as_database_error().expect("the function's own error");
    assert_eq!(refused.code().as_deref(), Some("CM409"), "{refused}");
    assert!(refused.message().contains("being worked on"), "{refused}");
    held.rollback().await.expect("free again");
    drain(&november, pool, &shop).await;
    assert_eq!(shop.result(pool, "close").await.expect("a result").0, "completed");
}

/// The next worker starts an aggregation anew, so a process that is told to stop does not wait a quarter of an hour for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_gives_an_aggregation_up() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    buy(&engine_at(&database.settings(), "2020-02-10T12:00:00Z").await, pool, &shop, "one", 1).await;
    let held = hold(pool, "settlement_statements").await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2020-02"})).await;
    let mut worker = database.command(&["worker"]);
    // What holds it up lasts longer than this test waits.
    let worker = worker.env("RUST_LOG", "off").env("COMMISSARY_DATABASE__LOCK_TIMEOUT_MS", "600000");
    let mut worker = worker.spawn().expect("a worker starts");
    until(pool, BLOCKED).await;
    let told = std::process::Command::new("kill").args(["-TERM", &worker.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
    let deadline = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        if let Some(ended) = worker.try_wait().expect("it can be asked") {
            break ended;
        }
        assert!(Instant::now() < deadline, "it waits for what is held up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(ended.success(), "{ended}");
    held.rollback().await.expect("free again");
    assert_eq!(shop.number(pool, STATEMENTS).await, 0);
    let next = engine_at(&database.settings(), NOVEMBER).await;
    drain(&next, pool, &shop).await;
    assert_eq!(shop.result(pool, "close").await.expect("a result").0, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_that_fails_is_charged_and_given_up_and_another_close_goes_on() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let mut settings = database.settings();
    (settings.worker.attempts_max, settings.worker.backoff_ms, settings.worker.backoff_max_ms) = (2, 1, 1);
    let november = engine_at(&settings, NOVEMBER).await;
    buy(&engine_at(&settings, OCTOBER).await, pool, &shop, "before", 1).await;
    sqlx::raw_sql(
        "CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = '22000'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON commissary.settlement_statements FOR EACH ROW EXECUTE FUNCTION public.poison()",
    )
    .execute(pool)
    .await
    .expect("statements that the database refuses");
    let (status, _, outcome) = close(&november, pool, &shop, "poisoned").await;
    assert!(status == "failed" && outcome["message"].as_str().is_some_and(|m| m.contains("poisoned")), "{outcome}");
    assert_eq!(shop.number(pool, STATEMENTS).await, 0);
    sqlx::raw_sql("DROP TRIGGER poison ON commissary.settlement_statements").execute(pool).await.expect("dropped");
    let (status, _, outcome) = close(&november, pool, &shop, "again").await;
    assert_eq!((status.as_str(), &outcome["statements"]), ("completed", &json!(3)));
}

#[test]
fn a_worker_process_closes_before_it_ends() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let database = runtime.block_on(support::database());
    let shop = runtime.block_on(async {
        let shop = Shop::open(database.pool(), 1_000, 100).await;
        buy(&engine_at(&database.settings(), "2020-02-10T12:00:00Z").await, database.pool(), &shop, "one", 1).await;
        shop.enqueue(database.pool(), "settlement_close", "close", &json!({"period": "2020-02"})).await;
        shop.enqueue(database.pool(), "settlement_close", "twice", &json!({"period": "2020-02"})).await;
        shop
    });
    assert!(database.command(&["worker", "--until-empty"]).env("RUST_LOG", "off").status().expect("it runs").success());
    let closed = runtime.block_on(shop.result(database.pool(), "close")).expect("a result");
    assert_eq!((closed.0.as_str(), &closed.2["entries"]), ("completed", &json!(1)));
    assert_eq!(runtime.block_on(shop.result(database.pool(), "twice")), Some(closed));
    // The pool's connections end with the runtime they were opened on.
    runtime.block_on(database.pool().close());
}
