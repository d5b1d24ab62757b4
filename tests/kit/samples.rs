//! Webhooks of the corpus with other people and amounts in them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use super::rules::fixtures;

/// A body of the corpus.
pub fn sample(path: &str) -> Value {
    let bytes = std::fs::read(fixtures().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A sale through Stripe: a paid invoice over euros.
#[derive(Debug, Clone)]
pub struct Sale {
    pub id: String,
    pub email: String,
    pub cents: i64,
    pub code: Option<String>,
    pub first: bool,
    pub live: bool,
    pub paid_at: Timestamp,
}

impl Sale {
    /// A renewal over 29.99 euros; `id` makes the ids of event, invoice, customer and subscription.
    pub fn new(id: &str, email: &str, paid_at: Timestamp) -> Self {
        let (id, email) = (id.to_owned(), email.to_owned());
        Self { id, email, cents: 2999, code: None, first: false, live: true, paid_at }
    }

    pub fn cents(mut self, cents: i64) -> Self {
        self.cents = cents;
        self
    }

    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// The first invoice of a subscription, whose checkout session may bring a code.
    pub fn first(mut self) -> Self {
        self.first = true;
        self
    }

    pub fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }

    /// The event `invoice.paid`.
    pub fn event(&self) -> Value {
        let mut event = sample("stripe/invoice.paid/renewal-clover/body.json");
        let Self { id, cents, .. } = self;
        event["id"] = json!(format!("evt_{id}"));
        event["created"] = json!(self.paid_at.as_second() + 1);
        event["livemode"] = json!(self.live);
        let invoice = &mut event["data"]["object"];
        invoice["id"] = json!(format!("in_{id}"));
        invoice["customer"] = json!(format!("cus_{id}"));
        invoice["livemode"] = json!(self.live);
        invoice["customer_email"] = json!(self.email);
        invoice["customer_name"] = json!(format!("Name Of {id}"));
        invoice["billing_reason"] = json!(if self.first { "subscription_create" } else { "subscription_cycle" });
        for field in ["amount_due", "amount_paid", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"]
        {
            invoice[field] = json!(cents);
        }
        invoice["lines"]["data"][0]["amount"] = json!(cents);
        invoice["status_transitions"]["paid_at"] = json!(self.paid_at.as_second());
        let subscription = &mut invoice["parent"]["subscription_details"];
        subscription["subscription"] = json!(format!("sub_{id}"));
        if let Some(code) = &self.code {
            subscription["metadata"]["refairn_code"] = json!(code);
        }
        event
    }

    /// The checkout session that began the subscription, with `code`.
    pub fn checkout(&self, code: &str) -> Value {
        let mut event = sample("stripe/_sequence/first-sale/02-checkout-session-completed.json");
        let id = &self.id;
        event["id"] = json!(format!("evt_cs_{id}"));
        event["created"] = json!(self.paid_at.as_second());
        let session = &mut event["data"]["object"];
        session["id"] = json!(format!("cs_live_{id}"));
        session["client_reference_id"] = json!(format!("refairn_{code}"));
        session["customer"] = json!(format!("cus_{id}"));
        session["customer_details"]["email"] = json!(self.email);
        session["customer_details"]["name"] = json!(format!("Name Of {id}"));
        session["invoice"] = json!(format!("in_{id}"));
        session["subscription"] = json!(format!("sub_{id}"));
        event
    }
}

/// A Paystack charge over naira; `code` is the agent's, or empty.
pub fn charge(reference: &str, email: &str, kobo: i64, code: &str, paid_at: Timestamp) -> Value {
    let mut event = sample("paystack/charge.success/one-off-card-ngn/body.json");
    let data = &mut event["data"];
    data["reference"] = json!(reference);
    data["amount"] = json!(kobo);
    data["requested_amount"] = json!(kobo);
    data["customer"]["email"] = json!(email);
    data["customer"]["customer_code"] = json!(format!("CUS_{reference}"));
    data["metadata"] = json!({ "refairn_code": code });
    for field in ["paid_at", "paidAt", "created_at"] {
        data[field] = json!(paid_at.to_string());
    }
    event
}

/// Paystack's word that a charge was refunded.
pub fn refund(reference: &str, kobo: i64) -> Value {
    let mut event = sample("paystack/refund.processed/payment-not-seen/body.json");
    event["data"]["transaction_reference"] = json!(reference);
    event["data"]["amount"] = json!(kobo);
    event
}

/// Every body of the corpus once, with its name.
pub fn corpus() -> Vec<(String, ProviderKind, Vec<u8>)> {
    let mut found = Vec::new();
    for provider in ProviderKind::ALL {
        let mut folders = vec![fixtures().join(provider.code())];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(fixtures()).expect("inside").display().to_string();
                if path.is_dir() {
                    folders.push(path);
                } else if !name.ends_with(".toml") && !name.ends_with("expected.json") {
                    found.push((name, *provider, std::fs::read(&path).expect("a body")));
                }
            }
        }
    }
    found.sort();
    let mut seen = BTreeSet::new();
    found.retain(|(_, provider, body)| seen.insert((*provider, body.clone())));
    found
}
