//! Which rows are about somebody or something of which anything is stored. All others are tried out as on an empty store:
//! whatever a try reads, it finds by what is asked for here.

use std::collections::{BTreeMap, BTreeSet};

use super::grouping::ToWeigh;
use crate::domain::delivery::scope;
use crate::domain::fact::Reading;
use crate::domain::pseudonym::PseudonymKey;
use crate::ledger::resolve::{all_ids, asked_for, own_ids, payment_key, receipt_key};
use crate::store::inbox::facts::Mapped;
use crate::store::sql::values;
use crate::store::{Store, StoreError};

/// A question about many texts: those of one place that it finds are stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    /// An event of the endpoint has this key.
    Recorded,
    /// An event of the endpoint has this id of the provider's.
    ProviderId,
    /// An event of the endpoint points at the one of this id.
    PointedAt,
    /// It is known whose this id of the scope is.
    Identity,
    /// Something waits for this id of the scope.
    Awaited,
    /// Something of the scope is about this customer of the provider's.
    Customer,
    /// Something is known of this address at the business.
    Address,
    /// There was a call about this address at the business.
    Called,
}

impl Question {
    /// The table, the condition of the place `?1`, and the column of the texts.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::Recorded => ["events", "endpoint = ?1", "dedup_key"],
            // Of another endpoint it may be, too: by it a database would look through all events of ours.
            Self::ProviderId => ["events", "?1 = ?1", "provider_event_id"],
            Self::PointedAt => ["events", "endpoint = ?1 AND snapshot_event IS NOT NULL", "snapshot_event"],
            Self::Identity => ["identities", "scope = ?1", "key"],
            Self::Awaited => ["unresolved", "scope = ?1", "key"],
            Self::Customer => ["facts", "scope = ?1", "customer"],
            Self::Address => ["facts", "business = ?1", "email_key"],
            Self::Called => ["deliveries", "business = ?1", "email_key"],
        }
    }
}

/// By the question and its place: the texts, and in which parts each is.
#[derive(Default)]
struct Asked(BTreeMap<(Question, String), BTreeMap<String, BTreeSet<usize>>>);

impl Asked {
    fn ask(&mut self, question: Question, place: &str, texts: impl IntoIterator<Item = String>, part: usize) {
        let of_place = self.0.entry((question, place.to_owned())).or_default();
        texts.into_iter().for_each(|text| {
            of_place.entry(text).or_default().insert(part);
        });
    }

    fn ask_of(&mut self, row: &ToWeigh, mapped: &Mapped, pseudonyms: Option<&PseudonymKey>) {
        let (endpoint, part) = (&mapped.endpoint, row.part);
        self.ask(Question::Recorded, endpoint, [row.identity.dedup_key.clone()], part);
        let points_at = row.identity.snapshot_event.iter().chain(&mapped.snapshot_event).cloned();
        self.ask(Question::ProviderId, endpoint, points_at, part);
        self.ask(Question::PointedAt, endpoint, row.identity.provider_event_id.clone(), part);
        let Reading::Fact(fact) = &mapped.reading else { return };
        let scope = scope(&mapped.realm, &mapped.business, fact.account.as_deref(), fact.mode);
        let mut ids: BTreeSet<String> = all_ids(fact).into_iter().chain(asked_for(fact)).collect();
        ids.extend(own_ids(fact).flat_map(|id| [id.to_owned(), payment_key(id), receipt_key(id)]));
        self.ask(Question::Identity, &scope, ids.clone(), part);
        self.ask(Question::Awaited, &scope, ids, part);
        self.ask(Question::Customer, &scope, fact.customer.clone(), part);
        let address = fact.email.as_ref().map(|email| email.key().to_owned());
        // What is known of somebody who is forgotten is theirs again once an event names the address.
        let pseudonym = address.as_ref().and_then(|address| pseudonyms?.of(address)).map(|email| email.key());
        let addresses: Vec<String> = address.into_iter().chain(pseudonym).collect();
        self.ask(Question::Address, &mapped.business, addresses.clone(), part);
        self.ask(Question::Called, &mapped.business, addresses, part);
    }
}

impl Store {
    /// The parts of these rows that need what is stored.
    pub(super) async fn parts_of_known(&self, rows: &[(ToWeigh, Mapped)]) -> Result<BTreeSet<usize>, StoreError> {
        let mut asked = Asked::default();
        let pseudonyms = self.pseudonym_key().await?;
        rows.iter().for_each(|(row, mapped)| asked.ask_of(row, mapped, pseudonyms.as_ref()));
        let mut known = BTreeSet::new();
        for ((question, place), texts) in asked.0.iter().filter(|(_, texts)| !texts.is_empty()) {
            let [table, of_place, column] = question.words();
            // A store that is new has nothing there.
            let sql = format!("SELECT 1 FROM {table} WHERE {of_place} LIMIT 1");
            if self.query(sql, values![place]).await?.is_empty() {
                continue;
            }
            let is_asked_for = self.dialect().is_one_of(column, "?2");
            // Only what is asked for and is there comes back.
            let sql = format!("SELECT DISTINCT {column} FROM {table} WHERE {of_place} AND {is_asked_for}");
            let all: Vec<&String> = texts.keys().collect();
            for mut row in self.query(sql, values![place, serde_json::to_string(&all)?]).await? {
                known.extend(texts.get(&row.text()?).into_iter().flatten());
            }
        }
        Ok(known)
    }
}
