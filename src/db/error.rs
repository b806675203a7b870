//! What can go wrong with the database, and what to do about it.

/// An operating fault. A business refusal is never one of these: it is an outcome and commits.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection URL was given.
    #[error("no database: set DATABASE_URL, or give --database-url postgres://user@host/database")]
    NoUrl,
    /// The server, or the way to it, failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A statement changed another number of rows than its rule demands: the transaction must not commit.
    #[error("{statement} changed {actual} rows instead of {expected}: the batch is rolled back")]
    RowCount {
        /// The statement's name.
        statement: &'static str,
        /// How many rows its input asked for.
        expected: u64,
        /// How many it changed.
        actual: u64,
    },
    /// What was loaded no longer fits the locked rows, such as a budget period that turned over while waiting.
    #[error("{0}: the batch is run again")]
    Stale(&'static str),
    /// The schema is of another version than this program: whatever it did would fail, or fit the data no longer.
    #[error("{0}")]
    OtherSchema(String),
    /// The database holds something that this program does not know.
    #[error("{0}")]
    Unknown(String),
}

/// What to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The world's, not the job's: locks, deadlocks, disk, lost connections. Try again later; no attempt is charged, but to a job
    /// that is out of time by itself after a batch was.
    Operating,
    /// Something about the work itself: halve the batch down to the culprit and charge it an attempt.
    Work,
}

impl DbError {
    /// The five-character SQLSTATE, if the server sent one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    /// Whether a statement took longer than it may, or was cancelled (57014), and was not waiting for a lock (55P03).
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        self.sqlstate().as_deref() == Some("57014")
    }

    /// Of long work in one statement, which ran into a limit of its own: it would do so again, so it is the work's fault, unlike
    /// waiting in vain.
    pub(crate) fn of_long_work(error: sqlx::Error, work: &str) -> Self {
        let error = Self::from(error);
        if error.is_out_of_time() { Self::Unknown(format!("{work} did not end in time: {error}")) } else { error }
    }

    /// Whose fault it is. Matched by SQLSTATE class, since constraint names differ on a distributed database.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let Self::Sql(error) = self else {
            let is_operating = matches!(self, Self::Stale(_) | Self::OtherSchema(_) | Self::NoUrl);
            return if is_operating { Fault::Operating } else { Fault::Work };
        };
        let sqlx::Error::Database(_) = error else {
            // Io, Tls, PoolTimedOut, WorkerCrashed …: the connection's; a decoding error is the work's.
            let decoding =
                matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_));
            return if decoding { Fault::Work } else { Fault::Operating };
        };
        let state = self.sqlstate().unwrap_or_default();
        match state.as_str() {
            // 55P03 lock_timeout, 57014 statement_timeout or cancel, 25P03 idle in transaction: waiting, as a rule.
            "55P03" | "57014" | "25P03" | "25P04" => Fault::Operating,
            // 08 connection, 40 rollback (deadlock, serialization), 53 resources, 57 shutdown, 58 system,
            // 28 and 3D login, 42501 rights, 25006 a standby.
            "42501" | "25006" => Fault::Operating,
            _ if ["08", "40", "53", "57", "58", "28", "3D"].iter().any(|class| state.starts_with(class)) => {
                Fault::Operating
            }
            _ => Fault::Work,
        }
    }
}
