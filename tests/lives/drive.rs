//! Runs many lives through one bridge: everything received before anything is sent, or as it goes, with restarts, long
//! sleeps and bad weather. Customers do not touch each other, so that they can share a world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use refairn_bridge::domain::delivery::Delivery;
use refairn_bridge::domain::endpoint::{self as configured, Unmapped};
use refairn_bridge::domain::event::EventId;
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::sandbox::{Commission, Payment};
use refairn_bridge::store::Leased;
use refairn_bridge::store::queries::EventView;

use crate::chance::{Chance, digest};
use crate::events::{self, Event, price_id};
use crate::kept::Kept;
use crate::kit::pipeline::{MadeCall, Pipeline, Weather};
use crate::kit::rules::{default_rules, endpoint};
use crate::life::{BEGIN, DAY, Endpoint, HOUR, LIFE_MAX, Life, Price};
use crate::ticks::{Tick, outage, ticks};
use crate::truth::Arrivals;

/// Lives that share a world.
pub(crate) const WORLD: u64 = 256;
/// Events that are read together at most.
const CHUNK: usize = 256;
/// When everything has happened.
pub(crate) const END: i64 = BEGIN + LIFE_MAX + 10 * DAY;
/// Days after that in which everything comes to rest.
const REST: u64 = 14;

/// How the events of a life come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In their order, each once, all before anything is sent.
    InOrder,
    /// In any order and more than once, all before anything is sent.
    Shuffled,
    /// Any time after they happened, while calls are made.
    AsItGoes,
}

/// What was seen of one life.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) arrivals: Arrivals,
    /// When the bridge's clock was set.
    pub(crate) jumps: Vec<Timestamp>,
    pub(crate) calls: Vec<MadeCall>,
    pub(crate) deliveries: Vec<Delivery>,
    /// What Refairn holds.
    pub(crate) held: Vec<(Payment, Option<Commission>)>,
    pub(crate) outcomes: Vec<((u64, u64), EventView)>,
    pub(crate) wrong: Vec<String>,
}

impl Seen {
    /// What of it is about one address.
    pub(crate) fn of(&self, email: &str) -> Self {
        Self {
            arrivals: self.arrivals.clone(),
            jumps: self.jumps.clone(),
            calls: self.calls.iter().filter(|c| c.key.email_key == email).cloned().collect(),
            deliveries: self.deliveries.iter().filter(|d| d.call.email().key() == email).cloned().collect(),
            held: self.held.iter().filter(|(p, _)| p.customer_email.to_lowercase() == email).cloned().collect(),
            ..Self::default()
        }
    }
}

/// Lives with their events, and the number of the world they share.
pub(crate) struct Batch {
    pub(crate) world: u64,
    pub(crate) kept: Kept,
    pub(crate) lives: Vec<(Life, Vec<Event>)>,
}

impl Batch {
    pub(crate) fn new(lives: Vec<Life>, kept: Kept) -> Self {
        let world = lives.first().map_or(0, |life| life.number / WORLD);
        let lives = lives.into_iter().map(|life| (events::of(&life), life)).map(|(e, l)| (l, e)).collect();
        Self { world, kept, lives }
    }

    pub(crate) fn policy(&self) -> Policy {
        let zone = ["UTC", "UTC", "Africa/Lagos", "America/New_York"][usize::try_from(self.world % 4).expect("small")];
        Policy { time_zone: TimeZone::get(zone).expect("a zone"), ..Policy::default() }
    }

    /// Runs them all, in a world of its own.
    pub(crate) async fn run(&self, way: Way) -> Vec<Seen> {
        let begin = if way == Way::AsItGoes { BEGIN } else { END };
        let world = self.open(second(begin)).await;
        let mut run = Run { batch: self, world, ids: BTreeMap::new(), new: BTreeSet::new(), seen: Vec::new() };
        run.seen.resize_with(self.lives.len(), Seen::default);
        match way {
            Way::InOrder => run.receive(self.in_order()).await,
            Way::Shuffled => run.receive(self.shuffled()).await,
            Way::AsItGoes => run.as_it_goes().await,
        }
        run.world.run_days(REST).await;
        run.gather().await
    }

    async fn open(&self, at: Timestamp) -> Pipeline {
        self.open_with(at, |_| {}).await
    }

    /// A world of its own, whose endpoints have more to them.
    pub(crate) async fn open_with(&self, at: Timestamp, more: impl Fn(&mut configured::Endpoint)) -> Pipeline {
        let policy = self.policy();
        let endpoints = (0..).zip(Endpoint::ALL).map(|(rank, known)| {
            let mut rules = default_rules();
            rules.rank = rank;
            rules.product_id = Some(known.product(Price::Basic).to_owned());
            let stripe = known.provider() == ProviderKind::Stripe;
            let mapped = |price| (price_id(price, stripe).to_owned(), known.product(price).to_owned());
            rules.products = [mapped(Price::Plus)].into();
            if known == Endpoint::Program {
                rules.products.extend([mapped(Price::Basic)]);
                rules.unmapped = Unmapped::Ignore;
            }
            rules.minimum_amount = [("NGN".parse().expect("a currency"), 100.into())].into();
            rules.time_zone = policy.time_zone.clone();
            let mut made = configured::Endpoint { name: known.name().into(), ..endpoint(known.provider(), rules) };
            more(&mut made);
            made
        });
        let place = self.kept.place(&policy).await;
        Pipeline::new(place, endpoints.collect(), policy, at)
    }

    fn all(&self) -> impl Iterator<Item = Arrival> {
        let each = |(life, (_, events)): (usize, &(Life, Vec<Event>))| {
            (0..events.len()).map(move |event| Arrival { life, event, again: 0 })
        };
        self.lives.iter().enumerate().flat_map(each).collect::<Vec<_>>().into_iter()
    }

    /// Every address, and whose it is.
    fn addresses(&self) -> impl Iterator<Item = (usize, String)> {
        let each = |(n, (life, _)): (usize, &(Life, _))| {
            (0..life.addresses()).map(|address| (n, life.address(address))).collect::<Vec<_>>()
        };
        self.lives.iter().enumerate().flat_map(each)
    }

    fn event(&self, arrival: Arrival) -> &Event {
        &self.lives[arrival.life].1[arrival.event]
    }

    fn in_order(&self) -> Vec<Arrival> {
        let mut all: Vec<Arrival> = self.all().collect();
        all.sort_by_key(|a| (self.event(*a).at, a.life, a.event));
        all
    }

    fn shuffled(&self) -> Vec<Arrival> {
        let again = |a: Arrival| {
            (0..[1, 1, 1, 2, 3][self.roll(a, 1).below(5) as usize]).map(move |again| Arrival { again, ..a })
        };
        let mut all: Vec<Arrival> = self.all().flat_map(again).collect();
        all.sort_by_key(|a| self.roll(*a, 2).number());
        all
    }

    /// Whether a life's events meet nobody for a while.
    pub(crate) fn lives_through_outage(&self, number: u64) -> bool {
        Chance::of(&[number, 10]).percent(30)
    }

    /// When an event comes that met nobody at first: each is sent again at times of its own, further and further apart.
    pub(crate) fn outage(&self, arrival: Arrival) -> Option<i64> {
        let (begin, end) = outage(self.world);
        let at = self.event(arrival).at;
        if !self.lives_through_outage(self.lives[arrival.life].0.number) || !(begin..end).contains(&at) {
            return None;
        }
        let mut chance = self.roll(arrival, 11);
        let (mut tries, mut wait) = (at, 60);
        while tries < end {
            tries += wait + chance.between(0, wait);
            wait = (wait * 3).min(8 * HOUR);
        }
        Some(tries)
    }

    /// What chance has in store for an arrival: it follows from the life, and not from who else is there.
    fn roll(&self, arrival: Arrival, purpose: u64) -> Chance {
        let event = self.event(arrival);
        Chance::of(&[self.lives[arrival.life].0.number, event.act, event.part, arrival.again, purpose])
    }
}

/// One coming of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) life: usize,
    pub(crate) event: usize,
    /// From 0: a repetition.
    pub(crate) again: u64,
}

struct Run<'a> {
    batch: &'a Batch,
    world: Pipeline,
    ids: BTreeMap<EventId, (usize, usize)>,
    /// Events that were not told before.
    new: BTreeSet<(usize, usize)>,
    seen: Vec<Seen>,
}

impl Run<'_> {
    async fn receive(&mut self, arrivals: Vec<Arrival>) {
        for chunk in arrivals.chunks(CHUNK) {
            let batch = self.batch;
            let bodies: Vec<(&str, String)> = chunk.iter().map(|a| sent(batch, *a)).collect();
            let recorded = self.world.record_all(bodies.iter().map(|(name, b)| (*name, b.as_bytes()))).await;
            for (arrival, recorded) in chunk.iter().zip(recorded) {
                let (event, seen) = (batch.event(*arrival), &mut self.seen[arrival.life]);
                let key = (event.act, event.part);
                seen.arrivals.entry(key).or_insert(self.world.moment());
                let known = *self.ids.entry(recorded.id).or_insert((arrival.life, arrival.event));
                // Of those that come together any may be the first.
                let again = !recorded.duplicate && !self.new.insert(known);
                if again || known != (arrival.life, arrival.event) {
                    seen.wrong.push(format!("{} #{} was taken for another event", event.kind, event.act));
                }
            }
            self.world.map_all().await;
        }
    }

    async fn as_it_goes(&mut self) {
        let ticks = ticks(self.batch.world);
        let mut schedule: Vec<Vec<Arrival>> = Vec::new();
        schedule.resize_with(ticks.len(), Vec::new);
        for arrival in self.batch.all() {
            self.plan(arrival, &ticks, &mut schedule);
        }
        let numbers: BTreeMap<String, u64> =
            self.batch.addresses().map(|(life, email)| (email, self.batch.lives[life].0.number)).collect();
        for (tick, mut arrivals) in ticks.iter().zip(schedule) {
            let locked_out = tick.locked_out;
            let mut weather =
                |lease: &Leased, now: Timestamp| weather(numbers[lease.key.email_key.as_str()], lease, now, locked_out);
            if !tick.asleep {
                let before = second(tick.at) - Duration::from_millis(1);
                self.world.run_until_in(self.world.by_clock(before), &mut weather).await;
            }
            self.set_clock(second(tick.at), tick.ahead);
            if tick.restart {
                self.world.restart().await;
            }
            arrivals.sort_by_key(|a| self.batch.roll(*a, 3).number());
            self.receive(arrivals).await;
            if !tick.asleep {
                self.world.deliver_due_in(&mut weather).await;
            }
            if tick.at % 3 == 0 {
                self.world.settle_late().await;
            }
        }
        self.world.settle_late().await;
        self.set_clock(self.world.moment().at, SignedDuration::ZERO);
    }

    /// It is that time, and the bridge's clock is so far ahead of it from here on.
    fn set_clock(&mut self, at: Timestamp, ahead: SignedDuration) {
        if self.world.moment().ahead() != ahead {
            self.seen.iter_mut().for_each(|seen| seen.jumps.push(at));
        }
        self.world.tell_time(at, ahead);
    }

    /// When an event comes, and when it comes again.
    fn plan(&self, arrival: Arrival, ticks: &[Tick], schedule: &mut [Vec<Arrival>]) {
        let number = self.batch.lives[arrival.life].0.number;
        let mut chance = self.batch.roll(arrival, 4);
        let last = ticks.len() - 1;
        let sent = self.batch.outage(arrival).unwrap_or(self.batch.event(arrival).at);
        let first = ticks.iter().position(|t| t.at >= sent).unwrap_or(last);
        let late = match Chance::of(&[number, 5]).below(10) {
            _ if self.batch.lives_through_outage(number) => 0,
            0..4 => chance.below(2),
            4..7 => chance.below(16),
            7..9 if chance.percent(15) => chance.below(70),
            7..9 => chance.below(2),
            _ => (last - first) as u64 - chance.below(6).min((last - first) as u64),
        };
        let mut at = (first + usize::try_from(late).expect("small")).min(last);
        schedule[at].push(arrival);
        for again in 1..=chance.pick(&[0, 0, 0, 1, 2]) {
            at = (at + usize::try_from(chance.below(9)).expect("small")).min(last);
            schedule[at].push(Arrival { again, ..arrival });
        }
    }

    async fn gather(mut self) -> Vec<Seen> {
        let lives: BTreeMap<String, usize> = self.batch.addresses().map(|(life, email)| (email, life)).collect();
        for call in std::mem::take(&mut self.world.calls) {
            self.seen[lives[&call.key.email_key]].calls.push(call);
        }
        for (key, wrong) in std::mem::take(&mut self.world.wrong) {
            self.seen[lives[&key.email_key]].wrong.push(wrong);
        }
        for delivery in self.world.deliveries().await {
            self.seen[lives[&delivery.call.email().key()]].deliveries.push(delivery);
        }
        for event in self.world.events().await {
            let (life, number) = self.ids[&event.id];
            if !self.new.contains(&(life, number)) {
                self.seen[life].wrong.push(format!("{} was never new", event.event_type));
            }
            let told = &self.batch.lives[life].1[number];
            self.seen[life].outcomes.push(((told.act, told.part), event));
        }
        let book = &self.world.book;
        let commissions: BTreeMap<&str, &Commission> =
            book.commissions().iter().map(|c| (c.payment_id.as_str(), c)).collect();
        for payment in book.payments() {
            let commission = commissions.get(payment.payment_id.as_str()).map(|c| (*c).clone());
            self.seen[lives[&payment.customer_email.to_lowercase()]].held.push((payment.clone(), commission));
        }
        self.seen
    }
}

/// A body as it is sent; Stripe's differ from one time to the next.
fn sent(batch: &Batch, arrival: Arrival) -> (&'static str, String) {
    let event = batch.event(arrival);
    let webhooks = format!("\"pending_webhooks\":{}", 2 + arrival.again);
    let body =
        if arrival.again > 0 { event.body.replace("\"pending_webhooks\":1", &webhooks) } else { event.body.clone() };
    (event.endpoint.name(), body)
}

pub(crate) fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).expect("a time")
}

/// What befalls a call: nothing, for half of the lives.
fn weather(life: u64, lease: &Leased, now: Timestamp, locked_out: bool) -> Weather {
    if locked_out {
        return Weather::Refused(401);
    }
    let d = &lease.delivery;
    let body = d.call.body("", None).expect("a body");
    let mut chance = Chance::of(&[life, digest(&body), u64::from(d.attempts), 7]);
    let patient = d.first_attempt_at.is_none_or(|first| now.duration_since(first).as_hours() < 60);
    if Chance::of(&[life, 8]).percent(50) || d.attempts > 6 || !patient {
        return Weather::Fine;
    }
    match chance.below(10) {
        0 | 1 => Weather::Unheard,
        2 => Weather::Refused(503),
        3 => Weather::Refused(429),
        4 => Weather::Lost { recorded: chance.percent(50) },
        _ => Weather::Fine,
    }
}
