//! What a purchase may do and what it makes: outlets, lines, stock, credit, overdue, the facts.

use serde_json::json;

use super::fixture::*;
use crate::domain::decide::apply;
use crate::domain::effects::{CreditKind, Effects};
use crate::domain::outcome::Reason;
use crate::domain::request::{Line, PurchaseRequest};
use crate::domain::snapshot::{Customer, OverduePolicy, Snapshot};
use crate::ids::OutletId;
use crate::money::Amount;

fn refused(world: &Snapshot, request: &PurchaseRequest) -> (Reason, serde_json::Value) {
    let mut refusal = purchase(world, request).expect_err("it is to be refused");
    refusal.outcome.as_object_mut().expect("an object").remove("message").expect("a message");
    (refusal.reason, refusal.outcome)
}

fn reason(world: &Snapshot, request: &PurchaseRequest) -> Option<Reason> {
    purchase(world, request).err().map(|refusal| refusal.reason)
}

fn change(world: &mut Snapshot, customer: u128, change: impl FnOnce(&mut Customer)) {
    change(world.customers.get_mut(&id(customer)).expect("the fixture has the customer"));
}

#[test]
fn an_outlet_must_be_visible_to_the_office_or_in_the_organizations_pool() {
    let hidden = Some(Reason::OutletNotVisible);
    let nowhere: OutletId = id(404);
    let table = [
        (ALONE, None, None),
        (ALONE, Some(VISIBLE), None),
        (ALONE, Some(OTHER), None),
        (ALONE, Some(nowhere), Some(Reason::UnknownOutlet)),
        (CLIENT, None, None),
        (CLIENT, Some(VISIBLE), None),
        (CLIENT, Some(POOLED), None),
        (CLIENT, Some(OTHER), hidden),
        (CLIENT, Some(nowhere), Some(Reason::UnknownOutlet)),
        (WORKER, None, hidden),
        (WORKER, Some(VISIBLE), None),
        (WORKER, Some(POOLED), hidden),
        (WORKER, Some(OTHER), hidden),
        (WORKER, Some(nowhere), Some(Reason::UnknownOutlet)),
    ];
    for (customer, outlet, expected) in table {
        let request = PurchaseRequest { outlet, ..buy(customer, vec![line(BREAD, 1)]) };
        assert_eq!(reason(&world(), &request), expected, "customer {customer} at {outlet:?}");
    }
}

#[test]
fn a_product_of_an_outlet_needs_that_outlet_named() {
    let mut world = world();
    world.products.get_mut(&SOUP).expect("it exists").outlet = Some(VISIBLE);
    for (outlet, expected) in
        [(Some(VISIBLE), None), (Some(OTHER), Some(Reason::WrongOutlet)), (None, Some(Reason::WrongOutlet))]
    {
        let request = PurchaseRequest { outlet, ..buy(ALONE, vec![line(BREAD, 1), line(SOUP, 1)]) };
        assert_eq!(reason(&world, &request), expected, "at {outlet:?}");
    }
}

#[test]
fn a_refusal_names_the_first_offending_line_and_its_numbers() {
    let mut world = world();
    let request = buy(ALONE, vec![line(BREAD, 1), line(id(404), 1), line(id(405), 1)]);
    let expected = json!({ "line_no": 2, "product_id": "00000000-0000-0000-0000-000000000194" });
    assert_eq!(refused(&world, &request), (Reason::UnknownProduct, expected));

    world.products.get_mut(&SOUP).expect("it exists").is_active = false;
    let request = buy(ALONE, vec![line(BREAD, 1), line(SOUP, 1), line(SOUP, 1)]);
    let expected = json!({ "line_no": 2, "product_id": SOUP });
    assert_eq!(refused(&world, &request), (Reason::ProductInactive, expected));
    world.products.get_mut(&SOUP).expect("it exists").is_active = true;

    world.products.get_mut(&SOUP).expect("it exists").outlet = Some(OTHER);
    let expected = json!({ "line_no": 2, "product_id": SOUP, "outlet_id": VISIBLE, "product_outlet_id": OTHER });
    assert_eq!(refused(&world, &request), (Reason::WrongOutlet, expected));
    world.products.get_mut(&SOUP).expect("it exists").outlet = None;

    let max = |text| Line { unit_price_max: Some(amount(text)), ..line(SOUP, 1) };
    let request = buy(ALONE, vec![max("10.00"), max("9.99"), max("1.00")]);
    let expected = json!({ "line_no": 2, "product_id": SOUP, "unit_price": "10.00", "unit_price_max": "9.99" });
    assert_eq!(refused(&world, &request), (Reason::PriceChanged, expected));
}

#[test]
fn one_reason_is_tested_over_all_lines_before_the_next() {
    let mut world = world();
    world.products.get_mut(&BREAD).expect("it exists").stock = 0;
    let dear = Line { unit_price_max: Some(Amount::ZERO), ..line(SOUP, 1) };
    assert_eq!(reason(&world, &buy(ALONE, vec![line(BREAD, 1), dear])), Some(Reason::PriceChanged));
}

#[test]
fn stock_is_checked_on_the_sum_of_a_products_lines() {
    let world = world();
    let lines = |last| vec![line(SOUP, 1), line(BREAD, 60), line(SOUP, 2), line(BREAD, last)];
    let whole = purchase(&world, &PurchaseRequest { ..buy(ALONE, vec![line(BREAD, 60), line(BREAD, 40)]) });
    assert_eq!(whole.expect("exactly the stock").items.len(), 2);
    let expected = json!({ "line_no": 2, "product_id": BREAD, "requested": 101, "available": 100 });
    assert_eq!(refused(&world, &buy(ALONE, lines(41))), (Reason::InsufficientStock, expected));
}

#[test]
fn max_payable_is_met_at_equality_and_zero_is_a_maximum() {
    let request = |max| PurchaseRequest { max_payable: Some(amount(max)), ..buy(ALONE, vec![line(BREAD, 3)]) };
    assert_eq!(reason(&world(), &request("30.00")), None);
    let expected = json!({ "total": "30.00", "payable": "30.00", "max_payable": "29.99" });
    assert_eq!(refused(&world(), &request("29.99")), (Reason::PayableExceedsMax, expected));
    assert_eq!(reason(&world(), &request("0")), Some(Reason::PayableExceedsMax));
}

#[test]
fn max_payable_is_compared_after_the_subsidy() {
    let request = |max| PurchaseRequest { max_payable: Some(amount(max)), ..buy(WORKER, vec![line(BREAD, 3)]) };
    let world = with_programs(vec![program(1)]);
    assert_eq!(reason(&world, &request("15.00")), None);
    assert_eq!(reason(&world, &request("14.99")), Some(Reason::PayableExceedsMax));
}

#[test]
fn credit_is_granted_up_to_the_limit() {
    let mut world = world();
    change(&mut world, ALONE, |alone| {
        alone.credit_limit = amount("50.00");
        alone.account.balance = amount("20.00");
    });
    assert_eq!(reason(&world, &buy(ALONE, vec![line(BREAD, 3)])), None);
    let expected = json!({ "payable": "40.00", "available": "30.00", "balance": "20.00", "credit_limit": "50.00" });
    assert_eq!(refused(&world, &buy(ALONE, vec![line(BREAD, 4)])), (Reason::CreditLimitExceeded, expected));
    change(&mut world, ALONE, |alone| alone.account.balance = amount("-20.00"));
    assert_eq!(reason(&world, &buy(ALONE, vec![line(BREAD, 7)])), None, "own money held counts");
}

#[test]
fn available_is_unclipped() {
    let mut world = world();
    change(&mut world, ALONE, |alone| {
        alone.credit_limit = amount("10.00");
        alone.account.balance = amount("25.00");
    });
    assert_eq!(refused(&world, &buy(ALONE, vec![line(BREAD, 1)])).1["available"], "-15.00");
}

#[test]
fn a_charge_of_zero_passes_credit_and_overdue() {
    let free = crate::domain::snapshot::Program { value: dec("100"), ..program(1) };
    let mut world = with_programs(vec![free]);
    world.business.overdue_policy = OverduePolicy::Block;
    change(&mut world, WORKER, |worker| {
        worker.credit_limit = amount("5.00");
        worker.account.balance = amount("10.00");
        worker.account.seq = 4;
    });
    let purchase = purchase(&world, &buy(WORKER, vec![line(BREAD, 1)])).expect("it is fully subsidised");
    assert_eq!((purchase.order.payable, purchase.charge.amount), (Amount::ZERO, Amount::ZERO));
    assert_eq!((purchase.charge.seq, purchase.charge.balance_after), (5, amount("10.00")));
    world.programs.clear();
    assert_eq!(reason(&world, &buy(WORKER, vec![line(BREAD, 1)])), Some(Reason::CustomerOverdue));
}

#[test]
fn an_overdue_customer_is_stopped_by_policy_only() {
    let mut world = world();
    change(&mut world, ALONE, |alone| {
        alone.account.balance = amount("30.00");
        alone.account.recent_charges = amount("29.50");
    });
    let request = buy(ALONE, vec![line(BREAD, 1)]);
    assert_eq!(reason(&world, &request), None);
    world.business.overdue_policy = OverduePolicy::Block;
    let expected = json!({ "overdue_amount": "0.50", "overdue_after_days": 30 });
    assert_eq!(refused(&world, &request), (Reason::CustomerOverdue, expected));
    change(&mut world, ALONE, |alone| alone.account.recent_charges = amount("30.00"));
    assert_eq!(reason(&world, &request), None);
}

#[test]
fn a_total_that_cannot_be_stored_is_malformed() {
    let mut world = world();
    change(&mut world, ALONE, |alone| alone.credit_limit = amount("99999999999999.99"));
    let bread = world.products.get_mut(&BREAD).expect("it exists");
    (bread.price, bread.stock) = (amount("40000000000000.00"), 3);
    assert_eq!(reason(&world, &buy(ALONE, vec![line(BREAD, 2)])), None);
    for lines in [vec![line(BREAD, 3)], vec![line(BREAD, 2), line(BREAD, 1)]] {
        let expected = (Reason::Malformed, json!({ "field": "lines" }));
        assert_eq!(refused(&world, &buy(ALONE, lines)), expected);
    }
    change(&mut world, ALONE, |alone| alone.account.balance = amount("40000000000000.00"));
    assert_eq!(reason(&world, &buy(ALONE, vec![line(BREAD, 2)])), Some(Reason::CreditLimitExceeded));
}

#[test]
fn a_purchase_keeps_the_memberships_and_prices_of_its_moment() {
    let mut world = with_programs(vec![program(1)]);
    change(&mut world, WORKER, |worker| {
        worker.account.seq = 7;
        worker.account.balance = amount("3.00");
        worker.account.last_at = Some(at("2026-10-14T12:00:00.5Z"));
    });
    let purchase = purchase(&world, &buy(WORKER, vec![line(SOUP, 2), line(BREAD, 1)])).expect("nothing refuses it");
    let order = &purchase.order;
    assert_eq!((order.order_id, order.customer), (id(902), id(WORKER)));
    assert_eq!((order.organization, order.office, order.team), (Some(ORGANIZATION), Some(OFFICE), Some(TEAM)));
    assert_eq!(order.outlet, Some(VISIBLE));
    assert_eq!((order.total, order.subsidy, order.payable), (amount("30.00"), amount("15.00"), amount("15.00")));

    let item = &purchase.items[0];
    assert_eq!((item.line_no, item.product, item.quantity), (1, SOUP, 2));
    assert_eq!((item.unit_price, item.tax_rate, item.line_total), (amount("10"), dec("19"), amount("20")));
    assert_eq!((purchase.items[1].line_no, purchase.items[1].product), (2, BREAD));

    let charge = &purchase.charge;
    assert_eq!((charge.seq, charge.kind, charge.order), (8, CreditKind::Charge, Some(id(902))));
    assert_eq!((charge.balance_before, charge.amount, charge.balance_after), (amount("3"), amount("15"), amount("18")));
    assert_eq!((charge.credit_limit, charge.reference.as_deref()), (amount("1000"), None));
    assert_eq!(charge.created_at, at("2026-10-14T12:00:00.5Z"), "never before its predecessor");

    let subsidy = purchase.subsidy.as_ref().expect("half is paid");
    assert_eq!((subsidy.entry_id, subsidy.program.program_id), (id(903), id(1)));
}

#[test]
fn apply_carries_a_purchase_into_the_snapshot() {
    let capped = crate::domain::snapshot::Program { per_customer_cap: Some(amount("100.00")), ..program(1) };
    let mut world = with_programs(vec![capped]);
    let request = buy(WORKER, vec![line(SOUP, 2), line(BREAD, 1), line(SOUP, 3)]);
    let first = purchase(&world, &request).expect("nothing refuses it");
    apply(&mut world, &Effects::Purchase(Box::new(first)));

    assert_eq!((world.products[&SOUP].stock, world.products[&BREAD].stock), (95, 99));
    let account = world.customers[&id(WORKER)].account;
    assert_eq!((account.seq, account.balance, account.recent_charges), (1, amount("30.00"), amount("30.00")));
    assert_eq!(account.last_at, Some(moment().now));
    let second = purchase(&world, &request).expect("nothing refuses it");
    let subsidy = second.subsidy.expect("half is paid");
    assert_eq!((subsidy.used_before, subsidy.cap_used_before), (amount("30.00"), Some(amount("30.00"))));
}
