//! Reports as an operator reads them: the real program over facts that the real engine made.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};

use commissary::db::{Role, connect};
use commissary::engine::{Engine, Served};
use commissary::ids::BusinessId;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use shop::Shop;
use sqlx::PgPool;
use support::TestDatabase;

/// Decides what waits.
async fn serve(database: &TestDatabase, shop: &Shop) {
    let settings = database.settings();
    let engine =
        Engine::new(connect(&settings.database, Role::Worker, 2).await.expect("the worker connects"), settings);
    while matches!(engine.serve(BusinessId(shop.business)).await, Served::Batch { jobs, .. } if jobs > 0) {}
}

/// A shop whose customer bought 3 pieces (30.00, of which 3.00 subsidised), paid 7.5, and bought one more (10.00 − 1.00).
async fn trading(database: &TestDatabase) -> Shop {
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    shop.subsidise(pool, 500).await;
    shop.enqueue(pool, "purchase", "one", &shop.purchase(3)).await;
    shop.enqueue(pool, "payment", "two", &payment(&shop, "7.5", "till 4, \"noon\"")).await;
    shop.enqueue(pool, "purchase", "three", &shop.purchase(1)).await;
    serve(database, &shop).await;
    shop
}

fn payment(shop: &Shop, amount: &str, reference: &str) -> Value {
    json!({"customer_id": shop.customer, "amount": amount, "reference": reference})
}

fn report(database: &TestDatabase, arguments: &[&str]) -> Output {
    database.commissary(&[&["report"], arguments].concat())
}

/// The output of a report that must end well.
fn text(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = report(database, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn rows(database: &TestDatabase, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&text(database, &[arguments, &["--json"]].concat())).expect("a JSON array")
}

fn amount(row: &Value, name: &str) -> Decimal {
    row[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} of {row}"))
}

async fn now(pool: &PgPool) -> String {
    let instant: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(pool).await.expect("the server tells the time");
    instant.to_rfc3339()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_runs_from_opening_to_closing_in_every_format() {
    let database = support::database().await;
    let shop = trading(&database).await;
    let customer = shop.customer.to_string();
    let arguments = ["statement", "--customer", &customer];
    let json = rows(&database, &arguments);
    let seen: Vec<[&str; 5]> = json
        .iter()
        .map(|row| ["kind", "total", "subsidy", "amount", "balance"].map(|name| row[name].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        seen,
        [
            ["opening", "-", "-", "-", "0.00"],
            ["charge", "30.00", "3.00", "27.00", "27.00"],
            ["payment", "-", "-", "-7.50", "19.50"],
            ["charge", "10.00", "1.00", "9.00", "28.50"],
            ["closing", "-", "-", "-", "28.50"],
        ]
    );
    let mut running = amount(&json[0], "balance");
    for entry in &json[1..json.len() - 1] {
        running += amount(entry, "amount");
        assert_eq!(running, amount(entry, "balance"), "{entry}");
    }

    let csv = text(&database, &[&arguments[..], &["--format", "csv"]].concat());
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<std::collections::HashMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().expect("CSV with a heading");
    assert_eq!(records.len(), json.len());
    for (record, row) in records.iter().zip(&json) {
        for (name, value) in row.as_object().expect("an object") {
            let plain = value
                .as_str()
                .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned);
            assert_eq!(record[name], plain, "{name}");
        }
    }
    assert_eq!(records[2]["reference"], "till 4, \"noon\"");

    let table = text(&database, &arguments);
    let widths: Vec<usize> = table
        .lines()
        .skip(2)
        .filter_map(|line| line.find("opening").or(line.find("charge")).or(line.find("closing")))
        .collect();
    assert_eq!((widths.len(), widths.iter().all(|at| *at == widths[0])), (4, true), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_statement_opens_with_what_was_owed_before() {
    let database = support::database().await;
    let shop = trading(&database).await;
    let customer = shop.customer.to_string();
    let all = rows(&database, &["statement", "--customer", &customer]);
    let since = now(database.pool()).await;
    shop.enqueue(database.pool(), "payment", "four", &payment(&shop, "8.50", "later")).await;
    serve(&database, &shop).await;
    let until = now(database.pool()).await;
    let part = rows(&database, &["statement", "--customer", &customer, "--from", &since, "--to", &until]);
    let kinds: Vec<&Value> = part.iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["opening", "payment", "closing"]);
    assert_eq!(part[0]["balance"], all[all.len() - 1]["balance"]);
    assert_eq!(part[2]["balance"], "20.00");
    let empty = rows(&database, &["statement", "--customer", &customer, "--from", &until]);
    assert_eq!((empty.len(), &empty[0]["balance"], &empty[1]["balance"]), (2, &json!("20.00"), &json!("20.00")));
    let before = rows(&database, &["statement", "--customer", &customer, "--as-of", "2020-01-01T00:00:00Z"]);
    assert_eq!((before.len(), &before[1]["balance"]), (2, &json!("0.00")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_stays_as_it_stood() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = trading(&database).await;
    let (customer, business) = (shop.customer.to_string(), shop.business.to_string());
    let period: String = sqlx::query_scalar("SELECT period FROM commissary.settlement_periods WHERE business_id = $1")
        .bind(shop.business)
        .fetch_one(pool)
        .await
        .expect("the period that the purchases opened");
    let then = now(pool).await;
    let reports: [&[&str]; 5] = [
        &["statement", "--customer", &customer],
        &["journal"],
        &["journal", "--format", "hledger", "--business", &business],
        &["overdue", "--all"],
        &["tax", "--period", &period],
    ];
    let as_of = |report: &[&str]| text(&database, &[report, &["--as-of", &then]].concat());
    let stood: Vec<String> = reports.iter().map(|report| as_of(report)).collect();
    // Nothing came later yet: the same without --as-of.
    for (report, stood) in reports.iter().zip(&stood).filter(|(report, _)| report[0] != "overdue") {
        assert_eq!(&text(&database, report), stood, "{report:?}");
    }

    shop.enqueue(pool, "purchase", "four", &shop.purchase(2)).await;
    shop.enqueue(pool, "payment", "five", &payment(&shop, "3", "later")).await;
    serve(&database, &shop).await;
    for edit in [
        "UPDATE commissary.customers SET name = 'Someone else', credit_limit = 1, is_active = false WHERE business_id = $1",
        "UPDATE commissary.products SET name = 'Something else', price = 99, tax_rate = 50 WHERE business_id = $1",
        "UPDATE commissary.organizations SET name = 'Another' WHERE business_id = $1",
        "DELETE FROM commissary.subsidy_programs WHERE business_id = $1",
    ] {
        sqlx::query(edit).bind(shop.business).execute(pool).await.expect(edit);
    }
    for (report, stood) in reports.iter().zip(&stood) {
        assert_eq!(&as_of(report), stood, "{report:?}");
        assert_ne!(&text(&database, report), stood, "{report:?} shows what came later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_is_rounded_once_a_rate_and_an_open_period_says_so() {
    let database = support::database().await;
    let shop = trading(&database).await;
    let all: Vec<String> =
        sqlx::query_scalar("SELECT period FROM commissary.settlement_periods WHERE business_id = $1")
            .bind(shop.business)
            .fetch_all(database.pool())
            .await
            .expect("periods");
    let tax = rows(&database, &["tax", "--period", &all[0]]);
    let seen: Vec<[&Value; 5]> =
        tax.iter().map(|row| ["state", "tax_rate", "gross", "taxable", "tax"].map(|name| &row[name])).collect();
    // 40.00 × 7 ÷ 107 = 2.6168…
    assert_eq!(seen, [["open", "7", "40.00", "37.38", "2.62"].map(Value::from).each_ref()]);
    assert!(rows(&database, &["tax", "--period", "1999-12"]).is_empty());

    let (_, _, outcome) = shop.result(database.pool(), "one").await.expect("it was decided");
    let piece = json!({"order_id": outcome["order_id"], "lines": [{"line_no": 1, "quantity": 1}]});
    shop.enqueue(database.pool(), "refund", "back", &piece).await;
    serve(&database, &shop).await;
    let tax = rows(&database, &["tax", "--period", &all[0]]);
    // 30.00 × 7 ÷ 107 = 1.9626…
    assert_eq!(["gross", "taxable", "tax"].map(|name| &tax[0][name]), ["30.00", "28.04", "1.96"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn overdue_shows_the_buckets_of_who_is_late() {
    let database = support::database().await;
    let pool = database.pool();
    let _shop = trading(&database).await;
    assert!(rows(&database, &["overdue"]).is_empty());
    let all = rows(&database, &["overdue", "--all"]);
    assert_eq!((all.len(), &all[0]["balance"], &all[0]["not_due"]), (1, &json!("28.50"), &json!("28.50")));
    // Everything is 29 to 30 days past due in 60 days from now.
    let then: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT clock_timestamp() + interval '1416 hours'")
        .fetch_one(pool)
        .await
        .expect("an instant");
    let late = rows(&database, &["overdue", "--as-of", &then.to_rfc3339()]);
    let seen: Vec<[&Value; 4]> =
        late.iter().map(|row| ["balance", "overdue_amount", "not_due", "days_1_30"].map(|name| &row[name])).collect();
    assert_eq!(seen, [["28.50", "28.50", "0.00", "28.50"].map(Value::from).each_ref()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_have_exactly_the_currencys_decimals() {
    let database = support::database().await;
    let pool = database.pool();
    for (currency, expected) in [("JPY", "20"), ("KWD", "20.000")] {
        let shop = Shop::open(pool, 100, 10).await;
        sqlx::query("UPDATE commissary.businesses SET currency = $2 WHERE business_id = $1")
            .bind(shop.business)
            .bind(currency)
            .execute(pool)
            .await
            .expect("no facts exist yet");
        shop.enqueue(pool, "purchase", "one", &shop.purchase(2)).await;
        serve(&database, &shop).await;
        let customer = shop.customer.to_string();
        assert_eq!(rows(&database, &["statement", "--customer", &customer])[2]["balance"], expected, "{currency}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2_and_says_what_to_do() {
    let database = support::database().await;
    let (shop, _neighbour) = (trading(&database).await, Shop::open(database.pool(), 1, 1).await);
    let customer = shop.outlet.to_string();
    let cases: [(&[&str], &str); 6] = [
        (&["statement", "--customer", &customer], "no business"),
        (&["overdue", "--business", &customer], "unknown"),
        (&["overdue", "--format", "hledger"], "only `report journal`"),
        (&["journal", "--format", "hledger"], "--business"),
        (&["tax", "--period", "2026-13"], "not a month"),
        (&["tax", "--period", "2026-10", "--json", "--format", "csv"], "cannot be used"),
    ];
    for (arguments, said) in cases {
        let output = report(&database, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.contains(said)), (Some(2), true), "{arguments:?}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_sees_the_businesses_it_is_bound_to() {
    let mut database = support::database().await;
    let (mine, other) = (trading(&database).await, trading(&database).await);
    let url = database.login(&["commissary_reporter"]).await;
    let login = url::Url::parse(&url).expect("a URL").username().to_owned();
    sqlx::query("INSERT INTO commissary.principals (role, business_id) VALUES ($1, $2)")
        .bind(login)
        .bind(mine.business)
        .execute(database.pool())
        .await
        .expect("an operator binds the login");
    let run = |arguments: &[&str]| database.command(arguments).env("DATABASE_URL", &url).output().expect("it runs");
    let output = run(&["report", "overdue", "--all", "--json"]);
    let seen: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a JSON array");
    assert_eq!(seen.iter().map(|row| row["business_id"].clone()).collect::<Vec<_>>(), [json!(mine.business)]);
    let foreign = run(&["report", "journal", "--business", &other.business.to_string()]);
    assert_eq!((foreign.status.code(), foreign.stdout.len()), (Some(2), 0));
}

/// Appends payments of one cent to the customer's account, as a table's owner could: checks hold, triggers do not fire.
async fn many_payments(database: &TestDatabase, shop: &Shop, payments: i64) {
    let sql = "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before,
            balance_after, credit_limit, created_at, period_id, job_id)
        SELECT $1, $2, 3 + n, 'payment', -0.01, 28.50 - (n - 1) * 0.01, 28.50 - n * 0.01, 1000, now(), p.period_id,
            gen_random_uuid()
        FROM generate_series(1, $3) n, commissary.settlement_periods p WHERE p.business_id = $1";
    let mut tx = database.pool().begin().await.expect("a transaction");
    sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("a superuser may");
    let added = sqlx::query(sql).bind(shop.business).bind(shop.customer).bind(payments).execute(&mut *tx).await;
    assert_eq!(added.expect("the entries fit").rows_affected(), payments.unsigned_abs());
    tx.commit().await.expect("committed");
}

/// The most memory, in KiB, that a running process has had resident.
fn peak_memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process still runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_many_rows_needs_no_more_memory_than_one_of_few() {
    const PAYMENTS: i64 = 300_000;
    const GROWTH_KIB_MAX: u64 = 4 * 1024;
    let database = support::database().await;
    let shop = trading(&database).await;
    many_payments(&database, &shop, PAYMENTS).await;
    let (customer, business) = (shop.customer.to_string(), shop.business.to_string());
    let reports: [&[&str]; 3] = [
        &["statement", "--customer", &customer, "--format", "table"],
        &["statement", "--customer", &customer, "--format", "json"],
        &["journal", "--format", "hledger", "--business", &business],
    ];
    for report in reports {
        let mut child = database
            .command(&[&["report"], report].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program of this build runs");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut read = |count: usize| assert_eq!(lines.by_ref().take(count).filter(Result::is_ok).count(), count);
        // What is not read yet is far more than the pipe and the program's buffer hold, so it still runs.
        read(5_000);
        let few = peak_memory_kib(child.id());
        read(285_000);
        let many = peak_memory_kib(child.id());
        assert!(many < few + GROWTH_KIB_MAX, "{report:?}: {few} KiB after 5,000 lines, {many} KiB after 290,000");
        assert!(lines.filter(Result::is_ok).count() > 10_000);
        assert!(child.wait().expect("it ends").success(), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let database = support::database().await;
    let shop = trading(&database).await;
    many_payments(&database, &shop, 20_000).await;
    for format in ["table", "csv", "json"] {
        let mut child = database
            .command(&["report", "journal", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program of this build runs");
        let mut first = [0; 10];
        child.stdout.take().expect("it is piped").read_exact(&mut first).expect("there is more than that");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_reconcile_says_so() {
    let database = support::database().await;
    let shop = trading(&database).await;
    let sql = "UPDATE commissary.credit_ledger SET amount = amount - 1, balance_before = balance_before + 1
        WHERE business_id = $1 AND seq = 2";
    let mut tx = database.pool().begin().await.expect("a transaction");
    sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("a superuser may");
    sqlx::query(sql).bind(shop.business).execute(&mut *tx).await.expect("the arithmetic of the entry still holds");
    tx.commit().await.expect("committed");
    let output = report(&database, &["statement", "--customer", &shop.customer.to_string()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.contains("commissary audit")), (Some(1), true), "{stderr}");
}
