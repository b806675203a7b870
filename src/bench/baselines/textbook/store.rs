//! The writing half: order, lines, stock, charge, budget, subsidy, end of the job, one statement a step.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::load::Claimed;
use crate::domain::effects::{OrderItem, Purchase, Subsidy};
use crate::domain::outcome::{Decision, evaluation_json};
use crate::ids::{BusinessId, PeriodId};
use crate::queue::Status;

/// A completed purchase's facts.
pub(super) async fn purchase(
    tx: &mut PgConnection,
    business: BusinessId,
    claimed: &Claimed,
    period: PeriodId,
    purchase: &Purchase,
) -> anyhow::Result<()> {
    let Purchase { order, items, charge, subsidy, .. } = purchase;
    sqlx::query_file!(
        "src/bench/baselines/sql/insert_order.sql",
        business.0,
        order.order_id.0,
        order.customer.0,
        order.outlet.map(Uuid::from),
        order.total.decimal(),
        order.subsidy.decimal(),
        order.payable.decimal(),
        charge.created_at,
        order.organization.map(Uuid::from),
        order.office.map(Uuid::from),
        order.team.map(Uuid::from),
        period.0,
        claimed.job_id.0,
        claimed.idempotency_key
    )
    .execute(&mut *tx)
    .await?;
    lines(tx, business, (order.order_id.0, claimed.job_id.0), items).await?;
    sqlx::query_file!(
        "src/bench/baselines/sql/insert_entry.sql",
        business.0,
        order.customer.0,
        charge.seq,
        charge.amount.decimal(),
        charge.balance_before.decimal(),
        charge.balance_after.decimal(),
        charge.credit_limit.decimal(),
        order.order_id.0,
        charge.created_at,
        period.0,
        claimed.job_id.0
    )
    .execute(&mut *tx)
    .await?;
    if let Some(subsidy) = subsidy {
        subsidise(tx, business, (claimed, period), purchase, subsidy).await?;
    }
    Ok(())
}

async fn lines(
    tx: &mut PgConnection,
    business: BusinessId,
    (order, job): (Uuid, Uuid),
    items: &[OrderItem],
) -> anyhow::Result<()> {
    let line_nos: Vec<i32> = items.iter().map(|item| i32::try_from(item.line_no)).collect::<Result<_, _>>()?;
    let products: Vec<Uuid> = items.iter().map(|item| item.product.0).collect();
    let quantities: Vec<i32> = items.iter().map(|item| i32::try_from(item.quantity)).collect::<Result<_, _>>()?;
    let prices: Vec<_> = items.iter().map(|item| item.unit_price.decimal()).collect();
    let tax_rates: Vec<_> = items.iter().map(|item| item.tax_rate).collect();
    let totals: Vec<_> = items.iter().map(|item| item.line_total.decimal()).collect();
    sqlx::query_file!(
        "src/bench/baselines/sql/insert_items.sql",
        business.0,
        order,
        &line_nos,
        &products,
        &quantities,
        &prices,
        &tax_rates,
        &totals,
        job
    )
    .execute(&mut *tx)
    .await?;
    change_stock(tx, business, items).await
}

async fn change_stock(tx: &mut PgConnection, business: BusinessId, items: &[OrderItem]) -> anyhow::Result<()> {
    let mut sold: BTreeMap<Uuid, i64> = BTreeMap::new();
    for item in items {
        *sold.entry(item.product.0).or_default() += i64::from(item.quantity);
    }
    let (products, quantities): (Vec<Uuid>, Vec<i64>) = sold.into_iter().unzip();
    let change = sqlx::query_file!("src/bench/baselines/sql/change_stock.sql", business.0, &products, &quantities);
    change.execute(tx).await?;
    Ok(())
}

async fn subsidise(
    tx: &mut PgConnection,
    business: BusinessId,
    (claimed, period): (&Claimed, PeriodId),
    purchase: &Purchase,
    subsidy: &Subsidy,
) -> anyhow::Result<()> {
    let (budget, currency) = (subsidy.budget, claimed.business.currency);
    sqlx::query_file!(
        "src/bench/baselines/sql/change_budget.sql",
        business.0,
        budget.program.0,
        budget.period.as_str(),
        budget.period_start,
        subsidy.amount.decimal(),
        subsidy.total_budget.decimal()
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_file!(
        "src/bench/baselines/sql/insert_subsidy.sql",
        business.0,
        subsidy.entry_id.0,
        purchase.order.order_id.0,
        purchase.order.customer.0,
        budget.program.0,
        budget.period.as_str(),
        budget.period_start,
        subsidy.amount.decimal(),
        subsidy.program_snapshot(currency).to_string(),
        evaluation_json(&purchase.evaluation, currency).to_string(),
        purchase.charge.created_at,
        period.0,
        claimed.job_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The end of the job: number, result, removal.
pub(super) async fn finish(
    tx: &mut PgConnection,
    business: BusinessId,
    claimed: &Claimed,
    decision: &Decision,
) -> anyhow::Result<()> {
    let (status, reason, outcome) = match decision {
        Decision::Completed(effects) => {
            (Status::Completed, None, effects.outcome(claimed.business.currency).to_string())
        }
        Decision::Rejected(refusal) => (Status::Rejected, Some(refusal.reason.as_str()), refusal.outcome.to_string()),
    };
    sqlx::query_file!(
        "src/bench/baselines/sql/finish_job.sql",
        business.0,
        claimed.job_id.0,
        status.as_str(),
        reason,
        outcome,
        claimed.moment.now
    )
    .execute(tx)
    .await?;
    Ok(())
}
