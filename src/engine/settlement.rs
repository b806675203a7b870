//! The settlement close.

use super::control::{Control, Progress};
use crate::db::DbError;
use crate::domain::request::Month;

pub(super) async fn close(control: Control<'_>, month: &Month) -> Result<Progress, DbError> {
    Err(DbError::Unknown(format!("{} of {} is not built yet", control.job.kind.as_str(), month.0)))
}
