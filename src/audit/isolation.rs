//! Isolation: under one business's setting no table may show a row of another. The tables come from the catalogue, so a
//! new one cannot be forgotten. (That no child has a parent of another business is proved by the foreign keys, all of
//! which contain the business: a test reads them from the catalogue.)

use sqlx::{AssertSqlSafe, PgConnection};

use super::Violation;
use crate::db::DbError;
use crate::ids::BusinessId;

/// The tables that show another business's rows, or on which row level security is not forced.
pub(super) async fn find(connection: &mut PgConnection, business: BusinessId) -> Result<Vec<Violation>, DbError> {
    let tables = sqlx::query_file!("src/audit/sql/readable_tables.sql").fetch_all(&mut *connection).await?;
    let mut details: Vec<String> = tables
        .iter()
        .filter(|table| !table.is_forced)
        .map(|table| format!("table {}: row level security is not forced on it", table.name))
        .collect();
    if tables.is_empty() {
        return Err(DbError::Unknown(
            "the login may read no table of schema commissary: grant it commissary_reporter".to_owned(),
        ));
    }
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    // The names are the catalogue's own, quoted by it.
    let foreign: Vec<(String, i64)> =
        sqlx::query_as(AssertSqlSafe(foreign_rows(&names))).bind(business).fetch_all(connection).await?;
    details.extend(
        foreign.into_iter().map(|(name, rows)| format!("table {name}: {rows} rows of other businesses visible")),
    );
    let violations = i64::try_from(details.len()).expect("a catalogue's tables fit in i64");
    Ok(details.into_iter().map(|detail| Violation { detail, violations }).collect())
}

/// A statement that counts the rows of other businesses table by table, and returns the tables that have any.
fn foreign_rows(tables: &[&str]) -> String {
    let count = |table: &&str| {
        let label = table.replace('\'', "''");
        format!("SELECT '{label}', count(*) FROM {table} t WHERE t.business_id <> $1 HAVING count(*) > 0")
    };
    tables.iter().map(count).collect::<Vec<_>>().join(" UNION ALL ")
}
