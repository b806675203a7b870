//! The Maximum Rule: eligibility, discounts, the two budgets, ties, and the evaluation's words.

use chrono::NaiveTime;

use super::fixture::*;
use crate::domain::effects::Candidate;
use crate::domain::snapshot::{Budget, BudgetKey, BudgetPeriod, Program, ProgramKind, Snapshot};
use crate::ids::ProgramId;
use crate::money::{Amount, Currency};

const WON: &str = "won: highest fundable discount";

/// Why the only program won or did not, for the worker's 10.00 at the visible outlet.
fn why(program: Program) -> String {
    only(&with_programs(vec![program])).why.into_owned()
}

fn only(world: &Snapshot) -> Candidate {
    let (subsidy, evaluation) = subsidised(world, 1);
    let [candidate] = <[Candidate; 1]>::try_from(evaluation).expect("one program, one candidate");
    assert_eq!(candidate.chosen, subsidy.is_positive());
    assert_eq!(candidate.chosen, candidate.fundable, "alone, what is fundable wins");
    candidate
}

fn time(text: &str) -> Option<NaiveTime> {
    (!text.is_empty()).then(|| text.parse().expect("a time literal"))
}

#[test]
fn every_field_of_eligibility() {
    let now = moment().now;
    let later = now + chrono::TimeDelta::microseconds(1);
    let table: [(&str, Program); 20] = [
        (WON, program(1)),
        ("not eligible: inactive", Program { is_active: false, ..program(1) }),
        ("not eligible: organization", Program { organization_id: id(404), ..program(1) }),
        (WON, Program { starts_at: Some(now), ..program(1) }),
        ("not eligible: not started", Program { starts_at: Some(later), ..program(1) }),
        (WON, Program { ends_at: Some(later), ..program(1) }),
        ("not eligible: ended", Program { ends_at: Some(now), ..program(1) }),
        (WON, Program { weekdays: Some(vec![1, 3]), ..program(1) }),
        ("not eligible: weekday", Program { weekdays: Some(vec![1, 2, 4, 5, 6, 7]), ..program(1) }),
        ("not eligible: weekday", Program { weekdays: Some(vec![]), ..program(1) }),
        ("not eligible: hours", Program { hour_from: time("14:00:01"), ..program(1) }),
        (WON, Program { office_id: Some(OFFICE), ..program(1) }),
        ("not eligible: office", Program { office_id: Some(id(404)), ..program(1) }),
        (WON, Program { team_id: Some(TEAM), ..program(1) }),
        ("not eligible: team", Program { team_id: Some(id(404)), ..program(1) }),
        (WON, Program { outlet_id: Some(VISIBLE), ..program(1) }),
        ("not eligible: outlet", Program { outlet_id: Some(POOLED), ..program(1) }),
        (WON, Program { min_order_amount: Some(amount("10.00")), ..program(1) }),
        ("not eligible: minimum order amount", Program { min_order_amount: Some(amount("10.01")), ..program(1) }),
        ("rounds to zero", Program { value: dec("0.04"), ..program(1) }),
    ];
    for (expected, program) in table {
        assert_eq!(why(program.clone()), expected, "{program:?}");
    }
}

#[test]
fn an_ineligible_candidate_has_no_discount() {
    let candidate = only(&with_programs(vec![Program { is_active: false, ..program(1) }]));
    assert_eq!((candidate.discount, candidate.fundable), (Amount::ZERO, false));
}

#[test]
fn a_program_of_an_office_team_or_outlet_needs_the_customer_to_have_it() {
    let scoped = [
        Program { office_id: Some(OFFICE), ..program(1) },
        Program { team_id: Some(TEAM), ..program(1) },
        Program { outlet_id: Some(VISIBLE), ..program(1) },
    ];
    for program in scoped {
        let world = with_programs(vec![program]);
        let request = crate::domain::request::PurchaseRequest { outlet: None, ..buy(CLIENT, vec![line(BREAD, 1)]) };
        let purchase = purchase(&world, &request).expect("nothing refuses it");
        assert_eq!((purchase.order.subsidy, purchase.subsidy), (Amount::ZERO, None));
    }
}

#[test]
fn a_customer_without_an_organization_has_no_programs() {
    let world = with_programs(vec![program(1)]);
    let purchase = purchase(&world, &buy(ALONE, vec![line(BREAD, 1)])).expect("nothing refuses it");
    assert_eq!((purchase.order.subsidy, purchase.evaluation), (Amount::ZERO, vec![]));
}

#[test]
fn hours_are_half_open_and_may_cross_midnight() {
    let table = [
        (
            "09:00:00",
            "17:00:00",
            vec![("08:59:59", false), ("09:00:00", true), ("16:59:59", true), ("17:00:00", false)],
        ),
        (
            "22:00:00",
            "06:00:00",
            vec![("21:59:59", false), ("22:00:00", true), ("05:59:59", true), ("06:00:00", false)],
        ),
        ("08:00:00", "08:00:00", vec![("08:00:00", true), ("07:59:59", true), ("20:00:00", true)]),
        ("12:00:00", "", vec![("11:59:59", false), ("12:00:00", true), ("23:59:59", true)]),
        ("", "12:00:00", vec![("00:00:00", true), ("11:59:59", true), ("12:00:00", false)]),
        ("22:00:00", "00:00:00", vec![("21:59:59", false), ("23:59:59", true), ("00:00:00", false)]),
    ];
    for (from, to, moments) in table {
        for (clock, expected) in moments {
            let mut world = with_programs(vec![Program { hour_from: time(from), hour_to: time(to), ..program(1) }]);
            world.moment.local = world.moment.local.date().and_time(time(clock).expect("set"));
            assert_eq!(only(&world).chosen, expected, "[{from}, {to}) at {clock}");
        }
    }
}

#[test]
fn the_weekday_is_the_moments_own_local_one() {
    for (day, iso) in (12..=18).zip(1_i16..) {
        let mut world = with_programs(vec![Program { weekdays: Some(vec![iso]), ..program(1) }]);
        world.moment.local = format!("2026-10-{day}T01:00:00").parse().expect("a local time");
        assert!(only(&world).chosen, "October {day}");
    }
}

#[test]
fn discounts_are_rounded_once_and_never_above_the_total() {
    use ProgramKind::{Fixed, Percentage, PercentageCapped};
    // Kind, value, cap, price, exponent, discount.
    let table = [
        (Percentage, "50", "", "10.00", 2, "5.00"),
        (Percentage, "100", "", "10.01", 2, "10.01"),
        (Percentage, "0", "", "10.00", 2, "0"),
        (Percentage, "2.5", "", "0.20", 2, "0.01"),
        (Percentage, "2.4", "", "0.20", 2, "0"),
        (Percentage, "25", "", "0.10", 2, "0.03"),
        (Percentage, "33.3333", "", "100.00", 2, "33.33"),
        (Percentage, "50", "", "5", 0, "3"),
        (Percentage, "50", "", "0.005", 3, "0.003"),
        (PercentageCapped, "50", "4.99", "10.00", 2, "4.99"),
        (PercentageCapped, "50", "5.01", "10.00", 2, "5.00"),
        (PercentageCapped, "50", "", "10.00", 2, "0"),
        (Percentage, "50", "1.00", "10.00", 2, "5.00"),
        (Fixed, "3", "", "10.00", 2, "3.00"),
        (Fixed, "30", "", "10.00", 2, "10.00"),
        (Fixed, "3", "", "0", 2, "0"),
    ];
    for (kind, value, cap, price, exponent, expected) in table {
        let cap = (!cap.is_empty()).then(|| amount(cap));
        let mut world = with_programs(vec![Program { kind, value: dec(value), cap, ..program(1) }]);
        world.business.currency = Currency::with_exponent(exponent);
        world.products.get_mut(&BREAD).expect("it exists").price = amount(price);
        assert_eq!(only(&world).discount, amount(expected), "{kind:?} {value} of {price}");
    }
}

/// The world of one program whose budget row and customer's use are these.
fn funded(program: Program, used: &str, customer_used: &str) -> Snapshot {
    let key = program.budget_key(&moment());
    let total = program.total_budget;
    let mut world = with_programs(vec![program]);
    world.budgets.insert(key, Budget { total, used: amount(used) });
    world.cap_used.insert((key, id(WORKER)), amount(customer_used));
    world
}

#[test]
fn the_two_budgets_pay_all_or_nothing_or_a_part() {
    // Budget, used, cap, customer's use, allow_partial → discount offered, why. Alone it is 5.00.
    let table = [
        ("100", "95.00", "", "0", false, "5.00", WON),
        ("100", "95.01", "", "0", false, "5.00", "budget has only 4.99 left"),
        ("100", "95.01", "", "0", true, "4.99", WON),
        ("100", "100", "", "0", false, "5.00", "budget has only 0.00 left"),
        ("100", "100", "", "0", true, "0", "budget has only 0.00 left"),
        ("0", "0", "", "0", true, "0", "budget has only 0.00 left"),
        ("100", "0", "20", "15.00", false, "5.00", WON),
        ("100", "0", "20", "15.01", false, "5.00", "customer's cap has only 4.99 left"),
        ("100", "0", "20", "15.01", true, "4.99", WON),
        ("100", "0", "20", "20", true, "0", "customer's cap has only 0.00 left"),
        ("100", "0", "20", "25", true, "0", "customer's cap has only 0.00 left"),
        ("100", "0", "0", "0", false, "5.00", "customer's cap has only 0.00 left"),
        ("100", "97", "20", "16", true, "3.00", WON),
        ("100", "96", "20", "17", true, "3.00", WON),
        ("100", "97", "20", "17", false, "5.00", "budget has only 3.00 left"),
        ("100", "97", "20", "16", false, "5.00", "budget has only 3.00 left"),
    ];
    for (total, used, cap, customer_used, allow_partial, discount, expected) in table {
        let per_customer_cap = (!cap.is_empty()).then(|| amount(cap));
        let program = Program { total_budget: amount(total), per_customer_cap, allow_partial, ..program(1) };
        let candidate = only(&funded(program, used, customer_used));
        let case = format!("{used} of {total}, {customer_used} of {cap}, partial {allow_partial}");
        assert_eq!((candidate.discount, candidate.why.as_ref()), (amount(discount), expected), "{case}");
    }
}

#[test]
fn without_a_budget_row_nothing_is_used() {
    let world = with_programs(vec![Program { total_budget: amount("4.99"), ..program(1) }]);
    assert_eq!(only(&world).why, "budget has only 4.99 left");
    let world = with_programs(vec![Program { total_budget: amount("5.00"), ..program(1) }]);
    assert_eq!(only(&world).why, WON);
}

#[test]
fn the_total_in_force_is_the_rows() {
    let program = Program { total_budget: amount("10.00"), ..program(1) };
    let key = program.budget_key(&moment());
    let mut world = with_programs(vec![program]);
    world.budgets.insert(key, Budget { total: amount("60.00"), used: amount("55.00") });
    assert_eq!(only(&world).why, WON);
    let bought = purchase(&world, &buy(WORKER, vec![line(BREAD, 1)])).expect("nothing refuses it");
    let subsidy = bought.subsidy.expect("it won");
    assert_eq!(
        (subsidy.total_budget, subsidy.used_before, subsidy.used_after()),
        (amount("60"), amount("55"), amount("60"))
    );
}

#[test]
fn each_budget_period_has_its_own_row_and_use() {
    let starts = [
        (BudgetPeriod::Lifetime, "1970-01-01"),
        (BudgetPeriod::Month, "2026-10-01"),
        (BudgetPeriod::Week, "2026-10-12"),
        (BudgetPeriod::Day, "2026-10-14"),
    ];
    for (period, start) in starts {
        let program = Program { budget_period: period, per_customer_cap: Some(amount("5.00")), ..program(1) };
        let key = BudgetKey { program: id(1), period, period_start: start.parse().expect("a date") };
        let world = funded(program.clone(), "0", "0");
        let bought = purchase(&world, &buy(WORKER, vec![line(BREAD, 1)])).expect("nothing refuses it");
        assert_eq!(bought.subsidy.expect("it won").budget, key);

        let mut world = with_programs(vec![program]);
        let earlier = BudgetKey { period_start: key.period_start.pred_opt().expect("a day before"), ..key };
        world.budgets.insert(earlier, Budget { total: amount("9"), used: amount("9") });
        world.cap_used.insert((earlier, id(WORKER)), amount("5.00"));
        world.cap_used.insert((key, id(CLIENT)), amount("5.00"));
        assert_eq!(only(&world).why, WON, "another period's or customer's use does not count");
    }
}

/// What each of the programs says, by their order in the argument.
fn said(programs: &[Program]) -> Vec<String> {
    let (_, evaluation) = subsidised(&with_programs(programs.to_vec()), 1);
    let of = |id: ProgramId| evaluation.iter().find(|candidate| candidate.program == id).expect("a candidate each");
    programs.iter().map(|program| of(program.program_id).why.clone().into_owned()).collect()
}

#[test]
fn ties_are_broken_by_priority_then_budget_end_then_id() {
    let ends = |text| Some(at(text));
    let monthly = |number| Program { budget_period: BudgetPeriod::Month, ..program(number) };
    let better = Program { value: dec("50.1"), priority: 900, ..program(9) };
    let table: [(Program, Program, &str); 9] = [
        (better, Program { priority: 1, ..program(1) }, "lost: lower discount"),
        (
            Program { priority: 99, ..program(9) },
            Program { ends_at: ends("2026-10-15T00:00:00Z"), ..program(1) },
            "lost: tie, by priority",
        ),
        (monthly(9), program(1), "lost: tie, by budget end"),
        (Program { budget_period: BudgetPeriod::Week, ..program(9) }, monthly(1), "lost: tie, by budget end"),
        (
            Program { budget_period: BudgetPeriod::Day, ..program(9) },
            Program { budget_period: BudgetPeriod::Week, ..program(1) },
            "lost: tie, by budget end",
        ),
        (Program { ends_at: ends("2099-01-01T00:00:00Z"), ..program(9) }, program(1), "lost: tie, by budget end"),
        (Program { ends_at: ends("2026-10-31T22:59:59Z"), ..program(9) }, monthly(1), "lost: tie, by budget end"),
        (Program { ends_at: ends("2026-10-31T23:00:00Z"), ..program(1) }, monthly(9), "lost: tie, by program id"),
        (program(1), program(2), "lost: tie, by program id"),
    ];
    for (winner, loser, why) in table {
        assert_eq!(said(&[winner.clone(), loser.clone()]), [WON, why], "{winner:?}\n{loser:?}");
        assert_eq!(said(&[loser, winner]), [why, WON]);
    }
}

#[test]
fn the_highest_fundable_discount_wins_not_the_highest() {
    let exhausted = Program { value: dec("90"), total_budget: amount("8.99"), ..program(1) };
    let said = said(&[exhausted.clone(), program(2), Program { value: dec("40"), ..program(3) }]);
    assert_eq!(said, ["budget has only 8.99 left", WON, "lost: lower discount"]);
    let partial = Program { allow_partial: true, ..exhausted };
    assert_eq!(self::said(&[partial.clone(), program(2)]), [WON, "lost: lower discount"], "8.99 beats 5.00");
    let poor = Program { total_budget: amount("4.99"), ..partial };
    assert_eq!(self::said(&[poor, program(2)]), ["lost: lower discount", WON], "4.99 does not");
}

#[test]
fn programs_never_stack() {
    let (subsidy, evaluation) = subsidised(&with_programs(vec![program(2), program(1), program(3)]), 2);
    assert_eq!(subsidy, amount("10.00"));
    let chosen: Vec<bool> = evaluation.iter().map(|candidate| candidate.chosen).collect();
    assert_eq!(chosen, [true, false, false], "sorted by program id");
}
