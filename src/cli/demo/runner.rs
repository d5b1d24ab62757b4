//! Plays a story: sends its webhooks over HTTP, signed as the providers sign them, and waits until all is delivered.

use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;

use super::environment::Environment;
use super::progress::Progress;
use super::scenario::{Action, Received, Step, Story, Webhook};
use crate::api;
use crate::cli::http_client::{HttpClient, Url, parse_url};
use crate::clock::after;
use crate::domain::delivery::Delivery;
use crate::domain::event::EventState;
use crate::domain::provider::ProviderKind;
use crate::domain::reason::DeliveryReason;
use crate::providers::provider;
use crate::sandbox::Fault;
use crate::store::queries::{DeliveryFilter, DeliveryView, EventFilter, EventView, PAGE_ITEMS_MAX};

/// How long deliveries may take to settle.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the bridge may take to answer a webhook.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(60);
/// What a forger takes for the secret.
const WRONG_SECRET: &str = "whsec_a_guess";

/// How the bridge answered the webhooks.
#[derive(Debug, Default)]
pub(super) struct Ingress {
    pub(super) recorded: usize,
    pub(super) repeated: usize,
    /// Provider, status and the answer's `code`.
    pub(super) refused: Vec<(ProviderKind, u16, String)>,
    /// What was answered otherwise than the story expects.
    pub(super) surprises: Vec<String>,
}

/// Plays `story`.
///
/// # Errors
/// A server cannot be reached, or does not get done in time.
pub(super) async fn play(story: &Story, environment: &Environment, progress: &Progress) -> anyhow::Result<Ingress> {
    let client = HttpClient::new(&url(environment, ProviderKind::Stripe)?, ANSWER_WAIT_MAX)?;
    let mut ingress = Ingress::default();
    for step in &story.steps {
        play_step(step, environment, &client, &mut ingress, progress).await?;
        environment.clock.sleep(progress.pause()).await;
    }
    settle(environment, Span::ToTheEnd, |open| progress.doing("Waiting for the last calls", &counted(open, "call")))
        .await?;
    progress.done("Everything is delivered", "");
    Ok(ingress)
}

async fn play_step(
    step: &Step,
    environment: &Environment,
    client: &HttpClient,
    ingress: &mut Ingress,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut sent = 0;
    progress.doing(step.line, "");
    for action in &step.actions {
        match action {
            Action::Send(webhook) => {
                send(webhook, environment, client, ingress).await?;
                sent += 1;
                progress.doing(step.line, &counted(sent, "webhook"));
            }
            Action::Trouble(fault) => environment.sandbox.add_faults(vec![fault.parse::<Fault>()?])?,
            Action::Recovery => environment.sandbox.clear_faults(),
            Action::Pause(span) => environment.clock.sleep(*span).await,
            Action::Settle => {
                settle(environment, Span::SoFar, |open| progress.doing(step.line, &counted(open, "call"))).await?
            }
        }
    }
    progress.done(step.line, &counted(sent, "webhook"));
    Ok(())
}

/// `1 call`, `2 calls`; nothing for none.
fn counted(count: usize, what: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

async fn send(
    webhook: &Webhook,
    environment: &Environment,
    client: &HttpClient,
    ingress: &mut Ingress,
) -> anyhow::Result<()> {
    let sender = provider(webhook.provider);
    let secret = match webhook.expected {
        Received::New | Received::Repeated => environment.secrets.of(webhook.provider)?.expose(),
        Received::Refused => WRONG_SECRET,
    };
    let signature = sender.sign(secret, &webhook.body, environment.clock.now());
    let header = (sender.signature_header(), signature.as_str());
    let reply = client.post(&url(environment, webhook.provider)?, header, webhook.body.clone()).await?;
    let status = reply.status;
    let duplicate = reply.read().map(|answer: api::Received| answer.duplicate);
    let api::Problem { code, .. } = reply.read().unwrap_or_default();
    let received = match (status, duplicate) {
        (200, Some(false)) => Received::New,
        (200, Some(true)) => Received::Repeated,
        _ => Received::Refused,
    };
    if received != webhook.expected {
        let (provider, expected) = (webhook.provider, webhook.expected);
        ingress
            .surprises
            .push(format!("a webhook of {provider} was to be {expected:?}, and was answered {status} {code}"));
    }
    match received {
        Received::New => ingress.recorded += 1,
        Received::Repeated => ingress.repeated += 1,
        Received::Refused => ingress.refused.push((webhook.provider, status, code)),
    }
    Ok(())
}

/// Where a provider's webhooks go.
fn url(environment: &Environment, provider: ProviderKind) -> anyhow::Result<Url> {
    parse_url(&format!("{}/webhooks/{provider}", environment.bridge_url())).map_err(anyhow::Error::msg)
}

/// Which calls are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// Those that can be made now.
    SoFar,
    /// Those that wait for a session that will not come, too.
    ToTheEnd,
}

/// Waits until every event is read and every call made that is due today.
async fn settle(environment: &Environment, span: Span, show: impl Fn(usize)) -> anyhow::Result<()> {
    let give_up_at = after(environment.clock.now(), SETTLE_WAIT_MAX);
    loop {
        let open = open(environment, span).await?;
        if open == 0 {
            return Ok(());
        }
        if environment.clock.now() > give_up_at {
            bail!("{open} events or calls are not done after {} seconds", SETTLE_WAIT_MAX.as_secs());
        }
        show(open);
        environment.clock.sleep(LOOK_EVERY).await;
    }
}

/// Events that are not read, and calls on their way.
async fn open(environment: &Environment, span: Span) -> anyhow::Result<usize> {
    let unread = EventFilter { state: Some(EventState::Received), limit: PAGE_ITEMS_MAX, ..EventFilter::default() };
    let unread = environment.store().events(unread).await?.len();
    // An event's calls are on disk once it is read, so what is asked second misses nothing.
    let deliveries = deliveries(environment).await?;
    let now = environment.clock.now();
    let waits = |d: &Delivery| match span {
        Span::SoFar => d.reason == Some(DeliveryReason::WaitingForReferralCode) || is_for_later(d, now),
        Span::ToTheEnd => is_for_later(d, now),
    };
    Ok(unread + deliveries.iter().filter(|d| d.delivery.state.is_open() && !waits(&d.delivery)).count())
}

/// A call for which its day has to end first.
pub(super) fn is_for_later(delivery: &Delivery, now: Timestamp) -> bool {
    delivery.reason == Some(DeliveryReason::WaitingForDayEnd) && delivery.due_at > now
}

/// Every delivery, the oldest first.
pub(super) async fn deliveries(environment: &Environment) -> anyhow::Result<Vec<DeliveryView>> {
    let mut all = Vec::new();
    let mut filter = DeliveryFilter { limit: PAGE_ITEMS_MAX, ..DeliveryFilter::default() };
    loop {
        let page = environment.store().deliveries(filter.clone()).await?;
        filter.after = page.last().and_then(|d| d.delivery.id).map(|id| id.0);
        all.extend(page);
        if filter.after.is_none() || filter.after == Some(1) {
            break;
        }
    }
    all.reverse();
    Ok(all)
}

/// Every event, the oldest first.
pub(super) async fn events(environment: &Environment) -> anyhow::Result<Vec<EventView>> {
    let mut all = Vec::new();
    let mut filter = EventFilter { limit: PAGE_ITEMS_MAX, ..EventFilter::default() };
    loop {
        let page = environment.store().events(filter.clone()).await?;
        filter.after = page.last().map(|e| e.id.0);
        all.extend(page);
        if filter.after.is_none() || filter.after == Some(1) {
            break;
        }
    }
    all.reverse();
    Ok(all)
}
