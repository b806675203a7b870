//! The textbook transaction: one purchase, one transaction, a statement a step.
//!
//! Locks are taken as late as the rules allow, and in one order: period, customer, products, budgets, queue row. The hot
//! rows of a business come last, so that its transactions overlap as far as they can.

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::decide::{self, Refusal};
use crate::facts::{self, Facts};
use crate::job::{Job, Request};
use crate::statement::sql;
use crate::{subsidy, write};

/// Decides and records one purchase. Running it again changes nothing.
///
/// # Errors
/// If the database refuses a statement; the transaction is rolled back then.
pub async fn purchase(pool: &PgPool, job: &Job) -> anyhow::Result<()> {
    let begin = format!("BEGIN; SET LOCAL app.business_id = '{}'", job.business_id);
    let mut tx = pool.begin_with(AssertSqlSafe(begin)).await?;
    let is_done: bool = sqlx::query_scalar(sql!("find_result"))
        .bind(job.business_id)
        .bind(&job.idempotency_key)
        .fetch_one(&mut *tx)
        .await?;
    if !is_done {
        record(&mut tx, job).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn record(connection: &mut PgConnection, job: &Job) -> anyhow::Result<()> {
    let request = Request::deserialize(&job.payload)?;
    let facts = facts::load(connection, job.business_id, &request).await?;
    let basket = match decide::basket(&facts, &request) {
        Ok(basket) => basket,
        Err(refusal) => return refuse(connection, job, &facts, &refusal).await,
    };
    let account = facts.account.as_ref().expect("a basket is of a known customer");
    let subsidy = subsidy::find(connection, job.business_id, &facts, basket.total).await?;
    let order = match decide::order(&facts, account, basket, subsidy) {
        Ok(order) => order,
        Err(refusal) => return refuse(connection, job, &facts, &refusal).await,
    };
    write::order(connection, job, &request, &facts, &order).await?;
    finish(connection, job, &facts, ("completed", None), &order.outcome(&facts, account)).await
}

async fn refuse(connection: &mut PgConnection, job: &Job, facts: &Facts, refusal: &Refusal) -> anyhow::Result<()> {
    let outcome = json!({ "message": refusal.message });
    finish(connection, job, facts, ("rejected", Some(refusal.reason)), &outcome).await
}

async fn finish(
    connection: &mut PgConnection,
    job: &Job,
    facts: &Facts,
    (status, reason): (&str, Option<&str>),
    outcome: &Value,
) -> anyhow::Result<()> {
    let decision_seq: i64 =
        sqlx::query_scalar(sql!("count_decision")).bind(job.business_id).fetch_one(&mut *connection).await?;
    sqlx::query(sql!("insert_result"))
        .bind(job.business_id)
        .bind(job.job_id)
        .bind(&job.idempotency_key)
        .bind(status)
        .bind(reason)
        .bind(outcome)
        .bind(job.enqueued_at)
        .bind(decision_seq)
        .bind(facts.now)
        .bind(&job.payload)
        .execute(connection)
        .await?;
    Ok(())
}
