//! Jobs: what a peer's queue carries, and how it is filled and connected.

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

use crate::statement::sql;

/// A purchase, as it waits in a peer's queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Whose.
    pub business_id: Uuid,
    /// The id that commissary gave it.
    pub job_id: Uuid,
    /// What makes it take effect once.
    pub idempotency_key: String,
    /// When it was enqueued with commissary.
    pub enqueued_at: DateTime<Utc>,
    /// What is asked for.
    pub payload: Value,
}

/// The payload of a purchase of the standard workload.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Who buys.
    pub customer_id: Uuid,
    /// Where.
    pub outlet_id: Uuid,
    /// What.
    pub lines: Vec<Line>,
}

/// A line of a purchase.
#[derive(Debug, Deserialize)]
pub struct Line {
    /// Which product.
    pub product_id: Uuid,
    /// How many pieces.
    pub quantity: i32,
}

/// The connections that tasks use: commissary's worker role, with the start-up options of its own worker.
pub async fn task_pool(url: &str, connections: usize) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([
        ("role", "commissary_worker"),
        ("search_path", "commissary,pg_temp"),
        ("timezone", "UTC"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
        ("client_min_messages", "error"),
    ]);
    let connections = u32::try_from(connections)?;
    Ok(PgPoolOptions::new().max_connections(connections).connect_with(options).await?)
}

/// Refuses a catalogue or a queue that asks for rules which the task does not judge.
///
/// # Errors
/// If there is any such row; the message counts them.
pub async fn check(owner: &PgPool) -> anyhow::Result<()> {
    let unfit: Vec<(String, i64)> = sqlx::query_as(sql!("unfit")).fetch_all(owner).await?;
    let refused: Vec<String> =
        unfit.into_iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("{rows} of {what}")).collect();
    if !refused.is_empty() {
        let refused = refused.join(", ");
        bail!("{refused} ask for rules that this benchmark does not judge: use the standard workload");
    }
    Ok(())
}

/// Empties commissary's own queue, and gives the peer's a vacuum and statistics.
pub async fn hand_over(owner: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql("TRUNCATE commissary.jobs").execute(owner).await?;
    sqlx::raw_sql("VACUUM (ANALYZE) apalis.jobs").execute(owner).await?;
    Ok(())
}
