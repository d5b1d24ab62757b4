//! What Refairn holds and decides: a pure state machine that answers calls as the contract says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::calls::Kind;
use super::fields::{CustomerCreated, PaymentSucceeded};
use super::program::{Agent, Business, Program};
use super::records::{Commission, Lead, Payment};
use super::reply::{self, AMOUNT_TOO_LARGE, DATE_TOO_LATE, Refusal, Reply};
use jiff::civil::Date;

/// Leads and payments one book holds; beyond, calls get 503 until a reset.
const RECORDS_MAX: usize = 1_000_000;

/// One of the two calls as it came in. `Debug` shows neither key nor body.
#[derive(Clone, Copy)]
pub struct ApiCall<'a> {
    /// Which of the two calls.
    pub kind: Kind,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The value of a `refairn_code` cookie that came along; counts when the body names no code.
    pub cookie_code: Option<&'a str>,
    /// The body as it came.
    pub body: &'a [u8],
    /// The day of the call.
    pub today: Date,
}

/// The state machine. Starts with businesses and no customers.
#[derive(Clone, Default)]
pub struct Book {
    accounts: BTreeMap<String, Account>,
    key_owners: HashMap<String, String>,
    leads: Vec<Lead>,
    payments: Vec<Payment>,
    commissions: Vec<Commission>,
}

/// A business and its customers by lower-cased e-mail.
#[derive(Clone)]
struct Account {
    business: Business,
    customers: HashMap<String, Customer>,
}

/// What decides the next call for one e-mail.
#[derive(Clone, Default)]
struct Customer {
    is_lead: bool,
    agent_id: Option<String>,
    paid_on: HashSet<Date>,
    paid_for: Vec<String>,
}

impl Book {
    /// An empty book, in which every key is invalid.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The book of `refairn-bridge sandbox`: [`Business::demo`] and nobody in it yet.
    #[must_use]
    pub fn demo() -> Self {
        Self::new().with(Business::demo())
    }

    /// The same book with one more business.
    #[must_use]
    pub fn with(mut self, business: Business) -> Self {
        self.set_business(business);
        self
    }

    /// Adds a business. One with the same id is replaced, its old key with it; its customers stay.
    pub fn set_business(&mut self, business: Business) {
        let id = business.id().to_owned();
        self.key_owners.retain(|_, owner| *owner != id);
        self.key_owners.insert(business.api_key().to_owned(), id.clone());
        let customers = self.accounts.remove(&id).map_or_else(HashMap::new, |old| old.customers);
        self.accounts.insert(id, Account { business, customers });
    }

    /// Forgets every customer, payment and commission; ids start at 1 again. Businesses stay.
    pub fn reset(&mut self) {
        for account in self.accounts.values_mut() {
            account.customers.clear();
        }
        self.leads.clear();
        self.payments.clear();
        self.commissions.clear();
    }

    /// Answers a call of either kind.
    pub fn call(&mut self, call: ApiCall<'_>) -> Reply {
        let answer = match call.kind {
            Kind::CustomerCreated => self.record_customer(call),
            Kind::PaymentSucceeded => self.record_payment(call),
        };
        answer.unwrap_or_else(Reply::from)
    }

    /// Answers `POST /api/events/customer-created`; `authorization` is the header of that name.
    pub fn customer_created(&mut self, authorization: Option<&str>, body: &[u8], today: Date) -> Reply {
        self.call(ApiCall { kind: Kind::CustomerCreated, authorization, cookie_code: None, body, today })
    }

    /// Answers `POST /api/events/payment-succeeded`; `authorization` is the header of that name.
    pub fn payment_succeeded(&mut self, authorization: Option<&str>, body: &[u8], today: Date) -> Reply {
        self.call(ApiCall { kind: Kind::PaymentSucceeded, authorization, cookie_code: None, body, today })
    }

    /// Businesses in the order of their ids.
    pub fn businesses(&self) -> impl Iterator<Item = &Business> {
        self.accounts.values().map(|account| &account.business)
    }

    /// Leads in the order of arrival.
    #[must_use]
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// Payments in the order of arrival.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        &self.payments
    }

    /// Commissions in the order of arrival.
    #[must_use]
    pub fn commissions(&self) -> &[Commission] {
        &self.commissions
    }

    /// The business and the agent a referral link stands for: the first business that knows the code.
    pub(super) fn agent_by_code(&self, code: &str) -> Option<(&Business, &Agent)> {
        self.businesses().find_map(|business| Some((business, business.agents().get(code)?)))
    }

    fn record_customer(&mut self, call: ApiCall<'_>) -> Result<Reply, Refusal> {
        let owner = key_owner(&self.key_owners, call.authorization)?;
        let event = CustomerCreated::read(call.body)?;
        let account = account(&mut self.accounts, owner, &event.business_id)?;
        account.program(&event.product_id)?;
        let full = self.leads.len() + self.payments.len() >= RECORDS_MAX;
        let referral_code = event.referral_code.or_else(|| call.cookie_code.map(str::to_owned));
        let agent = referral_code.as_deref().and_then(|code| account.business.agents().get(code));
        let agent_id = agent.map(|agent| agent.id.clone());
        let customer = account.customers.entry(event.email.to_lowercase()).or_default();
        if customer.is_lead {
            return Err(Refusal::DuplicateCustomer);
        }
        if full {
            return Err(Refusal::Full);
        }
        customer.is_lead = true;
        customer.agent_id.clone_from(&agent_id);
        let lead = Lead {
            lead_id: format!("lead_{}", self.leads.len() + 1),
            business_id: event.business_id,
            product_id: event.product_id,
            customer_email: event.email,
            customer_name: event.name,
            referral_code,
            agent_id,
            created_on: call.today,
        };
        let reply = reply::lead_recorded(&lead);
        self.leads.push(lead);
        Ok(reply)
    }

    fn record_payment(&mut self, call: ApiCall<'_>) -> Result<Reply, Refusal> {
        let owner = key_owner(&self.key_owners, call.authorization)?;
        let event = PaymentSucceeded::read(call.body)?;
        let account = account(&mut self.accounts, owner, &event.business_id)?;
        let program = account.program(&event.product_id)?;
        let full = self.leads.len() + self.payments.len() >= RECORDS_MAX;
        let hold_until = program.hold_until(event.date).ok_or(DATE_TOO_LATE)?;
        let customer = account.customers.entry(event.email.to_lowercase()).or_default();
        if customer.paid_on.contains(&event.date) {
            return Err(Refusal::DuplicatePayment);
        }
        if full {
            return Err(Refusal::Full);
        }
        let first = !customer.paid_for.contains(&event.product_id);
        let earned = program.commission(event.amount, first).ok_or(AMOUNT_TOO_LARGE)?;
        customer.paid_on.insert(event.date);
        if first {
            customer.paid_for.push(event.product_id.clone());
        }
        let payment_id = format!("pay_{}", self.payments.len() + 1);
        let commission = customer.agent_id.clone().map(|agent_id| Commission {
            commission_id: format!("comm_{}", self.commissions.len() + 1),
            payment_id: payment_id.clone(),
            agent_id,
            amount: earned,
            currency: event.currency.clone(),
            hold_until,
        });
        let reply = reply::payment_recorded(commission.as_ref(), hold_until);
        self.payments.push(Payment {
            payment_id,
            business_id: event.business_id,
            product_id: event.product_id,
            customer_email: event.email,
            amount: event.amount,
            currency: event.currency,
            subscription_status: event.status,
            payment_date: event.date,
            received_on: call.today,
            commission_id: commission.as_ref().map(|commission| commission.commission_id.clone()),
        });
        self.commissions.extend(commission);
        Ok(reply)
    }
}

impl Account {
    fn program(&self, product_id: &str) -> Result<Program, Refusal> {
        self.business.products().get(product_id).copied().ok_or(Refusal::UnknownProduct)
    }
}

/// The business whose key the header carries.
fn key_owner<'a>(owners: &'a HashMap<String, String>, authorization: Option<&str>) -> Result<&'a str, Refusal> {
    let (scheme, key) = authorization.and_then(|header| header.split_once(' ')).ok_or(Refusal::Unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Unauthorized);
    }
    owners.get(key.trim()).map(String::as_str).ok_or(Refusal::Unauthorized)
}

/// The business a body names, if the key's owner may write to it.
fn account<'a>(
    accounts: &'a mut BTreeMap<String, Account>,
    owner: &str,
    business_id: &str,
) -> Result<&'a mut Account, Refusal> {
    let account = accounts.get_mut(business_id).ok_or(Refusal::UnknownBusiness)?;
    if owner == business_id { Ok(account) } else { Err(Refusal::Forbidden) }
}

impl fmt::Debug for ApiCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiCall").field("kind", &self.kind).field("today", &self.today).finish_non_exhaustive()
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("businesses", &self.accounts.keys())
            .field("leads", &self.leads.len())
            .field("payments", &self.payments.len())
            .field("commissions", &self.commissions.len())
            .finish_non_exhaustive()
    }
}
