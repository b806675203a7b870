//! Violations of settled periods: each plant settles October first, as the close would, and then spoils it.

use super::{Plant, plant};

/// Settles the facts' only period.
macro_rules! settled {
    ($then:literal) => {
        concat!(
            "UPDATE commissary.settlement_periods SET state = 'settled', ends_at = '2026-11-01Z', overdue_after_days = 30,
                closing_at = '2026-11-01Z', settled_at = '2026-11-01Z' WHERE period_id = '@51';
             INSERT INTO commissary.settlement_statements
                    (business_id, period_id, kind, party_id, entries, total, hash, lines, job_id)
                SELECT '@a', '@51', c.kind, c.party_id, c.entries, c.total, c.hash, c.lines, '@a99'
                FROM commissary.settlement_computed('@a', '@51') c;
             UPDATE commissary.settlement_periods SET (statements, entries, hash) = (
                SELECT count(*), sum(s.entries) FILTER (WHERE s.kind = 'customer'),
                    encode(sha256(convert_to(string_agg(s.hash, '' ORDER BY s.kind COLLATE \"C\", s.party_id), 'UTF8')), 'hex')
                FROM commissary.settlement_statements s) WHERE period_id = '@51';",
            $then
        )
    };
}

pub const PLANTS: &[Plant] = &[
    plant("a settled period", settled!(""), &[]),
    plant(
        "a statement whose lines were altered",
        settled!(
            "UPDATE commissary.settlement_statements SET lines = jsonb_set(lines, '{0,closing_balance}', '\"0.00\"')
             WHERE kind = 'customer' AND party_id = '@c1'"
        ),
        &[("settlement_recomputed", "period 2026-10 customer @c1: stored 7 entries, 3.6200, hash")],
    ),
    plant(
        "a settled period whose hash was altered",
        settled!("UPDATE commissary.settlement_periods SET hash = repeat('0', 64) WHERE period_id = '@51'"),
        &[("settlement_recomputed", "but its row says 6 of 9 with 000")],
    ),
    plant(
        "a statement of a party without entries",
        settled!(
            "INSERT INTO commissary.settlement_statements
                (business_id, period_id, kind, party_id, entries, total, hash, lines, job_id)
             VALUES ('@a', '@51', 'tax', '@e1', 1, 0, repeat('0', 64), '[]', '@a99')"
        ),
        &[
            ("settlement_recomputed", "period 2026-10: 7 statements of 9 entries"),
            ("settlement_recomputed", "period 2026-10 tax @e1: stored 1 entries, 0.0000"),
        ],
    ),
    plant(
        "an entry in a settled period that its statement misses",
        settled!(
            "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
                credit_limit, created_at, period_id, job_id)
             SELECT business_id, customer_id, seq + 1, 'payment', -1, balance_after, balance_after - 1, credit_limit,
                created_at, period_id, '@a14'
             FROM commissary.credit_ledger WHERE customer_id = '@c2' AND seq = 2;
             INSERT INTO commissary.job_results SELECT business_id, '@a14', 'key 14', 'payment', 'completed', NULL,
                '{\"seq\": 3}', 1, enqueued_at, finished_at, 13, decided_at, '{}', 0, NULL, false
             FROM commissary.job_results WHERE job_id = '@a1';
             UPDATE commissary.queues SET decision_seq = 13 WHERE business_id = '@a'"
        ),
        &[
            ("settlement_missed", "period 2026-10 customer @c2: 3 entries of 9.0000 in the ledgers, 2 of 10.0000 in the statement"),
            ("settlement_recomputed", "period 2026-10 customer @c2: stored 2 entries, 10.0000"),
        ],
    ),
    plant(
        "a statement with too much for an outlet",
        settled!("UPDATE commissary.settlement_statements SET total = total + 1 WHERE kind = 'outlet' AND party_id = '@1'"),
        &[
            ("settlement_missed", "period 2026-10 outlet @1: 6 entries of 30.7500 in the ledgers, 6 of 31.7500"),
            ("settlement_recomputed", "period 2026-10 outlet @1: stored 6 entries, 31.7500"),
            ("settlement_shares", "period 2026-10: outlets 41.7500, but organizations 17.1300 and customers 23.62"),
        ],
    ),
];
