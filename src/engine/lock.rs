//! Lock: the rows that a batch may touch, locked in the fixed order by one statement (`lock.sql`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{self, BudgetRow, CustomerRow, ProductRow, ProgramRow};
use crate::db::DbError;
use crate::domain::snapshot::{Budget, BudgetKey, BudgetPeriod, Customer, Moment, PlacedOrder, Product, Program};
use crate::ids::{BusinessId, CustomerId, OrderId, OrganizationId, OutletId, PeriodId, ProductId};
use crate::money::Amount;

/// The statement's runs: the month's period and the budgets come into being with the first who need them.
const RUNS_MAX: u32 = 3;

/// What the batch's requests name, each id once and sorted: rows are locked in this order.
#[derive(Default)]
pub(super) struct Named {
    pub(super) customers: BTreeSet<CustomerId>,
    pub(super) outlets: BTreeSet<OutletId>,
    pub(super) products: BTreeSet<ProductId>,
}

/// The locked rows, and the programs of the customers' organizations.
pub(super) struct Locked {
    pub(super) period: PeriodId,
    pub(super) customers: HashMap<CustomerId, Customer>,
    pub(super) programs: HashMap<OrganizationId, Vec<Arc<Program>>>,
    /// Each of them with its version.
    pub(super) versions: BTreeMap<Uuid, i64>,
    pub(super) budgets: HashMap<BudgetKey, Budget>,
    pub(super) products: HashMap<ProductId, Product>,
}

/// Locks what `named` names and what `orders` give back to, in the budget periods that run at the moment.
///
/// # Errors
/// [`DbError`] of a statement, or if what was opened vanished again.
pub(super) async fn lock(
    connection: &mut PgConnection,
    business: BusinessId,
    moment: &Moment,
    named: &Named,
    orders: &HashMap<OrderId, PlacedOrder>,
) -> Result<Locked, DbError> {
    let month = moment.local.format("%Y-%m").to_string();
    let customers: Vec<Uuid> = named.customers.iter().map(|id| id.0).collect();
    let products: Vec<Uuid> = named.products.iter().map(|id| id.0).collect();
    let (running, since): (Vec<&str>, Vec<NaiveDate>) =
        BudgetPeriod::ALL.iter().map(|period| (period.as_str(), moment.period_start(*period))).unzip();
    // Budgets that a refund may give back to: whatever became of their programs, their rows are there.
    let returned = orders.values().filter_map(|order| order.budget).filter(|key| key.runs_at(moment));
    let (returned, returned_periods, returned_starts) = rows::budget_keys(returned);
    for _ in 0..RUNS_MAX {
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
            &products
        );
        let locked = locked.fetch_one(&mut *connection).await?;
        let Some(period) = locked.period_id else {
            open_period(connection, business, &month).await?;
            continue;
        };
        let programs = locked.programs.unwrap_or_default();
        let versions = programs.iter().map(|program| (program.program_id, program.version)).collect();
        let programs = by_organization(programs)?;
        let (budgets, missing) = budgets(locked.budgets.unwrap_or_default(), &programs, moment)?;
        if !missing.is_empty() {
            open_budgets(connection, business, &missing).await?;
            continue;
        }
        let customer = |row: CustomerRow| Ok((row.customer_id, row.try_into()?));
        let product = |row: ProductRow| Ok((row.product_id, row.try_into()?));
        return Ok(Locked {
            period,
            customers: locked
                .customers
                .unwrap_or_default()
                .into_iter()
                .map(customer)
                .collect::<Result<_, DbError>>()?,
            programs,
            versions,
            budgets,
            products: locked.products.unwrap_or_default().into_iter().map(product).collect::<Result<_, DbError>>()?,
        });
    }
    Err(DbError::Stale("the settlement period or the budgets changed as they were opened"))
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
