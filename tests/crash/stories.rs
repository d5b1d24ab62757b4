//! Customers and what happens to them: the events a provider sends of it, step by step, and what Refairn must hold in
//! the end, whenever the bridge was killed.

use jiff::Timestamp;
use jiff::civil::Date;
use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::kit::samples::{self, Sale, sample};

/// Days between a story's first payment and today; its payments are a day apart.
const DAYS_AGO: i64 = 10;

/// One webhook.
pub(crate) struct Webhook {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    pub(crate) body: Vec<u8>,
}

/// A payment that its customer made.
pub(crate) struct Paid {
    pub(crate) day: Date,
    pub(crate) amount: Decimal,
    /// All of it was given back, about when it was paid: whether Refairn is told of it depends on which comes first.
    pub(crate) taken_back: bool,
}

/// One customer.
pub(crate) struct Story {
    pub(crate) email: String,
    /// The agent's code that the customer came with.
    pub(crate) code: Option<&'static str>,
    /// The events. Those of one step come in any order; those of the next happen later, when these are acknowledged.
    pub(crate) steps: Vec<Vec<Webhook>>,
    /// In the order in which they were made.
    pub(crate) payments: Vec<Paid>,
}

/// The story of this number, told from `now` backwards.
pub(crate) fn story(n: usize, now: Timestamp) -> Story {
    let story = Story { email: format!("c{n}@example.com"), code: None, steps: vec![], payments: vec![] };
    let mut author = Author { n, now, story };
    let renewals = n / 6 % 3;
    match n % 6 {
        0 => author.first_sale(renewals),
        1 => author.code_before_the_sale(1 + renewals),
        2 => author.paystack_charges(1 + renewals),
        3 => author.refunded_charge(),
        4 => author.refunded_sale(renewals),
        _ => author.renewals(1 + renewals),
    }
    author.story
}

/// An event that says nothing to anybody, and one that nobody can read.
pub(crate) fn noise(n: usize) -> [Webhook; 2] {
    let unknown = json!({ "id": format!("evt_noise{n}"), "object": "event", "type": "issuing_card.created",
        "created": 1, "livemode": true, "data": { "object": {} } });
    let broken = format!("{{\"event\":\"charge.success\",\"data\":{n}");
    [webhook("unknown", Stripe, &unknown), Webhook { name: "broken".into(), kind: Paystack, body: broken.into() }]
}

fn webhook(name: &str, kind: ProviderKind, body: &Value) -> Webhook {
    Webhook { name: name.to_owned(), kind, body: body.to_string().into_bytes() }
}

struct Author {
    n: usize,
    now: Timestamp,
    story: Story,
}

impl Author {
    /// When payment `k` is made.
    fn at(&self, k: usize) -> Timestamp {
        let days = DAYS_AGO - i64::try_from(k).expect("few");
        self.now.checked_sub(jiff::SignedDuration::from_hours(24 * days)).expect("a time")
    }

    fn minor(&self, k: usize) -> i64 {
        i64::try_from(2_000 + self.n % 1_000 + 1_500 * k).expect("small")
    }

    fn pays(&mut self, k: usize) -> &mut Paid {
        let (at, minor) = (self.at(k), self.minor(k));
        let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.story.payments.push(Paid { day, amount: Decimal::new(minor, 2).normalize(), taken_back: false });
        self.story.payments.last_mut().expect("the payment")
    }

    fn step(&mut self, events: Vec<(&str, ProviderKind, Value)>) {
        let email = self.story.email.clone();
        let named = |(what, kind, body): (&str, ProviderKind, Value)| webhook(&format!("{email} {what}"), kind, &body);
        self.story.steps.push(events.into_iter().map(named).collect());
    }

    /// The invoice of payment `k`, told twice, as Stripe does.
    fn invoice(&mut self, k: usize, first: bool) -> Vec<(&'static str, ProviderKind, Value)> {
        let sale = Sale::new(&format!("c{}p{k}", self.n), &self.story.email, self.at(k)).cents(self.minor(k));
        let mut paid = if first { sale.first() } else { sale }.event();
        paid["data"]["object"]["customer"] = json!(self.customer());
        let mut again = paid.clone();
        again["type"] = json!("invoice.payment_succeeded");
        again["id"] = json!(format!("evt_c{}p{k}_again", self.n));
        self.pays(k);
        vec![("invoice.paid", Stripe, paid), ("invoice.payment_succeeded", Stripe, again)]
    }

    fn customer(&self) -> String {
        format!("cus_c{}p0", self.n)
    }

    fn customer_created(&self) -> Value {
        let mut event = sample("stripe/_sequence/first-sale/01-customer-created.json");
        event["id"] = json!(format!("evt_c{}_created", self.n));
        event["created"] = json!(self.at(0).as_second() - 60);
        let customer = &mut event["data"]["object"];
        customer["id"] = json!(self.customer());
        customer["email"] = json!(self.story.email);
        event
    }

    /// A first sale through Checkout: five events within a moment, and the code only in one of them.
    fn first_sale(&mut self, renewals: usize) {
        let code = if self.n.is_multiple_of(4) { "ADA10" } else { "BAYO15" };
        self.story.code = Some(code);
        let sale = Sale::new(&format!("c{}p0", self.n), &self.story.email, self.at(0));
        let mut began = sample("stripe/_sequence/first-sale/03-subscription-created.json");
        began["id"] = json!(format!("evt_c{}_began", self.n));
        began["created"] = json!(self.at(0).as_second());
        began["data"]["object"]["id"] = json!(format!("sub_c{}p0", self.n));
        began["data"]["object"]["customer"] = json!(self.customer());
        began["data"]["object"]["latest_invoice"] = json!(format!("in_c{}p0", self.n));
        let mut events = vec![
            ("customer.created", Stripe, self.customer_created()),
            ("checkout.session.completed", Stripe, sale.checkout(code)),
            ("customer.subscription.created", Stripe, began),
        ];
        events.extend(self.invoice(0, true));
        self.step(events);
        for k in 1..=renewals {
            let events = self.invoice(k, false);
            self.step(events);
        }
    }

    /// The customer with the code is known before there is a payment, which does not wait for it.
    fn code_before_the_sale(&mut self, payments: usize) {
        self.story.code = Some("ADA10");
        let mut created = self.customer_created();
        created["data"]["object"]["metadata"] = json!({ "refairn_code": "ADA10" });
        self.step(vec![("customer.created", Stripe, created)]);
        self.renewals(payments);
    }

    fn renewals(&mut self, payments: usize) {
        for k in 0..payments {
            let events = self.invoice(k, false);
            self.step(events);
        }
    }

    fn charge(&mut self, k: usize, code: &str) -> Value {
        let (email, minor, at) = (self.story.email.clone(), self.minor(k), self.at(k));
        let mut charge = samples::charge(&self.reference(k), &email, minor, code, at);
        charge["data"]["customer"]["customer_code"] = json!(format!("CUS_c{}", self.n));
        charge
    }

    fn reference(&self, k: usize) -> String {
        format!("refc{}p{k}", self.n)
    }

    /// Charges, the first one with the code, each also told by its invoice.
    fn paystack_charges(&mut self, payments: usize) {
        self.story.code = Some("BAYO15");
        for k in 0..payments {
            let charge = self.charge(k, if k == 0 { "BAYO15" } else { "" });
            let mut events = vec![("charge.success", Paystack, charge)];
            // Of the first one, the invoice has no code: the charge that has it goes first.
            if k > 0 {
                let mut invoice = sample("paystack/invoice.update/paid/body.json");
                let data = &mut invoice["data"];
                data["invoice_code"] = json!(format!("INV_{}", self.reference(k)));
                data["amount"] = json!(self.minor(k));
                data["paid_at"] = json!(self.at(k).to_string());
                data["customer"]["email"] = json!(self.story.email);
                data["customer"]["customer_code"] = json!(format!("CUS_c{}", self.n));
                data["transaction"]["reference"] = json!(self.reference(k));
                data["transaction"]["amount"] = json!(self.minor(k));
                events.push(("invoice.update", Paystack, invoice));
            }
            self.pays(k);
            self.step(events);
        }
    }

    /// A card check: the refund's event comes before the charge's.
    fn refunded_charge(&mut self) {
        self.story.code = Some("ADA10");
        let mut refund = samples::refund(&self.reference(0), self.minor(0));
        refund["data"]["customer"]["email"] = json!(self.story.email);
        self.step(vec![("refund.processed", Paystack, refund)]);
        let charge = self.charge(0, "ADA10");
        self.pays(0).taken_back = true;
        self.step(vec![("charge.success", Paystack, charge)]);
    }

    /// A sale and its refund at about the same time; later the customer buys again, and keeps it.
    fn refunded_sale(&mut self, renewals: usize) {
        let mut events = self.invoice(0, false);
        self.story.payments[0].taken_back = true;
        let mut refunded = sample("stripe/charge.refunded/full-2024/body.json");
        refunded["id"] = json!(format!("evt_c{}_refunded", self.n));
        refunded["created"] = json!(self.at(0).as_second() + 5);
        let (minor, customer) = (self.minor(0), self.customer());
        let charge = &mut refunded["data"]["object"];
        charge["id"] = json!(format!("ch_c{}", self.n));
        charge["invoice"] = json!(format!("in_c{}p0", self.n));
        charge["payment_intent"] = json!(format!("pi_c{}", self.n));
        charge["customer"] = json!(customer);
        charge["currency"] = json!("eur");
        charge["created"] = json!(self.at(0).as_second() - 2);
        charge["billing_details"]["email"] = json!(self.story.email);
        for field in ["amount", "amount_captured", "amount_refunded"] {
            charge[field] = json!(minor);
        }
        events.push(("charge.refunded", Stripe, refunded));
        self.step(events);
        for k in 1..=renewals {
            let events = self.invoice(k, false);
            self.step(events);
        }
    }
}
