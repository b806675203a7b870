//! Check: that a contender did the whole work, and nothing twice.

use anyhow::Context;
use sqlx::PgPool;

use super::Bench;
use super::server::Database;
use super::workload::Workload;

/// Compares counts and sums of everything a purchase writes.
///
/// # Errors
/// Names each rule that does not hold, with what was found.
pub async fn check(pool: &PgPool, workload: &Workload) -> anyhow::Result<()> {
    let (lines, programs) = (i64::from(workload.lines), i64::from(workload.programs));
    let faults = sqlx::query_file!("src/bench/sql/check.sql", lines, programs).fetch_all(pool).await?;
    let named: Vec<String> = faults
        .into_iter()
        .map(|fault| format!("{}: {} instead of {}", fault.rule, fault.found, fault.expected))
        .collect();
    anyhow::ensure!(named.is_empty(), "the results are wrong: {}", named.join("; "));
    Ok(())
}

/// Runs `commissary audit` on a database.
///
/// # Errors
/// If it finds a problem.
pub async fn audit(bench: &Bench, database: &Database) -> anyhow::Result<()> {
    (bench.say)("auditing the last run");
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = tokio::process::Command::new(program);
    command.arg("audit").env("DATABASE_URL", database.url.expose()).env_remove("COMMISSARY_DATABASE__REPORTER_URL");
    let output = command.output().await.context("running `commissary audit`")?;
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "the audit found problems:\n{}", said());
    Ok(())
}
