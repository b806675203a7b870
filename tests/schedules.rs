//! Schedules against a real database: each tick once, by the business's wall clock, caught up by policy.

mod support;

use std::process::Output;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use commissary::db::{Role, connect};
use commissary::ids::BusinessId;
use commissary::schedule::fire_due;
use serde_json::Value;
use sqlx::PgPool;
use support::TestDatabase;
use tokio::sync::Barrier;
use uuid::Uuid;

const RACERS: usize = 12;

async fn worker_pool(database: &TestDatabase, connections_max: u32) -> PgPool {
    connect(&database.settings().database, Role::Worker, connections_max).await.expect("it connects")
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

/// A business in this time zone, with its default schedules.
async fn new_business(pool: &PgPool, zone: &str) -> Uuid {
    let add = "INSERT INTO commissary.businesses (name, time_zone) VALUES ('B', $1) RETURNING business_id";
    sqlx::query_scalar(add).bind(zone).fetch_one(pool).await.expect("a business")
}

/// A business in this time zone with this one schedule.
async fn business_with(pool: &PgPool, zone: &str, kind: &str, cron: &str, catch_up: &str) -> Uuid {
    let business = new_business(pool, zone).await;
    sqlx::query("DELETE FROM commissary.schedules WHERE business_id = $1")
        .bind(business)
        .execute(pool)
        .await
        .expect("none");
    let add =
        "INSERT INTO commissary.schedules (business_id, name, kind, cron, catch_up) VALUES ($1, 'it', $2, $3, $4)";
    sqlx::query(add).bind(business).bind(kind).bind(cron).bind(catch_up).execute(pool).await.expect("a schedule");
    business
}

/// The ticks that became jobs, in the order in which they will be taken, without the name's part of their keys.
async fn ticks(pool: &PgPool, business: Uuid) -> Vec<String> {
    let sql = "SELECT split_part(idempotency_key, '/', 3) FROM commissary.jobs WHERE business_id = $1
        ORDER BY priority, run_at, enqueue_no";
    sqlx::query_scalar(sql).bind(business).fetch_all(pool).await.expect(sql)
}

/// Jobs and results that schedules made in all.
async fn made(pool: &PgPool) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM commissary.jobs WHERE idempotency_key LIKE 'schedule/%')
        + (SELECT count(*) FROM commissary.job_results WHERE idempotency_key LIKE 'schedule/%')";
    sqlx::query_scalar(sql).fetch_one(pool).await.expect(sql)
}

/// Computes the schedule first, then looks at each of these moments; gives the ticks that were fired.
async fn fired(zone: &str, cron: &str, catch_up: &str, moments: &[&str]) -> Vec<String> {
    let database = support::database().await;
    let pool = worker_pool(&database, 2).await;
    let business = business_with(database.pool(), zone, "overdue_scan", cron, catch_up).await;
    for moment in moments {
        fire_due(&pool, Some(instant(moment))).await.expect("it looks");
    }
    ticks(database.pool(), business).await
}

#[tokio::test]
async fn every_business_has_its_defaults_and_a_new_one_starts_with_nothing_due() {
    let database = support::database().await;
    let business = new_business(database.pool(), "UTC").await;
    let sql = "SELECT name, kind, cron, catch_up, next_at > now() FROM commissary.schedules WHERE business_id = $1 ORDER BY name";
    type Row = (String, String, String, String, Option<bool>);
    let rows: Vec<Row> = sqlx::query_as(sql).bind(business).fetch_all(database.pool()).await.expect(sql);
    let row = |name: &str, kind: &str, cron: &str, catch_up: &str, is_later| {
        (name.to_owned(), kind.to_owned(), cron.to_owned(), catch_up.to_owned(), is_later)
    };
    let defaults = |is_later| {
        [
            row("overdue-daily", "overdue_scan", "0 2 * * *", "latest", is_later),
            row("settlement-monthly", "settlement_close", "0 3 1 * *", "all", is_later),
        ]
    };
    assert_eq!(rows, defaults(None));
    assert!(database.commissary(&["worker", "--until-empty"]).status.success());
    let rows: Vec<Row> = sqlx::query_as(sql).bind(business).fetch_all(database.pool()).await.expect(sql);
    assert_eq!(rows, defaults(Some(true)));
    assert_eq!(made(database.pool()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tick_fires_once_however_many_look_at_once() {
    let database = support::database().await;
    let pool = worker_pool(&database, 16).await;
    for _ in 0..10 {
        business_with(database.pool(), "Europe/Berlin", "overdue_scan", "*/10 * * * *", "all").await;
    }
    fire_due(&pool, Some(instant("2026-05-01T00:05:00Z"))).await.expect("computed");
    assert_eq!(made(database.pool()).await, 0);
    for (round, until) in
        ["2026-05-01T01:00:00Z", "2026-05-01T01:10:00Z", "2026-05-01T04:00:00Z"].into_iter().enumerate()
    {
        let barrier = Arc::new(Barrier::new(RACERS));
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                let (pool, barrier) = (pool.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    fire_due(&pool, Some(instant(until))).await.expect("it looks")
                })
            })
            .collect();
        let mut enqueued = 0;
        for racer in racers {
            enqueued += racer.await.expect("a racer ends");
        }
        // 01:00 gives 00:10 … 01:00.
        let (new, all) = [(60, 60), (10, 70), (170, 240)][round];
        assert_eq!((enqueued, made(database.pool()).await), (new, all), "until {until}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_fires_once_across_worker_processes() {
    let database = support::database().await;
    let pool = database.pool();
    for _ in 0..20 {
        business_with(pool, "America/New_York", "overdue_scan", "0 2 * * *", "latest").await;
    }
    fire_due(&worker_pool(&database, 1).await, None).await.expect("computed");
    let due = "UPDATE commissary.schedules SET next_at = date_trunc('minute', now()) - interval '1 minute'";
    sqlx::query(due).execute(pool).await.expect("due");
    let worker = |_| database.command(&["worker"]).env("RUST_LOG", "off").spawn().expect("a worker starts");
    let mut workers: Vec<_> = (0..3).map(worker).collect();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while made(pool).await < 20 {
        assert!(std::time::Instant::now() < deadline, "only {} were made", made(pool).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for worker in &mut workers {
        worker.kill().and_then(|()| worker.wait()).expect("a worker is stopped");
    }
    assert_eq!(made(pool).await, 20);
    let later = "SELECT count(*) FROM commissary.schedules WHERE next_at > now() AND last_tick_at < now()";
    let moved: i64 = sqlx::query_scalar(later).fetch_one(pool).await.expect(later);
    assert_eq!(moved, 20);
}

#[tokio::test]
async fn missed_ticks_are_caught_up_by_policy() {
    let looks = ["2026-05-01T00:00:00Z", "2026-05-04T12:00:00Z", "2026-05-04T12:00:00Z", "2026-05-05T12:00:00Z"];
    let each =
        ["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04", "2026-05-05"].map(|day| format!("{day}T02:00:00Z"));
    assert_eq!(fired("UTC", "0 2 * * *", "all", &looks).await, each);
    assert_eq!(fired("UTC", "0 2 * * *", "latest", &looks).await, each[3..]);
}

#[tokio::test]
async fn many_missed_ticks_are_caught_up_over_several_transactions() {
    let ticks = fired("UTC", "* * * * *", "all", &["2026-05-01T00:00:00Z", "2026-05-02T18:00:30Z"]).await;
    assert_eq!((ticks.len(), ticks.first().map(String::as_str)), (42 * 60, Some("2026-05-01T00:01:00Z")));
    assert_eq!(ticks.last().map(String::as_str), Some("2026-05-02T18:00:00Z"));
    assert!(ticks.is_sorted());
}

#[tokio::test]
async fn a_time_that_does_not_exist_fires_once_after_the_gap() {
    // Berlin skips 02:00 to 03:00 on 2026-03-29 (01:00Z), New York on 2026-03-08 (07:00Z).
    let ticks = fired("Europe/Berlin", "30 2 * * *", "all", &["2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"]).await;
    assert_eq!(ticks, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    let quarters = ["2026-03-29T00:50:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T12:00:00Z"];
    assert_eq!(fired("Europe/Berlin", "*/15 2 * * *", "all", &quarters).await, ["2026-03-29T01:00:00Z"]);
    assert_eq!(fired("Europe/Berlin", "*/15 2 * * *", "latest", &quarters).await, ["2026-03-29T01:00:00Z"]);
    let ticks = fired("America/New_York", "30 2 * * *", "all", &["2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"]).await;
    assert_eq!(ticks, ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
    // Every half hour goes on without a double: 01:30 EST, then 03:00 EDT.
    let ticks =
        fired("America/New_York", "*/30 * * * *", "all", &["2026-03-08T06:15:00Z", "2026-03-08T07:30:00Z"]).await;
    assert_eq!(ticks, ["2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"]);
}

#[tokio::test]
async fn a_time_that_exists_twice_fires_once_the_first_time() {
    // Berlin repeats 02:00 to 03:00 on 2026-10-25 (00:00Z and 01:00Z), New York 01:00 to 02:00 on 2026-11-01 (05:00Z).
    let looks = ["2026-10-24T22:00:00Z", "2026-10-25T00:29:00Z", "2026-10-25T00:31:00Z", "2026-10-25T01:31:00Z"];
    assert_eq!(fired("Europe/Berlin", "30 2 * * *", "all", &looks).await, ["2026-10-25T00:30:00Z"]);
    assert_eq!(fired("Europe/Berlin", "30 2 * * *", "latest", &looks).await, ["2026-10-25T00:30:00Z"]);
    let late = ["2026-10-24T22:00:00Z", "2026-10-25T01:15:00Z"];
    assert_eq!(fired("Europe/Berlin", "*/15 2 * * *", "latest", &late).await, ["2026-10-25T00:45:00Z"]);
    let looks = ["2026-11-01T04:45:00Z", "2026-11-01T05:40:00Z", "2026-11-01T06:10:00Z", "2026-11-01T07:05:00Z"];
    let ticks = fired("America/New_York", "*/30 * * * *", "all", &looks).await;
    assert_eq!(ticks, ["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"]);
    // A schedule that is new in the second pass waits for the next day.
    assert_eq!(fired("America/New_York", "30 1 * * *", "all", &looks[2..]).await, [""; 0]);
}

#[tokio::test]
async fn the_wall_clock_agrees_with_a_search_minute_by_minute() {
    let database = support::database().await;
    let sql = "
        WITH change (zone, at) AS (VALUES
            ('Europe/Berlin', '2026-03-29T01:00Z'::timestamptz), ('Europe/Berlin', '2026-10-25T01:00Z'),
            ('America/New_York', '2026-03-08T07:00Z'), ('America/New_York', '2026-11-01T06:00Z'),
            ('Australia/Lord_Howe', '2026-04-04T15:00Z'), ('Australia/Lord_Howe', '2026-10-03T15:30Z'),
            ('Asia/Kathmandu', '2026-01-01T00:00Z')),
        around AS MATERIALIZED (
            SELECT c.zone, t.at, t.at AT TIME ZONE c.zone AS reading
            FROM change c, generate_series(c.at - interval '5 hours', c.at + interval '5 hours', interval '1 minute') t (at)),
        asked (zone, reading) AS (
            SELECT c.zone, (c.at AT TIME ZONE c.zone) + m * interval '1 minute' FROM change c, generate_series(-150, 150, 5) m)
        SELECT count(*) FILTER (WHERE commissary.wall_clock_reaches(a.reading, a.zone) IS DISTINCT FROM
                (SELECT min(r.at) FROM around r WHERE r.zone = a.zone AND r.reading >= a.reading)),
            (SELECT count(*) FROM around n WHERE n.at > '2026-01-01' AND date_part('minute', n.at)::int % 5 = 0
                AND EXISTS (SELECT FROM change c WHERE c.zone = n.zone AND abs(extract(epoch FROM c.at - n.at)) < 9000)
                AND commissary.wall_clock_reached(n.at, n.zone) <>
                    (SELECT max(r.reading) FROM around r WHERE r.zone = n.zone AND r.at <= n.at
                        AND r.at > n.at - interval '5 hours')),
            count(*)
        FROM asked a";
    let (reaches, reached, asked): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(database.pool()).await.expect(sql);
    assert_eq!((reaches, reached, asked), (0, 0, 7 * 61));
}

fn run(database: &TestDatabase, arguments: &[&str], now: Option<&str>) -> (Output, Value) {
    let mut command = database.command(arguments);
    if let Some(now) = now {
        command.args(["--now", now]).env("COMMISSARY_DEVELOPMENT", "true");
    }
    let output = command.output().expect("the program runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, json)
}

#[tokio::test]
async fn a_schedule_is_seen_edited_and_removed_by_the_command_line() {
    let database = support::database().await;
    let business = business_with(database.pool(), "Europe/Berlin", "overdue_scan", "0 2 * * *", "latest").await;
    let (of, now) = (business.to_string(), Some("2026-03-28T00:30:00Z"));
    let add = ["schedule", "add", "--business", &of, "--json", "--kind", "overdue_scan", "--name"];
    let list = ["schedule", "list", "--business", &of, "--json"];
    let locals = |json: &Value, at: usize| {
        let upcoming = json[at]["upcoming"].as_array().expect("a list").iter();
        upcoming.map(|tick| tick["local"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };

    let (output, json) = run(&database, &list, now);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(locals(&json, 0), ["2026-03-28 02:00", "2026-03-29 03:00", "2026-03-30 02:00"]);
    assert_eq!((&json[0]["time_zone"], &json[0]["name"]), (&"Europe/Berlin".into(), &"it".into()));

    // Computed, then edited before it is due: the old tick is forgotten, the new one fires.
    let pool = worker_pool(&database, 1).await;
    fire_due(&pool, Some(instant("2026-03-28T00:30:00Z"))).await.expect("computed");
    let (output, json) =
        run(&database, &[&add[..], &["it", "--cron", "15  4 * * MON", "--catch-up", "all"]].concat(), now);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("edited"), "{output:?}");
    assert_eq!((&json[0]["cron"], &json[0]["catch_up"]), (&"15 4 * * MON".into(), &"all".into()));
    assert_eq!(locals(&json, 0), ["2026-03-30 04:15", "2026-04-06 04:15", "2026-04-13 04:15"]);
    for look in ["2026-03-28T12:00:00Z", "2026-03-31T00:00:00Z"] {
        fire_due(&pool, Some(instant(look))).await.expect("it looks");
    }
    assert_eq!(ticks(database.pool(), business).await, ["2026-03-30T02:15:00Z"]);

    let (output, _) = run(&database, &[&add[..], &["other", "--cron", "0 5 1 1 *", "--inactive"]].concat(), now);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("added"), "{output:?}");
    let (_, json) = run(&database, &list, now);
    assert_eq!((locals(&json, 1).len(), &json[1]["is_active"]), (0, &false.into()));

    let remove = ["schedule", "remove", "--business", &of, "--name", "other"];
    assert_eq!(run(&database, &remove, None).0.status.code(), Some(0));
    assert_eq!(run(&database, &remove, None).0.status.code(), Some(1));
    let (_, json) = run(&database, &list, now);
    assert_eq!(json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_with_what_is_wrong() {
    let database = support::database().await;
    let business = business_with(database.pool(), "UTC", "overdue_scan", "0 2 * * *", "latest").await.to_string();
    let unknown = Uuid::new_v4().to_string();
    for (of, name, kind, cron, named) in [
        (&business, "new", "overdue_scan", "61 * * * *", "--cron: cron \"61 * * * *\""),
        (&business, "new", "overdue_scan", "0 2 * *", "it has 4 fields"),
        (&business, "new", "overdue_scan", "0 0 30 2 *", "no day ever matches"),
        (&business, "new", "purchase", "0 2 * * *", "overdue_scan or settlement_close"),
        (&business, "New!", "overdue_scan", "0 2 * * *", "a-z"),
        (&unknown, "new", "overdue_scan", "0 2 * * *", "it is unknown"),
    ] {
        let arguments = ["schedule", "add", "--business", of, "--name", name, "--kind", kind, "--cron", cron];
        let (output, _) = run(&database, &arguments, None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(named), "{named}: {said}");
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM commissary.schedules")
        .fetch_one(database.pool())
        .await
        .expect("a count");
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_expression_that_sql_let_in_is_reported_and_never_fires() {
    let database = support::database().await;
    let business = business_with(database.pool(), "UTC", "overdue_scan", "0 2 * * nonsense", "latest").await;
    let pool = worker_pool(&database, 1).await;
    for look in ["2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"] {
        fire_due(&pool, Some(instant(look))).await.expect("it looks");
    }
    assert_eq!(ticks(database.pool(), business).await, [""; 0]);
    let (_, json) = run(&database, &["schedule", "list", "--json"], None);
    assert_eq!(json[0]["upcoming"], serde_json::json!([]));
}

#[tokio::test]
async fn another_time_zone_moves_the_next_tick() {
    let database = support::database().await;
    let business = business_with(database.pool(), "UTC", "overdue_scan", "0 2 * * *", "all").await;
    let pool = worker_pool(&database, 1).await;
    fire_due(&pool, Some(instant("2026-05-01T00:30:00Z"))).await.expect("computed");
    let move_to = "UPDATE commissary.businesses SET time_zone = 'Asia/Kathmandu' WHERE business_id = $1";
    sqlx::query(move_to).bind(business).execute(database.pool()).await.expect("it has no facts");
    for look in ["2026-05-01T00:31:00Z", "2026-05-02T00:00:00Z"] {
        fire_due(&pool, Some(instant(look))).await.expect("it looks");
    }
    assert_eq!(ticks(database.pool(), business).await, ["2026-05-01T20:15:00Z"]);
}

#[tokio::test]
async fn a_simulated_clock_drives_the_schedules_and_each_settlement_names_the_month_before() {
    let database = support::database().await;
    let pool = database.pool();
    let business = new_business(pool, "UTC").await;
    for now in ["2026-01-15T12:00:00Z", "2026-02-15T12:00:00Z", "2026-04-15T12:00:00Z"] {
        let (output, _) = run(&database, &["worker", "--until-empty"], Some(now));
        assert!(output.status.success(), "{output:?}");
    }
    let sql = "SELECT k.idempotency_key || ' ' || (k.payload ->> 'period') FROM (
            SELECT business_id, idempotency_key, kind, payload FROM commissary.jobs UNION ALL
            SELECT business_id, idempotency_key, kind, payload FROM commissary.job_results) k
        WHERE k.business_id = $1 AND k.kind = $2 ORDER BY 1";
    let settled: Vec<String> =
        sqlx::query_scalar(sql).bind(business).bind("settlement_close").fetch_all(pool).await.expect(sql);
    let expected = [("2026-02-01", "2026-01"), ("2026-03-01", "2026-02"), ("2026-04-01", "2026-03")];
    assert_eq!(settled, expected.map(|(day, month)| format!("schedule/settlement-monthly/{day}T03:00:00Z {month}")));
    let scans =
        "SELECT count(*) FROM (SELECT kind FROM commissary.jobs UNION ALL SELECT kind FROM commissary.job_results) k
        WHERE k.kind = 'overdue_scan'";
    assert_eq!(sqlx::query_scalar::<_, i64>(scans).fetch_one(pool).await.expect(scans), 2);
}

#[tokio::test]
async fn a_key_that_is_taken_costs_the_tick_and_nothing_else() {
    let database = support::database().await;
    let business = business_with(database.pool(), "UTC", "overdue_scan", "0 2 * * *", "all").await;
    let pool = worker_pool(&database, 1).await;
    fire_due(&pool, Some(instant("2026-05-01T00:00:00Z"))).await.expect("computed");
    let take = "SELECT state FROM commissary.enqueue($1, 'payment', 'schedule/it/2026-05-01T02:00:00Z', '{}')";
    sqlx::query(take).bind(business).execute(database.pool()).await.expect("a producer may");
    fire_due(&pool, Some(instant("2026-05-02T12:00:00Z"))).await.expect("it looks");
    let kinds = "SELECT kind FROM commissary.jobs ORDER BY idempotency_key";
    let kinds: Vec<String> = sqlx::query_scalar(kinds).fetch_all(database.pool()).await.expect(kinds);
    assert_eq!(kinds, ["payment", "overdue_scan"]);
    let fired = commissary::schedule::fire_due_of(&pool, BusinessId(business), Some(instant("2026-05-02T12:00:00Z")));
    assert_eq!(fired.await.expect("it looks").claimed, 0);
}
