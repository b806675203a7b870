//! Random worlds and jobs, small enough that everything meets: few customers, products, programs, scarce budgets.
//!
//! Amounts are whole cents, so that oracles may compute in integers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{NaiveTime, TimeDelta};
use proptest::option::weighted;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::fixture::*;
use crate::domain::decide::Job;
use crate::domain::effects::MovementKind;
use crate::domain::request::{
    Line, PaymentRequest, PurchaseRequest, RefundRequest, Request, ReturnedLine, StockRequest,
};
use crate::domain::snapshot::{
    Account, Budget, BudgetPeriod, Customer, OverduePolicy, PlacedLine, PlacedOrder, Product, Program, ProgramKind,
    Snapshot,
};
use crate::money::Amount;

/// A second office of the organization; it sees both outlets of the pool.
pub const ANNEX: u128 = 2;
const CUSTOMERS: std::ops::RangeInclusive<u128> = 1..=4;
const PRODUCTS: std::ops::RangeInclusive<u128> = 1..=4;
const ORDERS: std::ops::RangeInclusive<u128> = 1..=4;

pub fn cents(cents: i64) -> Amount {
    Amount::new(Decimal::new(cents, 2)).expect("an amount of cents")
}

fn customers() -> impl Strategy<Value = Customer> {
    let account = (-3_000_i64..6_000, 0_i64..6_000, 0_i64..9, -48_i64..2);
    let account = account.prop_map(|(balance, recent, seq, hours)| Account {
        seq,
        balance: cents(balance),
        last_at: (seq > 0).then(|| moment().now + TimeDelta::hours(hours)),
        recent_charges: cents(recent),
    });
    (0..40_000_i64, 0..9_u8, prop::bool::weighted(0.97), account).prop_map(|(limit, membership, is_active, account)| {
        Customer {
            credit_limit: cents(limit),
            organization: (membership > 0).then_some(ORGANIZATION),
            office: match membership {
                0..=2 => None,
                3..=6 => Some(OFFICE),
                _ => Some(id(ANNEX)),
            },
            team: (5..=6).contains(&membership).then_some(TEAM),
            is_active,
            account,
        }
    })
}

fn products() -> impl Strategy<Value = Product> {
    let outlet = weighted(0.1, outlets());
    (0_i64..3_000, 0_i64..40, outlet, prop::bool::weighted(0.97)).prop_map(|(price, stock, outlet, is_active)| {
        Product { price: cents(price), tax_rate: Decimal::new(19, 0), stock, outlet, is_active }
    })
}

fn outlets() -> impl Strategy<Value = crate::ids::OutletId> {
    prop::sample::select(vec![VISIBLE, VISIBLE, VISIBLE, VISIBLE, VISIBLE, POOLED, OTHER])
}

/// A program, how much of its budget is used, and how much of that by the customers 1 to 4.
type Funded = (Program, Option<i64>, Vec<i64>);

fn programs(number: u128) -> BoxedStrategy<Funded> {
    let kinds = [ProgramKind::ALL, &[ProgramKind::Percentage; 3]].concat();
    let kind = prop::sample::select(kinds);
    // Few values and priorities, so that ties are frequent.
    let value = prop_oneof![1 => 0_i64..=10_000, 1 => 0_i64..4, 8 => prop::sample::select(vec![2_500_i64, 2_500, 2_500, 10_000])];
    let cap = prop_oneof![1 => 0_i64..1_500, 2 => Just(500)];
    let terms = (kind, value, cap, prop::sample::select(vec![0, 0, 0, 1]), weighted(0.1, 0_i64..4_000));
    let window = (weighted(0.2, -4_i64..2), weighted(0.2, -1_i64..4), weighted(0.1, weekdays()), hours(), hours());
    let scope = (weighted(0.1, 1_u128..=2), weighted(0.1, Just(TEAM)), weighted(0.1, outlets()));
    let periods = [BudgetPeriod::ALL, &[BudgetPeriod::Month; 4]].concat();
    let period = prop::sample::select(periods);
    let money = (period, 0_i64..15_000, weighted(0.3, 0_i64..4_000), any::<bool>(), prop::bool::weighted(0.9));
    let used = (weighted(0.6, 0_i64..15_000), prop::collection::vec(0_i64..3_000, 4));
    (terms, window, scope, money, used)
        .prop_map(move |(terms, window, scope, money, (used, cap_used))| {
            let (kind, value, cap, priority, min_order_amount) = terms;
            let (starts, ends, weekdays, hour_from, hour_to) = window;
            let (office, team_id, outlet_id) = scope;
            let (budget_period, total_budget, per_customer_cap, allow_partial, is_active) = money;
            let program = Program {
                office_id: office.map(id),
                team_id,
                outlet_id,
                kind,
                value: Decimal::new(value, 2),
                cap: Some(cents(cap)),
                priority,
                min_order_amount: min_order_amount.map(cents),
                starts_at: starts.map(|hours| moment().now + TimeDelta::hours(hours)),
                ends_at: ends.map(|hours| moment().now + TimeDelta::hours(hours)),
                weekdays,
                hour_from,
                hour_to,
                budget_period,
                total_budget: cents(total_budget),
                per_customer_cap: per_customer_cap.map(cents),
                allow_partial,
                is_active,
                ..program(number)
            };
            (program, used.map(|used| used.min(total_budget)), cap_used)
        })
        .boxed()
}

fn weekdays() -> impl Strategy<Value = Vec<i16>> {
    prop::sample::subsequence(vec![1, 2, 3, 4, 5, 6, 7], 0..=7)
}

fn hours() -> impl Strategy<Value = Option<NaiveTime>> {
    weighted(0.1, (0_u32..24).prop_map(|hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour")))
}

/// An order of three known products at prices and with a subsidy of its own, placed up to 60 days ago; the budget of a
/// program of this period, or of one long over, paid.
fn orders() -> impl Strategy<Value = (PlacedOrder, u128, bool)> {
    let line = (1_u128..=3, 0_i64..1_000, 1_u32..5);
    let terms = (CUSTOMERS, 0_i64..60 * 24, 0_i64..=100, 1_u128..=5, any::<bool>());
    (prop::collection::vec(line, 1..4), terms).prop_map(|(lines, (customer, hours, percent, program, runs))| {
        let lines: Vec<PlacedLine> = lines
            .into_iter()
            .map(|(product, price, quantity)| PlacedLine {
                product: id(product),
                quantity,
                line_total: cents(price * i64::from(quantity)),
                returned: 0,
                returned_total: cents(0),
            })
            .collect();
        let total = lines.iter().fold(cents(0), |sum, line| sum.plus(line.line_total).expect("small"));
        let order = PlacedOrder {
            customer: id(customer),
            placed_at: moment().now - TimeDelta::hours(hours),
            total,
            subsidy: total.percent(Decimal::from(percent), DOLLARS).expect("small"),
            budget: None,
            subsidy_returned: cents(0),
            lines: (1..).zip(lines).collect(),
        };
        (order, program, runs)
    })
}

/// Places the order: whatever the budget had paid and the customer drawn, they had at least this order's subsidy. One
/// without a program had no subsidy.
fn place(world: &mut Snapshot, number: u128, (mut order, program, runs): (PlacedOrder, u128, bool)) {
    let programs: Vec<_> = world.programs.values().flatten().cloned().collect();
    match programs.iter().find(|of| of.program_id == id(program)) {
        None => order.subsidy = cents(0),
        Some(program) if runs && fits_the_cap(world, program, &order) => {
            let key = program.budget_key(&world.moment);
            let unused = Budget { total: program.total_budget, used: cents(0) };
            let budget = world.budgets.entry(key).or_insert(unused);
            budget.used = budget.used.plus(order.subsidy).expect("small");
            budget.total = program.total_budget.max(budget.used);
            if program.per_customer_cap.is_some() {
                let used = world.cap_used.entry((key, order.customer)).or_default();
                *used = used.plus(order.subsidy).expect("small");
            }
            order.budget = Some(key);
        }
        Some(program) => {
            let mut key = program.budget_key(&world.moment);
            key.period_start = key.period_start - TimeDelta::days(366);
            order.budget = Some(key);
        }
    }
    if order.placed_at >= moment().now - TimeDelta::days(30) {
        let account = &mut world.customers.get_mut(&order.customer).expect("customers 1 to 4 exist").account;
        let payable = order.total.minus(order.subsidy).expect("small");
        account.recent_charges = account.recent_charges.plus(payable).expect("small");
    }
    world.orders.insert(id(number), order);
}

fn fits_the_cap(world: &Snapshot, program: &Program, order: &PlacedOrder) -> bool {
    let used = world.cap_used.get(&(program.budget_key(&world.moment), order.customer)).copied().unwrap_or_default();
    program.per_customer_cap.is_none_or(|cap| used.plus(order.subsidy).expect("small") <= cap)
}

/// A world of four customers, three known products, up to five programs of one organization, and three orders.
pub fn worlds() -> BoxedStrategy<Snapshot> {
    let people = prop::collection::vec(customers(), 4);
    let goods = prop::collection::vec(products(), 3);
    let programs = [programs(1), programs(2), programs(3), programs(4), programs(5)];
    let count = prop::sample::select(vec![0_usize, 1, 2, 3, 4, 5, 5, 5]);
    let orders = prop::collection::vec(orders(), 3);
    (people, goods, programs, (count, any::<bool>()), orders)
        .prop_map(|(people, goods, programs, (count, blocks), orders)| {
            let mut world = world();
            world.business.overdue_policy = if blocks { OverduePolicy::Block } else { OverduePolicy::Allow };
            world.office_outlets = HashSet::from([(OFFICE, VISIBLE), (id(ANNEX), VISIBLE), (id(ANNEX), POOLED)]);
            world.customers = (1_u128..).map(id).zip(people).collect();
            world.products = (1_u128..).map(id).zip(goods).collect();
            programs.into_iter().take(count).for_each(|program| fund(&mut world, program));
            (1..).zip(orders).for_each(|(number, order)| place(&mut world, number, order));
            world
        })
        .boxed()
}

fn fund(world: &mut Snapshot, (program, used, cap_used): Funded) {
    let key = program.budget_key(&world.moment);
    if let Some(used) = used {
        world.budgets.insert(key, Budget { total: program.total_budget, used: cents(used) });
    }
    if let Some(cap) = program.per_customer_cap {
        let drawn = CUSTOMERS.zip(cap_used).map(|(customer, used)| ((key, id(customer)), cents(used).min(cap)));
        world.cap_used.extend(drawn);
    }
    world.programs.entry(program.organization_id).or_default().push(Arc::new(program));
}

fn requests() -> impl Strategy<Value = Request> {
    let max = weighted(0.05, 500_i64..3_000);
    let line = (PRODUCTS, 1_u32..4, max).prop_map(|(product, quantity, max)| Line {
        // The fourth product does not exist; it is asked for seldom.
        product: id(if product == 4 && quantity < 3 { 1 } else { product }),
        quantity,
        unit_price_max: max.map(cents),
    });
    let lines = prop::collection::vec(line, 1..4);
    let customer = prop_oneof![20 => CUSTOMERS, 1 => Just(404)];
    let buying = (customer, weighted(0.97, outlets()), lines, weighted(0.1, 0_i64..6_000));
    let buying = buying.prop_map(|(customer, outlet, lines, max)| {
        Request::Purchase(PurchaseRequest { customer: id(customer), outlet, lines, max_payable: max.map(cents) })
    });
    let paying = (CUSTOMERS, 1_i64..5_000).prop_map(|(customer, paid)| {
        Request::Payment(PaymentRequest { customer: id(customer), amount: cents(paid), reference: None })
    });
    let returned = (1_u32..5, 1_u32..4).prop_map(|(line_no, quantity)| ReturnedLine { line_no, quantity });
    let returned = weighted(0.8, prop::collection::vec(returned, 1..3));
    let refunding = (ORDERS, returned, any::<bool>())
        .prop_map(|(order, lines, restock)| Request::Refund(RefundRequest { order: id(order), lines, restock }));
    let delta = prop_oneof![-20_i64..0, 1_i64..20];
    let moving = (PRODUCTS, delta).prop_map(|(product, delta)| {
        let kind = if delta > 0 { MovementKind::Receipt } else { MovementKind::Adjustment };
        Request::Stock(StockRequest { product: id(product), kind, delta, reason: "counted".into() })
    });
    prop_oneof![14 => buying, 2 => paying, 4 => refunding, 1 => moving]
}

/// Up to 25 jobs with ids of their own.
pub fn jobs() -> impl Strategy<Value = Vec<Job>> {
    prop::collection::vec(requests(), 1..25).prop_map(|requests| {
        let numbered = (1_u128..).zip(requests);
        let job = |(number, request)| Job {
            job_id: id(1_000 + number),
            order_id: id(2_000 + number),
            entry_id: id(3_000 + number),
            refund_id: id(4_000 + number),
            movement_id: id(5_000 + number),
            request: Ok(request),
        };
        numbered.map(job).collect()
    })
}

fn any_amount() -> impl Strategy<Value = Amount> {
    let extremes = ["0", "0.0001", "-0.0001", "99999999999999.9999", "-99999999999999.9999", "50000000000000"];
    let extremes = prop::sample::select(extremes.to_vec()).prop_map(amount);
    prop_oneof![extremes, any::<i32>().prop_map(|value| Amount::new(Decimal::new(value.into(), 4)).expect("small"))]
}

/// A world that no database would hold: any sign and size anywhere.
pub fn broken_worlds() -> BoxedStrategy<Snapshot> {
    let amounts = prop::collection::vec(any_amount(), 32);
    let numbers = (prop::sample::select(vec![0, -1, i64::MIN, i64::MAX]), any::<i64>(), any::<i64>());
    (worlds(), amounts, numbers)
        .prop_map(|(mut world, amounts, (seq, stock, value))| {
            let mut amounts = amounts.into_iter().cycle();
            let mut next = move || amounts.next().expect("it cycles");
            for customer in world.customers.values_mut() {
                customer.credit_limit = next();
                customer.account = Account { seq, balance: next(), last_at: None, recent_charges: next() };
            }
            for product in world.products.values_mut() {
                (product.price, product.stock) = (next(), stock);
            }
            for budget in world.budgets.values_mut() {
                *budget = Budget { total: next(), used: next() };
            }
            for order in world.orders.values_mut() {
                (order.total, order.subsidy, order.subsidy_returned) = (next(), next(), next());
                for line in order.lines.values_mut() {
                    (line.line_total, line.returned_total) = (next(), next());
                }
            }
            world.cap_used = world.cap_used.keys().map(|key| (*key, next())).collect::<HashMap<_, _>>();
            for program in world.programs.values_mut().flatten().map(Arc::make_mut) {
                (program.value, program.cap, program.total_budget) = (Decimal::new(value, 4), Some(next()), next());
            }
            world
        })
        .boxed()
}
