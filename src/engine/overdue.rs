//! The overdue scan.

use super::control::{Control, Progress};
use crate::db::DbError;

pub(super) async fn scan(control: Control<'_>) -> Result<Progress, DbError> {
    Err(DbError::Unknown(format!("{} is not built yet", control.job.kind.as_str())))
}
