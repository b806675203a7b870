//! The database refuses by itself what must never be stored, whoever writes it: each constraint and trigger of the
//! migrations, against a superuser's statement, by SQLSTATE.

mod fixtures;
mod support;

use fixtures::{database_with_facts, with_ids};
use sqlx::{AssertSqlSafe, Executor};

const FOREIGN_KEY: &str = "23503";
const UNIQUE: &str = "23505";
const CHECK: &str = "23514";
const RESTRICT: &str = "23001";
const OUT_OF_RANGE: &str = "22003";

/// What is refused, the statement, and with which SQLSTATE.
type Rule = (&'static str, &'static str, &'static str);

/// Business b owns organization, office, team and outlet …2, product …b9 and customer …c9.
const NEIGHBOUR: &str = "
    INSERT INTO commissary.organizations VALUES ('@b', '@e2', 'Of B'), ('@a', '@e3', 'Another of A');
    INSERT INTO commissary.offices VALUES ('@b', '@f2', '@e2', 'Of B'), ('@a', '@f3', '@e3', 'Another of A');
    INSERT INTO commissary.teams VALUES ('@b', '@72', '@f2', 'Of B'), ('@a', '@73', '@f3', 'Of the other office of A');
    INSERT INTO commissary.outlets VALUES ('@b', '@02', 'Of B'), ('@a', '@03', 'Outside the pool of e1');
    INSERT INTO commissary.organization_outlets VALUES ('@a', '@e3', '@03');
    INSERT INTO commissary.settlement_periods VALUES ('@b', '@52', '2026-10', 'open'), ('@a', '@53', '2026-09', 'settled'),
        ('@a', '@54', '2026-08', 'closing')";

/// Composite foreign keys: nothing refers to another business's row, nor to a row of another parent.
const REFERENCES: &[Rule] = &[
    (
        "an office of another business's organization",
        "INSERT INTO commissary.offices VALUES ('@a', '@1', '@e2', 'x')",
        FOREIGN_KEY,
    ),
    (
        "a team of another business's office",
        "INSERT INTO commissary.teams VALUES ('@a', '@1', '@f2', 'x')",
        FOREIGN_KEY,
    ),
    (
        "another business's outlet in a pool",
        "INSERT INTO commissary.organization_outlets VALUES ('@a', '@e1', '@02')",
        FOREIGN_KEY,
    ),
    (
        "another business's organization's pool",
        "INSERT INTO commissary.organization_outlets VALUES ('@a', '@e2', '@01')",
        FOREIGN_KEY,
    ),
    (
        "an office's outlet outside the pool",
        "INSERT INTO commissary.office_outlets VALUES ('@a', '@f1', '@e1', '@03')",
        FOREIGN_KEY,
    ),
    (
        "an office's outlet by another organization's pool",
        "INSERT INTO commissary.office_outlets VALUES ('@a', '@f1', '@e3', '@03')",
        FOREIGN_KEY,
    ),
    (
        "a customer of another business's organization",
        "UPDATE commissary.customers SET organization_id = '@e2' WHERE customer_id = '@c2'",
        FOREIGN_KEY,
    ),
    (
        "a customer of another organization's office",
        "UPDATE commissary.customers SET office_id = '@f3' WHERE customer_id = '@c1'",
        FOREIGN_KEY,
    ),
    (
        "a customer of another office's team",
        "UPDATE commissary.customers SET team_id = '@73' WHERE customer_id = '@c1'",
        FOREIGN_KEY,
    ),
    (
        "a product of another business's outlet",
        "UPDATE commissary.products SET outlet_id = '@02' WHERE product_id = '@b1'",
        FOREIGN_KEY,
    ),
    (
        "a program of another business's organization",
        "UPDATE commissary.subsidy_programs SET organization_id = '@e2' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another organization's office",
        "UPDATE commissary.subsidy_programs SET office_id = '@f3' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another office's team",
        "UPDATE commissary.subsidy_programs SET office_id = '@f1', team_id = '@73' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another business's outlet",
        "UPDATE commissary.subsidy_programs SET outlet_id = '@02' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "an outlet taken from a pool while an order names it",
        "DELETE FROM commissary.outlets WHERE outlet_id = '@01'",
        FOREIGN_KEY,
    ),
    ("a business that is unknown", "INSERT INTO commissary.outlets VALUES ('@ff', '@1', 'x')", FOREIGN_KEY),
];

/// CHECKs and triggers of the catalogue.
const CATALOGUE: &[Rule] = &[
    ("a blank name", "UPDATE commissary.outlets SET name = ' ' WHERE outlet_id = '@01'", CHECK),
    (
        "a name over 200 characters",
        "UPDATE commissary.outlets SET name = repeat('x', 201) WHERE outlet_id = '@01'",
        CHECK,
    ),
    ("an unknown currency", "INSERT INTO commissary.businesses (name, currency) VALUES ('x', 'XYZ')", CHECK),
    ("a currency in lower case", "INSERT INTO commissary.businesses (name, currency) VALUES ('x', 'usd')", CHECK),
    ("an unknown time zone", "INSERT INTO commissary.businesses (name, time_zone) VALUES ('x', 'Mars/Olympus')", CHECK),
    (
        "an offset in place of a time zone",
        "INSERT INTO commissary.businesses (name, time_zone) VALUES ('x', 'foo+3')",
        CHECK,
    ),
    (
        "an unknown overdue policy",
        "INSERT INTO commissary.businesses (name, overdue_policy) VALUES ('x', 'perhaps')",
        CHECK,
    ),
    ("negative overdue days", "INSERT INTO commissary.businesses (name, overdue_after_days) VALUES ('x', -1)", CHECK),
    (
        "another currency once facts exist",
        "UPDATE commissary.businesses SET currency = 'EUR' WHERE business_id = '@a'",
        RESTRICT,
    ),
    (
        "another time zone once facts exist",
        "UPDATE commissary.businesses SET time_zone = 'Europe/Berlin' WHERE business_id = '@a'",
        RESTRICT,
    ),
    ("a negative credit limit", "UPDATE commissary.customers SET credit_limit = -1 WHERE customer_id = '@c1'", CHECK),
    ("a credit limit of NaN", "UPDATE commissary.customers SET credit_limit = 'NaN' WHERE customer_id = '@c1'", CHECK),
    (
        "a credit limit with too many decimals",
        "UPDATE commissary.customers SET credit_limit = 1.001 WHERE customer_id = '@c1'",
        CHECK,
    ),
    (
        "a credit limit that does not fit",
        "UPDATE commissary.customers SET credit_limit = 1e14 WHERE customer_id = '@c1'",
        OUT_OF_RANGE,
    ),
    (
        "a customer's office without its organization",
        "UPDATE commissary.customers SET office_id = '@f1' WHERE customer_id = '@c2'",
        CHECK,
    ),
    (
        "a customer's team without its office",
        "UPDATE commissary.customers SET office_id = NULL, team_id = '@73' WHERE customer_id = '@c1'",
        CHECK,
    ),
    ("a customer's guard that is raised", "UPDATE commissary.customers SET lock_guard = true", CHECK),
    ("a negative price", "UPDATE commissary.products SET price = -0.01 WHERE product_id = '@b1'", CHECK),
    ("a price of NaN", "UPDATE commissary.products SET price = 'NaN' WHERE product_id = '@b1'", CHECK),
    ("a price with too many decimals", "UPDATE commissary.products SET price = 0.001 WHERE product_id = '@b1'", CHECK),
    ("a tax rate over 100", "UPDATE commissary.products SET tax_rate = 100.5 WHERE product_id = '@b1'", CHECK),
    ("a tax rate of NaN", "UPDATE commissary.products SET tax_rate = 'NaN' WHERE product_id = '@b1'", CHECK),
    ("stock below zero", "UPDATE commissary.products SET stock = -1 WHERE product_id = '@b1'", CHECK),
    (
        "opening stock below zero",
        "INSERT INTO commissary.products (business_id, name, price, stock) VALUES ('@a', 'x', 1, -1)",
        CHECK,
    ),
    (
        "a price with decimals in a currency without",
        "INSERT INTO commissary.businesses (business_id, name, currency) VALUES ('@d0', 'x', 'JPY');
        INSERT INTO commissary.products (business_id, name, price) VALUES ('@d0', 'x', 0.5)",
        CHECK,
    ),
];

/// What a subsidy program may not be: `UPDATE … SET <this>` on an uncapped percentage program.
const PROGRAMS: &[(&str, &str)] = &[
    ("an unknown kind", "kind = 'GIFT'"),
    ("a percentage below 0", "value = -1"),
    ("a percentage over 100", "value = 100.0001"),
    ("a percentage of NaN", "value = 'NaN'"),
    ("a cap without a capped kind", "cap = 1"),
    ("a capped kind without a cap", "kind = 'PERCENTAGE_CAPPED'"),
    ("a negative cap", "kind = 'PERCENTAGE_CAPPED', cap = -1"),
    ("a fixed amount of 0", "kind = 'FIXED', value = 0"),
    ("a fixed amount of NaN", "kind = 'FIXED', value = 'NaN'"),
    ("a fixed amount with too many decimals", "kind = 'FIXED', value = 1.001"),
    ("a cap with too many decimals", "kind = 'PERCENTAGE_CAPPED', cap = 1.001"),
    ("a budget with too many decimals", "total_budget = 1.001"),
    ("a negative budget", "total_budget = -1"),
    ("a budget of NaN", "total_budget = 'NaN'"),
    ("a negative minimum", "min_order_amount = -1"),
    ("a minimum with too many decimals", "min_order_amount = 1.001"),
    ("a negative per-customer cap", "per_customer_cap = -1"),
    ("a per-customer cap with too many decimals", "per_customer_cap = 1.001"),
    ("an end before its start", "starts_at = '2026-02-01Z', ends_at = '2026-01-01Z'"),
    ("an end at its start", "starts_at = '2026-02-01Z', ends_at = '2026-02-01Z'"),
    ("weekday 0", "weekdays = '{0}'"),
    ("weekday 8", "weekdays = '{1,8}'"),
    ("a null weekday", "weekdays = '{1,NULL}'"),
    ("an unknown budget period", "budget_period = 'year'"),
    ("a team without its office", "team_id = '@73'"),
];

/// What may not follow …c2's last entry (seq 2, balance 10): seq, kind, amount, before, after, limit, order, refund.
const ENTRIES: &[(&str, &str, &str)] = &[
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
    ("a refund entry of an unknown refund", "3, 'refund', -1, 10, 9, 50, '@d3', '@7f'", FOREIGN_KEY),
];

/// What an order of …c2 may not be: total, subsidy, payable, outlet, organization, office, period, key.
const ORDERS: &[(&str, &str, &str)] = &[
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
const FACTS: &[Rule] = &[
    ("a second order of one id", "INSERT INTO commissary.orders SELECT * FROM commissary.orders WHERE order_id = '@d3'", UNIQUE),
    ("a line that is not quantity × price", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 2, 10, 0, 10)", CHECK),
    ("a line of 0 pieces", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b1', 0, 10, 0, 0)", CHECK),
    ("line 0", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 0, '@b1', 1, 10, 0, 10)", CHECK),
    ("a line of another business's product", "INSERT INTO commissary.order_items VALUES ('@a', '@d3', 2, '@b9', 1, 10, 0, 10)", FOREIGN_KEY),
    ("a line of an unknown order", "INSERT INTO commissary.order_items VALUES ('@a', '@dd', 1, '@b1', 1, 10, 0, 10)", FOREIGN_KEY),
    ("a refund that is not its parts", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 5, 1, 5, true, now(), '@51', '@aa')", CHECK),
    ("a refund of an unknown order", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@dd', '@c2', 5, 0, 5, true, now(), '@51', '@aa')", FOREIGN_KEY),
    ("a refund into a settled period", "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d3', '@c2', 5, 0, 5, true, now(), '@53', '@aa')", RESTRICT),
    ("a refunded line of another order", "INSERT INTO commissary.refund_items VALUES ('@a', '@71', 2, '@d3', 1, 1)", FOREIGN_KEY),
    ("a refunded line that was not bought", "INSERT INTO commissary.refund_items VALUES ('@a', '@71', 2, '@d1', 1, 1)", FOREIGN_KEY),
    ("an overrun budget", "UPDATE commissary.subsidy_budgets SET budget_used = 1000.01 WHERE program_id = '@91'", CHECK),
    ("a budget's use below zero", "UPDATE commissary.subsidy_budgets SET budget_used = -0.01 WHERE program_id = '@91'", CHECK),
    ("a budget's use of NaN", "UPDATE commissary.subsidy_budgets SET budget_used = 'NaN' WHERE program_id = '@91'", CHECK),
    ("a total below the use", "UPDATE commissary.subsidy_budgets SET total_budget = 1 WHERE program_id = '@91'", CHECK),
    ("a lifetime that starts late", "INSERT INTO commissary.subsidy_budgets VALUES ('@a', '@94', 'lifetime', '2026-10-01', 1, 0)", CHECK),
    ("a second subsidy of an order", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\"}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@59'", UNIQUE),
    ("a subsidy of zero", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"applied_amount\": 0}')).*
        FROM commissary.subsidy_ledger l WHERE entry_id = '@59'", CHECK),
    ("a subsidy from no budget", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"order_id\": \"@d3\",
        \"program_id\": \"@9f\"}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59'", FOREIGN_KEY),
    ("a negative subsidy without its refund", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\",
        \"applied_amount\": -1}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59'", CHECK),
    ("more returned to the budget than taken back", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\",
        \"returned_to_budget\": 5.01}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@56'", CHECK),
    ("a snapshot that is no object", "INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\", \"order_id\": \"@d3\",
        \"program_snapshot\": []}')).* FROM commissary.subsidy_ledger l WHERE entry_id = '@59'", CHECK),
    ("a movement of nothing", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'adjustment', 0, 'x', '@aa')", CHECK),
    ("a receipt that takes", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'receipt', -1, 'x', '@aa')", CHECK),
    ("an adjustment without its job", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason) VALUES ('@a', '@b1', 'adjustment', 1, 'x')", CHECK),
    ("a movement without a reason", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b1', 'receipt', 1, ' ', '@aa')", CHECK),
    ("a movement of another business's product", "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason, job_id) VALUES ('@a', '@b9', 'receipt', 1, 'x', '@aa')", FOREIGN_KEY),
    ("a month 13", "INSERT INTO commissary.settlement_periods (business_id, period) VALUES ('@a', '2026-13')", CHECK),
    ("a period twice", "INSERT INTO commissary.settlement_periods (business_id, period) VALUES ('@a', '2026-10')", UNIQUE),
    ("an unknown period's state", "UPDATE commissary.settlement_periods SET state = 'reopened'", CHECK),
];

/// The queue and its results.
const QUEUE: &[Rule] = &[
    ("a job of an unknown kind", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'gift', 'k', '{}')", CHECK),
    ("a job with an empty key", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'payment', '', '{}')", CHECK),
    ("a job with a key of 201 characters", "INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ('@a', 'payment', repeat('é', 201), '{}')", CHECK),
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

const FACT_TABLES: &[&str] = &[
    "orders",
    "order_items",
    "credit_ledger",
    "subsidy_ledger",
    "refunds",
    "refund_items",
    "stock_movements",
    "job_results",
];

fn rules() -> Vec<(String, String, &'static str)> {
    let plain = [REFERENCES, CATALOGUE, FACTS, QUEUE].concat();
    let mut rules: Vec<(String, String, &str)> =
        plain.into_iter().map(|(name, sql, state)| (name.to_owned(), sql.to_owned(), state)).collect();
    rules.extend(PROGRAMS.iter().map(|(name, change)| {
        let sql = format!("UPDATE commissary.subsidy_programs SET {change} WHERE program_id = '@91'");
        (format!("a program: {name}"), sql, CHECK)
    }));
    rules.extend(ENTRIES.iter().map(|(name, values, state)| {
        let sql = format!(
            "INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount,
                balance_before, balance_after, credit_limit, order_id, refund_id)
             VALUES ('@a', '@c2', now(), '@51', '@aa', {values})"
        );
        (format!("a credit entry: {name}"), sql, *state)
    }));
    rules.extend(ORDERS.iter().map(|(name, values, state)| {
        let sql = format!(
            "INSERT INTO commissary.orders (business_id, order_id, customer_id, placed_at, job_id, total, subsidy, payable,
                outlet_id, organization_id, office_id, period_id, idempotency_key)
             VALUES ('@a', '@df', '@c2', now(), '@aa', {values})"
        );
        (format!("an order: {name}"), sql, *state)
    }));
    for table in FACT_TABLES {
        for change in
            ["UPDATE commissary.{} SET job_id = job_id", "DELETE FROM commissary.{}", "TRUNCATE commissary.{} CASCADE"]
        {
            // Lines have no job of their own.
            let column = if table.ends_with("_items") { "order_id = order_id" } else { "job_id = job_id" };
            let sql = change.replace("{}", table).replace("job_id = job_id", column);
            // Not even a statement that matches no row.
            let none = if sql.starts_with("TRUNCATE") { sql.clone() } else { format!("{sql} WHERE false") };
            rules.push((sql.clone(), sql, RESTRICT));
            rules.push((none.clone(), none, RESTRICT));
        }
    }
    rules
}

#[tokio::test]
async fn the_database_refuses_what_must_not_be_stored() {
    let database = database_with_facts().await;
    database.pool().execute(sqlx::raw_sql(AssertSqlSafe(with_ids(NEIGHBOUR)))).await.expect("a valid catalogue");
    let mut wrong = Vec::new();
    for (name, sql, state) in rules() {
        let mut transaction = database.pool().begin().await.expect("a transaction");
        let refused = sqlx::raw_sql(AssertSqlSafe(with_ids(&sql))).execute(&mut *transaction).await;
        let code = refused.as_ref().err().and_then(|error| error.as_database_error()).and_then(|error| error.code());
        if code.as_deref() != Some(state) {
            wrong.push(format!("{name}: expected {state}, but {refused:?}"));
        }
        transaction.rollback().await.expect("nothing stays");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What must be allowed beside the refusals: the edges of the rules.
#[tokio::test]
async fn the_database_allows_the_edges_of_its_rules() {
    let database = database_with_facts().await;
    for sql in [
        "UPDATE commissary.businesses SET currency = 'JPY', time_zone = 'Europe/Berlin' WHERE business_id = '@b'",
        "UPDATE commissary.businesses SET name = 'x', overdue_after_days = 0 WHERE business_id = '@a'",
        "UPDATE commissary.customers SET credit_limit = 1.500 WHERE customer_id = '@c1'",
        "UPDATE commissary.customers SET credit_limit = 0",
        "UPDATE commissary.products SET price = 0, tax_rate = 100, stock = 0 WHERE product_id = '@b1'",
        "UPDATE commissary.subsidy_programs SET value = 12.3456 WHERE program_id = '@91'",
        "UPDATE commissary.subsidy_programs SET value = 100, weekdays = '{}', total_budget = 0 WHERE program_id = '@91'",
        "DELETE FROM commissary.subsidy_programs WHERE program_id = '@91'",
        "UPDATE commissary.subsidy_budgets SET budget_used = total_budget",
        "INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount,
            balance_before, balance_after, credit_limit) VALUES ('@a', '@c2', now(), '@51', '@aa', 3, 'payment', -11, 10, -1, 5)",
    ] {
        let mut transaction = database.pool().begin().await.expect("a transaction");
        sqlx::raw_sql(AssertSqlSafe(with_ids(sql))).execute(&mut *transaction).await.expect(sql);
        transaction.rollback().await.expect("nothing stays");
    }
}

#[tokio::test]
async fn taking_an_outlet_from_the_pool_takes_it_from_the_offices() {
    let database = database_with_facts().await;
    let sql = "DELETE FROM commissary.organization_outlets";
    database.pool().execute(sql).await.expect("it cascades");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM commissary.office_outlets")
        .fetch_one(database.pool())
        .await
        .expect("a count");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn stock_given_at_insert_is_an_opening_movement_and_later_changes_are_not() {
    let database = support::database().await;
    let sql = "
        INSERT INTO commissary.businesses (business_id, name) VALUES ('@a', 'A'), ('@b', 'B');
        INSERT INTO commissary.products (business_id, product_id, name, price, stock) VALUES
            ('@a', '@1', 'one', 1, 5), ('@a', '@2', 'none', 1, 0), ('@b', '@3', 'other', 1, 7);
        UPDATE commissary.products SET stock = 9";
    database.pool().execute(sqlx::raw_sql(AssertSqlSafe(with_ids(sql)))).await.expect("a valid catalogue");
    let movements: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT p.name, m.kind, m.delta FROM commissary.stock_movements m
         JOIN commissary.products p USING (business_id, product_id) ORDER BY p.name",
    )
    .fetch_all(database.pool())
    .await
    .expect("movements");
    let opening = |name: &str, delta| (name.to_owned(), "opening".to_owned(), delta);
    assert_eq!(movements, [opening("one", 5), opening("other", 7)]);
}
