//! Paystack's webhooks: one compact line each, without an id, a version or a time of the event.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::customers::{Cash, Customer};

/// A plan's code; no map names it.
const PLAN: &str = "PLN_demostarter0001";

/// Numbers what it writes, so that ids are unique.
#[derive(Default)]
pub(super) struct Paystack {
    serial: u64,
}

/// Where a referral code stands in a charge's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeIn {
    /// In an object.
    Object,
    /// In a custom field of the checkout page.
    CustomField,
    /// In an object that was written into a string.
    Text,
    /// Nowhere: renewals carry none.
    Nowhere,
}

/// A reference, unique among transactions.
pub(super) fn reference(person: &Customer, number: u8) -> String {
    format!("demo{number}{}", person.slug)
}

fn customer_code(person: &Customer) -> String {
    format!("CUS_demo{}", person.slug)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

fn metadata(person: &Customer, place: CodeIn) -> Value {
    match (place, person.code()) {
        (CodeIn::Object, Some(code)) => json!({ "referral_code": code }),
        (CodeIn::CustomField, Some(code)) => {
            let field = json!({ "display_name": "Referral", "variable_name": "referral_code", "value": code });
            json!({ "custom_fields": [field], "referrer": "https://shop.example.com/pay" })
        }
        (CodeIn::Text, Some(code)) => json!(json!({ "refairn_code": code }).to_string()),
        (CodeIn::Nowhere, _) | (_, None) => json!(""),
    }
}

fn customer(person: &Customer) -> Value {
    json!({
        "id": 200_000_000 + person.email.len(), "first_name": person.first, "last_name": person.last, "email": person.email,
        "customer_code": customer_code(person), "phone": null, "metadata": null, "risk_action": "default",
        "international_format_phone": null,
    })
}

fn authorization(person: &Customer) -> Value {
    json!({
        "authorization_code": format!("AUTH_demo{}", person.slug), "bin": "408408", "last4": "4081",
        "exp_month": "12", "exp_year": "2031", "channel": "card", "card_type": "visa ", "bank": "TEST BANK",
        "country_code": "NG", "brand": "visa", "reusable": true, "signature": format!("SIG_demo{}", person.slug),
        "account_name": null,
    })
}

fn plan(cash: Cash) -> Value {
    json!({
        "id": 1_840_001, "name": "Starter", "plan_code": PLAN, "description": null, "amount": cash.minor,
        "interval": "monthly", "send_invoices": 1, "send_sms": 1, "currency": cash.currency.to_uppercase(),
    })
}

fn subscription_code(person: &Customer) -> String {
    format!("SUB_demo{}", person.slug)
}

fn event(kind: &str, data: &Value) -> Vec<u8> {
    json!({ "event": kind, "data": data }).to_string().into_bytes()
}

impl Paystack {
    /// `charge.success`, of the plan or of a single purchase.
    pub(super) fn charge(
        &mut self,
        person: &Customer,
        number: u8,
        at: Timestamp,
        cash: Cash,
        code: CodeIn,
        of_plan: bool,
    ) -> Vec<u8> {
        self.serial += 1;
        let data = json!({
            "id": 5_530_000_000_u64 + self.serial, "domain": "live", "status": "success",
            "reference": reference(person, number), "amount": cash.minor, "message": null,
            "gateway_response": "Successful", "paid_at": time(at), "created_at": time(at), "channel": "card",
            "currency": cash.currency.to_uppercase(), "ip_address": "192.0.2.41", "metadata": metadata(person, code),
            "fees_breakdown": null, "log": null, "fees": cash.minor * 15 / 1000, "fees_split": null,
            "authorization": authorization(person), "customer": customer(person),
            "plan": if of_plan { plan(cash) } else { json!({}) }, "subaccount": {}, "split": {}, "order_id": null,
            "paidAt": time(at), "requested_amount": cash.minor, "pos_transaction_data": null,
        });
        event("charge.success", &data)
    }

    /// `subscription.create`, `subscription.not_renew`, `subscription.disable`; made at `made_at`.
    pub(super) fn subscription(
        &mut self,
        kind: &str,
        person: &Customer,
        made_at: Timestamp,
        status: &str,
        cash: Cash,
    ) -> Vec<u8> {
        self.serial += 1;
        let data = json!({
            "id": 960_000 + self.serial, "domain": "live", "status": status,
            "subscription_code": subscription_code(person), "email_token": format!("demo{}", person.slug),
            "amount": cash.minor, "cron_expression": "0 0 * * *", "next_payment_date": null, "open_invoice": null,
            "integration": 683_819, "plan": plan(cash), "authorization": authorization(person),
            "customer": customer(person), "invoices": [], "invoices_history": [], "invoice_limit": 0,
            "split_code": null, "most_recent_invoice": null, "created_at": time(made_at),
        });
        event(kind, &data)
    }

    /// `invoice.update` of a paid invoice: the charge with this number, once more.
    pub(super) fn invoice_updated(&mut self, person: &Customer, number: u8, at: Timestamp, cash: Cash) -> Vec<u8> {
        let transaction = json!({
            "reference": reference(person, number), "status": "success", "amount": cash.minor,
            "currency": cash.currency.to_uppercase(),
        });
        let data = self.invoice(person, number, at, cash, Some(transaction));
        event("invoice.update", &data)
    }

    /// `invoice.payment_failed`: the card was declined at `at`.
    pub(super) fn invoice_failed(&mut self, person: &Customer, number: u8, at: Timestamp, cash: Cash) -> Vec<u8> {
        let data = self.invoice(person, number, at, cash, None);
        event("invoice.payment_failed", &data)
    }

    fn invoice(&mut self, person: &Customer, number: u8, at: Timestamp, cash: Cash, paid: Option<Value>) -> Value {
        self.serial += 1;
        let is_paid = paid.is_some();
        json!({
            "domain": "live", "invoice_code": format!("INV_demo{number}{}", person.slug), "amount": cash.minor,
            "period_start": time(at), "period_end": time(at), "status": if is_paid { "success" } else { "pending" },
            "paid": is_paid, "paid_at": is_paid.then(|| time(at)), "description": null,
            "authorization": authorization(person),
            "subscription": {
                "status": if is_paid { "active" } else { "attention" },
                "subscription_code": subscription_code(person), "email_token": format!("demo{}", person.slug),
                "amount": cash.minor, "cron_expression": "0 0 * * *", "next_payment_date": time(at), "open_invoice": null,
                "plan": plan(cash),
            },
            "customer": customer(person), "transaction": paid.unwrap_or_else(|| json!({})), "created_at": time(at),
        })
    }

    /// `refund.processed` of the whole charge with this number.
    pub(super) fn refunded(&mut self, person: &Customer, number: u8, cash: Cash) -> Vec<u8> {
        self.serial += 1;
        let data = json!({
            "status": "processed", "transaction_reference": reference(person, number),
            "refund_reference": format!("TRF_demo{:09}", self.serial), "amount": cash.minor.to_string(),
            "currency": cash.currency.to_uppercase(), "processor": "instant-transfer",
            "customer": { "first_name": person.first, "last_name": person.last, "email": person.email },
            "integration": 683_819, "domain": "live",
        });
        event("refund.processed", &data)
    }

    /// Money that goes out to somebody: nothing Refairn is told of.
    pub(super) fn transferred(&mut self, at: Timestamp) -> Vec<u8> {
        self.serial += 1;
        let data = json!({
            "amount": 150_000, "currency": "NGN", "domain": "live", "id": 90_000 + self.serial, "reason": "Supplies",
            "reference": format!("demotransfer{}", self.serial), "status": "success", "created_at": time(at),
            "transferred_at": time(at), "recipient": { "name": "A Supplier", "type": "nuban", "currency": "NGN" },
        });
        event("transfer.success", &data)
    }
}
