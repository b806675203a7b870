//! Money: exact decimal amounts of one currency, checked arithmetic, and the only place where anything is rounded.
//!
//! Amounts are stored as `numeric(18,4)` and written in JSON as strings with exactly the currency's decimals.
//! Rounding is half away from zero, once, to the currency's exponent: `rust_decimal::round_dp` would be half-even,
//! which is not what Postgres' `round(numeric)` does.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use rust_decimal::{Decimal, RoundingStrategy};

/// An amount of money in the currency of its business; the currency itself stands with the business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Decimal);

/// Amounts are below 10^14 in size: what `numeric(18,4)` holds (DOMAIN, "Payload").
pub const AMOUNT_LIMIT: Decimal = Decimal::from_parts(276_447_232, 23_283, 0, false, 0);

/// The decimals that `numeric(18,4)` has.
const STORED_DECIMALS: u32 = 4;

/// The sum or product does not fit in `numeric(18,4)`; no such amount can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount does not fit in numeric(18,4): it must be below 10^14")]
pub struct OutOfRange;

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The highest amount that can be stored: 99,999,999,999,999.9999.
    pub const MAX: Self = Self(Decimal::from_parts(2_808_348_671, 232_830_643, 0, false, 4));

    /// Takes a decimal as it is.
    ///
    /// # Errors
    /// [`OutOfRange`] if its size is 10^14 or more.
    pub fn new(value: Decimal) -> Result<Self, OutOfRange> {
        if value.abs() < AMOUNT_LIMIT { Ok(Self(value)) } else { Err(OutOfRange) }
    }

    /// The amount as a plain decimal, for storing.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`OutOfRange`] if the sum cannot be stored.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_add(other.0).ok_or(OutOfRange).and_then(Self::new)
    }

    /// The difference; it may be negative.
    ///
    /// # Errors
    /// [`OutOfRange`] if the difference cannot be stored.
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_sub(other.0).ok_or(OutOfRange).and_then(Self::new)
    }

    /// This amount so many times: a line's total.
    ///
    /// # Errors
    /// [`OutOfRange`] if the product cannot be stored.
    pub fn times(self, quantity: u32) -> Result<Self, OutOfRange> {
        self.0.checked_mul(Decimal::from(quantity)).ok_or(OutOfRange).and_then(Self::new)
    }

    /// `self × percent ÷ 100`, rounded once to the currency (DOMAIN, Maximum Rule 2).
    ///
    /// # Errors
    /// [`OutOfRange`] if the result cannot be stored.
    pub fn percent(self, percent: Decimal, currency: Currency) -> Result<Self, OutOfRange> {
        let hundredfold = self.0.checked_mul(percent).ok_or(OutOfRange)?;
        let exact = hundredfold.checked_div(Decimal::ONE_HUNDRED).ok_or(OutOfRange)?;
        Self::new(currency.round(exact))
    }

    /// `self × part ÷ whole`, rounded once to the currency: what falls to so much of a whole. Of a whole of zero it is
    /// zero. Exact: 128 bits hold any product of two amounts, which a decimal of 96 bits would round silently.
    ///
    /// # Errors
    /// [`OutOfRange`] if the result cannot be stored, or one of the three is negative.
    pub fn share(self, part: Self, whole: Self, currency: Currency) -> Result<Self, OutOfRange> {
        self.proportion(part.smallest_units()?, whole.smallest_units()?, currency)
    }

    /// `self × part ÷ whole`, rounded once to the currency: what falls to so many of so many pieces. Of no pieces it
    /// is zero.
    ///
    /// # Errors
    /// [`OutOfRange`] if the result cannot be stored, or the amount is negative.
    pub fn share_of_pieces(self, part: u32, whole: u32, currency: Currency) -> Result<Self, OutOfRange> {
        self.proportion(part.into(), whole.into(), currency)
    }

    /// Rounded half away from zero: half up, since nothing here is negative.
    fn proportion(self, part: u128, whole: u128, currency: Currency) -> Result<Self, OutOfRange> {
        if whole == 0 {
            return Ok(Self::ZERO);
        }
        let coarseness = 10_u128.checked_pow(STORED_DECIMALS.saturating_sub(currency.exponent)).ok_or(OutOfRange)?;
        let divisor = whole.checked_mul(coarseness).ok_or(OutOfRange)?;
        let product = self.smallest_units()?.checked_mul(part).ok_or(OutOfRange)?;
        let rest = product.checked_rem(divisor).ok_or(OutOfRange)?;
        let rounded_up = u128::from(rest >= divisor.div_ceil(2));
        let minor = product.checked_div(divisor).and_then(|whole| whole.checked_add(rounded_up)).ok_or(OutOfRange)?;
        let minor = i128::try_from(minor).map_err(|_| OutOfRange)?;
        Decimal::try_from_i128_with_scale(minor, currency.exponent).map_err(|_| OutOfRange).and_then(Self::new)
    }

    /// The amount in units of the fourth decimal.
    fn smallest_units(self) -> Result<u128, OutOfRange> {
        let mut value = self.0;
        value.rescale(STORED_DECIMALS);
        u128::try_from(value.mantissa()).map_err(|_| OutOfRange)
    }

    /// The amount with its sign turned.
    #[must_use]
    pub fn negated(self) -> Self {
        let mut value = self.0;
        value.set_sign_positive(!value.is_sign_positive());
        if value.is_zero() { Self::ZERO } else { Self(value) }
    }

    /// Below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self < Self::ZERO
    }

    /// Above zero.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self > Self::ZERO
    }
}

/// A currency by its ISO 4217 minor unit: how many decimals its amounts have (0 to 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    exponent: u32,
}

impl Currency {
    /// A currency of so many decimals. The database knows the codes (`commissary.currency_exponent`).
    #[must_use]
    pub const fn with_exponent(exponent: u32) -> Self {
        Self { exponent }
    }

    /// How many decimals an amount has.
    #[must_use]
    pub const fn exponent(self) -> u32 {
        self.exponent
    }

    /// Rounds half away from zero to the currency's decimals.
    #[must_use]
    pub fn round(self, exact: Decimal) -> Decimal {
        exact.round_dp_with_strategy(self.exponent, RoundingStrategy::MidpointAwayFromZero)
    }

    /// Whether the value needs no more decimals than the currency has; trailing zeros do not count.
    #[must_use]
    pub fn holds(self, value: Decimal) -> bool {
        value.normalize().scale() <= self.exponent
    }

    /// The amount as JSON and people see it: exactly the currency's decimals (`"12.50"`, JPY `"1250"`).
    #[must_use]
    pub fn format(self, amount: Amount) -> String {
        let mut value = self.round(amount.0);
        value.rescale(self.exponent);
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal literal")
    }

    #[test]
    fn the_limit_is_ten_to_the_fourteenth() {
        assert_eq!(AMOUNT_LIMIT, dec("100000000000000"));
        assert_eq!(Amount::new(dec("99999999999999.9999")), Ok(Amount::MAX));
        assert_eq!(Amount::new(dec("-100000000000000")), Err(OutOfRange));
    }

    #[test]
    fn rounds_half_away_from_zero() {
        let dollars = Currency::with_exponent(2);
        for (exact, rounded) in [("0.005", "0.01"), ("-0.005", "-0.01"), ("2.345", "2.35"), ("2.344", "2.34")] {
            assert_eq!(dollars.round(dec(exact)), dec(rounded), "{exact}");
        }
    }

    #[test]
    fn a_share_is_rounded_once_and_exactly() {
        let amount = |text| Amount::new(dec(text)).expect("in range");
        let cents = Currency::with_exponent(2);
        for (whole, part, of, share) in [
            ("10.00", "1.00", "3.00", "3.33"),
            ("10.00", "2.00", "3.00", "6.67"),
            ("0.01", "1.00", "2.00", "0.01"),
            ("0.01", "0.99", "2.00", "0.00"),
            ("5.00", "0.00", "0.00", "0.00"),
            // The product has 32 digits: a decimal would have rounded it.
            ("99999999999999.99", "99999999999999.98", "99999999999999.99", "99999999999999.98"),
        ] {
            assert_eq!(
                amount(whole).share(amount(part), amount(of), cents),
                Ok(amount(share)),
                "{whole} × {part} ÷ {of}"
            );
        }
        assert_eq!(amount("100").share_of_pieces(1, 3, Currency::with_exponent(0)), Ok(amount("33")));
        assert_eq!(amount("1.2345").share_of_pieces(1, 2, Currency::with_exponent(4)), Ok(amount("0.6173")));
        assert_eq!(amount("-1").share_of_pieces(1, 2, cents), Err(OutOfRange));
        assert_eq!(Amount::MAX.share_of_pieces(3, 2, cents), Err(OutOfRange));
    }

    #[test]
    fn formats_with_the_currencys_decimals() {
        let amount = |text| Amount::new(dec(text)).expect("in range");
        assert_eq!(Currency::with_exponent(2).format(amount("12.5")), "12.50");
        assert_eq!(Currency::with_exponent(0).format(amount("1250.0000")), "1250");
        assert_eq!(Currency::with_exponent(3).format(amount("-0.1")), "-0.100");
        assert_eq!(Currency::with_exponent(2).format(amount("0.00").negated()), "0.00");
    }

    #[test]
    fn trailing_zeros_are_not_decimals() {
        assert!(Currency::with_exponent(0).holds(dec("7.000")));
        assert!(!Currency::with_exponent(0).holds(dec("7.5")));
    }
}
