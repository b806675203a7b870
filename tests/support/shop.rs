//! A small business to buy at, and what tests ask of the database about it.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

// Each test binary uses another part of this module.
const _: () = {
    let _ = (Shop::subsidise, Shop::purchase, Shop::enqueue, Shop::result, Shop::number, facts);
    let _ = |shop: Shop| (shop.organization, shop.outlet, shop.customer, shop.product);
};

/// A business with an organization, an office that shows one outlet, a customer of that office, and a product.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    pub business: Uuid,
    pub organization: Uuid,
    pub outlet: Uuid,
    pub customer: Uuid,
    pub product: Uuid,
}

impl Shop {
    /// Opens one: the customer may spend `limit`, the product costs 10.00 and there are `stock` of it.
    pub async fn open(pool: &PgPool, limit: i64, stock: i64) -> Self {
        let [business, organization, office, outlet, customer, product] = std::array::from_fn(|_| Uuid::new_v4());
        let shop = Self { business, organization, outlet, customer, product };
        let sql = "
            WITH b AS (INSERT INTO commissary.businesses (business_id, name) VALUES ($1, 'Shop')),
            g AS (INSERT INTO commissary.organizations (business_id, organization_id, name) VALUES ($1, $2, 'Employer')),
            o AS (INSERT INTO commissary.offices (business_id, office_id, organization_id, name) VALUES ($1, $3, $2, 'Office')),
            l AS (INSERT INTO commissary.outlets (business_id, outlet_id, name) VALUES ($1, $4, 'Outlet')),
            p AS (INSERT INTO commissary.organization_outlets (business_id, organization_id, outlet_id) VALUES ($1, $2, $4)),
            v AS (INSERT INTO commissary.office_outlets (business_id, office_id, organization_id, outlet_id) VALUES ($1, $3, $2, $4)),
            c AS (INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit, organization_id, office_id)
                  VALUES ($1, $5, 'Customer', $7, $2, $3))
            INSERT INTO commissary.products (business_id, product_id, name, price, tax_rate, stock) VALUES ($1, $6, 'Product', 10, 7, $8)";
        sqlx::query(sql)
            .bind(business)
            .bind(organization)
            .bind(office)
            .bind(outlet)
            .bind(customer)
            .bind(product)
            .bind(rust_decimal::Decimal::from(limit))
            .bind(stock)
            .execute(pool)
            .await
            .expect("a shop opens");
        shop
    }

    /// Adds a program that gives 10 percent, at most 5.00, from this lifetime budget.
    pub async fn subsidise(&self, pool: &PgPool, total_budget: i64) -> Uuid {
        let sql = "INSERT INTO commissary.subsidy_programs
                (business_id, name, organization_id, kind, value, cap, total_budget)
            VALUES ($1, 'Tenth', $2, 'PERCENTAGE_CAPPED', 10, 5, $3) RETURNING program_id";
        let added = sqlx::query_scalar(sql).bind(self.business).bind(self.organization);
        added.bind(rust_decimal::Decimal::from(total_budget)).fetch_one(pool).await.expect("a program is added")
    }

    /// The payload of a purchase of so many pieces.
    pub fn purchase(&self, quantity: u32) -> Value {
        json!({"customer_id": self.customer, "outlet_id": self.outlet,
               "lines": [{"product_id": self.product, "quantity": quantity}]})
    }

    /// Enqueues a request; gives the state.
    pub async fn enqueue(&self, pool: &PgPool, kind: &str, key: &str, payload: &Value) -> String {
        sqlx::query_scalar("SELECT state FROM commissary.enqueue($1, $2, $3, $4)")
            .bind(self.business)
            .bind(kind)
            .bind(key)
            .bind(payload)
            .fetch_one(pool)
            .await
            .expect("a request is enqueued")
    }

    /// A result's status, reason and outcome, if it is there.
    pub async fn result(&self, pool: &PgPool, key: &str) -> Option<(String, Option<String>, Value)> {
        let sql = "SELECT status, reason, outcome FROM commissary.job_results
            WHERE business_id = $1 AND idempotency_key = $2";
        sqlx::query_as(sql).bind(self.business).bind(key).fetch_optional(pool).await.expect("results are read")
    }

    /// One number of this business: `sql` has $1 for its id.
    pub async fn number(&self, pool: &PgPool, sql: &'static str) -> i64 {
        let number: Option<i64> = sqlx::query_scalar(sql).bind(self.business).fetch_one(pool).await.expect(sql);
        number.unwrap_or_default()
    }
}

/// Rows of facts that one completed purchase of one line without a subsidy makes: order, item, charge and result.
pub async fn facts(pool: &PgPool, business: Uuid) -> [i64; 5] {
    let sql = "SELECT (SELECT count(*) FROM commissary.orders WHERE business_id = $1),
        (SELECT count(*) FROM commissary.order_items WHERE business_id = $1),
        (SELECT count(*) FROM commissary.credit_ledger WHERE business_id = $1),
        (SELECT count(*) FROM commissary.subsidy_ledger WHERE business_id = $1),
        (SELECT count(*) FROM commissary.job_results WHERE business_id = $1)";
    let row: (i64, i64, i64, i64, i64) = sqlx::query_as(sql).bind(business).fetch_one(pool).await.expect("facts");
    [row.0, row.1, row.2, row.3, row.4]
}
