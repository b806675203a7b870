//! The cells and columns of a report, independent of the format they are written in.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A column's heading, and on which side a table aligns it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name: a heading, and a key in JSON.
    pub name: &'static str,
    /// Numbers are aligned right.
    pub right: bool,
}

impl Column {
    /// A column of texts.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, right: false }
    }

    /// A column of amounts or counts.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, right: true }
    }
}

/// What stands in one column of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing: empty, or null in JSON.
    Null,
    /// A text; amounts are texts, so that no reader makes binary fractions of them.
    Text(String),
    /// A count.
    Count(i64),
    /// A JSON value as the database has it.
    Json(String),
}

impl Cell {
    /// The cell as a person or a CSV reader sees it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) | Self::Json(text) => text.clone(),
            Self::Count(count) => count.to_string(),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Count(count) => serializer.serialize_i64(*count),
            Self::Json(text) => {
                let raw: &RawValue = serde_json::from_str(text).map_err(serde::ser::Error::custom)?;
                raw.serialize(serializer)
            }
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<i64> for Cell {
    fn from(count: i64) -> Self {
        Self::Count(count)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::Text(instant.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
