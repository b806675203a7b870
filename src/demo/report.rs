//! What came of the demonstration's jobs, read from the stored results of its businesses.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table};
use hdrhistogram::Histogram;
use rust_decimal::Decimal;
use sqlx::{PgPool, Postgres, Transaction};

use crate::db;
use crate::ids::BusinessId;

/// What came of the jobs; printed as tables.
#[derive(Debug)]
pub struct Report {
    /// By kind, status and reason: how many, and how many of them in this run.
    outcomes: BTreeMap<(String, String, String), (i64, i64)>,
    /// By currency and kind of program: how many orders, and the sum.
    subsidies: BTreeMap<(String, String), (i64, Decimal)>,
    /// Milliseconds from enqueue to result, of this run.
    latencies: Histogram<u64>,
    /// The first and the last result of this run.
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Report {
    /// Reads the results; those since `since`, by the database's clock, are this run's.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn read(pool: &PgPool, businesses: &[BusinessId], since: DateTime<Utc>) -> anyhow::Result<Self> {
        const SIGNIFICANT_DIGITS: u8 = 3;
        let mut report = Self {
            outcomes: BTreeMap::new(),
            subsidies: BTreeMap::new(),
            latencies: Histogram::new(SIGNIFICANT_DIGITS)?,
            span: None,
        };
        for &business in businesses {
            let mut transaction = db::begin_tenant(pool, business).await?;
            report.add_outcomes(&mut transaction, business, since).await?;
            report.add_subsidies(&mut transaction, business).await?;
            report.add_latencies(&mut transaction, business, since).await?;
            transaction.rollback().await?;
        }
        Ok(report)
    }

    /// How many results this run made.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.latencies.is_empty()
    }

    async fn add_outcomes(
        &mut self,
        transaction: &mut Transaction<'static, Postgres>,
        business: BusinessId,
        since: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let rows =
            sqlx::query_file!("src/demo/sql/outcomes.sql", business.0, since).fetch_all(&mut **transaction).await?;
        for row in rows {
            let sum = self.outcomes.entry((row.kind, row.status, row.reason.unwrap_or_default())).or_default();
            *sum = (sum.0 + row.jobs, sum.1 + row.new);
        }
        Ok(())
    }

    async fn add_subsidies(
        &mut self,
        transaction: &mut Transaction<'static, Postgres>,
        business: BusinessId,
    ) -> anyhow::Result<()> {
        let rows = sqlx::query_file!("src/demo/sql/subsidies.sql", business.0).fetch_all(&mut **transaction).await?;
        for row in rows {
            let sum = self.subsidies.entry((row.currency, row.program_kind)).or_default();
            *sum = (sum.0 + row.orders, sum.1 + row.applied);
        }
        Ok(())
    }

    async fn add_latencies(
        &mut self,
        transaction: &mut Transaction<'static, Postgres>,
        business: BusinessId,
        since: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let rows =
            sqlx::query_file!("src/demo/sql/latencies.sql", business.0, since).fetch_all(&mut **transaction).await?;
        for row in rows {
            self.latencies.record_n(row.ms.unsigned_abs(), row.jobs.unsigned_abs())?;
            let (first, last) = self.span.unwrap_or((row.first, row.last));
            self.span = Some((first.min(row.first), last.max(row.last)));
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outcomes = table(&["kind", "status", "reason", "jobs", "in this run"], &[3, 4]);
        for ((kind, status, reason), (jobs, new)) in &self.outcomes {
            outcomes.add_row([kind, status, reason, &jobs.to_string(), &new.to_string()]);
        }
        let mut subsidies = table(&["currency", "kind of program", "orders helped", "sum"], &[2, 3]);
        for ((currency, kind), (orders, sum)) in &self.subsidies {
            subsidies.add_row([currency, kind, &orders.to_string(), &sum.to_string()]);
        }
        writeln!(f, "What came of the jobs\n{outcomes}\n\nSubsidies applied\n{subsidies}\n")?;
        let Some((first, last)) = self.span else {
            return write!(f, "Nothing was decided in this run: every request's result was already stored.");
        };
        let jobs = self.latencies.len();
        let milliseconds = (last - first).num_milliseconds().unsigned_abs();
        writeln!(f, "{jobs} decisions between the first and the last result: {milliseconds} ms")?;
        if let Some(rate) = (jobs * 1000).checked_div(milliseconds) {
            writeln!(f, "{rate} decisions a second, all kinds of job together")?;
        }
        let at = |percent| self.latencies.value_at_percentile(percent);
        write!(
            f,
            "from enqueue to result: p50 {} ms, p95 {} ms, p99 {} ms. The queue was filled before the fleet was started, so \
             this is mostly time spent waiting for the rest; it is no latency of a single purchase.",
            at(50.0),
            at(95.0),
            at(99.0)
        )
    }
}

fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header);
    for &column in numbers {
        let column = table.column_mut(column).expect("the header has it");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
