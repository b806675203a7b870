//! `enqueue` and `result` as an operator runs them, and the Rust client as an upstream service uses it.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::io::Write;
use std::process::{Output, Stdio};

use apalis::prelude::TaskSink;
use commissary::db::{Role, connect};
use commissary::ids::BusinessId;
use commissary::queue::{EnqueueState, JobRequest, JobSink, enqueue, enqueue_many};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use shop::Shop;
use tempfile::NamedTempFile;
use uuid::Uuid;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("it is written");
    file
}

fn enqueue_file(database: &support::TestDatabase, file: &NamedTempFile, more: &[&str]) -> (Output, Value) {
    let path = file.path().to_str().expect("UTF-8");
    let output = database.commissary(&[&["enqueue", "--json", "--file", path], more].concat());
    let summary = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_named_and_every_other_is_enqueued() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    let line = |key: &str, payload: &str| {
        format!(
            r#"{{"business_id":"{}","kind":"purchase","idempotency_key":"{key}","payload":{payload}}}"#,
            shop.business
        )
    };
    let good = shop.purchase(1).to_string();
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let lines = [
        line("1", &good),
        "not json".to_owned(),
        line("2", r#"{"nul":"\u0000"}"#),
        line("3", &deep),
        String::new(),
        line("4", "1e400000"),
        line("", &good),
        line("1", "{}"),
        line("1", &good),
        line(&"k".repeat(201), &good),
        line("5", &format!("\"{}\"", "x".repeat(70_000))),
        format!(r#"{{"business_id":"{}","kind":"purchase","idempotency_key":"6","payload":{{}}}}"#, Uuid::nil()),
        format!(r#"{{"business_id":"{}","kind":"theft","idempotency_key":"7","payload":{{}}}}"#, shop.business),
        r#"{"kind":"purchase","idempotency_key":"8","payload":{}}"#.to_owned(),
        line("9", &good),
    ];
    let file = file(lines.join("\n").as_bytes());
    let (output, summary) = enqueue_file(&database, &file, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        (&summary["lines"], &summary["queued"], &summary["pending"], &summary["refused"]),
        (&json!(15), &json!(3), &json!(1), &json!(10)),
        "{said}"
    );
    for (number, message) in [
        (2, "not a request"),
        (3, "unsupported Unicode escape sequence"),
        (6, "value overflows numeric format"),
        (7, "idempotency_key: it is empty"),
        (8, "is taken by another request"),
        (10, "more than 200"),
        (11, "more than 65536"),
        (12, "is unknown"),
        (13, "kind: 'theft' is unknown"),
        (14, "business_id: it is missing"),
    ] {
        let named = said.lines().find(|line| line.contains(&format!(":{number}: ")));
        assert!(named.is_some_and(|line| line.contains(message)), "line {number} should say {message:?}:\n{said}");
    }

    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    let (_, again) = enqueue_file(&database, &file, &[]);
    assert_eq!((&again["completed"], &again["rejected"], &again["queued"]), (&json!(3), &json!(1), &json!(0)));
    let result =
        |key: &str| database.commissary(&["result", "--business", &shop.business.to_string(), "--key", key, "--json"]);
    let completed = result("1");
    assert!(completed.status.success());
    let parsed: Value = serde_json::from_slice(&completed.stdout).expect("JSON");
    assert_eq!((&parsed["status"], &parsed["outcome"]["total"]), (&json!("completed"), &json!("10.00")));
    assert_eq!(result("3").status.code(), Some(1), "a rejected request is a problem");
    assert_eq!(result("absent").status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_and_a_default_business() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 1_000_000, 1_000_000).await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for key in 0..2_500 {
        let payload = shop.purchase(1);
        let line =
            json!({"kind": "purchase", "idempotency_key": key.to_string(), "payload": payload, "priority": key % 3});
        writeln!(packed, "{line}").expect("packed");
    }
    let file = file(&packed.finish().expect("packed"));
    let (output, summary) = enqueue_file(&database, &file, &["--business", &shop.business.to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(summary["queued"], json!(2_500));
    let sql = "SELECT bool_and(priority = idempotency_key::integer % 3) AND count(*) = 2500 FROM commissary.jobs";
    let kept: bool = sqlx::query_scalar(sql).fetch_one(database.pool()).await.expect(sql);
    assert!(kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_hears_does_not_stop_an_enqueue() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let payload = shop.purchase(1);
    let job =
        json!({"business_id": shop.business, "kind": "purchase", "idempotency_key": "behind", "payload": payload});
    let file = file(("{}\n".repeat(100) + &job.to_string()).as_bytes());
    let mut enqueue = database.command(&["enqueue", "--file", file.path().to_str().expect("UTF-8")]);
    let mut child = enqueue.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "lines were refused");
    assert_eq!(shop.number(database.pool(), "SELECT count(*) FROM commissary.jobs WHERE business_id = $1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn result_waits_for_a_result() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    let business = shop.business.to_string();
    let waiting = database
        .command(&["result", "--business", &business, "--key", "k", "--wait", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    shop.enqueue(pool, "purchase", "k", &shop.purchase(1)).await;
    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    let output = waiting.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("purchase completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_enqueues_in_the_callers_transaction() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let producer = connect(&database.settings().database, Role::Producer, 2).await.expect("connects");
    let business = BusinessId(shop.business);
    let request = |key: &str| JobRequest::new("purchase", key, &shop.purchase(1)).expect("JSON");

    let mut tx = producer.begin().await.expect("begins");
    assert_eq!(enqueue(&mut tx, business, &request("undone")).await.expect("queued").state, EnqueueState::Queued);
    tx.rollback().await.expect("rolled back");

    let mut tx = producer.begin().await.expect("begins");
    let other = JobRequest::new("purchase", "1", &json!({})).expect("JSON");
    let answers = enqueue_many(&mut tx, business, &[request("1"), request("1"), other.clone()]).await.expect("answers");
    let states: Vec<_> = answers.iter().map(|answer| answer.state).collect();
    assert_eq!(states, [EnqueueState::Queued, EnqueueState::Pending, EnqueueState::Conflict]);
    tx.commit().await.expect("commits");

    let refused =
        enqueue(&mut producer.acquire().await.expect("connects"), business, &other).await.expect_err("a conflict");
    assert_eq!(refused.sqlstate().as_deref(), Some("CM409"));
    let kept: Vec<String> = sqlx::query_scalar("SELECT idempotency_key FROM commissary.jobs")
        .fetch_all(database.pool())
        .await
        .expect("jobs");
    assert_eq!(kept, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apalis_sink_enqueues() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let producer = connect(&database.settings().database, Role::Producer, 2).await.expect("connects");
    let mut sink = JobSink::new(producer, BusinessId(shop.business));
    let request = |key: u32| JobRequest::new("purchase", &key.to_string(), &shop.purchase(1)).expect("JSON");
    sink.push(request(1)).await.expect("pushed");
    sink.push_bulk((1..=1_500).map(request).collect()).await.expect("pushed");
    let waiting: i64 =
        sqlx::query_scalar("SELECT count(*) FROM commissary.jobs").fetch_one(database.pool()).await.expect("jobs");
    assert_eq!(waiting, 1_500);
    let conflict = JobRequest::new("payment", "1", &json!({})).expect("JSON");
    let refused = sink.push(conflict).await.expect_err("a conflict").to_string();
    assert!(refused.contains("is taken by another request"), "{refused}");
}
