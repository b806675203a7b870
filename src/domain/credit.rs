//! The credit account: what is available, what is overdue, and the next entry of its ledger.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::effects::{CreditEntry, CreditKind};
use super::snapshot::{Account, Customer};
use crate::ids::CustomerId;
use crate::money::{AMOUNT_LIMIT, Amount, OutOfRange};

/// `credit_limit − balance`, unclipped. A plain decimal, because a large limit and a large balance in the customer's
/// favour may together exceed `numeric(18,4)`; it is shown, never stored.
pub(super) fn available(credit_limit: Amount, balance: Amount) -> Decimal {
    credit_limit.decimal().saturating_sub(balance.decimal())
}

/// What is overdue: the balance less the charges that are not yet older than the limit, never below zero. Payments
/// settle the oldest charge first, so what exceeds the recent charges is older (tested against a FIFO oracle).
pub(super) fn overdue(account: &Account) -> Amount {
    // Only a balance far in the customer's favour makes the difference too large to store.
    account.balance.minus(account.recent_charges).unwrap_or(Amount::ZERO).max(Amount::ZERO)
}

/// Whether a charge would take the balance over the limit. One of zero never does, not even above a lowered limit;
/// a balance too large to be stored is over any limit.
pub(super) fn exceeds_limit(customer: &Customer, charge: Amount) -> bool {
    let within = || customer.account.balance.plus(charge).is_ok_and(|after| after <= customer.credit_limit);
    charge.is_positive() && !within()
}

/// The next entry of a customer's ledger, stamped `now` or, should the clock have gone back, like its predecessor.
///
/// # Errors
/// [`OutOfRange`] if the balance after it could not be stored.
pub(super) fn next_entry(
    id: CustomerId,
    customer: &Customer,
    kind: CreditKind,
    amount: Amount,
    now: DateTime<Utc>,
) -> Result<CreditEntry, OutOfRange> {
    let account = &customer.account;
    Ok(CreditEntry {
        customer: id,
        seq: account.seq.saturating_add(1),
        kind,
        amount,
        balance_before: account.balance,
        balance_after: account.balance.plus(amount)?,
        credit_limit: customer.credit_limit,
        order: None,
        refund: None,
        reference: None,
        created_at: account.last_at.map_or(now, |last| last.max(now)),
    })
}

/// Carries an entry into the account. A charge of this moment is never older than the overdue limit, so it counts
/// among the recent ones; should their sum exceed what an amount holds, the highest amount serves as well, because no
/// balance exceeds it.
pub(super) fn append(account: &mut Account, entry: &CreditEntry) {
    account.seq = entry.seq;
    account.balance = entry.balance_after;
    account.last_at = Some(entry.created_at);
    match entry.kind {
        CreditKind::Charge => {
            account.recent_charges = account.recent_charges.plus(entry.amount).unwrap_or_else(|OutOfRange| highest());
        }
        // What a refund takes off the recent charges depends on its order: see `take_back`.
        CreditKind::Payment | CreditKind::Refund => {}
    }
}

/// Takes what was credited for an order whose charge is recent off the recent charges.
pub(super) fn take_back(account: &mut Account, credited: Amount) {
    account.recent_charges = account.recent_charges.minus(credited).unwrap_or(Amount::ZERO);
}

fn highest() -> Amount {
    let smallest_step = Decimal::new(1, 4);
    Amount::new(AMOUNT_LIMIT.saturating_sub(smallest_step)).expect("it is below the limit")
}
