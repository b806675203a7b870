//! Write: the order's rows, a statement a table, and every guarded count compared.

use anyhow::ensure;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;
use uuid::Uuid;

use crate::decide::Order;
use crate::facts::{Account, Facts};
use crate::job::{Job, Request};
use crate::statement::sql;
use crate::subsidy::Offer;

pub async fn order(
    connection: &mut PgConnection,
    job: &Job,
    request: &Request,
    facts: &Facts,
    order: &Order,
) -> anyhow::Result<()> {
    let account = facts.account.as_ref().expect("an order is of a known customer");
    insert_order(connection, job, request, (facts, account), order).await?;
    insert_items(connection, job, order).await?;
    let (products, quantities): (Vec<Uuid>, Vec<i64>) = order.basket.stock.iter().unzip();
    let stock = sqlx::query(sql!("change_stock")).bind(job.business_id).bind(&products).bind(&quantities);
    expect_rows("change_stock", &stock.execute(&mut *connection).await?, products.len())?;
    insert_charge(connection, job, request, (facts, account), order).await?;
    if let Some(winner) = &order.subsidy.winner {
        draw(connection, job, request, (facts, winner), order).await?;
    }
    Ok(())
}

async fn insert_order(
    connection: &mut PgConnection,
    job: &Job,
    request: &Request,
    (facts, account): (&Facts, &Account),
    order: &Order,
) -> anyhow::Result<()> {
    sqlx::query(sql!("insert_order"))
        .bind(job.business_id)
        .bind(order.order_id)
        .bind(request.customer_id)
        .bind(request.outlet_id)
        .bind(order.basket.total)
        .bind(order.subsidy.amount())
        .bind(order.payable)
        .bind(facts.now)
        .bind(account.customer.organization_id)
        .bind(account.customer.office_id)
        .bind(account.customer.team_id)
        .bind(facts.period)
        .bind(job.job_id)
        .bind(&job.idempotency_key)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_items(connection: &mut PgConnection, job: &Job, order: &Order) -> anyhow::Result<()> {
    let items = &order.basket.items;
    sqlx::query(sql!("insert_items"))
        .bind(job.business_id)
        .bind(order.order_id)
        .bind(items.iter().map(|item| item.product).collect::<Vec<Uuid>>())
        .bind(items.iter().map(|item| item.quantity).collect::<Vec<i32>>())
        .bind(items.iter().map(|item| item.price).collect::<Vec<Decimal>>())
        .bind(items.iter().map(|item| item.tax_rate).collect::<Vec<Decimal>>())
        .bind(items.iter().map(|item| item.total).collect::<Vec<Decimal>>())
        .bind(job.job_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_charge(
    connection: &mut PgConnection,
    job: &Job,
    request: &Request,
    (facts, account): (&Facts, &Account),
    order: &Order,
) -> anyhow::Result<()> {
    sqlx::query(sql!("insert_charge"))
        .bind(job.business_id)
        .bind(request.customer_id)
        .bind(account.seq + 1)
        .bind(order.payable)
        .bind(account.balance)
        .bind(order.balance_after)
        .bind(account.customer.credit_limit)
        .bind(order.order_id)
        .bind(facts.now)
        .bind(facts.period)
        .bind(job.job_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes the subsidy from its budget and records it.
async fn draw(
    connection: &mut PgConnection,
    job: &Job,
    request: &Request,
    (facts, winner): (&Facts, &Offer),
    order: &Order,
) -> anyhow::Result<()> {
    let program = &winner.program;
    let drawn = sqlx::query(sql!("change_budget"))
        .bind(job.business_id)
        .bind(program.program_id)
        .bind(&program.budget_period)
        .bind(&program.period_start)
        .bind(winner.amount)
        .bind(winner.budget);
    expect_rows("change_budget", &drawn.execute(&mut *connection).await?, 1)?;
    sqlx::query(sql!("insert_subsidy"))
        .bind(job.business_id)
        .bind(Uuid::now_v7())
        .bind(order.order_id)
        .bind(request.customer_id)
        .bind(program.program_id)
        .bind(&program.budget_period)
        .bind(&program.period_start)
        .bind(winner.amount)
        .bind(winner.snapshot(facts.exponent))
        .bind(&order.subsidy.evaluation)
        .bind(facts.now)
        .bind(facts.period)
        .bind(job.job_id)
        .execute(connection)
        .await?;
    Ok(())
}

fn expect_rows(statement: &str, done: &PgQueryResult, expected: usize) -> anyhow::Result<()> {
    let (actual, expected) = (done.rows_affected(), u64::try_from(expected)?);
    ensure!(actual == expected, "{statement} changed {actual} rows instead of {expected}");
    Ok(())
}
