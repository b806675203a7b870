//! The settlement close: what its statements say, that they are final, and that no purchase is lost between two periods
//! or waits for an aggregation.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::time::{Duration, Instant};

use commissary::config::Settings;
use commissary::db::{Role, connect};
use commissary::engine::Engine;
use commissary::ids::BusinessId;
use serde_json::{Value, json};
use shop::Shop;
use sqlx::{AssertSqlSafe, PgPool};
use support::TestDatabase;
use uuid::Uuid;

const OCTOBER: &str = "2026-10-20T12:00:00Z";
const NOVEMBER: &str = "2026-11-01T00:00:00Z";
const BLOCKED: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'commissary/%' AND wait_event_type = 'Lock')";

/// An engine whose clock is fixed.
async fn engine_at(settings: &Settings, now: &str) -> Engine {
    let mut settings = settings.clone();
    settings.now = Some(now.parse().expect("an instant"));
    Engine::new(connect(&settings.database, Role::Worker, 4).await.expect("the worker connects"), settings)
}

/// Waits until the condition holds; a minute is far more than it takes.
async fn until(pool: &PgPool, sql: &'static str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await.expect(sql) {
        assert!(Instant::now() < deadline, "still not: {sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Serves the business until its queue is empty; what goes on beside its turns is waited for.
async fn drain(engine: &Engine, pool: &PgPool, shop: &Shop) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while shop.number(pool, "SELECT count(*) FROM commissary.jobs WHERE business_id = $1").await > 0 {
        assert!(Instant::now() < deadline, "the queue does not drain");
        engine.serve(BusinessId(shop.business)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn buy(engine: &Engine, pool: &PgPool, shop: &Shop, key: &str, pieces: u32) {
    shop.enqueue(pool, "purchase", key, &shop.purchase(pieces)).await;
    drain(engine, pool, shop).await;
    assert_eq!(shop.result(pool, key).await.expect("a result").0, "completed");
}

/// Closes October and gives the result.
async fn close(engine: &Engine, pool: &PgPool, shop: &Shop, key: &str) -> (String, Option<String>, Value) {
    shop.enqueue(pool, "settlement_close", key, &json!({"period": "2026-10"})).await;
    drain(engine, pool, shop).await;
    shop.result(pool, key).await.expect("a result")
}

async fn statement(pool: &PgPool, shop: &Shop, kind: &str, party: Uuid) -> (i64, String, Value) {
    let sql = "SELECT entries, total::numeric(18,2)::text, lines FROM commissary.settlement_statements
        WHERE business_id = $1 AND kind = $2 AND party_id = $3";
    sqlx::query_as(sql).bind(shop.business).bind(kind).bind(party).fetch_one(pool).await.expect(kind)
}

async fn run(pool: &PgPool, shop: &Shop, sql: &'static str) {
    sqlx::query(sql).bind(shop.business).execute(pool).await.expect(sql);
}

/// The month of the entry, order or subsidy that a request made.
async fn period_of(pool: &PgPool, shop: &Shop, key: &str) -> String {
    let sql = "SELECT p.period FROM commissary.job_results r
        JOIN commissary.credit_ledger l USING (business_id, job_id) JOIN commissary.settlement_periods p USING (business_id, period_id)
        WHERE business_id = $1 AND r.idempotency_key = $2";
    sqlx::query_scalar(sql).bind(shop.business).bind(key).fetch_one(pool).await.expect(sql)
}

/// Rows by which the stored and the recomputed statements differ.
const DIFFERENCES: &str = "SELECT count(*) FROM (
        SELECT s.kind, s.party_id, s.entries, s.total, s.lines, s.hash FROM commissary.settlement_statements s
        WHERE s.business_id = $1) s
    FULL JOIN (SELECT c.* FROM commissary.settlement_periods p
        CROSS JOIN LATERAL commissary.settlement_computed($1, p.period_id) c
        WHERE p.business_id = $1 AND p.state = 'settled') c USING (kind, party_id)
    WHERE (s.entries, s.total, s.lines, s.hash) IS DISTINCT FROM (c.entries, c.total, c.lines, c.hash)";
const STATEMENTS: &str = "SELECT count(*) FROM commissary.settlement_statements WHERE business_id = $1";

/// Gives back four of the ten pieces of the only order with a subsidy: 40.00, of which 2.00 were the employer's.
const REFUND: &str = "
    WITH o AS (SELECT * FROM commissary.orders WHERE business_id = $1 AND subsidy > 0),
    r AS (INSERT INTO commissary.refunds SELECT business_id, '00000000-0000-0000-0000-000000000071', order_id, customer_id,
        40, 2, 38, true, placed_at, period_id, job_id FROM o),
    i AS (INSERT INTO commissary.refund_items SELECT business_id, '00000000-0000-0000-0000-000000000071', 1, order_id, 4, 40 FROM o),
    s AS (INSERT INTO commissary.subsidy_ledger (business_id, entry_id, order_id, customer_id, program_id, budget_period,
            period_start, applied_amount, program_snapshot, evaluation, created_at, refund_id, period_id, job_id)
        SELECT business_id, gen_random_uuid(), order_id, customer_id, program_id, budget_period, period_start, -2,
            program_snapshot, '[]', created_at, '00000000-0000-0000-0000-000000000071', period_id, job_id
        FROM commissary.subsidy_ledger WHERE business_id = $1)
    INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
            credit_limit, order_id, refund_id, created_at, period_id, job_id)
        SELECT l.business_id, l.customer_id, l.seq + 1, 'refund', -38, l.balance_after, l.balance_after - 38, l.credit_limit,
            o.order_id, '00000000-0000-0000-0000-000000000071', l.created_at, l.period_id, l.job_id
        FROM commissary.credit_ledger l JOIN o USING (customer_id) WHERE l.business_id = $1 ORDER BY l.seq DESC LIMIT 1";

/// A customer of no organization, who buys 3 pieces without naming an outlet.
async fn buy_alone(engine: &Engine, pool: &PgPool, shop: &Shop) -> Uuid {
    let alone = Uuid::new_v4();
    let sql =
        "INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit) VALUES ($1, $2, 'Alone', 50)";
    sqlx::query(sql).bind(shop.business).bind(alone).execute(pool).await.expect(sql);
    let purchase = json!({"customer_id": alone, "lines": [{"product_id": shop.product, "quantity": 3}]});
    shop.enqueue(pool, "purchase", "alone", &purchase).await;
    drain(engine, pool, shop).await;
    alone
}

/// A month of a subsidised purchase, a payment, a refund and a purchase without an outlet.
async fn busy_october(database: &TestDatabase, shop: &Shop) -> (Uuid, Uuid) {
    let (pool, october) = (database.pool(), engine_at(&database.settings(), OCTOBER).await);
    let program = shop.subsidise(pool, 1_000).await;
    buy(&october, pool, shop, "ten", 10).await;
    shop.enqueue(pool, "payment", "paid", &json!({"customer_id": shop.customer, "amount": "20"})).await;
    drain(&october, pool, shop).await;
    run(pool, shop, REFUND).await;
    (program, buy_alone(&october, pool, shop).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_say_who_owes_what_and_close_to_the_cent() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let (program, alone) = busy_october(&database, &shop).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let (status, _, outcome) = close(&november, pool, &shop, "close").await;
    assert_eq!((status.as_str(), &outcome["statements"], &outcome["entries"]), ("completed", &json!(6), &json!(4)));

    let (entries, total, lines) = statement(pool, &shop, "organization", shop.organization).await;
    let terms = &lines[0]["terms"];
    assert_eq!((entries, total.as_str(), lines.as_array().map(Vec::len)), (2, "3.00", Some(1)));
    assert_eq!((&terms["name"], &terms["value"], &terms["cap"]), (&json!("Tenth"), &json!("10"), &json!("5.00")));
    assert!(terms.get("budget_used_before").is_none(), "the budget's use is no term: {terms}");
    assert_eq!((&lines[0]["program_id"], &lines[0]["total"]), (&json!(program), &json!("3.00")));
    assert_eq!((&lines[0]["applied"], &lines[0]["returned"]), (&json!("5.00"), &json!("-2.00")));

    let sales = |orders, gross, refunds, refunded, payable, subsidy, customer| {
        json!([{"orders": orders, "gross_sales": gross, "refunds": refunds, "refunded": refunded, "payable": payable,
            "subsidy_share": subsidy, "customer_share": customer}])
    };
    let expected = sales(1, "100.00", 1, "-40.00", "60.00", "3.00", "57.00");
    assert_eq!(statement(pool, &shop, "outlet", shop.outlet).await, (2, "60.00".to_owned(), expected));
    let expected = sales(1, "30.00", 0, "0.00", "30.00", "0.00", "30.00");
    assert_eq!(statement(pool, &shop, "outlet", Uuid::nil()).await, (1, "30.00".to_owned(), expected));

    let account = |charges, payments, refunds, closing| {
        json!([{"opening_balance": "0.00", "charges": charges, "payments": payments, "refunds": refunds,
            "closing_balance": closing, "not_due": closing, "days_1_30": "0.00", "days_31_60": "0.00",
            "days_61_90": "0.00", "days_over_90": "0.00"}])
    };
    let expected = account("95.00", "-20.00", "-38.00", "37.00");
    assert_eq!(statement(pool, &shop, "customer", shop.customer).await, (3, "37.00".to_owned(), expected));
    let expected = account("30.00", "0.00", "0.00", "30.00");
    assert_eq!(statement(pool, &shop, "customer", alone).await, (1, "30.00".to_owned(), expected));

    // 90.00 × 7 / 107 = 5.8878…; line by line it would be 6.54 + 1.96 − 2.62 = 5.88.
    let expected = json!([{"tax_rate": "7", "entries": 3, "gross": "90.00", "taxable": "84.11", "tax": "5.89"}]);
    assert_eq!(statement(pool, &shop, "tax", Uuid::nil()).await, (3, "5.89".to_owned(), expected));
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(1), "a planted refund has no job of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_again_and_recomputing_give_the_same_whatever_was_edited_since() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    busy_october(&database, &shop).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let first = close(&november, pool, &shop, "close").await;
    run(pool, &shop, "UPDATE commissary.businesses SET overdue_after_days = 1 WHERE business_id = $1").await;
    run(pool, &shop, "UPDATE commissary.products SET price = 99, tax_rate = 19 WHERE business_id = $1").await;
    run(pool, &shop, "DELETE FROM commissary.subsidy_programs WHERE business_id = $1").await;
    run(pool, &shop, "UPDATE commissary.customers SET name = 'Another' WHERE business_id = $1").await;
    buy(&november, pool, &shop, "later", 1).await;
    let later = engine_at(&database.settings(), "2027-05-01T00:00:00Z").await;
    assert_eq!(close(&later, pool, &shop, "again").await, first);
    assert_eq!(shop.number(pool, STATEMENTS).await, 6);
    assert_eq!(shop.number(pool, DIFFERENCES).await, 0);
    // What changes the facts changes the hash: the comparison above can fail.
    let mut spoiled = pool.begin().await.expect("a transaction begins");
    let spoil = "SET LOCAL session_replication_role = replica; UPDATE commissary.order_items SET tax_rate = 8";
    sqlx::raw_sql(spoil).execute(&mut *spoiled).await.expect(spoil);
    let differences: i64 =
        sqlx::query_scalar(DIFFERENCES).bind(shop.business).fetch_one(&mut *spoiled).await.expect("compared");
    assert_eq!(differences, 1, "the tax report");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_closed_once_it_has_ended_where_the_business_is() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    run(pool, &shop, "UPDATE commissary.businesses SET time_zone = 'America/New_York' WHERE business_id = $1").await;
    let early = engine_at(&database.settings(), "2026-11-01T03:59:59Z").await;
    buy(&early, pool, &shop, "last", 1).await;
    let (status, reason, outcome) = close(&early, pool, &shop, "early").await;
    assert_eq!(
        (status.as_str(), reason.as_deref(), &outcome["field"]),
        ("rejected", Some("malformed"), &json!("period"))
    );
    assert_eq!(outcome["message"], "period 2026-10 ends at 2026-11-01T04:00:00+00:00; close it then, not before");
    let (status, _, outcome) =
        close(&engine_at(&database.settings(), "2026-11-01T04:00:00Z").await, pool, &shop, "due").await;
    assert_eq!((status.as_str(), &outcome["entries"]), ("completed", &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_entries_go_into_the_next_period_also_of_an_empty_month() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let (status, _, outcome) = close(&november, pool, &shop, "close").await;
    assert_eq!((status.as_str(), &outcome["statements"], &outcome["entries"]), ("completed", &json!(0), &json!(0)));
    assert_eq!(shop.number(pool, DIFFERENCES).await, 0);
    let late = engine_at(&database.settings(), OCTOBER).await;
    buy(&late, pool, &shop, "late", 1).await;
    shop.enqueue(pool, "payment", "late payment", &json!({"customer_id": shop.customer, "amount": "1"})).await;
    drain(&late, pool, &shop).await;
    assert_eq!(period_of(pool, &shop, "late").await, "2026-11");
    assert_eq!(period_of(pool, &shop, "late payment").await, "2026-11");
    let september = engine_at(&database.settings(), "2026-09-20T12:00:00Z").await;
    buy(&september, pool, &shop, "earlier", 1).await;
    assert_eq!(period_of(pool, &shop, "earlier").await, "2026-09", "an open month is not skipped for a later one");
    assert_eq!(shop.number(pool, "SELECT count(*) FROM commissary.orders o JOIN commissary.settlement_periods p USING (business_id, period_id) WHERE business_id = $1 AND p.state <> 'open'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_carry_on_and_age_from_month_to_month() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 10_000, 1_000).await;
    // Ages at the end of October, 30 days after which a charge is due: 123, 92, 61 and 31 days, then one not due.
    let bought = [("2026-06-30", 1), ("2026-07-31", 2), ("2026-08-31", 4), ("2026-09-30", 8), ("2026-10-20", 16)];
    for (day, pieces) in bought {
        let engine = engine_at(&database.settings(), &format!("{day}T12:00:00Z")).await;
        buy(&engine, pool, &shop, day, pieces).await;
    }
    let october = engine_at(&database.settings(), "2026-10-21T12:00:00Z").await;
    shop.enqueue(pool, "payment", "paid", &json!({"customer_id": shop.customer, "amount": "5"})).await;
    drain(&october, pool, &shop).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    buy(&november, pool, &shop, "later", 32).await;
    close(&november, pool, &shop, "close").await;
    let expected = json!([{"opening_balance": "150.00", "charges": "160.00", "payments": "-5.00", "refunds": "0.00",
        "closing_balance": "305.00", "not_due": "160.00", "days_1_30": "80.00", "days_31_60": "40.00",
        "days_61_90": "20.00", "days_over_90": "5.00"}]);
    assert_eq!(statement(pool, &shop, "customer", shop.customer).await, (2, "155.00".to_owned(), expected));
    assert_eq!(database.commissary(&["audit"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_is_final() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let october = engine_at(&database.settings(), OCTOBER).await;
    buy(&october, pool, &shop, "one", 1).await;
    let refused = async |sql: &'static str| {
        let error = sqlx::raw_sql(sql).execute(pool).await.expect_err(sql);
        let state = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        assert_eq!(state.as_deref(), Some("23001"), "{sql}: {error}");
    };
    refused("UPDATE commissary.settlement_periods SET state = 'settled', ends_at = now(), overdue_after_days = 1, closing_at = now(), settled_at = now(), statements = 0, entries = 0, hash = ''").await;
    refused("UPDATE commissary.settlement_periods SET state = 'closing'").await;
    close(&engine_at(&database.settings(), NOVEMBER).await, pool, &shop, "close").await;
    for sql in [
        "UPDATE commissary.settlement_periods SET state = 'open'",
        "UPDATE commissary.settlement_periods SET hash = repeat('0', 64)",
        "UPDATE commissary.settlement_periods SET period = '2026-11'",
        "DELETE FROM commissary.settlement_periods",
        "UPDATE commissary.settlement_statements SET total = 0",
        "DELETE FROM commissary.settlement_statements",
        "TRUNCATE commissary.settlement_statements",
        "INSERT INTO commissary.settlement_statements (business_id, period_id, kind, party_id, entries, total, hash, lines, job_id)
         SELECT business_id, period_id, 'outlet', gen_random_uuid(), 1, 0, hash, '[]', job_id
         FROM commissary.settlement_statements LIMIT 1",
        "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
            credit_limit, created_at, period_id, job_id)
         SELECT business_id, customer_id, seq + 1, 'payment', -1, balance_after, balance_after - 1, credit_limit, created_at,
            period_id, job_id FROM commissary.credit_ledger",
    ] {
        refused(sql).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn purchases_commit_while_statements_are_aggregated() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    buy(&engine_at(&database.settings(), OCTOBER).await, pool, &shop, "before", 1).await;
    let held = hold(pool, "settlement_statements").await;
    shop.enqueue(pool, "settlement_close", "close", &json!({"period": "2026-10"})).await;
    let november = engine_at(&database.settings(), NOVEMBER).await;
    let another = engine_at(&database.settings(), NOVEMBER).await;
    for _ in 0..2 {
        november.serve(BusinessId(shop.business)).await;
    }
    until(pool, BLOCKED).await;
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
