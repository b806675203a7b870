//! `report`: what the ledgers say, as a table, CSV, JSON or a journal for hledger, written while it is read.

use std::io::{ErrorKind, IsTerminal, StdoutLock};

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use uuid::Uuid;

use super::Ended;
use crate::audit;
use crate::config::Settings;
use crate::db::{self, Role};
use crate::ids::{BusinessId, CustomerId};
use crate::report::settlement::{PartyKind, Selection};
use crate::report::statement::Account;
use crate::report::{Column, Format, Output, ReportError, journal, open, overdue, settlement, statement, tax};

/// Which report, of which business, and how it is written.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[command(subcommand)]
    report: Report,
    /// Only this business; otherwise every business that the login may act for
    #[arg(long, global = true, value_name = "BUSINESS")]
    business: Option<Uuid>,
    /// How the report is written
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format json
    #[arg(long, global = true, conflicts_with = "format")]
    json: bool,
    /// As things stood at this instant (RFC 3339): what was recorded later is left out
    #[arg(long, global = true, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
}

#[derive(Debug, clap::Subcommand)]
enum Report {
    /// Overdue customers and how old their debt is
    Overdue {
        /// Every customer whose balance is not zero
        #[arg(long)]
        all: bool,
    },
    /// A customer's account with its running balance
    Statement {
        /// The customer
        #[arg(long, value_name = "CUSTOMER")]
        customer: Uuid,
        /// Only entries recorded at this instant or later (RFC 3339); earlier ones are in the opening balance
        #[arg(long, value_name = "INSTANT")]
        from: Option<DateTime<Utc>>,
        /// Only entries recorded before this instant (RFC 3339)
        #[arg(long, value_name = "INSTANT")]
        to: Option<DateTime<Utc>>,
    },
    /// The statements of a settled period
    Settlement {
        /// The month, as 2026-10
        #[arg(long, value_parser = month)]
        period: String,
        /// Only statements of this kind
        #[arg(long, value_enum)]
        kind: Option<PartyKind>,
        /// Only this organization, outlet or customer
        #[arg(long, value_name = "ID")]
        party: Option<Uuid>,
    },
    /// Taxable value and tax by rate
    Tax {
        /// The month, as 2026-10
        #[arg(long, value_parser = month)]
        period: String,
    },
    /// The ledgers as balanced double-entry bookings
    Journal,
}

impl Report {
    const fn columns(&self) -> &'static [Column] {
        match self {
            Self::Overdue { .. } => overdue::COLUMNS,
            Self::Statement { .. } => statement::COLUMNS,
            Self::Settlement { .. } => settlement::COLUMNS,
            Self::Tax { .. } => tax::COLUMNS,
            Self::Journal => journal::COLUMNS,
        }
    }
}

/// Writes the report to standard output. A reader that has seen enough (`| head`) ends it well.
///
/// # Errors
/// If the business or customer is unknown, or the database cannot be read.
pub async fn run(args: &ReportArgs, settings: &Settings) -> anyhow::Result<Ended> {
    match write(args, settings).await {
        Ok(0) => Ok(Ended::Well),
        Ok(_) => Ok(Ended::WithProblems),
        Err(ReportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Ended::Well),
        Err(error) => Err(error.into()),
    }
}

async fn write(args: &ReportArgs, settings: &Settings) -> Result<u64, ReportError> {
    let format = if args.json { Format::Json } else { args.format };
    if format == Format::Hledger && !matches!(args.report, Report::Journal) {
        return Err(ReportError::Usage("--format hledger: only `report journal` has it".to_owned()));
    }
    let pool = db::connect(&settings.database, Role::Reporter, 1).await?;
    let businesses = businesses(&pool, args.business).await?;
    if format == Format::Hledger && businesses.len() != 1 {
        return Err(ReportError::Usage(format!(
            "--format hledger: a file is one business's, and this login may act for {}: name it with --business",
            businesses.len()
        )));
    }
    let stdout = std::io::stdout().lock();
    let progress = progress(&stdout);
    let mut out = Output::begin(format, args.report.columns(), stdout)?.with_progress(progress);
    let mut is_any = false;
    for business in businesses {
        is_any |= of_business(&pool, business, args, &mut out).await?;
    }
    if !is_any {
        nothing(args, &mut out)?;
    }
    Ok(out.end()?)
}

/// Rows counted on standard error, where that is a terminal and the report itself goes elsewhere.
fn progress(stdout: &StdoutLock<'static>) -> ProgressBar {
    if stdout.is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} written, {per_sec}, {elapsed}");
    ProgressBar::no_length().with_style(style.expect("the template is valid"))
}

async fn businesses(pool: &PgPool, wanted: Option<Uuid>) -> Result<Vec<BusinessId>, ReportError> {
    let mut businesses = audit::businesses(pool).await?;
    if let Some(wanted) = wanted.map(BusinessId) {
        businesses.retain(|business| *business == wanted);
        if businesses.is_empty() {
            return Err(ReportError::Usage(format!(
                "--business {wanted}: it is unknown, or this login may not act for it (an operator adds it to \
                 commissary.principals)"
            )));
        }
    }
    Ok(businesses)
}

/// Whether the business has what was asked for.
async fn of_business(
    pool: &PgPool,
    business: BusinessId,
    args: &ReportArgs,
    out: &mut Output<StdoutLock<'static>>,
) -> Result<bool, ReportError> {
    let (mut tx, scope) = open(pool, business, args.as_of).await?;
    let is_any = match &args.report {
        Report::Overdue { all } => overdue::write(&mut tx, &scope, *all, out).await.map(|()| true)?,
        Report::Statement { customer, from, to } => {
            let account = Account { customer: CustomerId(*customer), from: *from, to: *to };
            statement::write(&mut tx, &scope, account, out).await?
        }
        Report::Settlement { period, kind, party } => {
            let selection = Selection { period: period.clone(), kind: *kind, party: *party };
            settlement::write(&mut tx, &scope, &selection, out).await?
        }
        Report::Tax { period } => tax::write(&mut tx, &scope, period, out).await?,
        Report::Journal => journal::write(&mut tx, &scope, out).await.map(|()| true)?,
    };
    tx.rollback().await?;
    Ok(is_any)
}

/// What it means that no business has what was asked for.
fn nothing(args: &ReportArgs, out: &mut Output<StdoutLock<'static>>) -> Result<(), ReportError> {
    match &args.report {
        Report::Statement { customer, .. } => {
            Err(ReportError::Usage(format!("--customer {customer}: no business that this login may act for has it")))
        }
        Report::Settlement { period, .. } => {
            out.problem(&format!(
                "period {period}: no such statement; a settlement_close job writes them once the month has ended"
            ));
            Ok(())
        }
        // Nothing sold is nothing to tax; no debts are none.
        Report::Tax { .. } | Report::Overdue { .. } | Report::Journal => Ok(()),
    }
}

fn month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && chrono::NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").is_ok();
    if is_month { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a month: write it as 2026-10")) }
}
