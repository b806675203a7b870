//! `queue`: what waits in each business's queue; pausing, resuming and weighing it.

use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::say;
use super::{Ended, listing};
use crate::config::Settings;
use crate::db::{self, Role};
use crate::ids::BusinessId;
use crate::queue::{self, Depth};

/// The arguments of `queue`.
#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what waits, a line a business
    List(ListArgs),
    /// Let nothing of a business be taken any more; waits for its batch in flight
    Pause(OneArgs),
    /// Let it go on
    Resume(OneArgs),
    /// Set its share of the fleet among others that have work; waits for its batch in flight
    Weigh(WeighArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only this business; otherwise every business that the login may act for
    #[arg(long, value_name = "ID")]
    business: Option<Uuid>,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct WeighArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its weight: one of 3 is given three jobs for every one of a business of 1
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(i32).range(1..=100))]
    weight: i32,
}

/// Shows, pauses, resumes or weighs.
///
/// # Errors
/// If the database fails, the business is unknown, or the login may not act for it.
pub async fn run(args: QueueArgs, settings: &Settings) -> anyhow::Result<Ended> {
    match args.action {
        Action::List(args) => list(&args, settings).await,
        Action::Pause(args) => pause(&args, true, settings).await,
        Action::Resume(args) => pause(&args, false, settings).await,
        Action::Weigh(args) => weigh(&args, settings).await,
    }
}

async fn list(args: &ListArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let mut depths = Vec::new();
    for business in listing::businesses(&pool, args.business).await? {
        let mut tx = db::begin_tenant(&pool, business).await?;
        depths.extend(queue::depth(&mut tx, business).await?);
        tx.rollback().await?;
    }
    let header = ["business", "ready", "scheduled", "retrying", "oldest ready", "weight", "paused"];
    listing::print(args.json, &depths, &header, cells)?;
    Ok(Ended::Well)
}

fn cells(depth: &Depth) -> Vec<String> {
    let age = depth.oldest_ready_at.map(|at| format!("{} s", (Utc::now() - at).num_seconds().max(0)));
    vec![
        depth.business_id.to_string(),
        depth.ready.to_string(),
        depth.scheduled.to_string(),
        depth.retrying.to_string(),
        age.unwrap_or_default(),
        depth.weight.to_string(),
        if depth.is_paused { "paused" } else { "" }.to_owned(),
    ]
}

async fn pause(args: &OneArgs, is_paused: bool, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Admin, 1).await?;
    let changed = queue::pause_queue(&pool, BusinessId(args.business), is_paused).await?;
    let state = if is_paused { "is paused" } else { "is running" };
    confirm(args, ("is_paused", is_paused.into()), state, changed)
}

async fn weigh(args: &WeighArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let WeighArgs { one, weight } = args;
    let pool = db::connect(&settings.database, Role::Admin, 1).await?;
    let changed = queue::weigh_queue(&pool, BusinessId(one.business), *weight).await?;
    confirm(one, ("weight", (*weight).into()), &format!("weighs {weight}"), changed)
}

/// Says what holds of the business's queue from now on, and whether it did before.
fn confirm(args: &OneArgs, (name, value): (&str, Value), state: &str, changed: bool) -> anyhow::Result<Ended> {
    let business = BusinessId(args.business);
    if args.json {
        say(json!({"business_id": business, name: value, "changed": changed}))?;
    } else {
        say(format_args!("business {business} {state}{}", if changed { "" } else { " already" }))?;
    }
    Ok(Ended::Well)
}
