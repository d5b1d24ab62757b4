//! What the providers send: the events of many customers, some of them twice, and each again and again until it is
//! answered 2xx. The list of what was answered is kept here, outside of the bridge.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use refairn_bridge::tasks::Tasks;

use crate::kit::program::post;
use crate::kit::samples::corpus;
use crate::stories::{self, Story, Webhook};

/// Posts under way at once.
const POSTERS: usize = 6;
/// A poster rests so long between two posts: the bridge is to be killed at work, not under an endless pile.
const REST: Duration = Duration::from_millis(4);
/// And so long when there was no answer.
const REST_UNANSWERED: Duration = Duration::from_millis(15);
/// A provider waits no longer for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(4);
/// Customers to whom something is happening at one time.
const ACTIVE_MAX: usize = 30;
/// In the body of a subscription's first payment.
const FIRST_PAYMENT: &[u8] = b"subscription_create";
/// Customers of a run.
const STORIES_MAX: usize = 60_000;

/// One webhook and what was answered to it.
pub(crate) struct Item {
    pub(crate) webhook: Webhook,
    /// Whose it is; none of the corpus.
    pub(crate) story: Option<usize>,
    /// The event's number, once it was answered 2xx.
    pub(crate) acknowledged: Option<String>,
    /// Answers that said it was new, or gave it another number.
    pub(crate) times_new: usize,
    pub(crate) renumbered: bool,
}

/// How far a story has come.
pub(crate) struct Told {
    pub(crate) story: Story,
    /// The items of each step.
    steps: Vec<Vec<usize>>,
    step: usize,
}

/// All that is posted. It grows for as long as there are kills to come, so that none of them meets a bridge at rest.
pub(crate) struct Load {
    pub(crate) items: Vec<Item>,
    pub(crate) stories: Vec<Told>,
    pub(crate) posts: u64,
    active: Vec<usize>,
    noise_open: Vec<usize>,
    now: Timestamp,
    complete: bool,
    /// Nothing new happens while the bridge has this much to read already.
    behind: bool,
}

/// The load, and those who post it.
#[derive(Clone)]
pub(crate) struct Providers {
    load: Arc<Mutex<Load>>,
    posters: Tasks,
}

impl Providers {
    /// Begins to post to these doors, one after the other; with the corpus if asked for.
    pub(crate) fn begin(doors: &[SocketAddr], seed: u64, with_corpus: bool, now: Timestamp) -> Self {
        let load = Load {
            items: vec![],
            stories: vec![],
            posts: 0,
            active: vec![],
            noise_open: vec![],
            now,
            complete: false,
            behind: false,
        };
        let providers = Self { load: Arc::new(Mutex::new(load)), posters: Tasks::new() };
        if with_corpus {
            let mut load = providers.load();
            // A first payment waits for its session, and the corpus has many that never come.
            let waits = |body: &[u8]| body.windows(FIRST_PAYMENT.len()).any(|part| part == FIRST_PAYMENT);
            for (name, kind, body) in corpus().into_iter().filter(|(_, _, body)| !waits(body)) {
                load.add_noise(Webhook { name, kind, body });
            }
        }
        for n in 0..POSTERS {
            let poster = providers.clone().post(doors.to_vec(), seed + n as u64);
            providers.posters.spawn(poster);
        }
        providers
    }

    pub(crate) fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().expect("unpoisoned")
    }

    /// Whether the bridge has enough to read: providers would not care, but a test has to end.
    pub(crate) fn behind(&self, yes: bool) {
        self.load().behind = yes;
    }

    /// From here on nothing new happens; what did is posted until it is acknowledged.
    pub(crate) fn complete(&self) {
        self.load().complete = true;
    }

    /// Whether everything is acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        let load = self.load();
        load.complete && load.active.is_empty() && load.noise_open.is_empty()
    }

    pub(crate) async fn end(&self) {
        assert!(self.posters.stop(Duration::from_secs(20)).await, "the posters did not stop");
    }

    async fn post(self, doors: Vec<SocketAddr>, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let stop = self.posters.stopping();
        let mut turn = usize::try_from(seed % 64).expect("small");
        while !stop.is_cancelled() {
            let next = {
                let mut load = self.load();
                let index = load.next(&mut chance);
                load.posts += 1;
                index.map(|i| (i, load.items[i].webhook.kind, load.items[i].webhook.body.clone()))
            };
            let Some((index, kind, body)) = next else {
                tokio::time::sleep(REST_UNANSWERED).await;
                continue;
            };
            turn += 1;
            let answer = tokio::time::timeout(ANSWER_WAIT_MAX, post(doors[turn % doors.len()], kind, &body)).await;
            let rest = match answer {
                Ok(Some((id, duplicate))) => {
                    self.load().acknowledge(index, id, duplicate);
                    REST
                }
                // It was killed, is cut off, or takes too long: the provider comes again.
                Ok(None) | Err(_) => REST_UNANSWERED,
            };
            tokio::time::sleep(rest).await;
        }
    }
}

impl Load {
    fn add(&mut self, webhook: Webhook, story: Option<usize>) -> usize {
        self.items.push(Item { webhook, story, acknowledged: None, times_new: 0, renumbered: false });
        self.items.len() - 1
    }

    fn add_noise(&mut self, webhook: Webhook) {
        let index = self.add(webhook, None);
        self.noise_open.push(index);
    }

    /// Another customer.
    fn grow(&mut self) {
        let n = self.stories.len();
        let mut story = stories::story(n, self.now);
        let mut steps = Vec::new();
        for step in std::mem::take(&mut story.steps) {
            steps.push(step.into_iter().map(|webhook| self.add(webhook, Some(n))).collect());
        }
        self.stories.push(Told { story, steps, step: 0 });
        self.active.push(n);
        if n.is_multiple_of(20) {
            stories::noise(n).into_iter().for_each(|webhook| self.add_noise(webhook));
        }
    }

    /// What is posted next: mostly such as has not been acknowledged, and some once more.
    fn next(&mut self, chance: &mut StdRng) -> Option<usize> {
        while self.active.len() < ACTIVE_MAX && !self.complete && !self.behind && self.stories.len() < STORIES_MAX {
            self.grow();
        }
        // Without anything new there are few repetitions, too.
        if chance.random_ratio(1, if self.behind { 60 } else { 6 }) {
            // A repetition, of something that may not have been acknowledged: then it is the first time.
            let index = chance.random_range(0..self.items.len());
            if self.items[index].acknowledged.is_some() {
                return Some(index);
            }
        }
        if chance.random_ratio(1, 4)
            && let Some(index) = self.noise_open.choose(chance)
        {
            return Some(*index);
        }
        let Some(told) = self.active.choose(chance).map(|n| &self.stories[*n]) else {
            return self.noise_open.choose(chance).copied();
        };
        let open: Vec<usize> =
            told.steps[told.step].iter().copied().filter(|i| self.items[*i].acknowledged.is_none()).collect();
        open.choose(chance).copied()
    }

    fn acknowledge(&mut self, index: usize, id: String, duplicate: bool) {
        let item = &mut self.items[index];
        // Every answer may say that it was known, for the answer to the first time may be lost; one may say it was not.
        item.times_new += usize::from(!duplicate);
        item.renumbered |= item.acknowledged.as_ref().is_some_and(|known| *known != id);
        item.acknowledged.get_or_insert(id);
        let Some(n) = item.story else {
            self.noise_open.retain(|i| *i != index);
            return;
        };
        let told = &mut self.stories[n];
        while told.steps.get(told.step).is_some_and(|s| s.iter().all(|i| self.items[*i].acknowledged.is_some())) {
            told.step += 1;
        }
        if told.step == told.steps.len() {
            self.active.retain(|active| *active != n);
        }
    }
}
