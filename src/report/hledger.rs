//! Bookings in hledger's journal format, which other plain-text accounting programs read as well.
//!
//! Each posting to a customer's account asserts the balance that the credit ledger has after it, so `hledger check`
//! itself proves that the journal's balances are the ledger's.

use std::fmt::Write;

use chrono::SecondsFormat;

use super::Scope;
use super::journal::{Entry, Posting};

/// The directives: one business a file, amounts in its currency with its decimals.
pub(super) fn head(scope: &Scope) -> String {
    // "1.000" would be a thousand to some: the mark is stated, and always written in the commodity's sample.
    let zero = scope.money(rust_decimal::Decimal::ZERO);
    let decimals = zero.split_once('.').map_or("", |(_, decimals)| decimals);
    let code = &scope.currency_code;
    format!(
        "; The credit and subsidy ledgers of business {}.\ndecimal-mark .\ncommodity 1000.{decimals} {code}\n\n",
        scope.business
    )
}

/// One booking, with an empty line after it.
pub(super) fn booking(scope: &Scope, entry: &Entry, postings: &[Posting]) -> String {
    let code = &scope.currency_code;
    let what = match (&entry.refund_id, &entry.order_id) {
        (Some(refund), _) => format!("refund {refund}"),
        (None, Some(order)) => format!("order {order}"),
        (None, None) => format!("payment {}", entry.reference.as_deref().map(one_line).unwrap_or_default()),
    };
    let time = entry.created_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut text = format!("{} * {}  ; seq:{}, time:{time}\n", entry.date, what.trim_end(), entry.seq);
    for (at, posting) in postings.iter().enumerate() {
        let amount = scope.money(posting.amount);
        // The first is the customer's.
        let asserted = if at == 0 { format!(" = {} {code}", scope.money(entry.balance_after)) } else { String::new() };
        writeln!(text, "    {}  {amount} {code}{asserted}", posting.account).expect("a string takes it");
    }
    text.push('\n');
    text
}

/// A free text must not end the line, nor begin a comment.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || c == ';', " ")
}
