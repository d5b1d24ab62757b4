//! Tells people what they have to know: one message for each thing, to Slack and to a webhook of their own. One of several
//! replicas looks and sends. No webhook waits for it: it looks at the store from time to time.
//!
//! * `watch`: what is so now. `differences`: what a comparison with a provider's list has found.
//! * `message`: how it is said, and signed.

mod differences;
mod message;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, after, chance_permille};
use crate::domain::alert::{AlertKind, Notice, Phase, Watching};
use crate::domain::proxy::Proxies;
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use crate::domain::signing_key::SigningKey;
use crate::outbound::{Backoff, Client, ClientError, Limits, Method, Request, with_jitter};
use crate::store::alerts::{Message, SoNow};
use crate::store::{Store, StoreError};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// How often it is looked whether there is something to tell.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How long the other replicas leave it to the one that looks.
const WATCH: Duration = Duration::from_secs(90);
/// Longest a message takes to be sent, from connecting to the last byte.
const SEND_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Longest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Messages of one place that are sent in one turn: places that take messages limit how many.
const SENT_MAX: usize = 5;
/// When a message that did not arrive is sent again.
const RETRIES: Backoff =
    Backoff { first: Duration::from_secs(5), own_max: Duration::from_secs(900), asked_max: Duration::from_secs(3600) };
/// How long a message is tried.
const MESSAGE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Random bytes of a replica's name.
const NAME_BYTES: usize = 16;

/// What came of a message to one place: its name, and why it did not arrive.
pub type Tried = (&'static str, Option<String>);
/// Asks for a message to be sent to every place, to try them out.
pub type Test = oneshot::Sender<Vec<Tried>>;

/// What is looked at.
pub struct Watched {
    /// The names of the endpoints.
    pub endpoints: Vec<String>,
    /// Of those whose provider's lists are compared.
    pub compared: Vec<String>,
    /// Where days are.
    pub time_zone: TimeZone,
    /// After how long without a webhook an endpoint is silent, if that is looked at.
    pub silent_after: Option<Duration>,
    /// With less room than this a disk is nearly full, MiB.
    pub disk_free_min_mib: u64,
    /// The file of the database, where it is one.
    pub file: Option<PathBuf>,
}

impl Watched {
    /// Of what it is looked at all.
    fn watching(&self) -> Watching {
        let silent = self.silent_after.map(|_| self.endpoints.clone());
        Watching { silent: silent.unwrap_or_default(), compared: self.compared.clone(), disk: self.file.is_some() }
    }
}

/// Where messages go. It has no `Debug`: an address of Slack's is a secret.
#[derive(Clone, Default)]
pub struct Places {
    /// An incoming webhook of Slack's.
    pub slack: Option<Secret>,
    /// A webhook of one's own, and what signs what is sent there.
    pub webhook: Option<(Secret, SigningKey)>,
    /// Where people open the dashboard.
    pub public_url: Option<String>,
}

impl Places {
    /// The names of the places.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let slack = self.slack.as_ref().map(|_| SLACK);
        slack.into_iter().chain(self.webhook.as_ref().map(|_| WEBHOOK)).collect()
    }
}

const SLACK: &str = "slack";
const WEBHOOK: &str = "webhook";

/// Looks and sends.
pub struct Worker {
    store: Store,
    clock: Clock,
    watched: Watched,
    places: Places,
    client: Client,
    /// What calls have told of Refairn. `None` before that is known.
    reach: channel::Receiver<Option<Reach>>,
    name: String,
}

impl Worker {
    /// A worker for these places.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(
        store: Store,
        clock: Clock,
        watched: Watched,
        places: Places,
        reach: channel::Receiver<Option<Reach>>,
        proxies: &Proxies,
    ) -> Result<Self, ClientError> {
        let limits =
            Limits { whole: SEND_WAIT_MAX, connect: CONNECT_MAX, idle: IDLE_MAX, response_bytes: ANSWER_BYTES_MAX };
        let client = Client::new(limits, proxies, clock.clone())?;
        let name = hex::encode(rand::random::<[u8; NAME_BYTES]>());
        Ok(Self { store, clock, watched, places, client, reach, name })
    }

    /// Works until `stop`.
    pub async fn run(mut self, mut tests: mpsc::Receiver<Test>, pulse: Pulse, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let turn = pulse.step(TURN_MAX);
            let now = self.clock.now();
            let reach = *self.reach.borrow_and_update();
            if let Err(error) = self.look(reach, now).await {
                events::store_failed("look for what somebody has to know", &error);
            }
            drop(turn);
            tokio::select! {
                () = self.clock.pass(LOOK_EVERY) => {}
                Some(test) = tests.recv() => {
                    let _step = pulse.step(TURN_MAX);
                    // The one who asked may have gone.
                    let _ = test.send(self.try_out().await);
                }
                () = stop.cancelled() => {}
            }
        }
    }

    async fn look(&self, reach: Option<Reach>, now: Timestamp) -> Result<(), StoreError> {
        if !self.store.watches_alerts(self.name.clone(), WATCH, now).await? {
            return Ok(());
        }
        let watch::Found { items, unknown } = watch::look(&self.store, &self.watched, reach, now).await?;
        let so_now = SoNow { items, unknown, watching: self.watched.watching() };
        let news = self.store.tell(so_now, self.places.names(), now).await?;
        news.begun.iter().for_each(events::began);
        news.over.iter().for_each(|(item, kind)| events::is_over(*kind, item));
        for place in self.places.names() {
            self.send_due(place).await?;
        }
        Ok(())
    }

    /// Sends what is due to a place, one message after the other. Behind one that did not arrive the others wait.
    async fn send_due(&self, place: &'static str) -> Result<(), StoreError> {
        for _ in 0..SENT_MAX {
            let Some(message) = self.store.next_message(place, self.clock.now()).await? else { break };
            let failed = self.send(place, &message).await;
            let now = self.clock.now();
            events::told(
                place,
                message.notice.kind,
                &message.notice.item,
                failed.as_ref().map(|(why, _)| why.as_str()),
            );
            let Some((_, asked)) = failed else {
                self.store.end_message(message.id).await?;
                continue;
            };
            if now.duration_since(message.made_at).unsigned_abs() >= MESSAGE_LIFE {
                self.store.end_message(message.id).await?;
                continue;
            }
            let wait = with_jitter(RETRIES.wait(message.tries.saturating_add(1), asked), chance_permille());
            self.store.try_message_again(message.id, after(now, wait)).await?;
            break;
        }
        Ok(())
    }

    /// Sends a message to every place now.
    async fn try_out(&self) -> Vec<Tried> {
        let notice = Notice {
            phase: Phase::Began,
            kind: AlertKind::Test,
            item: "test".to_owned(),
            text: "This is a test: alerts of refairn-bridge arrive here.".to_owned(),
            path: "/".to_owned(),
        };
        let mut tried = Vec::new();
        for place in self.places.names() {
            let (made_at, id) = (self.clock.now(), 0);
            let message = Message { id, channel: place.to_owned(), notice: notice.clone(), made_at, tries: 0 };
            let failed = self.send(place, &message).await.map(|(why, _)| why);
            events::told(place, AlertKind::Test, &notice.item, failed.as_deref());
            tried.push((place, failed));
        }
        tried
    }

    /// Sends a message. Gives why it did not arrive, and when the place wants to be asked again.
    async fn send(&self, place: &'static str, message: &Message) -> Option<(String, Option<Duration>)> {
        let (notice, public_url) = (&message.notice, self.places.public_url.as_deref());
        let json = ("content-type", "application/json");
        let reply = match (&self.places.slack, &self.places.webhook) {
            (Some(url), _) if place == SLACK => {
                let body = Some(message::slack(notice, public_url).into_bytes());
                self.client
                    .ask(Request { method: Method::Post, url: url.expose(), bearer: None, headers: &[json], body })
                    .await
            }
            (_, Some((url, key))) if place == WEBHOOK => {
                let id = format!("{}_{}_{}", notice.item.replace(' ', "_"), message.id, message.made_at.as_second());
                let at_s = self.clock.now().as_second();
                let body = message::webhook(notice, public_url, message.made_at);
                let (at, signature) = (at_s.to_string(), message::sign(key, &id, at_s, &body));
                let headers =
                    [json, ("webhook-id", &id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
                let body = Some(body.into_bytes());
                self.client
                    .ask(Request { method: Method::Post, url: url.expose(), bearer: None, headers: &headers, body })
                    .await
            }
            (_, _) => return Some((format!("{place} is not configured"), None)),
        };
        match reply {
            Ok(reply) if (200..300).contains(&reply.status) => None,
            Ok(reply) => Some((format!("it answered {}", reply.status), reply.retry_after)),
            Err(failure) => Some((failure.to_string(), None)),
        }
    }
}
