//! `result`: what came of a request.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::time::timeout;
use uuid::Uuid;

use super::Ended;
use super::output::{say, warn};
use crate::config::Settings;
use crate::db::{self, DbError, Role};
use crate::queue::RESULTS_CHANNEL;

/// How often to look, hints aside: they are best effort.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// The arguments of `result`.
#[derive(Debug, Args)]
pub struct ResultArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// The request's idempotency key
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Wait so long for the result if it is not there yet
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the result. It ends with a problem if the request was not completed, or has no result in time.
///
/// # Errors
/// If the database fails, or the business is unknown.
pub async fn run(args: ResultArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Producer, 2).await?;
    let Some(result) = wait_for(&pool, &args).await? else {
        warn(format_args!("no result under key {:?} of business {} yet", args.key, args.business));
        return Ok(Ended::WithProblems);
    };
    if args.json {
        say(&result)?;
    } else {
        print(&result)?;
    }
    Ok(if result["status"] == "completed" { Ended::Well } else { Ended::WithProblems })
}

async fn wait_for(pool: &PgPool, args: &ResultArgs) -> Result<Option<Value>, DbError> {
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    // Listening before the first look: a result that comes in between is hinted at.
    let mut listener = if args.wait > 0 { Some(PgListener::connect_with(pool).await?) } else { None };
    if let Some(listener) = &mut listener {
        listener.listen(RESULTS_CHANNEL).await?;
    }
    loop {
        if let Some(result) = look(pool, args).await? {
            return Ok(Some(result));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(listener) = listener.as_mut().filter(|_| !left.is_zero()) else { return Ok(None) };
        // Whether a hint came or not, look again; a lost connection shows there.
        if let Ok(Err(error)) = timeout(left.min(POLL_EVERY), listener.recv()).await {
            tracing::debug!(%error, "hints are lost: polling");
            tokio::time::sleep(left.min(POLL_EVERY)).await;
        }
    }
}

async fn look(pool: &PgPool, args: &ResultArgs) -> Result<Option<Value>, DbError> {
    let row = sqlx::query_file!("src/queue/sql/get_result.sql", args.business, args.key).fetch_optional(pool).await?;
    Ok(row.map(|row| {
        json!({
            "business_id": args.business, "idempotency_key": args.key, "job_id": row.job_id, "kind": row.kind,
            "status": row.status, "reason": row.reason, "outcome": row.outcome, "attempts": row.attempts,
            "enqueued_at": row.enqueued_at, "finished_at": row.finished_at, "decision_seq": row.decision_seq,
        })
    }))
}

fn print(result: &Value) -> std::io::Result<()> {
    let text = |name: &str| result[name].as_str().map_or_else(|| result[name].to_string(), str::to_owned);
    let reason = if result["reason"].is_null() { String::new() } else { format!(": {}", text("reason")) };
    say(format_args!("{} {}{reason}", text("kind"), text("status")))?;
    say(format_args!("  job {}, attempt {}, decision {}", text("job_id"), text("attempts"), text("decision_seq")))?;
    say(format_args!("  enqueued {}, finished {}", text("enqueued_at"), text("finished_at")))?;
    say(format_args!("{:#}", result["outcome"]))
}
