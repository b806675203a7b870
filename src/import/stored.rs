//! What the database holds of what the files name: looked up set-wise, a transaction a business.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::index::{Index, Key, Wanted};
use super::read::Sheet;
use super::tables::{Kind, TableId};
use super::value::Value;
use crate::db::{self, DbError};
use crate::ids::BusinessId;
use crate::money::Currency;

/// What the database holds of what the files name.
#[derive(Debug, Default)]
pub struct Stored {
    /// The files' currencies that are known.
    pub currencies: HashMap<String, Currency>,
    /// The files' time zones that are known.
    pub time_zones: HashSet<String>,
    /// The businesses of all rows.
    pub businesses: HashMap<Uuid, StoredBusiness>,
    /// Rows that were asked for and are there, each with its parent if its table has one.
    pub rows: HashMap<(TableId, Key), Option<Uuid>>,
}

/// A business as the database knows it.
#[derive(Clone, Debug)]
pub struct StoredBusiness {
    /// Whether this login may act for it.
    pub may_act: bool,
    /// Its currency; `None` if the business is not there.
    pub currency: Option<(String, Currency)>,
}

/// Looks up what the files name.
///
/// # Errors
/// [`DbError`] if the database fails.
pub async fn load(pool: &PgPool, sheets: &[Sheet], index: &Index) -> Result<Stored, DbError> {
    let mut stored = Stored::default();
    let codes = texts(sheets, Kind::Currency);
    for row in sqlx::query_file!("src/import/sql/currencies.sql", &codes).fetch_all(pool).await? {
        stored.currencies.insert(row.code, currency(row.exponent));
    }
    let names = texts(sheets, Kind::TimeZone);
    let zones = sqlx::query_file!("src/import/sql/time_zones.sql", &names).fetch_all(pool).await?;
    stored.time_zones = zones.into_iter().map(|row| row.name).collect();
    load_businesses(pool, index.wanted(sheets), &mut stored).await?;
    Ok(stored)
}

fn texts(sheets: &[Sheet], kind: Kind) -> Vec<String> {
    let mut texts = BTreeSet::new();
    for sheet in sheets {
        for (index, _) in sheet.table.columns.iter().enumerate().filter(|(_, column)| column.kind == kind) {
            texts.extend(sheet.rows.iter().filter_map(|row| match row.value(index) {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            }));
        }
    }
    texts.into_iter().collect()
}

fn currency(exponent: i32) -> Currency {
    Currency::with_exponent(u32::try_from(exponent).expect("a currency has 0 to 4 decimals"))
}

async fn load_businesses(pool: &PgPool, wanted: Wanted, stored: &mut Stored) -> Result<(), DbError> {
    for (business, tables) in wanted {
        let mut transaction = db::begin_tenant(pool, BusinessId(business)).await?;
        let row = sqlx::query_file!("src/import/sql/business.sql", business).fetch_one(&mut *transaction).await?;
        let currency = row.currency.zip(row.exponent.map(currency));
        stored.businesses.insert(business, StoredBusiness { may_act: row.may_act, currency });
        for (table, keys) in tables {
            let found = load_rows(&mut transaction, business, table, &keys).await?;
            stored.rows.extend(found.into_iter().map(|row| {
                let key = [business, row.id, row.second.unwrap_or_default()];
                ((table, key), row.parent)
            }));
        }
        transaction.commit().await?;
    }
    Ok(())
}

struct StoredRow {
    id: Uuid,
    second: Option<Uuid>,
    parent: Option<Uuid>,
}

async fn load_rows(
    connection: &mut PgConnection,
    business: Uuid,
    table: TableId,
    keys: &BTreeSet<Key>,
) -> Result<Vec<StoredRow>, sqlx::Error> {
    let (ids, seconds): (Vec<Uuid>, Vec<Uuid>) = keys.iter().map(|[_, id, second]| (*id, *second)).unzip();
    macro_rules! stored {
        ($file:literal $(, $more:expr)?) => {
            sqlx::query_file_as!(StoredRow, $file, business, &ids $(, $more)?).fetch_all(connection).await
        };
    }
    match table {
        TableId::Organizations => stored!("src/import/sql/stored_organizations.sql"),
        TableId::Offices => stored!("src/import/sql/stored_offices.sql"),
        TableId::Teams => stored!("src/import/sql/stored_teams.sql"),
        TableId::Outlets => stored!("src/import/sql/stored_outlets.sql"),
        TableId::OrganizationOutlets => stored!("src/import/sql/stored_organization_outlets.sql", &seconds),
        TableId::Businesses
        | TableId::OfficeOutlets
        | TableId::Customers
        | TableId::Products
        | TableId::SubsidyPrograms => unreachable!("no row of the catalogue refers to {table:?} by an id"),
    }
}
