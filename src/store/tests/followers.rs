//! What follows from one event: the facts that were waiting for what it tells, however many there are.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{DeliveryKey, DeliveryRecord};
use crate::domain::fact::Link;
use crate::store::inbox::facts;
use crate::store::inbox::resolve::RESOLVED_MAX;
use crate::store::rows::insert_delivery;

in_both! {
    what_follows_from_one_event_goes_on_beyond_the_limit_of_a_write
    what_a_write_left_is_not_lost_when_the_process_ends_before_the_next
    a_status_in_the_name_of_an_event_that_moved_keeps_nobody_from_being_planned
    reports_of_a_sale_that_only_others_tie_have_one_customer
    reports_of_a_sale_without_an_address_have_one_customer_whatever_ids_they_go_by
    a_report_that_goes_by_its_subscription_is_of_the_customer_who_has_the_payment
}

/// More payments of a customer than one write places, whose address no event has told yet.
const PAYMENTS: usize = RESOLVED_MAX + 20;

pub(super) fn mapped(id: EventId, fact: Fact) -> Mapped {
    Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: now(),
        reading: Reading::Fact(Box::new(fact)),
    }
}

/// A store in which all of them wait.
async fn waiting(place: &Place) -> Store {
    let store = place.open().await;
    let recorded = join_all((0..PAYMENTS).map(|n| store.record(event(&format!("in_{n}"))))).await;
    let payments = recorded.into_iter().enumerate().map(|(n, recorded)| {
        let id = recorded.unwrap().id;
        mapped(id, payment(&format!("in_{n}"), None, "2026-01-10"))
    });
    store.post(payments.collect(), now()).await.unwrap();
    assert_eq!(count(&store, "events WHERE state = 'waiting'").await, PAYMENTS);
    store
}

/// An event that tells the address.
async fn telling(store: &Store, key: &str) -> Mapped {
    let id = store.record(event(key)).await.unwrap().id;
    mapped(id, fact(Some("jane@example.com"), FactKind::Customer(Customer::default())))
}

async fn count(store: &Store, of: &str) -> usize {
    let mut rows = store.query(format!("SELECT COUNT(*) FROM {of}"), values![]).await.unwrap();
    usize::try_from(rows[0].int().unwrap()).unwrap()
}

async fn is_all_placed(store: &Store) {
    assert_eq!(count(store, "facts WHERE email_key IS NULL").await, 0);
    assert_eq!(count(store, "unresolved").await, 0);
    assert_eq!(count(store, "events WHERE state = 'waiting'").await, 0);
    assert_eq!(count(store, "deliveries").await, PAYMENTS);
}

async fn what_follows_from_one_event_goes_on_beyond_the_limit_of_a_write(place: Place) {
    let store = waiting(&place).await;
    let event = telling(&store, "cus").await;
    store.post(vec![event], now()).await.unwrap();
    is_all_placed(&store).await;
}

/// Writes what an event reports, as the first write of [`Store::post`] does; gives how many facts are left.
struct FirstWrite(Mapped);

impl Work for FirstWrite {
    type Answer = usize;

    async fn run<D: Db>(&self, db: &D) -> Result<usize, StoreError> {
        Ok(facts::post(db, &self.0, &mut BTreeSet::new()).await?.len())
    }
}

async fn what_a_write_left_is_not_lost_when_the_process_ends_before_the_next(place: Place) {
    let store = waiting(&place).await;
    let left = store.write(FirstWrite(telling(&store, "cus").await)).await.unwrap();
    // The event's own fact is one of those that were placed.
    assert_eq!(left, PAYMENTS + 1 - RESOLVED_MAX);
    let store = place.another(store).await;
    assert_eq!(count(&store, "facts WHERE email_key IS NULL").await, left);
    let event = telling(&store, "again").await;
    store.post(vec![event], now()).await.unwrap();
    is_all_placed(&store).await;
}

/// Writes a new call for two customers; gives whether each has it then.
struct ForBoth(DeliveryKey);

impl Work for ForBoth {
    type Answer = (bool, bool);

    async fn run<D: Db>(&self, db: &D) -> Result<(bool, bool), StoreError> {
        let new = DeliveryRecord { id: None, subject: self.0.clone(), ..DeliveryRecord::sample(1) };
        let new = Delivery::restore(new);
        let key = |email_key: &str| CustomerKey { business: "biz_1".into(), email_key: email_key.to_owned() };
        let (first, second) = (key("jane@example.com"), key("ann@example.com"));
        Ok((insert_delivery(db, &first, &new).await?.is_some(), insert_delivery(db, &second, &new).await?.is_some()))
    }
}

async fn a_status_in_the_name_of_an_event_that_moved_keeps_nobody_from_being_planned(place: Place) {
    let store = place.open().await;
    let status = DeliveryKey::Status(store.record(event("evt_1")).await.unwrap().id);
    assert_eq!(store.write(ForBoth(status)).await, Ok((true, false)));
    assert_eq!(count(&store, "deliveries").await, 1);
    // A payment that is told for two customers would be two commissions.
    let payment = DeliveryKey::Payment { scope: "stripe//live".into(), identity: "in_1".into() };
    assert!(store.write(ForBoth(payment)).await.is_err());
    assert_eq!(count(&store, "deliveries").await, 1);
}

/// Reports that come one after the other: of each its ids, the first of which is a payment's unless it only ties them; and the
/// address that it names. What each payment's call came to: no two customers have one of the same sale.
async fn sales_of(place: &Place, reports: &[(&[&str], Option<&str>, bool)]) -> Vec<String> {
    let store = place.open().await;
    for (n, (ids, email, is_payment)) in reports.iter().enumerate() {
        let keys: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut report = payment(ids[0], *email, "2026-01-10");
        if let FactKind::Payment(payment) = &mut report.matter {
            payment.ties.clone_from(&keys);
        }
        if !is_payment {
            report.matter = FactKind::Link(Link::default());
        }
        let report = Fact { customer: None, keys, ..report };
        let id = store.record(event(&format!("evt_{n}"))).await.unwrap().id;
        store.post(vec![mapped(id, report)], now()).await.unwrap();
    }
    let sql = "SELECT email_key FROM facts WHERE data LIKE '%\"payment\"%' ORDER BY event_id".to_owned();
    let rows = store.query(sql, values![]).await.unwrap();
    rows.into_iter().map(|mut row| row.text().unwrap()).collect()
}

async fn reports_of_a_sale_that_only_others_tie_have_one_customer(place: Place) {
    let (ann, bob, cleo) = (Some("ann@example.com"), Some("bob@example.com"), Some("cleo@example.com"));
    let reports: [(&[&str], _, _); 7] = [
        (&["in_1", "pi_1"], ann, true),
        (&["in_2", "pi_3"], bob, true),
        (&["in_3", "pi_1"], None, false),
        (&["in_1", "pi_3"], ann, true),
        (&["in_0", "pi_4"], cleo, true),
        (&["in_3", "pi_2"], cleo, true),
        // It ties the last sale to the first three, and these to the one before.
        (&["in_2", "pi_4"], None, false),
    ];
    let customers: BTreeSet<String> = sales_of(&place, &reports).await.into_iter().collect();
    assert_eq!(customers.len(), 1, "{customers:?}");
}

async fn reports_of_a_sale_without_an_address_have_one_customer_whatever_ids_they_go_by(place: Place) {
    let reports: [(&[&str], _, _); 4] = [
        (&["in_3", "pi_2"], Some("ann@example.com"), true),
        (&["in_4", "pi_1"], Some("bob@example.com"), true),
        (&["in_1", "pi_1"], None, true),
        (&["in_1", "pi_2"], None, true),
    ];
    let customers: BTreeSet<String> = sales_of(&place, &reports).await.into_iter().collect();
    assert_eq!(customers.len(), 1, "{customers:?}");
}

async fn a_report_that_goes_by_its_subscription_is_of_the_customer_who_has_the_payment(place: Place) {
    let store = place.open().await;
    let paid = |identity: &str, email: Option<&str>, keys: &[&str]| Fact {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..payment(identity, email, "2026-01-10")
    };
    let reports = [
        Fact { keys: vec!["in_1".into()], ..fact(Some("ann@example.com"), FactKind::Customer(Customer::default())) },
        paid("in_1", None, &["in_1"]),
        Fact { customer: None, ..paid("in_2", Some("bob@example.com"), &["in_2", "sub_1"]) },
        // Bob paid for the subscription, and the payment is known as Ann's.
        paid("in_1", None, &["in_1", "sub_1"]),
    ];
    for (n, report) in reports.into_iter().enumerate() {
        let id = store.record(event(&format!("evt_{n}"))).await.unwrap().id;
        store.post(vec![mapped(id, report)], now()).await.unwrap();
    }
    assert_eq!(count(&store, "facts WHERE email_key = 'ann@example.com'").await, 3);
    assert_eq!(count(&store, "deliveries WHERE subject_key LIKE 'payment %'").await, 2);
}
