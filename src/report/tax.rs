//! `tax`: taxable value and tax by rate, for one settlement period.
//!
//! A settled period's figures are its statement's. Those of an open one are summed from its items, less what was
//! returned in it, and marked `open`, until the statement is there. Prices include their tax, an employer's subsidy is a means of
//! payment, and tax is rounded once per rate (DOMAIN, "Tax").

use std::io::Write;

use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Cell, Column, Output, ReportError, Scope};
use crate::ids::BusinessId;
use crate::money::Currency;

/// The columns: `taxable` and `tax` make `gross`.
pub const COLUMNS: &[Column] = &[
    Column::text("business_id"),
    Column::text("period"),
    Column::text("state"),
    Column::number("tax_rate"),
    Column::number("gross"),
    Column::number("taxable"),
    Column::number("tax"),
];

/// The tax that a tax-included amount holds: `gross × rate ÷ (100 + rate)`, rounded once to the currency.
pub(super) fn included(gross: Decimal, rate: Decimal, currency: Currency) -> Decimal {
    currency.round(gross * rate / (Decimal::ONE_HUNDRED + rate))
}

/// A rate without idle zeros: `7`, `7.5`.
pub(super) fn rate_text(rate: Decimal) -> String {
    rate.normalize().to_string()
}

/// Writes the period's tax by rate; false if nothing was sold or returned in it.
///
/// # Errors
/// [`ReportError`] if it cannot be read or written.
pub async fn write<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    period: &str,
    out: &mut Output<W>,
) -> Result<bool, ReportError> {
    Ok(settled(connection, scope, period, out).await? || live(connection, scope, period, out).await?)
}

async fn settled<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    period: &str,
    out: &mut Output<W>,
) -> Result<bool, ReportError> {
    let business = scope.business;
    let statement = sqlx::query_file!("src/report/sql/tax_settled.sql", business as BusinessId, period, scope.as_of);
    let mut lines = statement.fetch(connection);
    let mut is_any = false;
    while let Some(line) = lines.try_next().await? {
        is_any = true;
        out.row(&cells(scope, period, "settled", [line.tax_rate, line.gross, line.taxable, line.tax]))?;
    }
    Ok(is_any)
}

async fn live<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    period: &str,
    out: &mut Output<W>,
) -> Result<bool, ReportError> {
    let items = sqlx::query_file!("src/report/sql/tax_live.sql", scope.business as BusinessId, period, scope.as_of);
    let mut rates = items.fetch(connection);
    let mut is_any = false;
    while let Some(row) = rates.try_next().await? {
        is_any = true;
        let tax = included(row.gross, row.tax_rate, scope.currency);
        out.row(&cells(scope, period, "open", [row.tax_rate, row.gross, row.gross - tax, tax]))?;
    }
    Ok(is_any)
}

fn cells(scope: &Scope, period: &str, state: &str, [rate, gross, taxable, tax]: [Decimal; 4]) -> [Cell; 7] {
    [
        scope.business.0.into(),
        period.into(),
        state.into(),
        rate_text(rate).into(),
        scope.money(gross).into(),
        scope.money(taxable).into(),
        scope.money(tax).into(),
    ]
}
