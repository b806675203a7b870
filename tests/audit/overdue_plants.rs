//! Violations of what is overdue: aging that the ledger does not bear out, and events of a scan.

use super::{Plant, plant};

/// An event of customer c2, whose result is there, with these values after its customer.
macro_rules! event {
    ($($values:literal),+) => {
        concat!(
            "INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, outcome, attempts, enqueued_at, \
                finished_at, decision_seq, decided_at, payload) VALUES ('@a', '@ac', 'scan', 'overdue_scan', 'completed', '{}', 1, \
                now(), now(), 13, now(), '{}'); UPDATE commissary.queues SET decision_seq = 13 WHERE business_id = '@a';",
            $("INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, oldest_unpaid_at, seq, kind, \
                overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90)
                VALUES ('@a', gen_random_uuid(), '@c2', now(), '@ac', now(), ", $values, ");"),+
        )
    };
}

pub const PLANTS: &[Plant] = &[
    // The newest entry looks as old as can be, and hides from the view that the charge before it is not due.
    plant(
        "an account whose entries are not in the order of time",
        "UPDATE commissary.credit_ledger SET created_at = '2999-01-01Z' WHERE customer_id = '@c2' AND seq = 1;
         UPDATE commissary.credit_ledger SET created_at = '1970-01-01Z' WHERE customer_id = '@c2' AND seq = 2",
        &[
            ("ledger_chain", "customer @c2 seq 2: created at 1970-01-01"),
            (
                "aging",
                "customer @c2: a balance of 10.0000 is aged {0.0000,0.0000,0.0000,0.0000,10.0000}, by all its entries {10.0000,",
            ),
        ],
    ),
    plant(
        "a view that ages what nobody owes",
        "CREATE OR REPLACE VIEW commissary.customer_credit WITH (security_invoker = true) AS
            SELECT p.business_id, p.customer_id, p.balance, p.current_credit_limit AS credit_limit,
                p.current_credit_limit - p.balance AS available, p.past_due AS overdue_amount, p.oldest_unpaid_at,
                p.past_due > 0 AS is_overdue, p.unpaid - p.past_due + 7 AS not_due, p.past_due - p.past_30 AS days_1_30,
                p.past_30 - p.past_60 AS days_31_60, p.past_60 - p.past_90 AS days_61_90, p.past_90 AS days_over_90
            FROM commissary.credit_positions('@a', 'infinity', now()) p WHERE p.customer_id = '@c2'",
        &[("aging", "customer @c2: a balance of 10.0000 is aged {")],
    ),
    plant(
        "an overdue event whose aging does not sum",
        concat!(
            "ALTER TABLE commissary.overdue_events DROP CONSTRAINT overdue_events_aging;",
            event!("1, 'became_overdue', 5, 10, 4, 5, 0, 0, 0")
        ),
        &[("overdue_events", "customer @c2 overdue event 1: a balance of 10.0000 is aged 9.0000")],
    ),
    plant(
        "an overdue amount that is not past due",
        concat!(
            "ALTER TABLE commissary.overdue_events DROP CONSTRAINT overdue_events_aging;",
            event!("1, 'became_overdue', 6, 10, 5, 5, 0, 0, 0")
        ),
        &[("overdue_events", "customer @c2 overdue event 1: 6.0000 overdue, but 5.0000 past due")],
    ),
    plant(
        "a customer who became overdue twice",
        concat!(
            "ALTER TABLE commissary.overdue_events DROP CONSTRAINT overdue_events_alternate;",
            event!("1, 'became_overdue', 5, 10, 5, 5, 0, 0, 0", "2, 'became_overdue', 5, 10, 5, 5, 0, 0, 0")
        ),
        &[("overdue_events", "customer @c2 overdue event 2: became_overdue after became_overdue")],
    ),
    plant(
        "a customer who was cleared while overdue",
        concat!(
            "ALTER TABLE commissary.overdue_events DROP CONSTRAINT overdue_events_overdue_exactly_if_became;",
            event!("1, 'became_overdue', 5, 10, 5, 5, 0, 0, 0", "2, 'cleared', 5, 10, 5, 5, 0, 0, 0")
        ),
        &[("overdue_events", "customer @c2 overdue event 2: cleared with 5.0000 overdue")],
    ),
    plant(
        "an overdue event that is missing",
        event!("3, 'became_overdue', 5, 10, 5, 5, 0, 0, 0"),
        &[("overdue_events", "customer @c2 overdue event 3: it is number 1")],
    ),
];
