//! Rules between the columns of one row, as the schema's CHECKs state them.

use rust_decimal::Decimal;

use super::read::Row;
use super::tables::Table;
use super::value::Value;

/// A program: its value fits its kind, it has a cap exactly if it is capped, and it starts before it ends.
#[must_use]
pub fn program(table: &Table, row: &Row) -> Vec<(&'static str, String)> {
    let mut offences = Vec::new();
    let value = |column| row.value(table.index(column));
    if let Value::Text(kind) = value("kind") {
        if let Value::Decimal(amount) = value("value") {
            offences.extend(program_value(kind, *amount).map(|message| ("value", message)));
        }
        let capped = kind == "PERCENTAGE_CAPPED";
        match value("cap") {
            Value::Null if capped => {
                offences.push(("cap", "is empty, but a PERCENTAGE_CAPPED program needs it".into()))
            }
            Value::Decimal(_) if !capped => {
                offences.push(("cap", format!("must be empty: {kind} is not PERCENTAGE_CAPPED")));
            }
            _ => {}
        }
    }
    if let (Value::Instant(starts), Value::Instant(ends)) = (value("starts_at"), value("ends_at"))
        && starts >= ends
    {
        offences.push(("ends_at", "must be after starts_at".into()));
    }
    offences
}

fn program_value(kind: &str, value: Decimal) -> Option<String> {
    if kind == "FIXED" {
        return (value <= Decimal::ZERO).then(|| format!("must be above zero for FIXED, but is {value}"));
    }
    let allowed = Decimal::ZERO..=Decimal::ONE_HUNDRED;
    (!allowed.contains(&value)).then(|| format!("must be 0 to 100 for {kind}, but is {value}"))
}
