//! The database refuses by itself what must never be stored, whoever writes it: each constraint and trigger of the
//! migrations, against a superuser's statement, by SQLSTATE.

mod catalogue;
mod facts;
#[path = "../fixtures/mod.rs"]
mod fixtures;
#[path = "../support/mod.rs"]
mod support;

use fixtures::{database_with_facts, with_ids};
use sqlx::{AssertSqlSafe, Executor};

const FOREIGN_KEY: &str = "23503";
const UNIQUE: &str = "23505";
const CHECK: &str = "23514";
const NOT_NULL: &str = "23502";
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

const FACT_TABLES: &[&str] = &[
    "orders",
    "order_items",
    "credit_ledger",
    "subsidy_ledger",
    "refunds",
    "refund_items",
    "stock_movements",
    "overdue_events",
    "job_results",
];

/// The columns of a copied row that are not generated.
fn with_columns(sql: &str) -> String {
    const SUBSIDY: &str = "business_id, entry_id, order_id, customer_id, program_id, budget_period, period_start,
        applied_amount, returned_to_budget, program_snapshot, evaluation, created_at, refund_id, period_id, job_id";
    const ORDER: &str =
        "business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at, organization_id,
        office_id, team_id, period_id, job_id, idempotency_key";
    sql.replace("@subsidy", SUBSIDY).replace("@order", ORDER)
}

fn rules() -> Vec<(String, String, &'static str)> {
    let plain = [catalogue::REFERENCES, catalogue::CATALOGUE, facts::FACTS, facts::QUEUE].concat();
    let mut rules: Vec<(String, String, &str)> =
        plain.into_iter().map(|(name, sql, state)| (name.to_owned(), with_columns(sql), state)).collect();
    rules.extend(catalogue::PROGRAMS.iter().map(|(name, change)| {
        let sql = format!("UPDATE commissary.subsidy_programs SET {change} WHERE program_id = '@91'");
        (format!("a program: {name}"), sql, CHECK)
    }));
    rules.extend(facts::ENTRIES.iter().map(|(name, values, state)| {
        let sql = format!(
            "INSERT INTO commissary.credit_ledger (business_id, customer_id, created_at, period_id, job_id, seq, kind, amount,
                balance_before, balance_after, credit_limit, order_id, refund_id)
             VALUES ('@a', '@c2', now(), '@51', '@aa', {values})"
        );
        (format!("a credit entry: {name}"), sql, *state)
    }));
    rules.extend(facts::ORDERS.iter().map(|(name, values, state)| {
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
        "INSERT INTO commissary.refunds VALUES ('@a', '@7f', '@d1', '@c1', 20, 10, 10, true, now(), '@51', '@aa');
         INSERT INTO commissary.refund_items VALUES ('@a', '@7f', 1, '@d1', 2, 20, '@aa')",
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
