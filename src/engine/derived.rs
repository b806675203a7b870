//! Derived: what follows from the rows that a batch has locked, read after the locks, when it can no longer change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows;
use crate::db::DbError;
use crate::domain::snapshot::{Account, Customer, Moment, OverduePolicy, moment_of};
use crate::ids::{BusinessId, CustomerId, OfficeId, OrganizationId, OutletId};
use crate::money::Amount;
use crate::queue::Turn;

/// The instant, and the business's wall clock at it; `clock` fixes it for simulations.
///
/// # Errors
/// [`DbError`] of the statement.
pub(super) async fn moment(
    connection: &mut PgConnection,
    business: BusinessId,
    clock: Option<DateTime<Utc>>,
) -> Result<Moment, DbError> {
    let row = sqlx::query_file!("src/engine/sql/moment.sql", business.0, clock as Option<DateTime<Utc>>);
    let row = row.fetch_one(connection).await?;
    Ok(moment_of!(row))
}

/// What one statement after the locks gives.
pub(super) struct Derived {
    pub(super) moment: Moment,
    pub(super) pools: Pools,
    /// The active programs of the customers' organizations, each with its version.
    pub(super) programs: BTreeMap<Uuid, i64>,
    /// Keys of the batch that have a result already.
    pub(super) finished: HashSet<String>,
}

/// Which outlets exist, and who may buy there.
pub(super) struct Pools {
    pub(super) outlets: HashSet<OutletId>,
    pub(super) organizations: HashSet<(OrganizationId, OutletId)>,
    pub(super) offices: HashSet<(OfficeId, OutletId)>,
}

/// The moment, the ends of the customers' ledgers (into `customers`), the outlets, the programs' versions, and the keys that
/// have a result.
pub(super) async fn load(
    connection: &mut PgConnection,
    business: BusinessId,
    clock: Option<DateTime<Utc>>,
    (customers, outlets, keys): (&mut HashMap<CustomerId, Customer>, &BTreeSet<OutletId>, &[String]),
) -> Result<Derived, DbError> {
    let outlets: Vec<Uuid> = outlets.iter().map(|id| id.0).collect();
    let organizations = rows::distinct(customers.values().filter_map(|customer| customer.organization));
    let offices = rows::distinct(customers.values().filter_map(|customer| customer.office));
    let row = sqlx::query_file!(
        "src/engine/sql/load_derived.sql",
        business.0,
        clock as Option<DateTime<Utc>>,
        &rows::distinct(customers.keys().copied()),
        &outlets,
        &organizations,
        &offices,
        keys
    );
    let row = row.fetch_one(connection).await?;
    let accounts = row.customers.into_iter().zip(row.seqs).zip(row.balances).zip(row.last_ats);
    for (((id, seq), balance), last_at) in accounts {
        if let Some(customer) = customers.get_mut(&CustomerId(id)) {
            let balance = rows::amount(balance)?;
            customer.account = Account { seq, balance, last_at: Some(last_at), recent_charges: Amount::ZERO };
        }
    }
    Ok(Derived {
        moment: moment_of!(row),
        pools: Pools {
            outlets: row.outlets.into_iter().map(OutletId).collect(),
            organizations: pairs(row.pool_organizations, row.pool_outlets),
            offices: pairs(row.office_offices, row.office_outlets),
        },
        programs: row.programs.into_iter().zip(row.program_versions).collect(),
        finished: row.finished.into_iter().collect(),
    })
}

fn pairs<Whose: From<Uuid> + Eq + Hash>(whose: Vec<Uuid>, outlets: Vec<Uuid>) -> HashSet<(Whose, OutletId)> {
    whose.into_iter().map(Whose::from).zip(outlets.into_iter().map(OutletId)).collect()
}

/// Under the policy `block`, the sum that overdue is derived from.
pub(super) async fn load_recent_charges(
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
