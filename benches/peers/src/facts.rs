//! Facts: the rows a purchase is decided on. They are locked first; what is derived from them is read after the locks.

use std::collections::{BTreeSet, HashMap};

use anyhow::bail;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::job::Request;
use crate::statement::sql;

/// What a purchase is decided on.
pub struct Facts {
    /// The month's settlement period, held open.
    pub period: Uuid,
    /// Decimals of the currency.
    pub exponent: u32,
    /// The decision's time.
    pub now: DateTime<Utc>,
    /// The customer's, if there is such a customer.
    pub account: Option<Account>,
    /// By id; locked.
    pub products: HashMap<Uuid, Product>,
}

/// A customer with the end of its ledger.
pub struct Account {
    /// The customer's row; locked.
    pub customer: Customer,
    /// The last entry's number, 0 for none.
    pub seq: i64,
    /// The sum of the entries.
    pub balance: Decimal,
    /// Whether the customer's office shows the outlet.
    pub is_visible: bool,
}

/// A customer's row.
#[derive(FromRow)]
pub struct Customer {
    pub credit_limit: Decimal,
    pub organization_id: Option<Uuid>,
    pub office_id: Option<Uuid>,
    pub team_id: Option<Uuid>,
    pub is_active: bool,
}

/// A product's row.
#[derive(FromRow)]
pub struct Product {
    pub product_id: Uuid,
    pub price: Decimal,
    pub tax_rate: Decimal,
    pub stock: i64,
    pub is_active: bool,
}

pub async fn load(connection: &mut PgConnection, business: Uuid, request: &Request) -> anyhow::Result<Facts> {
    let (period, exponent) = lock_period(connection, business).await?;
    let exponent = u32::try_from(exponent)?;
    let customer: Option<Customer> = sqlx::query_as(sql!("lock_customer"))
        .bind(business)
        .bind(request.customer_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(customer) = customer else {
        return Ok(Facts { period, exponent, now: Utc::now(), account: None, products: HashMap::new() });
    };
    let (seq, balance, now): (i64, Decimal, DateTime<Utc>) = sqlx::query_as(sql!("load_account"))
        .bind(business)
        .bind(request.customer_id)
        .fetch_one(&mut *connection)
        .await?;
    let is_visible: bool = sqlx::query_scalar(sql!("find_outlet"))
        .bind(business)
        .bind(customer.office_id)
        .bind(request.outlet_id)
        .fetch_one(&mut *connection)
        .await?;
    let ids: BTreeSet<Uuid> = request.lines.iter().map(|line| line.product_id).collect();
    let products: Vec<Product> = sqlx::query_as(sql!("lock_products"))
        .bind(business)
        .bind(ids.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let products = products.into_iter().map(|product| (product.product_id, product)).collect();
    Ok(Facts { period, exponent, now, account: Some(Account { customer, seq, balance, is_visible }), products })
}

async fn lock_period(connection: &mut PgConnection, business: Uuid) -> anyhow::Result<(Uuid, i32)> {
    for is_opened in [false, true] {
        let period = sqlx::query_as(sql!("lock_period")).bind(business).fetch_optional(&mut *connection).await?;
        if let Some(period) = period {
            return Ok(period);
        }
        if !is_opened {
            let open = sqlx::query(sql!("open_period")).bind(business).bind(Uuid::now_v7());
            open.execute(&mut *connection).await?;
        }
    }
    bail!("business {business}: this month's settlement period is closed")
}
