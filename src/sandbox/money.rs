//! Exact amounts in and out of JSON: the digits as written, never a float on the way.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;

/// Significant digits an amount may have. With a percent rate of up to six digits the commission still
/// fits a [`Decimal`] without rounding.
const AMOUNT_DIGITS_MAX: u32 = 20;

/// One over the largest mantissa an amount may have.
const AMOUNT_MANTISSA_END: i128 = 10_i128.pow(AMOUNT_DIGITS_MAX);

/// Reads the text of a JSON number exactly. `None` when it is no number or has more than 20 digits.
pub(super) fn read(number: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let value = shift(Decimal::from_str_exact(mantissa).ok()?, exponent)?.normalize();
    let fits = value.mantissa().unsigned_abs() < AMOUNT_MANTISSA_END.unsigned_abs();
    (fits && value.scale() <= AMOUNT_DIGITS_MAX).then_some(value)
}

/// `value` times ten to the `exponent`, exactly or not at all.
fn shift(value: Decimal, exponent: i32) -> Option<Decimal> {
    if exponent.unsigned_abs() > AMOUNT_DIGITS_MAX {
        return value.is_zero().then_some(Decimal::ZERO);
    }
    if exponent < 0 {
        let mut value = value;
        value.set_scale(value.scale() + exponent.unsigned_abs()).ok()?;
        return Some(value);
    }
    value.checked_mul(Decimal::try_from_i128_with_scale(10_i128.pow(exponent.unsigned_abs()), 0).ok()?)
}

/// Writes an amount as a plain JSON number without trailing zeros: `100`, `29.99`.
pub(super) fn serialize<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(amount.normalize().to_string()).map_err(ser::Error::custom)?.serialize(serializer)
}

/// The same for an amount that may be absent.
pub(super) fn serialize_option<S: Serializer>(amount: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => serialize(amount, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_are_read_exactly() {
        for (text, want) in [
            ("0", "0"),
            ("100", "100"),
            ("29.990", "29.99"),
            ("5.124", "5.124"),
            ("1e2", "100"),
            ("1.5E+3", "1500"),
            ("2999e-2", "29.99"),
            ("0e99", "0"),
            ("0.1", "0.1"),
            ("12345678901234567.891", "12345678901234567.891"),
        ] {
            assert_eq!(read(text).map(|value| value.to_string()).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        for text in
            ["1e21", "1e999", "1e-21", "1e99999999999", "0.123456789012345678901", "123456789012345678901", "x", ""]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
