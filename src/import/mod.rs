//! Import: the catalogue from CSV files, one a table (CONTRACT, "Catalogue").
//!
//! Everything is validated before anything is written: the files by themselves, then against what the database holds
//! of what they refer to. Then each business is written in one transaction, set-wise, parents before children. A row
//! of a file states the whole row: an empty field or an absent column is the default. Importing again changes only
//! what differs, and never stock. Nothing is deleted.

pub mod check;
pub mod findings;
pub mod index;
pub mod read;
pub mod rules;
pub mod stored;
pub mod tables;
#[cfg(test)]
mod tests;
mod upsert;
pub mod value;
pub mod write;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::DatabaseSettings;
use crate::db::{self, DbError, Role};
use findings::Findings;
use index::Index;
use write::{Report, WriteError};

/// How an import ended, if it could be tried.
#[derive(Debug)]
pub enum Imported {
    /// Everything is written.
    Written(Report),
    /// The files are not right: nothing was written.
    Refused(Findings),
}

/// Why files could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or the directory cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is too large to be validated in memory.
    #[error("{}: the file is larger than 1 GiB; import it in parts", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// There is nothing to import.
    #[error("{}: there is no file to import; the tables are {}", directory.display(), read::file_names())]
    NoFiles {
        /// Where.
        directory: PathBuf,
    },
    /// The database failed before anything was written.
    #[error("{0}; nothing was written")]
    Db(#[from] DbError),
    /// The database refused what validation had found right, or failed.
    #[error(transparent)]
    Write(#[from] Box<WriteError>),
}

/// Imports the files of a directory, telling `progress` how many rows are written of how many.
///
/// # Errors
/// [`ImportError`]; its message says what was written, if anything.
pub async fn import(
    settings: &DatabaseSettings,
    directory: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Imported, ImportError> {
    let mut findings = Findings::default();
    let mut sheets = read::read_directory(directory, &mut findings)?;
    let index = Index::new(&sheets, &mut findings);
    if findings.is_unreadable() {
        return Ok(Imported::Refused(findings));
    }
    let pool = db::connect(settings, Role::Admin, 1).await?;
    let stored = stored::load(&pool, &sheets, &index).await?;
    check::check(&sheets, &index, &stored, &mut findings);
    if findings.count() > 0 {
        return Ok(Imported::Refused(findings));
    }
    Ok(Imported::Written(write::write(&pool, &mut sheets, progress).await?))
}
