//! Traps that were measured before a line was written: each avoided, and kept avoided.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::time::Duration;

use commissary::db::{Role, begin_tenant, connect};
use commissary::engine::Engine;
use commissary::ids::BusinessId;
use shop::Shop;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use support::TestDatabase;
use uuid::Uuid;

/// sqlx 0.9.0: a `begin()` that is cancelled can leave the next borrower inside a stale transaction, whose acknowledged
/// writes are then lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_begin_loses_no_later_write() {
    let database = support::database().await;
    sqlx::raw_sql(
        "CREATE TABLE public.acknowledged (n integer PRIMARY KEY); GRANT ALL ON public.acknowledged TO PUBLIC",
    )
    .execute(database.pool())
    .await
    .expect("a table");
    let pool = connect(&database.settings().database, Role::Worker, 1).await.expect("connects");
    for n in 0..300 {
        // Cancelled at another point of its life each time: from before it is sent to after it is answered.
        let begun = tokio::time::timeout(Duration::from_micros(n * 2), pool.begin()).await;
        drop(begun);
        let insert = format!("INSERT INTO public.acknowledged VALUES ({n})");
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&pool).await.expect("acknowledged");
    }
    pool.close().await;
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM public.acknowledged").fetch_one(database.pool()).await.expect("count");
    assert_eq!(kept, 300);
}

/// `RESET ALL` undoes session settings; those of the worker must survive its connection's return to the pool.
#[tokio::test(flavor = "multi_thread")]
async fn a_workers_settings_survive_the_pool() {
    let database = support::database().await;
    let pool = connect(&database.settings().database, Role::Worker, 1).await.expect("connects");
    for _ in 0..3 {
        let mut connection = pool.acquire().await.expect("connects");
        sqlx::raw_sql("SET enable_seqscan = on; SET statement_timeout = 0; SET app.business_id = 'left behind'")
            .execute(&mut *connection)
            .await
            .expect("changed");
        drop(connection);
        let sql = "SELECT current_user::text, current_setting('enable_seqscan'), current_setting('jit'),
            current_setting('statement_timeout'), current_setting('search_path'), coalesce(current_setting('app.business_id', true), '')";
        let row: (String, String, String, String, String, String) =
            sqlx::query_as(sql).fetch_one(&pool).await.expect("settings");
        let expected = ["commissary_worker", "off", "off", "1min", "commissary,pg_temp", ""];
        assert_eq!([row.0.as_str(), &row.1, &row.2, &row.3, &row.4, &row.5], expected);
    }
}

/// Or each one would be a warning in the server's log, and an alarm for whoever watches rollbacks.
#[tokio::test(flavor = "multi_thread")]
async fn giving_a_connection_back_rolls_nothing_back() {
    let database = support::database().await;
    let rollbacks = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let before: i64 = sqlx::query_scalar(rollbacks).fetch_one(database.pool()).await.expect("counted");
    let pool = connect(&database.settings().database, Role::Worker, 1).await.expect("connects");
    for _ in 0..10 {
        sqlx::raw_sql("SELECT").execute(&pool).await.expect("borrowed");
    }
    let session: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await.expect("a session");
    pool.close().await;
    // A session's counts are there for all once it is gone.
    let is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
    while sqlx::query_scalar(is_there).bind(session).fetch_one(database.pool()).await.expect(is_there) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after: i64 = sqlx::query_scalar(rollbacks).fetch_one(database.pool()).await.expect("counted");
    assert_eq!(after, before);
}

/// Or the statement's own limit would end the wait, and the job be blamed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_lock_is_over_before_its_statement_s_time_is() {
    let database = support::database().await;
    let mut settings = database.settings();
    for (statement_timeout_ms, expected) in [(60_000, "10s"), (5_000, "2500ms")] {
        settings.database.statement_timeout_ms = statement_timeout_ms;
        let pool = connect(&settings.database, Role::Worker, 1).await.expect("connects");
        let found: String = sqlx::query_scalar("SHOW lock_timeout").fetch_one(&pool).await.expect("a setting");
        assert_eq!(found, expected);
    }
}

/// A setting-based policy hides the business from the planner: every statement also names it, and reads by its index.
#[tokio::test(flavor = "multi_thread")]
async fn the_claim_reads_its_index_in_order_under_the_policies() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let fill = "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) SELECT $1, 'payment', 'k' || n, '{}' FROM generate_series(1, 5000) n";
    sqlx::query(fill).bind(shop.business).execute(database.pool()).await.expect("jobs");
    sqlx::raw_sql("ANALYZE commissary.jobs").execute(database.pool()).await.expect("analyzed");
    let pool = connect(&database.settings().database, Role::Worker, 1).await.expect("connects");
    let mut tx = begin_tenant(&pool, BusinessId(shop.business)).await.expect("begins");
    let claim = format!(
        "EXPLAIN (ANALYZE, BUFFERS) {}",
        include_str!("../src/queue/sql/claim.sql")
            .replace("$1", &format!("'{}'::uuid", shop.business))
            .replace("$2", "10")
            .replace("$3", "'{}'")
            .replace("$4", "NULL")
    );
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(claim)).fetch_all(&mut *tx).await.expect("a plan");
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using jobs_ready") && !plan.contains("Sort"), "{plan}");
    // Since version 18 actual rows are an average over the loops, with decimals.
    let are_ten = |actual: &str| actual.contains("rows=10 ") || actual.contains("rows=10.00 ");
    let ten_read = plan
        .lines()
        .filter(|line| line.contains("jobs_ready"))
        .any(|line| line.split_once("actual").is_some_and(|(_, actual)| are_ten(actual)));
    assert!(ten_read, "only as many jobs as are claimed are read:\n{plan}");
}

/// FOR NO KEY UPDATE lets foreign-key checks pass: the catalogue can grow while a batch holds the customer.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_customer_does_not_hold_up_foreign_keys() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    let worker = connect(&database.settings().database, Role::Worker, 1).await.expect("connects");
    let mut batch = begin_tenant(&worker, BusinessId(shop.business)).await.expect("begins");
    let lock = "SELECT FROM commissary.customers WHERE business_id = $1 FOR NO KEY UPDATE";
    sqlx::query(lock).bind(shop.business).execute(&mut *batch).await.expect("locked");
    insert_entry(pool, &shop).await.expect("a fact that refers to the customer is not held up");
}

/// A batch that waits for a customer has read the programs before: what was changed meanwhile must hold for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_changes_while_a_batch_waits_holds_for_it() {
    let database = support::database().await;
    let (shop, engine) = subsidised(&database).await;
    shop.enqueue(database.pool(), "purchase", "second", &shop.purchase(1)).await;
    // Longer than what a batch takes for having waited.
    let pause = Duration::from_millis(150);
    serve_during_an_edit(&database, &shop, &engine, HOLD_CUSTOMER, pause).await;
    assert_eq!(shop.number(database.pool(), SUBSIDIES).await, 1 + 2);
}

/// What was changed in one transaction is met as a whole, however short the wait.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_locked_and_unlocked_rows_is_met_as_a_whole() {
    let database = support::database().await;
    let (shop, engine) = subsidised(&database).await;
    for (key, sql) in [
        ("second", "UPDATE commissary.customers SET credit_limit = credit_limit + 1 WHERE business_id = $1"),
        ("third", "UPDATE commissary.products SET name = 'renamed' WHERE business_id = $1"),
    ] {
        shop.enqueue(database.pool(), "purchase", key, &shop.purchase(1)).await;
        serve_during_an_edit(&database, &shop, &engine, sql, Duration::ZERO).await;
    }
    assert_eq!(shop.number(database.pool(), SUBSIDIES).await, 1 + 2 + 3);
}

/// So is one that deletes a row for which the batch waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_deletes_a_locked_row_is_met_as_a_whole() {
    let database = support::database().await;
    let pool = database.pool();
    let (shop, engine) = subsidised(&database).await;
    let add = "INSERT INTO commissary.products (business_id, product_id, name, price, tax_rate, stock)
        VALUES ($1, gen_random_uuid(), 'Other', 10, 7, 0) RETURNING product_id";
    let other: Uuid = sqlx::query_scalar(add).bind(shop.business).fetch_one(pool).await.expect("a product more");
    shop.enqueue(pool, "purchase", "of what stays", &shop.purchase(1)).await;
    shop.enqueue(pool, "purchase", "of what goes", &Shop { product: other, ..shop }.purchase(1)).await;
    let delete = "DELETE FROM commissary.products WHERE business_id = $1 AND name = 'Other'";
    serve_during_an_edit(&database, &shop, &engine, delete, Duration::ZERO).await;
    assert_eq!(shop.number(pool, SUBSIDIES).await, 1 + 2);
    assert_eq!(shop.result(pool, "of what goes").await.expect("a result").0, "rejected");
}

/// The lock order holds for a month's first batch as well, which has to open the period before it can lock the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_a_customer_holds_no_product() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    let engine = engine(&database).await;
    shop.enqueue(pool, "purchase", "first", &shop.purchase(1)).await;
    let mut editing = edit(pool, &shop, HOLD_CUSTOMER).await;
    let serving = tokio::spawn(async move { engine.serve(BusinessId(shop.business)).await });
    until_one_waits(pool).await;
    let product = "SELECT FROM commissary.products WHERE business_id = $1 FOR UPDATE NOWAIT";
    sqlx::query(product).bind(shop.business).execute(&mut *editing).await.expect("nobody holds it");
    editing.commit().await.expect("committed");
    serving.await.expect("served");
    assert!(shop.result(pool, "first").await.is_some());
}

async fn engine(database: &TestDatabase) -> Engine {
    let worker = connect(&database.settings().database, Role::Worker, 2).await.expect("connects");
    Engine::new(worker, database.settings())
}

/// As an import does.
const HOLD_CUSTOMER: &str = "SELECT FROM commissary.customers WHERE business_id = $1 FOR UPDATE";
const SUBSIDIES: &str = "SELECT sum(subsidy)::bigint FROM commissary.orders WHERE business_id = $1";

/// A shop of which a first purchase was served, with a subsidy of 1: the period and the budget are open, so that a batch that
/// waits for a lock has read everything.
async fn subsidised(database: &TestDatabase) -> (Shop, Engine) {
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.subsidise(pool, 50).await;
    let engine = engine(database).await;
    shop.enqueue(pool, "purchase", "first", &shop.purchase(1)).await;
    engine.serve(BusinessId(shop.business)).await;
    (shop, engine)
}

/// Serves the shop while a transaction that has run `first` makes the program give 1 more, and commits once a batch waits for it.
async fn serve_during_an_edit(
    database: &TestDatabase,
    shop: &Shop,
    engine: &Engine,
    first: &'static str,
    pause: Duration,
) {
    let pool = database.pool();
    let mut editing = edit(pool, shop, first).await;
    let serving = {
        let (engine, business) = (engine.clone(), BusinessId(shop.business));
        tokio::spawn(async move { engine.serve(business).await })
    };
    until_one_waits(pool).await;
    let more = "UPDATE commissary.subsidy_programs SET value = value + 10 WHERE business_id = $1";
    sqlx::query(more).bind(shop.business).execute(&mut *editing).await.expect("the program is changed");
    tokio::time::sleep(pause).await;
    editing.commit().await.expect("committed");
    serving.await.expect("served");
}

/// Begins a transaction with a statement on the shop's rows.
async fn edit(pool: &PgPool, shop: &Shop, first: &'static str) -> Transaction<'static, Postgres> {
    let mut editing = pool.begin().await.expect("begins");
    sqlx::query(first).bind(shop.business).execute(&mut *editing).await.expect(first);
    editing
}

async fn until_one_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..1_000 {
        if sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await.expect("activity") > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits for a lock");
}

async fn insert_entry(pool: &PgPool, shop: &Shop) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL lock_timeout = '2s'").execute(&mut *tx).await?;
    let period = Uuid::new_v4();
    sqlx::query(
        "INSERT INTO commissary.settlement_periods (business_id, period_id, period) VALUES ($1, $2, '2026-01')",
    )
    .bind(shop.business)
    .bind(period)
    .execute(&mut *tx)
    .await?;
    let entry = "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after, credit_limit, created_at, period_id, job_id)
        VALUES ($1, $2, 1, 'payment', -1, 0, -1, 100, now(), $3, gen_random_uuid())";
    sqlx::query(entry).bind(shop.business).bind(shop.customer).bind(period).execute(&mut *tx).await?;
    tx.commit().await
}
