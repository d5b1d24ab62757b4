//! Money: an exact decimal and its currency. Nothing here is ever a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An ISO 4217 code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Not three letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three letters such as USD, not {0:?}")]
pub struct BadCurrency(pub String);

impl Currency {
    /// The code in upper case, as Refairn wants it.
    #[must_use]
    pub fn code(self) -> String {
        self.0.map(char::from).iter().collect()
    }

    /// The decimals with which people write its amounts, by ISO 4217. An amount may have more.
    #[must_use]
    pub const fn decimals(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = BadCurrency;

    /// Reads a code in either case: Stripe writes `usd`, Paystack `NGN`.
    fn from_str(text: &str) -> Result<Self, BadCurrency> {
        let letters: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        match letters {
            Some(code) if code.iter().all(u8::is_ascii_alphabetic) => Ok(Self(code.map(|b| b.to_ascii_uppercase()))),
            Some(_) | None => Err(BadCurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = BadCurrency;

    fn try_from(text: String) -> Result<Self, BadCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// An amount in the currency's standard unit (29.99, not 2999). Its number is given only to those who say in which
/// currency they count, so that amounts of two currencies are never compared or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    #[serde(with = "rust_decimal::serde::str")]
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// So much of a currency, in its standard unit.
    #[must_use]
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// The amount, if it is of this currency.
    #[must_use]
    pub fn amount_in(&self, currency: Currency) -> Option<Decimal> {
        (self.currency == currency).then_some(self.amount)
    }

    /// In what it is counted.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// As people read it: every digit of the amount, and the decimals that its currency always has: `9.80 USD`.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!("{} {}", digits(self.amount, self.currency), self.currency)
    }

    /// From an integer count of minor units of which `10^scale` make one standard unit.
    #[must_use]
    pub fn from_minor(minor: i64, scale: u32, currency: Currency) -> Self {
        Self::new(standard(minor, scale), currency)
    }
}

/// As the findings of the ledger have it, which are stored and compared: written otherwise, one that a person has seen to
/// would look like a new one.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount.normalize(), self.currency)
    }
}

/// An integer count of minor units, of which `10^scale` make one standard unit, in standard units.
#[must_use]
pub fn standard(minor: i64, scale: u32) -> Decimal {
    Decimal::new(minor, scale).normalize()
}

/// Every digit of an amount, and the decimals that its currency always has: `9.80`, `15600`, `0.00001`.
#[must_use]
pub fn digits(amount: Decimal, currency: Currency) -> String {
    let mut padded = amount.normalize();
    if padded.scale() < currency.decimals() {
        padded.rescale(currency.decimals());
    }
    padded.to_string()
}

/// The amount as a JSON number without noise: `100`, `29.99`, `5.124`.
#[must_use]
pub fn json_number(amount: Decimal) -> Box<RawValue> {
    let digits = amount.normalize().to_string();
    // A Decimal prints as digits with at most one dot and a leading minus: always a JSON number.
    RawValue::from_string(digits).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// `amount * part / whole`, rounded half to even at `scale` places; nothing when `whole` is zero or the product overflows.
#[must_use]
pub fn share(amount: Decimal, part: Decimal, whole: Decimal, scale: u32) -> Option<Decimal> {
    let exact = amount.checked_mul(part)?.checked_div(whole)?;
    Some(exact.round_dp_with_strategy(scale, rust_decimal::RoundingStrategy::MidpointNearestEven).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_read_every_digit_and_the_decimals_of_the_currency() {
        let check = |amount: &str, currency: &str, expected: &str| {
            let money = Money::new(amount.parse().unwrap(), currency.parse().unwrap());
            assert_eq!(money.in_full(), expected);
        };
        check("9.8", "usd", "9.80 USD");
        check("4125", "NGN", "4125.00 NGN");
        check("15600", "JPY", "15600 JPY");
        check("18.3", "KWD", "18.300 KWD");
        check("0.00001", "USD", "0.00001 USD");
        check("-5", "EUR", "-5.00 EUR");
    }

    #[test]
    fn amounts_reach_the_wire_without_noise() {
        let check = |minor: i64, scale: u32, expected: &str| {
            assert_eq!(json_number(standard(minor, scale)).get(), expected);
        };
        check(10_000, 2, "100");
        check(2_999, 2, "29.99");
        check(5_124, 3, "5.124");
        check(500, 0, "500");
        check(0, 2, "0");
        check(-150, 2, "-1.5");
        check(i64::MAX, 2, "92233720368547758.07");
    }

    #[test]
    fn currencies_are_read_in_either_case_and_nothing_else() {
        assert_eq!("usd".parse::<Currency>().unwrap().code(), "USD");
        for bad in ["", "us", "usdx", "u1d", "é1"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_round_half_to_even() {
        let check = |amount: &str, part: &str, whole: &str, expected: &str| {
            let d = |s: &str| s.parse::<Decimal>().unwrap();
            assert_eq!(share(d(amount), d(part), d(whole), 2), Some(d(expected)));
        };
        check("100", "80", "100", "80");
        check("0.05", "1", "2", "0.02");
        check("0.15", "1", "2", "0.08");
        check("100", "1", "3", "33.33");
        assert_eq!(share(Decimal::ONE, Decimal::ONE, Decimal::ZERO, 2), None);
    }

    proptest! {
        #[test]
        fn minor_units_survive_the_wire(minor: i64, scale in 0u32..4) {
            let back: Decimal = json_number(standard(minor, scale)).get().parse().unwrap();
            let mut exact = back;
            exact.rescale(scale);
            prop_assert_eq!(exact.mantissa(), i128::from(minor));
        }
    }
}
