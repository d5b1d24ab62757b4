#!/usr/bin/env bash
# rusty-money's currencies, in its module `iso`, beside those of iso_currency.
#
# A good guess: two tables that bear the name of ISO 4217 agree on the decimals of a currency. Stripe's integer amounts can be
# read by either, except for the currencies that Stripe lists.
# What happens: they disagree about three. rusty-money's forint has no decimals, where ISO 4217 gives it two and Stripe sends
# hundredths: 1,234.50 HUF are read as 123,450. Its ariary and ouguiya have one decimal, where ISO 4217 says two; a fifth, their
# real subunit, is neither. All other currencies that have decimals in both tables agree, so a test with a few well-known
# ones finds nothing.
#
# rusty-money 0.5.1, iso_currency 0.7.1. Seen:
#   HUF: ISO 4217 2, rusty-money 0, so that 123450 minor units are 123 450Ft
#   MGA: ISO 4217 2, rusty-money 1, so that 123450 minor units are Ar12,345.0
#   MRU: ISO 4217 2, rusty-money 1, so that 123450 minor units are 12,345.0UM
#   The others agree
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
iso_currency = { version = "=0.7.1", features = ["iterator"] }
rusty-money = { version = "=0.5.1", features = ["iso"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use iso_currency::{Currency, IntoEnumIterator};
use rusty_money::{FormattableCurrency, Money, iso};

fn main() {
    for known in Currency::iter() {
        let (Some(digits), Some(rusty)) = (known.exponent(), iso::find(known.code())) else { continue };
        if rusty.exponent() != u32::from(digits) {
            let (code, read) = (known.code(), Money::from_minor(123_450, rusty));
            println!(
                "{code}: ISO 4217 {digits}, rusty-money {}, so that 123450 minor units are {read}",
                rusty.exponent()
            );
        }
    }
    println!("The others agree");
}
RUST
said=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$said"
[[ "$said" == "HUF: ISO 4217 2, rusty-money 0, so that 123450 minor units are 123 450Ft
MGA: ISO 4217 2, rusty-money 1, so that 123450 minor units are Ar12,345.0
MRU: ISO 4217 2, rusty-money 1, so that 123450 minor units are 12,345.0UM
The others agree" ]]
