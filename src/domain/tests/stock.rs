//! Receipts and adjustments of stock.

use serde_json::json;

use super::fixture::*;
use crate::domain::decide::{apply, decide};
use crate::domain::effects::{Effects, MovementKind, StockMovement};
use crate::domain::outcome::{Decision, Reason, Refusal};
use crate::domain::request::{Kind, Request, StockRequest, parse};
use crate::domain::snapshot::Snapshot;
use crate::ids::ProductId;

fn change(world: &Snapshot, product: ProductId, delta: i64) -> Result<StockMovement, Refusal> {
    let kind = if delta > 0 { MovementKind::Receipt } else { MovementKind::Adjustment };
    let request = StockRequest { product, kind, delta, reason: "counted".into() };
    match decide(world, &job(Request::Stock(request))) {
        Decision::Completed(Effects::Stock(movement)) => Ok(movement),
        Decision::Completed(other) => panic!("a stock job made something else: {other:?}"),
        Decision::Rejected(refusal) => Err(refusal),
    }
}

#[test]
fn stock_follows_receipts_and_adjustments_also_of_an_inactive_product() {
    let mut world = world();
    world.products.get_mut(&BREAD).expect("it exists").is_active = false;
    for (delta, after) in [(5, 105), (-105, 0), (i64::MAX, i64::MAX), (-i64::MAX, 0)] {
        let movement = change(&world, BREAD, delta).expect("nothing refuses it");
        assert_eq!((movement.movement_id, movement.delta, movement.stock_after), (id(905), delta, after));
        let effects = Effects::Stock(movement);
        let expected = json!({ "product_id": "00000000-0000-0000-0000-000000000001", "stock_after": after });
        assert_eq!(read(&effects.outcome(DOLLARS)), expected);
        apply(&mut world, &effects);
        assert_eq!(world.products[&BREAD].stock, after);
    }
}

#[test]
fn stock_is_refused_below_zero_beyond_64_bits_and_of_an_unknown_product() {
    let refused = |product, delta| {
        let Refusal { reason, outcome } = change(&world(), product, delta).expect_err("it is refused");
        assert!(outcome["message"].is_string());
        (reason, outcome)
    };
    let (reason, outcome) = refused(BREAD, -101);
    assert_eq!(reason, Reason::InsufficientStock);
    assert_eq!((&outcome["requested"], &outcome["available"]), (&json!(101), &json!(100)));
    assert_eq!(refused(BREAD, i64::MIN).1["requested"], json!(1_u64 << 63));
    let (reason, outcome) = refused(BREAD, i64::MAX);
    assert_eq!((reason, &outcome["field"]), (Reason::Malformed, &json!("quantity")));
    let (reason, outcome) = refused(id(404), 1);
    assert_eq!(reason, Reason::UnknownProduct);
    assert_eq!(outcome["product_id"], "00000000-0000-0000-0000-000000000194");
}

#[test]
fn payloads_are_read_strictly() {
    const ID: &str = "0190d0e0-0000-7000-8000-0000000000ab";
    let receipt = |rest: &str| parse(Kind::StockReceipt, &format!(r#"{{"product_id": "{ID}"{rest}}}"#), DOLLARS);
    let adjustment = |rest: &str| parse(Kind::StockAdjustment, &format!(r#"{{"product_id": "{ID}"{rest}}}"#), DOLLARS);
    let product = ID.parse::<uuid::Uuid>().expect("an id").into();
    let expected = StockRequest { product, kind: MovementKind::Receipt, delta: 7, reason: "receipt".into() };
    assert_eq!(receipt(r#", "quantity": 7.0"#), Ok(Request::Stock(expected)));
    let expected = StockRequest { product, kind: MovementKind::Adjustment, delta: -i64::MAX, reason: " lost".into() };
    let read = adjustment(r#", "delta": -9223372036854775807, "reason": " lost""#);
    assert_eq!(read, Ok(Request::Stock(expected)));

    for (rest, field) in
        [("", "quantity"), (r#", "quantity": 0"#, "quantity"), (r#", "quantity": 1, "reason": "x""#, "reason")]
    {
        assert_eq!(receipt(rest).expect_err(rest).field, field);
    }
    let long = format!(r#", "delta": 1, "reason": "{}""#, "x".repeat(201));
    for (rest, field) in [
        (r#", "reason": "lost""#, "delta"),
        (r#", "delta": 0, "reason": "lost""#, "delta"),
        (r#", "delta": -0.0, "reason": "lost""#, "delta"),
        (r#", "delta": 1.5, "reason": "lost""#, "delta"),
        (r#", "delta": "1", "reason": "lost""#, "delta"),
        (r#", "delta": 9223372036854775808, "reason": "lost""#, "delta"),
        (r#", "delta": 1"#, "reason"),
        (r#", "delta": 1, "reason": null"#, "reason"),
        (r#", "delta": 1, "reason": " \t\u00a0\u001f""#, "reason"),
        (&long, "reason"),
    ] {
        assert_eq!(adjustment(rest).expect_err(rest).field, field, "{rest}");
    }
}
