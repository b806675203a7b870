//! The audit against planted violations: a small consistent set of facts passes; with one violation planted past every
//! constraint and trigger, the audit finds exactly that, by its key, and nothing else.

#[path = "../fixtures/mod.rs"]
mod fixtures;
mod ledger_plants;
mod queue_plants;
mod settlement_plants;
mod subsidy_plants;
#[path = "../support/mod.rs"]
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

fn plants() -> impl Iterator<Item = &'static Plant> {
    ledger_plants::PLANTS
        .iter()
        .chain(subsidy_plants::PLANTS)
        .chain(queue_plants::PLANTS)
        .chain(settlement_plants::PLANTS)
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
    for plant in plants() {
        let report = look(&database, plant.sql).await;
        all.extend(differences(plant, &report));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn every_check_has_a_planted_violation() {
    let planted: BTreeSet<&str> = plants().flat_map(|plant| plant.found).map(|(check, _)| *check).collect();
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
