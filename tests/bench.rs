//! `bench`: every scenario and every contender works, at sizes that measure nothing.

mod support;

use std::process::{Output, Stdio};

use serde_json::Value;

const TINY: [&str; 8] = ["--seconds", "30", "--runs", "1", "--businesses", "2", "--customers", "20"];

async fn bench(arguments: &[&str]) -> Output {
    let database = support::empty_database().await;
    let arguments: Vec<&str> = ["bench"].iter().chain(arguments).chain(&TINY).copied().collect();
    database.commissary(&arguments)
}

/// A run of an offered load lasts as long as it is told to.
async fn live(scenario: &str) -> Output {
    let database = support::empty_database().await;
    let arguments =
        ["bench", scenario, "--seconds", "1", "--runs", "1", "--businesses", "2", "--purchases", "400", "--json"];
    database.commissary(&arguments)
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

/// A lane's median figure.
fn figure(report: &Value, lane: &str, name: &str) -> f64 {
    let lanes = report["medians"].as_array().expect("medians");
    let found = lanes.iter().find(|median| median["name"] == lane).unwrap_or_else(|| panic!("{lane} in {report}"));
    found["figures"][name].as_f64().unwrap_or_else(|| panic!("{name} of {lane} in {report}"))
}

#[tokio::test]
async fn every_contender_does_the_whole_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let plot = directory.path().join("curves.svg");
    let path = plot.to_str().expect("a temporary path is UTF-8");
    let report = json(&bench(&["throughput", "--purchases", "400", "--audit", "--json", "--plot", path]).await);
    for lane in ["commissary", "ceiling", "textbook", "function"] {
        assert!(figure(&report, lane, "results") > 0.0, "{lane}");
        assert_eq!(figure(&report, lane, "subsidised_percent"), 100.0, "{lane}");
        assert!(figure(&report, lane, "row_writes_per_purchase") >= 8.0, "{lane}");
    }
    assert_eq!(figure(&report, "textbook", "commits_per_purchase").round(), 1.0);
    assert_eq!(report["ratios"].as_array().map(Vec::len), Some(3));
    assert!(report["objections"].to_string().contains("less than 60 s"), "{report}");
    let drawn = std::fs::read_to_string(&plot).expect("the plot is written");
    assert!(drawn.starts_with("<svg") && drawn.contains("textbook"), "{drawn}");
}

#[tokio::test]
async fn the_scenarios_of_one_contender_work() {
    for scenario in ["cold", "hot", "snapshot"] {
        let report = json(&bench(&[scenario, "--purchases", "200", "--json"]).await);
        assert_eq!(report["scenario"], scenario);
        assert!(!report["ratios"].as_array().expect("ratios").is_empty(), "{report}");
    }
    let report = json(&bench(&["growth", "--purchases", "200", "--orders-before", "100", "--json"]).await);
    assert_eq!(figure(&report, "long account", "ledger_entries"), 200.0);
    assert!(figure(&report, "grown", "results") > 0.0);
}

#[tokio::test]
async fn every_door_of_the_queue_is_measured() {
    let database = support::empty_database().await;
    let arguments = ["bench", "enqueue", "--seconds", "0.5", "--runs", "1", "--businesses", "1", "--json"];
    let report = json(&database.commissary(&arguments));
    for lane in ["enqueue_many x4", "Rust client x1", "plain INSERT x2", "enqueue, one by one x32"] {
        assert!(figure(&report, lane, "jobs") > 0.0, "{lane}");
    }
    assert_eq!(report["ratios"].as_array().map(Vec::len), Some(10));
    assert!(report["objections"].to_string().contains("took in less than"), "{report}");
}

#[tokio::test]
async fn the_scenarios_of_live_load_work() {
    let report = json(&live("latency").await);
    assert!(figure(&report, "500 a second", "purchases") > 100.0, "{report}");
    assert!(figure(&report, "500 a second", "latency_p50_ms") > 0.0, "{report}");
    let report = json(&live("fairness").await);
    assert!(figure(&report, "others, one floods", "purchases") > 10.0, "{report}");
    let report = json(&live("idle").await);
    assert!(figure(&report, "idle", "worker_cpu_percent") < 100.0, "{report}");
    let report = json(&bench(&["processes", "--purchases", "400", "--json"]).await);
    for lane in ["1 x 8", "2 x 4", "4 x 2", "8 x 1"] {
        assert!(figure(&report, lane, "results") > 0.0, "{lane}");
        assert_eq!(figure(&report, lane, "deadlocks"), 0.0, "{lane}");
    }
}

#[tokio::test]
async fn an_external_contender_that_does_nothing_is_reported_and_leaves_nothing_behind() {
    let database = support::empty_database().await;
    let arguments = ["bench", "--purchases", "40", "--contenders", "commissary", "--external", "lazy=false"];
    let mut command = database.command(&arguments.iter().chain(&TINY).copied().collect::<Vec<_>>());
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program of this build runs");
    let made = format!("commissary_bench_{}_%", child.id());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`false prepare` failed"), "{said}");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname LIKE $1")
        .bind(made)
        .fetch_one(database.pool())
        .await
        .expect("the server lists its databases");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_external_contender_is_measured_like_the_others() {
    let worker = format!("sh -c 'test \"$0\" = prepare || exec {} worker'", env!("CARGO_BIN_EXE_commissary"));
    let external = format!("another={worker}");
    let report =
        json(&bench(&["--purchases", "200", "--contenders", "function", "--external", &external, "--json"]).await);
    assert!(figure(&report, "another", "results") > 0.0);
    assert!(figure(&report, "another", "worker_memory_peak_mib") > 1.0);
}
