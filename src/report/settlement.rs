//! `settlement`: the statements that a period's close wrote, each line as it was written.

use std::io::Write;

use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Cell, Column, Output, ReportError, Scope};
use crate::ids::BusinessId;

/// The columns: a row a line of a statement; a statement without lines has one row.
pub const COLUMNS: &[Column] = &[
    Column::text("business_id"),
    Column::text("period"),
    Column::text("kind"),
    Column::text("party_id"),
    Column::text("statement_id"),
    Column::text("created_at"),
    Column::number("entries"),
    Column::number("total"),
    Column::text("hash"),
    Column::number("line_no"),
    Column::text("line"),
];

/// Whose statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PartyKind {
    /// An employer: the subsidies it owes
    Organization,
    /// A merchant: what it is to be paid
    Outlet,
    /// A customer: the account over the period
    Customer,
    /// The tax report
    Tax,
}

impl PartyKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Outlet => "outlet",
            Self::Customer => "customer",
            Self::Tax => "tax",
        }
    }
}

/// Which statements of a period.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The month, as `2026-10`.
    pub period: String,
    /// Only this kind.
    pub kind: Option<PartyKind>,
    /// Only this organization, outlet or customer.
    pub party: Option<Uuid>,
}

/// Writes the selected statements; false if there are none, for instance because the period is not settled.
///
/// # Errors
/// [`ReportError`] if they cannot be read or written.
pub async fn write<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    selection: &Selection,
    out: &mut Output<W>,
) -> Result<bool, ReportError> {
    let mut is_any = false;
    let mut lines = sqlx::query_file!(
        "src/report/sql/settlement.sql",
        scope.business as BusinessId,
        selection.period,
        selection.kind.map(PartyKind::as_str),
        selection.party,
        scope.as_of
    )
    .fetch(connection);
    while let Some(line) = lines.try_next().await? {
        is_any = true;
        out.row(&[
            scope.business.0.into(),
            selection.period.as_str().into(),
            line.kind.into(),
            line.party_id.into(),
            line.statement_id.into(),
            line.created_at.into(),
            line.entries.into(),
            scope.money(line.total).into(),
            line.hash.into(),
            line.line_no.into(),
            line.line.map_or(Cell::Null, Cell::Json),
        ])?;
    }
    Ok(is_any)
}
