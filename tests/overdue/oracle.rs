//! Random ledgers, and the rule walked entry by entry: money goes to the oldest unpaid charge, a refund first to its own.

use chrono::{DateTime, TimeDelta, Utc};
use commissary::domain::overdue::{AgedEntry, Aging};
use commissary::ids::OrderId;
use commissary::money::Amount;
use fastrand::Rng;
use rust_decimal::Decimal;
use uuid::Uuid;

const ENTRIES_MAX: usize = 40;
/// Farther back than the last bucket begins, whatever the limit of the test's businesses.
const AGE_MAX_HOURS: i64 = 24 * 200;

/// An entry of a ledger, in cents: a charge is positive, the first of its order; a payment has no order.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub kind: &'static str,
    pub cents: i64,
    pub order: Option<Uuid>,
    pub at: DateTime<Utc>,
}

/// What is unpaid, in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    pub balance: i64,
    /// Not due, 1–30, 31–60, 61–90, more than 90 days past due.
    pub buckets: [i64; 5],
    pub oldest: Option<DateTime<Utc>>,
}

/// Charges, some of zero, payments, some too high, and refunds, some of all and some of zero. Ages fall upon the
/// cut-offs of `limit_days` often, and entries upon one another.
pub fn ledger(rng: &mut Rng, now: DateTime<Utc>, limit_days: i64) -> Vec<Entry> {
    let mut ages: Vec<TimeDelta> = (0..rng.usize(0..=ENTRIES_MAX)).map(|_| age(rng, limit_days)).collect();
    ages.sort_by_key(|age| std::cmp::Reverse(*age));
    // Who pays how much of what he owes: some nearly nothing, some far too much.
    let zeal = rng.i64(0..=200);
    let mut entries: Vec<Entry> = Vec::new();
    let mut left: Vec<(Uuid, i64)> = Vec::new();
    for age in ages {
        let balance: i64 = entries.iter().map(|entry| entry.cents).sum();
        let (kind, cents, order) = match rng.u8(0..10) {
            0..=1 if !left.is_empty() => {
                let position = rng.usize(0..left.len());
                let (order, remaining) = &mut left[position];
                let cents = if rng.bool() { *remaining } else { rng.i64(0..=*remaining) };
                *remaining -= cents;
                ("refund", -cents, Some(*order))
            }
            2..=3 => ("payment", -(balance.max(100) * zeal / 100).max(1), None),
            _ => {
                let cents = if rng.u8(0..8) == 0 { 0 } else { rng.i64(1..=9_999) };
                let order = Uuid::from_u128(rng.u128(..));
                left.push((order, cents));
                ("charge", cents, Some(order))
            }
        };
        entries.push(Entry { kind, cents, order, at: now - age });
    }
    entries
}

fn age(rng: &mut Rng, limit_days: i64) -> TimeDelta {
    let cut_off = TimeDelta::days(limit_days + 30 * rng.i64(0..=3));
    match rng.u8(0..6) {
        0 => cut_off,
        1 => cut_off + TimeDelta::microseconds(1),
        _ => TimeDelta::hours(rng.i64(0..AGE_MAX_HOURS)),
    }
}

/// The account at `now`, by walking the entries.
pub fn walk(entries: &[Entry], now: DateTime<Utc>, limit_days: i64) -> Owed {
    let mut unpaid: Vec<(Entry, i64)> = Vec::new();
    let mut held = 0;
    for entry in entries {
        match entry.kind {
            "charge" => unpaid.push((*entry, entry.cents)),
            "payment" => held -= entry.cents,
            _ => {
                let own = unpaid.iter_mut().find(|(charge, _)| charge.order == entry.order).expect("it was charged");
                let reduced = own.1.min(-entry.cents);
                own.1 -= reduced;
                held += -entry.cents - reduced;
            }
        }
        for (_, cents) in &mut unpaid {
            let settled = held.min(*cents);
            *cents -= settled;
            held -= settled;
        }
    }
    let mut owed = Owed { balance: entries.iter().map(|entry| entry.cents).sum(), ..Owed::default() };
    for (charge, cents) in unpaid.iter().filter(|(_, cents)| *cents > 0) {
        owed.oldest = owed.oldest.or(Some(charge.at));
        let bucket = (0..4).filter(|month| charge.at < now - TimeDelta::days(limit_days + 30 * month)).count();
        owed.buckets[bucket] += cents;
    }
    owed
}

/// The same account as the domain's pure form takes it.
pub fn aged(entries: &[Entry]) -> Vec<AgedEntry> {
    let aged = |entry: &Entry| AgedEntry {
        amount: amount(entry.cents),
        order: entry.order.map(OrderId),
        created_at: entry.at,
    };
    entries.iter().map(aged).collect()
}

/// What the domain's pure form says, in the oracle's terms.
pub fn in_cents(aging: &Aging) -> Owed {
    let buckets = [aging.not_due, aging.days_1_30, aging.days_31_60, aging.days_61_90, aging.days_over_90];
    Owed {
        balance: cents(aging.balance.decimal()),
        buckets: buckets.map(|bucket| cents(bucket.decimal())),
        oldest: aging.oldest_unpaid_at,
    }
}

pub fn cents(amount: Decimal) -> i64 {
    i64::try_from(amount * Decimal::ONE_HUNDRED).expect("whole cents")
}

fn amount(cents: i64) -> Amount {
    Amount::new(Decimal::new(cents, 2)).expect("small")
}
