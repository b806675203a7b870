//! Enqueueing by SQL: what becomes of a request, in one call and in many, alone and against others.

mod support;

use std::sync::Arc;
use std::time::Duration;

use commissary::db::{self, Role};
use commissary::queue::{self, ARRIVALS_CHANNEL, JOBS_CHANNEL};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use support::TestDatabase;
use tokio::sync::Barrier;
use uuid::Uuid;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
const CALLERS: usize = 8;

type Answer = (Option<Uuid>, String, Option<Value>);

async fn database() -> TestDatabase {
    let database = support::database().await;
    sqlx::query("INSERT INTO commissary.businesses (business_id, name) VALUES ($1, 'A'), ($2, 'B')")
        .bind(A)
        .bind(B)
        .execute(database.pool())
        .await
        .expect("valid businesses");
    database
}

async fn enqueue(pool: &PgPool, kind: &str, key: &str, payload: Value) -> Result<Answer, sqlx::Error> {
    sqlx::query_as("SELECT * FROM commissary.enqueue($1, $2, $3, $4)")
        .bind(A)
        .bind(kind)
        .bind(key)
        .bind(payload)
        .fetch_one(pool)
        .await
}

async fn enqueue_many(pool: &PgPool, jobs: Value) -> Vec<(i32, String, Option<Value>)> {
    sqlx::query_as("SELECT \"position\", state, outcome FROM commissary.enqueue_many($1, $2)")
        .bind(A)
        .bind(jobs)
        .fetch_all(pool)
        .await
        .expect("it does not raise for an element")
}

fn request(key: &str, payload: Value) -> Value {
    json!({ "kind": "payment", "idempotency_key": key, "payload": payload })
}

fn states(answers: &[(i32, String, Option<Value>)]) -> Vec<&str> {
    answers.iter().map(|(_, state, _)| state.as_str()).collect()
}

async fn waiting(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT idempotency_key FROM commissary.jobs WHERE business_id = $1 ORDER BY priority, run_at, enqueue_no",
    )
    .bind(A)
    .fetch_all(pool)
    .await
    .expect("the jobs")
}

/// Finishes a waiting job as a worker would: its result, and no job.
async fn finish(pool: &PgPool, key: &str) {
    let sql = "WITH done AS (DELETE FROM commissary.jobs WHERE idempotency_key = $1 RETURNING *)
        INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, outcome, attempts, enqueued_at,
            finished_at, decision_seq, decided_at, payload)
        SELECT business_id, job_id, idempotency_key, kind, 'completed', '{\"seq\": 1}', 1, enqueued_at, now(), 1, now(), payload
        FROM done";
    assert_eq!(sqlx::query(sql).bind(key).execute(pool).await.expect("a result").rows_affected(), 1);
}

fn sqlstate<T>(done: Result<T, sqlx::Error>) -> Option<String> {
    let error = done.err()?;
    error.as_database_error()?.code().map(|code| code.into_owned())
}

#[tokio::test]
async fn a_request_is_queued_then_pending_then_answered() {
    let database = database().await;
    let payload = json!({ "amount": "1.00" });
    let (job, state, outcome) = enqueue(database.pool(), "payment", "k", payload.clone()).await.expect("queued");
    assert_eq!((state.as_str(), outcome), ("queued", None));
    let again = enqueue(database.pool(), "payment", "k", payload.clone()).await.expect("pending");
    assert_eq!(again, (job, "pending".to_owned(), None));
    assert_eq!(waiting(database.pool()).await, ["k"]);
    finish(database.pool(), "k").await;
    let answered = enqueue(database.pool(), "payment", "k", payload).await.expect("answered");
    assert_eq!(answered, (job, "completed".to_owned(), Some(json!({ "seq": 1 }))));
    assert!(waiting(database.pool()).await.is_empty(), "an answered request is not done again");
}

#[tokio::test]
async fn another_payload_or_kind_under_the_same_key_is_a_conflict() {
    let database = database().await;
    let pool = database.pool();
    enqueue(pool, "payment", "k", json!({ "n": 1 })).await.expect("queued");
    for _ in ["while it waits", "once it is answered"] {
        for (kind, payload) in [("payment", json!({ "n": 2 })), ("payment", json!({})), ("purchase", json!({ "n": 1 }))]
        {
            let refused = enqueue(pool, kind, "k", payload.clone()).await;
            assert_eq!(sqlstate(refused).as_deref(), Some("CM409"), "{kind} {payload}");
        }
        let many = enqueue_many(pool, json!([request("k", json!({ "n": 2 }))])).await;
        assert_eq!(states(&many), ["conflict"]);
        let message = many[0].2.as_ref().expect("an outcome")["message"].to_string();
        assert!(message.contains("'k'") && message.contains("new key"), "{message}");
        if waiting(pool).await == ["k"] {
            finish(pool, "k").await;
        }
    }
}

#[tokio::test]
async fn payloads_are_compared_as_values() {
    let database = database().await;
    let pool = database.pool();
    let spelled = |text: &'static str| async move {
        let sql = "SELECT state FROM commissary.enqueue($1, 'payment', 'k', $2::text::jsonb)";
        sqlx::query_scalar::<_, String>(sql).bind(A).bind(text).fetch_one(pool).await
    };
    assert_eq!(spelled(r#"{"a": 1, "b": [true, null]}"#).await.expect("queued"), "queued");
    for same in [
        r#"{"b":[true,null],"a":1.0}"#,
        r#"{"a": 1.00, "b": [true, null]}"#,
        r#"{"a": 2, "a": 1e0, "b": [true, null]}"#,
    ] {
        assert_eq!(spelled(same).await.expect(same), "pending", "{same}");
    }
    for other in [r#"{"a": "1", "b": [true, null]}"#, r#"{"a": 1, "b": [null, true]}"#, r#"{"a": 1, "b": [true]}"#] {
        assert_eq!(sqlstate(spelled(other).await).as_deref(), Some("CM409"), "{other}");
    }
}

#[tokio::test]
async fn a_malformed_request_raises_and_names_what_is_wrong() {
    let database = database().await;
    for (arguments, named) in [
        ("NULL, 'payment', 'k', '{}'", "business_id: it is null"),
        ("{UNKNOWN}, 'payment', 'k', '{}'", "business_id: "),
        ("{UNKNOWN}, 'gift', '', NULL", "business_id: "),
        ("{A}, 'gift', 'k', '{}'", "kind: 'gift' is unknown"),
        ("{A}, NULL, 'k', '{}'", "kind: NULL is unknown"),
        ("{A}, 'payment', '', '{}'", "idempotency_key: it is empty"),
        ("{A}, 'payment', NULL, '{}'", "idempotency_key: it is empty"),
        ("{A}, 'payment', repeat('é', 201), '{}'", "idempotency_key: it has 201 characters"),
        ("{A}, 'payment', 'k', NULL", "payload: it is missing"),
        ("{A}, 'payment', 'k', to_jsonb(repeat('é', 32768))", "payload: it has 65538 bytes"),
        ("{A}, 'payment', 'k', '{}', 'infinity'", "run_at: "),
        ("{A}, 'payment', 'k', '{}', now(), 0, repeat('x', 201)", "traceparent: "),
    ] {
        let sql = format!(
            "SELECT FROM commissary.enqueue({})",
            arguments.replace("{A}", &format!("'{A}'")).replace("{UNKNOWN}", "'00000000-0000-0000-0000-0000000000ff'")
        );
        let error = database.pool().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect_err(arguments);
        let error = error.as_database_error().expect("the server's");
        assert_eq!(error.code().as_deref(), Some("CM400"), "{arguments}: {error}");
        assert!(error.message().starts_with(named), "{arguments}: {error}");
    }
    for edge in [
        "{A}, 'payment', repeat('é', 200), '{}'",
        "{A}, 'payment', 'bytes', to_jsonb(repeat('é', 32767))",
        "{A}, 'payment', 'nulls', 'null', NULL, NULL, NULL",
    ] {
        let sql = format!("SELECT FROM commissary.enqueue({})", edge.replace("{A}", &format!("'{A}'")));
        database.pool().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect(edge);
    }
    assert_eq!(waiting(database.pool()).await.len(), 3);
}

#[tokio::test]
async fn many_at_once_never_raise_for_one_element() {
    let database = database().await;
    enqueue(database.pool(), "payment", "taken", json!({ "n": 1 })).await.expect("queued");
    let with = |field: &str, value: Value| {
        let mut element = request("fresh", json!({}));
        element[field] = value;
        element
    };
    let faults = [
        (json!(7), "element: "),
        (Value::Null, "element: "),
        (json!({ "kind": "payment", "payload": {} }), "idempotency_key: "),
        (json!({ "kind": "payment", "idempotency_key": "fresh" }), "payload: "),
        (with("kind", json!("gift")), "kind: "),
        (with("kind", json!(1)), "kind: "),
        (with("idempotency_key", json!("")), "idempotency_key: "),
        (with("idempotency_key", json!("x".repeat(201))), "idempotency_key: "),
        (with("payload", json!("x".repeat(65536))), "payload: "),
        (with("run_at", json!("tomorrow-ish")), "run_at: "),
        (with("run_at", json!("infinity")), "run_at: "),
        (with("run_at", json!("2026-01-01 12:00 Mars/Olympus")), "run_at: "),
        (with("run_at", json!("9999999-01-01")), "run_at: "),
        (with("run_at", json!(5)), "run_at: "),
        (with("priority", json!("high")), "priority: "),
        (with("priority", json!(0.5)), "priority: "),
        (with("priority", json!(3_000_000_000_u64)), "priority: "),
        (with("traceparent", json!(5)), "traceparent: "),
        (with("colour", json!("red")), "element: unknown field colour"),
    ];
    let mut jobs: Vec<Value> = faults.iter().map(|(element, _)| element.clone()).collect();
    jobs.extend([request("taken", json!({ "n": 2 })), request("taken", json!({ "n": 1 })), request("good", json!({}))]);
    jobs.extend([request("good", json!({})), request("good", json!({ "n": 3 }))]);
    let answers = enqueue_many(database.pool(), Value::Array(jobs)).await;
    for ((element, named), (_, state, outcome)) in faults.iter().zip(&answers) {
        let message = outcome.as_ref().and_then(|outcome| outcome["message"].as_str()).unwrap_or_default();
        assert!(state == "invalid" && message.starts_with(named), "{element:.80}: {state} {message}");
    }
    let rest = &answers[faults.len()..];
    assert_eq!(states(rest), ["conflict", "pending", "queued", "pending", "conflict"]);
    let positions: Vec<i32> = answers.iter().map(|(position, ..)| *position).collect();
    assert!(positions.iter().copied().eq(1..=24), "one answer an element, in the array's order: {positions:?}");
    assert_eq!(waiting(database.pool()).await, ["taken", "good"]);
}

#[tokio::test]
async fn what_is_no_array_raises() {
    let database = database().await;
    for jobs in [json!({}), Value::Null, json!("x")] {
        let done = sqlx::query("SELECT FROM commissary.enqueue_many($1, $2)")
            .bind(A)
            .bind(&jobs)
            .execute(database.pool())
            .await;
        assert_eq!(sqlstate(done).as_deref(), Some("CM400"), "{jobs}");
    }
    assert!(enqueue_many(database.pool(), json!([])).await.is_empty());
}

#[tokio::test]
async fn jobs_are_taken_in_the_arrays_order_within_priority_and_time() {
    let database = database().await;
    let keys: Vec<String> = (0..200).map(|n| format!("{:03}", n * 71 % 200)).collect();
    let mut jobs: Vec<Value> = keys.iter().map(|key| request(key, json!({}))).collect();
    let mut urgent = request("urgent", json!({}));
    urgent["priority"] = json!(-1);
    jobs.push(urgent);
    enqueue_many(database.pool(), Value::Array(jobs)).await;
    let mut expected = vec!["urgent".to_owned()];
    expected.extend(keys);
    assert_eq!(waiting(database.pool()).await, expected);
}

#[tokio::test]
async fn a_future_job_is_scheduled_and_a_due_one_is_ready() {
    let database = database().await;
    let mut future = request("future", json!({}));
    future["run_at"] = json!("2999-01-01T00:00:00Z");
    let mut past = request("past", json!({}));
    past["run_at"] = json!("2020-01-01T00:00:00Z");
    enqueue_many(database.pool(), json!([future, past])).await;
    let stored: Vec<(String, String)> =
        sqlx::query_as("SELECT idempotency_key, state FROM commissary.jobs ORDER BY idempotency_key")
            .fetch_all(database.pool())
            .await
            .expect("the jobs");
    let row = |key: &str, state: &str| (key.to_owned(), state.to_owned());
    assert_eq!(stored, [row("future", "scheduled"), row("past", "ready")]);
}

#[tokio::test]
async fn a_rolled_back_call_leaves_nothing() {
    let database = database().await;
    let mut transaction = database.pool().begin().await.expect("a transaction");
    sqlx::query("SELECT FROM commissary.enqueue($1, 'payment', 'k', '{}')")
        .bind(A)
        .execute(&mut *transaction)
        .await
        .expect("queued");
    transaction.rollback().await.expect("it rolls back");
    assert!(waiting(database.pool()).await.is_empty());
    let busy: bool = sqlx::query_scalar("SELECT is_busy FROM commissary.ready WHERE business_id = $1")
        .bind(A)
        .fetch_one(database.pool())
        .await
        .expect("a row a business");
    assert!(!busy);
    let (_, state, _) = enqueue(database.pool(), "payment", "k", json!({ "n": 2 })).await.expect("the key is free");
    assert_eq!(state, "queued");
}

#[tokio::test]
async fn every_arrival_is_hinted_at_while_a_worker_wants_to_hear_of_it() {
    let database = database().await;
    let pool = database.pool();
    let settings = database.settings();
    let workers = db::connect(&settings.database, Role::Worker, 2).await.expect("a pool");
    let mut listener = queue::listen_for_jobs(&workers, Duration::from_secs(60)).await.expect("it listens");
    let hint: Uuid = sqlx::query_scalar("SELECT hint FROM commissary.ready WHERE business_id = $1")
        .bind(A)
        .fetch_one(pool)
        .await
        .expect("a row a business");
    assert_ne!(hint, A, "a hint says nothing to those who are not told what it means");

    // Nobody wants arrivals: only the first wakes.
    for key in ["1", "2"] {
        enqueue(pool, "payment", key, json!({ "n": 1 })).await.expect("queued");
    }
    assert_eq!(hints(&mut listener, pool).await, [(JOBS_CHANNEL, String::new())]);

    assert!(queue::want_arrivals(&mut listener).await.expect("asked"));
    let mut other = queue::listen_for_jobs(&workers, Duration::from_secs(60)).await.expect("it listens");
    assert!(!queue::want_arrivals(&mut other).await.expect("asked"), "one worker at a time has them");
    enqueue(pool, "payment", "3", json!({ "n": 1 })).await.expect("queued");
    enqueue(pool, "payment", "3", json!({ "n": 1 })).await.expect("pending");
    enqueue_many(pool, json!([request("4", json!({ "n": 1 })), request("5", json!({ "n": 1 }))])).await;
    let mut transaction = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM commissary.enqueue($1, 'payment', '6', '{}')")
        .bind(A)
        .execute(&mut *transaction)
        .await
        .expect("queued");
    transaction.rollback().await.expect("it rolls back");
    let arrival = || (ARRIVALS_CHANNEL, hint.to_string());
    assert_eq!(hints(&mut listener, pool).await, [arrival(), arrival()]);

    // Whoever prepares its transactions may not notify: of a lively business, nor of an idle one.
    for business in [A, B] {
        let mut transaction = pool.begin().await.expect("a transaction");
        sqlx::query("SET LOCAL app.hints = off").execute(&mut *transaction).await.expect("set");
        sqlx::query("SELECT FROM commissary.enqueue($1, 'payment', 'off', '{}')")
            .bind(business)
            .execute(&mut *transaction)
            .await
            .expect("queued");
        transaction.commit().await.expect("it commits");
    }
    assert!(hints(&mut listener, pool).await.is_empty());

    queue::decline_arrivals(&mut listener).await.expect("declined");
    enqueue(pool, "payment", "7", json!({ "n": 1 })).await.expect("queued");
    assert!(hints(&mut listener, pool).await.is_empty());
    assert!(queue::want_arrivals(&mut other).await.expect("asked"));

    // The lock does not outlive the listener, though its connection goes back to the pool.
    drop(other);
    let mut third = queue::listen_for_jobs(&workers, Duration::from_secs(60)).await.expect("it listens");
    assert!(queue::want_arrivals(&mut third).await.expect("asked"));
}

/// What the listener has been told by now: a marker is sent behind it.
async fn hints(listener: &mut PgListener, pool: &PgPool) -> Vec<(&'static str, String)> {
    sqlx::query("SELECT pg_notify('commissary_jobs', 'end')").execute(pool).await.expect("the marker");
    let mut heard = Vec::new();
    loop {
        let hint = listener.try_recv().await.expect("it listens").expect("a connection");
        let channel = [JOBS_CHANNEL, ARRIVALS_CHANNEL].into_iter().find(|channel| *channel == hint.channel());
        match (channel.expect("no other channel"), hint.payload()) {
            (_, "end") => return heard,
            (channel, payload) => heard.push((channel, payload.to_owned())),
        }
    }
}

#[tokio::test]
async fn another_business_has_keys_of_its_own() {
    let database = database().await;
    enqueue(database.pool(), "payment", "k", json!({ "n": 1 })).await.expect("queued");
    let state: String = sqlx::query_scalar("SELECT state FROM commissary.enqueue($1, 'payment', 'k', '{\"n\": 2}')")
        .bind(B)
        .fetch_one(database.pool())
        .await
        .expect("no conflict");
    assert_eq!(state, "queued");
}

/// Runs `sql` with the argument of each caller, all released at one barrier, each on a connection of its own.
async fn race(database: &TestDatabase, sql: &'static str, arguments: Vec<Value>) -> Vec<Vec<String>> {
    let barrier = Arc::new(Barrier::new(arguments.len()));
    let callers = arguments.into_iter().map(|argument| {
        let (barrier, url) = (Arc::clone(&barrier), database.url().to_owned());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.expect("it connects");
            barrier.wait().await;
            sqlx::query_scalar::<_, String>(sql)
                .bind(A)
                .bind(argument)
                .fetch_all(&mut connection)
                .await
                .expect("no deadlock")
        })
    });
    let mut answers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        answers.push(caller.await.expect("no panic"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_race_for_the_same_keys_make_one_job_each() {
    let database = database().await;
    let sql = "SELECT s.state FROM jsonb_array_elements_text($2) k, commissary.enqueue($1, 'payment', k, '{}') s";
    let keys: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    let answers = race(&database, sql, vec![json!(keys); CALLERS]).await;
    let queued = answers.iter().flatten().filter(|state| *state == "queued").count();
    let pending = answers.iter().flatten().filter(|state| *state == "pending").count();
    assert_eq!((queued, pending), (keys.len(), keys.len() * (CALLERS - 1)));
    assert_eq!(waiting(database.pool()).await.len(), keys.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_keys_in_opposite_order_do_not_deadlock() {
    let database = database().await;
    let sql = "SELECT state FROM commissary.enqueue_many($1, $2)";
    for round in 0..5 {
        let mut jobs: Vec<Value> = (0..300).map(|n| request(&format!("{round} {n:03}"), json!({}))).collect();
        let forward = Value::Array(jobs.clone());
        jobs.reverse();
        let backward = Value::Array(jobs);
        let arguments = (0..CALLERS).map(|caller| if caller % 2 == 0 { forward.clone() } else { backward.clone() });
        let answers = race(&database, sql, arguments.collect()).await;
        let queued = answers.iter().flatten().filter(|state| *state == "queued").count();
        assert_eq!(queued, 300, "round {round}");
    }
    assert_eq!(waiting(database.pool()).await.len(), 1500);
}

/// A result that commits while an enqueue of its key waits for it is the answer; the request is not done again.
#[tokio::test]
async fn a_result_that_commits_meanwhile_is_the_answer() {
    let database = database().await;
    let pool = database.pool();
    enqueue(pool, "payment", "k", json!({})).await.expect("queued");
    let mut worker = pool.begin().await.expect("a transaction");
    let finished = "WITH done AS (DELETE FROM commissary.jobs WHERE idempotency_key = 'k' RETURNING *)
        INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, outcome, attempts, enqueued_at,
            finished_at, decision_seq, decided_at, payload)
        SELECT business_id, job_id, idempotency_key, kind, 'completed', '{}', 1, enqueued_at, now(), 1, now(), payload FROM done";
    sqlx::query(finished).execute(&mut *worker).await.expect("a result");
    let caller = tokio::spawn({
        let pool = pool.clone();
        async move { enqueue(&pool, "payment", "k", json!({})).await }
    });
    wait_for_a_waiter(pool).await;
    worker.commit().await.expect("it commits");
    let (_, state, _) = caller.await.expect("no panic").expect("answered");
    assert_eq!(state, "completed");
    assert!(waiting(pool).await.is_empty());
}

/// Until a session of this database waits for another's transaction; bounded by the statement's own timeout.
async fn wait_for_a_waiter(pool: &PgPool) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waited = async {
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.expect("the server answers") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waited).await.expect("the caller waits for the worker");
}
