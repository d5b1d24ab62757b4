#!/usr/bin/env bash
# serde, utoipa and a validator, about an enum whose tag stands among the fields, and whose variants take no other fields.
#
# A good guess: utoipa reads serde's attributes, tag and deny_unknown_fields among them. So what serde writes fits the schema, and
# what fits the schema serde reads.
# What happens: serde takes the tag out before the variant looks at its fields, so both attributes go together: a value is written
# and read. The schema says allOf: the variant's, which allows no other property (and so no tag), and one that requires the tag. No
# JSON at all fits that. The document itself is sound OpenAPI; a program that validates refuses what serde writes of this variant.
# Beside it a variant without deny_unknown_fields is well described.
#
# utoipa 6.0.0, serde 1.0.229, jsonschema 4.26.0 (Python), openapi-spec-validator 0.9.0. Seen:
#   the document is sound
#   serde reads {"provider":"paystack","reference":"ref_1"}, and the schema takes it
#   serde reads {"provider":"stripe","charge":"ch_1"}, and the schema refuses it:
#     Additional properties are not allowed ('provider' was unexpected)
#   serde refuses {"charge":"ch_1"}, and the schema refuses it:
#     'provider' is a required property
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
serde = { version = "=1.0.229", features = ["derive"] }
serde_json = "=1.0.154"
utoipa = "=6.0.0"
TOML
cat >"$folder/src/main.rs" <<'RUST'
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "provider", rename_all = "snake_case")]
enum Source {
    Stripe(Charge),
    Paystack(Transaction),
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Charge {
    charge: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
struct Transaction {
    reference: String,
}

#[derive(OpenApi)]
#[openapi(components(schemas(Source)))]
struct Document;

fn main() {
    let tried = [
        serde_json::to_string(&Source::Paystack(Transaction { reference: "ref_1".to_owned() })).unwrap(),
        serde_json::to_string(&Source::Stripe(Charge { charge: "ch_1".to_owned() })).unwrap(),
        r#"{"charge":"ch_1"}"#.to_owned(),
    ];
    let tried = tried.map(|json| (serde_json::from_str::<Source>(&json).is_ok(), json));
    println!("{}", serde_json::json!({ "document": Document::openapi(), "tried": tried }));
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml" >"$folder/made.json"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jsonschema==4.26.0 openapi-spec-validator==0.9.0
cat >"$folder/finding.py" <<'PYTHON'
import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

STRIPE = 0  # Its place among the variants.
with open(sys.argv[1]) as made:
    made = json.load(made)
validate(made["document"])
print("the document is sound")
schema = {"$ref": "#/components/schemas/Source", "components": made["document"]["components"]}
validator = Draft202012Validator(schema)
for is_read, text in made["tried"]:
    value = json.loads(text)
    reads = "reads" if is_read else "refuses"
    if validator.is_valid(value):
        print(f"serde {reads} {text}, and the schema takes it")
    else:
        print(f"serde {reads} {text}, and the schema refuses it:")
        refusal = next(validator.iter_errors(value))
        for error in refusal.context:
            if error.schema_path[0] == STRIPE:
                print(f"  {error.message}")
PYTHON
"$folder/venv/bin/python" "$folder/finding.py" "$folder/made.json" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
the document is sound
serde reads {"provider":"paystack","reference":"ref_1"}, and the schema takes it
serde reads {"provider":"stripe","charge":"ch_1"}, and the schema refuses it:
  Additional properties are not allowed ('provider' was unexpected)
serde refuses {"charge":"ch_1"}, and the schema refuses it:
  'provider' is a required property
SEEN
