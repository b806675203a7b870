//! Load: locks every row that a batch may touch, in the fixed order, and only then loads what is derived from them.
//!
//! The lock order is one list, and this file is it: the business's queue row (held by the turn) → settlement period
//! (shared) → customers → subsidy budgets → products, each by id. Nothing else locks. What leads
//! from a refund's order to its customer, budget and products never changes, so it is read before they are locked.
//!
//! Under READ COMMITTED a statement that waits for a row lock re-reads only the locked row; whatever else it computes
//! is stale. So a locking statement gives the locked rows' own columns, and later statements give the rest.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::derived::{self, Derived, moment_of};
use super::{orders, rows};
use crate::db::DbError;
use crate::domain::decide::Job;
use crate::domain::request::Request;
use crate::domain::snapshot::{Account, Budget, BudgetKey, Customer, Moment, PlacedOrder, Product, Program, Snapshot};
use crate::ids::{BusinessId, CustomerId, OfficeId, OrderId, OrganizationId, OutletId, PeriodId, ProductId, ProgramId};
use crate::money::Amount;
use crate::queue::{ClaimedJob, Turn};

/// What a batch is decided on.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    /// Keys of the batch that have a result already.
    pub(super) finished: HashSet<String>,
}

/// What the batch's requests name, each id once and sorted: rows are locked in this order.
#[derive(Default)]
struct Named {
    customers: BTreeSet<CustomerId>,
    outlets: BTreeSet<OutletId>,
    products: BTreeSet<ProductId>,
}

pub(super) async fn load(
    connection: &mut PgConnection,
    turn: &Turn,
    jobs: &[ClaimedJob],
    requests: &[Job],
    clock: Option<DateTime<Utc>>,
) -> Result<Loaded, DbError> {
    let business = turn.business;
    let mut orders = orders::find(connection, business, requests).await?;
    let named = named(requests, &orders);

    let (before, period) = lock_period(connection, business, clock).await?;
    let mut customers = lock_customers(connection, business, &named.customers).await?;
    let programs = load_programs(connection, business, &customers).await?;
    let budgets = lock_budgets(connection, business, &programs, &orders, &before).await?;
    let products = lock_products(connection, business, &named.products).await?;

    // From here on nothing waits: what these statements see is what will be true at the commit.
    let keys: Vec<String> = jobs.iter().map(|job| job.idempotency_key.clone()).collect();
    let Derived { moment, pools, finished } =
        derived::load(connection, business, clock, (&mut customers, &named.outlets, &keys)).await?;
    if moment.local.date() != before.local.date() {
        return Err(DbError::Stale("the business's local day ended while the batch waited for its locks"));
    }
    orders::load_returned(connection, business, &mut orders).await?;
    derived::load_recent_charges(connection, turn, &mut customers, &moment).await?;
    let cap_used = load_cap_used(connection, business, &programs, &customers, &moment).await?;

    let snapshot = Snapshot {
        business: turn.settings,
        moment,
        period,
        customers,
        outlets: pools.outlets,
        organization_outlets: pools.organizations,
        office_outlets: pools.offices,
        products,
        programs,
        budgets,
        cap_used,
        orders,
    };
    Ok(Loaded { snapshot, finished })
}

/// A snapshot in which nothing exists: enough to refuse what is malformed.
pub(super) fn nothing(turn: &Turn, moment: Moment) -> Snapshot {
    Snapshot {
        business: turn.settings,
        moment,
        period: PeriodId(Uuid::nil()),
        customers: HashMap::new(),
        outlets: HashSet::new(),
        organization_outlets: HashSet::new(),
        office_outlets: HashSet::new(),
        products: HashMap::new(),
        programs: HashMap::new(),
        budgets: HashMap::new(),
        cap_used: HashMap::new(),
        orders: HashMap::new(),
    }
}

fn named(requests: &[Job], orders: &HashMap<OrderId, PlacedOrder>) -> Named {
    let mut named = Named {
        customers: orders.values().map(|order| order.customer).collect(),
        products: orders::restocked(requests, orders),
        ..Named::default()
    };
    for request in requests.iter().filter_map(|job| job.request.as_ref().ok()) {
        match request {
            Request::Purchase(purchase) => {
                named.customers.insert(purchase.customer);
                named.outlets.extend(purchase.outlet);
                named.products.extend(purchase.lines.iter().map(|line| line.product));
            }
            Request::Payment(payment) => {
                named.customers.insert(payment.customer);
            }
            Request::Stock(stock) => {
                named.products.insert(stock.product);
            }
            Request::Refund(_) | Request::OverdueScan | Request::SettlementClose(_) => {}
        }
    }
    named
}

/// The instant, and the business's wall clock at it; `clock` fixes it for simulations.
pub(super) async fn moment(
    connection: &mut PgConnection,
    business: BusinessId,
    clock: Option<DateTime<Utc>>,
) -> Result<Moment, DbError> {
    let row = sqlx::query_file!("src/engine/sql/moment.sql", business.0, clock as Option<DateTime<Utc>>);
    let row = row.fetch_one(connection).await?;
    Ok(moment_of!(row))
}

/// The settlement period of the moment, and that moment.
async fn lock_period(
    connection: &mut PgConnection,
    business: BusinessId,
    clock: Option<DateTime<Utc>>,
) -> Result<(Moment, PeriodId), DbError> {
    // The first entry of a month opens its period: inserted in one statement, locked in the next.
    for is_opened in [false, true] {
        let locked = sqlx::query_file!("src/engine/sql/lock_period.sql", business.0, clock as Option<DateTime<Utc>>);
        if let Some(row) = locked.fetch_optional(&mut *connection).await? {
            return Ok((moment_of!(row), PeriodId(row.period_id)));
        }
        if !is_opened {
            let month = moment(connection, business, clock).await?.local.format("%Y-%m").to_string();
            let opened = sqlx::query_file!("src/engine/sql/open_period.sql", business.0, Uuid::now_v7(), month);
            opened.execute(&mut *connection).await?;
        }
    }
    Err(DbError::Stale("the settlement period was closed as it was opened"))
}

async fn lock_customers(
    connection: &mut PgConnection,
    business: BusinessId,
    named: &BTreeSet<CustomerId>,
) -> Result<HashMap<CustomerId, Customer>, DbError> {
    let ids: Vec<Uuid> = named.iter().map(|id| id.0).collect();
    let rows = sqlx::query_file!("src/engine/sql/lock_customers.sql", business.0, &ids).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let customer = Customer {
                credit_limit: rows::amount(row.credit_limit)?,
                organization: row.organization_id.map(OrganizationId),
                office: row.office_id.map(OfficeId),
                team: row.team_id.map(Into::into),
                is_active: row.is_active,
                account: Account::default(),
            };
            Ok((CustomerId(row.customer_id), customer))
        })
        .collect()
}

async fn load_programs(
    connection: &mut PgConnection,
    business: BusinessId,
    customers: &HashMap<CustomerId, Customer>,
) -> Result<HashMap<OrganizationId, Vec<Arc<Program>>>, DbError> {
    let organizations = rows::distinct(customers.values().filter_map(|customer| customer.organization));
    let mut programs: HashMap<OrganizationId, Vec<Arc<Program>>> = HashMap::new();
    if organizations.is_empty() {
        return Ok(programs);
    }
    let found = sqlx::query_file_as!(rows::ProgramRow, "src/engine/sql/load_programs.sql", business.0, &organizations);
    for row in found.fetch_all(connection).await? {
        let program = Program::try_from(row)?;
        programs.entry(program.organization_id).or_default().push(Arc::new(program));
    }
    Ok(programs)
}

async fn lock_budgets(
    connection: &mut PgConnection,
    business: BusinessId,
    programs: &HashMap<OrganizationId, Vec<Arc<Program>>>,
    orders: &HashMap<OrderId, PlacedOrder>,
    moment: &Moment,
) -> Result<HashMap<BudgetKey, Budget>, DbError> {
    // Budgets that a refund may give back to: whatever became of their programs, their rows are there.
    let returned = orders.values().filter_map(|order| order.budget).filter(|key| key.runs_at(moment));
    let mut wanted: Vec<(BudgetKey, Amount)> =
        programs.values().flatten().map(|program| (program.budget_key(moment), program.total_budget)).collect();
    wanted.sort_unstable_by_key(|(key, _)| *key);
    let keys: BTreeSet<BudgetKey> = wanted.iter().map(|(key, _)| *key).chain(returned).collect();
    let mut locked = select_budgets(connection, business, &keys).await?;
    if locked.len() < keys.len() {
        let missing: Vec<_> = wanted.iter().filter(|(key, _)| !locked.contains_key(key)).copied().collect();
        open_budgets(connection, business, &missing).await?;
        locked = select_budgets(connection, business, &keys).await?;
    }
    // A changed total holds from the next purchase on, but is never below what is used.
    for (key, total) in wanted {
        let budget = locked.get_mut(&key).ok_or(DbError::Stale("a budget vanished as it was opened"))?;
        budget.total = total.max(budget.used);
    }
    Ok(locked)
}

async fn select_budgets(
    connection: &mut PgConnection,
    business: BusinessId,
    keys: &BTreeSet<BudgetKey>,
) -> Result<HashMap<BudgetKey, Budget>, DbError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (programs, periods, starts) = rows::budget_keys(keys.iter().copied());
    let rows = sqlx::query_file!("src/engine/sql/lock_budgets.sql", business.0, &programs, &periods, &starts);
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let key = BudgetKey {
                program: ProgramId(row.program_id),
                period: rows::budget_period(&row.budget_period)?,
                period_start: row.period_start,
            };
            Ok((key, Budget { total: rows::amount(row.total_budget)?, used: rows::amount(row.budget_used)? }))
        })
        .collect()
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

async fn lock_products(
    connection: &mut PgConnection,
    business: BusinessId,
    named: &BTreeSet<ProductId>,
) -> Result<HashMap<ProductId, Product>, DbError> {
    let ids: Vec<Uuid> = named.iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query_file!("src/engine/sql/lock_products.sql", business.0, &ids).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let product = Product {
                price: rows::amount(row.price)?,
                tax_rate: row.tax_rate,
                stock: row.stock,
                outlet: row.outlet_id.map(OutletId),
                is_active: row.is_active,
            };
            Ok((ProductId(row.product_id), product))
        })
        .collect()
}

/// What customers drew from the budgets of programs with a per-customer cap.
async fn load_cap_used(
    connection: &mut PgConnection,
    business: BusinessId,
    programs: &HashMap<OrganizationId, Vec<Arc<Program>>>,
    customers: &HashMap<CustomerId, Customer>,
    moment: &Moment,
) -> Result<HashMap<(BudgetKey, CustomerId), Amount>, DbError> {
    let capped: HashMap<Uuid, BudgetKey> = programs
        .values()
        .flatten()
        .filter(|program| program.per_customer_cap.is_some())
        .map(|program| (program.program_id.0, program.budget_key(moment)))
        .collect();
    if capped.is_empty() {
        return Ok(HashMap::new());
    }
    let (ids, periods, starts): (Vec<Uuid>, Vec<String>, Vec<NaiveDate>) = rows::budget_keys(capped.values().copied());
    let members = rows::distinct(customers.iter().filter(|(_, c)| c.organization.is_some()).map(|(id, _)| *id));
    let rows = sqlx::query_file!("src/engine/sql/load_cap_used.sql", business.0, &ids, &periods, &starts, &members);
    let mut used = HashMap::new();
    for row in rows.fetch_all(connection).await? {
        if let Some(key) = capped.get(&row.program_id) {
            used.insert((*key, CustomerId(row.customer_id)), rows::amount(row.used)?);
        }
    }
    Ok(used)
}
