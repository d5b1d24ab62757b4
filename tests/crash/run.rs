//! A run: the load is on, the bridge is killed again and again, in the end it comes to rest and is judged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::tasks::Tasks;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::kit::program::{get, post};
use crate::kit::samples::Sale;
use crate::load::Providers;
use crate::oracle::{Verdict, has_paid, is_for_later};
use crate::weather;

/// How long a replica lives before it is killed, milliseconds.
const LIFE_MS: std::ops::Range<u64> = 30..500;
/// A point is met at one of its first passings.
const PASSINGS: std::ops::Range<u32> = 1..5;
/// Once in so many kills Refairn refuses our key, and some kills later it takes it again.
const KEY_REFUSED_EVERY: usize = 12;
const KEY_REFUSED_FOR: usize = 2;
/// What has not come to rest by then never will: leases of the dead, the longest pause between probes, and the rest.
const REST_WAIT_MAX: Duration = Duration::from_secs(240);
/// A fresh event is at Refairn by then.
const FRESH_WAIT_MAX: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between two looks at what the bridge has to read, and how long one may take.
const LOOK_AT_INBOX_EVERY: Duration = Duration::from_millis(100);
const LOOK_AT_INBOX_MAX: Duration = Duration::from_millis(500);
/// Events that may wait to be read; while there are more, nothing new happens.
const UNREAD_MAX: i64 = 100;

/// Points that are passed again and again at work.
#[cfg(feature = "crash-points")]
const AT_WORK: &[&str] =
    &["verified", "recorded", "reading", "mapped", "posting", "planning", "leased", "sent", "settling", "settled"];

/// A run under way.
pub(crate) struct Run {
    pub(crate) fleet: Fleet,
    pub(crate) providers: Providers,
    weather: Tasks,
    chance: StdRng,
    began: Instant,
    kills: usize,
    /// Refairn has refused the key, or is about to: no call goes out for a while.
    key_refused: bool,
    fresh: usize,
}

/// Waits for a condition, for so long and no longer.
async fn until(what: &str, longest: Duration, mut look: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + longest;
    while !look().await {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells the providers again and again how far the bridge is behind: as far as can be when it says nothing.
async fn watch_the_inbox(doors: Vec<SocketAddr>, providers: Providers, stop: CancellationToken) {
    let mut turn = 0;
    while !stop.is_cancelled() {
        turn += 1;
        let door = doors[turn % doors.len()];
        let stats = tokio::time::timeout(LOOK_AT_INBOX_MAX, get(door, "/api/v1/stats")).await.ok().flatten();
        let unread = stats.and_then(|stats| stats["events"]["received"].as_i64().or(Some(0)));
        providers.behind(unread.is_none_or(|n| n > UNREAD_MAX));
        tokio::time::sleep(LOOK_AT_INBOX_EVERY).await;
    }
}

impl Run {
    /// Starts every replica, the load and the weather.
    pub(crate) async fn begin(mut fleet: Fleet, seed: u64, with_corpus: bool) -> Self {
        let began = Instant::now();
        #[cfg_attr(not(feature = "crash-points"), expect(unused_mut, reason = "without points there are no kills yet"))]
        let mut kills = 0;
        #[cfg(feature = "crash-points")]
        for order in ["migrating:1", "migrating:2"] {
            fleet.spawn(0, Some(order));
            fleet.meets_its_point(0, order).await;
            kills += 1;
        }
        fleet.start_all().await;
        let providers = Providers::begin(&fleet.doors(), seed, with_corpus, Clock::system().now());
        let weather = Tasks::new();
        weather.spawn(weather::blow(fleet.sandbox.clone(), seed, weather.stopping()));
        weather.spawn(watch_the_inbox(fleet.doors(), providers.clone(), weather.stopping()));
        let chance = StdRng::seed_from_u64(seed);
        Self { fleet, providers, weather, chance, began, kills, key_refused: false, fresh: 0 }
    }

    /// Kills one replica after another: at random, and at every point in turn.
    pub(crate) async fn kill(&mut self, kills: usize) {
        let end = self.kills + kills;
        #[cfg(feature = "crash-points")]
        let mut points = self.points().into_iter().cycle();
        while self.kills < end {
            let n = self.chance.random_range(0..self.fleet.size());
            self.kill_at_random(n).await;
            // With points, the same replica meets two of them before the next moment of chance; none while there are no
            // calls to meet them.
            #[cfg(feature = "crash-points")]
            if !self.key_refused {
                for order in [points.next(), points.next()].into_iter().flatten() {
                    self.kill_at(n, &order).await;
                }
            }
            if self.fleet.ground.leases_outlive_their_process() || !self.fleet.runs(n) {
                self.refuse_the_key();
            }
            self.fleet.start(n).await;
        }
    }

    async fn kill_at_random(&mut self, n: usize) {
        let life = self.chance.random_range(LIFE_MS);
        tokio::time::sleep(Duration::from_millis(life)).await;
        self.fleet.kill(n);
        self.kills += 1;
    }

    /// Every point that is passed after the start, with the passing at which it is to be met.
    #[cfg(feature = "crash-points")]
    pub(crate) fn points(&mut self) -> Vec<String> {
        let mut orders: Vec<String> =
            AT_WORK.iter().map(|point| format!("{point}:{}", self.chance.random_range(PASSINGS))).collect();
        orders.extend((1..=3).map(|passing| format!("stopping:{passing}")));
        if !self.fleet.ground.leases_outlive_their_process() {
            orders.push("checkpointing:1".to_owned());
        }
        orders
    }

    /// Starts a replica that ends at a point, by itself or when it is asked to stop.
    #[cfg(feature = "crash-points")]
    async fn kill_at(&mut self, n: usize, order: &str) {
        self.fleet.spawn(n, Some(order));
        if order.starts_with("stopping") || order.starts_with("checkpointing") {
            self.fleet.ready(n).await;
            let life = self.chance.random_range(LIFE_MS);
            tokio::time::sleep(Duration::from_millis(life)).await;
            self.fleet.terminate(n);
        }
        self.fleet.meets_its_point(n, order).await;
        self.kills += 1;
    }

    /// Once in a while Refairn refuses the key: the route pauses, and a minute later, which is over some kills later, a
    /// probe opens it.
    fn refuse_the_key(&mut self) {
        let turn = self.kills / 3 % KEY_REFUSED_EVERY;
        if turn == 3 && !self.key_refused {
            self.key_refused = true;
            weather::order(&self.fleet.sandbox, r#"{"status": 401}"#);
        } else if turn >= 3 + KEY_REFUSED_FOR && self.key_refused {
            self.key_refused = false;
            self.fleet.ground.minute_of_paused_routes_is_over();
        }
    }

    /// Kills all replicas at once; what they had leased and claimed is free as if the time for it had passed.
    pub(crate) async fn kill_all(&mut self) {
        for n in 0..self.fleet.size() {
            self.fleet.kill(n);
            self.kills += 1;
        }
        self.fleet.ground.minute_of_paused_routes_is_over();
        if self.fleet.ground.leases_outlive_their_process() {
            self.fleet.ground.time_of_the_dead_is_over();
        }
        self.fleet.start_all().await;
    }

    /// Nothing new happens from here on; what did is acknowledged.
    pub(crate) async fn end_of_load(&mut self) {
        self.providers.complete();
        until("every webhook is acknowledged", REST_WAIT_MAX, async || self.providers.is_done()).await;
        self.providers.end().await;
        assert!(self.weather.stop(Duration::from_secs(10)).await, "the weather did not stop");
    }

    /// Waits until nothing is to be read or sent any more, and judges.
    pub(crate) async fn judge(&mut self, name: &str) {
        let give_up = Instant::now() + REST_WAIT_MAX;
        loop {
            let open = self.open().await;
            if open.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
            assert!(Instant::now() < give_up, "never came to rest: {open:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let verdict = {
            let load = self.providers.load();
            Verdict::of(&self.fleet, &load, self.fresh).await
        };
        let (posts, took) = (self.providers.load().posts, self.began.elapsed());
        println!("{name}: {} kills in {took:.0?}, {posts} posts, {}", self.kills, verdict.figures());
        verdict.must_be_clean();
    }

    /// What is to be read or sent yet; nothing when there is no answer.
    async fn open(&self) -> Option<Vec<Value>> {
        let stats = self.fleet.try_get("/api/v1/stats").await?;
        let unread = stats["events"]["received"].as_i64().unwrap_or(0);
        let mut open = self.fleet.all("deliveries", "state=queued").await;
        open.retain(|delivery| !is_for_later(delivery));
        open.extend(self.fleet.all("deliveries", "state=sending").await);
        open.extend((unread > 0).then(|| Value::from(format!("{unread} events to be read"))));
        Some(open)
    }

    /// A customer who was never heard of buys something, and Refairn is told: how long that takes.
    pub(crate) async fn fresh_event_gets_through(&mut self) -> Duration {
        self.fresh += 1;
        let began = Instant::now();
        let (id, email) = (format!("fresh{}", self.fresh), format!("fresh{}@example.com", self.fresh));
        let event = Sale::new(&id, &email, Clock::system().now()).event().to_string();
        let doors = self.fleet.doors();
        let mut turn = 0;
        until("a fresh event is acknowledged", FRESH_WAIT_MAX, async || {
            turn += 1;
            let post = post(doors[turn % doors.len()], Stripe, event.as_bytes());
            tokio::time::timeout(Duration::from_secs(4), post).await.is_ok_and(|answer| answer.is_some())
        })
        .await;
        let sandbox = &self.fleet.sandbox;
        until("a fresh event gets through", FRESH_WAIT_MAX, async || has_paid(sandbox, &email)).await;
        began.elapsed()
    }
}
