//! Reports of a settled period: they show what its close wrote, and what happened after changes nothing about it.

#[path = "support/shop.rs"]
mod shop;
mod support;

use serde_json::{Value, json};
use shop::Shop;
use support::TestDatabase;

/// Has a worker decide what waits, as if it were this instant.
fn serve_at(database: &TestDatabase, instant: &str) {
    let mut worker = database.command(&["--now", instant, "worker", "--until-empty"]);
    let output = worker.env("COMMISSARY_DEVELOPMENT", "true").output().expect("the program of this build runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn close(database: &TestDatabase, shop: &Shop) {
    shop.enqueue(database.pool(), "settlement_close", "close", &json!({"period": "2026-10"})).await;
    serve_at(database, "2026-11-02T08:00:00Z");
    let (status, _, outcome) = shop.result(database.pool(), "close").await.expect("the close was decided");
    assert_eq!(status, "completed", "{outcome}");
}

fn text(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = database.commissary(&[&["report"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn rows(database: &TestDatabase, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&text(database, &[arguments, &["--json"]].concat())).expect("a JSON array")
}

/// A customer who bought 3 pieces (30.00, of which 3.00 subsidised) in October and paid 7.00.
async fn trading(database: &TestDatabase) -> Shop {
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.subsidise(pool, 500).await;
    shop.enqueue(pool, "purchase", "one", &shop.purchase(3)).await;
    shop.enqueue(pool, "payment", "two", &json!({"customer_id": shop.customer, "amount": 7})).await;
    serve_at(database, "2026-10-05T12:00:00Z");
    shop
}

const OCTOBER: [&str; 3] = ["settlement", "--period", "2026-10"];

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_period_shows_its_statements_line_by_line() {
    let database = support::database().await;
    let shop = trading(&database).await;
    let early = database.commissary(&[&["report"], &OCTOBER[..]].concat());
    let stderr = String::from_utf8_lossy(&early.stderr);
    assert_eq!((early.status.code(), stderr.contains("settlement_close")), (Some(1), true), "{stderr}");

    close(&database, &shop).await;
    let all = rows(&database, &OCTOBER);
    let kinds: Vec<&Value> = all.iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["customer", "organization", "outlet", "tax"]);
    let stored: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT kind, hash, entries FROM commissary.settlement_statements WHERE business_id = $1 ORDER BY kind",
    )
    .bind(shop.business)
    .fetch_all(database.pool())
    .await
    .expect("the statements are read");
    let shown: Vec<(String, String, i64)> = all
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text").to_owned();
            (text("kind"), text("hash"), row["entries"].as_i64().expect("a count"))
        })
        .collect();
    assert_eq!(shown, stored);

    let customer =
        rows(&database, &[&OCTOBER[..], &["--kind", "customer", "--party", &shop.customer.to_string()]].concat());
    assert_eq!((customer.len(), &customer[0]["line"]["closing_balance"]), (1, &json!("20.00")));
    let organization = rows(&database, &[&OCTOBER[..], &["--kind", "organization"]].concat());
    assert_eq!((&organization[0]["total"], &organization[0]["party_id"]), (&json!("3.00"), &json!(shop.organization)));
    let csv = text(&database, &[&OCTOBER[..], &["--format", "csv"]].concat());
    let records: Vec<csv::StringRecord> =
        csv::Reader::from_reader(csv.as_bytes()).records().collect::<Result<_, _>>().expect("CSV with a heading");
    assert_eq!(records.len(), all.len());
    let line: Value = serde_json::from_str(&records[0][10]).expect("a line is JSON");
    assert_eq!(line, all[0]["line"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_of_a_settled_period_is_its_statements_and_stays() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = trading(&database).await;
    let tax = ["tax", "--period", "2026-10"];
    let open = rows(&database, &tax);
    assert_eq!(["state", "gross", "taxable", "tax"].map(|name| &open[0][name]), ["open", "30.00", "28.04", "1.96"]);
    close(&database, &shop).await;
    let settled = rows(&database, &tax);
    let expected: Vec<Value> = open
        .into_iter()
        .map(|mut row| {
            row["state"] = json!("settled");
            row
        })
        .collect();
    assert_eq!(settled, expected);

    let then = (text(&database, &tax), text(&database, &OCTOBER));
    let (_, _, outcome) = shop.result(pool, "one").await.expect("it was decided");
    shop.enqueue(pool, "refund", "back", &json!({"order_id": outcome["order_id"]})).await;
    serve_at(&database, "2026-11-03T08:00:00Z");
    sqlx::query("UPDATE commissary.products SET tax_rate = 50 WHERE business_id = $1")
        .bind(shop.business)
        .execute(pool)
        .await
        .expect("a rate is changed");
    assert_eq!((text(&database, &tax), text(&database, &OCTOBER)), then);
    let november = rows(&database, &["tax", "--period", "2026-11"]);
    assert_eq!(["state", "tax_rate", "gross", "tax"].map(|name| &november[0][name]), ["open", "7", "-30.00", "-1.96"]);
}
