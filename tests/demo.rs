//! `demo`: everything through real processes; twice is once; a failing fleet is an error, and nothing is lost by it.

mod support;

use std::process::Output;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn demo(database: &support::TestDatabase) -> std::process::Command {
    database.command(&["demo", "--purchases", "1500"])
}

#[tokio::test]
async fn the_demonstration_decides_everything_and_again_changes_nothing() {
    let database = support::database().await;
    let first = demo(&database).output().expect("the program of this build runs");
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let said = stdout(&first);
    for expected in ["1500 decisions between", "price_changed", "wrong_outlet", "PERCENTAGE_CAPPED"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let decisions = "SELECT count(*) FROM commissary.job_results";
    let ledger = "SELECT md5(string_agg(l::text, ',' ORDER BY l.business_id, l.customer_id, l.seq)) FROM commissary.credit_ledger l";
    let count: i64 = sqlx::query_scalar(decisions).fetch_one(database.pool()).await.expect("it answers");
    assert_eq!(count, 1500);
    let before: String = sqlx::query_scalar(ledger).fetch_one(database.pool()).await.expect("it answers");

    let second = demo(&database).output().expect("the program of this build runs");
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    assert!(stdout(&second).contains("changes nothing"), "{}", stdout(&second));
    let after: String = sqlx::query_scalar(ledger).fetch_one(database.pool()).await.expect("it answers");
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_worker_that_fails_is_named_and_its_jobs_still_wait() {
    let database = support::database().await;
    let mut command = demo(&database);
    command.env("COMMISSARY_DATABASE__WORKER_URL", "postgres://nobody@127.0.0.1:1/nowhere");
    command.env("COMMISSARY_DATABASE__ACQUIRE_TIMEOUT_MS", "1000");
    let failed = command.output().expect("the program of this build runs");
    assert_eq!(failed.status.code(), Some(2), "{failed:?}");
    let message = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(message.contains("worker 1 of 2 failed") && message.contains("still waits"), "{message}");
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM commissary.jobs")
        .fetch_one(database.pool())
        .await
        .expect("it answers");
    assert_eq!(waiting, 1500);
}
