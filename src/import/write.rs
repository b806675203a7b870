//! Writing what was found right: one transaction a business, parents before children, set-wise in chunks.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgPool};
use uuid::Uuid;

use super::index;
use super::read::{Row, Sheet};
use super::tables::{Table, TableId};
use super::upsert;
use crate::db::{self, DbError};
use crate::ids::BusinessId;

/// Rows of one statement.
const CHUNK_ROWS_MAX: usize = 5_000;
/// Businesses that a message lists.
const LISTED_MAX: usize = 100;

/// What became of the rows of a table's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows that were not there.
    pub inserted: u64,
    /// Rows that differed.
    pub updated: u64,
    /// Rows that were there as they are in the file.
    pub unchanged: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inserted = self.inserted.saturating_add(other.inserted);
        self.updated = self.updated.saturating_add(other.updated);
        self.unchanged = self.unchanged.saturating_add(other.unchanged);
    }
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What became of all files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Businesses that the files have rows of.
    pub businesses: usize,
    /// File by file, in the order of writing.
    pub tables: Vec<TableReport>,
}

/// The database refused what validation had found right, or failed. The transaction of that business left nothing.
#[derive(Debug)]
pub struct WriteError {
    business: Uuid,
    step: &'static str,
    source: DbError,
    written: Vec<Uuid>,
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "business {}, {}: {}", self.business, self.step, Reason(&self.source))?;
        if self.step == COMMIT {
            f.write_str(". Whether this business was imported is not known")?;
        } else {
            f.write_str(". Nothing of this business was imported")?;
        }
        let listed: Vec<_> = self.written.iter().take(LISTED_MAX).map(Uuid::to_string).collect();
        match self.written.len().checked_sub(listed.len()) {
            _ if listed.is_empty() => f.write_str(", nor of any other. ")?,
            Some(more @ 1..) => write!(f, "; imported before it: {} and {more} more. ", listed.join(", "))?,
            _ => write!(f, "; imported before it: {}. ", listed.join(", "))?,
        }
        f.write_str("Importing again is safe")
    }
}

const COMMIT: &str = "commit";

/// What the server said, in full: its message, detail and hint, without the line of its source.
struct Reason<'a>(&'a DbError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DbError::Sql(sqlx::Error::Database(error)) = self.0 else { return self.0.fmt(f) };
        f.write_str(error.message().trim_end_matches('.'))?;
        let error = error.try_downcast_ref::<PgDatabaseError>();
        for more in error.iter().flat_map(|error| [error.detail(), error.hint()]).flatten() {
            write!(f, "; {}", more.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

/// Writes all rows, business by business, and sorts them to that end.
///
/// # Errors
/// [`WriteError`] names the business and the table at which it stopped, and the businesses that are written.
pub async fn write(
    pool: &PgPool,
    sheets: &mut [Sheet],
    progress: &dyn Fn(u64, u64),
) -> Result<Report, Box<WriteError>> {
    for sheet in &mut *sheets {
        // By key, hence by business; the worker locks in this order too.
        let table = sheet.table;
        sheet.rows.sort_by_cached_key(|row| index::key(table, row));
    }
    let mut counts = vec![Counts::default(); sheets.len()];
    let (mut done, all) = (0, sheets.iter().map(|sheet| sheet.rows.len() as u64).sum());
    let mut written = Vec::new();
    for business in businesses(sheets) {
        let mut step = "begin";
        let mut advance = |rows: usize| {
            done += rows as u64;
            progress(done, all);
        };
        match write_business(pool, business, sheets, &mut step, &mut advance).await {
            Ok(more) => counts.iter_mut().zip(more).for_each(|(sum, more)| *sum += more),
            Err(source) => return Err(Box::new(WriteError { business, step, source, written })),
        }
        written.push(business);
    }
    let tables = sheets.iter().zip(counts);
    let tables = tables.map(|(sheet, counts)| TableReport { table: sheet.table.name, counts }).collect();
    Ok(Report { businesses: written.len(), tables })
}

fn businesses(sheets: &[Sheet]) -> std::collections::BTreeSet<Uuid> {
    let rows = sheets.iter().flat_map(|sheet| sheet.rows.iter().map(|row| index::id(sheet.table, row, "business_id")));
    rows.flatten().collect()
}

async fn write_business(
    pool: &PgPool,
    business: Uuid,
    sheets: &[Sheet],
    step: &mut &'static str,
    advance: &mut dyn FnMut(usize),
) -> Result<Vec<Counts>, DbError> {
    let mut transaction = db::begin_tenant(pool, BusinessId(business)).await?;
    sqlx::query_file!("src/import/sql/prefer_indexes.sql").execute(&mut *transaction).await?;
    let mut counts = Vec::with_capacity(sheets.len());
    let mut is_held = false;
    for sheet in sheets {
        *step = sheet.table.name;
        if !is_held && sheet.table.id != TableId::Businesses {
            hold(&mut transaction, business).await?;
            is_held = true;
        }
        let mut sum = Counts::default();
        for chunk in rows_of(sheet, business).chunks(CHUNK_ROWS_MAX) {
            sum += write_chunk(&mut transaction, business, sheet.table, chunk).await?;
            advance(chunk.len());
        }
        counts.push(sum);
    }
    *step = COMMIT;
    transaction.commit().await?;
    Ok(counts)
}

/// Without its business a statement would write no row, and that would look like rows that did not differ.
async fn hold(connection: &mut PgConnection, business: Uuid) -> Result<(), DbError> {
    let held = sqlx::query_file!("src/import/sql/hold_business.sql", business).fetch_optional(connection).await?;
    held.map(|_| ()).ok_or_else(|| DbError::Unknown("the business was removed meanwhile".to_owned()))
}

fn rows_of(sheet: &Sheet, business: Uuid) -> &[Row] {
    let of = |row: &Row| index::id(sheet.table, row, "business_id");
    let start = sheet.rows.partition_point(|row| of(row) < Some(business));
    let end = sheet.rows.partition_point(|row| of(row) <= Some(business));
    sheet.rows.get(start..end).unwrap_or_default()
}

async fn write_chunk(
    connection: &mut PgConnection,
    business: Uuid,
    table: &'static Table,
    rows: &[Row],
) -> Result<Counts, DbError> {
    let written = upsert::upsert(connection, business, upsert::Chunk::new(table, rows)).await?;
    let count = |count: i64| u64::try_from(count).expect("a count is not negative");
    let (inserted, updated) = (count(written.inserted), count(written.updated));
    let unchanged = (rows.len() as u64).checked_sub(inserted.saturating_add(updated));
    let unchanged = unchanged.ok_or(DbError::RowCount {
        statement: table.name,
        expected: rows.len() as u64,
        actual: inserted.saturating_add(updated),
    })?;
    Ok(Counts { inserted, updated, unchanged })
}
