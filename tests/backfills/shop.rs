//! A shop's sales as its provider has them: the objects that its lists show, and the webhooks that it sent.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kit::provider::Provider;

const DAY: i64 = 86_400;

/// One customer's sales.
#[derive(Debug, Clone)]
pub struct Sale {
    /// Makes the ids.
    pub n: usize,
    pub email: String,
    /// The referral code that the checkout brought.
    pub code: Option<&'static str>,
    /// When the first payment was made.
    pub at: Timestamp,
    /// Further payments, a month apart.
    pub renewals: i64,
    /// The first payment was given back.
    pub refunded: bool,
    /// The subscription has ended.
    pub ended: bool,
}

/// A webhook as it was sent, and when.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub at: i64,
    pub body: Value,
}

impl Sale {
    pub fn new(n: usize, email: String, at: Timestamp) -> Self {
        Self { n, email, code: None, at, renewals: 0, refunded: false, ended: false }
    }

    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub fn renewals(mut self, renewals: i64) -> Self {
        self.renewals = renewals;
        self
    }

    pub fn refunded(mut self) -> Self {
        self.refunded = true;
        self
    }

    pub fn ended(mut self) -> Self {
        self.ended = true;
        self
    }

    /// Puts what Stripe has of it into the provider's lists; gives the webhooks.
    pub fn at_stripe(&self, provider: &Provider) -> Vec<Webhook> {
        let Self { n, email, code, .. } = self;
        let at = self.at.as_second();
        let (customer, subscription) = (format!("cus_{n}"), format!("sub_{n}"));
        let buyer = json!({"id": customer, "object": "customer", "email": email, "name": format!("Buyer {n}"),
            "created": at - 60, "metadata": {}, "livemode": true});
        let session = json!({"id": format!("cs_{n}"), "object": "checkout.session", "mode": "subscription",
            "status": "complete", "payment_status": "paid", "customer": customer, "subscription": subscription,
            "customer_details": {"email": email, "name": format!("Buyer {n}")}, "amount_total": 2999, "currency": "usd",
            "client_reference_id": code.map(|code| format!("refairn_{code}")), "metadata": {}, "created": at - 30,
            "invoice": format!("in_{n}_0"), "livemode": true});
        let status = if self.ended { "canceled" } else { "active" };
        let standing = |status: &str| {
            json!({"id": subscription, "object": "subscription", "customer": customer, "status": status, "created": at - 5,
                "items": {"object": "list", "data": []}, "metadata": {}, "livemode": true})
        };
        let mut sent = Vec::new();
        let mut event = |id: String, kind: &str, at: i64, object: &Value| {
            let body = json!({"id": id, "object": "event", "api_version": "2026-07-29.dahlia", "created": at, "type": kind,
                "livemode": true, "pending_webhooks": 1, "request": null, "data": {"object": object}});
            sent.push(Webhook { at, body });
        };
        event(format!("evt_{n}_customer"), "customer.created", at - 60, &buyer);
        event(format!("evt_{n}_session"), "checkout.session.completed", at - 2, &session);
        event(format!("evt_{n}_begun"), "customer.subscription.created", at - 5, &standing("active"));
        for nth in 0..=self.renewals {
            let (invoice, whole) = self.invoice(nth, &buyer);
            event(format!("evt_{n}_paid_{nth}"), "invoice.paid", self.paid_at(nth), &invoice);
            let link = json!({"id": format!("inpay_{n}_{nth}"), "object": "invoice_payment", "status": "paid",
                "invoice": format!("in_{n}_{nth}"), "amount_paid": 2999, "currency": "usd", "livemode": true,
                "payment": {"type": "payment_intent", "payment_intent": format!("pi_{n}_{nth}")},
                "status_transitions": {"paid_at": self.paid_at(nth)}});
            event(format!("evt_{n}_tied_{nth}"), "invoice_payment.paid", self.paid_at(nth), &link);
            provider.lists(|lists| lists.add("/v1/invoices", whole));
        }
        if self.refunded {
            let refund = json!({"id": format!("re_{n}"), "object": "refund", "amount": 2999, "currency": "usd",
                "payment_intent": format!("pi_{n}_0"), "charge": format!("ch_{n}_0"), "status": "succeeded",
                "created": at + 3600});
            event(format!("evt_{n}_refund"), "refund.created", at + 3600, &refund);
            provider.lists(|lists| lists.add("/v1/refunds", refund));
        }
        if self.ended {
            let at = self.paid_at(self.renewals) + 2 * DAY;
            event(format!("evt_{n}_ended"), "customer.subscription.deleted", at, &standing(status));
        }
        provider.lists(|lists| {
            lists.add("/v1/checkout/sessions", session);
            lists.add("/v1/subscriptions", standing(status));
            sent.iter().for_each(|webhook| lists.add("/v1/events", webhook.body.clone()));
        });
        sent
    }

    fn paid_at(&self, nth: i64) -> i64 {
        self.at.as_second() + nth * 30 * DAY
    }

    /// An invoice as events have it, and as the list has it with what may be expanded.
    fn invoice(&self, nth: i64, buyer: &Value) -> (Value, Value) {
        let Self { n, email, .. } = self;
        let at = self.paid_at(nth);
        let reason = if nth == 0 { "subscription_create" } else { "subscription_cycle" };
        let details = json!({"subscription": format!("sub_{n}"), "metadata": {}});
        let mut invoice = json!({"id": format!("in_{n}_{nth}"), "object": "invoice", "customer": format!("cus_{n}"),
            "customer_email": email, "customer_name": format!("Buyer {n}"), "currency": "usd", "amount_paid": 2999,
            "amount_due": 2999, "total": 2999, "subtotal": 2999, "status": "paid", "billing_reason": reason,
            "metadata": {}, "livemode": true, "created": at - 3600, "status_transitions": {"paid_at": at},
            "parent": {"type": "subscription_details", "subscription_details": details}});
        let event = invoice.clone();
        let payment = json!({"id": format!("inpay_{n}_{nth}"), "object": "invoice_payment", "status": "paid",
            "payment": {"type": "payment_intent", "payment_intent": format!("pi_{n}_{nth}")}});
        invoice["_of"] = json!({"customer": buyer, "payments": {"object": "list", "data": [payment]}});
        (event, invoice)
    }

    /// The same at Paystack: a charge for each payment.
    pub fn at_paystack(&self, provider: &Provider) -> Vec<Webhook> {
        let Self { n, email, code, .. } = self;
        let iso = |at: i64| Timestamp::from_second(at).expect("a time").to_string();
        let customer = json!({"id": 1000 + n, "customer_code": format!("CUS_{n}"), "email": email, "first_name": "Buyer",
            "last_name": n.to_string()});
        let mut sent = Vec::new();
        for nth in 0..=self.renewals {
            let at = self.paid_at(nth);
            let given_back = self.refunded && nth == 0;
            let metadata = if nth == 0 { json!({"refairn_code": code}) } else { json!("") };
            let charge = json!({"id": 10_000 * n + usize::try_from(nth).expect("positive"), "domain": "live",
                "status": "success", "reference": format!("ref_{n}_{nth}"), "amount": 299_900, "currency": "NGN",
                "paid_at": iso(at), "created_at": iso(at - 60), "metadata": metadata, "customer": customer,
                "plan": {}, "authorization": {}});
            sent.push(Webhook { at, body: json!({"event": "charge.success", "data": charge}) });
            let mut row = charge;
            row["createdAt"] = json!(iso(at - 60));
            row["paidAt"] = json!(iso(at));
            row["log"] = json!({"attempts": 1});
            if given_back {
                row["status"] = json!("reversed");
            }
            provider.lists(|lists| lists.add("/transaction", row));
        }
        if self.refunded {
            let at = self.at.as_second() + 3600;
            let reference = format!("ref_{n}_0");
            let refund = json!({"status": "processed", "transaction_reference": reference, "refund_reference": null,
                "amount": 299_900, "currency": "NGN", "domain": "live", "customer": {"email": email}});
            sent.push(Webhook { at, body: json!({"event": "refund.processed", "data": refund}) });
            let row = json!({"id": 500 + n, "domain": "live", "transaction": 10_000 * n,
                "transaction_reference": reference, "amount": 299_900, "currency": "NGN", "status": "processed",
                "refund_type": "full", "createdAt": iso(at), "refunded_at": iso(at)});
            provider.lists(|lists| lists.add("/refund", row));
        }
        sent
    }
}
