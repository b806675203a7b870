//! The snapshot: everything a batch of one business's jobs may look at, loaded once under locks.
//!
//! Plain values, no I/O. The engine fills it; `decide` reads it; `apply` carries one decision's effects into it, so
//! that the next job of the batch sees what it would have seen had the first been committed before it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::ids::{CustomerId, OfficeId, OrderId, OrganizationId, OutletId, PeriodId, ProductId, ProgramId, TeamId};
use crate::money::{Amount, Currency};

/// What a batch's jobs may look at.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The business's settings.
    pub business: Business,
    /// The one instant at which the whole batch is decided.
    pub moment: Moment,
    /// The settlement period that entries of this moment are stamped with.
    pub period: PeriodId,
    /// Customers named by the batch that exist.
    pub customers: HashMap<CustomerId, Customer>,
    /// Outlets named by the batch that exist.
    pub outlets: HashSet<OutletId>,
    /// The master pool: outlets assigned to an organization.
    pub organization_outlets: HashSet<(OrganizationId, OutletId)>,
    /// Outlets that an office shows its people (`is_visible`).
    pub office_outlets: HashSet<(OfficeId, OutletId)>,
    /// Products named by the batch that exist.
    pub products: HashMap<ProductId, Product>,
    /// Programs of the customers' organizations, in any order.
    pub programs: HashMap<OrganizationId, Vec<Arc<Program>>>,
    /// Budget rows of those programs for the periods that hold the moment, each locked.
    pub budgets: HashMap<BudgetKey, Budget>,
    /// What a customer has drawn (less what was given back) from a program in its budget period of the moment;
    /// filled for programs with a per-customer cap, absent means nothing.
    pub cap_used: HashMap<(BudgetKey, CustomerId), Amount>,
    /// Orders that refunds of the batch name and that exist, with what was returned of them.
    pub orders: HashMap<OrderId, PlacedOrder>,
}

/// The settings of the business that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Business {
    /// Its currency's decimals.
    pub currency: Currency,
    /// A charge older than so many days of 24 hours is overdue.
    pub overdue_after_days: u32,
    /// What an overdue customer may do.
    pub overdue_policy: OverduePolicy,
}

impl Business {
    /// The oldest instant at which a charge is not yet overdue; days have 24 hours.
    #[must_use]
    pub fn recent_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let age_max = TimeDelta::try_days(self.overdue_after_days.into());
        age_max.and_then(|age_max| now.checked_sub_signed(age_max)).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// What happens to an overdue customer's purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverduePolicy {
    /// It proceeds.
    Allow,
    /// It is refused as `customer_overdue`.
    Block,
}

/// An instant, and what the business's wall clock shows at it. Postgres computes all of it, so that one time zone
/// database serves the whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The decision's time.
    pub now: DateTime<Utc>,
    /// The same in the business's time zone.
    pub local: NaiveDateTime,
    /// When the local day ends: the next local midnight as an instant.
    pub day_ends: DateTime<Utc>,
    /// When the local week (from Monday) ends.
    pub week_ends: DateTime<Utc>,
    /// When the local month ends.
    pub month_ends: DateTime<Utc>,
}

/// The moment in a row of any statement that gives one: each has a row type of its own.
macro_rules! moment_of {
    ($row:ident) => {
        $crate::domain::snapshot::Moment {
            now: $row.now,
            local: $row.local,
            day_ends: $row.day_ends,
            week_ends: $row.week_ends,
            month_ends: $row.month_ends,
        }
    };
}
pub(crate) use moment_of;

impl Moment {
    /// The first local day of the budget period that holds this moment (DOMAIN, "Budget periods").
    #[must_use]
    pub fn period_start(&self, period: BudgetPeriod) -> NaiveDate {
        let today = self.local.date();
        match period {
            BudgetPeriod::Lifetime => NaiveDate::default(),
            BudgetPeriod::Month => today.with_day(1).expect("every month has a first day"),
            BudgetPeriod::Week => today.week(chrono::Weekday::Mon).first_day(),
            BudgetPeriod::Day => today,
        }
    }

    /// When the budget period that holds this moment ends; `None` is never.
    #[must_use]
    pub const fn period_ends(&self, period: BudgetPeriod) -> Option<DateTime<Utc>> {
        match period {
            BudgetPeriod::Lifetime => None,
            BudgetPeriod::Month => Some(self.month_ends),
            BudgetPeriod::Week => Some(self.week_ends),
            BudgetPeriod::Day => Some(self.day_ends),
        }
    }
}

/// A customer and the state of the credit account, as after the last entry.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The credit limit in force.
    pub credit_limit: Amount,
    /// The corporate client the customer belongs to, if any.
    pub organization: Option<OrganizationId>,
    /// The office within it, if any.
    pub office: Option<OfficeId>,
    /// The team within that, if any.
    pub team: Option<TeamId>,
    /// An inactive customer cannot buy.
    pub is_active: bool,
    /// The account.
    pub account: Account,
}

/// A credit account: the end of its ledger, and the one sum over recent entries that overdue needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    /// The last entry's `seq`; 0 before the first.
    pub seq: i64,
    /// The last entry's `balance_after`; the customer's own money if negative.
    pub balance: Amount,
    /// When the last entry was made; no later entry may be stamped earlier.
    pub last_at: Option<DateTime<Utc>>,
    /// Σ over charges that are not yet older than `overdue_after_days` of (charge − refunds of the same order).
    pub recent_charges: Amount,
}

/// A product as it stands, its row locked.
#[derive(Clone, Debug)]
pub struct Product {
    /// Price of one, tax included.
    pub price: Amount,
    /// Percent, included in the price.
    pub tax_rate: Decimal,
    /// Pieces on hand, never below zero.
    pub stock: i64,
    /// The only outlet that sells it, if set.
    pub outlet: Option<OutletId>,
    /// An inactive product cannot be bought.
    pub is_active: bool,
}

/// An order as it was placed, and what was returned of it since.
#[derive(Clone, Debug)]
pub struct PlacedOrder {
    /// Who bought.
    pub customer: CustomerId,
    /// When; its charge has the same time.
    pub placed_at: DateTime<Utc>,
    /// Σ of the lines.
    pub total: Amount,
    /// What the employer paid of it.
    pub subsidy: Amount,
    /// The budget that paid that, if any did.
    pub budget: Option<BudgetKey>,
    /// What was taken back of the subsidy so far, whether or not its budget got it.
    pub subsidy_returned: Amount,
    /// Its lines by number.
    pub lines: BTreeMap<u32, PlacedLine>,
}

/// A line of an order, and what was returned of it.
#[derive(Clone, Copy, Debug)]
pub struct PlacedLine {
    /// What was bought.
    pub product: ProductId,
    /// How many pieces.
    pub quantity: u32,
    /// For how much.
    pub line_total: Amount,
    /// How many pieces were returned so far.
    pub returned: u32,
    /// For how much.
    pub returned_total: Amount,
}

/// A subsidy program: its columns by name, as `program_snapshot` keeps them.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Its id.
    pub program_id: ProgramId,
    /// Its name at that moment.
    pub name: String,
    /// Whose people it is for.
    pub organization_id: OrganizationId,
    /// Only this office's, if set.
    pub office_id: Option<OfficeId>,
    /// Only this team's, if set.
    pub team_id: Option<TeamId>,
    /// Only at this outlet, if set.
    pub outlet_id: Option<OutletId>,
    /// How the discount is computed.
    pub kind: ProgramKind,
    /// Percent, or an amount for `FIXED`.
    pub value: Decimal,
    /// The most one purchase gets; set for `PERCENTAGE_CAPPED`.
    pub cap: Option<Amount>,
    /// Lower wins a tie.
    pub priority: i32,
    /// The order's total must reach it, if set.
    pub min_order_amount: Option<Amount>,
    /// Valid from this instant, if set.
    pub starts_at: Option<DateTime<Utc>>,
    /// Valid before this instant, if set.
    pub ends_at: Option<DateTime<Utc>>,
    /// ISO weekdays (1 is Monday) on which it is valid, if set; an empty list never matches.
    pub weekdays: Option<Vec<i16>>,
    /// Local hours `[from, to)`: crossing midnight if from > to, all day if equal, open where null.
    pub hour_from: Option<NaiveTime>,
    /// See `hour_from`.
    pub hour_to: Option<NaiveTime>,
    /// Over which period its budget runs.
    pub budget_period: BudgetPeriod,
    /// The budget of one period.
    pub total_budget: Amount,
    /// The most one customer gets in one period, if set.
    pub per_customer_cap: Option<Amount>,
    /// Whether a part of the discount may be given where the whole does not fit.
    pub allow_partial: bool,
    /// An inactive program is not eligible.
    pub is_active: bool,
}

impl Program {
    /// The key of the budget row that pays for this program at the moment.
    #[must_use]
    pub fn budget_key(&self, moment: &Moment) -> BudgetKey {
        BudgetKey {
            program: self.program_id,
            period: self.budget_period,
            period_start: moment.period_start(self.budget_period),
        }
    }
}

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that stands in the database and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use text_enum;

text_enum! {
    /// How a program's discount is computed.
    ProgramKind {
        /// `amount × value / 100`.
        Percentage = "PERCENTAGE",
        /// The lesser of that and the cap.
        PercentageCapped = "PERCENTAGE_CAPPED",
        /// The lesser of the value and the amount.
        Fixed = "FIXED",
    }
}

text_enum! {
    /// Over which period a budget runs, in the business's time zone.
    BudgetPeriod {
        /// For ever; `period_start` is 1970-01-01.
        Lifetime = "lifetime",
        /// From the 1st.
        Month = "month",
        /// From Monday.
        Week = "week",
        /// A local day.
        Day = "day",
    }
}

/// Which budget row: program, kind of period, and the period's first local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetKey {
    /// The program it pays for.
    pub program: ProgramId,
    /// The kind of period.
    pub period: BudgetPeriod,
    /// The first local day.
    pub period_start: NaiveDate,
}

impl BudgetKey {
    /// Whether the moment is in this budget's period: only then may what was given back be spent again.
    #[must_use]
    pub fn runs_at(&self, moment: &Moment) -> bool {
        self.period_start == moment.period_start(self.period)
    }
}

/// A budget row, locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What may be spent; the program's current `total_budget`, but never below what is used.
    pub total: Amount,
    /// What is spent.
    pub used: Amount,
}
