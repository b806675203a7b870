//! One field: from text to a value of its column's kind.
//!
//! Strict on purpose: what would be rounded, truncated or guessed is refused.

use std::borrow::Cow;

use chrono::{DateTime, NaiveTime, SubsecRound, Timelike, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::tables::{Column, Kind, Need};
use crate::money::Amount;

/// The characters that a name may have.
const NAME_LENGTH_MAX: usize = 200;
/// The decimals of `numeric(18,4)` and of a percentage.
const DECIMALS_MAX: u32 = 4;
/// Postgres keeps microseconds.
const SECOND_DECIMALS: u16 = 6;
const NANOSECONDS: u32 = 1_000_000_000;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// It was refused, and that was reported: no other rule says anything about it.
    Refused,
    /// Null.
    Null,
    /// An id.
    Id(Uuid),
    /// A name, a word or a code.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An amount or a percentage.
    Decimal(Decimal),
    /// A flag.
    Flag(bool),
    /// An instant, to the microsecond.
    Instant(DateTime<Utc>),
    /// A time of day, to the microsecond.
    Time(NaiveTime),
    /// ISO weekdays.
    Weekdays(Vec<i16>),
}

impl Value {
    pub(super) const fn id(&self) -> Option<Uuid> {
        if let Self::Id(value) = self { Some(*value) } else { None }
    }

    pub(super) const fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub(super) const fn decimal(&self) -> Option<Decimal> {
        if let Self::Decimal(value) = self { Some(*value) } else { None }
    }

    pub(super) const fn flag(&self) -> Option<bool> {
        if let Self::Flag(value) = self { Some(*value) } else { None }
    }

    pub(super) const fn instant(&self) -> Option<DateTime<Utc>> {
        if let Self::Instant(value) = self { Some(*value) } else { None }
    }

    pub(super) const fn time(&self) -> Option<NaiveTime> {
        if let Self::Time(value) = self { Some(*value) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    pub(super) fn weekdays(&self) -> Option<&[i16]> {
        if let Self::Weekdays(value) = self { Some(value) } else { None }
    }
}

type Parsed = Result<Value, Cow<'static, str>>;

/// Reads a field of the column; an empty one is the default.
///
/// # Errors
/// What is wrong with it.
pub fn parse(column: &Column, field: &str) -> Parsed {
    match (field, column.need) {
        ("", Need::Required) => Err("is empty, but has no default".into()),
        ("", Need::Nullable) => Ok(Value::Null),
        ("", Need::Default(default)) => parse_kind(column.kind, default),
        _ => parse_kind(column.kind, field),
    }
}

fn parse_kind(kind: Kind, field: &str) -> Parsed {
    match kind {
        Kind::Id => id(field),
        Kind::Name => name(field),
        Kind::Currency | Kind::TimeZone => text(field),
        Kind::Integer(min, max) => integer(field, min, max),
        Kind::Amount => not_negative(field),
        Kind::Percent => percent(field),
        Kind::ProgramValue => decimal(field).map(Value::Decimal),
        Kind::Flag => flag(field),
        Kind::Word(words) => word(field, words),
        Kind::Instant => instant(field),
        Kind::Time => time(field),
        Kind::Weekdays => weekdays(field),
    }
}

fn id(field: &str) -> Parsed {
    const HYPHENATED: usize = 36;
    let parsed = Uuid::try_parse(field).ok().filter(|_| field.len() == HYPHENATED);
    parsed.map(Value::Id).ok_or_else(|| format!("{} is not a hyphenated UUID", quoted(field)).into())
}

fn text(field: &str) -> Parsed {
    if field.contains('\0') {
        return Err("has a NUL character, which the database cannot store".into());
    }
    Ok(Value::Text(field.to_owned()))
}

fn name(field: &str) -> Parsed {
    let length = field.chars().count();
    if length > NAME_LENGTH_MAX {
        return Err(format!("has {length} characters, more than {NAME_LENGTH_MAX}").into());
    }
    if field.trim().is_empty() {
        return Err("is blank".into());
    }
    text(field)
}

fn integer(field: &str, min: i64, max: i64) -> Parsed {
    let digits = field.strip_prefix('-').unwrap_or(field);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{} is not a whole number", quoted(field)).into());
    }
    let number = field.parse().ok().filter(|number| (min..=max).contains(number));
    number.map(Value::Integer).ok_or_else(|| format!("must be {min} to {max}, but is {}", shortened(field)).into())
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, below 10^14, as in a payload; what `numeric(18,4)` would round is refused.
fn decimal(field: &str) -> Result<Decimal, Cow<'static, str>> {
    let unsigned = field.strip_prefix('-').unwrap_or(field);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || leads_with_zero || !fraction.is_none_or(digits) {
        return Err(format!("{} is not a plain decimal such as 12.50", quoted(field)).into());
    }
    // Zeros at the end say nothing, however many; the rest is exact or too large.
    let plain = if fraction.is_some() { field.trim_end_matches('0').trim_end_matches('.') } else { field };
    let decimals = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if decimals > DECIMALS_MAX as usize {
        return Err(format!("{} has more than {DECIMALS_MAX} decimals", shortened(field)).into());
    }
    let amount = Decimal::from_str_exact(plain).ok().and_then(|value| Amount::new(value).ok());
    let value = amount.map(Amount::decimal).ok_or_else(|| format!("{} is not below 10^14", shortened(field)))?;
    Ok(if value.is_zero() { Decimal::ZERO } else { value })
}

fn not_negative(field: &str) -> Parsed {
    let value = decimal(field)?;
    if value < Decimal::ZERO {
        Err(format!("must not be negative, but is {field}").into())
    } else {
        Ok(Value::Decimal(value))
    }
}

fn percent(field: &str) -> Parsed {
    let value = decimal(field)?;
    let allowed = Decimal::ZERO..=Decimal::ONE_HUNDRED;
    if allowed.contains(&value) {
        Ok(Value::Decimal(value))
    } else {
        Err(format!("must be 0 to 100, but is {field}").into())
    }
}

fn flag(field: &str) -> Parsed {
    match field.to_ascii_lowercase().as_str() {
        "true" | "t" => Ok(Value::Flag(true)),
        "false" | "f" => Ok(Value::Flag(false)),
        _ => Err(format!("{} is neither true nor false", quoted(field)).into()),
    }
}

fn word(field: &str, words: &[&str]) -> Parsed {
    if words.contains(&field) {
        return Ok(Value::Text(field.to_owned()));
    }
    Err(format!("{} is not one of {}", quoted(field), words.join(", ")).into())
}

fn instant(field: &str) -> Parsed {
    let parsed = DateTime::parse_from_rfc3339(field).ok().filter(|instant| instant.nanosecond() < NANOSECONDS);
    let parsed = parsed.map(|instant| Value::Instant(instant.to_utc().trunc_subsecs(SECOND_DECIMALS)));
    parsed.ok_or_else(|| format!("{} is not an instant such as 2026-10-31T12:00:00Z", quoted(field)).into())
}

fn time(field: &str) -> Parsed {
    let parsed = ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|form| NaiveTime::parse_from_str(field, form).ok());
    // A leap second is a nanosecond part of a second or more: Postgres would make 24:00 of it.
    let parsed = parsed.filter(|time| time.nanosecond() < NANOSECONDS);
    let parsed = parsed.map(|time| Value::Time(time.trunc_subsecs(SECOND_DECIMALS)));
    parsed
        .ok_or_else(|| format!("{} is not a time from 00:00 to before 24:00 (midnight is 00:00)", quoted(field)).into())
}

/// `1;2;3`, `1,2,3` or `{1,2,3}`; `{}` is an empty list, which no day is on.
fn weekdays(field: &str) -> Parsed {
    let list = field.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(field);
    if list.is_empty() {
        return Ok(Value::Weekdays(Vec::new()));
    }
    let day = |text: &str| text.trim().parse().ok().filter(|day| (1..=7).contains(day));
    let days: Option<Vec<i16>> = list.split([',', ';']).map(day).collect();
    days.map(Value::Weekdays)
        .ok_or_else(|| format!("{} is not a list of weekdays 1 (Monday) to 7 such as 1;2;3", quoted(field)).into())
}

/// The field as a message shows it.
fn quoted(field: &str) -> String {
    format!("\"{}\"", shortened(field).escape_debug())
}

fn shortened(field: &str) -> Cow<'_, str> {
    const SHOWN_MAX: usize = 60;
    match field.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &field[..end]).into(),
        None => field.into(),
    }
}
