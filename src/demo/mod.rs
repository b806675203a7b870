//! The demonstration: data through the same doors as anyone's, a fleet of real processes, and what came of it.
//!
//! It decides nothing itself. Everything is done by the program's own subcommands as child processes; this module makes
//! the files, watches, and reads the results. Run again on the same database it changes nothing: the keys are the same.

mod catalogue;
mod fleet;
mod purchases;
mod random;
mod report;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

pub use fleet::Program;
pub use report::Report;

use crate::db;
use crate::ids::BusinessId;

/// The most lines that are read of `businesses.csv`.
const BUSINESSES_MAX: usize = 10_000;

/// A directory of import files and the jobs to enqueue.
#[derive(Debug)]
pub struct Data {
    /// The import files.
    pub directory: PathBuf,
    /// The jobs, as NDJSON, possibly compressed.
    pub jobs: PathBuf,
    /// Whose they are.
    pub businesses: Vec<BusinessId>,
}

impl Data {
    /// Makes the demonstration's own data: so many jobs, always the same.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn generate(directory: &Path, jobs: u64) -> anyhow::Result<Self> {
        let writing = || format!("writing the demonstration's data to {}", directory.display());
        fs::create_dir_all(directory).with_context(writing)?;
        let businesses = catalogue::businesses();
        catalogue::write(&businesses, directory).with_context(writing)?;
        let path = directory.join("purchases.ndjson");
        let mut out = BufWriter::new(File::create(&path).with_context(writing)?);
        purchases::write(&businesses, jobs, &mut out).with_context(writing)?;
        Self::read(directory)
    }

    /// Finds data that was made before.
    ///
    /// # Errors
    /// If a file is missing or `businesses.csv` is not one.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let jobs = ["purchases.ndjson", "purchases.ndjson.gz"].map(|name| directory.join(name)).into_iter();
        let jobs = jobs.into_iter().find(|path| path.is_file()).with_context(|| {
            format!("{}: there is neither purchases.ndjson nor purchases.ndjson.gz", directory.display())
        })?;
        let path = directory.join("businesses.csv");
        let mut table = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
        let column = table.headers()?.iter().position(|name| name == "business_id");
        let column = column.with_context(|| format!("{}: there is no column business_id", path.display()))?;
        let mut businesses = Vec::new();
        for (record, line) in table.into_records().zip(2..) {
            anyhow::ensure!(businesses.len() < BUSINESSES_MAX, "{}: more than {BUSINESSES_MAX} rows", path.display());
            let record = record.with_context(|| path.display().to_string())?;
            let id = record.get(column).unwrap_or_default();
            let id: Uuid = id.parse().with_context(|| format!("{}:{line}: business_id {id:?}", path.display()))?;
            businesses.push(id.into());
        }
        Ok(Self { directory: directory.to_owned(), jobs, businesses })
    }
}

/// How far the businesses' queues are.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Jobs that wait, ready or not.
    pub waiting: u64,
    /// Decisions ever made.
    pub decided: u64,
    /// The database's time of the answer.
    pub asked_at: DateTime<Utc>,
}

/// Asks how far the businesses' queues are.
///
/// # Errors
/// If the database cannot be asked.
pub async fn progress(pool: &PgPool, businesses: &[BusinessId]) -> Result<Progress, db::DbError> {
    let mut sum = Progress { waiting: 0, decided: 0, asked_at: DateTime::<Utc>::MIN_UTC };
    for &business in businesses {
        let mut transaction = db::begin_tenant(pool, business).await?;
        let found = sqlx::query_file!("src/demo/sql/waiting.sql", business.0).fetch_optional(&mut *transaction).await?;
        transaction.rollback().await?;
        let Some(queue) = found else { continue };
        sum.waiting += queue.jobs.unsigned_abs();
        sum.decided += queue.decisions.unsigned_abs();
        sum.asked_at = sum.asked_at.max(queue.asked_at);
    }
    Ok(sum)
}

/// The end of a log file, for a message.
fn tail(path: &Path) -> io::Result<String> {
    const LINES: usize = 5;
    let text = fs::read_to_string(path)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].join("\n"))
}
