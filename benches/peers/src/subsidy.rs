//! Subsidies: the Maximum Rule. The highest fundable discount wins; ties go to priority, the earlier budget end, the
//! lower id.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::facts::Facts;
use crate::statement::sql;

/// An active program of the customer's organization.
#[derive(Clone, FromRow)]
pub struct Program {
    pub program_id: Uuid,
    pub name: String,
    pub organization_id: Uuid,
    pub kind: String,
    pub value: Decimal,
    pub cap: Option<Decimal>,
    pub priority: i32,
    pub budget_period: String,
    pub total_budget: Decimal,
    pub period_start: String,
    pub period_ends: Option<DateTime<Utc>>,
}

/// What a program offers.
#[derive(Clone)]
pub struct Offer {
    pub program: Program,
    pub amount: Decimal,
    /// The budget's use before.
    pub used: Decimal,
    /// The budget's total in force.
    pub budget: Decimal,
}

/// What comes of the rule.
pub struct Subsidy {
    pub winner: Option<Offer>,
    pub evaluation: Value,
}

/// Rounds nothing: amounts have the currency's decimals already.
pub fn format(mut value: Decimal, exponent: u32) -> String {
    value.rescale(exponent);
    value.to_string()
}

impl Subsidy {
    /// Zero without a winner.
    pub fn amount(&self) -> Decimal {
        self.winner.as_ref().map_or(Decimal::ZERO, |winner| winner.amount)
    }
}

/// Locks the budgets and applies the rule.
pub async fn find(
    connection: &mut PgConnection,
    business: Uuid,
    facts: &Facts,
    total: Decimal,
) -> anyhow::Result<Subsidy> {
    let organization = facts.account.as_ref().and_then(|account| account.customer.organization_id);
    let programs: Vec<Program> = sqlx::query_as(sql!("load_programs"))
        .bind(business)
        .bind(organization)
        .bind(facts.now)
        .fetch_all(&mut *connection)
        .await?;
    let used = lock_budgets(connection, business, &programs).await?;
    let offers: Vec<Offer> = programs
        .into_iter()
        .map(|program| {
            let used = used.get(&program.program_id).copied().unwrap_or_default();
            offer(program, used, total, facts.exponent)
        })
        .collect();
    let winner = offers.iter().filter(|offer| offer.is_fundable()).min_by_key(|offer| offer.rank()).cloned();
    let evaluation = offers.iter().map(|offer| offer.evaluation(winner.as_ref(), facts.exponent)).collect();
    Ok(Subsidy { winner, evaluation })
}

async fn lock_budgets(
    connection: &mut PgConnection,
    business: Uuid,
    programs: &[Program],
) -> anyhow::Result<HashMap<Uuid, Decimal>> {
    let ids: Vec<Uuid> = programs.iter().map(|program| program.program_id).collect();
    let periods: Vec<&str> = programs.iter().map(|program| program.budget_period.as_str()).collect();
    let starts: Vec<&str> = programs.iter().map(|program| program.period_start.as_str()).collect();
    for is_opened in [false, true] {
        let budgets: Vec<(Uuid, Decimal)> = sqlx::query_as(sql!("lock_budgets"))
            .bind(business)
            .bind(&ids)
            .bind(&periods)
            .bind(&starts)
            .fetch_all(&mut *connection)
            .await?;
        if is_opened || budgets.len() == programs.len() {
            return Ok(budgets.into_iter().collect());
        }
        let totals: Vec<Decimal> = programs.iter().map(|program| program.total_budget).collect();
        sqlx::query(sql!("open_budgets"))
            .bind(business)
            .bind(&ids)
            .bind(&periods)
            .bind(&starts)
            .bind(&totals)
            .execute(&mut *connection)
            .await?;
    }
    unreachable!("the second round returns")
}

/// The discount alone: rounded once, half away from zero, and at most the cap and the total.
fn offer(program: Program, used: Decimal, total: Decimal, exponent: u32) -> Offer {
    let percentage = (total * program.value / Decimal::ONE_HUNDRED)
        .round_dp_with_strategy(exponent, RoundingStrategy::MidpointAwayFromZero);
    let amount = program.cap.map_or(percentage, |cap| percentage.min(cap)).min(total);
    let budget = program.total_budget.max(used);
    Offer { program, amount, used, budget }
}

/// Best first; a budget that never ends is the latest.
type Rank = (Reverse<Decimal>, i32, (bool, Option<DateTime<Utc>>), Uuid);

impl Offer {
    fn is_fundable(&self) -> bool {
        self.amount > Decimal::ZERO && self.used + self.amount <= self.budget
    }

    fn rank(&self) -> Rank {
        let end = self.program.period_ends;
        (Reverse(self.amount), self.program.priority, (end.is_none(), end), self.program.program_id)
    }

    fn evaluation(&self, winner: Option<&Self>, exponent: u32) -> Value {
        let is_chosen = winner.is_some_and(|winner| winner.program.program_id == self.program.program_id);
        json!({
            "program_id": self.program.program_id,
            "discount": format(self.amount, exponent),
            "fundable": self.is_fundable(),
            "chosen": is_chosen,
            "why": self.why(winner, exponent),
        })
    }

    fn why(&self, winner: Option<&Self>, exponent: u32) -> String {
        if self.amount.is_zero() {
            return "rounds to zero".to_owned();
        }
        let Some(winner) = winner.filter(|_| self.is_fundable()) else {
            return format!("budget has only {} left", format(self.budget - self.used, exponent));
        };
        let (own, best) = (self.rank(), winner.rank());
        let verdict = if own == best {
            "won: highest fundable discount"
        } else if own.0 != best.0 {
            "lost: lower discount"
        } else if own.1 != best.1 {
            "lost: tie, by priority"
        } else if own.2 != best.2 {
            "lost: tie, by budget end"
        } else {
            "lost: tie, by program id"
        };
        verdict.to_owned()
    }

    /// The program's whole state, with its budget before and after.
    pub fn snapshot(&self, exponent: u32) -> Value {
        let (program, text) = (&self.program, |value| format(value, exponent));
        json!({
            "program_id": program.program_id,
            "name": program.name,
            "organization_id": program.organization_id,
            "office_id": null,
            "team_id": null,
            "outlet_id": null,
            "kind": program.kind,
            "value": program.value.normalize().to_string(),
            "cap": program.cap.map(text),
            "priority": program.priority,
            "min_order_amount": null,
            "starts_at": null,
            "ends_at": null,
            "weekdays": null,
            "hour_from": null,
            "hour_to": null,
            "budget_period": program.budget_period,
            "per_customer_cap": null,
            "allow_partial": false,
            "is_active": true,
            "total_budget": text(self.budget),
            "budget_used_before": text(self.used),
            "budget_used_after": text(self.used + self.amount),
            "period_start": program.period_start,
        })
    }
}
