//! The settlement close: what its statements say, that they are final, and how months follow each other.

mod races;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use commissary::config::Settings;
use commissary::db::{Role, connect};
use commissary::engine::Engine;
use commissary::ids::BusinessId;
use serde_json::{Value, json};
use shop::Shop;
use sqlx::PgPool;
use support::TestDatabase;
use uuid::Uuid;

const OCTOBER: &str = "2026-10-20T12:00:00Z";
const NOVEMBER: &str = "2026-11-01T00:00:00Z";

/// An engine whose clock is fixed.
async fn engine_at(settings: &Settings, now: &str) -> Engine {
    let mut settings = settings.clone();
    settings.now = Some(now.parse().expect("an instant"));
    Engine::new(connect(&settings.database, Role::Worker, 4).await.expect("the worker connects"), settings)
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
    i AS (INSERT INTO commissary.refund_items SELECT business_id, '00000000-0000-0000-0000-000000000071', 1, order_id, 4, 40, job_id FROM o),
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
