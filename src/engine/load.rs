//! Load: what a batch is decided on: the rows that it locks, and then what is derived from them.
//!
//! What leads from a refund's order to its customer, budget and products never changes, so it is read before they are
//! locked. A statement that waits for a lock computes everything else on what was there before: so later statements give
//! what is derived.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::derived::{self, Derived};
use super::lock::{self, Locked, Named};
use super::{orders, rows};
use crate::db::DbError;
use crate::domain::decide::Job;
use crate::domain::request::Request;
use crate::domain::snapshot::{BudgetKey, Customer, Moment, PlacedOrder, Program, Snapshot};
use crate::ids::{BusinessId, CustomerId, OrderId, OrganizationId, PeriodId};
use crate::money::Amount;
use crate::queue::{Claim, Turn};

/// What a batch is decided on.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    /// Keys of the batch that have a result already.
    pub(super) finished: HashSet<String>,
}

pub(super) async fn load(
    connection: &mut PgConnection,
    claim: &Claim,
    requests: &[Job],
    clock: Option<DateTime<Utc>>,
) -> Result<Loaded, DbError> {
    let (turn, business) = (&claim.turn, claim.turn.business);
    let mut orders = orders::find(connection, business, requests).await?;
    let named = named(requests, &orders);
    let Locked { period, mut customers, programs, versions, budgets, products } =
        lock::lock(connection, business, &claim.moment, &named, &orders).await?;

    // From here on nothing waits: what these statements see is what will be true at the commit.
    let keys: Vec<String> = claim.jobs.iter().map(|job| job.idempotency_key.clone()).collect();
    let Derived { moment, pools, programs: versions_now, finished } =
        derived::load(connection, business, clock, (&mut customers, &named.outlets, &keys)).await?;
    if moment.local.date() != claim.moment.local.date() {
        return Err(DbError::Stale("the business's local day ended while the batch waited for its locks"));
    }
    if versions_now != versions {
        return Err(DbError::Stale("a subsidy program changed while the batch waited for its locks"));
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
