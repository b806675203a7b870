//! The audit against planted violations: a small consistent set of facts passes; with one violation planted past every
//! constraint and trigger, the audit finds exactly that, by its key, and nothing else.

mod fixtures;
mod support;

use std::collections::BTreeSet;

use commissary::audit::{self, CHECKS, Report};
use commissary::db::{self, Role};
use commissary::ids::BusinessId;
use fixtures::{database_with_facts, with_ids};
use sqlx::{Executor, PgConnection};
use support::TestDatabase;

const A: BusinessId = BusinessId(uuid::Uuid::from_u128(0xa));
const B: BusinessId = BusinessId(uuid::Uuid::from_u128(0xb));

/// The check that must find something, and the keys and numbers that its detail must name.
type Expected = (&'static str, &'static str);

struct Plant {
    name: &'static str,
    sql: &'static str,
    found: &'static [Expected],
}

const fn plant(name: &'static str, sql: &'static str, found: &'static [Expected]) -> Plant {
    Plant { name, sql, found }
}

/// Plants inside a transaction, looks as the reporter inside the same one, and rolls back.
async fn look(database: &TestDatabase, sql: &str) -> Report {
    let mut transaction = database.pool().begin().await.expect("a transaction");
    let planted = format!("SET LOCAL session_replication_role = replica; {}", with_ids(sql));
    sqlx::raw_sql(sqlx::AssertSqlSafe(planted)).execute(&mut *transaction).await.expect(sql);
    become_reporter(&mut transaction).await;
    let mut report = Report::new();
    report.look_into(&mut transaction, A, |_| ()).await.expect("the audit runs");
    transaction.rollback().await.expect("nothing stays");
    report
}

async fn become_reporter(connection: &mut PgConnection) {
    let become_reporter = format!("SET LOCAL ROLE commissary_reporter; SET LOCAL app.business_id = '{A}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(become_reporter)).execute(connection).await.expect("the reporter exists");
}

const PLANTS: &[Plant] = &[
    plant(
        "an entry that does not continue its predecessor",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_arithmetic;
         UPDATE commissary.credit_ledger SET balance_before = 6 WHERE customer_id = '@c1' AND seq = 3",
        &[("ledger_chain", "customer @c1 seq 3: balance_before 6.0000, predecessor's balance_after 5.0000; balance_before \
            6.0000 and amount -5.0000 do not make balance_after 0.0000")],
    ),
    plant(
        "a last balance that is not the sum",
        "UPDATE commissary.credit_ledger SET balance_before = 4, balance_after = 4 WHERE customer_id = '@c2' AND seq = 2",
        &[
            ("ledger_chain", "customer @c2 seq 2: balance_before 4.0000, predecessor's balance_after 10.0000"),
            ("ledger_sums", "customer @c2: the entries sum to 10.0000, the last balance_after is 4.0000"),
        ],
    ),
    plant(
        "a first entry that does not start at zero",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_starts_at_zero,
            DROP CONSTRAINT credit_ledger_arithmetic;
         UPDATE commissary.credit_ledger SET balance_before = 1 WHERE customer_id = '@c2' AND seq = 1",
        &[("ledger_chain", "customer @c2 seq 1: balance_before 1.0000, predecessor's balance_after 0")],
    ),
    plant(
        "a gap in the chain",
        "UPDATE commissary.credit_ledger SET seq = 3 WHERE customer_id = '@c2' AND seq = 2",
        &[
            ("ledger_chain", "customer @c2 seq 3: the predecessor is seq 1"),
            ("ledger_sums", "customer @c2: the entries sum to 10.0000, the last balance_after is 10.0000; 2 entries, the \
                last is seq 3"),
        ],
    ),
    plant(
        "an entry before its predecessor",
        "UPDATE commissary.credit_ledger SET created_at = '2026-10-01Z' WHERE customer_id = '@c2' AND seq = 2",
        &[("ledger_chain", "customer @c2 seq 2: created at 2026-10-01")],
    ),
    plant(
        "a payment of zero",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_sign;
         UPDATE commissary.credit_ledger SET amount = 0, balance_after = 15 WHERE customer_id = '@c1' AND seq = 2;
         UPDATE commissary.credit_ledger SET balance_before = balance_before + 10, balance_after = balance_after + 10
             WHERE customer_id = '@c1' AND seq > 2",
        &[("ledger_chain", "customer @c1 seq 2: a payment of 0.0000")],
    ),
    plant(
        "a charge over its limit",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_charge_within_the_limit;
         UPDATE commissary.credit_ledger SET credit_limit = 9.99 WHERE customer_id = '@c2' AND seq = 1",
        &[("charge_over_limit", "customer @c2 seq 1: a charge of 10.0000 took the balance to 10.0000, over the limit of 9.99")],
    ),
    plant(
        "stock that nothing moved",
        "UPDATE commissary.products SET stock = stock + 1 WHERE product_id = '@b1'",
        &[("stock", "product @b1: stock 118, but 120 moved − 4 sold + 1 restocked")],
    ),
    plant(
        "stock below zero",
        "ALTER TABLE commissary.products DROP CONSTRAINT products_stock_is_never_below_zero;
         UPDATE commissary.products SET stock = -1 WHERE product_id = '@b2';
         DELETE FROM commissary.stock_movements WHERE product_id = '@b2'",
        &[("stock", "product @b2: stock -1, but 0 moved − 1 sold")],
    ),
    plant(
        "a return that was not restocked, but counted",
        "UPDATE commissary.refunds SET restocked = false",
        &[("stock", "product @b1: stock 117, but 120 moved − 4 sold + 0 restocked")],
    ),
    plant(
        "a total that is not its lines'",
        "UPDATE commissary.order_items SET unit_price = 11, line_total = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: total 10.0000, but its lines sum to 11.0000")],
    ),
    plant(
        "a line that is not quantity × price",
        "ALTER TABLE commissary.order_items DROP CONSTRAINT order_items_line_total;
         UPDATE commissary.order_items SET unit_price = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: 1 lines are not quantity × unit_price")],
    ),
    plant(
        "an order without lines",
        "DELETE FROM commissary.order_items WHERE order_id = '@d8';
         UPDATE commissary.products SET stock = 10 WHERE product_id = '@b2'",
        &[("order_totals", "order @d8: it has no lines")],
    ),
    plant(
        "payable and subsidy that do not make the total",
        "ALTER TABLE commissary.orders DROP CONSTRAINT orders_payable_and_subsidy_make_the_total;
         UPDATE commissary.orders SET total = 11 WHERE order_id = '@d3';
         UPDATE commissary.order_items SET unit_price = 11, line_total = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: payable 10.0000 and subsidy 0.0000 do not make the total 11.0000")],
    ),
    plant(
        "a payable below zero",
        "ALTER TABLE commissary.orders DROP CONSTRAINT orders_payable_check, DROP CONSTRAINT orders_total_check;
         ALTER TABLE commissary.order_items DROP CONSTRAINT order_items_unit_price_check;
         ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_sign;
         UPDATE commissary.orders SET total = -1, payable = -1 WHERE order_id = '@d8';
         UPDATE commissary.order_items SET unit_price = -1, line_total = -1 WHERE order_id = '@d8';
         UPDATE commissary.credit_ledger SET amount = -1, balance_after = 9, credit_limit = 9 WHERE order_id = '@d8'",
        &[
            ("ledger_chain", "customer @c2 seq 2: a charge of -1.0000"),
            ("order_totals", "order @d8: payable -1.0000 is below zero"),
        ],
    ),
    plant(
        "a budget's use that nothing applied",
        "UPDATE commissary.subsidy_budgets SET budget_used = 11 WHERE program_id = '@91'",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 11.0000, but its entries make 10.1300")],
    ),
    plant(
        "a give-back that the budget does not show",
        "UPDATE commissary.subsidy_ledger SET returned_to_budget = 0",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 10.1300, but its entries make 15.1300")],
    ),
    plant(
        "an overrun budget",
        "ALTER TABLE commissary.subsidy_budgets DROP CONSTRAINT subsidy_budgets_never_overrun;
         UPDATE commissary.subsidy_budgets SET total_budget = 10 WHERE program_id = '@91'",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 10.1300 is outside 0 to 10.0000")],
    ),
    plant(
        "entries without their budget",
        "DELETE FROM commissary.subsidy_budgets WHERE program_id = '@93'",
        &[("budget_use", "program @93 month from 2026-10-01: entries of 1.0000 without a budget row")],
    ),
    plant(
        "two subsidies on one order",
        "DROP INDEX commissary.subsidy_ledger_one_subsidy_an_order;
         INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\"}')).*
             FROM commissary.subsidy_ledger l WHERE entry_id = '@59';
         UPDATE commissary.subsidy_budgets SET budget_used = budget_used + 0.13 WHERE program_id = '@91'",
        &[("subsidy_once", "order @d9: 2 subsidies, 0.2600 in all")],
    ),
    plant(
        "a subsidy of another customer",
        "UPDATE commissary.subsidy_ledger SET customer_id = '@c2' WHERE entry_id = '@59'",
        &[("subsidy_of_order", "order @d9: entry @59 names customer @c2 instead of @c1")],
    ),
    plant(
        "a subsidy of another job",
        "UPDATE commissary.subsidy_ledger SET job_id = '@a3' WHERE entry_id = '@59'",
        &[("subsidy_of_order", "order @d9: entry @59 is of job @a3")],
    ),
    plant(
        "a subsidy without its entry",
        "DELETE FROM commissary.subsidy_ledger WHERE entry_id = '@59';
         UPDATE commissary.subsidy_budgets SET budget_used = 10 WHERE program_id = '@91'",
        &[("subsidy_of_order", "order @d9: subsidy 0.1300, but the ledger applied 0")],
    ),
    plant(
        "a percentage that was rounded to even",
        "UPDATE commissary.subsidy_ledger SET applied_amount = 0.12,
             program_snapshot = program_snapshot || '{\"budget_used_after\": \"10.12\"}',
             evaluation = jsonb_set(evaluation, '{0,discount}', '\"0.12\"') WHERE entry_id = '@59';
         UPDATE commissary.orders SET subsidy = 0.12, payable = 0.13 WHERE order_id = '@d9';
         UPDATE commissary.subsidy_budgets SET budget_used = 10.12 WHERE program_id = '@91';
         UPDATE commissary.credit_ledger SET amount = amount + 0.01, balance_after = balance_after + 0.01
             WHERE order_id = '@d9';
         UPDATE commissary.credit_ledger SET balance_before = balance_before + 0.01, balance_after = balance_after + 0.01
             WHERE customer_id = '@c1' AND seq > 4",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1200, but its snapshot gives 0.13 of 0.2500")],
    ),
    plant(
        "a subsidy over its budget",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot
             || '{\"budget_used_before\": \"999.88\", \"budget_used_after\": \"1000.01\"}' WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500 (alone 0.13, room 0.12")],
    ),
    plant(
        "a subsidy over the customer's cap",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"customer_used_before\": \"39.9\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500 (alone 0.13, room 0.1")],
    ),
    plant(
        "a customer's cap without the use",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot - 'customer_used_before'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500")],
    ),
    plant(
        "a part although the program gives all or nothing",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"allow_partial\": false}'
             WHERE entry_id = '@511'",
        &[("subsidy_recomputed", "order @d11 entry @511: applied 4.0000, but its snapshot gives 0 of 7.0000 (alone 5.00, room 4")],
    ),
    plant(
        "less than the cap gives",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"cap\": \"1.20\"}'
             WHERE entry_id = '@512'",
        &[("subsidy_recomputed", "order @d12 entry @512: applied 1.0000, but its snapshot gives 1.20 of 1.5000")],
    ),
    plant(
        "a budget that did not take the subsidy",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"budget_used_after\": \"10\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the budget's use went from 10 to 10")],
    ),
    plant(
        "a snapshot that is no program",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"value\": \"half\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: its snapshot does not state kind, value")],
    ),
    plant(
        "an order below the program's minimum",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"min_order_amount\": \"0.26\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: total 0.2500 is below the minimum of 0.26")],
    ),
    plant(
        "a program of another office",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"office_id\": \"@f2\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the program was not for this buyer or outlet")],
    ),
    plant(
        "a snapshot of another budget",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"period_start\": \"2026-10-01\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the snapshot is of another program or budget")],
    ),
    plant(
        "an inactive program",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"is_active\": false}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the program was not active")],
    ),
    plant(
        "a fundable candidate that beats the chosen one",
        "UPDATE commissary.subsidy_ledger SET evaluation = jsonb_set(evaluation, '{0,fundable}', 'true')
             WHERE entry_id = '@512'",
        &[("subsidy_beaten", "order @d12 entry @512: applied 1.0000, but a fundable candidate gives 1.50")],
    ),
    plant(
        "nothing chosen",
        "UPDATE commissary.subsidy_ledger SET evaluation = '[]' WHERE entry_id = '@59'",
        &[("subsidy_beaten", "order @d9 entry @59: 0 candidates are chosen")],
    ),
    plant(
        "another program chosen",
        "UPDATE commissary.subsidy_ledger SET evaluation = jsonb_set(evaluation, '{0,program_id}', '\"@93\"')
             WHERE entry_id = '@59'",
        &[("subsidy_beaten", "order @d9 entry @59: the chosen candidate is not this fundable program's 0.1300")],
    ),
    plant(
        "a fundable candidate beside nothing",
        "UPDATE commissary.job_results SET outcome = outcome || '{\"evaluation\": [{\"fundable\": true}]}'
             WHERE job_id = '@a3'",
        &[("subsidy_missed", "order @d3")],
    ),
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
        "a counter ahead of the decisions",
        "UPDATE commissary.queues SET decision_seq = 13 WHERE business_id = '@a'",
        &[("decision_seq", "the queue counts 13 decisions, but the last result is 12")],
    ),
    plant(
        "an order of an office without an outlet",
        "ALTER TABLE commissary.orders DROP CONSTRAINT orders_of_an_office_name_an_outlet;
         UPDATE commissary.orders SET outlet_id = NULL WHERE order_id = '@d9'",
        &[("office_without_outlet", "order @d9: of office @f1")],
    ),
    plant(
        "a table that shows another business",
        "CREATE POLICY leak ON commissary.customers USING (true)",
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

/// Compares what was found with what was expected, one to one.
fn differences(plant: &Plant, report: &Report) -> Vec<String> {
    let mut expected: Vec<(&str, String)> =
        plant.found.iter().map(|(check, detail)| (*check, with_ids(detail))).collect();
    let mut differences = Vec::new();
    for finding in &report.checks {
        assert_eq!(usize::try_from(finding.violations).expect("few"), finding.keys.len(), "{}", finding.check);
        for key in &finding.keys {
            let named = |(check, detail): &(&str, String)| *check == finding.check && key.detail.contains(detail);
            match expected.iter().position(named) {
                Some(position) => drop(expected.remove(position)),
                None => differences.push(format!("{}: found beside it, {}: {}", plant.name, finding.check, key.detail)),
            }
        }
    }
    differences.extend(expected.iter().map(|(check, detail)| format!("{}: not found, {check}: {detail}", plant.name)));
    differences
}

#[tokio::test]
async fn each_planted_violation_is_found_by_its_key_and_nothing_else_is() {
    let database = database_with_facts().await;
    let mut all = Vec::new();
    for plant in PLANTS {
        let report = look(&database, plant.sql).await;
        all.extend(differences(plant, &report));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn every_check_has_a_planted_violation() {
    let planted: BTreeSet<&str> = PLANTS.iter().flat_map(|plant| plant.found).map(|(check, _)| *check).collect();
    let checks: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(planted, checks);
}

#[tokio::test]
async fn a_consistent_set_of_facts_passes_as_one_picture_a_business() {
    let database = database_with_facts().await;
    let pool = db::connect(&database.settings().database, Role::Reporter, 1).await.expect("it connects");
    let businesses = audit::businesses(&pool).await.expect("it lists them");
    assert_eq!(businesses, [A, B]);
    let mut checked = 0;
    let report = audit::audit(&pool, &businesses, |_, _| checked += 1).await.expect("it runs");
    let keys: Vec<_> = report.checks.iter().flat_map(|finding| &finding.keys).collect();
    assert_eq!((report.violations, report.businesses, checked), (0, 2, 2 * CHECKS.len()), "{keys:?}");
    assert_eq!((report.rows["credit_ledger"], report.rows["orders"], report.rows["stock_movements"]), (9, 7, 5));
}

#[tokio::test]
async fn the_exit_code_says_whether_every_invariant_holds() {
    let database = database_with_facts().await;
    let output = database.commissary(&["audit"]);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.ends_with("every invariant holds\n"), "{printed}");

    database
        .pool()
        .execute("UPDATE commissary.queues SET decision_seq = decision_seq + 1")
        .await
        .expect("a superuser may");
    let output = database.commissary(&["audit"]);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let named = format!("business {A}: the queue counts 13 decisions, but the last result is 12");
    assert!(printed.contains(&named) && printed.ends_with("2 violations\n"), "{printed}");

    let of_a = A.to_string();
    let output = database.commissary(&["audit", "--json", "--business", &of_a]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["businesses"], &report["violations"]), (&1.into(), &1.into()));

    let output = database.commissary(&["audit", "--business", "00000000-0000-0000-0000-0000000000ff"]);
    assert_eq!(output.status.code(), Some(2), "an unknown business is wrong usage");
}

#[tokio::test]
async fn keys_are_limited_but_all_are_counted() {
    let database = database_with_facts().await;
    let report = look(
        &database,
        "INSERT INTO commissary.products (business_id, name, price, stock)
             SELECT '@a', 'unmoved', 1, 7 FROM generate_series(1, 250)",
    )
    .await;
    let stock = report.checks.iter().find(|finding| finding.check == "stock").expect("it is a check");
    assert_eq!((stock.violations, stock.keys.len(), report.violations), (250, audit::KEYS_MAX, 250));
}
