//! What an agent's payments add up to is what is read from each of them, whatever happens to them.

use super::sums::check_one;
use super::together::Chance;
use super::*;
use crate::domain::endpoint::Endpoint;
use crate::store::payments::PaymentFilter;
use crate::store::totals::Total;

in_both! {
    whatever_happens_an_agents_sums_are_those_of_the_payments
    a_store_of_the_schema_before_knows_what_its_agents_payments_add_up_to
    a_receipt_that_comes_late_counts_once_and_for_the_agent_of_the_first
    what_is_vast_of_an_agent_is_read
    an_agent_whose_id_may_be_an_address_is_in_no_count
}

const BEFORE: [&str; 2] = [
    include_str!("../../../migrations/sqlite/0017_sums.sql"),
    include_str!("../../../migrations/postgres/0017_sums.sql"),
];
const FEWER_TRIGGERS: &str = include_str!("../../../migrations/postgres/0015_fewer_triggers.sql");
const AGENTS: [&str; 3] = ["agent_1", "an agent of  4 words", "agent_ü'\""];

/// A store to which anything happens.
struct Life {
    chance: Chance,
    endpoint: Endpoint,
    at: Timestamp,
    events: Vec<EventId>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let endpoint = earlier::endpoint("stripe", ProviderKind::Stripe, None);
        Self { chance: Chance(seed), endpoint, at: now(), events: Vec::new() }
    }

    /// A sale of one of a few customers, within a few days.
    fn sale(&mut self, n: u64) -> Fact {
        let amounts = ["29.99", "1250", "0.01", "5.1", "9999999999.9999"];
        let who = format!("c{}@example.com", self.chance.below(8));
        let mut fact = payment(&format!("in_{n}"), Some(&who), "2026-01-10");
        let FactKind::Payment(payment) = &mut fact.matter else { unreachable!() };
        payment.currency = ["usd", "jpy"][self.chance.below(2) as usize].parse().unwrap();
        payment.charged = amounts[self.chance.below(5) as usize].parse().unwrap();
        payment.amount = Some(payment.charged);
        let at = after(now(), Duration::from_secs(self.chance.below(500_000)));
        payment.day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mode = if self.chance.below(5) == 0 { Mode::Test } else { Mode::Live };
        Fact { customer: None, at, mode, ..fact }
    }

    fn mapped(&mut self, id: EventId) -> Mapped {
        let fact = self.sale(id.0.unsigned_abs());
        let reading = match self.chance.below(6) {
            0 => Reading::Ignored(EventReason::UnknownType),
            _ => Reading::Fact(Box::new(fact)),
        };
        Mapped { reading, realm: self.endpoint.realm(), ..followers::mapped(id, payment("in", None, "2026-01-10")) }
    }

    fn settlement(&mut self) -> Settlement {
        let agent = [AGENTS[0], AGENTS[1], AGENTS[2], "ada@example.com"][self.chance.below(4) as usize];
        match self.chance.below(8) {
            0 => Settlement::Duplicate,
            1 => Settlement::Rejected(DeliveryReason::RefusedByRefairn, "no".into()),
            2 => Settlement::Retry { wait: LEASE, outcome_unknown: true, detail: "cut off".into() },
            3 => Settlement::Delivered(Receipt::default()),
            _ => Settlement::Delivered(Receipt { agent_id: Some(agent.into()), ..Receipt::default() }),
        }
    }

    /// So much happens; gives the store.
    async fn go_on(&mut self, place: &Place, steps: u64) -> Store {
        let mut store = place.open().await;
        for n in 0..steps {
            let what;
            (store, what) = self.step(place, store).await;
            check(&store, &format!("step {n}: {what}")).await;
        }
        store
    }

    /// One more thing happens; gives the store and what it was.
    async fn step(&mut self, place: &Place, store: Store) -> (Store, &'static str) {
        self.at = after(self.at, LEASE * 20);
        let one_of = |chance: &mut Chance, events: &[EventId]| {
            let n = chance.below(events.len().max(1) as u64);
            events.get(n as usize).copied().unwrap_or(EventId(1))
        };
        match self.chance.below(12) {
            0..=3 => {
                let id = store.record(event(&format!("e{}", self.events.len()))).await.unwrap().id;
                self.events.push(id);
                let mapped = self.mapped(id);
                store.post(vec![mapped], self.at).await.unwrap();
                (store, "sold")
            }
            4..=5 => {
                let leased = store.lease(self.at, LEASE, 3).await.unwrap();
                let settled: Vec<_> = leased.iter().map(|leased| (leased, self.settlement())).collect();
                let settled = settled.into_iter().map(|(leased, end)| store.settle(leased, attempt(), end, self.at));
                // What fails beside them is undone, and they are run again.
                let (_, done) = tokio::join!(store.write(Failing), futures_util::future::join_all(settled));
                assert!(done.into_iter().all(|held| held.unwrap()));
                (store, "settled")
            }
            6 => {
                let lost = store.lease(self.at, LEASE, 2).await.unwrap();
                let store = place.another(store).await;
                let found = store.lease(self.at, LEASE, 2).await.unwrap();
                for leased in lost.iter().chain(&found) {
                    store.settle(leased, attempt(), self.settlement(), self.at).await.unwrap();
                }
                (store, "settled by two")
            }
            7 => {
                let call = DeliveryId(1 + self.chance.below(40).cast_signed());
                let action = [Action::Discard, Action::Retry, Action::Release][self.chance.below(3) as usize];
                // Not every call takes every action.
                let _ = store.act(call, action, By::admin(), self.at).await;
                (store, "decided")
            }
            8..=9 => {
                let id = one_of(&mut self.chance, &self.events);
                let mapped = self.mapped(id);
                store.preview(vec![mapped.clone()], self.at).await.unwrap();
                if self.chance.below(2) == 0 && store.remap(id, By::admin(), self.at).await.is_ok() {
                    store.post(vec![mapped], self.at).await.unwrap();
                }
                (store, "read anew")
            }
            10 => {
                let who = Email::parse(&format!("c{}@example.com", self.chance.below(8))).unwrap();
                let _ = store.forget(&who, true, By::admin(), self.at).await;
                (store, "forgotten")
            }
            _ => {
                let account = (self.chance.below(2) == 0).then_some("acct_1");
                self.endpoint = earlier::endpoint("stripe", ProviderKind::Stripe, account);
                store.rescope(std::slice::from_ref(&self.endpoint)).await.unwrap();
                while store.plan_anew(self.at).await.unwrap() > 0 {}
                if let Backend::Postgres(postgres) = &store.backend {
                    postgres.roll_up().await.unwrap();
                }
                (store, "moved")
            }
        }
    }
}

/// Compares the agents' sums of some times; gives what each agent's payments come to.
async fn check(store: &Store, when: &str) -> Vec<Vec<Total>> {
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let times = [
        (None, None),
        (at("2026-01-11T00:00:00Z"), at("2026-01-14T00:00:00Z")),
        (at("2026-01-10T17:15:00Z"), at("2026-01-13T18:20:30Z")),
        (at("2026-01-12T03:00:00Z"), at("2026-01-12T21:00:00Z")),
        (at("2026-01-12T03:00:00Z"), at("2026-01-13T21:00:00Z")),
        (at("2026-01-13T00:00:00.000001Z"), None),
        (None, at("2026-01-13T23:59:59.999999Z")),
    ];
    let mut all = Vec::new();
    for agent in AGENTS {
        let filter = PaymentFilter { agent: Some(agent.to_owned()), ..PaymentFilter::default() };
        for (from, to) in times {
            check_one(store, &PaymentFilter { from, to, ..filter.clone() }, when).await;
        }
        all.push(store.totals(&filter).await.unwrap().0);
    }
    check_one(store, &PaymentFilter::default(), when).await;
    all
}

async fn whatever_happens_an_agents_sums_are_those_of_the_payments(place: Place) {
    let store = Life::new(7).go_on(&place, 120).await;
    let end = check(&store, "at the end").await;
    assert!(end.iter().all(|totals| !totals.is_empty()), "every agent has payments: {end:?}");
    store.close().await;
    let other = match &place {
        Place::File(_) => Place::server(),
        Place::Server(_) => Place::file(),
    };
    copying::copied(&place, &other).await.unwrap();
    let copy = other.open().await;
    assert_eq!(check(&copy, "in a copy").await, end);
    copy.close().await;
}

/// What is counted, and of how many agents.
async fn counted(store: &Store) -> (Vec<Vec<Value>>, i64) {
    let sql = "SELECT what, state, n FROM counts WHERE n <> 0 ORDER BY what, state";
    let rows = store.query(sql.to_owned(), values![]).await.unwrap().into_iter().map(Row::values).collect();
    let sql = "SELECT COUNT(DISTINCT what) FROM counts WHERE what LIKE 'sold by %'";
    (rows, store.query(sql.to_owned(), values![]).await.unwrap().remove(0).int().unwrap())
}

async fn a_store_of_the_schema_before_knows_what_its_agents_payments_add_up_to(place: Place) {
    let store = Life::new(11).go_on(&place, 80).await;
    let (expected, agents) = counted(&store).await;
    assert_eq!(agents, 3);
    store.close().await;
    match &place {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            db.execute_batch("DELETE FROM counts WHERE what LIKE 'paid % undecided' OR what > 'paid ~'").unwrap();
            db.execute_batch(BEFORE[0]).unwrap();
            db.execute_batch("DROP INDEX deliveries_by_hold").unwrap();
            db.execute_batch("DROP VIEW sold_by_agents; DROP VIEW sold; PRAGMA user_version = 17").unwrap();
        }
        Place::Server(database) => {
            let counts = "what LIKE 'paid % undecided' OR what > 'paid ~'";
            database.run(&format!("DELETE FROM count_sums WHERE {counts}; DELETE FROM count_changes WHERE {counts}"));
            database.run("DROP VIEW counted; DROP VIEW sold; DROP TRIGGER events_recounted ON events; DROP FUNCTION count_event()");
            database.run(
                "DROP TABLE claims; ALTER TABLE events ADD claimed_by BIGINT, ADD claimed_until BIGINT; \
                 CREATE FUNCTION unclaim_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; \
                 CREATE TRIGGER events_unclaimed BEFORE UPDATE OF state ON events \
                 FOR EACH ROW EXECUTE FUNCTION unclaim_event()",
            );
            let (triggers, _) = FEWER_TRIGGERS.split_once("DROP INDEX").unwrap();
            let (_, triggers) = triggers.split_once("CREATE FUNCTION").unwrap();
            database.run(&format!("CREATE FUNCTION{triggers}"));
            database.run(BEFORE[1]);
            database.run("DROP INDEX deliveries_by_hold");
            database.run("UPDATE schema_version SET version = 17");
        }
    }
    let store = place.open().await;
    assert!(counted(&store).await == (expected, 3));
    check(&store, "of the schema before").await;
    Life::new(12).step(&place, store).await.0.close().await;
}

/// A customer's sale of an amount, leased by a process that is gone and by the one that has the store now.
async fn leased_twice(place: &Place, amount: &str) -> (Store, [crate::store::Leased; 2]) {
    let store = place.open().await;
    let id = store.record(event("e")).await.unwrap().id;
    let mut fact = payment("in_1", Some("jane@example.com"), "2026-01-10");
    let FactKind::Payment(payment) = &mut fact.matter else { unreachable!() };
    (payment.charged, payment.amount) = (amount.parse().unwrap(), Some(amount.parse().unwrap()));
    post(&store, id, fact).await;
    let first = store.lease(now(), LEASE, 1).await.unwrap().pop().unwrap();
    let store = place.another(store).await;
    let second = store.lease(now(), LEASE, 1).await.unwrap().pop().unwrap();
    (store, [first, second])
}

fn delivered(agent: &str) -> Settlement {
    Settlement::Delivered(Receipt { agent_id: Some(agent.into()), ..Receipt::default() })
}

async fn payments_of(store: &Store, agent: &str) -> Vec<(Option<crate::domain::delivery::Fate>, u64)> {
    let filter = PaymentFilter { agent: Some(agent.into()), ..PaymentFilter::default() };
    check_one(store, &filter, agent).await;
    store.totals(&filter).await.unwrap().0.iter().map(|total| (total.fate, total.payments)).collect()
}

async fn a_receipt_that_comes_late_counts_once_and_for_the_agent_of_the_first(place: Place) {
    let (store, [first, second]) = leased_twice(&place, "30").await;
    assert!(!store.settle(&first, attempt(), delivered(AGENTS[0]), now()).await.unwrap(), "its lease was lost");
    assert_eq!(payments_of(&store, AGENTS[0]).await, [(None, 1)], "the other has not answered yet");
    assert!(store.settle(&second, attempt(), delivered(AGENTS[1]), now()).await.unwrap());
    assert_eq!(payments_of(&store, AGENTS[0]).await, [(Some(crate::domain::delivery::Fate::Credited), 1)]);
    assert_eq!(payments_of(&store, AGENTS[1]).await, []);
}

async fn what_is_vast_of_an_agent_is_read(place: Place) {
    let (store, [_, leased]) = leased_twice(&place, "10000000000.01").await;
    assert!(store.settle(&leased, attempt(), delivered(AGENTS[0]), now()).await.unwrap());
    let filter = PaymentFilter { agent: Some(AGENTS[0].into()), ..PaymentFilter::default() };
    assert_eq!(store.kept_totals(&filter, 1000).await.unwrap(), None);
    let (totals, is_complete) = store.totals(&filter).await.unwrap();
    assert_eq!((totals[0].amount, is_complete), (Some("10000000000.01".parse().unwrap()), true));
}

async fn an_agent_whose_id_may_be_an_address_is_in_no_count(place: Place) {
    let (store, [_, leased]) = leased_twice(&place, "30").await;
    assert!(store.settle(&leased, attempt(), delivered("jane@example.com"), now()).await.unwrap());
    let sql = "SELECT what FROM counts WHERE what LIKE '%@%' OR state LIKE '%@%'";
    assert!(store.query(sql.to_owned(), values![]).await.unwrap().is_empty());
    let filter = PaymentFilter { agent: Some("jane@example.com".into()), ..PaymentFilter::default() };
    assert_eq!(store.totals(&filter).await.unwrap().0.len(), 1, "it is read");
}
