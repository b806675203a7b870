//! Payments: always taken, whoever pays and however much.

use serde_json::json;

use super::fixture::*;
use crate::domain::decide::apply;
use crate::domain::effects::{CreditKind, Effects};
use crate::domain::outcome::Reason;
use crate::domain::snapshot::OverduePolicy;

#[test]
fn a_payment_is_a_negative_entry() {
    let mut world = world();
    let alone = world.customers.get_mut(&id(ALONE)).expect("it exists");
    alone.account.seq = 2;
    alone.account.balance = amount("12.00");
    alone.account.recent_charges = amount("12.00");
    let entry = pay(&world, ALONE, "20.00").expect("it is always taken");
    assert_eq!((entry.customer, entry.seq, entry.kind), (id(ALONE), 3, CreditKind::Payment));
    assert_eq!((entry.amount, entry.balance_before, entry.balance_after), (amount("-20"), amount("12"), amount("-8")));
    assert_eq!((entry.order, entry.reference.as_deref()), (None, Some("R-1")));
    assert_eq!((entry.credit_limit, entry.created_at), (amount("1000"), moment().now));

    apply(&mut world, &Effects::Payment(entry));
    let account = world.customers[&id(ALONE)].account;
    assert_eq!((account.seq, account.balance, account.recent_charges), (3, amount("-8"), amount("12")));
}

#[test]
fn an_inactive_overdue_customer_over_the_limit_may_pay() {
    let mut world = world();
    world.business.overdue_policy = OverduePolicy::Block;
    let alone = world.customers.get_mut(&id(ALONE)).expect("it exists");
    alone.is_active = false;
    alone.credit_limit = amount("1.00");
    alone.account.balance = amount("500.00");
    assert_eq!(pay(&world, ALONE, "1.00").expect("it is always taken").balance_after, amount("499.00"));
}

#[test]
fn a_payment_needs_its_customer() {
    let refusal = pay(&world(), 404, "1.00").expect_err("there is no such customer");
    assert_eq!(refusal.reason, Reason::UnknownCustomer);
    assert_eq!(refusal.outcome["customer_id"], "00000000-0000-0000-0000-000000000194");
}

#[test]
fn a_balance_that_cannot_be_stored_is_malformed() {
    let mut world = world();
    let alone = world.customers.get_mut(&id(ALONE)).expect("it exists");
    alone.account.balance = amount("-99999999999999.00");
    assert!(pay(&world, ALONE, "0.99").is_ok());
    let refusal = pay(&world, ALONE, "1.00").expect_err("it reaches 10^14");
    assert_eq!((refusal.reason, &refusal.outcome["field"]), (Reason::Malformed, &json!("amount")));
}
