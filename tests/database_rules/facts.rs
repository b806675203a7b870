//! What the facts, the queue and its results refuse.

use super::{CHECK, FOREIGN_KEY, NOT_NULL, RESTRICT, Rule, UNIQUE};

/// What may not follow …c2's last entry (seq 2, balance 10): seq, kind, amount, before, after, limit, order, refund.
pub const ENTRIES: &[(&str, &str, &str)] = &[
    ("a balance that is not the predecessor's", "3, 'payment', -1, 9, 8, 50, NULL, NULL", FOREIGN_KEY),
    ("a gap in the chain", "4, 'payment', -1, 10, 9, 50, NULL, NULL", FOREIGN_KEY),
    ("a second entry of one number", "2, 'payment', -1, 10, 9, 50, NULL, NULL", UNIQUE),
    ("a second start", "1, 'payment', -1, 0, -1, 50, NULL, NULL", UNIQUE),
    ("number 0", "0, 'payment', -1, 0, -1, 50, NULL, NULL", CHECK),
    ("wrong arithmetic", "3, 'payment', -1, 10, 8, 50, NULL, NULL", CHECK),
    ("a payment of 0", "3, 'payment', 0, 10, 10, 50, NULL, NULL", CHECK),
    ("a positive payment", "3, 'payment', 1, 10, 11, 50, NULL, NULL", CHECK),
    ("a positive refund", "3, 'refund', 1, 10, 11, 50, '@d1', '@71'", CHECK),
    ("a negative charge", "3, 'charge', -1, 10, 9, 50, '@d1', NULL", CHECK),
    ("an unknown kind", "3, 'gift', -1, 10, 9, 50, NULL, NULL", CHECK),
    ("a charge over the limit", "3, 'charge', 40.01, 10, 50.01, 50, '@d1', NULL", CHECK),
    ("an amount of NaN", "3, 'charge', 'NaN', 10, 'NaN', 50, '@d1', NULL", CHECK),
    ("a negative limit", "3, 'payment', -1, 10, 9, -1, NULL, NULL", CHECK),
    ("a limit of NaN", "3, 'payment', -1, 10, 9, 'NaN', NULL, NULL", CHECK),
    ("a charge without an order", "3, 'charge', 1, 10, 11, 50, NULL, NULL", CHECK),
    ("a payment of an order", "3, 'payment', -1, 10, 9, 50, '@d3', NULL", CHECK),
    ("a refund entry without its refund", "3, 'refund', -1, 10, 9, 50, '@d3', NULL", CHECK),
    ("a second charge of an order", "3, 'charge', 1, 10, 11, 50, '@d3', NULL", UNIQUE),
    ("a charge of an unknown order", "3, 'charge', 1, 10, 11, 50, '@dd', NULL", FOREIGN_KEY),
    ("a second entry of a refund", "3, 'refund', -1, 10, 9, 50, '@d1', '@71'", UNIQUE),
    ("a refund entry of an unknown refund", "3, 'refund', -1, 10, 9, 50, '@d3', '@7f'", FOREIGN_KEY),
];

/// What an order of …c2 may not be: total, subsidy, payable, outlet, organization, office, period, key.
pub const ORDERS: &[(&str, &str, &str)] = &[
    ("a payable and a subsidy that do not make the total", "10, 1, 10, NULL, NULL, NULL, '@51', 'k'", CHECK),
    ("a negative payable", "1, 2, -1, NULL, NULL, NULL, '@51', 'k'", CHECK),
    ("a negative subsidy", "1, -1, 2, NULL, NULL, NULL, '@51', 'k'", CHECK),
    ("a negative total", "-1, 0, -1, NULL, NULL, NULL, '@51', 'k'", CHECK),
    ("a total of NaN", "'NaN', 0, 'NaN', NULL, NULL, NULL, '@51', 'k'", CHECK),
    ("an office without an outlet", "1, 0, 1, NULL, '@e1', '@f1', '@51', 'k'", CHECK),
    ("another business's outlet", "1, 0, 1, '@02', NULL, NULL, '@51', 'k'", FOREIGN_KEY),
    ("another business's period", "1, 0, 1, NULL, NULL, NULL, '@52', 'k'", FOREIGN_KEY),
    ("another organization's office", "1, 0, 1, '@01', '@e1', '@f3', '@51', 'k'", FOREIGN_KEY),
    ("a settled period", "1, 0, 1, NULL, NULL, NULL, '@53', 'k'", RESTRICT),
    ("a closing period", "1, 0, 1, NULL, NULL, NULL, '@54', 'k'", RESTRICT),
    ("a key that has an order", "1, 0, 1, NULL, NULL, NULL, '@51', 'key 1'", UNIQUE),
];

/// The other facts.
pub const FACTS: &[Rule] = &[
    ("a second order of one id", "INSERT INTO commissary.orders (@order) SELECT @order FROM commissary.orders WHERE order_id = '@d3'", UNIQUE),
    ("a line that is not quantity × price", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 2, 10, 0, 10, '@aa')", CHECK),
    ("a line of 0 pieces", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 0, 10, 0, 0, '@aa')", CHECK),
    ("line 0", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 0, '@b1', 1, 10, 0, 10, '@aa')", CHECK),
    ("a line of a negative price", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 1, -1, 0, -1, '@aa')", CHECK),
    ("a line's tax rate over 100", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 1, 10, 100.5, 10, '@aa')", CHECK),
    ("a line of another business's product", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b9', 1, 10, 0, 10, '@aa')", FOREIGN_KEY),
    ("a line of an unknown order", "INSERT INTO commissary.order_items VALUES ('@a', '@dd', 1, '@b1', 1, 10, 0, 10, '@aa')", FOREIGN_KEY),
    ("a line without a job", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 1, 10, 0, 10)", NOT_NULL),
    ("a refunded line without a job", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 20, 10, 10, true, now(), '@51', '@aa');
        INSERT INTO commissary.refund_items VALUES ('@a', '@7f', 1, '@d1', 2, 20)", NOT_NULL),
    ("a refund that is not its parts", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 5, 1, 5, true, now(), '@51', '@aa')", CHECK),
    ("a refund of an unknown order", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@dd', '@c2', 5, 0, 5, true, now(), '@51', '@aa')", FOREIGN_KEY),
    ("a refund into a settled period", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 5, 0, 5, true, now(), '@53', '@aa')", RESTRICT),
    ("a refunded line of another order", "INSERT INTO commissary.refund_items VALUES ('@a', '@71', 2, '@d3', 1, 1, '@aa')", FOREIGN_KEY),
    ("a refunded line that was not bought", "INSERT INTO commissary.refund_items VALUES ('@a', '@71', 2, '@d1', 1, 1, '@aa')", FOREIGN_KEY),
    ("a refund of more than the order", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 10.01, 0, 10.01, true, now(), '@51', '@aa')", RESTRICT),
    ("a refund of more subsidy than was paid", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 11, 10.01, 0.99, true, now(), '@51', '@aa')", RESTRICT),
    ("a credit of more than was payable", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 11, 0.99, 10.01, true, now(), '@51', '@aa')", RESTRICT),
    ("a refund to another customer", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c1', 5, 0, 5, true, now(), '@51', '@aa')", RESTRICT),
    ("a refund of more pieces than remain", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 20, 10, 10, true, now(), '@51', '@aa');
        INSERT INTO commissary.refund_items VALUES ('@a', '@7f', 1, '@d1', 3, 20, '@aa')", RESTRICT),
    ("a line's refund of more than remains", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 20, 10, 10, true, now(), '@51', '@aa');
        INSERT INTO commissary.refund_items VALUES ('@a', '@7f', 1, '@d1', 2, 20.01, '@aa')", RESTRICT),
    ("an entry of a refund of another order", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 2, 1, 1, true, now(), '@51', '@aa');
        INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount, balance_before,
            balance_after, credit_limit, order_id, refund_id) VALUES ('@a', '@c2', now(), '@51', '@aa', 3, 'refund', -1, 10, 9, 50, '@d3', '@7f')", FOREIGN_KEY),
    ("a charge of another customer's order", "INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id, total, subsidy,
            payable, period_id, idempotency_key) VALUES ('@a', '@df', '@c1', now(), '@aa', 1, 0, 1, '@51', 'k');
        INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount, balance_before,
            balance_after, credit_limit, order_id) VALUES ('@a', '@c2', now(), '@51', '@aa', 3, 'charge', 1, 10, 11, 50, '@df')", FOREIGN_KEY),
    ("a charge in another period than its order", "INSERT INTO commissary.settlement_periods VALUES ('@a', '@5a', '2026-11', 'open');
        INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id, total, subsidy,
            payable, period_id, idempotency_key) VALUES ('@a', '@df', '@c2', now(), '@aa', 1, 0, 1, '@51', 'k');
        INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount, balance_before,
            balance_after, credit_limit, order_id) VALUES ('@a', '@c2', now(), '@5a', '@aa', 3, 'charge', 1, 10, 11, 50, '@df')", FOREIGN_KEY),
    ("a payment in an unknown period", "INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind,
            amount, balance_before, balance_after, credit_limit) VALUES ('@a', '@c2', now(), '@5f', '@aa', 3, 'payment', -1, 10, 9, 50)", FOREIGN_KEY),
    ("a first entry of an unknown customer", "INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind,
            amount, balance_before, balance_after, credit_limit) VALUES ('@a', '@cf', now(), '@51', '@aa', 1, 'payment', -1, 0, -1, 50)", FOREIGN_KEY),
    ("a subsidy of another customer's order", "INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id, total, subsidy,
            payable, period_id, idempotency_key) VALUES ('@a', '@df', '@c1', now(), '@aa', 5, 5, 0, '@51', 'k');
        INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l,
            '{\"entry_id\": \"@5f\", \"order_id\": \"@df\", \"customer_id\": \"@c9\"}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", FOREIGN_KEY),
    ("an order of an organization that is not there", "INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id,
            total, subsidy, payable, organization_id, period_id, idempotency_key)
            VALUES ('@a', '@df', '@c1', now(), '@aa', 1, 0, 1, '@ef', '@51', 'k')", FOREIGN_KEY),
    ("an order of an office without its organization", "INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id,
            total, subsidy, payable, outlet_id, office_id, period_id, idempotency_key)
            VALUES ('@a', '@df', '@c1', now(), '@aa', 1, 0, 1, '@01', '@f1', '@51', 'k')", CHECK),
    ("a second reversal of a refund", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\"}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@56') n", UNIQUE),
    ("a reversal of a refund of another order", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 2, 0, 2, true, now(), '@51', '@aa');
        INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"refund_id\": \"@7f\"}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@56') n", FOREIGN_KEY),
    ("an overrun budget", "UPDATE commissary.subsidy_budgets SET budget_used = 1000.01 WHERE program_id = '@91'", CHECK),
    ("a budget's use below zero", "UPDATE commissary.subsidy_budgets SET budget_used = -0.01 WHERE program_id = '@91'", CHECK),
    ("a budget's use of NaN", "UPDATE commissary.subsidy_budgets SET budget_used = 'NaN' WHERE program_id = '@91'", CHECK),
    ("a total below the use", "UPDATE commissary.subsidy_budgets SET total_budget = 1 WHERE program_id = '@91'", CHECK),
    ("a lifetime that starts late", "INSERT INTO commissary.subsidy_budgets VALUES ('@a', '@94', 'lifetime', '2026-10-01', 1, 0)", CHECK),
    ("a second subsidy of an order", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\"}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", UNIQUE),
    ("a subsidy of zero", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"applied_amount\": 0}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", CHECK),
    ("a subsidy from no budget", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"order_id\": \"@d3\",
        \"program_id\": \"@9f\"}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", FOREIGN_KEY),
    ("a negative subsidy without its refund", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\",
        \"applied_amount\": -1}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", CHECK),
    ("more returned to the budget than taken back", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\",
        \"returned_to_budget\": 5.01}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@56') n", CHECK),
    ("a snapshot that is no object", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"order_id\": \"@d3\",
        \"program_snapshot\": []}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", CHECK),
    ("an evaluation that is no array", "INSERT INTO commissary.subsidy_ledger (@subsidy) SELECT @subsidy FROM (SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"order_id\": \"@d3\",
        \"evaluation\": {}}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59') n", CHECK),
    ("a movement of nothing", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'adjustment', 0, 'x', '@aa')", CHECK),
    ("a receipt that takes", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'receipt', -1, 'x', '@aa')", CHECK),
    ("an adjustment without its job", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason) VALUES ('@a', '@b1', 'adjustment', 1, 'x')", CHECK),
    ("a movement without a reason", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'receipt', 1, ' ', '@aa')", CHECK),
    ("a movement of another business's product", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b9', 'receipt', 1, 'x', '@aa')", FOREIGN_KEY),
    ("an overdue event of another business's customer", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c9', now(), '@aa', 1, 'became_overdue', 5, 5, 0, 5, 0, 0, 0, now())", FOREIGN_KEY),
    ("a first event that clears", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 1, 'cleared', 0, 0, 0, 0, 0, 0, 0, NULL)", CHECK),
    ("a second event that is as the first", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 2, 'became_overdue', 5, 5, 0, 5, 0, 0, 0, now())", CHECK),
    ("became overdue with nothing overdue", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 1, 'became_overdue', 0, 5, 5, 0, 0, 0, 0, now())", CHECK),
    ("aging that is not the balance", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 1, 'became_overdue', 5, 5, 1, 5, 0, 0, 0, now())", CHECK),
    ("aging that is not what is overdue", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 1, 'became_overdue', 5, 5, 1, 4, 0, 0, 0, now())", CHECK),
    ("a debt without its oldest charge", "INSERT INTO commissary.overdue_events (business_id, event_id, customer_id, created_at, job_id, seq, kind, overdue_amount, balance, not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at) VALUES ('@a', '@d1', '@c1', now(), '@aa', 1, 'became_overdue', 5, 5, 0, 5, 0, 0, 0, NULL)", CHECK),
    ("a month 13", "INSERT INTO commissary.settlement_periods (business_id, period) VALUES ('@a', '2026-13')", CHECK),
    ("a period twice", "INSERT INTO commissary.settlement_periods (business_id, period) VALUES ('@a', '2026-10')", UNIQUE),
    ("an unknown period's state", "UPDATE commissary.settlement_periods SET state = 'reopened'", CHECK),
];

/// The queue and its results.
pub const QUEUE: &[Rule] = &[
    ("a job of an unknown kind", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'gift', 'k', '{}')", CHECK),
    ("a job with an empty key", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'payment', '', '{}')", CHECK),
    ("a job with a key of 201 characters", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'payment', repeat('é', 201), '{}')", CHECK),
    ("a job in an unknown state", "UPDATE commissary.jobs SET state = 'claimed'", CHECK),
    ("a job of negative attempts", "UPDATE commissary.jobs SET attempts = -1", CHECK),
    ("a job whose kind becomes unknown", "UPDATE commissary.jobs SET kind = 'gift'", CHECK),
    ("a job whose key becomes empty", "UPDATE commissary.jobs SET idempotency_key = ''", CHECK),
    ("a job of a key that waits", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'payment', 'key 13', '{}')", UNIQUE),
    ("a second result of a key", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"decision_seq\": 99}')).*
        FROM commissary.job_results r WHERE job_id = '@a1'", UNIQUE),
    ("a second result of a job", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"idempotency_key\": \"k\", \"decision_seq\": 99}')).*
        FROM commissary.job_results r WHERE job_id = '@a1'", UNIQUE),
    ("a decision counted twice", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"idempotency_key\": \"k\"}')).*
        FROM commissary.job_results r WHERE job_id = '@a1'", UNIQUE),
    ("a rejection without a reason", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"idempotency_key\": \"k\",
        \"decision_seq\": 99, \"status\": \"rejected\"}')).* FROM commissary.job_results r WHERE job_id = '@a1'", CHECK),
    ("a completion with a reason", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"idempotency_key\": \"k\",
        \"decision_seq\": 99, \"reason\": \"malformed\"}')).* FROM commissary.job_results r WHERE job_id = '@a1'", CHECK),
    ("an unknown status", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"idempotency_key\": \"k\",
        \"decision_seq\": 99, \"status\": \"lost\"}')).* FROM commissary.job_results r WHERE job_id = '@a1'", CHECK),
    ("an outcome that is no object", "INSERT INTO commissary.job_results SELECT (jsonb_populate_record(r, '{\"job_id\": \"@af\", \"idempotency_key\": \"k\",
        \"decision_seq\": 99, \"outcome\": []}')).* FROM commissary.job_results r WHERE job_id = '@a1'", CHECK),
];
