//! The journal against hledger itself: it accepts what we write, and adds up to what our ledgers say.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use commissary::db::{Role, connect};
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use shop::Shop;
use support::TestDatabase;
use tempfile::NamedTempFile;
use uuid::Uuid;

/// Whether hledger is here; if not, says loudly that the test proves nothing.
fn has_hledger() -> bool {
    let found = Command::new("hledger").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        // Not eprintln!, which the test harness would swallow.
        let note =
            b"SKIPPED: hledger is not installed; `scripts/setup hledger` installs it, then run this test again\n";
        std::io::stderr().write_all(note).expect("standard error takes it");
    }
    found
}

async fn serve(database: &TestDatabase, shop: &Shop) {
    let settings = database.settings();
    let engine =
        Engine::new(connect(&settings.database, Role::Worker, 2).await.expect("the worker connects"), settings);
    while matches!(engine.serve(BusinessId(shop.business)).await, Served::Batch { jobs, .. } if jobs > 0) {}
}

/// Purchases at two tax rates and at none, with and without a subsidy, payments with hostile references, two customers.
async fn trading(database: &TestDatabase, currency: &str) -> Shop {
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 1_000).await;
    sqlx::query(
        "UPDATE commissary.businesses SET currency = $2, time_zone = 'Pacific/Auckland' WHERE business_id = $1",
    )
    .bind(shop.business)
    .bind(currency)
    .execute(pool)
    .await
    .expect("no facts exist yet");
    shop.subsidise(pool, 4).await;
    let [alone, half, free] = std::array::from_fn(|_| Uuid::new_v4());
    let sql = "WITH c AS (INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit)
                VALUES ($1, $2, 'Alone', 500))
        INSERT INTO commissary.products (business_id, product_id, name, price, tax_rate, stock)
            VALUES ($1, $3, 'Half taxed', 3, 17.5, 100), ($1, $4, 'Free', 1, 0, 100)";
    sqlx::query(sql).bind(shop.business).bind(alone).bind(half).bind(free).execute(pool).await.expect("more to sell");
    let lines = json!([{"product_id": shop.product, "quantity": 1}, {"product_id": half, "quantity": 3},
        {"product_id": free, "quantity": 2}, {"product_id": half, "quantity": 1}]);
    let requests: [(&str, Value); 6] = [
        ("purchase", json!({"customer_id": shop.customer, "outlet_id": shop.outlet, "lines": lines})),
        ("purchase", json!({"customer_id": alone, "lines": lines})),
        ("payment", json!({"customer_id": alone, "amount": 50, "reference": "a;b | (c) \"d\" = 5 ü\u{85}"})),
        ("payment", json!({"customer_id": shop.customer, "amount": 7})),
        ("purchase", shop.purchase(1)),
        ("purchase", shop.purchase(7)),
    ];
    for (at, (kind, payload)) in requests.iter().enumerate() {
        assert_eq!(shop.enqueue(pool, kind, &at.to_string(), payload).await, "queued");
    }
    serve(database, &shop).await;
    let sql = "SELECT count(*) FROM commissary.job_results WHERE business_id = $1 AND status = 'completed'";
    assert_eq!(shop.number(pool, sql).await, 6);
    shop
}

fn journal(database: &TestDatabase, shop: &Shop) -> NamedTempFile {
    let business = shop.business.to_string();
    let output = database.commissary(&["report", "journal", "--format", "hledger", "--business", &business]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(&output.stdout).expect("it is written");
    file
}

fn hledger(file: &NamedTempFile, arguments: &[&str]) -> String {
    let output = Command::new("hledger").arg("-f").arg(file.path()).args(arguments).env("LC_ALL", "C.UTF-8").output();
    let output = output.expect("hledger runs");
    let text = std::fs::read_to_string(file.path()).expect("the journal is there");
    assert!(output.status.success(), "hledger {arguments:?}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// hledger's balances by account, which must all be in the currency.
fn balances(file: &NamedTempFile, currency: &str) -> BTreeMap<String, Decimal> {
    let csv = hledger(file, &["balance", "--flat", "--no-total", "--empty", "--output-format", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records = reader.records().map(|record| record.expect("CSV"));
    records
        .map(|record| {
            let amount = record[1].trim_end_matches(currency).trim();
            (record[0].to_owned(), amount.parse().unwrap_or_else(|_| panic!("an amount in {currency}: {record:?}")))
        })
        .collect()
}

/// What the ledgers themselves say.
async fn ledgers(database: &TestDatabase, shop: &Shop) -> BTreeMap<String, Decimal> {
    let sql = "
        SELECT 'assets:receivable:customers:' || l.customer_id, sum(l.amount) FROM commissary.credit_ledger l
            WHERE l.business_id = $1 GROUP BY l.customer_id
        UNION ALL SELECT 'assets:cash', -sum(l.amount) FROM commissary.credit_ledger l
            WHERE l.business_id = $1 AND l.kind = 'payment'
        UNION ALL SELECT 'assets:receivable:organizations:' || o.organization_id, sum(s.applied_amount)
            FROM commissary.subsidy_ledger s JOIN commissary.orders o USING (business_id, order_id)
            WHERE s.business_id = $1 GROUP BY o.organization_id";
    let rows: Vec<(String, Decimal)> =
        sqlx::query_as(sql).bind(shop.business).fetch_all(database.pool()).await.expect("the ledgers are read");
    rows.into_iter().collect()
}

/// Sales with tax by rate, as the items say.
async fn gross(database: &TestDatabase, shop: &Shop) -> BTreeMap<String, Decimal> {
    let sql = "SELECT trim_scale(i.tax_rate)::text, sum(i.line_total - coalesce(r.total, 0))
        FROM commissary.order_items i
        LEFT JOIN (SELECT r.order_id, r.line_no, sum(r.total) AS total FROM commissary.refund_items r
            WHERE r.business_id = $1 GROUP BY r.order_id, r.line_no) r USING (order_id, line_no)
        WHERE i.business_id = $1 GROUP BY i.tax_rate";
    let rows: Vec<(String, Decimal)> =
        sqlx::query_as(sql).bind(shop.business).fetch_all(database.pool()).await.expect("the items are read");
    rows.into_iter().collect()
}

async fn agrees(database: &TestDatabase, shop: &Shop, currency: &str) -> BTreeMap<String, Decimal> {
    let file = journal(database, shop);
    hledger(&file, &["check"]);
    let theirs = balances(&file, currency);
    let ours = ledgers(database, shop).await;
    for (account, balance) in &ours {
        assert_eq!(theirs.get(account), Some(balance), "{account}");
    }
    let assets = theirs.keys().filter(|account| account.starts_with("assets:")).count();
    assert_eq!(assets, ours.len(), "no account but those of the ledgers: {theirs:?}");
    for (rate, gross) in gross(database, shop).await {
        let part = |name: &str| theirs.get(&format!("{name}:{rate}")).copied().unwrap_or_default();
        assert_eq!(-part("income:sales") - part("liabilities:tax"), gross, "rate {rate}");
    }
    assert_eq!(theirs.values().sum::<Decimal>(), Decimal::ZERO);
    theirs
}

/// Returns each order piece by piece of its second line, then as a whole.
async fn return_everything(database: &TestDatabase, shop: &Shop) {
    let pool = database.pool();
    let sql = "SELECT order_id, count(i.line_no) FROM commissary.orders o JOIN commissary.order_items i USING (business_id, order_id)
        WHERE business_id = $1 GROUP BY order_id";
    let orders: Vec<(Uuid, i64)> =
        sqlx::query_as(sql).bind(shop.business).fetch_all(pool).await.expect("the orders are read");
    for (order, lines) in orders {
        let steps = if lines > 1 { 3 } else { 0 };
        for step in 0..steps {
            let piece = json!({"order_id": order, "lines": [{"line_no": 2, "quantity": 1}]});
            shop.enqueue(pool, "refund", &format!("{order} {step}"), &piece).await;
            // A batch each, and then one of the rest.
            serve(database, shop).await;
        }
        shop.enqueue(pool, "refund", &format!("{order} rest"), &json!({"order_id": order})).await;
    }
    serve(database, shop).await;
    let sql = "SELECT count(*) FROM commissary.job_results WHERE business_id = $1 AND status <> 'completed'";
    assert_eq!(shop.number(pool, sql).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hledger_accepts_the_journal_and_its_balances_are_ours() {
    if !has_hledger() {
        return;
    }
    let database = support::database().await;
    for currency in ["USD", "JPY", "KWD"] {
        let shop = trading(&database, currency).await;
        let balances = agrees(&database, &shop, currency).await;
        assert!(balances["liabilities:tax:17.5"] < Decimal::ZERO);
        assert!(!balances.contains_key("liabilities:tax:0"));
        assert!(balances[&format!("assets:receivable:organizations:{}", shop.organization)] > Decimal::ZERO);

        return_everything(&database, &shop).await;
        let balances = agrees(&database, &shop, currency).await;
        for (account, balance) in balances {
            let is_settled = !account.starts_with("assets:receivable:customers") && account != "assets:cash";
            assert!(!is_settled || balance.is_zero(), "{account} ends at {balance}");
        }
    }
}
