//! Every reason of refusal, alone and before every later one.

use super::fixture::*;
use crate::domain::decide::{Job, decide};
use crate::domain::outcome::{Decision, Reason};
use crate::domain::request::{Line, Malformed, PurchaseRequest, Request};
use crate::domain::snapshot::{Customer, OverduePolicy, Product, Snapshot};

/// What makes a good purchase of bread and soup fail for a reason.
type Flaw = fn(&mut Snapshot, &mut PurchaseRequest);

const FLAWS: [(Reason, Flaw); 12] = [
    (Reason::UnknownCustomer, |world, _| world.customers.clear()),
    (Reason::CustomerInactive, |world, _| worker(world, |worker| worker.is_active = false)),
    (Reason::UnknownOutlet, |world, _| world.outlets.clear()),
    (Reason::OutletNotVisible, |world, _| world.office_outlets.clear()),
    (Reason::UnknownProduct, |_, request| request.lines.push(line(id(404), 1))),
    (Reason::ProductInactive, |world, _| soup(world, |soup| soup.is_active = false)),
    (Reason::WrongOutlet, |world, _| soup(world, |soup| soup.outlet = Some(OTHER))),
    (Reason::PriceChanged, |_, request| request.lines[1].unit_price_max = Some(amount("9.99"))),
    (Reason::InsufficientStock, |world, _| soup(world, |soup| soup.stock = 1)),
    (Reason::PayableExceedsMax, |_, request| request.max_payable = Some(amount("29.99"))),
    (Reason::CustomerOverdue, |world, _| {
        world.business.overdue_policy = OverduePolicy::Block;
        worker(world, |worker| worker.account.balance = amount("0.01"));
    }),
    (Reason::CreditLimitExceeded, |world, _| worker(world, |worker| worker.credit_limit = amount("29.99"))),
];

fn worker(world: &mut Snapshot, change: impl FnMut(&mut Customer)) {
    world.customers.get_mut(&id(WORKER)).into_iter().for_each(change);
}

fn soup(world: &mut Snapshot, change: impl FnMut(&mut Product)) {
    world.products.get_mut(&SOUP).into_iter().for_each(change);
}

fn good() -> (Snapshot, PurchaseRequest) {
    let lines = vec![line(BREAD, 1), Line { unit_price_max: Some(amount("10.00")), ..line(SOUP, 2) }];
    (world(), PurchaseRequest { max_payable: Some(amount("30.00")), ..buy(WORKER, lines) })
}

fn reason(flaws: &[Flaw]) -> Option<Reason> {
    let (mut world, mut request) = good();
    flaws.iter().for_each(|flaw| flaw(&mut world, &mut request));
    purchase(&world, &request).err().map(|refusal| refusal.reason)
}

#[test]
fn without_a_flaw_the_purchase_completes() {
    assert_eq!(reason(&[]), None);
}

#[test]
fn each_flaw_alone_gives_its_reason() {
    for (expected, flaw) in FLAWS {
        assert_eq!(reason(&[flaw]), Some(expected));
    }
}

#[test]
fn each_reason_beats_every_later_one() {
    for (position, (expected, flaw)) in FLAWS.iter().enumerate() {
        for (later, later_flaw) in &FLAWS[position + 1..] {
            assert_eq!(reason(&[*later_flaw, *flaw]), Some(*expected), "against {later:?}");
        }
    }
}

#[test]
fn the_table_lists_every_reason_in_its_order() {
    // Refunds add two more, which their own tests cover.
    let added = [Reason::UnknownOrder, Reason::OverReturned];
    let tabled = [Reason::Malformed].into_iter().chain(FLAWS.map(|(reason, _)| reason)).chain(added);
    let tabled: Vec<Reason> = tabled.collect();
    assert_eq!(tabled, Reason::ALL);
    assert!(Reason::ALL.is_sorted());
}

#[test]
fn a_malformed_request_is_refused_before_anything_is_looked_up() {
    let (mut world, _) = good();
    world.customers.clear();
    let wrong = Malformed { field: "lines[0].quantity".into(), message: "is required".into() };
    let job = Job { request: Err(wrong), ..job(Request::Purchase(good().1)) };
    let Decision::Rejected(refusal) = decide(&world, &job) else { panic!("it is malformed") };
    assert_eq!(refusal.reason, Reason::Malformed);
    assert_eq!(refusal.outcome["field"], "lines[0].quantity");
    assert_eq!(refusal.outcome["message"], "lines[0].quantity is required");
}

#[test]
fn every_refusal_has_a_message() {
    for (reason, flaw) in FLAWS {
        let (mut world, mut request) = good();
        flaw(&mut world, &mut request);
        let refusal = purchase(&world, &request).expect_err("it has a flaw");
        assert!(refusal.outcome["message"].as_str().is_some_and(|message| !message.is_empty()), "{reason:?}");
    }
}
