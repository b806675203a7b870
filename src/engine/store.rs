//! Store: a turn's effects and endings, collected as columns and written set-wise.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::returns::{self, Movements, Refunds};
use crate::db::{DbError, expect_count};
use crate::domain::effects::{CreditEntry, Effects, Order, OrderItem, Purchase, Refund, Subsidy};
use crate::domain::outcome::evaluation_json;
use crate::domain::snapshot::BudgetKey;
use crate::ids::{JobId, PeriodId};
use crate::money::Currency;
use crate::queue::{ClaimedJob, Finished, Turn};

/// Everything that a batch writes, besides results.
pub(super) struct Written {
    period: PeriodId,
    currency: Currency,
    orders: Orders,
    items: Items,
    entries: Entries,
    subsidies: Subsidies,
    refunds: Refunds,
    movements: Movements,
    /// What was drawn from each budget less what was given back, and the total that a purchase brought into force.
    budgets: BTreeMap<BudgetKey, (Decimal, Option<Decimal>)>,
    /// By how many pieces each product's stock changes. A product's sum is the difference of two stocks, so it fits.
    stock: BTreeMap<Uuid, i64>,
}

#[derive(Default)]
struct Orders {
    order: Vec<Uuid>,
    customer: Vec<Uuid>,
    outlet: Vec<Option<Uuid>>,
    total: Vec<Decimal>,
    subsidy: Vec<Decimal>,
    payable: Vec<Decimal>,
    placed_at: Vec<DateTime<Utc>>,
    organization: Vec<Option<Uuid>>,
    office: Vec<Option<Uuid>>,
    team: Vec<Option<Uuid>>,
    job: Vec<Uuid>,
    key: Vec<String>,
}

#[derive(Default)]
struct Items {
    order: Vec<Uuid>,
    line_no: Vec<i32>,
    product: Vec<Uuid>,
    quantity: Vec<i32>,
    unit_price: Vec<Decimal>,
    tax_rate: Vec<Decimal>,
    line_total: Vec<Decimal>,
    job: Vec<Uuid>,
}

#[derive(Default)]
struct Entries {
    customer: Vec<Uuid>,
    seq: Vec<i64>,
    kind: Vec<&'static str>,
    amount: Vec<Decimal>,
    before: Vec<Decimal>,
    after: Vec<Decimal>,
    limit: Vec<Decimal>,
    order: Vec<Option<Uuid>>,
    refund: Vec<Option<Uuid>>,
    created_at: Vec<DateTime<Utc>>,
    reference: Vec<Option<String>>,
    job: Vec<Uuid>,
}

#[derive(Default)]
struct Subsidies {
    entry: Vec<Uuid>,
    order: Vec<Uuid>,
    customer: Vec<Uuid>,
    program: Vec<Uuid>,
    period: Vec<&'static str>,
    period_start: Vec<NaiveDate>,
    amount: Vec<Decimal>,
    snapshot: Vec<String>,
    evaluation: Vec<String>,
    created_at: Vec<DateTime<Utc>>,
    job: Vec<Uuid>,
}

impl Written {
    pub(super) fn new(period: PeriodId, currency: Currency, jobs: usize) -> Self {
        let (orders, items) = (Orders::default(), Items::default());
        let (entries, subsidies) = (Entries::default(), Subsidies::default());
        let mut written = Self {
            period,
            currency,
            orders,
            items,
            entries,
            subsidies,
            refunds: Refunds::default(),
            movements: Movements::default(),
            budgets: BTreeMap::new(),
            stock: BTreeMap::new(),
        };
        written.entries.customer.reserve(jobs);
        written.orders.order.reserve(jobs);
        written
    }

    /// Whether no job had effects: each that has them changes a credit or a stock.
    fn is_nothing(&self) -> bool {
        self.entries.customer.is_empty() && self.stock.is_empty()
    }

    /// How many order lines it has.
    pub(super) const fn lines(&self) -> usize {
        self.items.order.len()
    }

    /// Takes one completed job's effects.
    pub(super) fn push(&mut self, job: &ClaimedJob, effects: Effects) {
        match effects {
            Effects::Purchase(purchase) => self.push_purchase(job, *purchase),
            Effects::Payment(entry) => self.entries.push(job.job_id, entry),
            Effects::Refund(refund) => self.push_refund(job.job_id, *refund),
            Effects::Stock(movement) => {
                *self.stock.entry(movement.product.0).or_default() += movement.delta;
                self.movements.push(job.job_id, movement);
            }
        }
    }

    fn push_refund(&mut self, job: JobId, refund: Refund) {
        for item in refund.items.iter().filter(|_| refund.restocked) {
            *self.stock.entry(item.product.0).or_default() += i64::from(item.quantity);
        }
        if let Some(reversal) = refund.reversal.as_ref().filter(|reversal| reversal.returned_to_budget.is_positive()) {
            self.budgets.entry(reversal.budget).or_default().0 -= reversal.returned_to_budget.decimal();
        }
        self.refunds.push(job, &refund);
        self.entries.push(job, refund.entry);
    }

    fn push_purchase(&mut self, job: &ClaimedJob, purchase: Purchase) {
        let Purchase { order, items, charge, subsidy, evaluation } = purchase;
        if let Some(subsidy) = &subsidy {
            let drawn = self.budgets.entry(subsidy.budget).or_default();
            *drawn = (drawn.0 + subsidy.amount.decimal(), Some(subsidy.total_budget.decimal()));
            let snapshot = subsidy.program_snapshot(self.currency);
            let evaluation = evaluation_json(&evaluation, self.currency);
            self.subsidies.push(job.job_id, &order, subsidy, charge.created_at, (snapshot, evaluation));
        }
        for item in items {
            *self.stock.entry(item.product.0).or_default() -= i64::from(item.quantity);
            self.items.push(job.job_id, order.order_id.0, &item);
        }
        self.orders.push(job, order, charge.created_at);
        self.entries.push(job.job_id, charge);
    }
}

impl Orders {
    fn push(&mut self, job: &ClaimedJob, order: Order, placed_at: DateTime<Utc>) {
        self.order.push(order.order_id.0);
        self.customer.push(order.customer.0);
        self.outlet.push(order.outlet.map(Into::into));
        self.total.push(order.total.decimal());
        self.subsidy.push(order.subsidy.decimal());
        self.payable.push(order.payable.decimal());
        self.placed_at.push(placed_at);
        self.organization.push(order.organization.map(Into::into));
        self.office.push(order.office.map(Into::into));
        self.team.push(order.team.map(Into::into));
        self.job.push(job.job_id.0);
        self.key.push(job.idempotency_key.clone());
    }
}

impl Items {
    fn push(&mut self, job: JobId, order: Uuid, item: &OrderItem) {
        self.order.push(order);
        self.line_no.push(i32::try_from(item.line_no).expect("at most 500 lines"));
        self.product.push(item.product.0);
        self.quantity.push(i32::try_from(item.quantity).expect("a quantity is at most 2^31 - 1"));
        self.unit_price.push(item.unit_price.decimal());
        self.tax_rate.push(item.tax_rate);
        self.line_total.push(item.line_total.decimal());
        self.job.push(job.0);
    }
}

impl Entries {
    fn push(&mut self, job: JobId, entry: CreditEntry) {
        self.customer.push(entry.customer.0);
        self.seq.push(entry.seq);
        self.kind.push(entry.kind.as_str());
        self.amount.push(entry.amount.decimal());
        self.before.push(entry.balance_before.decimal());
        self.after.push(entry.balance_after.decimal());
        self.limit.push(entry.credit_limit.decimal());
        self.order.push(entry.order.map(Into::into));
        self.refund.push(entry.refund.map(Into::into));
        self.created_at.push(entry.created_at);
        self.reference.push(entry.reference);
        self.job.push(job.0);
    }
}

impl Subsidies {
    fn push(
        &mut self,
        job: JobId,
        order: &Order,
        subsidy: &Subsidy,
        created_at: DateTime<Utc>,
        (snapshot, evaluation): (String, String),
    ) {
        self.entry.push(subsidy.entry_id.0);
        self.order.push(order.order_id.0);
        self.customer.push(order.customer.0);
        self.program.push(subsidy.budget.program.0);
        self.period.push(subsidy.budget.period.as_str());
        self.period_start.push(subsidy.budget.period_start);
        self.amount.push(subsidy.amount.decimal());
        self.snapshot.push(snapshot);
        self.evaluation.push(evaluation);
        self.created_at.push(created_at);
        self.job.push(job.0);
    }
}

/// How a turn's jobs end.
pub(super) struct Endings<'a> {
    /// Those with a result, in the order of their decisions.
    pub(super) results: &'a [Finished],
    /// Those whose key had a result already.
    pub(super) dropped: &'a [JobId],
    pub(super) decided_at: DateTime<Utc>,
    /// Whether that was a fixed clock.
    pub(super) simulated: bool,
}

/// Writes what a turn decided, and compares what a condition could have left out: what purchases and payments change, the
/// results, and the removal of their jobs in one statement; what returns and movements of stock add to it before and after,
/// parents before children. Every one is checked: `commit()` returns Ok after a swallowed error (FAULTS 2).
///
/// # Errors
/// [`DbError`] if a statement fails, or a guard that repeats a decision's rule matches fewer rows than it must, or another
/// number of jobs was removed than there are results and dropped ones.
pub(super) async fn store(
    connection: &mut PgConnection,
    turn: &Turn,
    written: &Written,
    endings: &Endings<'_>,
) -> Result<(), DbError> {
    if written.is_nothing() {
        return end(connection, turn, endings).await;
    }
    let business = turn.business;
    returns::insert_refunds(connection, business, written.period, &written.refunds).await?;
    store_sets(connection, turn, written, endings).await?;
    returns::insert_reversals(connection, business, written.period, &written.refunds).await?;
    returns::insert_movements(connection, business, &written.movements).await
}

/// Writes how a turn's jobs end that changed nothing else.
///
/// # Errors
/// As [`store`].
pub(super) async fn end(connection: &mut PgConnection, turn: &Turn, endings: &Endings<'_>) -> Result<(), DbError> {
    let ends = Ends::of(turn, endings);
    let ended = sqlx::query_file!(
        "src/engine/sql/end.sql",
        turn.business.0,
        &ends.jobs,
        &ends.statuses as &[&str],
        &ends.reasons as &[Option<&str>],
        &ends.outcomes as &[&str],
        &ends.seqs,
        endings.decided_at,
        endings.simulated,
        &ends.gone,
        ends.last_seq
    );
    let ended = ended.fetch_one(connection).await?;
    ends.expect(ended.gone, ended.queues)
}

/// Endings as columns.
struct Ends<'a> {
    jobs: Vec<Uuid>,
    statuses: Vec<&'static str>,
    reasons: Vec<Option<&'static str>>,
    outcomes: Vec<&'a str>,
    seqs: Vec<i64>,
    last_seq: i64,
    gone: Vec<Uuid>,
}

impl<'a> Ends<'a> {
    fn of(turn: &Turn, endings: &Endings<'a>) -> Self {
        let Endings { results, dropped, .. } = endings;
        let jobs: Vec<Uuid> = results.iter().map(|result| result.job_id.0).collect();
        let last_seq = turn.decision_seq + i64::try_from(results.len()).expect("a batch has at most 10,000 jobs");
        Self {
            statuses: results.iter().map(|result| result.status.as_str()).collect(),
            reasons: results.iter().map(|result| result.reason).collect(),
            outcomes: results.iter().map(|result| result.outcome.as_str()).collect(),
            seqs: (turn.decision_seq + 1..=last_seq).collect(),
            last_seq,
            gone: jobs.iter().copied().chain(dropped.iter().map(|job| job.0)).collect(),
            jobs,
        }
    }

    fn expect(&self, gone: i64, queues: i64) -> Result<(), DbError> {
        expect_count("store: jobs", gone, self.gone.len())?;
        expect_count("store: queues", queues, 1)
    }
}

async fn store_sets(
    connection: &mut PgConnection,
    turn: &Turn,
    written: &Written,
    endings: &Endings<'_>,
) -> Result<(), DbError> {
    let Written { orders, items, entries, subsidies, .. } = written;
    let (products, stock): (Vec<Uuid>, Vec<i64>) = written.stock.iter().unzip();
    let (programs, budget_periods, period_starts) = super::rows::budget_keys(written.budgets.keys().copied());
    let (drawn, totals): (Vec<Decimal>, Vec<Option<Decimal>>) = written.budgets.values().copied().unzip();
    let ends = Ends::of(turn, endings);
    let stored = sqlx::query_file!(
        "src/engine/sql/store.sql",
        turn.business.0,
        written.period.0,
        &orders.order,
        &orders.customer,
        &orders.outlet as &[Option<Uuid>],
        &orders.total,
        &orders.subsidy,
        &orders.payable,
        &orders.placed_at,
        &orders.organization as &[Option<Uuid>],
        &orders.office as &[Option<Uuid>],
        &orders.team as &[Option<Uuid>],
        &orders.job,
        &orders.key,
        &items.order,
        &items.line_no,
        &items.product,
        &items.quantity,
        &items.unit_price,
        &items.tax_rate,
        &items.line_total,
        &items.job,
        &entries.customer,
        &entries.seq,
        &entries.kind as &[&str],
        &entries.amount,
        &entries.before,
        &entries.after,
        &entries.limit,
        &entries.order as &[Option<Uuid>],
        &entries.created_at,
        &entries.reference as &[Option<String>],
        &entries.job,
        &entries.refund as &[Option<Uuid>],
        &subsidies.entry,
        &subsidies.order,
        &subsidies.customer,
        &subsidies.program,
        &subsidies.period as &[&str],
        &subsidies.period_start,
        &subsidies.amount,
        &subsidies.snapshot,
        &subsidies.evaluation,
        &subsidies.created_at,
        &subsidies.job,
        &products,
        &stock,
        &programs,
        &budget_periods,
        &period_starts,
        &drawn,
        &totals as &[Option<Decimal>],
        &ends.jobs,
        &ends.statuses as &[&str],
        &ends.reasons as &[Option<&str>],
        &ends.outcomes as &[&str],
        &ends.seqs,
        endings.decided_at,
        endings.simulated,
        &ends.gone,
        ends.last_seq,
        turn.currency,
        turn.time_zone
    );
    let stored = stored.fetch_one(connection).await?;
    if stored.entries == 0 && !entries.customer.is_empty() {
        return Err(DbError::Stale("the business's currency or time zone was changed as its turn was taken"));
    }
    expect_count("store: entries", stored.entries, entries.customer.len())?;
    expect_count("store: products", stored.products, products.len())?;
    expect_count("store: budgets", stored.budgets, programs.len())?;
    ends.expect(stored.gone, stored.queues)
}

#[cfg(test)]
mod tests {
    /// The parts of a statement that write how jobs end, without their parameters' numbers.
    fn endings(statement: &str) -> String {
        let (from, to) = ("new_results AS (", "\nSELECT (SELECT");
        let start = statement.find(from).expect("results");
        let end = statement.rfind(to).expect("a result row");
        let parts = statement[start..end].split('$');
        parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect::<Vec<_>>().join("$")
    }

    #[test]
    fn jobs_end_alike_with_and_without_effects() {
        assert_eq!(endings(include_str!("sql/store.sql")), endings(include_str!("sql/end.sql")));
    }
}
