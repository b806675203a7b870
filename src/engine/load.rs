//! Load: what a batch is decided on: the rows that it locks with what stands beside them, and then what is derived from them.
//!
//! What leads from a refund's order to its customer, budget and products never changes, so it is read before they are
//! locked. Sums that only some batches need follow after the locks, when nothing they are made of can change any more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::lock::{self, Locked, Named};
use super::{orders, rows};
use crate::db::DbError;
use crate::domain::decide::Job;
use crate::domain::request::Request;
use crate::domain::snapshot::{BudgetKey, Customer, Moment, OverduePolicy, PlacedOrder, Program, Snapshot};
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
    let mut locked = lock::lock(connection, claim, &named, &orders, clock).await?;
    orders::load_returned(connection, business, &mut orders).await?;
    load_recent_charges(connection, turn, &mut locked.customers, &locked.moment).await?;
    let Locked { moment, period, customers, programs, budgets, products, .. } = locked;
    let cap_used = load_cap_used(connection, business, &programs, &customers, &moment).await?;

    let snapshot = Snapshot {
        business: turn.settings,
        moment,
        period,
        customers,
        outlets: locked.outlets,
        organization_outlets: locked.organization_outlets,
        office_outlets: locked.office_outlets,
        products,
        programs,
        budgets,
        cap_used,
        orders,
    };
    Ok(Loaded { snapshot, finished: locked.finished })
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

/// Under the policy `block`, the sum that overdue is derived from.
async fn load_recent_charges(
    connection: &mut PgConnection,
    turn: &Turn,
    customers: &mut HashMap<CustomerId, Customer>,
    moment: &Moment,
) -> Result<(), DbError> {
    if turn.settings.overdue_policy == OverduePolicy::Allow {
        return Ok(());
    }
    let ids = rows::distinct(customers.keys().copied());
    let oldest_current = turn.settings.recent_since(moment.now);
    let recent = sqlx::query_file!("src/engine/sql/load_recent_charges.sql", turn.business.0, &ids, oldest_current);
    for row in recent.fetch_all(connection).await? {
        if let Some(customer) = customers.get_mut(&CustomerId(row.customer_id)) {
            // No balance reaches the limit of an amount, so a sum beyond it may stand at it.
            customer.account.recent_charges = Amount::new(row.recent_charges).unwrap_or(Amount::MAX);
        }
    }
    Ok(())
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
