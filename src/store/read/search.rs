//! Finding by anything: a part of an address, a referral code, an agent, any id of a provider's, of Refairn's or of ours.
//! Every question is answered by an index, and for so many rows at most.

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all, try_join3};

use crate::domain::customer::CustomerKey;
use crate::domain::text::visible;
use crate::store::codes::is_payment;
use crate::store::queries::{DeliveryView, EventView};
use crate::store::read::queries::{EVENT_COLUMNS, delivery_view, delivery_view_columns, event, payment_subject};
use crate::store::sql::{IDENTITIES, Row, values};
use crate::store::{Store, StoreError};

/// Hits of one kind.
pub const HITS_MAX: u32 = 20;
/// Fewest characters that are looked for.
pub const SOUGHT_CHARS_MIN: usize = 2;
/// Customers, the newest, in whose addresses the inside of a word is looked for.
const LOOKED_THROUGH_MAX: u32 = 20_000;
/// Characters of a part of an address that the index holds.
const PART_CHARS: usize = 12;
/// Parts of addresses that are looked at, when the beginning of what is sought is in so many.
const PARTS_MAX: u32 = 2000;
/// Scopes in which an id is looked up: an account that many others are connected to has one for each.
const SCOPES_MAX: u32 = 1000;

/// What was found, the newest first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Customers.
    pub customers: Vec<CustomerKey>,
    /// Payments, told or to be told.
    pub payments: Vec<DeliveryView>,
    /// Other calls.
    pub deliveries: Vec<DeliveryView>,
    /// Events.
    pub events: Vec<EventView>,
    /// There are more of a kind than are given.
    pub is_cut: bool,
}

impl Found {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.payments.is_empty() && self.deliveries.is_empty() && self.events.is_empty()
    }
}

/// Where a fact is, and what it says.
struct FactRow {
    person: Option<CustomerKey>,
    event: i64,
    payment: Option<String>,
}

impl Store {
    /// What has to do with a text, in this business or in all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn search(&self, text: &str, business: Option<&str>) -> Result<Found, StoreError> {
        Search { store: self, business }.all(text).await
    }
}

/// A search in one business, or in all.
struct Search<'a> {
    store: &'a Store,
    business: Option<&'a str>,
}

impl Search<'_> {
    async fn all(&self, text: &str) -> Result<Found, StoreError> {
        let sought = visible(text);
        if sought.chars().count() < SOUGHT_CHARS_MIN {
            return Ok(Found::default());
        }
        let (named, of_facts) = try_join(self.named(&sought), self.facts_with(&sought)).await?;
        let (credited, coded, like) =
            try_join3(self.credited(&sought), self.with_code(&sought), self.with_address_like(&sought)).await?;
        let (mut events, mut deliveries) = named;
        // An id, or an address that is found whole, is no part of another address.
        let whole = sought.to_ascii_lowercase();
        let is_id = !events.is_empty() || !deliveries.is_empty() || !of_facts.is_empty() || !credited.is_empty();
        let is_enough = is_id || like.len() >= HITS_MAX as usize || like.iter().any(|key| key.email_key == whole);
        let inside = if is_enough { Vec::new() } else { self.inside_of_addresses(&whole).await? };
        let mut customers: Vec<CustomerKey> = Vec::new();
        let of_ids = of_facts.iter().filter_map(|fact| fact.person.clone());
        for person in of_ids.chain(coded).chain(like).chain(inside) {
            if !customers.contains(&person) {
                customers.push(person);
            }
        }
        let ids: Vec<i64> = of_facts.iter().map(|fact| fact.event).collect();
        let subjects: BTreeSet<(&str, &str)> = of_facts
            .iter()
            .filter_map(|fact| Some((fact.person.as_ref()?.business.as_str(), fact.payment.as_deref()?)))
            .collect();
        let (of_facts, payments) = try_join(self.events_of(&ids), self.payments_of(&subjects)).await?;
        events.extend(of_facts);
        deliveries.extend(payments.into_iter().chain(credited));
        let mut found = Found { customers, ..Found::default() };
        let mut seen = BTreeSet::new();
        deliveries.retain(|view| seen.insert(view.delivery.id));
        (found.payments, found.deliveries) = deliveries.into_iter().partition(DeliveryView::is_payment);
        let mut seen = BTreeSet::new();
        events.retain(|event| seen.insert(event.id));
        events.sort_by_key(|event| std::cmp::Reverse(event.id));
        found.payments.sort_by_key(|view| std::cmp::Reverse((view.delivery.at, view.delivery.id)));
        found.events = events;
        found.cut();
        Ok(found)
    }

    /// The event and the call that have this number of ours, or the provider's id of an event.
    async fn named(&self, sought: &str) -> Result<(Vec<EventView>, Vec<DeliveryView>), StoreError> {
        let number = |prefix: &str| sought.strip_prefix(prefix).and_then(|n| n.parse::<i64>().ok());
        let either = "SELECT CAST(?1 AS BIGINT) UNION SELECT id FROM events WHERE provider_event_id = ?2";
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE {} {} ORDER BY id + 0 DESC LIMIT {HITS_MAX}",
            self.store.dialect().is_among("id", either),
            seen("business", 3)
        );
        let events = self.store.rows(sql, values![number("evt_"), sought, self.business], event);
        let (columns, seen) = (delivery_view_columns(), seen("business", 2));
        let sql = format!("SELECT {columns} FROM deliveries WHERE id = ?1 {seen}");
        let deliveries = self.store.rows(sql, values![number("dlv_"), self.business], delivery_view);
        try_join(events, deliveries).await
    }

    /// The facts that carry this id of a provider's, the newest of each customer's.
    async fn facts_with(&self, id: &str) -> Result<Vec<FactRow>, StoreError> {
        // The scope is the beginning of the key: of each one there is a step through the index.
        let in_each = |table: &str| {
            format!(
                "WITH RECURSIVE s (scope) AS (SELECT MIN(scope) FROM {table} UNION ALL \
                 SELECT (SELECT MIN(k.scope) FROM {table} k WHERE k.scope > s.scope) FROM s WHERE s.scope IS NOT NULL) \
                 SELECT DISTINCT {{}} FROM (SELECT scope FROM s WHERE scope IS NOT NULL LIMIT {SCOPES_MAX}) r \
                 JOIN {table} k ON k.scope = r.scope AND k.key = ?1 LIMIT {HITS_MAX}"
            )
        };
        let owners = self.store.rows(in_each(IDENTITIES).replace("{}", "k.email_key"), values![id], Row::text);
        let waiting = self.store.rows(in_each("unresolved").replace("{}", "k.event_id"), values![id], Row::int);
        let (owners, waiting) = try_join(owners, waiting).await?;
        let (has_id, in_json) = (self.store.dialect().has_text("f.data", "?2"), serde_json::to_string(id)?);
        let of_owner = format!(
            "SELECT f.business, f.email_key, f.event_id, f.scope, f.data FROM customers c \
             JOIN facts f ON f.business = c.business AND f.email_key = ?1 \
             WHERE c.email_key = ?1 AND {has_id} {} ORDER BY f.event_id + 0 DESC LIMIT {HITS_MAX}",
            seen("f.business", 3)
        );
        let of_each = owners
            .into_iter()
            .map(|owner| self.store.rows(of_owner.clone(), values![owner, &in_json, self.business], fact_row));
        let mut found: Vec<FactRow> = try_join_all(of_each).await?.into_iter().flatten().collect();
        found.extend(waiting.into_iter().map(|event| FactRow { person: None, event, payment: None }));
        Ok(found)
    }

    /// Whom events brought a code for.
    async fn with_code(&self, sought: &str) -> Result<Vec<CustomerKey>, StoreError> {
        // In the order of the index by code.
        let code = format!("lower({})", self.store.dialect().field("data", "code"));
        let sql = format!(
            "SELECT business, email_key FROM facts WHERE {code} >= ?1 AND {code} <= ?1 AND speaks_for_related = 1 {} \
             ORDER BY {code} DESC, event_id DESC LIMIT {HITS_MAX}",
            seen("business", 2)
        );
        let of = values![sought.to_ascii_lowercase(), self.business];
        let rows = self.store.rows(sql, of, |row| Ok((row.text()?, row.text_option()?))).await?;
        let known = rows.into_iter().filter_map(|(business, email)| Some(CustomerKey { business, email_key: email? }));
        Ok(known.collect())
    }

    /// The payments of which an agent has a commission, or that this commission is for.
    async fn credited(&self, id: &str) -> Result<Vec<DeliveryView>, StoreError> {
        let is_payment = is_payment("");
        let of = |condition: &str, order: &str| {
            format!(
                "SELECT {} FROM deliveries WHERE {condition} AND {is_payment} \
                 AND receipt IS NOT NULL {} ORDER BY {order} LIMIT {HITS_MAX}",
                delivery_view_columns(),
                seen("business", 2)
            )
        };
        let [agent, commission] = ["agentId", "commissionId"].map(|field| self.store.dialect().field("receipt", field));
        // An agent has many payments, in the order of the index. A commission is for one: the order is that of its own index.
        let by_agent = of(&format!("{agent} = ?1"), "at DESC, id DESC");
        let by_commission = of(&format!("{commission} >= ?1 AND {commission} <= ?1"), &commission);
        let agents = self.store.rows(by_agent, values![id, self.business], delivery_view);
        let commissions = self.store.rows(by_commission, values![id, self.business], delivery_view);
        let (mut found, of_commission) = try_join(agents, commissions).await?;
        found.extend(of_commission);
        Ok(found)
    }

    /// Customers whose addresses begin with a text, and then those of which a word begins with it.
    async fn with_address_like(&self, text: &str) -> Result<Vec<CustomerKey>, StoreError> {
        let (text, dialect) = (text.to_ascii_lowercase(), self.store.dialect());
        let begin: String = text.chars().take(PART_CHARS).collect();
        let after = |text: &str| format!("{text}{}", char::MAX);
        let begins = format!(
            "SELECT business, email_key FROM customers WHERE email_key >= ?1 AND email_key < ?2 {} \
             ORDER BY email_key, business LIMIT {HITS_MAX}",
            seen("business", 3)
        );
        let in_parts = |column: &str, table: &str, [key, text]: [&str; 2]| {
            let parts = format!(
                "(SELECT {column} FROM {table} WHERE part >= ?1 AND part < ?2 ORDER BY part, {column} LIMIT {PARTS_MAX}) p"
            );
            let condition =
                format!("{key} = p.{column} AND {} {}", dialect.has_text(text, "?3"), seen("c.business", 4));
            dialect.for_each(&parts, ["c.business, c.email_key", "customers c", &condition], Some(HITS_MAX))
        };
        let holds = in_parts("customer", "address_parts", ["c.id", "c.email_key"]);
        let in_domain = in_parts("domain", "domain_parts", ["c.domain", "p.domain"]);
        let of_parts = || values![&begin, after(&begin), &text, self.business];
        let begins = self.store.rows(begins, values![&text, after(&text), self.business], customer);
        let (holds, in_domain) =
            (self.store.rows(holds, of_parts(), customer), self.store.rows(in_domain, of_parts(), customer));
        let (mut found, holds, in_domain) = try_join3(begins, holds, in_domain).await?;
        found.extend(holds.into_iter().chain(in_domain));
        Ok(found)
    }

    /// The newest customers whose addresses hold a text anywhere.
    async fn inside_of_addresses(&self, text: &str) -> Result<Vec<CustomerKey>, StoreError> {
        let sql = format!(
            "SELECT business, email_key FROM customers \
             WHERE id > (SELECT COALESCE(MAX(id), 0) FROM customers) - {LOOKED_THROUGH_MAX} AND {} {} \
             ORDER BY id DESC LIMIT {HITS_MAX}",
            self.store.dialect().has_text("email_key", "?1"),
            seen("business", 2)
        );
        self.store.rows(sql, values![text, self.business], customer).await
    }

    async fn events_of(&self, ids: &[i64]) -> Result<Vec<EventView>, StoreError> {
        let (dialect, seen) = (self.store.dialect(), seen("business", 2));
        let is_among = dialect.is_among("id", &dialect.numbers("?1"));
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE {is_among} {seen}");
        self.store.rows(sql, values![serde_json::to_string(ids)?, self.business], event).await
    }

    /// The calls of payments, by business and subject.
    async fn payments_of(&self, subjects: &BTreeSet<(&str, &str)>) -> Result<Vec<DeliveryView>, StoreError> {
        let sql = format!(
            "SELECT {} FROM deliveries WHERE (business, subject_key) IN ({})",
            delivery_view_columns(),
            self.store.dialect().pairs("?1")
        );
        self.store.rows(sql, values![serde_json::to_string(subjects)?], delivery_view).await
    }
}

/// The condition that a business in this column may be seen: the parameter of this number names the only one, or none.
fn seen(column: &str, parameter: usize) -> String {
    format!("AND (CAST(?{parameter} AS TEXT) IS NULL OR {column} || '' = ?{parameter})")
}

impl Found {
    /// Leaves of each kind as many as are shown.
    fn cut(&mut self) {
        let most = HITS_MAX as usize;
        let lens = [self.customers.len(), self.payments.len(), self.deliveries.len(), self.events.len()];
        self.is_cut = lens.iter().any(|n| *n >= most);
        self.customers.truncate(most);
        self.payments.truncate(most);
        self.deliveries.truncate(most);
        self.events.truncate(most);
    }
}

fn customer(row: &mut Row) -> Result<CustomerKey, StoreError> {
    Ok(CustomerKey { business: row.text()?, email_key: row.text()? })
}

fn fact_row(row: &mut Row) -> Result<FactRow, StoreError> {
    let person = customer(row)?;
    Ok(FactRow { person: Some(person), event: row.int()?, payment: payment_subject(&row.text()?, &row.text()?)? })
}
