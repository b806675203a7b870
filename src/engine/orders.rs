//! Orders that refunds name: what they were, and what was returned of them since.
//!
//! What an order was never changes, so it is read before the locks, to know which rows to lock. What was returned is
//! read after them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::rows;
use crate::db::DbError;
use crate::domain::decide::Job;
use crate::domain::request::{RefundRequest, Request};
use crate::domain::snapshot::{BudgetKey, PlacedLine, PlacedOrder};
use crate::ids::{BusinessId, CustomerId, OrderId, ProductId, ProgramId};
use crate::money::Amount;

/// The orders that the batch's refunds name and that exist, as if nothing of them were returned yet.
pub(super) async fn find(
    connection: &mut PgConnection,
    business: BusinessId,
    requests: &[Job],
) -> Result<HashMap<OrderId, PlacedOrder>, DbError> {
    let ids = rows::distinct(refunds(requests).map(|refund| refund.order));
    let mut orders = HashMap::with_capacity(ids.len());
    if ids.is_empty() {
        return Ok(orders);
    }
    let found = sqlx::query_file!("src/engine/sql/find_orders.sql", business.0, &ids);
    for row in found.fetch_all(&mut *connection).await? {
        let order = PlacedOrder {
            customer: CustomerId(row.customer_id),
            placed_at: row.placed_at,
            total: rows::amount(row.total)?,
            subsidy: rows::amount(row.subsidy)?,
            budget: budget(row.program_id, row.budget_period.as_deref(), row.period_start)?,
            subsidy_returned: Amount::ZERO,
            lines: BTreeMap::new(),
        };
        orders.insert(OrderId(row.order_id), order);
    }
    let items = sqlx::query_file!("src/engine/sql/find_order_items.sql", business.0, &ids);
    for row in items.fetch_all(connection).await? {
        let line = PlacedLine {
            product: ProductId(row.product_id),
            quantity: rows::pieces(row.quantity)?,
            line_total: rows::amount(row.line_total)?,
            returned: 0,
            returned_total: Amount::ZERO,
        };
        if let Some(order) = orders.get_mut(&OrderId(row.order_id)) {
            order.lines.insert(rows::pieces(row.line_no)?, line);
        }
    }
    Ok(orders)
}

fn refunds(requests: &[Job]) -> impl Iterator<Item = &RefundRequest> {
    requests.iter().filter_map(|job| match &job.request {
        Ok(Request::Refund(refund)) => Some(refund),
        _ => None,
    })
}

fn budget(
    program: Option<Uuid>,
    period: Option<&str>,
    period_start: Option<chrono::NaiveDate>,
) -> Result<Option<BudgetKey>, DbError> {
    let (Some(program), Some(period), Some(period_start)) = (program, period, period_start) else { return Ok(None) };
    Ok(Some(BudgetKey { program: ProgramId(program), period: rows::budget_period(period)?, period_start }))
}

/// The products whose stock the batch's refunds may raise.
pub(super) fn restocked(requests: &[Job], orders: &HashMap<OrderId, PlacedOrder>) -> BTreeSet<ProductId> {
    let restocking = refunds(requests).filter(|refund| refund.restock);
    let lines = restocking.filter_map(|refund| {
        let asked = move |line_no: &u32| {
            refund.lines.as_ref().is_none_or(|lines| lines.iter().any(|line| line.line_no == *line_no))
        };
        Some(orders.get(&refund.order)?.lines.iter().filter(move |(line_no, _)| asked(line_no)))
    });
    lines.flatten().map(|(_, line)| line.product).collect()
}

/// What was returned of the orders so far.
pub(super) async fn load_returned(
    connection: &mut PgConnection,
    business: BusinessId,
    orders: &mut HashMap<OrderId, PlacedOrder>,
) -> Result<(), DbError> {
    let ids = rows::distinct(orders.keys().copied());
    if ids.is_empty() {
        return Ok(());
    }
    let lines = sqlx::query_file!("src/engine/sql/load_returned_lines.sql", business.0, &ids);
    for row in lines.fetch_all(&mut *connection).await? {
        let order = orders.get_mut(&OrderId(row.order_id));
        if let Some(line) = order
            .and_then(|order| Some((order, rows::pieces(row.line_no).ok()?)))
            .and_then(|(order, line_no)| order.lines.get_mut(&line_no))
        {
            line.returned = rows::pieces(row.quantity)?;
            line.returned_total = rows::amount(row.total)?;
        }
    }
    let subsidies = sqlx::query_file!("src/engine/sql/load_returned_subsidies.sql", business.0, &ids);
    for row in subsidies.fetch_all(connection).await? {
        if let Some(order) = orders.get_mut(&OrderId(row.order_id)) {
            order.subsidy_returned = rows::amount(row.subsidy_returned)?;
        }
    }
    Ok(())
}
