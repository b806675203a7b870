//! The scan through the real engine, at the clock of a simulation.

use chrono::{DateTime, TimeDelta, Utc};
use commissary::db::{Role, connect};
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::shop::{Shop, facts};
use crate::support;

fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("an instant") + TimeDelta::days(day)
}

async fn engine(database: &support::TestDatabase, now: DateTime<Utc>) -> Engine {
    let mut settings = database.settings();
    settings.now = Some(now);
    Engine::new(connect(&settings.database, Role::Worker, 2).await.expect("the worker connects"), settings)
}

/// Runs one request at an instant; gives its outcome, which must be `completed`.
async fn run(database: &support::TestDatabase, shop: &Shop, now: DateTime<Utc>, kind: &str, payload: Value) -> Value {
    let key = Uuid::new_v4().to_string();
    assert_eq!(shop.enqueue(database.pool(), kind, &key, &payload).await, "queued");
    let engine = engine(database, now).await;
    while !matches!(engine.serve(BusinessId(shop.business)).await, Served::Batch { jobs: 0, .. }) {}
    let (status, _, outcome) = shop.result(database.pool(), &key).await.expect("a result");
    assert_eq!(status, "completed", "{kind}: {outcome}");
    outcome
}

async fn scan(database: &support::TestDatabase, shop: &Shop, now: DateTime<Utc>) -> Value {
    run(database, shop, now, "overdue_scan", json!({})).await
}

fn counted(became_overdue: i64, cleared: i64, overdue_total: &str) -> Value {
    json!({"customers_checked": 1, "became_overdue": became_overdue, "cleared": cleared, "overdue_total": overdue_total})
}

type Event = (i64, String, Decimal, Decimal, [Decimal; 5], Option<DateTime<Utc>>, DateTime<Utc>);

async fn events(pool: &PgPool, shop: &Shop) -> Vec<Event> {
    let sql =
        "SELECT seq, kind, overdue_amount, balance, ARRAY[not_due, days_1_30, days_31_60, days_61_90, days_over_90],
            oldest_unpaid_at, created_at
        FROM commissary.overdue_events WHERE business_id = $1 AND customer_id = $2 ORDER BY seq";
    let rows = sqlx::query_as(sql).bind(shop.business).bind(shop.customer).fetch_all(pool).await.expect("events");
    rows.into_iter()
        .map(|(seq, kind, overdue, balance, aging, oldest, at): (_, _, _, _, Vec<Decimal>, _, _)| {
            (seq, kind, overdue, balance, <[Decimal; 5]>::try_from(aging).expect("five buckets"), oldest, at)
        })
        .collect()
}

fn units(amounts: [i64; 5]) -> [Decimal; 5] {
    amounts.map(Decimal::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_recorded_once_whenever_and_however_often_it_is_looked_for() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 1_000, 100).await;
    assert_eq!(scan(&database, &shop, day(0)).await, counted(0, 0, "0.00"), "nobody bought anything");
    run(&database, &shop, day(0), "purchase", shop.purchase(3)).await;
    run(&database, &shop, day(20), "purchase", shop.purchase(1)).await;

    // Exactly at the limit it is not older than that.
    assert_eq!(scan(&database, &shop, day(30)).await, counted(0, 0, "0.00"));
    let late = day(30) + TimeDelta::microseconds(1);
    assert_eq!(scan(&database, &shop, late).await, counted(1, 0, "30.00"));
    assert_eq!(scan(&database, &shop, late).await, counted(0, 0, "30.00"), "twice changes nothing");
    assert_eq!(scan(&database, &shop, day(100)).await, counted(0, 0, "40.00"), "he was overdue, and is");

    run(&database, &shop, day(101), "payment", json!({"customer_id": shop.customer, "amount": "39.99"})).await;
    assert_eq!(scan(&database, &shop, day(101)).await, counted(0, 0, "0.01"), "a cent is overdue");
    run(&database, &shop, day(102), "payment", json!({"customer_id": shop.customer, "amount": "0.01"})).await;
    assert_eq!(scan(&database, &shop, day(102)).await, counted(0, 1, "0.00"));
    assert_eq!(scan(&database, &shop, day(103)).await, counted(0, 0, "0.00"));

    run(&database, &shop, day(103), "purchase", shop.purchase(2)).await;
    assert_eq!(scan(&database, &shop, day(103 + 30 + 91)).await, counted(1, 0, "20.00"));

    let cleared = (2, "cleared".to_owned(), 0.into(), 0.into(), units([0; 5]), None, day(102));
    let expected = [
        (1, "became_overdue".to_owned(), 30.into(), 40.into(), units([10, 30, 0, 0, 0]), Some(day(0)), late),
        cleared,
        (3, "became_overdue".to_owned(), 20.into(), 20.into(), units([0, 0, 0, 0, 20]), Some(day(103)), day(224)),
    ];
    assert_eq!(events(database.pool(), &shop).await, expected);
    let output = database.commissary(&["audit"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The scan is held up in the middle of its transaction.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_scan_runs_other_businesses_buy_and_its_own_enqueues() {
    let database = support::database().await;
    let pool = database.pool();
    let (scanned, other) = (Shop::open(pool, 100, 10).await, Shop::open(pool, 100, 10).await);
    run(&database, &scanned, day(0), "purchase", scanned.purchase(1)).await;
    let mut blocker = pool.begin().await.expect("a transaction");
    let lock = "LOCK TABLE commissary.overdue_events IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *blocker).await.expect("it is free");
    scanned.enqueue(pool, "overdue_scan", "scan", &json!({})).await;
    let scanning = engine(&database, day(60)).await;
    let business = BusinessId(scanned.business);
    let running = tokio::spawn(async move { scanning.serve(business).await });
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'commissary.overdue_events'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await.expect(waits) {
        assert!(!running.is_finished(), "the scan did not wait: {:?}", running.await);
        tokio::task::yield_now().await;
    }

    run(&database, &other, day(60), "purchase", other.purchase(1)).await;
    assert_eq!(facts(pool, other.business).await, [1, 1, 1, 0, 1]);
    scanned.enqueue(pool, "purchase", "later", &scanned.purchase(1)).await;
    let beside = engine(&database, day(60)).await.serve(business).await;
    assert!(!matches!(beside, Served::Batch { jobs: 1.., .. }), "its own purchases wait for the scan: {beside:?}");

    blocker.rollback().await.expect("the lock is given back");
    running.await.expect("it ends");
    let (status, _, outcome) = scanned.result(pool, "scan").await.expect("a result");
    assert_eq!((status.as_str(), outcome), ("completed", counted(1, 0, "10.00")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_after_the_payment_clears_what_it_frees() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    run(&database, &shop, day(0), "purchase", shop.purchase(1)).await;
    let newer = run(&database, &shop, day(10), "purchase", shop.purchase(2)).await;
    run(&database, &shop, day(45), "payment", json!({"customer_id": shop.customer, "amount": "15.00"})).await;
    // Of 10 + 20 the 10 and 5 of the 20 are paid. 15 are overdue, until the 20 come back whole: 5 are his own then.
    assert_eq!(scan(&database, &shop, day(45)).await, counted(1, 0, "15.00"));
    // Written past the rules that a refund's order and period have; the ledger's own hold.
    let mut transaction = pool.begin().await.expect("a transaction");
    let past_rules = "SET LOCAL session_replication_role = replica";
    sqlx::raw_sql(past_rules).execute(&mut *transaction).await.expect("superuser");
    sqlx::query(
        "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
            credit_limit, order_id, refund_id, created_at, period_id, job_id)
         VALUES ($1, $2, 4, 'refund', -20, 15, -5, 1000, ($3::text)::uuid, gen_random_uuid(), $4, gen_random_uuid(),
            gen_random_uuid())",
    )
    .bind(shop.business)
    .bind(shop.customer)
    .bind(newer["order_id"].as_str())
    .bind(day(46))
    .execute(&mut *transaction)
    .await
    .expect("the chain goes on");
    transaction.commit().await.expect("it commits");
    assert_eq!(scan(&database, &shop, day(46)).await, counted(0, 1, "0.00"));
}
