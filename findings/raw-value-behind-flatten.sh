#!/usr/bin/env bash
# serde_json's RawValue in a struct that another struct takes in with #[serde(flatten)].
#
# A good guess: what such a shape writes, it reads. A RawValue keeps the digits of an amount as they came, and flatten only
# puts the fields of one struct beside those of another.
# What happens: writing works, and the digits stay. Reading the very text that was written fails: flatten keeps the fields in
# a buffer of values first, and a RawValue can only be cut out of the text itself. Without flatten the same field is read.
# So a reply with exact amounts can be written from two structs, and not be read into them.
#
# serde 1.0.228, serde_json 1.0.145. Seen:
#   written {"id":"dlv_1","request":{"amount":12.50}}
#   beside it read 12.50
#   flattened not read: invalid type: newtype struct, expected any valid JSON value
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
serde = { version = "=1.0.228", features = ["derive"] }
serde_json = { version = "=1.0.145", features = ["raw_value"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize, Deserialize)]
struct Call {
    request: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    call: Call,
}

#[derive(Deserialize)]
struct Amount {
    amount: Box<RawValue>,
}

fn main() {
    let request = RawValue::from_string(r#"{"amount":12.50}"#.to_owned()).unwrap();
    let shown = Shown { id: "dlv_1".to_owned(), call: Call { request } };
    let text = serde_json::to_string(&shown).unwrap();
    println!("written {text}");
    let beside: Call = serde_json::from_str(&text).unwrap();
    let amount: Amount = serde_json::from_str(beside.request.get()).unwrap();
    println!("beside it read {}", amount.amount);
    match serde_json::from_str::<Shown>(&text) {
        Ok(read) => println!("flattened read {} {}", read.id, read.call.request),
        Err(error) => println!("flattened not read: {}", error.to_string().split(" at line").next().unwrap()),
    }
}
RUST
said=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$said"
[[ "$said" == *'{"id":"dlv_1","request":{"amount":12.50}}'* ]]
[[ "$said" == *"beside it read 12.50"* ]]
[[ "$said" == *"flattened not read: invalid type: newtype struct, expected any valid JSON value"* ]]
