//! Whatever is done, in whatever order: all is read and told in the end, what is counted is what there is, what is remembered of a
//! customer is what is stored, and nothing is left to be planned.

use std::cell::RefCell;

use futures_util::future::join_all;

use super::together::Chance;
use super::*;
use crate::domain::fact::{Link, Reversal, ReversalName, ReversalStage};
use crate::domain::money::Money;

const STEPS: u64 = 100;
const SALES: u64 = 25;
const CUSTOMERS: u64 = 5;
const AGENTS: [&str; 3] = ["agent_1", "an agent of 4 words", "ada@example.com"];

/// What has been done so far.
struct World {
    seed: u64,
    state: RefCell<State>,
}

struct State {
    at: Timestamp,
    recorded: Vec<EventId>,
}

fn status(chance: &mut Chance, id: String) -> FactKind {
    FactKind::Subscription(Subscription {
        id,
        status: Some([Status::Active, Status::Cancelled][chance.below(2) as usize]),
        as_given: "x".into(),
        day: "2026-01-10".parse().unwrap(),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: None,
    })
}

fn refund(identity: String) -> FactKind {
    FactKind::Reversal(Reversal {
        identity,
        name: ReversalName::Sole,
        number: None,
        money: Money::new(30.into(), "usd".parse().unwrap()),
        cumulative: false,
        full: true,
        dispute: false,
        stage: ReversalStage::Final,
        of_charge: None,
        charge: None,
    })
}

/// What an event reports, each time that it is read: something of a sale, whose customer has two addresses. Not every event names
/// all ids, nor an address.
fn report(seed: u64, id: EventId) -> Reading {
    let mut chance = Chance(seed ^ id.0.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15));
    chance.below(2);
    let sale = chance.below(SALES);
    let (own, customer) = (format!("in_{sale}"), sale % CUSTOMERS);
    let address = format!("{}{customer}@example.com", if chance.below(5) == 0 { "other" } else { "c" });
    let email = (chance.below(3) > 0).then_some(address.as_str());
    let mut fact = match chance.below(12) {
        0 | 1 => fact(email, FactKind::Customer(Customer::default())),
        2 => fact(None, FactKind::Link(Link::default())),
        3 => fact(email, status(&mut chance, format!("sub_{customer}"))),
        4 => fact(None, refund(format!("re_{sale}"))),
        5 => return Reading::Ignored(EventReason::UnknownType),
        6 => return Reading::Unmappable(EventReason::Unreadable, "no".into()),
        _ => {
            let mut fact = payment(&own, email, "2026-01-10");
            let FactKind::Payment(payment) = &mut fact.matter else { unreachable!() };
            payment.charged = ["29.99", "1250", "0.01"][chance.below(3) as usize].parse().unwrap();
            (payment.amount, payment.primary) = (Some(payment.charged), chance.below(2) == 0);
            let at = after(now(), Duration::from_secs(chance.below(900_000)));
            payment.day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            Fact { at, ..fact }
        }
    };
    fact.code = (chance.below(3) == 0).then(|| "ADA10".to_owned());
    fact.customer = (chance.below(3) > 0).then(|| format!("cus_{customer}"));
    fact.keys = vec![own, format!("pi_{sale}")];
    fact.keys.extend((chance.below(3) == 0).then(|| format!("sub_{customer}")));
    Reading::Fact(Box::new(fact))
}

fn ending(chance: &mut Chance) -> Settlement {
    let agent = AGENTS[chance.below(3) as usize];
    match chance.below(9) {
        0 => Settlement::Duplicate,
        1 => Settlement::Rejected(DeliveryReason::RefusedByRefairn, "no".into()),
        2 => Settlement::Retry { wait: LEASE, outcome_unknown: true, detail: "cut off".into() },
        3 => Settlement::PauseRoute("no key".into()),
        4 => Settlement::Delivered(Receipt::default()),
        _ => Settlement::Delivered(Receipt { agent_id: Some(agent.into()), ..Receipt::default() }),
    }
}

impl World {
    fn now(&self) -> Timestamp {
        let mut state = self.state.borrow_mut();
        state.at = after(state.at, Duration::from_secs(20));
        state.at
    }

    fn one_of(&self, chance: &mut Chance) -> Option<EventId> {
        let state = self.state.borrow();
        let n = chance.below(state.recorded.len().max(1) as u64);
        state.recorded.get(usize::try_from(n).unwrap()).copied()
    }

    fn mapped(&self, id: EventId) -> Mapped {
        let any = payment("in", None, "2026-01-10");
        Mapped { reading: report(self.seed, id), ..followers::mapped(id, any) }
    }

    async fn record(&self, store: &Store, chance: &mut Chance) {
        let (received_at, n) = (self.now(), 1 + chance.below(6));
        let new = (0..n).map(|_| NewEvent { received_at, ..event(&format!("evt_{}", chance.below(400))) });
        for recorded in join_all(new.map(|new| store.record(new))).await {
            self.state.borrow_mut().recorded.push(recorded.unwrap().id);
        }
    }

    /// Reads what is there to be read, as the mapper does; or ends before that is written.
    async fn read(&self, store: &Store, chance: &mut Chance) {
        let inbox = store.inbox([3, 64, 64][chance.below(3) as usize]).await.unwrap();
        if chance.below(8) == 0 {
            return;
        }
        let mapped: Vec<Mapped> = inbox.into_iter().map(|event| self.mapped(event.id)).collect();
        match store.post(mapped.clone(), self.now()).await {
            Err(StoreError::Data(_)) => {
                for event in mapped {
                    store.post(vec![event], self.now()).await.unwrap();
                }
            }
            outcome => outcome.unwrap(),
        }
    }

    async fn deliver(&self, store: &Store, chance: &mut Chance, lost: &mut Vec<crate::store::Leased>) {
        let at = after(self.now(), Duration::from_secs(chance.below(3) * 86_400));
        let mut leased = store.lease(at, LEASE, 4).await.unwrap();
        match chance.below(6) {
            0 => lost.append(&mut leased),
            1 => store.give_back(&leased, self.now()).await.unwrap(),
            _ => {
                let ends: Vec<_> = leased.iter().map(|leased| (leased, ending(chance))).collect();
                let settled = ends.into_iter().map(|(leased, end)| store.settle(leased, attempt(), end, at));
                assert!(join_all(settled).await.into_iter().all(|held| held.is_ok()));
            }
        }
        if chance.below(3) == 0 {
            // Others may have gone on, and these answer late.
            for leased in lost.drain(..) {
                store.settle(&leased, attempt(), ending(chance), at).await.unwrap();
            }
        }
    }

    async fn decide(&self, store: &Store, chance: &mut Chance) {
        let at = self.now();
        match chance.below(7) {
            0 | 1 => {
                let call = DeliveryId(1 + chance.below(60).cast_signed());
                let action = [Action::Discard, Action::Retry, Action::Release][chance.below(3) as usize];
                let acted = store.act(call, action, By::admin(), at).await;
                assert!(!matches!(acted, Err(ActionError::Store(_))), "{acted:?}");
            }
            2 | 3 => {
                let Some(event) = self.one_of(chance) else { return };
                let put_back = store.remap(event, By::admin(), at).await;
                assert!(!matches!(put_back, Err(ActionError::Store(_))), "{put_back:?}");
            }
            4 => {
                let who = Email::parse(&format!("c{}@example.com", chance.below(CUSTOMERS))).unwrap();
                let forgotten = store.forget(&who, chance.below(2) == 0, By::admin(), at).await;
                assert!(!matches!(forgotten, Err(ForgetError::Store(_))), "{forgotten:?}");
            }
            5 => {
                store.see_to_the_overdue(after(at, LEASE * 5000)).await.unwrap();
                store.end_waits_ahead(&Clock::manual(at), LEASE).await.unwrap();
            }
            _ => plan_anew(store, at).await,
        }
    }

    /// Does anything, so many times.
    async fn work(&self, store: &Store, number: u64) {
        let (mut chance, mut lost) = (Chance(self.seed.wrapping_mul(31) + number), Vec::new());
        for _ in 0..STEPS {
            match chance.below(10) {
                0 | 1 => self.record(store, &mut chance).await,
                2..=4 => self.read(store, &mut chance).await,
                5..=7 => self.deliver(store, &mut chance, &mut lost).await,
                _ => self.decide(store, &mut chance).await,
            }
        }
    }
}

struct Run(&'static str);

impl Work for Run {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.run_all(self.0).await
    }
}

/// Plans everybody anew.
async fn plan_anew(store: &Store, at: Timestamp) {
    let all = "INSERT INTO replans SELECT business, email_key FROM customers WHERE TRUE ON CONFLICT DO NOTHING";
    store.write(Run(all)).await.unwrap();
    while store.plan_anew(at).await.unwrap() > 0 {}
}

async fn number(store: &Store, of: &str) -> i64 {
    store.query(format!("SELECT COUNT(*) FROM {of}"), values![]).await.unwrap().remove(0).int().unwrap()
}

/// What events and calls have come to.
async fn outcomes(store: &Store) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for sql in [
        "SELECT id, state, reason, detail, attention FROM events ORDER BY id",
        "SELECT id, subject_key, email_key, event_id, call, state, reason, attention FROM deliveries ORDER BY id",
        "SELECT email_key, delivery_id FROM queue ORDER BY email_key",
    ] {
        let rows = store.query(sql.to_owned(), values![]).await.unwrap();
        all.extend(rows.into_iter().map(Row::values));
    }
    all
}

/// Reads and tells all that is left.
async fn finish(world: &World, store: &Store, at: Timestamp) {
    let mut chance = Chance(world.seed);
    for _ in 0..100 {
        world.read(store, &mut chance).await;
    }
    assert_eq!(number(store, "events WHERE state = 'received'").await, 0);
    store.probe_routes(at).await.unwrap();
    for hour in 0..300_u32 {
        let at = after(at, Duration::from_secs(3600) * hour);
        for leased in store.lease(at, LEASE, 10).await.unwrap() {
            let told = Settlement::Delivered(Receipt::default());
            assert!(store.settle(&leased, attempt(), told, at).await.unwrap());
        }
    }
    while store.see_to_the_overdue(at).await.unwrap() > 0 {}
}

/// Worlds in which the rows of one customer go over to another while both are remembered.
const SEEDS: [u64; 4] = [10, 144, 228, 282];

#[tokio::test]
async fn whatever_is_done_comes_to_what_there_is() {
    for seed in SEEDS {
        let place = Place::file();
        let world = World { seed, state: RefCell::new(State { at: now(), recorded: Vec::new() }) };
        let store = place.open().await;
        for number in 0..3 {
            world.work(&store, number).await;
        }
        let store = place.another(store).await;
        let at = after(now(), Duration::from_secs(86_400 * 90));
        finish(&world, &store, at).await;
        assert!(number(&store, "deliveries WHERE fate IS NOT NULL").await > 0, "payments were told");
        let end = outcomes(&store).await;
        let later = after(at, Duration::from_secs(86_400 * 30));
        plan_anew(&store, later).await;
        assert!(outcomes(&store).await == end, "all was planned");
        // What is counted is compared with what there is.
        store.close().await;
    }
}
