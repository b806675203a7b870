//! The reading half: claim a job, lock and read what it names, one statement a step.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::DbError;
use crate::domain::decide::Job;
use crate::domain::request::{self, Kind, PurchaseRequest, Request};
use crate::domain::snapshot::{
    Account, Budget, BudgetKey, Business, Customer, Moment, OverduePolicy, Product, Program, Snapshot,
};
use crate::engine::rows;
use crate::ids::{
    BusinessId, JobId, MovementId, OfficeId, OrderId, OrganizationId, OutletId, PeriodId, ProductId, ProgramId,
    RefundId, SubsidyEntryId,
};
use crate::money::{Amount, Currency};

/// A claimed job.
pub(super) struct Claimed {
    pub(super) job_id: JobId,
    pub(super) idempotency_key: String,
    pub(super) business: Business,
    pub(super) moment: Moment,
    payload: String,
}

impl Claimed {
    pub(super) fn job(&self, request: PurchaseRequest) -> Job {
        Job {
            job_id: self.job_id,
            order_id: OrderId(Uuid::now_v7()),
            entry_id: SubsidyEntryId(Uuid::now_v7()),
            refund_id: RefundId(Uuid::nil()),
            movement_id: MovementId(Uuid::nil()),
            request: Ok(Request::Purchase(request)),
        }
    }
}

pub(super) async fn claim(connection: &mut PgConnection, business: BusinessId) -> anyhow::Result<Option<Claimed>> {
    let row = sqlx::query_file!("src/bench/baselines/sql/claim.sql", business.0).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    anyhow::ensure!(
        row.kind == Kind::Purchase.as_str(),
        "job {}: kind {} is not for this baseline",
        row.job_id,
        row.kind
    );
    Ok(Some(Claimed {
        job_id: JobId(row.job_id),
        idempotency_key: row.idempotency_key,
        business: Business {
            currency: Currency::with_exponent(u32::try_from(row.exponent)?),
            overdue_after_days: u32::try_from(row.overdue_after_days)?,
            overdue_policy: OverduePolicy::Allow,
        },
        moment: Moment {
            now: row.now,
            local: row.local,
            day_ends: row.day_ends,
            week_ends: row.week_ends,
            month_ends: row.month_ends,
        },
        payload: row.payload,
    }))
}

/// Everything that the decision looks at; what it may change is locked.
pub(super) async fn snapshot(
    tx: &mut PgConnection,
    business: BusinessId,
    claimed: &Claimed,
) -> anyhow::Result<(PurchaseRequest, Snapshot)> {
    let parsed = request::parse(Kind::Purchase, &claimed.payload, claimed.business.currency);
    let Ok(Request::Purchase(request)) = parsed else {
        anyhow::bail!("job {}: its payload is malformed", claimed.job_id)
    };
    let period = period(tx, business, &claimed.moment).await?;
    let found = customer(tx, business, &request).await?;
    let mut snapshot = Snapshot {
        business: claimed.business,
        moment: claimed.moment,
        period,
        customers: HashMap::new(),
        outlets: HashSet::new(),
        organization_outlets: HashSet::new(),
        office_outlets: HashSet::new(),
        products: HashMap::new(),
        programs: HashMap::new(),
        budgets: HashMap::new(),
        cap_used: HashMap::new(),
        orders: HashMap::new(),
    };
    if let Some((customer, is_visible)) = found {
        if let Some(((office, outlet), is_visible)) = customer.office.zip(request.outlet).zip(is_visible) {
            snapshot.outlets.insert(outlet);
            if is_visible {
                snapshot.office_outlets.insert((office, outlet));
            }
        }
        if let Some(organization) = customer.organization {
            let programs = programs(tx, business, organization).await?;
            snapshot.budgets = budgets(tx, business, &programs, &claimed.moment).await?;
            snapshot.programs.insert(organization, programs);
        }
        snapshot.customers.insert(request.customer, customer);
    }
    snapshot.products = products(tx, business, &request).await?;
    Ok((request, snapshot))
}

async fn period(tx: &mut PgConnection, business: BusinessId, moment: &Moment) -> anyhow::Result<PeriodId> {
    let month = moment.local.format("%Y-%m").to_string();
    for is_opened in [false, true] {
        let found = sqlx::query_file_scalar!("src/bench/baselines/sql/period.sql", business.0, month);
        if let Some(period) = found.fetch_optional(&mut *tx).await? {
            return Ok(PeriodId(period));
        }
        if !is_opened {
            let id = Uuid::now_v7();
            let open = sqlx::query_file!("src/bench/baselines/sql/open_period.sql", business.0, id, month);
            open.execute(&mut *tx).await?;
        }
    }
    anyhow::bail!("business {business}: the period {month} is closed")
}

/// Who buys, and whether their office shows the outlet; nothing if it does not know it.
async fn customer(
    tx: &mut PgConnection,
    business: BusinessId,
    request: &PurchaseRequest,
) -> anyhow::Result<Option<(Customer, Option<bool>)>> {
    let (id, outlet) = (request.customer.0, request.outlet.map(Uuid::from));
    let row = sqlx::query_file!("src/bench/baselines/sql/customer.sql", business.0, id, outlet);
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(None) };
    // A statement of its own: only one that begins after the lock sees the entry of whoever held it before.
    let last = sqlx::query_file!("src/bench/baselines/sql/account.sql", business.0, id).fetch_optional(tx).await?;
    let account = match last {
        Some(last) => Account {
            seq: last.seq,
            balance: rows::amount(last.balance_after)?,
            last_at: Some(last.created_at),
            recent_charges: Amount::ZERO,
        },
        None => Account::default(),
    };
    let customer = Customer {
        credit_limit: rows::amount(row.credit_limit)?,
        organization: row.organization_id.map(OrganizationId),
        office: row.office_id.map(OfficeId),
        team: row.team_id.map(Into::into),
        is_active: row.is_active,
        account,
    };
    Ok(Some((customer, row.is_visible)))
}

async fn programs(
    tx: &mut PgConnection,
    business: BusinessId,
    organization: OrganizationId,
) -> anyhow::Result<Vec<Arc<Program>>> {
    let organizations = [organization.0];
    let found = sqlx::query_file_as!(
        rows::ProgramRow,
        "src/bench/baselines/sql/load_programs.sql",
        business.0,
        &organizations[..]
    );
    let programs: Result<Vec<_>, DbError> =
        found.fetch_all(tx).await?.into_iter().map(|row| Program::try_from(row).map(Arc::new)).collect();
    Ok(programs?)
}

async fn budgets(
    tx: &mut PgConnection,
    business: BusinessId,
    programs: &[Arc<Program>],
    moment: &Moment,
) -> anyhow::Result<HashMap<BudgetKey, Budget>> {
    let mut found = locked_budgets(tx, business, programs).await?;
    let missing: Vec<&Arc<Program>> =
        programs.iter().filter(|program| !found.contains_key(&program.budget_key(moment))).collect();
    if !missing.is_empty() {
        for program in missing {
            let key = program.budget_key(moment);
            let (period, total) = (key.period.as_str(), program.total_budget.decimal());
            sqlx::query_file!(
                "src/bench/baselines/sql/open_budget.sql",
                business.0,
                key.program.0,
                period,
                key.period_start,
                total
            )
            .execute(&mut *tx)
            .await?;
        }
        found = locked_budgets(tx, business, programs).await?;
    }
    Ok(found)
}

async fn locked_budgets(
    tx: &mut PgConnection,
    business: BusinessId,
    programs: &[Arc<Program>],
) -> anyhow::Result<HashMap<BudgetKey, Budget>> {
    let ids: Vec<Uuid> = programs.iter().map(|program| program.program_id.0).collect();
    let rows = sqlx::query_file_as!(rows::BudgetRow, "src/bench/baselines/sql/budgets.sql", business.0, &ids);
    Ok(rows.fetch_all(tx).await?.into_iter().map(rows::BudgetRow::keyed).collect::<Result<_, DbError>>()?)
}

async fn products(
    tx: &mut PgConnection,
    business: BusinessId,
    request: &PurchaseRequest,
) -> anyhow::Result<HashMap<ProductId, Product>> {
    let ids = rows::distinct(request.lines.iter().map(|line| line.product));
    let found = sqlx::query_file_as!(rows::ProductRow, "src/bench/baselines/sql/lock_products.sql", business.0, &ids);
    let product = |row: rows::ProductRow| Ok((row.product_id, row.try_into()?));
    Ok(found.fetch_all(tx).await?.into_iter().map(product).collect::<Result<_, DbError>>()?)
}
