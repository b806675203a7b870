//! Overdue: the closed form, as `decide` applies it, against a FIFO oracle that walks the ledger entry by entry.

use chrono::TimeDelta;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::fixture::*;
use crate::domain::outcome::Reason;
use crate::domain::snapshot::{Account, OverduePolicy};
use crate::money::Amount;

/// An entry of a ledger, in cents; orders are known by their charge's position among the charges.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Charge(i64),
    Payment(i64),
    /// Of that order, at most what remains of its charge.
    Refund(usize, i64),
}

/// A ledger: entries with their age in hours, oldest first.
type Ledger = Vec<(i64, Entry)>;

const LIMIT_HOURS: i64 = 30 * 24;

fn ledgers() -> impl Strategy<Value = Ledger> {
    let entry = prop_oneof![
        4 => (1_i64..5_000).prop_map(Entry::Charge),
        3 => (1_i64..8_000).prop_map(Entry::Payment),
        2 => (any::<prop::sample::Index>(), 1_i64..5_000).prop_map(|(order, cents)| Entry::Refund(order.index(8), cents)),
    ];
    let age = prop_oneof![3 => 0_i64..2 * LIMIT_HOURS, 1 => Just(LIMIT_HOURS)];
    prop::collection::vec((age, entry), 0..25).prop_map(|mut entries| {
        entries.sort_by_key(|(age, _)| -age);
        possible(entries)
    })
}

/// Drops refunds of orders that do not exist yet, and what they return beyond the charge.
fn possible(entries: Ledger) -> Ledger {
    let mut remaining: Vec<i64> = Vec::new();
    let mut kept = Vec::new();
    for (age, entry) in entries {
        let entry = match entry {
            Entry::Charge(cents) => {
                remaining.push(cents);
                entry
            }
            Entry::Payment(_) => entry,
            Entry::Refund(order, cents) => {
                let Some(left) = remaining.get_mut(order) else { continue };
                let cents = cents.min(*left);
                *left -= cents;
                Entry::Refund(order, cents)
            }
        };
        kept.push((age, entry));
    }
    kept
}

/// Unpaid cents of charges older than the limit: money goes to the oldest unpaid charge, a refund first to its own.
fn fifo(ledger: &Ledger) -> i64 {
    let mut unpaid: Vec<(i64, i64)> = Vec::new();
    let mut held = 0;
    for (age, entry) in ledger {
        match *entry {
            Entry::Charge(cents) => unpaid.push((*age, cents)),
            Entry::Payment(cents) => held += cents,
            Entry::Refund(order, cents) => {
                let own = cents.min(unpaid[order].1);
                unpaid[order].1 -= own;
                held += cents - own;
            }
        }
        for (_, cents) in &mut unpaid {
            let settled = held.min(*cents);
            *cents -= settled;
            held -= settled;
        }
    }
    unpaid.iter().filter(|(age, _)| *age > LIMIT_HOURS).map(|(_, cents)| cents).sum()
}

/// The account as the engine loads it: the sums by their definitions.
fn account(ledger: &Ledger) -> Account {
    let balance: i64 = ledger
        .iter()
        .map(|(_, entry)| match entry {
            Entry::Charge(cents) => *cents,
            Entry::Payment(cents) | Entry::Refund(_, cents) => -cents,
        })
        .sum();
    let charges = ledger.iter().filter(|(_, entry)| matches!(entry, Entry::Charge(_)));
    let ages: Vec<i64> = charges.map(|(age, _)| *age).collect();
    let recent = |(age, entry): &(i64, Entry)| match entry {
        Entry::Charge(cents) if *age <= LIMIT_HOURS => *cents,
        Entry::Refund(order, cents) if ages[*order] <= LIMIT_HOURS => -cents,
        _ => 0,
    };
    let newest = ledger.last().map(|(age, _)| moment().now - TimeDelta::hours(*age));
    Account {
        seq: i64::try_from(ledger.len()).expect("short"),
        balance: cents(balance),
        last_at: newest,
        recent_charges: cents(ledger.iter().map(recent).sum()),
    }
}

fn cents(cents: i64) -> Amount {
    Amount::new(Decimal::new(cents, 2)).expect("small")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_closed_form_equals_a_fifo_walk(ledger in ledgers()) {
        let mut world = world();
        world.business.overdue_policy = OverduePolicy::Block;
        let alone = world.customers.get_mut(&id(ALONE)).expect("it exists");
        alone.credit_limit = amount("1000000.00");
        alone.account = account(&ledger);
        let refused = purchase(&world, &buy(ALONE, vec![line(BREAD, 1)])).err();
        let overdue = refused.map(|refusal| (refusal.reason, refusal.outcome["overdue_amount"].clone()));
        let expected = match fifo(&ledger) {
            0 => None,
            unpaid => Some((Reason::CustomerOverdue, DOLLARS.format(cents(unpaid)).into())),
        };
        prop_assert_eq!(overdue, expected);
    }
}
