//! A store that version 0.1.0 left goes on; see tests/fixtures/stores/README.md.

use super::*;
use crate::domain::endpoint::{CodeRule, Endpoint, Rules};
use crate::domain::secret::Secret;
use crate::mapping::Mapper;
use crate::providers::provider;

in_both! {
    a_store_of_0_1_0_goes_on_and_tells_nothing_twice
    an_account_that_is_named_later_makes_two_endpoints_one
    a_paused_route_is_probed_once_after_each_start
    an_event_that_points_at_another_ends_when_that_is_recorded
    what_todays_reading_would_change_is_shown_and_not_written
}

const LEFT: [&str; 2] = [
    include_str!("../../../tests/fixtures/stores/0.1.0.sqlite.sql"),
    include_str!("../../../tests/fixtures/stores/0.1.0.postgres.sql"),
];

pub(super) fn endpoint(name: &str, provider: ProviderKind, account: Option<&str>) -> Endpoint {
    let rules = Rules {
        rank: 0,
        product_id: Some("prod_demo".into()),
        test_product_id: None,
        products: std::collections::BTreeMap::new(),
        unmapped: Default::default(),
        commission_base: Default::default(),
        minimum_amount: std::collections::BTreeMap::new(),
        settings: Default::default(),
        referral_code_from: CodeRule::defaults(),
        time_zone: jiff::tz::TimeZone::UTC,
    };
    Endpoint {
        name: name.into(),
        provider,
        secrets: vec![Secret::parse("a-secret-of-the-tests").unwrap()],
        signature_tolerance: Duration::from_secs(300),
        allowed_ips: vec![],
        business: "biz_demo".into(),
        account: account.map(str::to_owned),
        api_key: None,
        api_base_url: crate::providers::provider(provider).descriptor().api_base_url.into(),
        reconcile_every: None,
        ids: crate::providers::provider(provider).descriptor().ids,
        rules,
    }
}

pub(super) fn left_by_0_1_0(place: &Place) {
    match place {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            db.execute_batch(LEFT[0]).unwrap();
        }
        Place::Server(database) => database.run(LEFT[1]),
    }
}

/// All that Refairn was told, as it stands in the database.
fn told(place: &Place) -> String {
    let sql = "SELECT id || ' ' || email_key || ' ' || state || ' ' || call || ' ' || COALESCE(receipt, '') FROM deliveries \
         WHERE state IN ('delivered', 'duplicate') ORDER BY id";
    match place {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            let mut rows = db.prepare(sql).unwrap();
            let rows = rows.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
            rows.map(|row| row.unwrap().unwrap_or_default()).collect::<Vec<_>>().join("\n")
        }
        Place::Server(database) => database.ask(sql).trim_end().to_owned(),
    }
}

async fn bring_up_to_date(store: &Store, endpoints: &[Endpoint], at: Timestamp) {
    store.rescope(endpoints).await.unwrap();
    while store.plan_anew(at).await.unwrap() > 0 {}
    store.probe_routes(at).await.unwrap();
}

/// Makes every call that is due; gives whom each was about, and what.
async fn deliver(store: &Store, at: Timestamp) -> Vec<(String, String)> {
    let mut made = Vec::new();
    loop {
        let leased = store.lease(at, LEASE, 10).await.unwrap();
        if leased.is_empty() {
            return made;
        }
        for lease in leased {
            made.push((lease.key.email_key.clone(), lease.delivery.subject.key(&lease.key.email_key)));
            assert!(store.settle(&lease, attempt(), Settlement::Delivered(Receipt::default()), at).await.unwrap());
        }
    }
}

async fn of(store: &Store, who: &str) -> Vec<(DeliveryState, Option<DeliveryReason>, bool)> {
    let filter = DeliveryFilter { email: Some(who.into()), limit: 100, ..DeliveryFilter::default() };
    let found = store.deliveries(filter).await.unwrap().into_iter().map(|v| v.delivery).rev();
    found
        .filter(|d| matches!(d.subject, crate::domain::delivery::DeliveryKey::Payment { .. }))
        .map(|d| (d.state, d.reason, d.attention))
        .collect()
}

async fn a_store_of_0_1_0_goes_on_and_tells_nothing_twice(place: Place) {
    use DeliveryState::{Delivered, Superseded};
    left_by_0_1_0(&place);
    let before = told(&place);
    assert_eq!(before.lines().count(), 12);
    let endpoints = [
        endpoint("shop", ProviderKind::Stripe, None),
        endpoint("shop-2", ProviderKind::Stripe, None),
        endpoint("paystack", ProviderKind::Paystack, Some("main")),
    ];
    let at: Timestamp = "2026-11-27T18:00:00Z".parse().unwrap();
    let store = place.open().await;
    bring_up_to_date(&store, &endpoints, at).await;
    place.end_leases();
    assert_eq!(told(&place), before, "what was told stays as it is");
    let reported = (Superseded, Some(DeliveryReason::AlreadyReported), false);
    assert_eq!(of(&store, "bea@example.com").await, [(Delivered, None, false), reported]);
    let twice = (Delivered, Some(DeliveryReason::ToldTwice), true);
    assert_eq!(of(&store, "cleo@example.com").await, [(Delivered, None, false), twice]);
    assert!(of(&store, "ivy@example.com").await.contains(&reported));

    let all = store.events(EventFilter { limit: 500, ..EventFilter::default() }).await.unwrap();
    assert_eq!(all.len(), 32);
    for event in &all {
        let stored = store.event(event.id).await.unwrap().unwrap();
        let body = body::decompress(&stored.body_zstd.clone().unwrap(), 1 << 20).unwrap();
        let kind = ProviderKind::parse(&event.provider).unwrap();
        let again = NewEvent {
            origin: Origin::Webhook,
            endpoint: event.endpoint.clone(),
            provider: kind,
            business: "biz_demo".into(),
            identity: provider(kind).identify(&body),
            body_zstd: stored.body_zstd.unwrap(),
            received_at: at,
        };
        let recorded = store.record(again).await.unwrap();
        assert_eq!((recorded.id, recorded.duplicate), (event.id, true), "{event:?}");
    }

    let notify = || Arc::new(Notify::new());
    let clock = Clock::manual(at);
    let mapper = Mapper::new(store.clone(), clock.clone(), &endpoints, 1 << 20, notify(), notify());
    while mapper.work_once().await.unwrap() > 0 {}
    let mut made = deliver(&store, at).await;
    let later: Timestamp = "2026-12-03T12:00:00Z".parse().unwrap();
    made.extend(deliver(&store, later).await);
    let mut once = made.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), made.len(), "{made:?}");
    for who in ["hal", "ivy", "kay", "lea", "mia"] {
        assert!(made.iter().any(|(email, _)| *email == format!("{who}@example.com")), "{who}: {made:?}");
    }
    let ivy = made.iter().filter(|(email, subject)| email.starts_with("ivy") && subject.starts_with("payment"));
    assert_eq!(ivy.count(), 1, "{made:?}");

    let before = told(&place);
    clock.set(later);
    for event in &all {
        store.remap(event.id, By::admin(), now()).await.unwrap();
    }
    while mapper.work_once().await.unwrap() > 0 {}
    assert_eq!(deliver(&store, later).await, []);
    assert_eq!(told(&place), before);
    let thin = all.iter().find(|e| e.provider_event_id.as_deref() == Some("evt_thin1")).unwrap();
    assert_eq!(state_of(&store, thin.id).await, (EventState::Ignored, Some(EventReason::AlreadyReported)));
    let thin = all.iter().find(|e| e.provider_event_id.as_deref() == Some("evt_thin2")).unwrap();
    assert_eq!(state_of(&store, thin.id).await, (EventState::Unmappable, Some(EventReason::ThinEvent)));
    assert_eq!(of(&store, "cleo@example.com").await, [(Delivered, None, false), twice]);
}

/// Reports a payment by an endpoint of Paystack's.
async fn report(store: &Store, of: &Endpoint, key: &str, who: &str, reference: &str) -> EventId {
    let recorded = NewEvent { endpoint: of.name.clone(), provider: ProviderKind::Paystack, ..event(key) };
    let id = store.record(recorded).await.unwrap().id;
    let mapped = Mapped {
        id,
        endpoint: of.name.clone(),
        business: "biz_1".into(),
        realm: of.realm(),
        received_at: now(),
        reading: Reading::Fact(Box::new(payment(reference, Some(who), "2026-01-10"))),
        reader: 2,
        snapshot_event: None,
    };
    store.post(vec![mapped], now()).await.unwrap();
    id
}

async fn an_account_that_is_named_later_makes_two_endpoints_one(place: Place) {
    let named = |account| ["a", "b"].map(|name| endpoint(name, ProviderKind::Paystack, account));
    let store = place.open().await;
    assert_eq!(store.rescope(&named(None)).await.unwrap(), Vec::<String>::new());
    let [a, b] = named(None);
    report(&store, &a, "1", "jane@example.com", "T1").await;
    assert_eq!(deliver(&store, now()).await.len(), 1);
    report(&store, &b, "2", "jane@example.com", "T1").await;
    // Under another address, and not yet sent by either.
    report(&store, &a, "3", "joe@example.com", "T2").await;
    report(&store, &b, "4", "jo@example.com", "T2").await;
    assert_eq!(deliveries(&store).await.len(), 4);
    store.close().await;
    // One of each sale as an earlier version wrote it.
    let calls = "UPDATE deliveries SET call = '{\"call\":\"payment_succeeded\",' || substr(call, 2), \
         subject = '{\"payment\":{\"scope\":\"' || substr(subject_key, 9, CAST(subject AS INTEGER)) || '\",\"identity\":\"' \
         || substr(subject_key, 10 + CAST(subject AS INTEGER)) || '\"}}' WHERE id IN (1, 4)";
    place.run(calls);
    let store = place.open().await;
    let keys: Vec<_> = deliveries(&store).await.iter().map(|d| d.subject.key("")).collect();
    let scopes = ["a", "b", "a", "b"].map(|of| format!("payment paystack:{of}/biz_1//live"));
    assert_eq!(keys, [0, 1, 2, 3].map(|n| format!("{} T{}", scopes[n], n / 2 + 1)));

    assert_eq!(store.rescope(&named(Some("main"))).await.unwrap(), ["a", "b"]);
    while store.plan_anew(now()).await.unwrap() > 0 {}
    let states = async || deliveries(&store).await.iter().map(|d| (d.state, d.reason)).collect::<Vec<_>>();
    let reported = (DeliveryState::Superseded, Some(DeliveryReason::AlreadyReported));
    let (sent, queued) = ((DeliveryState::Delivered, None), (DeliveryState::Queued, None));
    assert_eq!(states().await, [sent, reported, queued, reported]);
    assert_eq!(store.rescope(&named(Some("main"))).await.unwrap(), Vec::<String>::new(), "it is done once");
    let [a, b] = named(Some("main"));
    report(&store, &b, "5", "jane@example.com", "T1").await;
    report(&store, &a, "6", "jo@example.com", "T2").await;
    assert_eq!(states().await, [sent, reported, queued, reported], "one sale has one call");
    assert_eq!(deliver(&store, now()).await.len(), 1);
    // And back: what was told is told.
    assert_eq!(store.rescope(&named(None)).await.unwrap(), ["a", "b"]);
    while store.plan_anew(now()).await.unwrap() > 0 {}
    assert_eq!(deliver(&store, now()).await, []);
}

async fn a_paused_route_is_probed_once_after_each_start(place: Place) {
    let store = place.open().await;
    for (n, who) in ["ann@example.com", "bob@example.com"].into_iter().enumerate() {
        let id = store.record(event(who)).await.unwrap().id;
        post(&store, id, payment(&format!("in_{n}"), Some(who), "2026-01-10")).await;
    }
    let leased = store.lease(now(), LEASE, 1).await.unwrap();
    let paused = || Settlement::PauseRoute("401".into());
    store.settle(&leased[0], attempt(), paused(), now()).await.unwrap();
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty(), "it is paused");
    store.probe_routes(now()).await.unwrap();
    let probe = store.lease(now(), LEASE, 10).await.unwrap();
    assert_eq!(probe.len(), 1);
    store.settle(&probe[0], attempt(), paused(), now()).await.unwrap();
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty(), "one for each start");
}

async fn an_event_that_points_at_another_ends_when_that_is_recorded(place: Place) {
    let store = place.open().await;
    let thin = |key: &str, of: &str, endpoint: &str| {
        let mut thin = NewEvent { endpoint: endpoint.into(), ..event(key) };
        thin.identity.snapshot_event = Some(of.into());
        thin
    };
    let read = async |id| {
        let mapped = Mapped {
            id,
            endpoint: "stripe".into(),
            business: "biz_1".into(),
            realm: "stripe".into(),
            received_at: now(),
            reading: Reading::Unmappable(EventReason::ThinEvent, "it points".into()),
            reader: 2,
            snapshot_event: None,
        };
        store.post(vec![mapped], now()).await.unwrap();
    };
    let lacks = (EventState::Unmappable, Some(EventReason::ThinEvent));
    let told = (EventState::Ignored, Some(EventReason::AlreadyReported));
    let first = store.record(thin("thin_1", "whole", "stripe")).await.unwrap().id;
    let elsewhere = store.record(thin("thin_2", "whole", "other")).await.unwrap().id;
    read(first).await;
    read(elsewhere).await;
    assert_eq!(state_of(&store, first).await, lacks);
    let whole = store.record(event("whole")).await.unwrap().id;
    let last = store.record(thin("thin_3", "whole", "stripe")).await.unwrap().id;
    read(last).await;
    assert_eq!(state_of(&store, last).await, told, "it is recorded, if not read");
    post(&store, whole, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    assert_eq!(state_of(&store, first).await, told);
    assert_eq!(state_of(&store, elsewhere).await, lacks, "another endpoint's");
    assert_eq!(store.next_lookup(vec!["stripe".into()]).await.unwrap(), None, "nothing is asked for");
}

async fn what_todays_reading_would_change_is_shown_and_not_written(place: Place) {
    let store = place.open().await;
    let mapped = |id, reading, reader| Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        received_at: now(),
        reading,
        reader,
        snapshot_event: None,
    };
    let sold = |n: i64| Reading::Fact(Box::new(payment(&format!("in_{n}"), Some("jane@example.com"), "2026-01-10")));
    let (a, b) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    store
        .post(vec![mapped(a, Reading::Ignored(EventReason::UnknownType), 1), mapped(b, sold(2), 1)], now())
        .await
        .unwrap();
    assert_eq!(deliver(&store, now()).await.len(), 1);
    let old = store.read_before(2, EventId(0)).await.unwrap();
    assert_eq!(old.iter().map(|e| e.id).collect::<Vec<_>>(), [a, b]);
    let before = deliveries(&store).await;
    let preview = store.preview(vec![mapped(a, sold(1), 2), mapped(b, sold(2), 2)], now()).await.unwrap();
    let unread = (EventState::Ignored, Some(EventReason::UnknownType));
    let then = (EventState::Mapped, None);
    assert_eq!(preview.events, [Changed { id: a, now: unread, then }], "the other is read as it was");
    assert_eq!(preview.calls.len(), 1);
    let call = &preview.calls[0].delivery;
    assert_eq!((call.id, call.state, call.reason), (None, DeliveryState::Held, Some(DeliveryReason::SameDayPayment)));
    assert_eq!((state_of(&store, a).await, deliveries(&store).await), (unread, before), "nothing was written");
    assert_eq!(store.read_before(2, EventId(0)).await.unwrap().len(), 2);
    store.remap(a, By::admin(), now()).await.unwrap();
    store.post(vec![mapped(a, sold(1), 2)], now()).await.unwrap();
    let old = store.read_before(2, EventId(0)).await.unwrap();
    assert_eq!(old.iter().map(|e| e.id).collect::<Vec<_>>(), [b]);
}
