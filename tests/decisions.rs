//! Every reason and every rule through the real engine: what it loads must be what `decide` needs.

#[path = "support/shop.rs"]
mod shop;
mod support;

use commissary::db::{Role, connect};
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use serde_json::{Value, json};
use shop::Shop;
use sqlx::PgPool;
use uuid::Uuid;

async fn engine(database: &support::TestDatabase) -> Engine {
    let settings = database.settings();
    Engine::new(connect(&settings.database, Role::Worker, 4).await.expect("the worker connects"), settings)
}

async fn serve_all(engine: &Engine, shop: &Shop) {
    while engine.serve(BusinessId(shop.business)).await == (Served::Batch { jobs: 500, has_more: true }) {}
}

/// Decides one request and gives its status, reason and outcome.
async fn decide(
    engine: &Engine,
    pool: &PgPool,
    shop: &Shop,
    kind: &str,
    payload: Value,
) -> (String, Option<String>, Value) {
    let key = Uuid::new_v4().to_string();
    assert_eq!(shop.enqueue(pool, kind, &key, &payload).await, "queued");
    serve_all(engine, shop).await;
    shop.result(pool, &key).await.unwrap_or_else(|| panic!("no result for {payload}"))
}

async fn run(pool: &PgPool, shop: &Shop, sql: &'static str) {
    sqlx::query(sql).bind(shop.business).execute(pool).await.expect(sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_is_given_in_its_order() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database).await);
    let shop = Shop::open(pool, 100, 5).await;
    let stranger = Shop::open(pool, 100, 5).await;
    let line = |product: Uuid, quantity: u32| json!([{"product_id": product, "quantity": quantity}]);
    let at =
        |outlet: Option<Uuid>, lines: Value| json!({"customer_id": shop.customer, "outlet_id": outlet, "lines": lines});
    let good = |quantity| at(Some(shop.outlet), line(shop.product, quantity));

    // The set-up of each case adds a later reason's cause, so that an earlier reason must win over it.
    run(pool, &shop, "UPDATE commissary.customers SET credit_limit = 1 WHERE business_id = $1").await;
    run(pool, &shop, "INSERT INTO commissary.outlets (business_id, outlet_id, name) VALUES ($1, '00000000-0000-0000-0000-000000000001', 'Hidden')").await;
    run(pool, &shop, "INSERT INTO commissary.products (business_id, product_id, name, outlet_id, price, stock) VALUES ($1, '00000000-0000-0000-0000-000000000002', 'Elsewhere', '00000000-0000-0000-0000-000000000001', 10, 1)").await;
    let (hidden, elsewhere) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let cases = [
        (
            "malformed",
            json!({"customer_id": stranger.customer, "lines": [{"product_id": shop.product, "quantity": 0}]}),
        ),
        ("unknown_customer", json!({"customer_id": stranger.customer, "lines": line(shop.product, 1)})),
        ("unknown_outlet", at(Some(stranger.outlet), line(shop.product, 1))),
        ("outlet_not_visible", at(Some(hidden), line(stranger.product, 1))),
        ("outlet_not_visible", at(None, line(shop.product, 1))),
        (
            "unknown_product",
            at(
                Some(shop.outlet),
                json!([{"product_id": elsewhere, "quantity": 1}, {"product_id": stranger.product, "quantity": 1}]),
            ),
        ),
        (
            "wrong_outlet",
            at(
                Some(shop.outlet),
                json!([{"product_id": shop.product, "quantity": 1, "unit_price_max": 1}, {"product_id": elsewhere, "quantity": 1}]),
            ),
        ),
        (
            "price_changed",
            at(Some(shop.outlet), json!([{"product_id": shop.product, "quantity": 9, "unit_price_max": "9.99"}])),
        ),
        (
            "insufficient_stock",
            at(
                Some(shop.outlet),
                json!([{"product_id": shop.product, "quantity": 3}, {"product_id": shop.product, "quantity": 3}]),
            ),
        ),
        (
            "payable_exceeds_max",
            json!({"customer_id": shop.customer, "outlet_id": shop.outlet, "max_payable": "9.99", "lines": line(shop.product, 1)}),
        ),
        ("credit_limit_exceeded", good(1)),
    ];
    for (reason, payload) in cases {
        let (status, given, outcome) = decide(&engine, pool, &shop, "purchase", payload.clone()).await;
        assert_eq!((status.as_str(), given.as_deref()), ("rejected", Some(reason)), "{payload} gave {outcome}");
        assert!(outcome["message"].is_string(), "{outcome}");
    }
    run(pool, &shop, "UPDATE commissary.products SET is_active = false WHERE business_id = $1").await;
    assert_eq!(decide(&engine, pool, &shop, "purchase", good(9)).await.1.as_deref(), Some("product_inactive"));
    run(pool, &shop, "UPDATE commissary.customers SET is_active = false WHERE business_id = $1").await;
    assert_eq!(decide(&engine, pool, &shop, "purchase", good(1)).await.1.as_deref(), Some("customer_inactive"));
    assert_eq!(shop::facts(pool, shop.business).await[..4], [0; 4], "a refusal writes nothing but its result");

    let payment = json!({"customer_id": shop.customer, "amount": "3.5"});
    let (status, _, outcome) = decide(&engine, pool, &shop, "payment", payment).await;
    assert_eq!(status, "completed", "payments of an inactive customer proceed");
    assert_eq!((&outcome["balance_after"], &outcome["available"]), (&json!("-3.50"), &json!("4.50")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_customer_is_blocked_until_the_oldest_charge_is_paid() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database).await);
    let shop = Shop::open(pool, 100, 50).await;
    run(
        pool,
        &shop,
        "UPDATE commissary.businesses SET overdue_policy = 'block', overdue_after_days = 30 WHERE business_id = $1",
    )
    .await;
    let long_ago = Engine::new(
        connect(&database.settings().database, Role::Worker, 2).await.expect("the worker connects"),
        commissary::config::Settings {
            development: true,
            now: Some(chrono::Utc::now() - chrono::TimeDelta::days(31)),
            ..database.settings()
        },
    );
    let (status, _, outcome) = decide(&long_ago, pool, &shop, "purchase", shop.purchase(2)).await;
    assert_eq!(status, "completed", "{outcome}");
    let (_, reason, outcome) = decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await;
    assert_eq!(reason.as_deref(), Some("customer_overdue"), "{outcome}");
    let paid = |amount: &str| json!({"customer_id": shop.customer, "amount": amount});
    assert_eq!(decide(&engine, pool, &shop, "payment", paid("19.99")).await.0, "completed");
    assert_eq!(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await.1.as_deref(), Some("customer_overdue"));
    assert_eq!(decide(&engine, pool, &shop, "payment", paid("0.01")).await.0, "completed");
    assert_eq!(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await.0, "completed");
    // The fresh charge is owed, but not overdue.
    assert_eq!(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await.0, "completed");
    let simulated =
        shop.number(pool, "SELECT count(*) FROM commissary.job_results WHERE business_id = $1 AND simulated").await;
    assert_eq!(simulated, 1, "a result made under a fixed clock says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subsidy_wins_and_the_ledger_keeps_why() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database).await);
    let shop = Shop::open(pool, 1_000, 500).await;
    let tenth = shop.subsidise(pool, 4).await;
    run(pool, &shop, "INSERT INTO commissary.subsidy_programs (business_id, program_id, name, organization_id, kind, value, budget_period, total_budget, per_customer_cap, allow_partial)
        SELECT $1, '00000000-0000-0000-0000-00000000000f', 'Flat', organization_id, 'FIXED', 2, 'month', 100, 3, true FROM commissary.organizations WHERE business_id = $1").await;
    let flat = Uuid::from_u128(15);
    // 30.00: a tenth is 3.00 and wins over 2.00; then the tenth has only 1.00 left, so the flat program pays, until the
    // customer's cap leaves it 1.00; a tenth of 10.00 ties with that partial 1.00 and loses by id or wins by it.
    let mut seen = Vec::new();
    for quantity in [3, 3, 3] {
        let (status, _, outcome) = decide(&engine, pool, &shop, "purchase", shop.purchase(quantity)).await;
        assert_eq!(status, "completed", "{outcome}");
        seen.push((outcome["program_id"].clone(), outcome["subsidy"].clone(), outcome["payable"].clone()));
        assert_eq!(outcome["why"], "won: highest fundable discount");
    }
    let expected = [(tenth, "3.00", "27.00"), (flat, "2.00", "28.00"), (flat, "1.00", "29.00")];
    let expected: Vec<_> =
        expected.map(|(program, subsidy, payable)| (json!(program), json!(subsidy), json!(payable))).into();
    assert_eq!(seen, expected);
    let evaluations = "SELECT evaluation FROM commissary.subsidy_ledger WHERE business_id = $1 ORDER BY entry_id";
    let evaluations: Vec<Value> =
        sqlx::query_scalar(evaluations).bind(shop.business).fetch_all(pool).await.expect("the entries");
    assert_eq!(evaluations.len(), 3);
    for evaluation in evaluations {
        let evaluation = evaluation.as_array().expect("every candidate is explained");
        assert_eq!(evaluation.len(), 2);
        assert_eq!(evaluation.iter().filter(|candidate| candidate["chosen"] == json!(true)).count(), 1);
    }
    let sql = "SELECT program_snapshot FROM commissary.subsidy_ledger WHERE business_id = $1 AND program_id = $2 ORDER BY entry_id LIMIT 1";
    let snapshot: Value =
        sqlx::query_scalar(sql).bind(shop.business).bind(flat).fetch_one(pool).await.expect("an entry");
    assert_eq!(
        (&snapshot["kind"], &snapshot["total_budget"], &snapshot["budget_used_before"]),
        (&json!("FIXED"), &json!("100.00"), &json!("0.00"))
    );
    run(pool, &shop, "DELETE FROM commissary.subsidy_programs WHERE business_id = $1").await;
    assert_eq!(
        shop.number(pool, "SELECT count(*) FROM commissary.subsidy_budgets WHERE business_id = $1").await,
        2,
        "budgets outlive programs"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_total_holds_from_the_next_purchase_on() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database).await);
    let shop = Shop::open(pool, 1_000, 500).await;
    shop.subsidise(pool, 1).await;
    let subsidy = |result: (String, Option<String>, Value)| result.2["subsidy"].clone();
    assert_eq!(subsidy(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await), json!("1.00"));
    assert_eq!(subsidy(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await), json!("0.00"));
    run(pool, &shop, "UPDATE commissary.subsidy_programs SET total_budget = 2 WHERE business_id = $1").await;
    assert_eq!(subsidy(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await), json!("1.00"));
    run(pool, &shop, "UPDATE commissary.subsidy_programs SET total_budget = 0 WHERE business_id = $1").await;
    assert_eq!(subsidy(decide(&engine, pool, &shop, "purchase", shop.purchase(1)).await), json!("0.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_batch_see_what_came_before_them() {
    let database = support::database().await;
    let (pool, engine) = (database.pool(), engine(&database).await);
    let shop = Shop::open(pool, 30, 100).await;
    for (key, kind, payload) in [
        ("1", "purchase", shop.purchase(2)),
        ("2", "purchase", shop.purchase(2)),
        ("3", "payment", json!({"customer_id": shop.customer, "amount": 10})),
        ("4", "purchase", shop.purchase(2)),
    ] {
        shop.enqueue(pool, kind, key, &payload).await;
    }
    let urgent = "SELECT state FROM commissary.enqueue($1, 'payment', '0', jsonb_build_object('customer_id', $2::text, 'amount', '5.00'), priority => -1)";
    let state: String = sqlx::query_scalar(urgent)
        .bind(shop.business)
        .bind(shop.customer.to_string())
        .fetch_one(pool)
        .await
        .expect(urgent);
    assert_eq!(state, "queued");
    serve_all(&engine, &shop).await;
    let sql = "SELECT idempotency_key, status, outcome->>'balance_after' FROM commissary.job_results WHERE business_id = $1 ORDER BY decision_seq";
    let results: Vec<(String, String, Option<String>)> =
        sqlx::query_as(sql).bind(shop.business).fetch_all(pool).await.expect(sql);
    let results: Vec<_> =
        results.iter().map(|(key, status, balance)| (key.as_str(), status.as_str(), balance.as_deref())).collect();
    assert_eq!(
        results,
        [
            ("0", "completed", Some("-5.00")),
            ("1", "completed", Some("15.00")),
            ("2", "rejected", None),
            ("3", "completed", Some("5.00")),
            ("4", "completed", Some("25.00")),
        ]
    );
}
