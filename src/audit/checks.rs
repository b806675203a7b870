//! The list of checks: which file proves which invariant of DOMAIN. Each file is one statement that takes the business
//! and the most keys to name, and returns no row when the invariant holds.

use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::{KEYS_MAX, Violation, isolation};
use crate::db::DbError;
use crate::ids::BusinessId;

/// One check of one invariant.
pub struct Check {
    /// The number of the invariant in DOMAIN; a rule that stands elsewhere there has none.
    pub invariant: Option<u8>,
    /// Its name, which is its file's.
    pub name: &'static str,
    /// What holds if it finds nothing.
    pub holds: &'static str,
    pub(super) find: Find,
}

type Find = for<'c> fn(&'c mut PgConnection, BusinessId) -> BoxFuture<'c, Result<Vec<Violation>, DbError>>;

macro_rules! check {
    ($invariant:expr, $name:literal, $path:literal, $holds:literal) => {
        Check {
            invariant: $invariant,
            name: $name,
            holds: $holds,
            find: |connection, business| {
                Box::pin(async move {
                    let found = sqlx::query_file_as!(Violation, $path, business as BusinessId, KEYS_MAX as i64);
                    Ok(found.fetch_all(connection).await?)
                })
            },
        }
    };
}

/// Every check, in the order of DOMAIN's invariants.
pub const CHECKS: &[Check] = &[
    check!(Some(1), "ledger_chain", "src/audit/sql/ledger_chain.sql", "each credit entry continues its predecessor"),
    check!(
        Some(1),
        "ledger_sums",
        "src/audit/sql/ledger_sums.sql",
        "the last balance is the sum of the account's entries"
    ),
    check!(Some(2), "charge_over_limit", "src/audit/sql/charge_over_limit.sql", "no charge is above its credit limit"),
    check!(
        Some(3),
        "stock",
        "src/audit/sql/stock.sql",
        "stock is what was moved, sold and restocked, and not below zero"
    ),
    check!(
        Some(4),
        "order_totals",
        "src/audit/sql/order_totals.sql",
        "an order's total is its lines', and what is paid"
    ),
    check!(
        Some(5),
        "budget_use",
        "src/audit/sql/budget_use.sql",
        "a budget's use is what was applied less what was returned"
    ),
    check!(Some(6), "subsidy_once", "src/audit/sql/subsidy_once.sql", "an order has one subsidy at the most"),
    check!(
        Some(6),
        "subsidy_of_order",
        "src/audit/sql/subsidy_of_order.sql",
        "an order's subsidy is its ledger entry's"
    ),
    check!(
        Some(6),
        "subsidy_recomputed",
        "src/audit/sql/subsidy_recomputed.sql",
        "a subsidy is what its snapshot gives"
    ),
    check!(Some(6), "subsidy_beaten", "src/audit/sql/subsidy_beaten.sql", "no fundable candidate beats the chosen one"),
    check!(
        Some(6),
        "subsidy_missed",
        "src/audit/sql/subsidy_missed.sql",
        "nobody paid in full beside a fundable candidate"
    ),
    check!(Some(7), "returned_lines", "src/audit/sql/returned_lines.sql", "no line is returned beyond what was bought"),
    check!(
        Some(7),
        "returned_orders",
        "src/audit/sql/returned_orders.sql",
        "no order is returned beyond what was paid"
    ),
    check!(
        Some(7),
        "refund_entries",
        "src/audit/sql/refund_entries.sql",
        "a refund is borne out by its lines and entries"
    ),
    check!(Some(8), "charge_of_order", "src/audit/sql/charge_of_order.sql", "an order has exactly its charge"),
    check!(Some(9), "one_result_a_key", "src/audit/sql/one_result_a_key.sql", "a key has one result, or waits"),
    check!(
        Some(9),
        "completed_without_facts",
        "src/audit/sql/completed_without_facts.sql",
        "a completed job has its facts"
    ),
    check!(Some(9), "facts_without_result", "src/audit/sql/facts_without_result.sql", "a fact is of a completed job"),
    check!(Some(9), "job_of_lines", "src/audit/sql/job_of_lines.sql", "a line is of the job of its order or refund"),
    check!(Some(9), "decision_seq", "src/audit/sql/decision_seq.sql", "decisions are counted without a gap"),
    check!(
        Some(10),
        "office_without_outlet",
        "src/audit/sql/office_without_outlet.sql",
        "an office's order names an outlet"
    ),
    check!(
        Some(11),
        "aging",
        "src/audit/sql/aging.sql",
        "aging sums to the debt, and is what all entries together give"
    ),
    check!(
        Some(11),
        "overdue_events",
        "src/audit/sql/overdue_events.sql",
        "a customer becomes overdue and is cleared in turn, with aging that sums"
    ),
    check!(
        Some(12),
        "settlement_recomputed",
        "src/audit/sql/settlement_recomputed.sql",
        "a settled period recomputes to its statements"
    ),
    check!(
        Some(12),
        "settlement_missed",
        "src/audit/sql/settlement_missed.sql",
        "statements hold every entry of their period"
    ),
    check!(
        Some(12),
        "settlement_shares",
        "src/audit/sql/settlement_shares.sql",
        "outlets get what organizations and customers owe"
    ),
    Check {
        invariant: Some(13),
        name: "isolation",
        holds: "no table shows a row of another business",
        find: |connection, business| Box::pin(isolation::find(connection, business)),
    },
    check!(None, "decimals", "src/audit/sql/decimals.sql", "no amount has more decimals than its currency"),
];
