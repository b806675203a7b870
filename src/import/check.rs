//! The files against each other and against the database: businesses, currencies and references.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::findings::Findings;
use super::index::{self, Index};
use super::read::{Row, Sheet};
use super::stored::Stored;
use super::tables::{Kind, Reference, TableId};
use super::value::Value;
use crate::money::Currency;

/// Adds what is wrong to the findings.
pub fn check(sheets: &[Sheet], index: &Index, stored: &Stored, findings: &mut Findings) {
    let currencies =
        Currencies { stored, businesses: sheets.iter().find(|sheet| sheet.table.id == TableId::Businesses) };
    let currencies = currencies.by_business();
    for sheet in sheets {
        let context = Context { sheet, index, stored };
        for row in &sheet.rows {
            let Some(business) = index::id(sheet.table, row, "business_id") else { continue };
            if context.business(row, business, findings) {
                context.amounts(row, currencies.get(&business).copied(), findings);
                context.parent(row, findings);
                for reference in sheet.table.references {
                    context.reference(row, reference, findings);
                }
            }
        }
    }
}

/// Each business's currency, of the file or of the database.
struct Currencies<'a> {
    stored: &'a Stored,
    businesses: Option<&'a Sheet>,
}

impl Currencies<'_> {
    fn by_business(&self) -> std::collections::HashMap<Uuid, Currency> {
        let held = self.stored.businesses.iter();
        let mut currencies: std::collections::HashMap<_, _> =
            held.filter_map(|(id, business)| Some((*id, business.currency.as_ref()?.1))).collect();
        for (sheet, row) in self.businesses.iter().flat_map(|sheet| sheet.rows.iter().map(move |row| (sheet, row))) {
            let code = row.value(sheet.table.index("currency"));
            if let (Some(id), Value::Text(code)) = (index::id(sheet.table, row, "business_id"), code)
                && let Some(currency) = self.stored.currencies.get(code)
            {
                currencies.insert(id, *currency);
            }
        }
        currencies
    }
}

struct Context<'a> {
    sheet: &'a Sheet,
    index: &'a Index,
    stored: &'a Stored,
}

impl Context<'_> {
    fn add(&self, row: &Row, column: &str, message: String, findings: &mut Findings) {
        findings.add(self.sheet.finding(row, column, message));
    }

    /// Whether the row's business is one that rows can be imported for.
    fn business(&self, row: &Row, business: Uuid, findings: &mut Findings) -> bool {
        let held = self.stored.businesses.get(&business);
        let held_currency = held.and_then(|held| held.currency.as_ref());
        let message = if !held.is_some_and(|held| held.may_act) {
            "this login may not act for the business; an operator adds it to commissary.principals"
        } else if self.sheet.table.id == TableId::Businesses {
            self.business_row(row, held_currency.map(|(code, _)| code.as_str()), findings);
            return true;
        } else if self.index.get(TableId::Businesses, [business, Uuid::nil(), Uuid::nil()]).is_none()
            && held_currency.is_none()
        {
            "unknown business: it is neither in businesses.csv nor in the database"
        } else {
            return true;
        };
        self.add(row, "business_id", message.to_owned(), findings);
        false
    }

    fn business_row(&self, row: &Row, held_currency: Option<&str>, findings: &mut Findings) {
        let table = self.sheet.table;
        if let Value::Text(code) = row.value(table.index("currency")) {
            if !self.stored.currencies.contains_key(code) {
                self.add(row, "currency", format!("\"{}\" is not an ISO 4217 code", code.escape_debug()), findings);
            } else if let Some(held) = held_currency.filter(|held| held != code) {
                // Amounts that are stored already would change their meaning, and may have decimals too many.
                let message = format!("is {code}, but the business has {held}, and a currency does not change");
                self.add(row, "currency", message, findings);
            }
        }
        if let Value::Text(name) = row.value(table.index("time_zone"))
            && !self.stored.time_zones.contains(name)
        {
            let message = format!("\"{}\" is not a time zone such as Europe/Berlin", name.escape_debug());
            self.add(row, "time_zone", message, findings);
        }
    }

    /// Amounts have no more decimals than the currency.
    fn amounts(&self, row: &Row, currency: Option<Currency>, findings: &mut Findings) {
        let Some(currency) = currency else { return };
        for (position, column) in self.sheet.table.columns.iter().enumerate() {
            let is_amount = match column.kind {
                Kind::Amount => true,
                Kind::ProgramValue => self.is_fixed(row),
                _ => false,
            };
            if let Value::Decimal(amount) = row.value(position)
                && is_amount
                && !currency.holds(*amount)
            {
                self.add(row, column.name, too_many_decimals(*amount, currency), findings);
            }
        }
    }

    fn is_fixed(&self, row: &Row) -> bool {
        matches!(row.value(self.sheet.table.index("kind")), Value::Text(kind) if kind == "FIXED")
    }

    /// A row keeps its parent: customers, programs and orders rely on it.
    fn parent(&self, row: &Row, findings: &mut Findings) {
        let table = self.sheet.table;
        let (Some(column), Some(key)) = (table.parent, index::key(table, row)) else { return };
        let held = self.stored.rows.get(&(table.id, key)).copied().flatten();
        if let (Some(given), Some(held)) = (index::id(table, row, column), held)
            && given != held
        {
            let message = format!("is {given}, but the database has {held}, and it does not change: use a new id");
            self.add(row, column, message, findings);
        }
    }

    fn reference(&self, row: &Row, reference: &Reference, findings: &mut Findings) {
        let table = self.sheet.table;
        let Some(key) = index::reference_key(table, reference, row) else { return };
        let column = reference.key.last().copied().unwrap_or("business_id");
        let target = reference.target.table().name;
        // The file is what the database will hold.
        let held = || self.stored.rows.get(&(reference.target, key)).copied();
        let Some(parent) = self.index.get(reference.target, key).or_else(held) else {
            let message =
                format!("no such row of this business, neither in {target}.csv nor in the database ({target})");
            return self.add(row, column, message, findings);
        };
        let Some(parent_column) = reference.parent else { return };
        match row.value(table.index(parent_column)) {
            Value::Null => {
                self.add(row, parent_column, format!("is empty, but {column} needs it"), findings);
            }
            Value::Id(given) if parent.is_some_and(|parent| parent != *given) => {
                let parent = parent.unwrap_or_default();
                let message = format!("belongs to {parent_column} {parent}, not to {given}");
                self.add(row, column, message, findings);
            }
            _ => {}
        }
    }
}

fn too_many_decimals(amount: Decimal, currency: Currency) -> String {
    format!("{amount} has more decimals than the business's currency ({})", currency.exponent())
}
