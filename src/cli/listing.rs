//! Listings: rows as a table for people, or as JSON; and which businesses they are of.

use comfy_table::{Table, presets};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::output::say;
use crate::audit;
use crate::db::DbError;
use crate::ids::BusinessId;

/// Prints the rows: as a JSON array, or as a table of the cells that `cells` makes of each.
///
/// # Errors
/// If the rows cannot be written as JSON.
pub(super) fn print<T: Serialize>(
    is_json: bool,
    rows: &[T],
    header: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    if is_json {
        say(serde_json::to_string_pretty(rows)?)?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(cells(row));
    }
    say(&table)?;
    Ok(())
}

/// The one business, or all that the login may look into.
///
/// # Errors
/// If the one is not among these, or the database cannot be asked.
pub(super) async fn businesses(pool: &PgPool, wanted: Option<Uuid>) -> anyhow::Result<Vec<BusinessId>> {
    let mut businesses = audit::businesses(pool).await?;
    if let Some(wanted) = wanted.map(BusinessId) {
        businesses.retain(|business| *business == wanted);
        anyhow::ensure!(
            !businesses.is_empty(),
            "--business {wanted}: it is unknown, or this login may not act for it (an operator adds it to \
             commissary.principals)"
        );
    }
    Ok(businesses)
}

/// What stands in the way, if the database refused by a rule (SQLSTATE CM404, CM409): a problem that the work found.
pub(super) fn refusal(error: &DbError) -> Option<String> {
    let refused = matches!(error.sqlstate().as_deref(), Some("CM404" | "CM409"));
    match error {
        DbError::Sql(sqlx::Error::Database(error)) if refused => Some(error.message().to_owned()),
        _ => None,
    }
}
