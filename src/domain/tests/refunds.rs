//! Refunds: whole or by line, in steps that close to the cent, never more than was bought.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::json;

use super::fixture::*;
use super::properties::in_cents;
use crate::domain::decide::{apply, decide};
use crate::domain::effects::{CreditKind, Effects, Refund};
use crate::domain::outcome::{Decision, Reason, Refusal};
use crate::domain::request::{Kind, RefundRequest, Request, ReturnedLine, parse};
use crate::domain::snapshot::{
    Budget, BudgetKey, BudgetPeriod, OverduePolicy, PlacedLine, PlacedOrder, Program, Snapshot,
};
use crate::money::{Amount, Currency};

const ORDER: u128 = 77;

fn placed(product: crate::ids::ProductId, quantity: u32, total: &str) -> PlacedLine {
    let (line_total, returned_total) = (amount(total), Amount::ZERO);
    PlacedLine { product, quantity, line_total, returned: 0, returned_total }
}

/// The worker's order of 3 breads and 2 soups for 50.00, of which a program paid 10.00 this month.
fn ordered() -> Snapshot {
    let program = Program { budget_period: BudgetPeriod::Month, per_customer_cap: Some(amount("20")), ..program(1) };
    let key = program.budget_key(&moment());
    let mut world = with_programs(vec![program]);
    world.budgets.insert(key, Budget { total: amount("1000"), used: amount("15") });
    world.cap_used.insert((key, id(WORKER)), amount("12"));
    let account = &mut world.customers.get_mut(&id(WORKER)).expect("it exists").account;
    (account.seq, account.balance, account.recent_charges) = (4, amount("60"), amount("45"));
    let order = PlacedOrder {
        customer: id(WORKER),
        placed_at: moment().now - TimeDelta::days(3),
        total: amount("50"),
        subsidy: amount("10"),
        budget: Some(key),
        subsidy_returned: Amount::ZERO,
        lines: BTreeMap::from([(1, placed(BREAD, 3, "30")), (2, placed(SOUP, 2, "20"))]),
    };
    world.orders.insert(id(ORDER), order);
    world
}

fn refund(world: &Snapshot, lines: Option<&[(u32, u32)]>, restock: bool) -> Result<Refund, Refusal> {
    let line = |(line_no, quantity): &(u32, u32)| ReturnedLine { line_no: *line_no, quantity: *quantity };
    let lines = lines.map(|lines| lines.iter().map(line).collect());
    match decide(world, &job(Request::Refund(RefundRequest { order: id(ORDER), lines, restock }))) {
        Decision::Completed(Effects::Refund(refund)) => Ok(*refund),
        Decision::Completed(other) => panic!("a refund made something else: {other:?}"),
        Decision::Rejected(refusal) => Err(refusal),
    }
}

fn carry(world: &mut Snapshot, refund: Refund) {
    apply(world, &Effects::Refund(Box::new(refund)));
}

fn key(world: &Snapshot) -> BudgetKey {
    world.orders[&id(ORDER)].budget.expect("a budget paid")
}

#[test]
fn a_refund_of_lines_gives_back_money_stock_and_the_subsidys_share() {
    let mut world = ordered();
    let refund = refund(&world, Some(&[(1, 1), (2, 1), (1, 1)]), true).expect("nothing refuses it");
    let items: Vec<_> = refund.items.iter().map(|item| (item.line_no, item.quantity, item.total)).collect();
    assert_eq!(items, [(1, 2, amount("20")), (2, 1, amount("10"))], "repeated lines sum");
    assert_eq!((refund.total, refund.subsidy_returned, refund.credited), (amount("30"), amount("6"), amount("24")));
    let entry = &refund.entry;
    assert_eq!(
        (entry.kind, entry.seq, entry.amount, entry.balance_after),
        (CreditKind::Refund, 5, amount("-24"), amount("36"))
    );
    assert_eq!((entry.order, entry.refund, entry.customer), (Some(id(ORDER)), Some(id(904)), id(WORKER)));
    let reversal = refund.reversal.as_ref().expect("a share is taken back");
    assert_eq!((reversal.amount, reversal.returned_to_budget, reversal.entry_id), (amount("6"), amount("6"), id(903)));
    let outcome = read(&Effects::Refund(Box::new(refund.clone())).outcome(DOLLARS));
    let expected = json!({
        "refund_id": "00000000-0000-0000-0000-000000000388", "order_id": "00000000-0000-0000-0000-00000000004d",
        "total": "30.00", "subsidy_returned": "6.00", "credited": "24.00", "balance_after": "36.00",
    });
    assert_eq!(outcome, expected);

    carry(&mut world, refund);
    assert_eq!((world.products[&BREAD].stock, world.products[&SOUP].stock), (102, 101));
    let budget = key(&world);
    assert_eq!(world.budgets[&budget].used, amount("9"));
    assert_eq!(world.cap_used[&(budget, id(WORKER))], amount("6"));
    assert_eq!(world.customers[&id(WORKER)].account.recent_charges, amount("21"));
}

#[test]
fn the_whole_is_what_remains_and_then_nothing() {
    let mut world = ordered();
    let first = refund(&world, Some(&[(2, 2)]), false).expect("nothing refuses it");
    carry(&mut world, first);
    assert_eq!(world.products[&SOUP].stock, 100, "it was not restocked");
    let rest = refund(&world, None, true).expect("line 1 remains");
    assert_eq!((rest.total, rest.subsidy_returned, rest.items.len()), (amount("30"), amount("6"), 1));
    carry(&mut world, rest);
    let Refusal { reason, outcome } = refund(&world, None, true).expect_err("nothing remains");
    assert_eq!(reason, Reason::OverReturned);
    assert!(outcome["message"].as_str().is_some_and(|message| message.contains("nothing remains")));
}

#[test]
fn too_many_and_unknown_lines_are_over_returned_and_the_first_is_named() {
    for (lines, line_no, requested, remaining) in [
        (&[(1, 4)][..], 1, 4, 3),
        (&[(1, 1), (2, 1), (1, 3), (2, 2)][..], 1, 4, 3),
        (&[(3, 1)][..], 3, 1, 0),
        (&[(2, u32::MAX), (2, u32::MAX)][..], 2, 8_589_934_590_u64, 2),
    ] {
        let Refusal { reason, outcome } = refund(&ordered(), Some(lines), true).expect_err("too many");
        assert_eq!(reason, Reason::OverReturned);
        let numbers = ["line_no", "requested", "remaining"].map(|name| outcome[name].clone());
        assert_eq!(numbers, [json!(line_no), json!(requested), json!(remaining)]);
    }
}

#[test]
fn an_unknown_order_comes_before_its_lines() {
    let mut world = ordered();
    world.orders.clear();
    let refusal = refund(&world, Some(&[(9, 9)]), true).expect_err("it is unknown");
    assert_eq!(refusal.reason, Reason::UnknownOrder);
    assert_eq!(refusal.outcome["order_id"], "00000000-0000-0000-0000-00000000004d");
}

#[test]
fn inactive_customers_and_products_and_a_deleted_program_do_not_matter() {
    let mut world = ordered();
    world.customers.values_mut().for_each(|customer| customer.is_active = false);
    world.products.values_mut().for_each(|product| product.is_active = false);
    world.programs.clear();
    let refund = refund(&world, None, true).expect("it proceeds");
    assert_eq!((refund.credited, refund.subsidy_returned), (amount("40"), amount("10")));
    carry(&mut world, refund);
    assert_eq!(world.budgets[&key(&world)], Budget { total: amount("1000"), used: amount("5") });
}

#[test]
fn a_budget_whose_period_is_over_gets_nothing_and_the_customer_no_more() {
    let mut world = ordered();
    let over = BudgetKey { period_start: "2026-09-01".parse().expect("a date"), ..key(&world) };
    world.orders.get_mut(&id(ORDER)).expect("it exists").budget = Some(over);
    let before = world.budgets.clone();
    let refund = refund(&world, None, true).expect("it proceeds");
    assert_eq!((refund.credited, refund.subsidy_returned), (amount("40"), amount("10")));
    let reversal = refund.reversal.as_ref().expect("it is taken back in any case");
    assert_eq!((reversal.amount, reversal.returned_to_budget), (amount("10"), Amount::ZERO));
    carry(&mut world, refund);
    assert_eq!(world.budgets, before);
}

#[test]
fn a_total_lowered_below_its_use_falls_with_the_use() {
    let mut world = ordered();
    let lowered = Program { total_budget: amount("7"), ..(*world.programs[&ORGANIZATION][0]).clone() };
    world.programs = with_programs(vec![lowered]).programs;
    let budget = key(&world);
    world.budgets.insert(budget, Budget { total: amount("15"), used: amount("15") });
    let all = refund(&world, None, true).expect("it proceeds");
    carry(&mut world, all);
    assert_eq!(world.budgets[&budget], Budget { total: amount("7"), used: amount("5") });
}

#[test]
fn a_refund_of_an_old_order_leaves_the_recent_charges() {
    let mut world = ordered();
    world.business.overdue_policy = OverduePolicy::Block;
    let order = world.orders.get_mut(&id(ORDER)).expect("it exists");
    order.placed_at = moment().now - TimeDelta::days(30) - TimeDelta::seconds(1);
    let old = refund(&world, Some(&[(1, 3)]), true).expect("it proceeds");
    carry(&mut world, old);
    let account = world.customers[&id(WORKER)].account;
    assert_eq!((account.balance, account.recent_charges), (amount("36"), amount("45")));
    world.orders.get_mut(&id(ORDER)).expect("it exists").placed_at += TimeDelta::seconds(1);
    let recent = refund(&world, None, true).expect("it proceeds");
    carry(&mut world, recent);
    assert_eq!(world.customers[&id(WORKER)].account.recent_charges, amount("29"), "exactly 30 days old is recent");
}

#[test]
fn what_cannot_be_stored_is_malformed() {
    let mut world = ordered();
    world.products.get_mut(&SOUP).expect("it exists").stock = i64::MAX - 1;
    let refusal = refund(&world, None, true).expect_err("the stock would overflow");
    assert_eq!((refusal.reason, &refusal.outcome["field"]), (Reason::Malformed, &json!("restock")));
    assert!(refund(&world, None, false).is_ok());
    world.customers.get_mut(&id(WORKER)).expect("it exists").account.balance = amount("-99999999999990");
    let refusal = refund(&world, None, false).expect_err("the balance would overflow");
    assert_eq!((refusal.reason, &refusal.outcome["field"]), (Reason::Malformed, &json!("order_id")));
}

#[test]
fn an_order_for_nothing_is_refunded_with_an_entry_of_zero() {
    let mut world = ordered();
    let order = world.orders.get_mut(&id(ORDER)).expect("it exists");
    (order.total, order.subsidy, order.budget) = (Amount::ZERO, Amount::ZERO, None);
    order.lines = BTreeMap::from([(1, placed(BREAD, 2, "0"))]);
    let refund = refund(&world, None, true).expect("it proceeds");
    assert_eq!((refund.total, refund.entry.amount, refund.reversal), (Amount::ZERO, Amount::ZERO, None));
}

#[test]
fn payloads_are_read_strictly() {
    const ID: &str = "0190d0e0-0000-7000-8000-0000000000AB";
    let read = |rest: &str| parse(Kind::Refund, &format!(r#"{{"order_id": "{ID}"{rest}}}"#), DOLLARS);
    let order = ID.parse::<uuid::Uuid>().expect("an id").into();
    let whole = RefundRequest { order, lines: None, restock: true };
    for rest in ["", r#", "lines": null, "restock": null"#, r#", "restock": true"#] {
        assert_eq!(read(rest), Ok(Request::Refund(whole.clone())), "{rest}");
    }
    let lines = Some(vec![ReturnedLine { line_no: 2, quantity: 1 }]);
    let expected = RefundRequest { order, lines, restock: false };
    assert_eq!(read(r#", "lines": [{"line_no": 2, "quantity": 1}], "restock": false"#), Ok(Request::Refund(expected)));
    let many = format!(r#", "lines": [{}]"#, vec![r#"{"line_no": 1, "quantity": 1}"#; 501].join(","));
    for (rest, field) in [
        (r#", "lines": []"#, "lines"),
        (r#", "lines": {}"#, "lines"),
        (&many, "lines"),
        (r#", "lines": [{"line_no": 0, "quantity": 1}]"#, "lines[0].line_no"),
        (r#", "lines": [{"line_no": 1, "quantity": 1}, {"line_no": 1}]"#, "lines[1].quantity"),
        (r#", "lines": [{"line_no": 1, "quantity": "1"}]"#, "lines[0].quantity"),
        (r#", "lines": [{"line_no": 1, "quantity": 1, "total": 1}]"#, "lines[0].total"),
        (r#", "restock": "yes""#, "restock"),
        (r#", "restock": 1"#, "restock"),
        (r#", "amount": 1"#, "amount"),
    ] {
        assert_eq!(read(rest).expect_err(rest).field, field, "{rest}");
    }
    assert_eq!(parse(Kind::Refund, "{}", DOLLARS).expect_err("nothing is named").field, "order_id");
}

/// What must hold of every refund, computed in whole cents from the order as it stood.
pub fn check_refund(world: &Snapshot, refund: &Refund) -> Result<(), TestCaseError> {
    let order = &world.orders[&refund.order];
    let (mut returned, mut step) = (0, 0);
    for (line_no, line) in &order.lines {
        let items: Vec<_> = refund.items.iter().filter(|item| item.line_no == *line_no).collect();
        prop_assert!(items.len() <= 1, "a line stands once");
        let quantity = items.iter().map(|item| item.quantity).sum::<u32>();
        prop_assert!(line.returned + quantity <= line.quantity);
        // A line's total is price × quantity, so that every piece comes to the price.
        let price = in_cents(line.line_total) / i64::from(line.quantity);
        let cents = items.iter().map(|item| in_cents(item.total)).sum::<i64>();
        prop_assert_eq!(cents, price * i64::from(quantity));
        returned += price * i64::from(line.returned);
        step += cents;
    }
    let (bought, subsidy) = (in_cents(order.total), in_cents(order.subsidy));
    let share = |cumulative: i64| if bought == 0 { 0 } else { (2 * subsidy * cumulative + bought) / (2 * bought) };
    prop_assert_eq!(in_cents(refund.total), step);
    prop_assert_eq!(in_cents(refund.subsidy_returned), share(returned + step) - share(returned));
    prop_assert_eq!(in_cents(refund.credited), step - in_cents(refund.subsidy_returned));
    prop_assert!(!refund.credited.is_negative() && !refund.subsidy_returned.is_negative());
    prop_assert_eq!(refund.entry.amount, refund.credited.negated());
    prop_assert_eq!(refund.entry.customer, order.customer);
    let reversed = refund.reversal.as_ref().map_or(Amount::ZERO, |reversal| reversal.amount);
    prop_assert_eq!(reversed, refund.subsidy_returned);
    Ok(())
}

/// Lines of price and quantity, the subsidy's percentage, the currency's decimals, and in which steps what is returned.
type Steps = (Vec<(i64, u32)>, u32, u32, Vec<(usize, u32)>);

fn steps() -> impl Strategy<Value = Steps> {
    let lines = prop::collection::vec((0_i64..1_000_000_000, 1_u32..12), 1..6);
    (lines, 0_u32..=100, 0_u32..=4, prop::collection::vec((0_usize..6, 1_u32..5), 0..30))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_the_steps_they_close_to_the_cent((lines, percent, exponent, steps) in steps()) {
        let mut world = ordered();
        world.business.currency = Currency::with_exponent(exponent);
        let price = |units: i64| Amount::new(rust_decimal::Decimal::new(units, exponent)).expect("small");
        let lines: BTreeMap<u32, PlacedLine> = (1..).zip(lines.iter().map(|(units, quantity)| PlacedLine {
            line_total: price(*units).times(*quantity).expect("small"), ..placed(BREAD, *quantity, "0")
        })).collect();
        let total = lines.values().fold(Amount::ZERO, |sum, line| sum.plus(line.line_total).expect("small"));
        let subsidy = total.percent(percent.into(), world.business.currency).expect("small");
        let order = world.orders.get_mut(&id(ORDER)).expect("it exists");
        (order.total, order.subsidy, order.lines) = (total, subsidy, lines.clone());
        world.budgets.insert(key(&world), Budget { total: amount("99999999999999"), used: subsidy });

        let mut sums = [Amount::ZERO; 3];
        let asked = steps.iter().map(|(line, quantity)| Some([(u32::try_from(line + 1).expect("few"), *quantity)]));
        for lines in asked.chain([None]) {
            let Ok(refund) = refund(&world, lines.as_ref().map(<[_; 1]>::as_slice), true) else { continue };
            let parts = [refund.total, refund.subsidy_returned, refund.credited];
            prop_assert!(parts.iter().all(|part| !part.is_negative() && world.business.currency.holds(part.decimal())));
            sums = std::array::from_fn(|part| sums[part].plus(parts[part]).expect("small"));
            carry(&mut world, refund);
        }
        prop_assert_eq!(sums, [total, subsidy, total.minus(subsidy).expect("small")]);
        prop_assert_eq!(world.budgets[&key(&world)].used, Amount::ZERO);
        let pieces: u32 = lines.values().map(|line| line.quantity).sum();
        prop_assert_eq!(world.products[&BREAD].stock, 100 + i64::from(pieces));
        prop_assert!(refund(&world, None, true).is_err());
    }
}
