//! `journal`: the ledgers as balanced double-entry bookings, in order of time.
//!
//! Each credit entry is one booking. An order debits the customer and, for the subsidy, the employing organization, and
//! credits net sales and tax by rate. A payment moves the receivable to cash. A refund reverses its part of the order:
//! the tax it takes back is the tax on what was kept before less the tax on what is kept after, so an order that is
//! returned in steps ends at zero to the cent. Tax is rounded per order here and per period in the tax report: the two
//! may differ by a fraction of a cent per order. Stock is not valued.

use std::io::Write;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::tax::{included, rate_text};
use super::{Cell, Column, Output, ReportError, Scope, hledger};
use crate::ids::BusinessId;

/// The columns: one row a posting; those with the same customer and seq make a booking, and sum to zero.
pub const COLUMNS: &[Column] = &[
    Column::text("business_id"),
    Column::text("date"),
    Column::text("created_at"),
    Column::text("kind"),
    Column::text("customer_id"),
    Column::number("seq"),
    Column::text("order_id"),
    Column::text("refund_id"),
    Column::text("account"),
    Column::number("amount"),
];

/// A credit entry and what stands behind it, as the database gives it.
pub(super) struct Entry {
    pub(super) customer_id: Uuid,
    pub(super) seq: i64,
    pub(super) kind: String,
    pub(super) created_at: DateTime<Utc>,
    /// The day in the business's time zone.
    pub(super) date: NaiveDate,
    pub(super) amount: Decimal,
    pub(super) balance_after: Decimal,
    pub(super) order_id: Option<Uuid>,
    pub(super) refund_id: Option<Uuid>,
    pub(super) reference: Option<String>,
    organization_id: Option<Uuid>,
    /// The organization's share: negative if given back.
    subsidy: Decimal,
    rates: Vec<Decimal>,
    /// By rate: the order's gross that is kept before and after this entry.
    kept_before: Vec<Decimal>,
    kept_after: Vec<Decimal>,
}

/// One line of a booking.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) account: String,
    /// A debit is positive, a credit negative.
    pub(super) amount: Decimal,
}

/// Writes every booking of the business.
///
/// # Errors
/// [`ReportError`] if they cannot be read or written.
pub async fn write<W: Write>(
    connection: &mut PgConnection,
    scope: &Scope,
    out: &mut Output<W>,
) -> Result<(), ReportError> {
    if out.is_plain() {
        out.text(&hledger::head(scope))?;
    }
    let mut entries =
        sqlx::query_file_as!(Entry, "src/report/sql/journal.sql", scope.business as BusinessId, scope.as_of)
            .fetch(connection);
    while let Some(entry) = entries.try_next().await? {
        let postings = postings(&entry, scope);
        let rest: Decimal = postings.iter().map(|posting| posting.amount).sum();
        if !rest.is_zero() {
            out.problem(&format!(
                "customer {} of business {}, entry {}: its booking is off by {}: run `commissary audit`",
                entry.customer_id,
                scope.business,
                entry.seq,
                scope.money(rest)
            ));
        }
        if out.is_plain() {
            out.text(&hledger::booking(scope, &entry, &postings))?;
        } else {
            for posting in postings {
                out.row(&cells(scope, &entry, posting))?;
            }
        }
    }
    Ok(())
}

/// The entry's lines, without those of zero; the customer's always stands.
fn postings(entry: &Entry, scope: &Scope) -> Vec<Posting> {
    let mut postings =
        vec![Posting { account: format!("assets:receivable:customers:{}", entry.customer_id), amount: entry.amount }];
    let mut post = |account: String, amount: Decimal| {
        if !amount.is_zero() {
            postings.push(Posting { account, amount });
        }
    };
    if entry.kind == "payment" {
        post("assets:cash".to_owned(), -entry.amount);
        return postings;
    }
    // Only an organization's program gives a subsidy, so an order with one names it.
    let organization = entry.organization_id.unwrap_or_default();
    post(format!("assets:receivable:organizations:{organization}"), entry.subsidy);
    for ((rate, before), after) in entry.rates.iter().zip(&entry.kept_before).zip(&entry.kept_after) {
        let tax = included(*after, *rate, scope.currency) - included(*before, *rate, scope.currency);
        let net = after - before - tax;
        post(format!("income:sales:{}", rate_text(*rate)), -net);
        post(format!("liabilities:tax:{}", rate_text(*rate)), -tax);
    }
    postings
}

fn cells(scope: &Scope, entry: &Entry, posting: Posting) -> [Cell; 10] {
    [
        scope.business.0.into(),
        entry.date.to_string().into(),
        entry.created_at.into(),
        entry.kind.as_str().into(),
        entry.customer_id.into(),
        entry.seq.into(),
        entry.order_id.into(),
        entry.refund_id.into(),
        posting.account.into(),
        scope.money(posting.amount).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal literal")
    }

    fn scope() -> Scope {
        let currency = Currency::with_exponent(2);
        Scope { business: BusinessId(Uuid::nil()), currency, currency_code: "USD".to_owned(), as_of: None }
    }

    fn entry(kind: &str, amount: &str, subsidy: &str, kept: (&str, &str)) -> Entry {
        Entry {
            customer_id: Uuid::nil(),
            seq: 1,
            kind: kind.to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            date: NaiveDate::default(),
            amount: dec(amount),
            balance_after: dec(amount),
            order_id: None,
            refund_id: None,
            reference: None,
            organization_id: Some(Uuid::nil()),
            subsidy: dec(subsidy),
            rates: vec![dec("7.0000")],
            kept_before: vec![dec(kept.0)],
            kept_after: vec![dec(kept.1)],
        }
    }

    #[test]
    fn an_order_returned_in_steps_ends_at_zero_in_every_account() {
        let steps = [
            entry("charge", "9.00", "1.00", ("0", "10.00")),
            entry("refund", "-3.00", "-0.33", ("10.00", "6.67")),
            entry("refund", "-3.00", "-0.33", ("6.67", "3.34")),
            entry("refund", "-3.00", "-0.34", ("3.34", "0")),
        ];
        let mut accounts = std::collections::BTreeMap::<String, Decimal>::new();
        for step in &steps {
            let postings = postings(step, &scope());
            assert_eq!(postings.iter().map(|posting| posting.amount).sum::<Decimal>(), Decimal::ZERO);
            for posting in postings {
                *accounts.entry(posting.account).or_default() += posting.amount;
            }
        }
        assert_eq!(accounts.len(), 4);
        assert!(accounts.values().all(Decimal::is_zero), "{accounts:?}");
    }

    #[test]
    fn tax_is_taken_out_of_the_price_and_the_subsidy_does_not_lower_it() {
        let postings = postings(&entry("charge", "9.00", "1.00", ("0", "10.00")), &scope());
        let amounts: Vec<(&str, String)> = postings
            .iter()
            .map(|posting| (posting.account.rsplit_once(':').expect("an account").0, posting.amount.to_string()))
            .collect();
        assert_eq!(
            amounts,
            [
                ("assets:receivable:customers", "9.00".to_owned()),
                ("assets:receivable:organizations", "1.00".to_owned()),
                ("income:sales", "-9.35".to_owned()),
                ("liabilities:tax", "-0.65".to_owned()),
            ]
        );
    }
}
