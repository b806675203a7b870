//! `statement`: one customer's account with its running balance, from an opening to a closing line.
//!
//! The running balance is added up here from the amounts and compared with the ledger's own, so that a statement either
//! reconciles or says that it does not.

use std::io::Write;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Cell, Column, Output, ReportError, Scope};
use crate::ids::{BusinessId, CustomerId};

/// The columns: `total` less `subsidy` is the entry's `amount` (a payment has only that).
pub const COLUMNS: &[Column] = &[
    Column::text("business_id"),
    Column::text("customer_id"),
    Column::text("kind"),
    Column::number("seq"),
    Column::text("created_at"),
    Column::number("total"),
    Column::number("subsidy"),
    Column::number("amount"),
    Column::number("balance"),
    Column::number("credit_limit"),
    Column::text("order_id"),
    Column::text("refund_id"),
    Column::text("reference"),
];

/// Whose account, and which entries: those recorded in [from, to).
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// The customer.
    pub customer: CustomerId,
    /// Earlier entries are in the opening balance.
    pub from: Option<DateTime<Utc>>,
    /// Later ones are left out.
    pub to: Option<DateTime<Utc>>,
}

/// Writes the account; false if the business has no such customer.
///
/// # Errors
/// [`ReportError`] if it cannot be read or written.
pub async fn write<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    account: Account,
    out: &mut Output<W>,
) -> Result<bool, ReportError> {
    let (business, customer) = (scope.business, account.customer);
    let Some(bounds) = sqlx::query_file!(
        "src/report/sql/statement_bounds.sql",
        business as BusinessId,
        customer as CustomerId,
        account.from,
        account.to,
        scope.as_of
    )
    .fetch_optional(&mut *connection)
    .await?
    else {
        return Ok(false);
    };
    let mut balance = bounds.opening;
    out.row(&boundary(scope, customer, "opening", balance))?;
    let mut entries = sqlx::query_file!(
        "src/report/sql/statement_entries.sql",
        business as BusinessId,
        customer as CustomerId,
        bounds.after,
        bounds.until
    )
    .fetch(connection);
    while let Some(entry) = entries.try_next().await? {
        balance += entry.amount;
        let money = |amount: Option<Decimal>| Cell::from(amount.map(|amount| scope.money(amount)));
        out.row(&[
            business.0.into(),
            customer.0.into(),
            entry.kind.into(),
            entry.seq.into(),
            entry.created_at.into(),
            money(entry.total),
            money(entry.subsidy),
            money(Some(entry.amount)),
            money(Some(balance)),
            money(Some(entry.credit_limit)),
            entry.order_id.into(),
            entry.refund_id.into(),
            entry.reference.into(),
        ])?;
        if balance != entry.balance_after {
            out.problem(&format!(
                "customer {customer} of business {business}, entry {}: the ledger says {} where the entries add up to \
                 {}: run `commissary audit`",
                entry.seq,
                scope.money(entry.balance_after),
                scope.money(balance)
            ));
        }
    }
    out.row(&boundary(scope, customer, "closing", balance))?;
    Ok(true)
}

fn boundary(scope: &Scope, customer: CustomerId, kind: &str, balance: Decimal) -> Vec<Cell> {
    let mut cells = vec![Cell::Null; COLUMNS.len()];
    let known = [
        ("business_id", scope.business.0.into()),
        ("customer_id", customer.0.into()),
        ("kind", Cell::from(kind)),
        ("balance", scope.money(balance).into()),
    ];
    for (name, cell) in known {
        let at = COLUMNS.iter().position(|column| column.name == name).expect("a column of this report");
        cells[at] = cell;
    }
    cells
}
