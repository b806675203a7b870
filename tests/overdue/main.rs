//! Overdue: the view, the function as of an instant and the pure form against a FIFO oracle, and the scan.

mod oracle;
mod scan;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use commissary::domain::overdue;
use fastrand::Rng;
use oracle::{Entry, Owed, cents};
use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

const ACCOUNTS: usize = 150;

/// A business whose customers have random ledgers.
struct Ledgers {
    business: Uuid,
    limit_days: i64,
    accounts: HashMap<Uuid, Vec<Entry>>,
}

/// All of it is one transaction, whose `now()` stands still: entries lie exactly upon the cut-offs.
#[tokio::test]
async fn view_function_and_pure_form_equal_a_walk_entry_by_entry() {
    let database = support::database().await;
    let mut transaction = database.pool().begin().await.expect("a transaction");
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *transaction).await.expect("a clock");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut all = Vec::new();
    for limit_days in [0, 7, 30] {
        let ledgers = Ledgers {
            business: Uuid::from_u128(rng.u128(..)),
            limit_days,
            accounts: (0..ACCOUNTS)
                .map(|_| (Uuid::from_u128(rng.u128(..)), oracle::ledger(&mut rng, now, limit_days)))
                .collect(),
        };
        store(&mut transaction, &ledgers).await;
        all.push(ledgers);
    }
    for ledgers in &all {
        // As the reporter: the view reads with the rights, and under the policies, of who asks.
        let enter = format!("SET LOCAL ROLE commissary_reporter; SET LOCAL app.business_id = '{}'", ledgers.business);
        sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *transaction).await.expect("the reporter exists");
        let view = "SELECT * FROM commissary.customer_credit WHERE business_id = $1 AND $2::timestamptz IS NOT NULL";
        compare(&mut transaction, ledgers, view, now, now).await;
        let at = "SELECT * FROM commissary.customer_credit_at($1, $2)";
        compare(&mut transaction, ledgers, at, now, now).await;
        for _ in 0..5 {
            let then = now - TimeDelta::hours(rng.i64(0..24 * 220));
            compare(&mut transaction, ledgers, at, then, then).await;
        }
    }
}

async fn store(connection: &mut PgConnection, ledgers: &Ledgers) {
    let insert = "INSERT INTO commissary.businesses (business_id, name, overdue_after_days) VALUES ($1, 'B', $2)";
    let days = i32::try_from(ledgers.limit_days).expect("few");
    sqlx::query(insert).bind(ledgers.business).bind(days).execute(&mut *connection).await.expect("a business");
    let customers: Vec<Uuid> = ledgers.accounts.keys().copied().collect();
    let insert = "INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit)
        SELECT $1, c, 'C', 1000000 FROM unnest($2::uuid[]) c";
    sqlx::query(insert).bind(ledgers.business).bind(&customers).execute(&mut *connection).await.expect("customers");
    let of_customers = ledgers.accounts.iter().flat_map(|(customer, entries)| {
        entries.iter().scan((0_i64, 0_i64), move |(seq, balance), entry| {
            *seq += 1;
            let before = *balance;
            *balance += entry.cents;
            Some((*customer, *seq, before, *entry))
        })
    });
    let rows: Vec<(Uuid, i64, i64, Entry)> = of_customers.collect();
    // The orders, refunds and periods behind the entries do not matter here; every CHECK of the ledger holds.
    sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *connection).await.expect("superuser");
    sqlx::query(
        "INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
            credit_limit, order_id, refund_id, created_at, period_id, job_id)
         SELECT $1, u.customer, u.seq, u.kind, u.cents / 100.0, u.before / 100.0, (u.before + u.cents) / 100.0, 1000000,
            u.order_id, CASE u.kind WHEN 'refund' THEN gen_random_uuid() END, u.at, $1, $1
         FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::uuid[], $8::timestamptz[])
            u (customer, seq, kind, cents, before, order_id, at)",
    )
    .bind(ledgers.business)
    .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.3.kind.to_owned()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.3.cents).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.3.order).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.3.at).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .expect("a chained ledger");
    sqlx::raw_sql("RESET session_replication_role").execute(connection).await.expect("superuser");
}

/// Every column of every customer, by the entries made until `until`.
async fn compare(
    connection: &mut PgConnection,
    ledgers: &Ledgers,
    sql: &'static str,
    until: DateTime<Utc>,
    clock: DateTime<Utc>,
) {
    let found = sqlx::query(sql).bind(ledgers.business).bind(clock).fetch_all(connection).await.expect(sql);
    assert_eq!(found.len(), ledgers.accounts.len(), "a row a customer");
    let limit = Decimal::from(1_000_000);
    for row in found {
        let customer: Uuid = row.get("customer_id");
        let entries: Vec<Entry> =
            ledgers.accounts[&customer].iter().filter(|entry| entry.at <= until).copied().collect();
        let expected = oracle::walk(&entries, clock, ledgers.limit_days);
        let money = |column: &str| cents(row.get::<Decimal, _>(column));
        let shown = Owed {
            balance: money("balance"),
            buckets: ["not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90"].map(money),
            oldest: row.get("oldest_unpaid_at"),
        };
        let named = || format!("{sql} at {clock}, limit {}: {entries:#?}", ledgers.limit_days);
        assert_eq!(shown, expected, "{}", named());
        let overdue: i64 = expected.buckets[1..].iter().sum();
        assert_eq!(money("overdue_amount"), overdue, "{}", named());
        assert_eq!(row.get::<bool, _>("is_overdue"), overdue > 0, "{}", named());
        assert_eq!(row.get::<Decimal, _>("credit_limit"), limit, "{}", named());
        assert_eq!(row.get::<Decimal, _>("available"), limit - Decimal::new(expected.balance, 2), "{}", named());
        assert_eq!(expected.buckets.iter().sum::<i64>(), expected.balance.max(0), "the oracle's own sum");
        let days = u32::try_from(ledgers.limit_days).expect("few");
        let pure = overdue::age(&oracle::aged(&entries), clock, days).expect("small");
        assert_eq!(oracle::in_cents(&pure), expected, "the pure form: {}", named());
        assert_eq!(cents(pure.overdue().expect("small").decimal()), overdue, "the pure form: {}", named());
    }
}

/// An account that paid for years: of its 20,000 entries only those since it last owed nothing are read.
#[tokio::test]
async fn one_customers_row_reads_only_recent_entries() {
    let database = support::database().await;
    let mut transaction = database.pool().begin().await.expect("a transaction");
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *transaction).await.expect("a clock");
    let charge =
        |hours, cents| Entry { kind: "charge", cents, order: Some(Uuid::new_v4()), at: now - TimeDelta::hours(hours) };
    let payment = |hours, cents| Entry { kind: "payment", cents, order: None, at: now - TimeDelta::hours(hours) };
    // He always owes 50.00: whatever is read, it is not because the balance was zero.
    let mut long = vec![charge(20_001, 5_000)];
    long.extend((1..10_000).flat_map(|pair| [charge(20_000 - 2 * pair, 1_000), payment(19_999 - 2 * pair, -1_000)]));
    let (business, customer) = (Uuid::new_v4(), Uuid::new_v4());
    let ledgers = Ledgers { business, limit_days: 30, accounts: HashMap::from([(customer, long)]) };
    store(&mut transaction, &ledgers).await;
    sqlx::raw_sql("ANALYZE commissary.credit_ledger").execute(&mut *transaction).await.expect("superuser");
    let enter = format!("SET LOCAL ROLE commissary_worker; SET LOCAL app.business_id = '{business}'");
    sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *transaction).await.expect("the worker exists");
    let explain = format!(
        "EXPLAIN (ANALYZE, TIMING off, FORMAT json) SELECT * FROM commissary.customer_credit
         WHERE business_id = '{business}' AND customer_id = '{customer}'"
    );
    let plan: serde_json::Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *transaction).await.expect("a plan");
    let read = rows_read(&plan[0]["Plan"]);
    assert!((1..100).contains(&read), "{read} entries read: {plan:#}");
}

/// Rows that scans of the ledger read, those that were filtered away too.
fn rows_read(plan: &serde_json::Value) -> i64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let own = if plan["Relation Name"] == "credit_ledger" {
        (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops")
    } else {
        0.0
    };
    let below: i64 = plan["Plans"].as_array().into_iter().flatten().map(rows_read).sum();
    below + own as i64
}
