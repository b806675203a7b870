//! `overdue`: who owes for longer than the business allows, and how old the debt is.
//!
//! The buckets are days past due, and sum to the balance where that is positive (DOMAIN, "Overdue").

use std::io::Write;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Cell, Column, Output, ReportError, Scope};
use crate::ids::BusinessId;

/// The columns: `not_due` and the buckets make the balance.
pub const COLUMNS: &[Column] = &[
    Column::text("business_id"),
    Column::text("customer_id"),
    Column::number("balance"),
    Column::number("credit_limit"),
    Column::number("overdue_amount"),
    Column::text("oldest_unpaid_at"),
    Column::number("not_due"),
    Column::number("days_1_30"),
    Column::number("days_31_60"),
    Column::number("days_61_90"),
    Column::number("days_over_90"),
];

struct Position {
    customer_id: Uuid,
    balance: Decimal,
    credit_limit: Decimal,
    overdue_amount: Decimal,
    oldest_unpaid_at: Option<DateTime<Utc>>,
    not_due: Decimal,
    days_1_30: Decimal,
    days_31_60: Decimal,
    days_61_90: Decimal,
    days_over_90: Decimal,
}

/// Writes the overdue customers, the highest debt first, or with `all` every customer whose balance is not zero.
///
/// # Errors
/// [`ReportError`] if they cannot be read or written.
pub async fn write<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    all: bool,
    out: &mut Output<W>,
) -> Result<(), ReportError> {
    let mut positions = positions(connection, scope, all);
    while let Some(position) = positions.try_next().await? {
        out.row(&cells(scope, &position))?;
    }
    Ok(())
}

fn positions<'c>(
    connection: &'c mut PgConnection,
    scope: &Scope,
    all: bool,
) -> BoxStream<'c, Result<Position, sqlx::Error>> {
    let business = scope.business;
    match scope.as_of {
        None => {
            sqlx::query_file_as!(Position, "src/report/sql/overdue.sql", business as BusinessId, all).fetch(connection)
        }
        Some(at) => sqlx::query_file_as!(Position, "src/report/sql/overdue_at.sql", business as BusinessId, all, at)
            .fetch(connection),
    }
}

fn cells(scope: &Scope, position: &Position) -> [Cell; 11] {
    let money = |amount| Cell::from(scope.money(amount));
    [
        scope.business.0.into(),
        position.customer_id.into(),
        money(position.balance),
        money(position.credit_limit),
        money(position.overdue_amount),
        position.oldest_unpaid_at.into(),
        money(position.not_due),
        money(position.days_1_30),
        money(position.days_31_60),
        money(position.days_61_90),
        money(position.days_over_90),
    ]
}
