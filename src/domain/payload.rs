//! Strict reading of a payload: which fields there may be, and what each may hold (DOMAIN, "Payload").
//!
//! It never walks a `serde_json::Value`: with `arbitrary_precision` and `raw_value` a `Value` takes objects with
//! certain private keys for numbers or for embedded JSON. A map of raw values keeps every text as it was written,
//! costs no recursion however deep the nesting, and copies nothing.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::request::Malformed;
use crate::money::{Amount, Currency};

/// Texts of more characters are malformed.
const TEXT_CHARS_MAX: usize = 200;
/// The most pieces of one line: what a Postgres `integer` holds.
const QUANTITY_MAX: u32 = 2_147_483_647;

/// A blank for some locales, though no longer for Unicode.
const MONGOLIAN_VOWEL_SEPARATOR: char = '\u{180e}';

/// What is wrong with a value; the field's name is added by [`Fields`].
type Wrong = Cow<'static, str>;

/// The fields of one JSON object of the payload: all known, each at most once.
pub(super) struct Fields<'a> {
    line: Option<usize>,
    values: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// An object's members in their order; jsonb has no two of one name.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = object.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// The payload's own fields.
    pub(super) fn of_payload(payload: &'a str, known: &[&str]) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("payload", "must be a JSON object");
        let Members(values) = serde_json::from_str(payload).map_err(|_| malformed())?;
        Self { line: None, values }.all_known(known)
    }

    /// The fields of `lines[index]`.
    pub(super) fn of_line(index: usize, line: &'a RawValue, known: &[&str]) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(format!("lines[{index}]"), "must be a JSON object");
        let Members(values) = serde_json::from_str(line.get()).map_err(|_| malformed())?;
        Self { line: Some(index), values }.all_known(known)
    }

    fn all_known(self, known: &[&str]) -> Result<Self, Malformed> {
        match self.values.iter().find(|(name, _)| !known.contains(&&**name)) {
            None => Ok(self),
            Some((name, _)) => {
                let shown: String = name.chars().take(TEXT_CHARS_MAX).collect();
                let message = format!("is not a field; there are {}", known.join(", "));
                Err(Malformed::new(self.path(&shown), message))
            }
        }
    }

    /// The field's value; absent is malformed, and so is null.
    pub(super) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Wrong>,
    ) -> Result<T, Malformed> {
        self.optional(name, read)?.ok_or_else(|| Malformed::new(self.path(name), "is required"))
    }

    /// The field's value, if it is there; null equals absent.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Malformed> {
        match self.values.iter().rfind(|(member, _)| member == name) {
            Some((_, value)) if value.get() != "null" => {
                read(value).map(Some).map_err(|wrong| Malformed::new(self.path(name), wrong))
            }
            _ => Ok(None),
        }
    }

    fn path(&self, name: &str) -> String {
        self.line.map_or_else(|| name.to_owned(), |index| format!("lines[{index}].{name}"))
    }
}

/// An id: a hyphenated UUID in either case. The length excludes the other forms that `Uuid` would read.
pub(super) fn id<T: From<Uuid>>(value: &RawValue) -> Result<T, Wrong> {
    const HYPHENATED_LENGTH: usize = 36;
    string(value)
        .filter(|text| text.len() == HYPHENATED_LENGTH)
        .and_then(|text| Uuid::parse_str(&text).ok())
        .map(T::from)
        .ok_or(Cow::Borrowed("must be a hyphenated UUID, as a string"))
}

/// A text of at most 200 characters.
pub(super) fn text(value: &RawValue) -> Result<String, Wrong> {
    let text = string(value).ok_or("must be a string")?;
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(Cow::Owned(format!("must have at most {TEXT_CHARS_MAX} characters")));
    }
    Ok(text.into_owned())
}

/// The elements of an array.
pub(super) fn array(value: &RawValue) -> Result<Vec<&RawValue>, Wrong> {
    serde_json::from_str(value.get()).map_err(|_| Cow::Borrowed("must be an array"))
}

/// A whole number from 1 to 2^31 − 1, not a string; `2.0` and `2e0` are whole, because jsonb holds them equal to 2.
pub(super) fn quantity(value: &RawValue) -> Result<u32, Wrong> {
    let number = Some(value.get()).filter(|text| is_number(text));
    number
        .and_then(|text| exact(text, 0).ok())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|quantity| (1..=QUANTITY_MAX).contains(quantity))
        .ok_or_else(|| Cow::Owned(format!("must be a whole number from 1 to {QUANTITY_MAX}, not a string")))
}

/// A whole number of 64 bits, either sign but not zero, not a string.
pub(super) fn delta(value: &RawValue) -> Result<i64, Wrong> {
    let number = Some(value.get()).filter(|text| is_number(text));
    number
        .and_then(|text| exact(text, 0).ok())
        .and_then(|number| i64::try_from(number).ok())
        .filter(|delta| *delta != 0)
        .ok_or(Cow::Borrowed("must be a whole number other than 0 and below 2^63 in size, not a string"))
}

/// `true` or `false`.
pub(super) fn boolean(value: &RawValue) -> Result<bool, Wrong> {
    serde_json::from_str(value.get()).map_err(|_| Cow::Borrowed("must be true or false"))
}

/// A text of at most 200 characters, at least one of which is no blank: neither for Unicode nor for any locale's `\S`,
/// with which a CHECK of the database asks the same.
pub(super) fn reason(value: &RawValue) -> Result<String, Wrong> {
    let text = text(value)?;
    let is_blank = |char: char| char.is_whitespace() || char.is_control() || char == MONGOLIAN_VOWEL_SEPARATOR;
    if text.chars().all(is_blank) { Err(Cow::Borrowed("must not be blank")) } else { Ok(text) }
}

/// An amount above zero.
pub(super) fn amount_above_zero(value: &RawValue, currency: Currency) -> Result<Amount, Wrong> {
    let amount = amount(value, currency)?;
    if amount.is_positive() { Ok(amount) } else { Err(Cow::Borrowed("must be above zero")) }
}

/// A limit or maximum: zero or more.
pub(super) fn amount_not_negative(value: &RawValue, currency: Currency) -> Result<Amount, Wrong> {
    let amount = amount(value, currency)?;
    if amount.is_negative() { Err(Cow::Borrowed("must not be negative")) } else { Ok(amount) }
}

fn amount(value: &RawValue, currency: Currency) -> Result<Amount, Wrong> {
    const KIND: &str = "must be an amount: a string like \"12.50\", or a JSON number";
    const TOO_LARGE: &str = "must be below 10^14 in size";
    let decimal = if is_number(value.get()) {
        exact(value.get(), currency.exponent())
    } else {
        let text = string(value).filter(|text| is_decimal_string(text)).ok_or(KIND)?;
        exact(&text, currency.exponent())
    };
    let decimal = decimal.map_err(|unfit| match unfit {
        Unfit::Size => Cow::Borrowed(TOO_LARGE),
        Unfit::Decimals => Cow::Owned(format!("must have at most the currency's {} decimals", currency.exponent())),
    })?;
    Amount::new(decimal).map_err(|_| Cow::Borrowed(TOO_LARGE))
}

/// A JSON string's text, borrowed unless it has escapes; `None` if the value is something else.
fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, of at most 200 characters like every text.
fn is_decimal_string(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && text.len() <= TEXT_CHARS_MAX
}

/// Why a number is not an exact value within the limits.
enum Unfit {
    Decimals,
    Size,
}

/// The exact value of a number in JSON's notation, if it needs no more than so many decimals and fits in 64 bits
/// without its point (10^14 with four decimals does). It stops at the first digit too many, so that `1e400` costs no
/// more than `1`.
fn exact(number: &str, decimals_max: u32) -> Result<Decimal, Unfit> {
    let (negative, unsigned) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    // The digits up to the last that is not zero, times a power of ten.
    let fraction = fraction.trim_end_matches('0');
    let digits = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
    if digits.trim_start_matches('0').is_empty() && fraction.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let zeros = length(whole).saturating_sub(length(digits));
    let power = exponent_value(exponent).saturating_add(zeros).saturating_sub(length(fraction));
    let scale = u32::try_from(power.saturating_neg().max(0)).map_err(|_| Unfit::Decimals)?;
    if scale > decimals_max {
        return Err(Unfit::Decimals);
    }
    let zeros_appended = usize::try_from(power.max(0)).map_err(|_| Unfit::Size)?;
    let coefficient = digits
        .bytes()
        .chain(fraction.bytes())
        .chain(std::iter::repeat_n(b'0', zeros_appended))
        .try_fold(0_i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit.checked_sub(b'0')?)))
        .ok_or(Unfit::Size)?;
    let signed = if negative { coefficient.saturating_neg() } else { coefficient };
    Decimal::try_new(signed, scale).map_err(|_| Unfit::Decimals)
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

/// An exponent's value; one beyond 64 bits stands for any that is out of all range.
fn exponent_value(exponent: &str) -> i64 {
    let beyond = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    exponent.parse().unwrap_or(beyond)
}
