//! Isolation between businesses, and what each role may do: read from the catalogue for every table and function, and
//! tried by real logins.

mod catalogue;
#[path = "../fixtures/mod.rs"]
mod fixtures;
#[path = "../support/mod.rs"]
mod support;

use fixtures::{database_with_facts, with_ids};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, PgPool};
use support::TestDatabase;
use url::Url;

const PRIVILEGE: &str = "42501";
const FOREIGN_KEY: &str = "23503";

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
    "job_results_archive",
];

async fn texts(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.expect(sql)
}

/// Every table but the two that only the owner's functions see.
async fn tables(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class
        WHERE relnamespace = 'commissary'::regnamespace AND relkind IN ('r', 'p')
            AND relname NOT IN ('principals', 'workers') ORDER BY relname";
    texts(pool, sql).await
}

#[tokio::test]
async fn the_catalogue_keeps_every_rule_of_isolation() {
    let database = support::database().await;
    for (rule, sql) in catalogue::RULES {
        let broken = texts(database.pool(), sql).await;
        assert!(broken.is_empty(), "{rule}: not so for {broken:?}");
    }
    assert!(tables(database.pool()).await.len() >= 20, "the rules were applied to all tables");
}

#[tokio::test]
async fn nobody_may_change_or_remove_a_fact() {
    let database = support::database().await;
    for role in ["worker", "producer", "reporter", "admin", "discovery"] {
        for table in FACT_TABLES {
            let may: bool = sqlx::query_scalar(
                "SELECT has_table_privilege($1, $2, 'UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege($1, $2, 'UPDATE')",
            )
            .bind(format!("commissary_{role}"))
            .bind(format!("commissary.{table}"))
            .fetch_one(database.pool())
            .await
            .expect("the catalogue answers");
            assert!(!may, "{role} may change {table}");
        }
    }
}

/// A login of the role, bound to business a.
async fn login_of_a(database: &mut TestDatabase, role: &'static str) -> PgConnection {
    let url = database.login(&[role]).await;
    let name = Url::parse(&url).expect("a URL").username().to_owned();
    sqlx::query("INSERT INTO commissary.principals VALUES ($1::name, $2)")
        .bind(name)
        .bind(uuid::Uuid::from_u128(0xa))
        .execute(database.pool())
        .await
        .expect("an operator may");
    PgConnection::connect(&url).await.expect("the login may connect")
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(with_ids(sql))).execute(connection).await;
    done.map(|done| done.rows_affected())
}

/// Runs one statement with app.business_id set, and keeps nothing of it.
async fn run_as(connection: &mut PgConnection, business: &str, sql: &str) -> Result<u64, sqlx::Error> {
    run(connection, &format!("BEGIN; SET LOCAL app.business_id = '{business}'")).await.expect("a transaction");
    let done = run(connection, sql).await;
    run(connection, "ROLLBACK").await.expect("nothing stays");
    done
}

fn sqlstate<T>(done: &Result<T, sqlx::Error>) -> Option<String> {
    let error = done.as_ref().err()?.as_database_error()?;
    error.code().map(|code| code.into_owned())
}

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(with_ids(sql))).fetch_one(connection).await.expect("a count")
}

#[tokio::test]
async fn a_producer_enqueues_and_reads_for_its_business_only() {
    let mut database = database_with_facts().await;
    let mut producer = login_of_a(&mut database, "commissary_producer").await;
    for (business, refused) in [("@a", None), ("@b", Some(PRIVILEGE)), ("@ff", Some(PRIVILEGE))] {
        for setting in ["", "@a", "@b"] {
            for call in [
                format!("SELECT commissary.enqueue('{business}', 'payment', 'new', '{{}}')"),
                format!("SELECT commissary.enqueue_many('{business}', '[]')"),
                format!("SELECT commissary.get_result('{business}', 'key 1')"),
            ] {
                let done = run_as(&mut producer, setting, &call).await;
                assert_eq!(sqlstate(&done).as_deref(), refused, "{call} with {setting:?}: {done:?}");
            }
        }
    }
    for table in tables(database.pool()).await {
        let done = run_as(&mut producer, "@a", &format!("SELECT FROM commissary.{table}")).await;
        assert_eq!(sqlstate(&done).as_deref(), Some(PRIVILEGE), "{table}");
    }
    let done = run_as(&mut producer, "@a", "SELECT commissary.ready_businesses()").await;
    assert_eq!(sqlstate(&done).as_deref(), Some(PRIVILEGE));
}

#[tokio::test]
async fn a_producer_of_all_businesses_enqueues_for_each() {
    let mut database = database_with_facts().await;
    let url = database.login(&["commissary_producer"]).await;
    let name = Url::parse(&url).expect("a URL").username().to_owned();
    let bind = sqlx::query("INSERT INTO commissary.principals VALUES ($1::name, NULL)").bind(name);
    bind.execute(database.pool()).await.expect("an operator may");
    let mut producer = PgConnection::connect(&url).await.expect("the login may connect");
    for (business, refused) in [("@a", None), ("@b", None), ("@ff", Some("CM400"))] {
        let call = format!("SELECT commissary.enqueue('{business}', 'payment', 'new', '{{}}')");
        let done = run_as(&mut producer, "", &call).await;
        assert_eq!(sqlstate(&done).as_deref(), refused, "{call}: {done:?}");
    }
}

#[tokio::test]
async fn a_login_without_a_business_may_do_nothing() {
    let mut database = database_with_facts().await;
    let url = database.login(&["commissary_producer"]).await;
    let mut stranger = PgConnection::connect(&url).await.expect("it may connect");
    for kind in ["payment", "gift"] {
        let call = format!("SELECT commissary.enqueue('@a', '{kind}', 'new', '{{}}')");
        assert_eq!(sqlstate(&run_as(&mut stranger, "@a", &call).await).as_deref(), Some(PRIVILEGE), "{kind}");
    }
    let url = database.login(&["commissary_reporter"]).await;
    let mut stranger = PgConnection::connect(&url).await.expect("it may connect");
    assert_eq!(count(&mut stranger, "SELECT count(*) FROM commissary.my_businesses()").await, 0);
    assert_eq!(run_as(&mut stranger, "@a", "SELECT FROM commissary.businesses").await.expect("it may ask"), 0);
}

#[tokio::test]
async fn a_reporter_sees_its_business_only() {
    let mut database = database_with_facts().await;
    let mut reporter = login_of_a(&mut database, "commissary_reporter").await;
    let everything = tables(database.pool()).await;
    for table in &everything {
        let select = format!("SELECT FROM commissary.{table}");
        for setting in ["", "@b"] {
            let seen = run_as(&mut reporter, setting, &select).await.expect("it may ask");
            assert_eq!(seen, 0, "{table} with {setting:?}");
        }
        let of_a = count(
            &mut database.pool().acquire().await.expect("a connection"),
            &format!("SELECT count(*) FROM commissary.{table} WHERE business_id = '@a'"),
        )
        .await;
        let seen = run_as(&mut reporter, "@a", &select).await.expect("it may ask");
        assert_eq!(i64::try_from(seen).expect("few"), of_a, "{table}");
    }
    assert_eq!(count(&mut reporter, "SELECT count(*) FROM commissary.my_businesses() b WHERE b = '@a'").await, 1);
    assert_eq!(count(&mut reporter, "SELECT count(*) FROM commissary.my_businesses()").await, 1);
}

#[tokio::test]
async fn a_statement_that_changes_its_setting_stays_in_its_business() {
    let mut database = database_with_facts().await;
    let everything = tables(database.pool()).await;
    for role in ["commissary_reporter", "commissary_admin"] {
        let mut login = login_of_a(&mut database, role).await;
        // Without an index every row is compared with the setting as it comes.
        let scans = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off";
        run(&mut login, scans).await.expect("anyone may");
        for table in &everything {
            let own = run_as(&mut login, "@a", &format!("SELECT FROM commissary.{table}")).await;
            let change = "set_config('app.business_id', '@b', true)";
            let seen = run_as(&mut login, "@a", &format!("SELECT {change} FROM commissary.{table}")).await;
            match own {
                Ok(own) => assert!(seen.expect("it may ask") <= own, "{role}: {table}"),
                Err(_) => assert!(seen.is_err(), "{role}: {table}"),
            }
        }
    }
}

#[tokio::test]
async fn an_admin_writes_the_catalogue_of_its_business_and_nothing_else() {
    let mut database = database_with_facts().await;
    let mut admin = login_of_a(&mut database, "commissary_admin").await;
    for (setting, sql, rows) in [
        ("@a", "INSERT INTO commissary.outlets VALUES ('@a', '@09', 'New')", Ok(1)),
        ("@a", "UPDATE commissary.customers SET credit_limit = 7 WHERE customer_id = '@c2'", Ok(1)),
        ("@a", "UPDATE commissary.products SET price = 7", Ok(3)),
        ("@a", "INSERT INTO commissary.products (business_id, name, price, stock) VALUES ('@a', 'x', 1, 5)", Ok(1)),
        ("@b", "INSERT INTO commissary.outlets VALUES ('@b', '@09', 'New')", Err(PRIVILEGE)),
        ("@a", "INSERT INTO commissary.outlets VALUES ('@b', '@09', 'New')", Err(PRIVILEGE)),
        ("", "INSERT INTO commissary.outlets VALUES ('@a', '@09', 'New')", Err(PRIVILEGE)),
        ("@b", "UPDATE commissary.customers SET credit_limit = 7", Ok(0)),
        ("@b", "DELETE FROM commissary.customers", Ok(0)),
        ("@a", "UPDATE commissary.customers SET business_id = '@b'", Err(PRIVILEGE)),
        ("@a", "UPDATE commissary.outlets SET business_id = '@b'", Err(PRIVILEGE)),
        ("@f0", "INSERT INTO commissary.businesses (business_id, name) VALUES ('@f0', 'x')", Err(PRIVILEGE)),
        ("@a", "UPDATE commissary.products SET stock = 7", Err(PRIVILEGE)),
        (
            "@a",
            "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason)
            VALUES ('@a', '@b1', 'opening', 1, 'x')",
            Err(PRIVILEGE),
        ),
        ("@a", "UPDATE commissary.subsidy_budgets SET budget_used = 0", Err(PRIVILEGE)),
        ("@a", "UPDATE commissary.queues SET decision_seq = 0", Err(PRIVILEGE)),
        ("@a", "INSERT INTO commissary.principals VALUES (session_user, NULL)", Err(PRIVILEGE)),
    ] {
        let done = run_as(&mut admin, setting, sql).await;
        match rows {
            Ok(rows) => assert_eq!(done.expect(sql), rows, "{sql}"),
            Err(state) => assert_eq!(sqlstate(&done).as_deref(), Some(state), "{sql}: {done:?}"),
        }
    }
    for table in FACT_TABLES {
        let insert = format!("INSERT INTO commissary.{table} DEFAULT VALUES");
        for sql in [insert, format!("DELETE FROM commissary.{table}"), format!("TRUNCATE commissary.{table}")] {
            let done = run_as(&mut admin, "@a", &sql).await;
            assert_eq!(sqlstate(&done).as_deref(), Some(PRIVILEGE), "{sql}");
        }
    }
}

#[tokio::test]
async fn the_worker_sees_the_business_it_entered_and_without_one_nothing() {
    let mut database = database_with_facts().await;
    let url = database.login(&["commissary_worker"]).await;
    let mut worker = PgConnection::connect(&url).await.expect("it may connect");
    let everything = tables(database.pool()).await;
    for table in &everything {
        let foreign =
            run_as(&mut worker, "@a", &format!("SELECT FROM commissary.{table} WHERE business_id <> '@a'")).await;
        assert_eq!(foreign.expect("it may ask"), 0, "{table}: another business's rows");
        let own = run_as(&mut worker, "@b", &format!("SELECT FROM commissary.{table} WHERE business_id <> '@b'")).await;
        assert_eq!(own.expect("it may ask"), 0, "{table}: another business's rows");
        assert_eq!(
            count(&mut worker, &format!("SELECT count(*) FROM commissary.{table}")).await,
            0,
            "{table}: no setting"
        );
    }
    let done =
        run_as(&mut worker, "@a", "UPDATE commissary.customers SET lock_guard = false WHERE business_id = '@b'").await;
    assert_eq!(done.expect("it may ask"), 0);
    let done = run_as(
        &mut worker,
        "@a",
        "INSERT INTO commissary.stock_movements (business_id, product_id, kind, delta, reason)
        VALUES ('@b', '@b9', 'opening', 1, 'x')",
    )
    .await;
    assert_eq!(sqlstate(&done).as_deref(), Some(PRIVILEGE));
}

#[tokio::test]
async fn after_a_commit_the_setting_is_empty_and_nothing_is_visible() {
    let mut database = database_with_facts().await;
    let url = database.login(&["commissary_worker"]).await;
    let mut worker = PgConnection::connect(&url).await.expect("it may connect");
    run(&mut worker, "BEGIN; SET LOCAL app.business_id = '@a'").await.expect("a transaction");
    assert_eq!(count(&mut worker, "SELECT count(*) FROM commissary.customers").await, 2);
    run(&mut worker, "COMMIT").await.expect("it commits");
    let setting: Option<String> = sqlx::query_scalar("SELECT current_setting('app.business_id', true)")
        .fetch_one(&mut worker)
        .await
        .expect("a setting");
    assert_eq!(setting.as_deref(), Some(""), "not null: policies must take both");
    assert_eq!(count(&mut worker, "SELECT count(*) FROM commissary.customers").await, 0);
}

#[tokio::test]
async fn a_call_gives_the_caller_its_setting_back() {
    let mut database = database_with_facts().await;
    let mut producer = login_of_a(&mut database, "commissary_producer").await;
    for setting in ["", "theirs"] {
        for call in [
            "SELECT FROM commissary.enqueue('@a', 'payment', 'new', '{}')",
            "SELECT FROM commissary.enqueue_many('@a', '[{\"kind\": \"payment\", \"idempotency_key\": \"k\", \"payload\": {}}]')",
            "SELECT FROM commissary.get_result('@a', 'key 1')",
        ] {
            run(&mut producer, &format!("BEGIN; SET LOCAL app.business_id = '{setting}'"))
                .await
                .expect("a transaction");
            assert_eq!(run(&mut producer, call).await.expect(call), 1, "{call}");
            let after: String = sqlx::query_scalar("SELECT current_setting('app.business_id')")
                .fetch_one(&mut producer)
                .await
                .expect("a setting");
            assert_eq!(after, setting, "{call}");
            run(&mut producer, "ROLLBACK").await.expect("it ends");
        }
    }
}

/// Under forced row level security a foreign key was once added over 1,200 orphans: whoever migrates must see all rows.
#[tokio::test]
async fn a_violated_foreign_key_cannot_be_added() {
    let mut database = database_with_facts().await;
    let url = database.login(&["commissary_owner"]).await;
    let name = Url::parse(&url).expect("a URL").username().to_owned();
    let sql = format!("ALTER ROLE {name} BYPASSRLS CREATEROLE");
    database.pool().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("a superuser may");
    let orphan = "ALTER TABLE commissary.products DROP CONSTRAINT products_business_id_outlet_id_fkey;
        UPDATE commissary.products SET outlet_id = '@0f' WHERE product_id = '@b1'";
    database.pool().execute(sqlx::raw_sql(AssertSqlSafe(with_ids(orphan)))).await.expect("a superuser may");
    let migrator = PgConnection::connect(&url).await.expect("it may connect");
    let superuser = PgConnection::connect(database.url()).await.expect("it may connect");
    for mut login in [migrator, superuser] {
        let sql =
            "ALTER TABLE commissary.products ADD FOREIGN KEY (business_id, outlet_id) REFERENCES commissary.outlets";
        let done = run(&mut login, sql).await;
        assert_eq!(sqlstate(&done).as_deref(), Some(FOREIGN_KEY), "{done:?}");
    }
}
