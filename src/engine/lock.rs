//! Lock: the rows that a batch may touch, locked in the fixed order by one statement (`lock.sql`), and with them what its
//! decisions depend on and no lock guards.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{self, BudgetRow, CustomerRow, ProductRow, ProgramRow};
use crate::db::DbError;
use crate::domain::snapshot::{Budget, BudgetKey, BudgetPeriod, Customer, Moment, PlacedOrder, Product, Program};
use crate::ids::{BusinessId, CustomerId, OfficeId, OrderId, OrganizationId, OutletId, PeriodId, ProductId};
use crate::money::Amount;
use crate::queue::Claim;

/// The statement's runs: the month's period and the budgets come into being with the first who need them, and what was
/// edited while it waited is locked when it runs again.
const RUNS_MAX: u32 = 4;
/// A run that took longer may have waited for a lock, and what it read beside the locks is as old: it is repeated, now with
/// all locks held. Without waiting one takes a millisecond, or some ten for 500 jobs.
const LONG: Duration = Duration::from_millis(100);

/// What the batch's requests name, each id once and sorted: rows are locked in this order.
#[derive(Default)]
pub(super) struct Named {
    pub(super) customers: BTreeSet<CustomerId>,
    pub(super) outlets: BTreeSet<OutletId>,
    pub(super) products: BTreeSet<ProductId>,
}

/// The locked rows, and what they are decided with.
pub(super) struct Locked {
    /// Read after the locks.
    pub(super) moment: Moment,
    pub(super) period: PeriodId,
    pub(super) customers: HashMap<CustomerId, Customer>,
    pub(super) programs: HashMap<OrganizationId, Vec<Arc<Program>>>,
    pub(super) budgets: HashMap<BudgetKey, Budget>,
    pub(super) products: HashMap<ProductId, Product>,
    /// Which of the named outlets exist.
    pub(super) outlets: HashSet<OutletId>,
    pub(super) organization_outlets: HashSet<(OrganizationId, OutletId)>,
    pub(super) office_outlets: HashSet<(OfficeId, OutletId)>,
    /// Keys of the batch that have a result already.
    pub(super) finished: HashSet<String>,
}

/// Locks what `named` names and what `orders` give back to, in the budget periods that run at the claim's moment. `clock`
/// fixes the moment for simulations.
///
/// # Errors
/// [`DbError`] of a statement; [`DbError::Stale`] if what was opened vanished again, what was named was edited over and over,
/// or the business's local day ended.
pub(super) async fn lock(
    connection: &mut PgConnection,
    claim: &Claim,
    named: &Named,
    orders: &HashMap<OrderId, PlacedOrder>,
    clock: Option<DateTime<Utc>>,
) -> Result<Locked, DbError> {
    let (business, moment) = (claim.turn.business, &claim.moment);
    let month = moment.local.format("%Y-%m").to_string();
    let customers: Vec<Uuid> = named.customers.iter().map(|id| id.0).collect();
    let outlets: Vec<Uuid> = named.outlets.iter().map(|id| id.0).collect();
    let products: Vec<Uuid> = named.products.iter().map(|id| id.0).collect();
    let keys: Vec<&str> = claim.jobs.iter().map(|job| job.idempotency_key.as_str()).collect();
    let (running, since): (Vec<&str>, Vec<NaiveDate>) =
        BudgetPeriod::ALL.iter().map(|period| (period.as_str(), moment.period_start(*period))).unzip();
    // Budgets that a refund may give back to: whatever became of their programs, their rows are there.
    let returned = orders.values().filter_map(|order| order.budget).filter(|key| key.runs_at(moment));
    let (returned, returned_periods, returned_starts) = rows::budget_keys(returned);
    let mut holds_all = false;
    for _ in 0..RUNS_MAX {
        let began = Instant::now();
        let locked = sqlx::query_file!(
            "src/engine/sql/lock.sql",
            business.0,
            month,
            &customers,
            &running as &[&str],
            &since,
            &returned,
            &returned_periods,
            &returned_starts,
            &products,
            &outlets,
            &keys as &[&str],
            clock as Option<DateTime<Utc>>,
            claim.turn.time_zone
        );
        let locked = locked.fetch_one(&mut *connection).await?;
        let Some(period) = locked.period_id else {
            open_period(connection, business, &month).await?;
            continue;
        };
        let took_long = began.elapsed() > LONG;
        let programs = by_organization(locked.programs.unwrap_or_default())?;
        let (budgets, missing) = budgets(locked.budgets.unwrap_or_default(), &programs, moment)?;
        if !missing.is_empty() {
            open_budgets(connection, business, &missing).await?;
            continue;
        }
        let may_have_waited = took_long && !std::mem::replace(&mut holds_all, true);
        let (customers, products) = (locked.customers.unwrap_or_default(), locked.products.unwrap_or_default());
        let are_settled = customers.iter().all(|row| row.is_settled) && products.iter().all(|row| row.is_settled);
        if may_have_waited || locked.has_lost_rows || !are_settled {
            continue;
        }
        if locked.local.date() != moment.local.date() {
            return Err(DbError::Stale("the business's local day ended while the batch waited for its locks"));
        }
        let customer = |row: CustomerRow| Ok((row.customer_id, row.try_into()?));
        let product = |row: ProductRow| Ok((row.product_id, row.try_into()?));
        return Ok(Locked {
            // The day is the same, and so are the ends of day, week and month.
            moment: Moment { now: locked.now, local: locked.local, ..*moment },
            period,
            customers: customers.into_iter().map(customer).collect::<Result<_, DbError>>()?,
            programs,
            budgets,
            products: products.into_iter().map(product).collect::<Result<_, DbError>>()?,
            outlets: locked.outlets.into_iter().collect(),
            organization_outlets: locked.organization_outlets.unwrap_or_default().into_iter().collect(),
            office_outlets: locked.office_outlets.unwrap_or_default().into_iter().collect(),
            finished: locked.finished.into_iter().collect(),
        });
    }
    Err(DbError::Stale("what the batch was to lock was edited meanwhile, or vanished as it was opened"))
}

fn by_organization(rows: Vec<ProgramRow>) -> Result<HashMap<OrganizationId, Vec<Arc<Program>>>, DbError> {
    let mut programs: HashMap<OrganizationId, Vec<Arc<Program>>> = HashMap::new();
    for row in rows {
        let program = Program::try_from(row)?;
        programs.entry(program.organization_id).or_default().push(Arc::new(program));
    }
    Ok(programs)
}

/// Budgets, with their programs' totals, that do not exist yet.
type Missing = Vec<(BudgetKey, Amount)>;

/// The budgets, and those that the programs want but that do not exist yet, in the order of their keys.
fn budgets(
    rows: Vec<BudgetRow>,
    programs: &HashMap<OrganizationId, Vec<Arc<Program>>>,
    moment: &Moment,
) -> Result<(HashMap<BudgetKey, Budget>, Missing), DbError> {
    let mut budgets: HashMap<_, _> = rows.into_iter().map(BudgetRow::keyed).collect::<Result<_, _>>()?;
    let mut missing = Vec::new();
    for program in programs.values().flatten() {
        let key = program.budget_key(moment);
        match budgets.get_mut(&key) {
            // A changed total holds from the next purchase on, but is never below what is used.
            Some(budget) => budget.total = program.total_budget.max(budget.used),
            None => missing.push((key, program.total_budget)),
        }
    }
    missing.sort_unstable_by_key(|(key, _)| *key);
    Ok((budgets, missing))
}

async fn open_period(connection: &mut PgConnection, business: BusinessId, month: &str) -> Result<(), DbError> {
    let opened = sqlx::query_file!("src/engine/sql/open_period.sql", business.0, Uuid::now_v7(), month);
    opened.execute(connection).await?;
    Ok(())
}

async fn open_budgets(
    connection: &mut PgConnection,
    business: BusinessId,
    missing: &[(BudgetKey, Amount)],
) -> Result<(), DbError> {
    let (programs, periods, starts) = rows::budget_keys(missing.iter().map(|(key, _)| *key));
    let totals: Vec<_> = missing.iter().map(|(_, total)| total.decimal()).collect();
    sqlx::query_file!("src/engine/sql/open_budgets.sql", business.0, &programs, &periods, &starts, &totals)
        .execute(connection)
        .await?;
    Ok(())
}
