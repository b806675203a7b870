//! Outcomes and snapshots as JSON: exactly CONTRACT's names and forms.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::fixture::*;
use crate::domain::effects::Effects;
use crate::domain::outcome::evaluation_json;
use crate::domain::snapshot::{BudgetPeriod, Program, ProgramKind};
use crate::money::Currency;

#[test]
fn the_outcome_of_a_purchase_without_programs() {
    let bought = purchase(&world(), &buy(ALONE, vec![line(BREAD, 2)])).expect("nothing refuses it");
    let expected = json!({
        "order_id": "00000000-0000-0000-0000-000000000386", "total": "20.00", "subsidy": "0.00", "payable": "20.00",
        "program_id": null, "balance_after": "20.00", "available": "980.00",
    });
    assert_eq!(read(&Effects::Purchase(Box::new(bought)).outcome(DOLLARS)), expected);
}

#[test]
fn the_outcome_of_a_subsidised_purchase_says_why_and_the_evaluation_how_all_fared() {
    let world = with_programs(vec![program(2), Program { is_active: false, ..program(1) }]);
    let bought = purchase(&world, &buy(WORKER, vec![line(BREAD, 1)])).expect("nothing refuses it");
    let expected = json!([
        { "program_id": "00000000-0000-0000-0000-000000000001", "discount": "0.00", "fundable": false,
          "chosen": false, "why": "not eligible: inactive" },
        { "program_id": "00000000-0000-0000-0000-000000000002", "discount": "5.00", "fundable": true,
          "chosen": true, "why": "won: highest fundable discount" },
    ]);
    assert_eq!(read(&evaluation_json(&bought.evaluation, DOLLARS)), expected);
    let expected = json!({
        "order_id": "00000000-0000-0000-0000-000000000386", "total": "10.00", "subsidy": "5.00", "payable": "5.00",
        "program_id": "00000000-0000-0000-0000-000000000002", "balance_after": "5.00", "available": "995.00",
        "why": "won: highest fundable discount",
    });
    assert_eq!(read(&Effects::Purchase(Box::new(bought)).outcome(DOLLARS)), expected);
}

#[test]
fn the_outcome_of_a_purchase_that_no_program_pays_for_has_its_evaluation() {
    let world = with_programs(vec![Program { is_active: false, ..program(1) }]);
    let bought = purchase(&world, &buy(WORKER, vec![line(BREAD, 1)])).expect("nothing refuses it");
    let expected = json!({
        "order_id": "00000000-0000-0000-0000-000000000386", "total": "10.00", "subsidy": "0.00", "payable": "10.00",
        "program_id": null, "balance_after": "10.00", "available": "990.00",
        "evaluation": [
            { "program_id": "00000000-0000-0000-0000-000000000001", "discount": "0.00", "fundable": false,
              "chosen": false, "why": "not eligible: inactive" },
        ],
    });
    let outcome = Effects::Purchase(Box::new(bought)).outcome(DOLLARS);
    ordered(&outcome);
    assert_eq!(read(&outcome), expected);
}

#[test]
fn the_outcome_of_a_payment() {
    let entry = pay(&world(), ALONE, "12.5").expect("it is always taken");
    let outcome = read(&Effects::Payment(entry.clone()).outcome(DOLLARS));
    let expected = json!({ "seq": 1, "amount": "12.50", "balance_after": "-12.50", "available": "1012.50" });
    assert_eq!(outcome, expected);
    assert_eq!(outcome["seq"].to_string(), "1", "a JSON number");
    let dinars = read(&Effects::Payment(entry).outcome(Currency::with_exponent(3)));
    assert_eq!(dinars["available"], "1012.500");
}

#[test]
fn available_may_exceed_what_an_amount_holds() {
    let mut world = world();
    let alone = world.customers.get_mut(&id(ALONE)).expect("it exists");
    alone.credit_limit = amount("99999999999999.99");
    alone.account.balance = amount("-99999999999999.00");
    let entry = pay(&world, ALONE, "0.99").expect("it is always taken");
    assert_eq!(read(&Effects::Payment(entry).outcome(DOLLARS))["available"], "199999999999999.98");
}

#[test]
fn the_program_snapshot_has_every_column_and_the_budget() {
    let program = Program {
        office_id: Some(OFFICE),
        team_id: Some(TEAM),
        outlet_id: Some(VISIBLE),
        kind: ProgramKind::PercentageCapped,
        value: dec("12.5000"),
        cap: Some(amount("1")),
        priority: -3,
        min_order_amount: Some(amount("2.5")),
        starts_at: Some(at("2026-10-01T00:00:00Z")),
        ends_at: Some(at("2026-12-01T00:00:00.25Z")),
        weekdays: Some(vec![1, 3]),
        hour_from: Some("08:30:00".parse().expect("a time")),
        hour_to: Some("17:00:00".parse().expect("a time")),
        budget_period: BudgetPeriod::Month,
        per_customer_cap: Some(amount("40")),
        allow_partial: true,
        ..program(7)
    };
    let bought = purchase(&with_programs(vec![program]), &buy(WORKER, vec![line(BREAD, 1)])).expect("it is allowed");
    let mut subsidy = bought.subsidy.expect("it won");
    (subsidy.total_budget, subsidy.used_before) = (amount("1200"), amount("3"));
    let one = "00000000-0000-0000-0000-000000000001";
    let expected = json!({
        "program_id": "00000000-0000-0000-0000-000000000007", "name": "Program 7", "organization_id": one,
        "office_id": one, "team_id": one, "outlet_id": one, "kind": "PERCENTAGE_CAPPED", "value": "12.5",
        "cap": "1.00", "priority": -3, "min_order_amount": "2.50", "starts_at": "2026-10-01T00:00:00Z",
        "ends_at": "2026-12-01T00:00:00.250Z", "weekdays": [1, 3], "hour_from": "08:30:00", "hour_to": "17:00:00",
        "budget_period": "month", "total_budget": "1200.00", "per_customer_cap": "40.00", "allow_partial": true,
        "is_active": true, "budget_used_before": "3.00", "budget_used_after": "4.00", "period_start": "2026-10-01",
        "customer_used_before": "0.00",
    });
    assert_eq!(read(&subsidy.program_snapshot(DOLLARS)), expected);
}

#[test]
fn the_program_snapshot_of_a_plain_program_has_nulls_and_no_customers_use() {
    let fixed = Program { kind: ProgramKind::Fixed, value: dec("3"), ..program(7) };
    let bought = purchase(&with_programs(vec![fixed]), &buy(WORKER, vec![line(BREAD, 1)])).expect("it is allowed");
    let one = "00000000-0000-0000-0000-000000000001";
    let expected = json!({
        "program_id": "00000000-0000-0000-0000-000000000007", "name": "Program 7", "organization_id": one,
        "office_id": null, "team_id": null, "outlet_id": null, "kind": "FIXED", "value": "3.00",
        "cap": null, "priority": 100, "min_order_amount": null, "starts_at": null, "ends_at": null,
        "weekdays": null, "hour_from": null, "hour_to": null, "budget_period": "lifetime",
        "total_budget": "1000.00", "per_customer_cap": null, "allow_partial": false, "is_active": true,
        "budget_used_before": "0.00", "budget_used_after": "3.00", "period_start": "1970-01-01",
    });
    assert_eq!(read(&bought.subsidy.expect("it won").program_snapshot(DOLLARS)), expected);
}

/// The server sorts an object's keys unless they stand as jsonb keeps them: sorting was 3 % of a deep queue's profile.
#[test]
fn what_every_purchase_writes_has_its_keys_in_the_order_of_jsonb() {
    let capped = Program { per_customer_cap: Some(amount("40")), ..program(7) };
    let bought = purchase(&with_programs(vec![capped]), &buy(WORKER, vec![line(BREAD, 1)])).expect("it is allowed");
    let subsidy = bought.subsidy.as_ref().expect("it won");
    ordered(&subsidy.program_snapshot(DOLLARS));
    ordered(&evaluation_json(&bought.evaluation, DOLLARS));
    ordered(&Effects::Purchase(Box::new(bought)).outcome(DOLLARS));
}

fn ordered(text: &str) {
    let Keys(objects) = serde_json::from_str(text).expect("what is written as JSON is JSON");
    assert!(!objects.is_empty(), "no object in {text}");
    for keys in objects {
        assert!(keys.is_sorted_by(|a, b| (a.len(), a) <= (b.len(), b)), "{keys:?} in {text}");
    }
}

/// The keys of each object in a JSON text, as they stand there.
struct Keys(Vec<Vec<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let (mut own, mut inner) = (Vec::new(), Vec::new());
        while let Some((key, Keys(objects))) = map.next_entry::<String, Keys>()? {
            own.push(key);
            inner.extend(objects);
        }
        inner.push(own);
        Ok(Keys(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keys, A::Error> {
        let mut inner = Vec::new();
        while let Some(Keys(objects)) = seq.next_element::<Keys>()? {
            inner.extend(objects);
        }
        Ok(Keys(inner))
    }

    fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }
}
