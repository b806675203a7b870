//! Refunds, receipts and adjustments through the real engine: what they write, and that the audit agrees.

#[path = "support/shop.rs"]
mod shop;
mod support;

use chrono::{DateTime, TimeDelta, Utc};
use commissary::audit::{self, Report};
use commissary::config::Settings;
use commissary::db::{Role, connect};
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use serde_json::{Value, json};
use shop::Shop;
use sqlx::PgPool;
use uuid::Uuid;

type Decided = (String, Option<String>, Value);

/// An engine, on the database's clock or on a fixed one.
async fn engine(database: &support::TestDatabase, now: Option<DateTime<Utc>>) -> Engine {
    let settings = Settings { development: now.is_some(), now, ..database.settings() };
    Engine::new(connect(&settings.database, Role::Worker, 2).await.expect("the worker connects"), settings)
}

async fn serve_all(engine: &Engine, shop: &Shop) {
    while engine.serve(BusinessId(shop.business)).await == (Served::Batch { jobs: 500, has_more: true }) {}
}

/// Decides one request.
async fn decide(engine: &Engine, pool: &PgPool, shop: &Shop, kind: &str, payload: Value) -> Decided {
    let key = Uuid::new_v4().to_string();
    assert_eq!(shop.enqueue(pool, kind, &key, &payload).await, "queued");
    serve_all(engine, shop).await;
    shop.result(pool, &key).await.unwrap_or_else(|| panic!("no result for {payload}"))
}

/// Decides one request that completes; gives its outcome.
async fn completed(engine: &Engine, pool: &PgPool, shop: &Shop, kind: &str, payload: Value) -> Value {
    let (status, _, outcome) = decide(engine, pool, shop, kind, payload.clone()).await;
    assert_eq!(status, "completed", "{payload} gave {outcome}");
    outcome
}

async fn run(pool: &PgPool, shop: &Shop, sql: &'static str) {
    sqlx::query(sql).bind(shop.business).execute(pool).await.expect(sql);
}

/// One text of this business: `sql` has $1 for its id.
async fn text(pool: &PgPool, shop: &Shop, sql: &'static str) -> String {
    sqlx::query_scalar(sql).bind(shop.business).fetch_one(pool).await.expect(sql)
}

async fn stock(pool: &PgPool, shop: &Shop) -> i64 {
    shop.number(pool, "SELECT stock FROM commissary.products WHERE business_id = $1").await
}

async fn budget_used(pool: &PgPool, shop: &Shop) -> String {
    text(
        pool,
        shop,
        "SELECT sum(budget_used)::numeric(18,2)::text FROM commissary.subsidy_budgets WHERE business_id = $1",
    )
    .await
}

/// Every invariant holds.
async fn audit_finds_nothing(pool: &PgPool, shop: &Shop) {
    let mut transaction = pool.begin().await.expect("a transaction");
    let enter = format!("SET LOCAL ROLE commissary_reporter; SET LOCAL app.business_id = '{}'", shop.business);
    sqlx::raw_sql(sqlx::AssertSqlSafe(enter)).execute(&mut *transaction).await.expect("the reporter exists");
    let mut report = Report::new();
    report.look_into(&mut transaction, BusinessId(shop.business), |_| ()).await.expect("the audit runs");
    assert_eq!(report.checks.len(), audit::CHECKS.len());
    for finding in &report.checks {
        let details: Vec<&str> = finding.keys.iter().map(|key| key.detail.as_str()).collect();
        assert_eq!(finding.violations, 0, "{}: {details:?}", finding.check);
    }
}

/// A program that pays a third of any order of this month, to each customer at most 20.00.
async fn third(pool: &PgPool, shop: &Shop) {
    run(
        pool,
        shop,
        "INSERT INTO commissary.subsidy_programs
            (business_id, name, organization_id, kind, value, budget_period, total_budget, per_customer_cap)
        SELECT $1, 'Third', organization_id, 'PERCENTAGE', 33, 'month', 1000, 20
        FROM commissary.organizations WHERE business_id = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refunds_close_to_the_cent_and_give_back_to_budget_cap_and_stock() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database, None).await);
    let shop = Shop::open(pool, 1_000, 50).await;
    third(pool, &shop).await;
    run(pool, &shop, "UPDATE commissary.products SET price = 9.99 WHERE business_id = $1").await;
    let lines = json!([{"product_id": shop.product, "quantity": 3}, {"product_id": shop.product, "quantity": 2}]);
    let payload = json!({"customer_id": shop.customer, "outlet_id": shop.outlet, "lines": lines});
    let bought = completed(&engine, pool, &shop, "purchase", payload.clone()).await;
    assert_eq!(
        (&bought["total"], &bought["subsidy"], &bought["payable"]),
        (&json!("49.95"), &json!("16.48"), &json!("33.47"))
    );
    // The cap leaves 3.52, too little: it pays nothing until something was given back.
    assert_eq!(completed(&engine, pool, &shop, "purchase", shop.purchase(3)).await["subsidy"], json!("0.00"));
    run(pool, &shop, "UPDATE commissary.customers SET is_active = false WHERE business_id = $1").await;
    run(pool, &shop, "UPDATE commissary.products SET is_active = false, price = 1 WHERE business_id = $1").await;

    let order = &bought["order_id"];
    let one = json!({"order_id": order, "lines": [{"line_no": 1, "quantity": 1}]});
    let first = completed(&engine, pool, &shop, "refund", one).await;
    assert_eq!(
        (&first["total"], &first["subsidy_returned"], &first["credited"]),
        (&json!("9.99"), &json!("3.30"), &json!("6.69"))
    );
    assert_eq!(first["balance_after"], json!("56.75"), "33.47 + 29.97 − 6.69");
    assert_eq!((budget_used(pool, &shop).await.as_str(), stock(pool, &shop).await), ("13.18", 43));
    let lost = json!({"order_id": order, "lines": [{"line_no": 2, "quantity": 1}, {"line_no": 2, "quantity": 1}], "restock": false});
    let second = completed(&engine, pool, &shop, "refund", lost).await;
    assert_eq!(
        (&second["total"], &second["subsidy_returned"], &second["credited"]),
        (&json!("19.98"), &json!("6.59"), &json!("13.39"))
    );
    assert_eq!(stock(pool, &shop).await, 43, "not restocked");

    run(pool, &shop, "UPDATE commissary.customers SET is_active = true WHERE business_id = $1").await;
    run(pool, &shop, "UPDATE commissary.products SET is_active = true, price = 10 WHERE business_id = $1").await;
    let again = completed(&engine, pool, &shop, "purchase", shop.purchase(3)).await;
    assert_eq!(again["subsidy"], json!("9.90"), "the cap has room again: 6.59 of 20.00 are used");
    run(pool, &shop, "DELETE FROM commissary.subsidy_programs WHERE business_id = $1").await;
    let rest = completed(&engine, pool, &shop, "refund", json!({"order_id": order})).await;
    assert_eq!(
        (&rest["total"], &rest["subsidy_returned"], &rest["credited"]),
        (&json!("19.98"), &json!("6.59"), &json!("13.39"))
    );
    assert_eq!(budget_used(pool, &shop).await, "9.90", "the budget of a deleted program gets its money back, too");
    let (_, reason, outcome) = decide(&engine, pool, &shop, "refund", json!({"order_id": order})).await;
    assert_eq!(reason.as_deref(), Some("over_returned"), "{outcome}");
    audit_finds_nothing(pool, &shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_whose_period_is_over_gets_nothing_back() {
    let database = support::database().await;
    let now = Utc::now();
    let (pool, before, after) =
        (database.pool(), engine(&database, Some(now - TimeDelta::days(40))).await, engine(&database, Some(now)).await);
    let shop = Shop::open(pool, 1_000, 50).await;
    third(pool, &shop).await;
    let bought = completed(&before, pool, &shop, "purchase", shop.purchase(2)).await;
    let lines =
        |quantity: u32| json!({"order_id": bought["order_id"], "lines": [{"line_no": 1, "quantity": quantity}]});
    assert_eq!(completed(&before, pool, &shop, "refund", lines(1)).await["subsidy_returned"], json!("3.30"));
    assert_eq!(budget_used(pool, &shop).await, "3.30");
    let late = completed(&after, pool, &shop, "refund", lines(1)).await;
    assert_eq!(
        (&late["subsidy_returned"], &late["credited"]),
        (&json!("3.30"), &json!("6.70")),
        "the customer gets no more"
    );
    assert_eq!(budget_used(pool, &shop).await, "3.30", "its period is over");
    let entries = text(
        pool,
        &shop,
        "SELECT string_agg(applied_amount::numeric(18,2) || ' ' || returned_to_budget::numeric(18,2),
            ', ' ORDER BY created_at, applied_amount DESC) FROM commissary.subsidy_ledger WHERE business_id = $1",
    )
    .await;
    assert_eq!(entries, "6.60 0.00, -3.30 3.30, -3.30 0.00");
    audit_finds_nothing(pool, &shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_payments_and_purchases_of_one_batch_see_each_other() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database, None).await);
    let shop = Shop::open(pool, 30, 6).await;
    shop.subsidise(pool, 3).await;
    let order = completed(&engine, pool, &shop, "purchase", shop.purchase(3)).await["order_id"].clone();
    let refund = |lines: Value| json!({"order_id": order, "lines": lines, "restock": true});
    let good = shop.purchase(3);
    for (key, kind, payload) in [
        ("1", "purchase", good.clone()), // 27.00 of 30.00 are used
        ("2", "refund", refund(json!([{"line_no": 1, "quantity": 2}]))),
        ("3", "payment", json!({"customer_id": shop.customer, "amount": "9.00"})),
        ("4", "purchase", good.clone()), // 30.00, of which the budget has 2.00 again: 30.00 are payable
        ("5", "purchase", shop.purchase(2)), // 20.00 less 2.00
        ("6", "refund", refund(json!([{"line_no": 1, "quantity": 2}]))),
        ("7", "refund", json!({"order_id": order, "restock": false})),
        ("8", "refund", json!({"order_id": order})),
        ("9", "stock_adjustment", json!({"product_id": shop.product, "delta": -4, "reason": "broken"})),
        ("10", "stock_receipt", json!({"product_id": shop.product, "quantity": 2})),
        ("11", "stock_adjustment", json!({"product_id": shop.product, "delta": -4, "reason": "broken"})),
        ("12", "purchase", shop.purchase(1)),
    ] {
        assert_eq!(shop.enqueue(pool, kind, key, &payload).await, "queued");
    }
    serve_all(&engine, &shop).await;
    let expected = [
        ("1", Some("credit_limit_exceeded"), Value::Null),
        ("2", None, json!("9.00")),
        ("3", None, json!("0.00")),
        ("4", None, json!("30.00")),
        ("5", Some("credit_limit_exceeded"), Value::Null),
        ("6", Some("over_returned"), Value::Null),
        ("7", None, json!("21.00")),
        ("8", Some("over_returned"), Value::Null),
        ("9", Some("insufficient_stock"), Value::Null),
        ("10", None, Value::Null),
        ("11", None, Value::Null),
        ("12", Some("insufficient_stock"), Value::Null),
    ];
    for (key, reason, balance) in expected {
        let (_, given, outcome) = shop.result(pool, key).await.expect("it was decided");
        assert_eq!((given.as_deref(), &outcome["balance_after"]), (reason, &balance), "{key}: {outcome}");
    }
    assert_eq!(stock(pool, &shop).await, 0);
    audit_finds_nothing(pool, &shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_and_writes_nothing() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database, None).await);
    let (shop, stranger) = (Shop::open(pool, 1_000, 50).await, Shop::open(pool, 1_000, 50).await);
    let order = completed(&engine, pool, &shop, "purchase", shop.purchase(3)).await["order_id"].clone();
    let foreign = completed(&engine, pool, &stranger, "purchase", stranger.purchase(3)).await["order_id"].clone();
    let before = shop::facts(pool, shop.business).await;
    for (kind, payload, reason) in [
        ("refund", json!({"order_id": foreign}), "unknown_order"),
        ("refund", json!({"order_id": Uuid::nil(), "lines": [{"line_no": 9, "quantity": 9}]}), "unknown_order"),
        ("refund", json!({"order_id": order, "lines": [{"line_no": 2, "quantity": 1}]}), "over_returned"),
        ("refund", json!({"order_id": order, "lines": [{"line_no": 1, "quantity": 4}]}), "over_returned"),
        ("refund", json!({"order_id": order, "lines": []}), "malformed"),
        ("stock_receipt", json!({"product_id": stranger.product, "quantity": 1}), "unknown_product"),
        ("stock_adjustment", json!({"product_id": shop.product, "delta": -48, "reason": "lost"}), "insufficient_stock"),
        ("stock_adjustment", json!({"product_id": shop.product, "delta": i64::MAX, "reason": "found"}), "malformed"),
        ("stock_adjustment", json!({"product_id": shop.product, "delta": 1, "reason": " \u{a0}"}), "malformed"),
    ] {
        let (status, given, outcome) = decide(&engine, pool, &shop, kind, payload.clone()).await;
        assert_eq!((status.as_str(), given.as_deref()), ("rejected", Some(reason)), "{payload} gave {outcome}");
        assert!(outcome["message"].is_string(), "{outcome}");
    }
    assert_eq!(shop::facts(pool, shop.business).await[..4], before[..4]);
    assert_eq!(stock(pool, &shop).await, 47);
    audit_finds_nothing(pool, &shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_an_old_order_does_not_make_recent_charges_overdue() {
    let database = support::database().await;
    let now = Utc::now();
    let (pool, before, after) =
        (database.pool(), engine(&database, Some(now - TimeDelta::days(40))).await, engine(&database, Some(now)).await);
    let shop = Shop::open(pool, 1_000, 50).await;
    run(pool, &shop, "UPDATE commissary.businesses SET overdue_policy = 'block' WHERE business_id = $1").await;
    let old = completed(&before, pool, &shop, "purchase", shop.purchase(2)).await["order_id"].clone();
    let buy = || decide(&after, pool, &shop, "purchase", shop.purchase(1));
    assert_eq!(buy().await.1.as_deref(), Some("customer_overdue"));
    // One batch: what remains of the old order is overdue until the second refund.
    let one = json!({"order_id": old, "lines": [{"line_no": 1, "quantity": 1}]});
    for (key, kind, payload) in [
        ("1", "refund", &one),
        ("2", "purchase", &shop.purchase(1)),
        ("3", "refund", &one),
        ("4", "purchase", &shop.purchase(1)),
    ] {
        shop.enqueue(pool, kind, key, payload).await;
    }
    serve_all(&after, &shop).await;
    let second = shop.result(pool, "2").await.expect("it was decided");
    assert_eq!((second.1.as_deref(), &second.2["overdue_amount"]), (Some("customer_overdue"), &json!("10.00")));
    let new = shop.result(pool, "4").await.expect("it was decided").2["order_id"].clone();
    // A refund of the recent charge itself leaves nothing owed, and nothing to hide an overdue amount behind.
    assert_eq!(
        completed(&after, pool, &shop, "refund", json!({"order_id": new})).await["balance_after"],
        json!("0.00")
    );
    assert_eq!(buy().await.0, "completed");
    audit_finds_nothing(pool, &shop).await;
}
