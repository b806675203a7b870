//! Enqueueing in sets: requests of every fate in one array, and what a call leaves as it was.

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use support::TestDatabase;
use uuid::Uuid;

const A: Uuid = Uuid::from_u128(0xa);

#[derive(Debug, sqlx::FromRow)]
struct Answer {
    job_id: Option<Uuid>,
    state: String,
    outcome: Option<Value>,
    position: i32,
    idempotency_key: Option<String>,
}

async fn database() -> TestDatabase {
    let database = support::database().await;
    let sql = "INSERT INTO commissary.businesses (business_id, name) VALUES ($1, 'A')";
    sqlx::query(sql).bind(A).execute(database.pool()).await.expect("a valid business");
    database
}

fn request(key: &str, n: i32) -> Value {
    json!({ "kind": "payment", "idempotency_key": key, "payload": { "n": n } })
}

async fn enqueue_many(pool: &PgPool, jobs: &[Value]) -> Vec<Answer> {
    let sql = "SELECT * FROM commissary.enqueue_many($1, $2)";
    sqlx::query_as(sql).bind(A).bind(Value::from(jobs)).fetch_all(pool).await.expect("it does not raise for an element")
}

fn states(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| answer.state.as_str()).collect()
}

/// The jobs that wait, in the order of enqueueing.
async fn waiting(pool: &PgPool) -> Vec<(Uuid, String)> {
    let sql = "SELECT job_id, idempotency_key FROM commissary.jobs WHERE business_id = $1 ORDER BY enqueue_no";
    sqlx::query_as(sql).bind(A).fetch_all(pool).await.expect("the jobs")
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

#[tokio::test]
async fn requests_of_every_fate_are_answered_each_for_itself() {
    let database = database().await;
    let pool = database.pool();
    let before = enqueue_many(pool, &[request("waits", 1), request("done", 1)]).await;
    assert_eq!(states(&before), ["queued", "queued"]);
    finish(pool, "done").await;
    let invalid = json!({ "kind": "payment", "idempotency_key": "bad" });
    let jobs = [
        request("new z", 1),
        request("done", 1),
        invalid,
        request("waits", 1),
        request("new a", 1),
        request("done", 2),
        request("new z", 1),
        request("waits", 2),
        request("new z", 2),
        json!("text"),
    ];
    let answers = enqueue_many(pool, &jobs).await;
    assert_eq!(
        states(&answers),
        [
            "queued",
            "completed",
            "invalid",
            "pending",
            "queued",
            "conflict",
            "pending",
            "conflict",
            "conflict",
            "invalid"
        ]
    );
    assert!(answers.iter().map(|answer| answer.position).eq(1..=10));
    let keys: Vec<Option<&str>> = answers.iter().map(|answer| answer.idempotency_key.as_deref()).collect();
    assert_eq!(keys, jobs.each_ref().map(|job| job["idempotency_key"].as_str()));
    let outcomes: Vec<bool> = answers.iter().map(|answer| answer.outcome.is_some()).collect();
    assert_eq!(outcomes, [false, true, true, false, false, true, false, true, true, true]);
    assert_eq!(answers[1].outcome, Some(json!({ "seq": 1 })));

    // Whoever asks again learns the id of the job that was there first.
    let id = |index: usize| answers[index].job_id;
    assert_eq!([id(1), id(5)], [before[1].job_id; 2]);
    assert_eq!([id(3), id(7)], [before[0].job_id; 2]);
    assert_eq!([id(6), id(8)], [id(0); 2]);
    assert_eq!([id(2), id(9)], [None; 2]);
    let stored: HashMap<String, Uuid> = waiting(pool).await.into_iter().map(|(id, key)| (key, id)).collect();
    assert_eq!(stored.len(), 3, "an answered request is not done again: {stored:?}");
    assert_eq!([Some(stored["new z"]), Some(stored["new a"]), Some(stored["waits"])], [id(0), id(4), id(3)]);
}

#[tokio::test]
async fn an_array_of_faults_stores_nothing() {
    let database = database().await;
    let jobs = [json!({}), json!([]), json!({ "kind": "gift", "idempotency_key": "k", "payload": {} })];
    assert_eq!(states(&enqueue_many(database.pool(), &jobs).await), ["invalid"; 3]);
    assert!(waiting(database.pool()).await.is_empty());
}

#[tokio::test]
async fn ids_are_of_version_7_and_follow_the_arrays_order() {
    let database = database().await;
    let earliest = chrono::Utc::now();
    let jobs: Vec<Value> = (0..300).map(|n| request(&format!("{:03}", n * 71 % 300), n)).collect();
    let answers = enqueue_many(database.pool(), &jobs).await;
    let ids: Vec<Uuid> = answers.iter().filter_map(|answer| answer.job_id).collect();
    assert_eq!(ids.len(), 300);
    assert!(ids.is_sorted_by(|one, next| one < next), "they rise strictly");
    for id in &ids {
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122), "{id}");
        let (seconds, nanos) = id.get_timestamp().expect("version 7").to_unix();
        let made = chrono::DateTime::from_timestamp(i64::try_from(seconds).expect("this century"), nanos);
        let age = made.expect("a time") - earliest;
        assert!(age.num_seconds().abs() < 60, "{id} was made {age} after the call began");
    }
    let stored: Vec<Uuid> = waiting(database.pool()).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(stored, ids, "the order of enqueueing is the array's");
}

#[tokio::test]
async fn options_are_stored_and_may_be_null() {
    let database = database().await;
    let with = |key: &str, options: Value| {
        let mut element = request(key, 1);
        element.as_object_mut().expect("an object").extend(options.as_object().expect("options").clone());
        element
    };
    let jobs = [
        with("all", json!({ "run_at": "2020-01-02T03:04:05+02:00", "priority": -3, "traceparent": "00-abc" })),
        with("none", json!({ "run_at": null, "priority": null, "traceparent": null })),
        with("some", json!({ "priority": 2e0 })),
        request("plain", 1),
    ];
    assert_eq!(states(&enqueue_many(database.pool(), &jobs).await), ["queued"; 4]);
    let sql = "SELECT idempotency_key, priority, run_at = '2020-01-02 01:04:05Z', run_at = enqueued_at OR
            run_at BETWEEN enqueued_at - interval '1 minute' AND enqueued_at, traceparent, state
        FROM commissary.jobs ORDER BY enqueue_no";
    let stored: Vec<(String, i32, bool, bool, Option<String>, String)> =
        sqlx::query_as(sql).fetch_all(database.pool()).await.expect("the jobs");
    let row = |key: &str, priority, is_given: bool, traceparent: Option<&str>| {
        (key.to_owned(), priority, is_given, !is_given, traceparent.map(str::to_owned), "ready".to_owned())
    };
    let expected = [
        row("all", -3, true, Some("00-abc")),
        row("none", 0, false, None),
        row("some", 2, false, None),
        row("plain", 0, false, None),
    ];
    assert_eq!(stored, expected);
}

/// Between the insert that meets a job and the look-up, that job may go without leaving a result (a redrive, and a discard
/// after it). A trigger stands in for whoever removes it.
#[tokio::test]
async fn a_job_that_vanishes_before_the_look_up_is_stored_again() {
    let database = database().await;
    let pool = database.pool();
    let trigger = "CREATE FUNCTION public.vanish() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN DELETE FROM commissary.jobs WHERE idempotency_key = 'k' AND attempts = 7; RETURN NULL; END $$;
        CREATE TRIGGER vanish AFTER INSERT ON commissary.jobs EXECUTE FUNCTION public.vanish();
        ALTER FUNCTION public.vanish() OWNER TO commissary_owner";
    for calls in ["enqueue_many", "enqueue"] {
        assert_eq!(states(&enqueue_many(pool, &[request("k", 1)]).await), ["queued"], "{calls}");
        pool.execute("UPDATE commissary.jobs SET attempts = 7").await.expect("marked");
        if calls == "enqueue_many" {
            pool.execute(sqlx::raw_sql(trigger)).await.expect("a trigger");
            let answers = enqueue_many(pool, &[request("a", 1), request("k", 2), json!(0), request("k", 3)]).await;
            assert_eq!(states(&answers), ["queued", "queued", "invalid", "conflict"]);
            let stored = waiting(pool).await;
            assert_eq!(
                stored.iter().map(|(id, key)| (Some(*id), key.as_str())).collect::<Vec<_>>(),
                [(answers[0].job_id, "a"), (answers[1].job_id, "k")]
            );
        } else {
            let sql = "SELECT job_id, state FROM commissary.enqueue($1, 'payment', 'k', '{\"n\": 2}')";
            let (job, state): (Uuid, String) = sqlx::query_as(sql).bind(A).fetch_one(pool).await.expect("queued");
            assert_eq!(state, "queued");
            assert!(waiting(pool).await.iter().any(|(id, key)| *id == job && key == "k"));
        }
        pool.execute("DELETE FROM commissary.jobs").await.expect("emptied");
    }
}

/// Callers take as long as they like to commit: nobody waits for another's open transaction, though all enqueue for one
/// business, whose hint is still to be given.
#[tokio::test]
async fn open_transactions_are_not_waited_for() {
    let database = database().await;
    let pool = database.pool();
    let mut open = Vec::new();
    for caller in 0..8 {
        let mut tx = pool.begin().await.expect("a transaction");
        tx.execute("SET LOCAL lock_timeout = '1s'").await.expect("set");
        let sql = "SELECT state FROM commissary.enqueue($1, 'payment', $2, '{}')";
        let one = sqlx::query_scalar::<_, String>(sql).bind(A).bind(format!("one {caller}"));
        assert_eq!(one.fetch_one(&mut *tx).await.expect("no wait"), "queued");
        let sql = "SELECT state FROM commissary.enqueue_many($1, $2)";
        let jobs = json!([request(&format!("many {caller}"), 1), request(&format!("more {caller}"), 1)]);
        let many = sqlx::query_scalar::<_, String>(sql).bind(A).bind(jobs);
        assert_eq!(many.fetch_all(&mut *tx).await.expect("no wait"), ["queued"; 2]);
        open.push(tx);
    }
    for tx in open {
        tx.commit().await.expect("it commits");
    }
    assert_eq!(waiting(pool).await.len(), 24);
}

/// A session that planned on empty tables probes the keys' own index when they are full: nothing is walked through.
#[tokio::test]
async fn look_ups_stay_probes_while_tables_grow() {
    let database = database().await;
    let mut session = database.pool().acquire().await.expect("a session");
    let calls = |round: i32| {
        let call = |key: &str, n: i32| {
            let jobs = json!([request(&format!("{key} {round}"), n), request("known 1", 1), request("waits 1", 1)]);
            format!("SELECT FROM commissary.enqueue_many('{A}', '{jobs}')")
        };
        let one = |key: &str| format!("SELECT FROM commissary.enqueue('{A}', 'payment', '{key}', '{{\"n\": 1}}')");
        let all_new =
            format!("SELECT FROM commissary.enqueue_many('{A}', '[{}]')", request(&format!("new {round}"), 1));
        let result = format!("SELECT FROM commissary.get_result('{A}', 'known 1')");
        [all_new, call("mixed", 1), one(&format!("one {round}")), one("known 1"), one("waits 1"), result].join("; ")
    };
    session.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(calls(1)))).await.expect("planned");
    let fill = "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload)
            SELECT business_id, 'payment', 'waits ' || n, '{\"n\": 1}' FROM commissary.businesses, generate_series(2, 3000) n;
        DELETE FROM commissary.jobs WHERE idempotency_key = 'known 1';
        INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, outcome, attempts,
            enqueued_at, finished_at, decision_seq, decided_at, payload)
            SELECT business_id, gen_random_uuid(), 'known ' || n, 'payment', 'completed', '{}', 1, now(), now(), n, now(),
                '{\"n\": 1}' FROM commissary.businesses, generate_series(1, 3000) n";
    session.execute(sqlx::raw_sql(fill)).await.expect("filled");
    session.execute("BEGIN").await.expect("begun");
    // What earlier transactions read may still stand in these counters.
    let sql = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables
        WHERE relname IN ('jobs', 'job_results')";
    let before: i64 = sqlx::query_scalar(sql).fetch_one(&mut *session).await.expect("counted");
    session.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(calls(2)))).await.expect("called");
    let after: i64 = sqlx::query_scalar(sql).fetch_one(&mut *session).await.expect("counted");
    assert!(after - before < 60, "{} rows read by a dozen look-ups", after - before);
}

/// The planner's settings that the functions need, and the business they enter, are the caller's own again afterwards.
#[tokio::test]
async fn the_callers_settings_survive() {
    let database = database().await;
    let mut tx = database.pool().begin().await.expect("a transaction");
    tx.execute("SET LOCAL app.business_id = 'mine'; SET LOCAL plan_cache_mode = force_custom_plan").await.expect("set");
    let calls = [
        format!("SELECT FROM commissary.enqueue('{A}', 'payment', 'one', '{{}}')"),
        format!("SELECT FROM commissary.enqueue('{A}', 'payment', 'one', '{{}}')"),
        format!(
            "SELECT FROM commissary.enqueue_many('{A}', jsonb_build_array(jsonb_build_object(
            'kind', 'payment', 'idempotency_key', 'two', 'payload', '{{}}'::jsonb)))"
        ),
    ];
    for call in calls {
        tx.execute(sqlx::AssertSqlSafe(call)).await.expect("enqueued");
        let sql = "SELECT current_setting('app.business_id'), current_setting('plan_cache_mode'),
            current_setting('enable_seqscan'), current_setting('enable_hashjoin')";
        let settings: (String, String, String, String) =
            sqlx::query_as(sql).fetch_one(&mut *tx).await.expect("settings");
        let (business, plans, seqscan, hashjoin) = &settings;
        assert_eq!([business, plans, seqscan, hashjoin], ["mine", "force_custom_plan", "on", "on"]);
    }
}
