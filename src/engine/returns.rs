//! Returns: the columns of refunds, of their lines and reversals, and of stock movements; written set-wise.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::{DbError, expect_rows};
use crate::domain::effects::{Refund, RefundItem, Reversal, StockMovement};
use crate::ids::{BusinessId, JobId, PeriodId};

/// Refunds with their lines and reversals.
#[derive(Default)]
pub(super) struct Refunds {
    refund: Vec<Uuid>,
    order: Vec<Uuid>,
    customer: Vec<Uuid>,
    total: Vec<Decimal>,
    subsidy: Vec<Decimal>,
    credited: Vec<Decimal>,
    restocked: Vec<bool>,
    created_at: Vec<DateTime<Utc>>,
    job: Vec<Uuid>,
    items: Items,
    reversals: Reversals,
}

#[derive(Default)]
struct Items {
    refund: Vec<Uuid>,
    line_no: Vec<i32>,
    order: Vec<Uuid>,
    quantity: Vec<i32>,
    total: Vec<Decimal>,
    job: Vec<Uuid>,
}

#[derive(Default)]
struct Reversals {
    entry: Vec<Uuid>,
    order: Vec<Uuid>,
    amount: Vec<Decimal>,
    returned_to_budget: Vec<Decimal>,
    created_at: Vec<DateTime<Utc>>,
    refund: Vec<Uuid>,
    job: Vec<Uuid>,
}

/// Receipts and adjustments.
#[derive(Default)]
pub(super) struct Movements {
    movement: Vec<Uuid>,
    product: Vec<Uuid>,
    kind: Vec<&'static str>,
    delta: Vec<i64>,
    reason: Vec<String>,
    created_at: Vec<DateTime<Utc>>,
    job: Vec<Uuid>,
}

impl Refunds {
    pub(super) fn push(&mut self, job: JobId, refund: &Refund) {
        self.refund.push(refund.refund_id.0);
        self.order.push(refund.order.0);
        self.customer.push(refund.entry.customer.0);
        self.total.push(refund.total.decimal());
        self.subsidy.push(refund.subsidy_returned.decimal());
        self.credited.push(refund.credited.decimal());
        self.restocked.push(refund.restocked);
        self.created_at.push(refund.entry.created_at);
        self.job.push(job.0);
        for item in &refund.items {
            self.items.push(job, refund, item);
        }
        if let Some(reversal) = &refund.reversal {
            self.reversals.push(job, refund, reversal);
        }
    }
}

impl Items {
    fn push(&mut self, job: JobId, refund: &Refund, item: &RefundItem) {
        self.refund.push(refund.refund_id.0);
        self.line_no.push(i32::try_from(item.line_no).expect("it is a line of an order"));
        self.order.push(refund.order.0);
        self.quantity.push(i32::try_from(item.quantity).expect("it is at most what was bought"));
        self.total.push(item.total.decimal());
        self.job.push(job.0);
    }
}

impl Reversals {
    fn push(&mut self, job: JobId, refund: &Refund, reversal: &Reversal) {
        self.entry.push(reversal.entry_id.0);
        self.order.push(refund.order.0);
        self.amount.push(reversal.amount.decimal());
        self.returned_to_budget.push(reversal.returned_to_budget.decimal());
        self.created_at.push(refund.entry.created_at);
        self.refund.push(refund.refund_id.0);
        self.job.push(job.0);
    }
}

impl Movements {
    pub(super) fn push(&mut self, job: JobId, movement: StockMovement) {
        self.movement.push(movement.movement_id.0);
        self.product.push(movement.product.0);
        self.kind.push(movement.kind.as_str());
        self.delta.push(movement.delta);
        self.reason.push(movement.reason);
        self.created_at.push(movement.created_at);
        self.job.push(job.0);
    }
}

/// Writes the refunds and their lines, before the credit entries that refer to them.
pub(super) async fn insert_refunds(
    connection: &mut PgConnection,
    business: BusinessId,
    period: PeriodId,
    refunds: &Refunds,
) -> Result<(), DbError> {
    if refunds.refund.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query_file!(
        "src/engine/sql/insert_refunds.sql",
        business.0,
        &refunds.refund,
        &refunds.order,
        &refunds.customer,
        &refunds.total,
        &refunds.subsidy,
        &refunds.credited,
        &refunds.restocked,
        &refunds.created_at,
        &refunds.job,
        period.0
    );
    expect_rows("insert_refunds", insert.execute(&mut *connection).await?, refunds.refund.len())?;
    let items = &refunds.items;
    let insert = sqlx::query_file!(
        "src/engine/sql/insert_refund_items.sql",
        business.0,
        &items.refund,
        &items.line_no,
        &items.order,
        &items.quantity,
        &items.total,
        &items.job
    );
    expect_rows("insert_refund_items", insert.execute(connection).await?, items.refund.len())
}

/// Writes the negative subsidy entries.
pub(super) async fn insert_reversals(
    connection: &mut PgConnection,
    business: BusinessId,
    period: PeriodId,
    refunds: &Refunds,
) -> Result<(), DbError> {
    let reversals = &refunds.reversals;
    if reversals.entry.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query_file!(
        "src/engine/sql/insert_reversals.sql",
        business.0,
        &reversals.entry,
        &reversals.order,
        &reversals.amount,
        &reversals.returned_to_budget,
        &reversals.created_at,
        &reversals.refund,
        &reversals.job,
        period.0
    );
    expect_rows("insert_reversals", insert.execute(connection).await?, reversals.entry.len())
}

/// Writes the stock movements.
pub(super) async fn insert_movements(
    connection: &mut PgConnection,
    business: BusinessId,
    movements: &Movements,
) -> Result<(), DbError> {
    if movements.movement.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query_file!(
        "src/engine/sql/insert_movements.sql",
        business.0,
        &movements.movement,
        &movements.product,
        &movements.kind as &[&str],
        &movements.delta,
        &movements.reason,
        &movements.created_at,
        &movements.job
    );
    expect_rows("insert_movements", insert.execute(connection).await?, movements.movement.len())
}
