//! A small business: three outlets, an organization with an office, three customers, two products, no programs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::domain::decide::{Job, decide};
use crate::domain::effects::{Candidate, CreditEntry, Effects, Purchase};
use crate::domain::outcome::{Decision, Refusal};
use crate::domain::request::{Line, PaymentRequest, PurchaseRequest, Request};
use crate::domain::snapshot::{
    Account, BudgetPeriod, Business, Customer, Moment, OverduePolicy, Product, Program, ProgramKind, Snapshot,
};
use crate::ids::{OfficeId, OrganizationId, OutletId, PeriodId, ProductId, TeamId};
use crate::money::{Amount, Currency};

/// A customer of no organization.
pub const ALONE: u128 = 1;
/// A customer of the organization's office and team.
pub const WORKER: u128 = 2;
/// A customer of the organization, without an office.
pub const CLIENT: u128 = 3;
/// The only organization, office and team.
pub const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(1));
pub const OFFICE: OfficeId = OfficeId(Uuid::from_u128(1));
pub const TEAM: TeamId = TeamId(Uuid::from_u128(1));
/// In the organization's pool and visible to its office; in the pool only; in neither.
pub const VISIBLE: OutletId = OutletId(Uuid::from_u128(1));
pub const POOLED: OutletId = OutletId(Uuid::from_u128(2));
pub const OTHER: OutletId = OutletId(Uuid::from_u128(3));
/// Both cost 10.00 and have 100 pieces; neither is of an outlet.
pub const BREAD: ProductId = ProductId(Uuid::from_u128(1));
pub const SOUP: ProductId = ProductId(Uuid::from_u128(2));

pub const DOLLARS: Currency = Currency::with_exponent(2);

/// JSON text as a value, to be compared.
pub fn read(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("what is written as JSON is JSON")
}

pub fn id<T: From<Uuid>>(number: u128) -> T {
    T::from(Uuid::from_u128(number))
}

pub fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal literal")
}

pub fn amount(text: &str) -> Amount {
    Amount::new(dec(text)).expect("an amount literal")
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant literal")
}

/// A Wednesday, 14:00 on the wall clock.
pub fn moment() -> Moment {
    Moment {
        now: at("2026-10-14T12:00:00Z"),
        local: "2026-10-14T14:00:00".parse::<NaiveDateTime>().expect("a local time literal"),
        day_ends: at("2026-10-14T22:00:00Z"),
        week_ends: at("2026-10-18T22:00:00Z"),
        month_ends: at("2026-10-31T23:00:00Z"),
    }
}

pub fn customer(limit: &str) -> Customer {
    Customer {
        credit_limit: amount(limit),
        organization: None,
        office: None,
        team: None,
        is_active: true,
        account: Account::default(),
    }
}

pub fn product() -> Product {
    Product { price: amount("10.00"), tax_rate: dec("19"), stock: 100, outlet: None, is_active: true }
}

pub fn world() -> Snapshot {
    let client = Customer { organization: Some(ORGANIZATION), ..customer("1000.00") };
    let worker = Customer { office: Some(OFFICE), team: Some(TEAM), ..client.clone() };
    Snapshot {
        business: Business { currency: DOLLARS, overdue_after_days: 30, overdue_policy: OverduePolicy::Allow },
        moment: moment(),
        period: id::<PeriodId>(1),
        customers: HashMap::from([(id(ALONE), customer("1000.00")), (id(WORKER), worker), (id(CLIENT), client)]),
        outlets: HashSet::from([VISIBLE, POOLED, OTHER]),
        organization_outlets: HashSet::from([(ORGANIZATION, VISIBLE), (ORGANIZATION, POOLED)]),
        office_outlets: HashSet::from([(OFFICE, VISIBLE)]),
        products: HashMap::from([(BREAD, product()), (SOUP, product())]),
        programs: HashMap::new(),
        budgets: HashMap::new(),
        cap_used: HashMap::new(),
        orders: HashMap::new(),
    }
}

/// Half of any order, up to a budget of 1000.00, for everybody of the organization, always.
pub fn program(number: u128) -> Program {
    Program {
        program_id: id(number),
        name: format!("Program {number}"),
        organization_id: ORGANIZATION,
        office_id: None,
        team_id: None,
        outlet_id: None,
        kind: ProgramKind::Percentage,
        value: dec("50"),
        cap: None,
        priority: 100,
        min_order_amount: None,
        starts_at: None,
        ends_at: None,
        weekdays: None,
        hour_from: None,
        hour_to: None,
        budget_period: BudgetPeriod::Lifetime,
        total_budget: amount("1000.00"),
        per_customer_cap: None,
        allow_partial: false,
        is_active: true,
    }
}

pub fn with_programs(programs: Vec<Program>) -> Snapshot {
    let programs = programs.into_iter().map(Arc::new).collect();
    Snapshot { programs: HashMap::from([(ORGANIZATION, programs)]), ..world() }
}

pub fn line(product: ProductId, quantity: u32) -> Line {
    Line { product, quantity, unit_price_max: None }
}

/// The customer buys these lines at the visible outlet.
pub fn buy(customer: u128, lines: Vec<Line>) -> PurchaseRequest {
    PurchaseRequest { customer: id(customer), outlet: Some(VISIBLE), lines, max_payable: None }
}

pub fn job(request: Request) -> Job {
    Job {
        job_id: id(901),
        order_id: id(902),
        entry_id: id(903),
        refund_id: id(904),
        movement_id: id(905),
        request: Ok(request),
    }
}

pub fn purchase(snapshot: &Snapshot, request: &PurchaseRequest) -> Result<Purchase, Refusal> {
    match decide(snapshot, &job(Request::Purchase(request.clone()))) {
        Decision::Completed(Effects::Purchase(purchase)) => Ok(*purchase),
        Decision::Completed(other) => panic!("a purchase made something else: {other:?}"),
        Decision::Rejected(refusal) => Err(refusal),
    }
}

pub fn pay(snapshot: &Snapshot, customer: u128, text: &str) -> Result<CreditEntry, Refusal> {
    let request = PaymentRequest { customer: id(customer), amount: amount(text), reference: Some("R-1".into()) };
    match decide(snapshot, &job(Request::Payment(request))) {
        Decision::Completed(Effects::Payment(entry)) => Ok(entry),
        Decision::Completed(other) => panic!("a payment made something else: {other:?}"),
        Decision::Rejected(refusal) => Err(refusal),
    }
}

/// What the worker's purchase of 10.00 gets in this world: the subsidy, and how every program fared.
pub fn subsidised(snapshot: &Snapshot, quantity: u32) -> (Amount, Vec<Candidate>) {
    let purchase = purchase(snapshot, &buy(WORKER, vec![line(BREAD, quantity)])).expect("nothing refuses it");
    (purchase.order.subsidy, purchase.evaluation)
}
