//! How many decimals Stripe's integer amounts have. Stripe's own table, not ISO 4217's.

use rust_decimal::Decimal;

use crate::domain::money::{Currency, Money, standard};

/// Amounts are in the standard unit itself. UGX is on Stripe's list of these but comes in hundredths.
const NO_DECIMALS: &[&str] =
    &["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];

/// Amounts are in thousandths.
const THREE_DECIMALS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// The number of decimals. Two for a currency that is not listed: almost all of Stripe's have two.
pub(super) fn scale(currency: Currency) -> u32 {
    let code = currency.code();
    if NO_DECIMALS.contains(&code.as_str()) {
        0
    } else if THREE_DECIMALS.contains(&code.as_str()) {
        3
    } else {
        2
    }
}

/// An amount as Stripe writes it, in standard units.
pub(super) fn amount(minor: i64, currency: Currency) -> Decimal {
    standard(minor, scale(currency))
}

/// The same with its currency.
pub(super) fn money(minor: i64, currency: Currency) -> Money {
    Money::new(amount(minor, currency), currency)
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_have_the_decimals_that_stripe_gives_them() {
        let check = |minor: i64, code: &str, expected: &str| {
            assert_eq!(amount(minor, code.parse().unwrap()).to_string(), expected, "{code}");
        };
        check(2_999, "usd", "29.99");
        check(10_000, "eur", "100");
        check(500, "jpy", "500");
        check(5_000, "xof", "5000");
        check(5_124, "kwd", "5.124");
        check(500_000, "ugx", "5000");
        check(50_000, "isk", "500");
        check(12_345, "huf", "123.45");
        check(12_345, "twd", "123.45");
        check(12_345, "zzz", "123.45");
    }
}
