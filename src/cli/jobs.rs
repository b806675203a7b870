//! `jobs`: waiting and failed jobs, one by one; retrying and discarding them.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::output::{say, warn};
use super::{Ended, listing};
use crate::config::Settings;
use crate::db::{self, DbError, Role};
use crate::ids::{BusinessId, JobId};
use crate::queue::{self, JobFilter, ListedJob};

/// The arguments of `jobs`.
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show waiting jobs in the order in which they will be taken, then failed ones, the newest first
    List(ListArgs),
    /// Show all that is known under a key: payload, attempts, errors, the result, archived results
    Show(KeyArgs),
    /// Make a failed attempt's next one due now; or, for a failed result, archive it and enqueue its payload again
    Retry(KeyArgs),
    /// Remove a waiting job: it gets a failed result that says so
    Discard(KeyArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// Only jobs in this state
    #[arg(long)]
    state: Option<State>,
    /// Only jobs of this kind
    #[arg(long)]
    kind: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Ready, scheduled or retrying
    Waiting,
    /// May be taken now
    Ready,
    /// Its time has not come
    Scheduled,
    /// An attempt failed; waits for the next
    Retrying,
    /// Given up
    Failed,
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// The job's idempotency key
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Shows, retries or discards. It ends with a problem if there is no such job, or its state forbids that.
///
/// # Errors
/// If the database fails, the business is unknown, or the login may not act for it.
pub async fn run(args: JobsArgs, settings: &Settings) -> anyhow::Result<Ended> {
    match args.action {
        Action::List(args) => list(&args, settings).await,
        Action::Show(args) => show(&args, settings).await,
        Action::Retry(args) => {
            let pool = db::connect(&settings.database, Role::Admin, 1).await?;
            report(&args, retry(&pool, &args).await)
        }
        Action::Discard(args) => {
            let pool = db::connect(&settings.database, Role::Admin, 1).await?;
            let discarded = queue::discard(&pool, BusinessId(args.business), &args.key).await;
            report(&args, discarded.map(|job| (job, "discarded")))
        }
    }
}

async fn list(args: &ListArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let state = args.state.and_then(|state| state.to_possible_value()).map(|value| value.get_name().to_owned());
    let filter = JobFilter { state, kind: args.kind.clone(), limit: args.limit };
    let mut jobs = Vec::new();
    for business in listing::businesses(&pool, Some(args.business)).await? {
        let mut tx = db::begin_tenant(&pool, business).await?;
        jobs = queue::list_jobs(&mut tx, business, &filter).await?;
        tx.rollback().await?;
    }
    let header = ["key", "kind", "state", "attempts", "at", "job", "error"];
    listing::print(args.json, &jobs, &header, cells)?;
    if jobs.len() == args.limit as usize {
        warn(format_args!("there may be more: --limit is {}", args.limit));
    }
    Ok(Ended::Well)
}

fn cells(job: &ListedJob) -> Vec<String> {
    vec![
        job.idempotency_key.clone(),
        job.kind.clone(),
        job.state.clone(),
        job.attempts.to_string(),
        job.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        job.job_id.to_string(),
        job.error.clone().unwrap_or_default(),
    ]
}

async fn show(args: &KeyArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let mut records: Vec<Value> = Vec::new();
    for business in listing::businesses(&pool, Some(args.business)).await? {
        let mut tx = db::begin_tenant(&pool, business).await?;
        records = queue::show_job(&mut tx, business, &args.key).await?;
        tx.rollback().await?;
    }
    if records.is_empty() {
        warn(format_args!("nothing is known under key {:?} of business {}", args.key, args.business));
        return Ok(Ended::WithProblems);
    }
    if args.json {
        say(serde_json::to_string_pretty(&records)?)?;
    } else {
        records.iter().try_for_each(print)?;
    }
    Ok(Ended::Well)
}

fn print(record: &Value) -> std::io::Result<()> {
    let text = |name: &str| record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned);
    say(format_args!("{} {}: job {}", text("kind"), text("state"), text("job_id")))?;
    let known = record.as_object().into_iter().flatten();
    for (name, value) in
        known.filter(|(name, value)| !value.is_null() && !["kind", "state", "job_id"].contains(&name.as_str()))
    {
        say(format_args!("  {name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))?;
    }
    Ok(())
}

/// A waiting job is tried at once; otherwise a failed result is redriven.
async fn retry(pool: &PgPool, args: &KeyArgs) -> Result<(JobId, &'static str), DbError> {
    let business = BusinessId(args.business);
    match queue::retry_now(pool, business, &args.key).await {
        Err(error) if error.sqlstate().as_deref() == Some("CM404") => {
            Ok((queue::redrive(pool, business, &args.key).await?, "enqueued again"))
        }
        retried => Ok((retried?, "ready")),
    }
}

fn report(args: &KeyArgs, done: Result<(JobId, &'static str), DbError>) -> anyhow::Result<Ended> {
    match done {
        Ok((job, what)) if args.json => say(json!({"job_id": job, "done": what}))?,
        Ok((job, what)) => say(format_args!("job {job} is {what}"))?,
        Err(error) => {
            let Some(refusal) = listing::refusal(&error) else { return Err(error.into()) };
            warn(format_args!("business {}: {refusal}", args.business));
            return Ok(Ended::WithProblems);
        }
    }
    Ok(Ended::Well)
}
