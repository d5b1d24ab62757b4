//! What payments add up to is the same as it was kept while they were written, and as it is read from each of them.

use rust_decimal::Decimal;

use super::*;
use crate::domain::delivery::{Fate, Standing};
use crate::store::days::Counts;
use crate::store::payments::PaymentFilter;
use crate::store::totals::Total;

in_both! {
    what_is_kept_is_what_the_payments_come_to
    what_is_too_much_to_be_added_up_is_read
    what_nobody_keeps_is_read
    what_is_read_to_be_added_up_has_an_end_and_says_so
    rare_payments_are_listed_as_they_are_found_among_all
}

const HOUR: Duration = Duration::from_secs(3600);
const BUSINESSES: [&str; 2] = ["biz_1", "a business of 4 words"];
const AGENTS: [&str; 3] = ["agent_0", "agent 1", "agent_2"];
const FATES: [Option<Fate>; 4] = [None, Some(Fate::Credited), Some(Fate::CreditedNobody), Some(Fate::CreditUnknown)];

/// The `n`th sale, of a customer of its own, at a time of its own.
fn sale(n: u32, amount: &str) -> Fact {
    let currency = ["usd", "jpy", "kwd"][n as usize % 3].parse().unwrap();
    let mut fact = payment(&format!("in_{n}"), Some(&format!("c{n}@example.com")), "2026-01-10");
    let FactKind::Payment(payment) = &mut fact.matter else { unreachable!() };
    let amount: Decimal = amount.parse().unwrap();
    (payment.amount, payment.charged, payment.currency) = (Some(amount), amount, currency);
    let mode = if n.is_multiple_of(5) { Mode::Test } else { Mode::Live };
    Fact { customer: None, at: after(now(), HOUR * 7 * n), mode, ..fact }
}

async fn sell(store: &Store, business: &str, key: &str, fact: Fact) -> EventId {
    let id = store.record(NewEvent { business: business.into(), ..event(key) }).await.unwrap().id;
    let mapped = Mapped { business: business.into(), ..followers::mapped(id, fact) };
    store.post(vec![mapped], now()).await.unwrap();
    id
}

fn in_order(mut totals: Vec<Total>) -> Vec<Total> {
    totals.sort_by_key(|total| (total.currency, total.fate.map(Fate::code)));
    totals
}

/// Compares what is kept with what is read.
pub(super) async fn check_one(store: &Store, filter: &PaymentFilter, when: &str) {
    let kept = store.kept_totals(filter, 1000).await.unwrap();
    let (read, is_complete) = store.read_totals(filter, 1000).await.unwrap();
    assert!(is_complete);
    let kept = kept.map(|(kept, is_complete)| (in_order(kept), is_complete));
    assert_eq!(kept, Some((in_order(read), true)), "{when}: {filter:?}");
}

/// Compares both ways for every filter that both know; gives what all payments come to.
async fn check(store: &Store, when: &str) -> Vec<Total> {
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let times = [
        (None, None),
        (at("2026-01-11T00:00:00Z"), at("2026-01-14T00:00:00Z")),
        (at("2026-01-10T18:15:00Z"), at("2026-01-13T18:15:00Z")),
        (at("2026-01-10T19:00:00Z"), at("2026-01-10T19:15:00Z")),
        (None, at("2026-01-11T02:00:00Z")),
        (at("2026-01-11T02:15:00Z"), None),
    ];
    let mut n = 0;
    for (from, to) in times {
        for mode in [None, Some(Mode::Live), Some(Mode::Test)] {
            for business in [None, Some(BUSINESSES[0]), Some(BUSINESSES[1])] {
                for fate in FATES {
                    let business = business.map(str::to_owned);
                    let fates = fate.into_iter().collect();
                    let filter = PaymentFilter { from, to, mode, business, fates, ..PaymentFilter::default() };
                    check_one(store, &filter, when).await;
                    let agent = Some(AGENTS[n % AGENTS.len()].to_owned());
                    check_one(store, &PaymentFilter { agent, ..filter }, when).await;
                    n += 1;
                }
            }
        }
    }
    let stats = store.stats().await.unwrap();
    let (all, _) = store.read_totals(&PaymentFilter::default(), 1000).await.unwrap();
    for (mode, fates) in [(Mode::Live, stats.fates), (Mode::Test, stats.test_fates)] {
        assert_eq!(fates.len(), Fate::ALL.len());
        for (fate, n) in fates {
            let alike = all.iter().filter(|total| total.mode == mode && total.fate == Some(fate));
            let n = u64::try_from(n).unwrap();
            assert_eq!(n, alike.map(|total| total.payments).sum::<u64>(), "{when}: {mode:?} {fate:?}");
        }
    }
    check_counts(store, when).await;
    store.totals(&PaymentFilter::default()).await.unwrap().0
}

/// Compares how many payments were counted in some times with those that there are.
async fn check_counts(store: &Store, when: &str) {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let times = [
        (at("2026-01-10T00:00:00Z"), at("2026-01-11T00:00:00Z")),
        (at("2026-01-11T00:00:00Z"), at("2026-01-14T00:00:00Z")),
        // A day that is in a month, too.
        (at("2026-01-12T00:00:00Z"), at("2026-01-13T00:00:00Z")),
        (at("2026-01-12T05:45:00Z"), at("2026-01-12T05:45:00Z")),
        (at("1969-12-01T00:00:00Z"), at("2300-01-01T00:00:00Z")),
    ];
    let all = store.deliveries(DeliveryFilter { limit: 500, ..DeliveryFilter::default() }).await.unwrap();
    for mode in [Mode::Live, Mode::Test] {
        let counted = store.payments_within(&times, mode).await.unwrap();
        for ((from, to), counted) in times.into_iter().zip(counted) {
            let calls = all.iter().map(|view| &view.delivery).filter(|d| d.mode == mode && from <= d.at && d.at < to);
            let mut expected = Counts::default();
            for call in calls {
                // What Refairn has counts by its fate, as in every list, whether or not it needs a person.
                match (call.fate(), call.standing()) {
                    (Some(Fate::Credited), _) => expected.credited += 1,
                    (Some(Fate::CreditedNobody | Fate::CreditUnknown), _) => expected.nobody += 1,
                    (None, Some(Standing::OnItsWay)) => expected.on_its_way += 1,
                    (None, Some(Standing::Undecided)) => expected.undecided += 1,
                    (None, None) => {}
                }
            }
            assert_eq!(counted, expected, "{when}: {mode:?} from {from} to {to}");
        }
    }
}

async fn what_is_kept_is_what_the_payments_come_to(place: Place) {
    let store = place.open().await;
    assert!(check(&store, "before all").await.is_empty());
    let amounts = ["29.99", "1250", "5.124", "0.01", "9999999999.9999"];
    let mut events = Vec::new();
    for n in 0..24 {
        let fact = sale(n, amounts[n as usize % amounts.len()]);
        events.push(sell(&store, BUSINESSES[n as usize / 2 % 2], &format!("e{n}"), fact).await);
    }
    let sold = check(&store, "sold").await;
    assert_eq!(sold.iter().map(|total| total.payments).sum::<u64>(), 24);
    let later = after(now(), HOUR * 24 * 30);
    let leased = store.lease(later, LEASE, 20).await.unwrap();
    assert_eq!(leased.len(), 20);
    check(&store, "on their way").await;
    if let Backend::Postgres(postgres) = &store.backend {
        postgres.roll_up().await.unwrap();
        check(&store, "rolled up").await;
    }
    for (n, leased) in leased.iter().enumerate() {
        let agent_id = (n % 2 == 0).then(|| AGENTS[n % AGENTS.len()].to_owned());
        let settlement = match n % 5 {
            0..=2 => Settlement::Delivered(Receipt { agent_id, ..Receipt::default() }),
            3 => Settlement::Duplicate,
            _ => Settlement::Rejected(DeliveryReason::RefusedByRefairn, "no".into()),
        };
        store.settle(leased, attempt(), settlement, later).await.unwrap();
    }
    let told = check(&store, "told").await;
    let fates: Vec<Option<Fate>> = FATES.into_iter().filter(|fate| told.iter().any(|t| t.fate == *fate)).collect();
    assert_eq!(fates, FATES, "every fate is there");
    let filter = DeliveryFilter { limit: 100, state: Some(DeliveryState::Rejected), ..DeliveryFilter::default() };
    for view in store.deliveries(filter).await.unwrap() {
        store.act(view.delivery.id.unwrap(), Action::Discard, By::admin(), later).await.unwrap();
    }
    for event in &events[..6] {
        store.remap(*event, By::admin(), later).await.unwrap();
    }
    // What is read anew tells another amount of what was not told yet.
    for (n, event) in events.iter().enumerate().take(6) {
        let mapped = followers::mapped(*event, sale(u32::try_from(n).unwrap(), "77.7"));
        let mapped = Mapped { business: BUSINESSES[n / 2 % 2].into(), ..mapped };
        store.post(vec![mapped], later).await.unwrap();
    }
    let end = check(&store, "decided and read anew").await;
    assert_eq!(end.iter().map(|total| total.payments).sum::<u64>(), 24);
    let store = place.another(store).await;
    assert_eq!(check(&store, "after a restart").await, end);
}

async fn what_is_too_much_to_be_added_up_is_read(place: Place) {
    let store = place.open().await;
    sell(&store, BUSINESSES[0], "e1", sale(1, "29.99")).await;
    let vast = sell(&store, BUSINESSES[0], "e2", sale(4, "10000000000")).await;
    let filter = PaymentFilter::default();
    assert_eq!(store.kept_totals(&filter, 1000).await.unwrap(), None);
    let (totals, is_complete) = store.totals(&filter).await.unwrap();
    let amount = "10000000029.99".parse().unwrap();
    assert!(is_complete && totals.len() == 1, "{totals:?}");
    assert_eq!((totals[0].payments, totals[0].amount), (2, Some(amount)));
    // Once it is no more, all is kept.
    store.remap(vast, By::admin(), now()).await.unwrap();
    let mapped = Mapped { business: BUSINESSES[0].into(), ..followers::mapped(vast, sale(4, "0.01")) };
    store.post(vec![mapped], now()).await.unwrap();
    let (kept, _) = store.kept_totals(&filter, 1000).await.unwrap().unwrap();
    assert_eq!((kept[0].payments, kept[0].amount), (2, Some("30".parse().unwrap())));
}

async fn what_nobody_keeps_is_read(place: Place) {
    let store = place.open().await;
    sell(&store, BUSINESSES[0], "e1", sale(1, "29.99")).await;
    let all = PaymentFilter::default();
    let of = |agent: &str| Some(agent.to_owned());
    let filters = [
        PaymentFilter { from: Some("2026-01-10T00:00:01Z".parse().unwrap()), ..all.clone() },
        PaymentFilter { agent: of("ada@example.com"), ..all.clone() },
        PaymentFilter { agent: of("agent_1"), from: Some("1969-01-10T00:00:00Z".parse().unwrap()), ..all.clone() },
        PaymentFilter { agent: of("agent_1"), code: Some("ADA10".into()), ..all.clone() },
        PaymentFilter { code: Some("ADA10".into()), ..all },
    ];
    for (filter, expected) in filters.iter().zip([1, 0, 0, 0, 0]) {
        assert_eq!(store.kept_totals(filter, 1000).await.unwrap(), None);
        assert_eq!(store.totals(filter).await.unwrap().0.len(), expected, "{filter:?}");
    }
}

async fn what_is_read_to_be_added_up_has_an_end_and_says_so(place: Place) {
    let store = place.open().await;
    for n in 0..6 {
        let fact = Fact { code: Some("ADA10".into()), ..sale(n, "1") };
        sell(&store, BUSINESSES[n as usize % 2], &format!("e{n}"), fact).await;
    }
    let later = after(now(), HOUR * 24 * 30);
    for _ in 0..2 {
        for leased in store.lease(later, LEASE, 20).await.unwrap() {
            let receipt = Receipt { agent_id: Some("agent_ada".into()), ..Receipt::default() };
            store.settle(&leased, attempt(), Settlement::Delivered(receipt), later).await.unwrap();
        }
    }
    // Two of the six are tests, the first and the last.
    let by_agent = PaymentFilter { agent: Some("agent_ada".into()), ..PaymentFilter::default() };
    let by_code = PaymentFilter { code: Some("ada10".into()), ..PaymentFilter::default() };
    for filter in [by_agent, by_code] {
        for (mode, business, most, expected) in [
            (None, None, 7, (6, true)),
            (None, None, 4, (4, false)),
            (Some(Mode::Test), None, 7, (2, true)),
            (Some(Mode::Test), None, 4, (1, false)),
            (None, Some(BUSINESSES[1]), 4, (2, false)),
        ] {
            let filter = PaymentFilter { mode, business: business.map(str::to_owned), ..filter.clone() };
            let (totals, is_complete) = store.read_totals(&filter, most).await.unwrap();
            let payments: u64 = totals.iter().map(|total| total.payments).sum();
            assert_eq!((payments, is_complete), expected, "{most} of {filter:?}");
        }
    }
}

async fn rare_payments_are_listed_as_they_are_found_among_all(place: Place) {
    let store = place.open().await;
    // More than a walk passes, of which one in a hundred is a test, and two are of another business.
    let mut n = 0;
    while n < 1200 {
        let batch: Vec<u32> = (n..n + 400).collect();
        n += 400;
        let news = batch.iter().map(|n| store.record(event(&format!("e{n}"))));
        let recorded = futures_util::future::join_all(news).await;
        let mapped = batch.iter().zip(recorded).map(|(n, recorded)| {
            let (mode, business) =
                (if n % 100 == 1 { Mode::Test } else { Mode::Live }, BUSINESSES[usize::from(n % 700 == 2)]);
            let fact = Fact { mode, at: after(now(), Duration::from_secs(400) * *n), ..sale(*n, "1") };
            Mapped { business: business.into(), ..followers::mapped(recorded.unwrap().id, fact) }
        });
        let mapped: Vec<Mapped> = mapped.collect();
        store.post(mapped, now()).await.unwrap();
    }
    let (mode, business) = (Some(Mode::Test), Some(BUSINESSES[1].to_owned()));
    let filters = [
        (PaymentFilter { mode, limit: 6, ..PaymentFilter::default() }, 12),
        (PaymentFilter { business, limit: 5, ..PaymentFilter::default() }, 2),
        (PaymentFilter { fates: vec![Fate::Credited], limit: 20, ..PaymentFilter::default() }, 0),
    ];
    for (filter, expected) in filters {
        assert!(store.times_of(&filter, filter.limit).await.unwrap().is_some(), "they are rare: {filter:?}");
        let mut listed = Vec::new();
        let mut filter = filter;
        loop {
            let page = store.payments(&filter).await.unwrap();
            listed.extend(page.iter().map(|view| (view.delivery.at, view.delivery.id)));
            filter.after = page.last().and_then(|view| Some(view.delivery.id?.0));
            if page.len() < filter.limit as usize {
                break;
            }
        }
        assert_eq!(listed.len(), expected, "{filter:?}");
        assert!(listed.is_sorted_by(|a, b| a > b), "the newest first, and none twice");
    }
    let all = PaymentFilter { mode: Some(Mode::Live), limit: 20, ..PaymentFilter::default() };
    assert_eq!(store.times_of(&all, 20).await.unwrap(), None, "they are found by a walk");
    assert_eq!(store.payments(&all).await.unwrap().len(), 20);
}
