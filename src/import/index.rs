//! The rows of all files by key: duplicates are found here, and references looked up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::findings::Findings;
use super::read::{Row, Sheet};
use super::tables::{Reference, Table, TableId};
use super::value::Value;

/// A primary key: the business, the id, and a second id for a table whose key has one (nil otherwise).
pub type Key = [Uuid; 3];

/// Keys to look up, by business and table.
pub type Wanted = BTreeMap<Uuid, BTreeMap<TableId, BTreeSet<Key>>>;

/// The rows of all files by key, each with its parent if its table has one.
#[derive(Debug, Default)]
pub struct Index {
    rows: HashMap<(TableId, Key), Option<Uuid>>,
}

impl Index {
    /// Takes in all rows whose key could be read; a key that is there twice is a finding.
    pub fn new(sheets: &[Sheet], findings: &mut Findings) -> Self {
        let mut index = Self::default();
        for sheet in sheets {
            let mut lines = HashMap::with_capacity(sheet.rows.len());
            for row in &sheet.rows {
                let Some(key) = key(sheet.table, row) else { continue };
                if let Some(first) = lines.insert(key, row.line) {
                    let named = sheet.table.key.last().copied().unwrap_or_default();
                    let message = format!("the same {} is on line {first}", sheet.table.key.join(", "));
                    findings.add(sheet.finding(row, named, message));
                }
                index.rows.insert((sheet.table.id, key), parent(sheet.table, row));
            }
        }
        index
    }

    /// Whether a row is in the files, and with which parent.
    #[must_use]
    pub fn get(&self, table: TableId, key: Key) -> Option<Option<Uuid>> {
        self.rows.get(&(table, key)).copied()
    }

    /// What the database is asked for: businesses of all rows, rows referred to that are in no file, and rows whose
    /// parent must not change.
    #[must_use]
    pub fn wanted(&self, sheets: &[Sheet]) -> Wanted {
        let mut wanted = Wanted::new();
        for sheet in sheets {
            for row in &sheet.rows {
                let Some(business) = id(sheet.table, row, "business_id") else { continue };
                let tables = wanted.entry(business).or_default();
                if sheet.table.parent.is_some() {
                    tables.entry(sheet.table.id).or_default().extend(key(sheet.table, row));
                }
                for reference in sheet.table.references {
                    let key = reference_key(sheet.table, reference, row);
                    let absent = key.filter(|key| !self.rows.contains_key(&(reference.target, *key)));
                    if let Some(key) = absent {
                        tables.entry(reference.target).or_default().insert(key);
                    }
                }
            }
        }
        wanted
    }
}

/// An id of a row; `None` if it is null or was refused.
#[must_use]
pub fn id(table: &Table, row: &Row, column: &str) -> Option<Uuid> {
    match row.value(table.index(column)) {
        Value::Id(id) => Some(*id),
        _ => None,
    }
}

/// The key of a row; `None` if it could not be read.
#[must_use]
pub fn key(table: &Table, row: &Row) -> Option<Key> {
    key_of(table, row, table.key.iter())
}

/// The key that a row refers to; `None` if it refers to nothing.
#[must_use]
pub fn reference_key(table: &Table, reference: &Reference, row: &Row) -> Option<Key> {
    key_of(table, row, std::iter::once(&"business_id").chain(reference.key))
}

fn key_of<'a>(table: &Table, row: &Row, columns: impl Iterator<Item = &'a &'static str>) -> Option<Key> {
    let mut key = Key::default();
    for (part, column) in key.iter_mut().zip(columns) {
        *part = id(table, row, column)?;
    }
    Some(key)
}

fn parent(table: &Table, row: &Row) -> Option<Uuid> {
    id(table, row, table.parent?)
}
