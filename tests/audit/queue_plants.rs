//! Violations of refunds, charges, results, isolation and decimals.

use super::{Plant, plant};

pub const PLANTS: &[Plant] = &[
    plant(
        "more pieces returned than bought",
        "UPDATE commissary.refund_items SET quantity = 4;
         UPDATE commissary.products SET stock = stock + 3 WHERE product_id = '@b1'",
        &[("returned_lines", "order @d1 line 1: returned 4 of 3 pieces, 10.0000 of 30.0000")],
    ),
    plant(
        "more money returned on a line than paid",
        "UPDATE commissary.refund_items SET total = 30.01",
        &[
            ("returned_lines", "order @d1 line 1: returned 1 of 3 pieces, 30.0100 of 30.0000"),
            ("refund_entries", "refund @71 of order @d1: total 10.0000, but its lines sum to 30.0100"),
        ],
    ),
    plant(
        "more subsidy returned than given",
        "UPDATE commissary.refunds SET total = 20.01, subsidy_returned = 15.01;
         UPDATE commissary.refund_items SET total = 20.01;
         UPDATE commissary.subsidy_ledger SET applied_amount = -15.01 WHERE refund_id = '@71'",
        &[("returned_orders", "order @d1: returned 20.0100 of 30.0000, subsidy 15.0100 of 15.0000, payable 5.0000 of 15.0000")],
    ),
    plant(
        "a refund whose credit went elsewhere",
        "UPDATE commissary.credit_ledger SET order_id = '@d3' WHERE refund_id = '@71'",
        &[("refund_entries", "refund @71 of order @d1: 1 credit entries, 0 of the refund's customer, order, job and -5.0000")],
    ),
    plant(
        "a refund whose subsidy went nowhere",
        "DELETE FROM commissary.subsidy_ledger WHERE refund_id = '@71';
         UPDATE commissary.subsidy_budgets SET budget_used = 15.13 WHERE program_id = '@91'",
        &[("refund_entries", "refund @71 of order @d1: subsidy_returned 5.0000, but the subsidy ledger has 0")],
    ),
    plant(
        "an order without its charge",
        "DELETE FROM commissary.credit_ledger WHERE order_id = '@d8'",
        &[("charge_of_order", "order @d8: it has no charge")],
    ),
    plant(
        "a charge without its order",
        "DELETE FROM commissary.orders WHERE order_id = '@d8'",
        &[
            ("charge_of_order", "order @d8: charged 0.0000 without the order"),
            ("completed_without_facts", "job @a8: a completed purchase of @d8, but its facts are of nothing"),
        ],
    ),
    plant(
        "two charges of one order",
        "DROP INDEX commissary.credit_ledger_one_charge_an_order;
         INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
                 credit_limit, order_id, created_at, period_id, job_id)
             SELECT business_id, customer_id, 3, kind, amount, balance_before, balance_after, credit_limit, order_id,
                 created_at, period_id, job_id FROM commissary.credit_ledger WHERE order_id = '@d8'",
        &[("charge_of_order", "order @d8: it has 2 charges")],
    ),
    plant(
        "a charge of another amount",
        "UPDATE commissary.credit_ledger SET amount = 4, balance_after = 14, credit_limit = 14 WHERE order_id = '@d8'",
        &[("charge_of_order", "order @d8: payable 0.0000, but charged 4.0000")],
    ),
    plant(
        "a charge of another customer",
        "UPDATE commissary.orders SET customer_id = '@c1' WHERE order_id = '@d8'",
        &[("charge_of_order", "order @d8: customer @c2 was charged instead of @c1")],
    ),
    plant(
        "two results of one key",
        "ALTER TABLE commissary.job_results DROP CONSTRAINT job_results_business_id_idempotency_key_key;
         UPDATE commissary.job_results SET idempotency_key = 'key 4' WHERE job_id = '@a5'",
        &[("one_result_a_key", "key 'key 4': 2 results")],
    ),
    plant(
        "a key with a result and still queued",
        "UPDATE commissary.jobs SET idempotency_key = 'key 5'",
        &[("one_result_a_key", "key 'key 5': job @a13 is queued, but job @a5 has the result")],
    ),
    plant(
        "a completed purchase of another order",
        "UPDATE commissary.job_results SET outcome = outcome || '{\"order_id\": \"@d1\"}' WHERE job_id = '@a3'",
        &[("completed_without_facts", "job @a3: a completed purchase of @d1, but its facts are of @d3")],
    ),
    plant(
        "a completed payment without an entry",
        "UPDATE commissary.job_results SET status = 'completed', outcome = '{\"seq\": 9}' WHERE job_id = '@a5'",
        &[("completed_without_facts", "job @a5: a completed payment of 9, but its facts are of nothing")],
    ),
    plant(
        "a completed receipt without a movement",
        "DELETE FROM commissary.stock_movements WHERE movement_id = '@41';
         UPDATE commissary.products SET stock = stock - 20 WHERE product_id = '@b1'",
        &[("completed_without_facts", "job @a7: a completed stock_receipt of @b1, but its facts are of nothing")],
    ),
    plant(
        "a rejected job with a fact",
        "UPDATE commissary.job_results SET status = 'rejected', reason = 'malformed' WHERE job_id = '@a2'",
        &[("facts_without_result", "credit entry of customer @c1 seq 2: its job @a2 is rejected")],
    ),
    plant(
        "a failed job with facts",
        "UPDATE commissary.job_results SET status = 'failed' WHERE job_id IN ('@a7', '@a9')",
        &[
            ("facts_without_result", "credit entry of customer @c1 seq 4: its job @a9 is failed"),
            ("facts_without_result", "order @d9: its job @a9 is failed"),
            ("facts_without_result", "stock movement @41: its job @a7 is failed"),
            ("facts_without_result", "subsidy entry @59: its job @a9 is failed"),
        ],
    ),
    plant(
        "facts without a result",
        "DELETE FROM commissary.job_results WHERE job_id = '@a6'",
        &[
            ("facts_without_result", "credit entry of customer @c1 seq 3: its job @a6 has no result"),
            ("facts_without_result", "refund @71: its job @a6 has no result"),
            ("facts_without_result", "subsidy entry @56: its job @a6 has no result"),
            ("decision_seq", "decision 7 follows 5"),
        ],
    ),
    plant(
        "lines of another job than their order's and refund's",
        "UPDATE commissary.order_items SET job_id = '@a4' WHERE order_id = '@d3';
         UPDATE commissary.refund_items SET job_id = '@a4'",
        &[
            ("job_of_lines", "order @d3 line 1: its job is @a4, that of the order @a3"),
            ("job_of_lines", "refund @71 line 1: its job is @a4, that of the refund @a6"),
        ],
    ),
    plant(
        "a counter ahead of the decisions",
        "UPDATE commissary.queues SET decision_seq = 13 WHERE business_id = '@a'",
        &[("decision_seq", "the queue counts 13 decisions, but the last result is 12")],
    ),
    plant(
        "an archived result that is still there",
        "INSERT INTO commissary.job_results_archive
             SELECT r.*, now(), 'operator' FROM commissary.job_results r WHERE r.job_id = '@a5'",
        &[("decision_seq", "decision 5 follows 5")],
    ),
    plant(
        "an order of an office without an outlet",
        "ALTER TABLE commissary.orders DROP CONSTRAINT orders_of_an_office_name_an_outlet;
         UPDATE commissary.orders SET outlet_id = NULL WHERE order_id = '@d9'",
        &[("office_without_outlet", "order @d9: of office @f1")],
    ),
    plant(
        "a table that shows another business",
        "CREATE POLICY leak ON commissary.customers USING (true); DROP POLICY bound_login ON commissary.customers",
        &[("isolation", "customers: 1 rows of other businesses visible")],
    ),
    plant(
        "a table on which row level security is not forced",
        "ALTER TABLE commissary.orders NO FORCE ROW LEVEL SECURITY",
        &[("isolation", "orders: row level security is not forced on it")],
    ),
    plant(
        "too many decimals in the catalogue",
        "UPDATE commissary.customers SET credit_limit = 100.001 WHERE customer_id = '@c1';
         UPDATE commissary.products SET price = 0.255 WHERE product_id = '@b3';
         UPDATE commissary.subsidy_programs SET cap = 1.001 WHERE program_id = '@93'",
        &[
            ("decimals", "customer @c1: 100.0010 has more decimals than USD"),
            ("decimals", "product @b3: 0.2550 has"),
            ("decimals", "program @93: 1.0010, 10.0000 has"),
        ],
    ),
    plant(
        "too many decimals in facts",
        "UPDATE commissary.credit_ledger SET credit_limit = 100.001 WHERE customer_id = '@c1' AND seq = 2;
         UPDATE commissary.subsidy_budgets SET total_budget = 1000.001 WHERE program_id = '@91';
         UPDATE commissary.orders SET total = 10.001, payable = 10.001 WHERE order_id = '@d3';
         UPDATE commissary.order_items SET unit_price = 10.001, line_total = 10.001 WHERE order_id = '@d3'",
        &[
            ("charge_of_order", "order @d3: payable 10.0010, but charged 10.0000"),
            ("decimals", "budget of program @91 lifetime from 1970-01-01: 1000.0010, 10.1300 has"),
            ("decimals", "customer @c1 seq 2: "),
            ("decimals", "order @d3 line 1: 10.0010, 10.0010 has"),
            ("decimals", "order @d3: 10.0010, 0.0000, 10.0010 has"),
        ],
    ),
];
