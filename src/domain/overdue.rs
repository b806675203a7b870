//! Aging of a whole account: what of each charge is unpaid, how long past due, and which charge is the oldest unpaid.
//!
//! The walk over all entries from the first one: payments settle the oldest charge first, a refund first reduces the
//! charge of its own order, and what it frees settles others. It is the readable form of the rule; the database's
//! `customer_credit` computes the same from the end of the ledger, and `credit::overdue` from its recent sum. Tests hold
//! the forms against each other.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::OrderId;
use crate::money::{Amount, OutOfRange};

/// An entry of a customer's credit ledger, as far as aging depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgedEntry {
    /// Positive uses credit.
    pub amount: Amount,
    /// The order charged or refunded; none for a payment. The first entry of an order is its charge.
    pub order: Option<OrderId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What an account owes, by days past due. The buckets sum to `greatest(balance, 0)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aging {
    /// The sum of the entries; negative is the customer's own money.
    pub balance: Amount,
    /// Not yet past due.
    pub not_due: Amount,
    /// Less than 30 days past due, or exactly.
    pub days_1_30: Amount,
    /// Up to 60 days past due.
    pub days_31_60: Amount,
    /// Up to 90 days past due.
    pub days_61_90: Amount,
    /// More than 90 days past due.
    pub days_over_90: Amount,
    /// When the oldest charge that is not wholly paid was made.
    pub oldest_unpaid_at: Option<DateTime<Utc>>,
}

impl Aging {
    /// What is past due, in all.
    ///
    /// # Errors
    /// [`OutOfRange`] if the sum cannot be stored.
    pub fn overdue(&self) -> Result<Amount, OutOfRange> {
        self.days_1_30.plus(self.days_31_60)?.plus(self.days_61_90)?.plus(self.days_over_90)
    }

    fn bucket(&mut self, past_due: TimeDelta) -> &mut Amount {
        let days = |days| TimeDelta::days(days);
        match past_due {
            past if past <= days(0) => &mut self.not_due,
            past if past <= days(30) => &mut self.days_1_30,
            past if past <= days(60) => &mut self.days_31_60,
            past if past <= days(90) => &mut self.days_61_90,
            _ => &mut self.days_over_90,
        }
    }
}

/// Ages an account at `now` by its entries, in the order of their `seq`. A charge is past due when it is older than
/// `overdue_after_days` days of 24 hours.
///
/// # Errors
/// [`OutOfRange`] if a sum of the entries cannot be stored.
pub fn age(entries: &[AgedEntry], now: DateTime<Utc>, overdue_after_days: u32) -> Result<Aging, OutOfRange> {
    let (charges, mut money) = settle(entries)?;
    let mut aging = Aging::default();
    for entry in entries {
        aging.balance = aging.balance.plus(entry.amount)?;
    }
    let limit = TimeDelta::days(i64::from(overdue_after_days));
    for charge in charges {
        let settled = money.min(charge.amount).max(Amount::ZERO);
        money = money.minus(settled)?;
        let unpaid = charge.amount.minus(settled)?;
        if unpaid.is_positive() {
            aging.oldest_unpaid_at = aging.oldest_unpaid_at.or(Some(charge.created_at));
            let age = now.signed_duration_since(charge.created_at);
            let bucket = aging.bucket(age.checked_sub(&limit).ok_or(OutOfRange)?);
            *bucket = bucket.plus(unpaid)?;
        }
    }
    Ok(aging)
}

/// The charges less the refunds of their orders, oldest first, and the money paid. A refund that exceeds what is unpaid
/// of its charge frees what was paid of it: the same as if that money had gone to the next charges at once.
fn settle(entries: &[AgedEntry]) -> Result<(Vec<AgedEntry>, Amount), OutOfRange> {
    let mut charges: Vec<AgedEntry> = Vec::new();
    let mut placed: HashMap<OrderId, usize> = HashMap::new();
    let mut money = Amount::ZERO;
    for entry in entries {
        let Some(order) = entry.order else {
            money = money.minus(entry.amount)?;
            continue;
        };
        match placed.get(&order).and_then(|&position| charges.get_mut(position)) {
            Some(charge) => charge.amount = charge.amount.plus(entry.amount)?,
            None => {
                placed.insert(order, charges.len());
                charges.push(*entry);
            }
        }
    }
    Ok((charges, money))
}
