//! `audit`: runs every check and names the offending keys.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use super::Ended;
use super::output::say;
use crate::audit::{self, CHECKS, Finding, Report};
use crate::config::Settings;
use crate::db::{self, Role};
use crate::ids::BusinessId;

/// Which businesses to audit, and how to print what was found.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// Only this business; otherwise every business that the login may act for
    #[arg(long, value_name = "BUSINESS")]
    business: Option<Uuid>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Audits as the reporter and prints a line per invariant.
///
/// # Errors
/// If the business is not the login's to look into, or the database cannot be asked.
pub async fn run(args: &Audit, settings: &Settings) -> anyhow::Result<Ended> {
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let mut businesses = audit::businesses(&pool).await?;
    if let Some(wanted) = args.business.map(BusinessId) {
        businesses.retain(|business| *business == wanted);
        anyhow::ensure!(
            !businesses.is_empty(),
            "--business {wanted}: it is unknown, or this login may not act for it (an operator adds it to \
             commissary.principals)"
        );
    }
    // Drawn to standard error, and only if that is a terminal.
    let bar = ProgressBar::new((businesses.len() * CHECKS.len()) as u64)
        .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed} {msg}")?);
    let report = audit::audit(&pool, &businesses, |business, check| {
        bar.set_message(format!("{business} {}", check.name));
        bar.inc(1);
    })
    .await?;
    bar.finish_and_clear();
    say(if args.json { serde_json::to_string_pretty(&report)? } else { table(&report)? })?;
    Ok(if report.violations == 0 { Ended::Well } else { Ended::WithProblems })
}

fn table(report: &Report) -> Result<String, std::fmt::Error> {
    let mut table = String::new();
    for finding in &report.checks {
        add_finding(&mut table, finding)?;
    }
    let rows: Vec<String> = report.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    writeln!(table, "{} businesses, {} checks; rows: {}", report.businesses, report.checks.len(), rows.join(", "))?;
    match report.violations {
        0 => write!(table, "every invariant holds")?,
        violations => write!(table, "{violations} violations")?,
    }
    Ok(table)
}

fn add_finding(table: &mut String, finding: &Finding) -> std::fmt::Result {
    let verdict = match finding.violations {
        0 => "ok".to_owned(),
        1 => "1 violation".to_owned(),
        violations => format!("{violations} violations"),
    };
    let number = finding.invariant.map_or_else(String::new, |number| number.to_string());
    writeln!(table, "{number:>2}  {:<24} {verdict:<16} {}", finding.check, finding.holds)?;
    for key in &finding.keys {
        writeln!(table, "      business {}: {}", key.business_id, key.detail)?;
    }
    let unnamed = finding.violations - i64::try_from(finding.keys.len()).unwrap_or(i64::MAX);
    if unnamed > 0 {
        writeln!(table, "      … and {unnamed} more")?;
    }
    Ok(())
}
