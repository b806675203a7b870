//! `schedule`: what runs by a business's clock.

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::output::{say, warn};
use super::{Ended, listing};
use crate::config::Settings;
use crate::db::{self, Role};
use crate::domain::request::Kind;
use crate::ids::BusinessId;
use crate::schedule::cron::CatchUp;
use crate::schedule::{self, Listed, NewSchedule};

/// The arguments of `schedule`.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show schedules and their next ticks, in each business's time zone
    List(ListArgs),
    /// Add a schedule, or edit the one of this name: it starts anew, nothing is caught up
    Add(AddArgs),
    /// Remove a schedule; jobs that it made stay
    Remove(RemoveArgs),
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
struct AddArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// Its name: small letters, digits, - and _
    #[arg(long, value_parser = name)]
    name: String,
    /// What its jobs ask for: overdue_scan, or settlement_close of the month before the tick
    #[arg(long, value_parser = control_kind)]
    kind: Kind,
    /// When: minute hour day month weekday, in the business's time zone
    #[arg(long, value_name = "FIELDS")]
    cron: String,
    /// Which missed ticks to fire late
    #[arg(long, value_enum, default_value_t = MissedTicks::Latest)]
    catch_up: MissedTicks,
    /// Keep it from firing
    #[arg(long)]
    inactive: bool,
    /// Print the schedule as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MissedTicks {
    /// The newest one
    Latest,
    /// Each, in order
    All,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The business
    #[arg(long, value_name = "ID")]
    business: Uuid,
    /// Its name
    #[arg(long)]
    name: String,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.starts_with(is_plain) && text.chars().all(|c| is_plain(c) || "-_".contains(c)) && text.len() <= 64;
    if fits {
        Ok(text.to_owned())
    } else {
        Err("it must be 1 to 64 of a-z, 0-9, - and _, the first a letter or digit".to_owned())
    }
}

fn control_kind(text: &str) -> Result<Kind, String> {
    let kind = Kind::from_name(text).filter(|kind| kind.is_control());
    kind.ok_or_else(|| "it must be overdue_scan or settlement_close".to_owned())
}

/// Shows, adds, edits or removes.
///
/// # Errors
/// If the database fails, the business is unknown, the login may not act for it, or the cron expression is none.
pub async fn run(args: ScheduleArgs, settings: &Settings) -> anyhow::Result<Ended> {
    match args.action {
        Action::List(args) => list(&args, settings).await,
        Action::Add(args) => add(args, settings).await,
        Action::Remove(args) => remove(&args, settings).await,
    }
}

async fn list(args: &ListArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let mut listed = Vec::new();
    for business in listing::businesses(&pool, args.business).await? {
        let mut tx = db::begin_tenant(&pool, business).await?;
        listed.extend(schedule::list(&mut tx, business, settings.now).await?);
        tx.rollback().await?;
    }
    print(args.json, &listed)?;
    Ok(Ended::Well)
}

fn print(is_json: bool, listed: &[Listed]) -> anyhow::Result<()> {
    let header = ["business", "name", "kind", "cron", "catch up", "next", "then", "time zone"];
    listing::print(is_json, listed, &header, |schedule| {
        let mut ticks = schedule.upcoming.iter().map(|tick| tick.local.clone());
        let none = if schedule.is_active { "never" } else { "inactive" };
        vec![
            schedule.business_id.to_string(),
            schedule.name.clone(),
            schedule.kind.clone(),
            schedule.cron.clone(),
            schedule.catch_up.clone(),
            ticks.next().unwrap_or_else(|| none.to_owned()),
            ticks.collect::<Vec<_>>().join(", "),
            schedule.time_zone.clone(),
        ]
    })
}

async fn add(args: AddArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let catch_up = match args.catch_up {
        MissedTicks::Latest => CatchUp::Latest,
        MissedTicks::All => CatchUp::All,
    };
    let schedule =
        NewSchedule { name: args.name, kind: args.kind, cron: args.cron, catch_up, is_active: !args.inactive };
    schedule.cron().context("--cron")?;
    let pool = db::connect(&settings.database, Role::Admin, 1).await?;
    let [business] = listing::businesses(&pool, Some(args.business)).await?[..] else {
        anyhow::bail!("--business {}: it is not one business", args.business);
    };
    let mut tx = db::begin_tenant(&pool, business).await?;
    let is_new = schedule::put(&mut tx, business, &schedule).await?;
    let mut listed = schedule::list(&mut tx, business, settings.now).await?;
    listed.retain(|one| one.name == schedule.name);
    if schedule.is_active && listed.iter().all(|one| one.upcoming.is_empty()) {
        anyhow::bail!("--cron {:?}: no day ever matches it", schedule.cron);
    }
    tx.commit().await?;
    warn(format_args!(
        "schedule {:?} of business {business} was {}",
        schedule.name,
        if is_new { "added" } else { "edited" }
    ));
    print(args.json, &listed)?;
    Ok(Ended::Well)
}

async fn remove(args: &RemoveArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Admin, 1).await?;
    let business = BusinessId(args.business);
    let mut tx = db::begin_tenant(&pool, business).await?;
    let removed = schedule::remove(&mut tx, business, &args.name).await?;
    tx.commit().await?;
    if args.json {
        say(serde_json::json!({"business_id": business, "name": args.name, "removed": removed}))?;
    } else if removed {
        say(format_args!("schedule {:?} of business {business} was removed", args.name))?;
    }
    if !removed {
        warn(format_args!("business {business} has no schedule {:?} that this login may remove", args.name));
        return Ok(Ended::WithProblems);
    }
    Ok(Ended::Well)
}
