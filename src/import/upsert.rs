//! The statements that write: a chunk of a table's rows as columns, inserted or, where they differ, updated.

use chrono::{DateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::read::Row;
use super::tables::{Table, TableId};
use super::value::Value;

/// Rows that a statement inserted and updated.
pub(super) struct Written {
    pub(super) inserted: i64,
    pub(super) updated: i64,
}

/// Some rows of one business, to be taken by column.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    table: &'static Table,
    rows: &'a [Row],
}

impl<'a> Chunk<'a> {
    pub(super) const fn new(table: &'static Table, rows: &'a [Row]) -> Self {
        Self { table, rows }
    }

    fn column<T>(self, column: &str, take: impl Fn(&'a Value) -> Option<T>) -> Vec<Option<T>> {
        let index = self.table.index(column);
        self.rows.iter().map(|row| take(row.value(index))).collect()
    }

    fn column_not_null<T>(self, column: &str, take: impl Fn(&'a Value) -> Option<T>) -> Vec<T> {
        let values = self.column(column, take).into_iter();
        values.map(|value| value.expect("a column that is not null was validated")).collect()
    }

    fn ids(self, column: &str) -> Vec<Uuid> {
        self.column_not_null(column, Value::id)
    }

    fn some_ids(self, column: &str) -> Vec<Option<Uuid>> {
        self.column(column, Value::id)
    }

    fn texts(self, column: &str) -> Vec<&'a str> {
        self.column_not_null(column, Value::text)
    }

    fn decimals(self, column: &str) -> Vec<Decimal> {
        self.column_not_null(column, Value::decimal)
    }

    fn some_decimals(self, column: &str) -> Vec<Option<Decimal>> {
        self.column(column, Value::decimal)
    }

    fn integers(self, column: &str) -> Vec<i64> {
        self.column_not_null(column, Value::integer)
    }

    /// A column whose range was validated to be that of `integer`, or a part of it.
    fn small_integers(self, column: &str) -> Vec<i32> {
        let numbers = self.integers(column).into_iter().map(i32::try_from);
        numbers.map(|number| number.expect("the column's range was validated")).collect()
    }

    fn flags(self, column: &str) -> Vec<bool> {
        self.column_not_null(column, Value::flag)
    }

    fn some_instants(self, column: &str) -> Vec<Option<DateTime<Utc>>> {
        self.column(column, Value::instant)
    }

    fn some_times(self, column: &str) -> Vec<Option<NaiveTime>> {
        self.column(column, Value::time)
    }

    /// As array literals: an array of arrays would be flattened by `unnest`.
    fn weekdays(self, column: &str) -> Vec<Option<String>> {
        self.column(column, |value| {
            let days: Vec<_> = value.weekdays()?.iter().map(i16::to_string).collect();
            Some(format!("{{{}}}", days.join(",")))
        })
    }
}

/// Writes a chunk of any table.
///
/// # Errors
/// What the database refuses, or its failure.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    business: Uuid,
    chunk: Chunk<'_>,
) -> Result<Written, sqlx::Error> {
    match chunk.table.id {
        TableId::Businesses => businesses(connection, business, chunk).await,
        TableId::Organizations => organizations(connection, business, chunk).await,
        TableId::Offices => offices(connection, business, chunk).await,
        TableId::Teams => teams(connection, business, chunk).await,
        TableId::Outlets => outlets(connection, business, chunk).await,
        TableId::OrganizationOutlets => organization_outlets(connection, business, chunk).await,
        TableId::OfficeOutlets => office_outlets(connection, business, chunk).await,
        TableId::Customers => customers(connection, business, chunk).await,
        TableId::Products => products(connection, business, chunk).await,
        TableId::SubsidyPrograms => subsidy_programs(connection, business, chunk).await,
    }
}

type Upserted = Result<Written, sqlx::Error>;

/// One row: a business is the only one of its file in its transaction.
async fn businesses(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    let (names, currencies, zones) = (c.texts("name"), c.texts("currency"), c.texts("time_zone"));
    sqlx::query_file_as!(
        Written,
        "src/import/sql/businesses.sql",
        business,
        names.first().copied(),
        currencies.first().copied(),
        zones.first().copied(),
        c.small_integers("overdue_after_days").first().copied(),
        c.texts("overdue_policy").first().copied()
    )
    .fetch_one(connection)
    .await
}

async fn organizations(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/organizations.sql",
        business,
        &c.ids("organization_id"),
        &c.texts("name") as &[&str]
    )
    .fetch_one(connection)
    .await
}

async fn offices(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/offices.sql",
        business,
        &c.ids("office_id"),
        &c.ids("organization_id"),
        &c.texts("name") as &[&str]
    )
    .fetch_one(connection)
    .await
}

async fn teams(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/teams.sql",
        business,
        &c.ids("team_id"),
        &c.ids("office_id"),
        &c.texts("name") as &[&str]
    )
    .fetch_one(connection)
    .await
}

async fn outlets(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/outlets.sql",
        business,
        &c.ids("outlet_id"),
        &c.texts("name") as &[&str]
    )
    .fetch_one(connection)
    .await
}

async fn organization_outlets(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/organization_outlets.sql",
        business,
        &c.ids("organization_id"),
        &c.ids("outlet_id"),
        &c.some_instants("assigned_at") as &[Option<DateTime<Utc>>]
    )
    .fetch_one(connection)
    .await
}

async fn office_outlets(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/office_outlets.sql",
        business,
        &c.ids("office_id"),
        &c.ids("organization_id"),
        &c.ids("outlet_id"),
        &c.flags("is_visible")
    )
    .fetch_one(connection)
    .await
}

async fn customers(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/customers.sql",
        business,
        &c.ids("customer_id"),
        &c.texts("name") as &[&str],
        &c.decimals("credit_limit"),
        &c.some_ids("organization_id") as &[Option<Uuid>],
        &c.some_ids("office_id") as &[Option<Uuid>],
        &c.some_ids("team_id") as &[Option<Uuid>],
        &c.flags("is_active")
    )
    .fetch_one(connection)
    .await
}

async fn products(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/products.sql",
        business,
        &c.ids("product_id"),
        &c.texts("name") as &[&str],
        &c.some_ids("outlet_id") as &[Option<Uuid>],
        &c.decimals("price"),
        &c.decimals("tax_rate"),
        &c.integers("stock"),
        &c.flags("is_active")
    )
    .fetch_one(connection)
    .await
}

async fn subsidy_programs(connection: &mut PgConnection, business: Uuid, c: Chunk<'_>) -> Upserted {
    sqlx::query_file_as!(
        Written,
        "src/import/sql/subsidy_programs.sql",
        business,
        &c.ids("program_id"),
        &c.texts("name") as &[&str],
        &c.ids("organization_id"),
        &c.some_ids("office_id") as &[Option<Uuid>],
        &c.some_ids("team_id") as &[Option<Uuid>],
        &c.some_ids("outlet_id") as &[Option<Uuid>],
        &c.texts("kind") as &[&str],
        &c.decimals("value"),
        &c.some_decimals("cap") as &[Option<Decimal>],
        &c.small_integers("priority"),
        &c.some_decimals("min_order_amount") as &[Option<Decimal>],
        &c.some_instants("starts_at") as &[Option<DateTime<Utc>>],
        &c.some_instants("ends_at") as &[Option<DateTime<Utc>>],
        &c.weekdays("weekdays") as &[Option<String>],
        &c.some_times("hour_from") as &[Option<NaiveTime>],
        &c.some_times("hour_to") as &[Option<NaiveTime>],
        &c.texts("budget_period") as &[&str],
        &c.decimals("total_budget"),
        &c.some_decimals("per_customer_cap") as &[Option<Decimal>],
        &c.flags("allow_partial"),
        &c.flags("is_active")
    )
    .fetch_one(connection)
    .await
}
