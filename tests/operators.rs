//! `queue` and `jobs` as an operator runs them.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use commissary::db::{Role, connect};
use commissary::ids::BusinessId;
use commissary::queue::{discard, pause_queue};
use serde_json::{Value, json};
use shop::Shop;
use sqlx::PgPool;
use support::TestDatabase;
use tokio::sync::Barrier;
use url::Url;
use uuid::Uuid;

/// Runs `commissary A B --business … more`; gives the exit code, what it printed as JSON, and what it said.
fn operate(database: &TestDatabase, command: [&str; 2], business: Uuid, more: &[&str]) -> (Option<i32>, Value, String) {
    let business = business.to_string();
    let arguments = [&command[..], &["--business", &business, "--json"], more].concat();
    let Output { status, stdout, stderr } = database.commissary(&arguments);
    let json = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    (status.code(), json, String::from_utf8_lossy(&stderr).into_owned())
}

fn work(database: &TestDatabase) {
    let mut worker = database.command(&["worker", "--until-empty"]);
    worker.env("COMMISSARY_WORKER__ATTEMPTS_MAX", "1").env("RUST_LOG", "off");
    assert!(worker.status().expect("a worker runs").success());
}

fn audit_passes(database: &TestDatabase) {
    let output = database.commissary(&["audit"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

async fn execute(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.expect(sql);
}

/// Every purchase fails from now on, as on a broken disk.
const BREAK: &str = "CREATE FUNCTION public.broken() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the order cannot be written'; END $$;
    CREATE TRIGGER broken BEFORE INSERT ON commissary.orders EXECUTE FUNCTION public.broken();";
const MEND: &str = "DROP TRIGGER broken ON commissary.orders; DROP FUNCTION public.broken();";

#[tokio::test]
async fn a_paused_business_is_left_alone_until_it_is_resumed() {
    let database = support::database().await;
    let pool = database.pool();
    let (paused, other) = (Shop::open(pool, 100, 100).await, Shop::open(pool, 100, 100).await);
    for shop in [paused, other] {
        shop.enqueue(pool, "purchase", "k", &shop.purchase(1)).await;
    }
    let later = "SELECT state FROM commissary.enqueue($1, 'purchase', 'later', $2, now() + interval '1 hour')";
    sqlx::query(later).bind(paused.business).bind(paused.purchase(1)).execute(pool).await.expect(later);
    let (code, json, _) = operate(&database, ["queue", "pause"], paused.business, &[]);
    assert_eq!((code, &json["changed"]), (Some(0), &json!(true)));
    assert_eq!(operate(&database, ["queue", "pause"], paused.business, &[]).1["changed"], json!(false));
    work(&database);
    assert!(paused.result(pool, "k").await.is_none() && other.result(pool, "k").await.is_some());

    let output = database.commissary(&["queue", "list", "--json"]);
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let (_, listed, _) = operate(&database, ["queue", "list"], paused.business, &[]);
    let row = &listed[0];
    let counts = [&row["ready"], &row["scheduled"], &row["retrying"], &row["is_paused"], &row["weight"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0), &json!(true), &json!(1)]);
    assert!(row["oldest_ready_at"].is_string());

    assert_eq!(operate(&database, ["queue", "resume"], paused.business, &[]).1["changed"], json!(true));
    work(&database);
    assert!(paused.result(pool, "k").await.is_some());
    let weigh = |weight: &'static str| operate(&database, ["queue", "weigh"], paused.business, &["--weight", weight]);
    assert_eq!([weigh("7").1["changed"].clone(), weigh("7").1["changed"].clone()], [json!(true), json!(false)]);
    assert_eq!(operate(&database, ["queue", "list"], paused.business, &[]).1[0]["weight"], json!(7));
    let (code, _, said) = weigh("101");
    assert!(code == Some(2) && said.contains("101"), "{said}");
    let (code, _, said) = operate(&database, ["queue", "pause"], Uuid::nil(), &[]);
    assert!(code == Some(2) && said.contains("is unknown"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_the_batch_in_flight() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let admin = connect(&database.settings().database, Role::Admin, 1).await.expect("it connects");
    let mut batch = database.pool().begin().await.expect("a transaction");
    sqlx::raw_sql("SELECT FROM commissary.queues FOR NO KEY UPDATE").execute(&mut *batch).await.expect("a turn");
    let business = BusinessId(shop.business);
    let pausing = tokio::spawn(async move { pause_queue(&admin, business, true).await });
    let waits =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let deadline = Instant::now() + Duration::from_secs(30);
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(database.pool()).await.expect(waits) {
        assert!(!pausing.is_finished() && Instant::now() < deadline, "it did not wait");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    batch.rollback().await.expect("the batch ends");
    assert!(pausing.await.expect("it ends").expect("it is paused"));
}

#[tokio::test]
async fn a_failed_job_is_found_asked_for_again_and_its_first_result_archived() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    shop.enqueue(pool, "purchase", "before", &shop.purchase(1)).await;
    work(&database);
    execute(pool, BREAK).await;
    shop.enqueue(pool, "purchase", "unlucky", &shop.purchase(2)).await;
    work(&database);
    let (_, failed, _) = operate(&database, ["jobs", "list"], shop.business, &["--state", "failed"]);
    assert_eq!((failed.as_array().map(Vec::len), &failed[0]["idempotency_key"]), (Some(1), &json!("unlucky")));
    assert!(failed[0]["error"].as_str().is_some_and(|error| error.contains("the order cannot be written")), "{failed}");
    assert_eq!(operate(&database, ["jobs", "list"], shop.business, &["--state", "waiting"]).1, json!([]));

    execute(pool, MEND).await;
    let (code, retried, _) = operate(&database, ["jobs", "retry"], shop.business, &["--key", "unlucky"]);
    assert_eq!((code, &retried["done"]), (Some(0), &json!("enqueued again")));
    let (_, waiting, _) = operate(&database, ["jobs", "list"], shop.business, &[]);
    assert_eq!(
        (&waiting[0]["state"], &waiting[0]["attempts"], waiting[0]["job_id"] == failed[0]["job_id"]),
        (&json!("ready"), &json!(0), false)
    );
    audit_passes(&database);
    work(&database);
    let (_, known, _) = operate(&database, ["jobs", "show"], shop.business, &["--key", "unlucky"]);
    assert_eq!((&known[0]["state"], &known[1]["state"]), (&json!("completed"), &json!("archived")), "{known}");
    assert_eq!((&known[0]["decision_seq"], &known[1]["decision_seq"]), (&json!(3), &json!(2)));
    assert_eq!((&known[1]["payload"], &known[1]["job_id"]), (&shop.purchase(2), &failed[0]["job_id"]));
    assert!(known[1]["archived_by"].is_string());
    assert_eq!(shop.number(pool, "SELECT stock FROM commissary.products WHERE business_id = $1").await, 97);
    audit_passes(&database);

    for (key, named) in [("unlucky", "is completed: only what failed"), ("unheard", "no result under key")] {
        let (code, _, said) = operate(&database, ["jobs", "retry"], shop.business, &["--key", key]);
        assert!(code == Some(1) && said.contains(named), "{said}");
    }
    let change = "DELETE FROM commissary.job_results_archive";
    let refused = sqlx::query(change).execute(pool).await.expect_err("an archive is final").to_string();
    assert!(refused.contains("refused"), "{refused}");
}

#[tokio::test]
async fn a_retry_is_made_ready_but_a_future_job_keeps_its_time() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    execute(pool, BREAK).await;
    shop.enqueue(pool, "purchase", "again", &shop.purchase(1)).await;
    let later = "SELECT state FROM commissary.enqueue($1, 'purchase', 'later', $2, now() + interval '1 hour')";
    sqlx::query(later).bind(shop.business).bind(shop.purchase(1)).execute(pool).await.expect(later);
    let mut worker = database.command(&["worker", "--until-empty"]);
    worker
        .env("RUST_LOG", "off")
        .env("COMMISSARY_WORKER__BACKOFF_MS", "3600000")
        .env("COMMISSARY_WORKER__BACKOFF_MAX_MS", "3600000");
    assert!(worker.status().expect("a worker runs").success());
    execute(pool, MEND).await;

    let (_, listed, _) = operate(&database, ["jobs", "list"], shop.business, &["--state", "retrying"]);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["attempts"]), (Some(1), &json!(1)));
    let (_, shown, _) = operate(&database, ["jobs", "show"], shop.business, &["--key", "again"]);
    assert!(shown[0]["last_error"].as_str().is_some_and(|error| error.contains("cannot be written")), "{shown}");
    let (code, retried, _) = operate(&database, ["jobs", "retry"], shop.business, &["--key", "again"]);
    assert_eq!((code, &retried["done"]), (Some(0), &json!("ready")));
    let (code, _, said) = operate(&database, ["jobs", "retry"], shop.business, &["--key", "later"]);
    assert!(code == Some(1) && said.contains("is no retry"), "{said}");
    let (_, scheduled, _) =
        operate(&database, ["jobs", "list"], shop.business, &["--state", "scheduled", "--kind", "purchase"]);
    assert_eq!((scheduled.as_array().map(Vec::len), &scheduled[0]["idempotency_key"]), (Some(1), &json!("later")));
    assert_eq!(operate(&database, ["jobs", "list"], shop.business, &["--kind", "payment"]).1, json!([]));
    work(&database);
    assert_eq!(shop.result(pool, "again").await.expect("a result").0, "completed");
}

#[tokio::test]
async fn a_discarded_job_leaves_a_result_that_can_be_undone() {
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 100, 100).await;
    shop.enqueue(pool, "purchase", "unwanted", &shop.purchase(1)).await;
    assert_eq!(operate(&database, ["jobs", "discard"], shop.business, &["--key", "unwanted"]).0, Some(0));
    let (code, _, said) = operate(&database, ["jobs", "discard"], shop.business, &["--key", "unwanted"]);
    assert!(code == Some(1) && said.contains("no job waits"), "{said}");
    let (_, known, _) = operate(&database, ["jobs", "show"], shop.business, &["--key", "unwanted"]);
    assert_eq!((known.as_array().map(Vec::len), &known[0]["state"]), (Some(1), &json!("failed")));
    assert_eq!(known[0]["outcome"]["message"], json!("discarded by operator"));
    work(&database);
    assert_eq!(shop::facts(pool, shop.business).await, [0, 0, 0, 0, 1]);
    audit_passes(&database);
    let (_, retried, _) = operate(&database, ["jobs", "retry"], shop.business, &["--key", "unwanted"]);
    assert_eq!(retried["done"], json!("enqueued again"));
    work(&database);
    assert_eq!(shop::facts(pool, shop.business).await, [1, 1, 1, 0, 1]);
    assert_eq!(operate(&database, ["jobs", "show"], shop.business, &["--key", "unheard"]).0, Some(1));
    audit_passes(&database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn discards_race_workers_and_each_key_ends_with_one_result() {
    const KEYS: usize = 40;
    let database = support::database().await;
    let pool = database.pool();
    let shop = Shop::open(pool, 1_000, 100).await;
    let admin = connect(&database.settings().database, Role::Admin, 4).await.expect("it connects");
    for key in 0..KEYS {
        shop.enqueue(pool, "purchase", &key.to_string(), &shop.purchase(1)).await;
    }
    let barrier = Arc::new(Barrier::new(4));
    let operators: Vec<_> = (0..4)
        .map(|part| {
            let (admin, barrier) = (admin.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                let mut discarded = 0;
                for key in (0..KEYS).rev().filter(|key| key % 4 == part) {
                    match discard(&admin, BusinessId(shop.business), &key.to_string()).await {
                        Ok(_) => discarded += 1,
                        Err(error) => assert_eq!(error.sqlstate().as_deref(), Some("CM404"), "{error}"),
                    }
                }
                discarded
            })
        })
        .collect();
    let mut worker = database.command(&["worker", "--until-empty"]);
    let mut worker =
        worker.env("RUST_LOG", "off").env("COMMISSARY_WORKER__BATCH_SIZE_MAX", "1").spawn().expect("a worker starts");
    let mut discarded = 0;
    for operator in operators {
        discarded += operator.await.expect("an operator ends");
    }
    assert!(worker.wait().expect("the worker ends").success());
    let [orders, .., results] = shop::facts(pool, shop.business).await;
    assert_eq!((orders + discarded, results), (40, 40));
    audit_passes(&database);
}

#[tokio::test]
async fn an_operator_acts_for_the_businesses_of_its_login_only() {
    let mut database = support::database().await;
    let (mine, other) = (Shop::open(database.pool(), 100, 100).await, Shop::open(database.pool(), 100, 100).await);
    let url = database.login(&["commissary_admin", "commissary_reporter"]).await;
    let login = Url::parse(&url).expect("a URL").username().to_owned();
    let bind = "INSERT INTO commissary.principals VALUES ($1::name, $2)";
    sqlx::query(bind).bind(login).bind(mine.business).execute(database.pool()).await.expect("an operator may");
    for shop in [mine, other] {
        for key in ["k", "l"] {
            shop.enqueue(database.pool(), "purchase", key, &shop.purchase(1)).await;
        }
    }
    let run = |arguments: &[&str], business: Uuid| {
        let business = business.to_string();
        let mut command = database.command(&[arguments, &["--business", &business]].concat());
        let output = command.env("DATABASE_URL", &url).output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for arguments in [
        &["queue", "pause"][..],
        &["queue", "resume"],
        &["queue", "weigh", "--weight", "3"],
        &["queue", "list"],
        &["jobs", "list"],
        &["jobs", "show", "--key", "k"],
        &["jobs", "discard", "--key", "k"],
        &["jobs", "retry", "--key", "k"],
        &["schedule", "list"],
        &["schedule", "add", "--name", "own", "--kind", "overdue_scan", "--cron", "0 1 * * *"],
    ] {
        let (code, said) = run(arguments, mine.business);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        let (code, said) = run(arguments, other.business);
        assert!(code == Some(2) && said.contains("may not act for"), "{arguments:?}: {said}");
    }
    let remove = ["schedule", "remove", "--name", "overdue-daily"];
    assert_eq!((run(&remove, other.business).0, run(&remove, mine.business).0), (Some(1), Some(0)));
    let left = "SELECT count(*) FROM commissary.schedules WHERE business_id = $1";
    assert_eq!((mine.number(database.pool(), left).await, other.number(database.pool(), left).await), (2, 2));
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_fault_and_a_full_disk_is_told() {
    let database = support::database().await;
    let shop = Shop::open(database.pool(), 100, 100).await;
    let business = shop.business.to_string();
    let commands =
        [&["queue", "list"][..], &["schedule", "list"], &["jobs", "list", "--business", &business], &["audit"]];
    for command in commands {
        let mut child =
            database.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
        assert_eq!((status.code(), &*String::from_utf8_lossy(&stderr)), (Some(0), ""), "{command:?}");

        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let Output { status, stderr, .. } = database.command(command).stdout(full).output().expect("it ends");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{command:?}: {stderr}");
        assert!(stderr.starts_with("commissary: No space left on device"), "{command:?}: {stderr}");
    }
}
