//! Rows: what the database holds, as the domain's values.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::db::{DbError, records};
use crate::domain::snapshot::{Account, Budget, BudgetKey, BudgetPeriod, Customer, Product, Program, ProgramKind};
use crate::ids::{CustomerId, OfficeId, OrganizationId, OutletId, ProductId, ProgramId, TeamId};
use crate::money::Amount;

/// A stored amount. `numeric(18,4)` cannot hold one out of range.
pub(crate) fn amount(stored: Decimal) -> Result<Amount, DbError> {
    Amount::new(stored).map_err(|error| DbError::Unknown(format!("stored amount {stored}: {error}")))
}

/// A stored count of pieces, or a line's number. No sum of them exceeds what was bought.
pub(crate) fn pieces(stored: impl TryInto<u32> + Copy + std::fmt::Display) -> Result<u32, DbError> {
    stored.try_into().map_err(|_| DbError::Unknown(format!("stored number {stored}: it is not from 0 to 2^32 - 1")))
}

pub(crate) fn budget_period(name: &str) -> Result<BudgetPeriod, DbError> {
    BudgetPeriod::from_name(name)
        .ok_or_else(|| DbError::Unknown(format!("budget_period {name:?} is unknown to this version")))
}

/// Each id once, sorted.
pub(crate) fn distinct<Id: Into<Uuid>>(ids: impl Iterator<Item = Id>) -> Vec<Uuid> {
    ids.map(Into::into).collect::<BTreeSet<Uuid>>().into_iter().collect()
}

/// Budget keys as columns.
pub(crate) fn budget_keys(keys: impl Iterator<Item = BudgetKey>) -> (Vec<Uuid>, Vec<String>, Vec<NaiveDate>) {
    let (mut programs, mut periods, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        programs.push(key.program.0);
        periods.push(key.period.as_str().to_owned());
        starts.push(key.period_start);
    }
    (programs, periods, starts)
}

records! {
    /// A customer of `lock`.
    pub(crate) struct CustomerRow {
        pub(crate) customer_id: CustomerId,
        pub(crate) credit_limit: Decimal,
        pub(crate) organization_id: Option<OrganizationId>,
        pub(crate) office_id: Option<OfficeId>,
        pub(crate) team_id: Option<TeamId>,
        pub(crate) is_active: bool,
        /// The last entry of its ledger, if there is one.
        pub(crate) seq: Option<i64>,
        pub(crate) balance: Option<Decimal>,
        pub(crate) last_at: Option<DateTime<Utc>>,
        /// Whether it was so when the statement began.
        pub(crate) is_settled: bool,
    }

    /// A program of `lock`.
    pub(crate) struct ProgramRow {
        pub(crate) program_id: Uuid,
        pub(crate) name: String,
        pub(crate) organization_id: Uuid,
        pub(crate) office_id: Option<Uuid>,
        pub(crate) team_id: Option<Uuid>,
        pub(crate) outlet_id: Option<Uuid>,
        pub(crate) kind: String,
        pub(crate) value: Decimal,
        pub(crate) cap: Option<Decimal>,
        pub(crate) priority: i32,
        pub(crate) min_order_amount: Option<Decimal>,
        pub(crate) starts_at: Option<DateTime<Utc>>,
        pub(crate) ends_at: Option<DateTime<Utc>>,
        pub(crate) weekdays: Option<Vec<i16>>,
        pub(crate) hour_from: Option<NaiveTime>,
        pub(crate) hour_to: Option<NaiveTime>,
        pub(crate) budget_period: String,
        pub(crate) total_budget: Decimal,
        pub(crate) per_customer_cap: Option<Decimal>,
        pub(crate) allow_partial: bool,
        pub(crate) is_active: bool,
    }

    /// A budget of `lock`.
    pub(crate) struct BudgetRow {
        pub(crate) program_id: ProgramId,
        pub(crate) budget_period: String,
        pub(crate) period_start: NaiveDate,
        pub(crate) total_budget: Decimal,
        pub(crate) budget_used: Decimal,
    }

    /// A product of `lock`.
    pub(crate) struct ProductRow {
        pub(crate) product_id: ProductId,
        pub(crate) price: Decimal,
        pub(crate) tax_rate: Decimal,
        pub(crate) stock: i64,
        pub(crate) outlet_id: Option<OutletId>,
        pub(crate) is_active: bool,
        /// Whether it was so when the statement began.
        pub(crate) is_settled: bool,
    }
}

impl BudgetRow {
    /// Which budget, and what is in it.
    pub(crate) fn keyed(self) -> Result<(BudgetKey, Budget), DbError> {
        let period = budget_period(&self.budget_period)?;
        let key = BudgetKey { program: self.program_id, period, period_start: self.period_start };
        Ok((key, Budget { total: amount(self.total_budget)?, used: amount(self.budget_used)? }))
    }
}

impl TryFrom<CustomerRow> for Customer {
    type Error = DbError;

    fn try_from(row: CustomerRow) -> Result<Self, DbError> {
        Ok(Self {
            credit_limit: amount(row.credit_limit)?,
            organization: row.organization_id,
            office: row.office_id,
            team: row.team_id,
            is_active: row.is_active,
            account: Account {
                seq: row.seq.unwrap_or_default(),
                balance: row.balance.map_or(Ok(Amount::ZERO), amount)?,
                last_at: row.last_at,
                recent_charges: Amount::ZERO,
            },
        })
    }
}

impl TryFrom<ProductRow> for Product {
    type Error = DbError;

    fn try_from(row: ProductRow) -> Result<Self, DbError> {
        Ok(Self {
            price: amount(row.price)?,
            tax_rate: row.tax_rate,
            stock: row.stock,
            outlet: row.outlet_id,
            is_active: row.is_active,
        })
    }
}

impl TryFrom<ProgramRow> for Program {
    type Error = DbError;

    fn try_from(row: ProgramRow) -> Result<Self, DbError> {
        Ok(Self {
            program_id: ProgramId(row.program_id),
            name: row.name,
            organization_id: OrganizationId(row.organization_id),
            office_id: row.office_id.map(OfficeId),
            team_id: row.team_id.map(TeamId),
            outlet_id: row.outlet_id.map(OutletId),
            kind: ProgramKind::from_name(&row.kind)
                .ok_or_else(|| DbError::Unknown(format!("program kind {:?} is unknown to this version", row.kind)))?,
            value: row.value,
            cap: row.cap.map(amount).transpose()?,
            priority: row.priority,
            min_order_amount: row.min_order_amount.map(amount).transpose()?,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            weekdays: row.weekdays,
            hour_from: row.hour_from,
            hour_to: row.hour_to,
            budget_period: budget_period(&row.budget_period)?,
            total_budget: amount(row.total_budget)?,
            per_customer_cap: row.per_customer_cap.map(amount).transpose()?,
            allow_partial: row.allow_partial,
            is_active: row.is_active,
        })
    }
}
