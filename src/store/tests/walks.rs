//! Lists of what no index leads to: a page looks at so many rows, and all pages have all of it.

use super::*;
use crate::domain::call::Kind;
use crate::domain::event::Origin;
use crate::store::payments::{CODE_EVENTS_MAX, PaymentFilter};
use crate::store::queries::EventView;
use crate::store::walks::{Page, WALKED_MAX};

in_both! {
    what_is_rare_is_found_page_by_page
    a_list_of_a_code_follows_the_newest_events_and_says_so
}

/// Customers, each with an event that brought a code and a payment.
const MANY: i64 = 25_000;
/// What is rare.
const RARE: [i64; 3] = [24_000, 14_000, 3];

/// A store with so many customers.
async fn with_many(place: &Place) {
    let store = place.open().await;
    let id = store.record(event("evt_0")).await.unwrap().id;
    let sale = payment("in_0", Some("p0@example.com"), "2026-01-10");
    post(&store, id, Fact { customer: None, code: Some("ADA".into()), ..sale }).await;
    store.close().await;
    let of_another = |column: &str| format!("replace({column}, 'p0@', 'p' || n || '@')");
    let (email, data) = (of_another("email_key"), of_another("data"));
    // As earlier versions wrote it: with its kind.
    let call = format!("'{{\"call\":\"payment_succeeded\",' || substr({}, 2)", of_another("call"));
    let all = format!("WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {})", MANY - 1);
    let rare = RARE.map(|n| n.to_string()).join(", ");
    place.run(
        &format!(
            "{all} INSERT INTO events (endpoint, provider, business, dedup_key, type, state, received_at, mode) \
         SELECT endpoint, provider, business, 'evt_' || n, type, state, received_at, mode FROM events, s; \
         {all} INSERT INTO facts SELECT n + 1, business, scope, 'cus_' || n, {email}, 1, received_at, {data} FROM facts, s; \
         {all} INSERT INTO deliveries (business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, \
         attention, released, acknowledged, due_at, attempts, outcome_unknown, created_at) \
         SELECT business, {email}, n + 1, subject_key || n, subject, kind, mode, at - n, {call}, state, attention, released, \
         acknowledged, due_at, attempts, outcome_unknown, created_at FROM deliveries, s \
         WHERE subject_key LIKE 'payment %'; \
         UPDATE events SET origin = 'backfill' WHERE id IN ({rare}); \
         UPDATE deliveries SET state = 'delivered'; \
         UPDATE deliveries SET kind = CASE WHEN id IN ({rare}) THEN 'customer-created' ELSE 'payment-succeeded' END"
        ),
    );
}

/// The numbers on all pages, and how many pages there are.
async fn all_pages<T>(
    page: impl AsyncFn(Option<i64>) -> Page<T>,
    number: impl Fn(&T) -> i64,
    first: Option<i64>,
) -> (Vec<i64>, usize) {
    let (mut found, mut pages, mut after) = (Vec::new(), 0, first);
    loop {
        let Page { items, next } = page(after).await;
        found.extend(items.iter().map(&number));
        pages += 1;
        match next {
            None => return (found, pages),
            next => after = next,
        }
    }
}

async fn what_is_rare_is_found_page_by_page(place: Place) {
    with_many(&place).await;
    let store = place.open().await;
    let pages_of_all = usize::try_from(MANY / WALKED_MAX + 1).unwrap();
    let rare = EventFilter { origin: Some(Origin::Backfill), limit: 50, ..EventFilter::default() };
    let one = store.event(EventId(3)).await.unwrap().unwrap().event;
    let filters = [
        rare.clone(),
        EventFilter { event_type: Some(one.event_type), ..rare.clone() },
        EventFilter { endpoint: Some(one.endpoint), ..rare.clone() },
        EventFilter { state: Some(one.state), ..rare.clone() },
    ];
    let number = |event: &EventView| event.id.0;
    for filter in filters {
        let page = async |after| store.page_of_events(EventFilter { after, ..filter.clone() }).await.unwrap();
        for first in [None, Some(i64::MAX)] {
            assert_eq!(all_pages(page, number, first).await, (RARE.to_vec(), pages_of_all), "{filter:?}");
        }
    }
    let one_each = async |after| store.page_of_events(EventFilter { limit: 1, after, ..rare.clone() }).await.unwrap();
    assert_eq!(all_pages(one_each, number, None).await.0, RARE);
    let common = EventFilter { origin: Some(Origin::Webhook), ..rare.clone() };
    let page = store.page_of_events(common).await.unwrap();
    assert_eq!((page.items.len(), page.next), (50, page.items.last().map(number)));

    let filter = DeliveryFilter { kind: Some(Kind::CustomerCreated), limit: 50, ..DeliveryFilter::default() };
    for state in [None, Some(DeliveryState::Delivered)] {
        let page =
            async |after| store.page_of_deliveries(DeliveryFilter { state, after, ..filter.clone() }).await.unwrap();
        let found = all_pages(page, |view| view.delivery.id.unwrap().0, None).await;
        assert_eq!(found, (RARE.to_vec(), pages_of_all), "{state:?}");
    }
}

async fn a_list_of_a_code_follows_the_newest_events_and_says_so(place: Place) {
    with_many(&place).await;
    let store = place.open().await;
    let of = |code: &str| PaymentFilter { code: Some(code.into()), limit: 500, ..PaymentFilter::default() };
    let (mut filter, mut events) = (of("ada"), Vec::new());
    loop {
        let page = store.payments(&filter).await.unwrap();
        events.extend(page.iter().map(|view| view.delivery.event.0));
        if page.len() < filter.limit as usize {
            break;
        }
        filter.after = page.last().and_then(|view| Some(view.delivery.id?.0));
    }
    events.sort_unstable();
    assert_eq!(events, Vec::from_iter(MANY - i64::from(CODE_EVENTS_MAX) + 1..=MANY));
    assert!(!store.lists_all(&filter).await.unwrap());
    assert!(store.lists_all(&of("none")).await.unwrap() && store.lists_all(&PaymentFilter::default()).await.unwrap());
}
