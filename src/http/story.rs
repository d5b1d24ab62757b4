//! A customer's story, and why a payment credited whom it did.

use actix_web::{HttpResponse, web};

use super::api::{decisions, delivery_id, showing};
use super::json;
use super::keys::Caller;
use super::missed;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared, seen};
use crate::api::{self, CustomerStory, StoryEvent, Verdict, Why};
use crate::domain::delivery::{Delivery, DeliveryId};
use crate::domain::email::Email;
use crate::domain::verdict::{Case, CustomerVerdict, EventStand, Judgement, judge};
use crate::store::story::{self, Story};
use crate::store::{StoreError, body};

/// Bytes of bodies that one story shows; those of further events are left out.
const BODIES_SHOWN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// `GET /api/v1/customers/{email}`
pub(super) async fn customer(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let business = query.text("business");
    let payment = query.text("payment").map(|id| delivery_id(&id)).transpose()?;
    let everything = query.flag("everything")?.unwrap_or(false);
    query.close()?;
    let story = seen_story(&state, &caller, &path, business).await?;
    let decisions = decisions(&state, &story.items()).await?;
    let verdict = verdict(&state, &caller, judged(&story, payment), &story.events).await?;
    let more = story.is_cut;
    let mut room = BODIES_SHOWN_BYTES_MAX;
    let mut events = Vec::new();
    for told in story.events {
        let body = if everything { Some(shown_body(&state, &told, &mut room).await?) } else { None };
        events.push(StoryEvent { body, ..StoryEvent::from(told) });
    }
    let mut deliveries = Vec::new();
    for view in story.deliveries {
        let id = view.delivery.id;
        let mut shown = json::delivery(view, showing(&state));
        if let Some(id) = id.filter(|_| everything) {
            let attempts = state.store.attempts(id.0).await?;
            shown.attempt_log = Some(attempts.into_iter().map(api::Attempt::from).collect());
        }
        deliveries.push(shown);
    }
    let payments = deliveries.iter().filter(|d| d.payment.provider_id.is_some()).cloned().collect();
    let (email, business) = (story.key.email_key, story.key.business);
    let businesses = story.businesses;
    let answer = CustomerStory { email, business, businesses, verdict, payments, deliveries, events, decisions, more };
    Ok(HttpResponse::Ok().json(answer))
}

/// `GET /api/v1/why`: by an address, or by anything that a search finds.
pub(super) async fn why(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let (sought, business) = (query.text("q"), query.text("business"));
    query.close()?;
    let sought = sought.ok_or_else(|| Problem::bad_parameter("q takes an address or an id".to_owned()))?;
    let answer = match Email::parse(&sought) {
        Some(_) => of_customer(&state, &caller, &sought, business, None).await?,
        None => by_search(&state, &caller, &sought).await?,
    };
    Ok(HttpResponse::Ok().json(answer))
}

async fn by_search(state: &Shared, caller: &Caller, sought: &str) -> Result<Why, Problem> {
    let found = state.store.search(sought, caller.who.business.as_deref()).await?;
    let payments = found.payments.iter().chain(&found.deliveries);
    let one = payments.map(|view| (view.delivery.call.email().key(), view.business.clone(), view.delivery.id)).next();
    let customer = found.customers.first().map(|key| (key.email_key.clone(), key.business.clone(), None));
    // An id of the customer's own leads to several payments: then the question is about the customer.
    let of_several = found.payments.len() > 1;
    let whose = if of_several { customer.or(one) } else { one.filter(|_| !found.payments.is_empty()).or(customer) };
    if let Some((email, business, payment)) = whose {
        let mut answer = of_customer(state, caller, &email, Some(business), payment).await?;
        if answer.payment.is_some() || found.events.is_empty() {
            // A payment is one customer's; a code, an agent or a part of an address may be of many.
            let others = found.customers.iter().filter(|key| payment.is_none() && key.email_key != email);
            answer.others = others.map(|key| key.email_key.clone()).collect();
            return Ok(answer);
        }
    }
    let event = match found.events.first() {
        Some(event) => state.store.story_event(event.id).await?,
        None => None,
    };
    let event: Vec<story::StoryEvent> = event.into_iter().collect();
    let stands: Vec<EventStand<'_>> = event.iter().map(stand).collect();
    let judgement = judge(&Case { deliveries: &[], events: &stands, paused: &[], payment: None });
    let email = event.first().and_then(|e| e.fact.as_ref()?.email.as_ref().map(|email| email.as_given().to_owned()));
    // An event that is no payment may be of a customer who has paid.
    if let (CustomerVerdict::NoPayment, Some(email), Some(told)) = (judgement.verdict, &email, event.first()) {
        let answer = of_customer(state, caller, email, Some(told.event.business.clone()), None).await?;
        if answer.payment.is_some() {
            return Ok(answer);
        }
    }
    Ok(Why {
        email,
        business: None,
        businesses: Vec::new(),
        others: Vec::new(),
        verdict: verdict(state, caller, judgement, &event).await?,
        payment: None,
        event: event.into_iter().next().map(StoryEvent::from),
        refused_requests: refused(state, caller),
    })
}

async fn of_customer(
    state: &Shared,
    caller: &Caller,
    email: &str,
    business: Option<String>,
    payment: Option<DeliveryId>,
) -> Result<Why, StoreError> {
    let story = seen_story(state, caller, email, business).await?;
    let judgement = judged(&story, payment);
    let (about, event) = (judgement.payment, judgement.event);
    let known = !story.businesses.is_empty();
    let verdict = verdict(state, caller, judgement, &story.events).await?;
    let payment = story.deliveries.into_iter().find(|view| about.is_some() && view.delivery.id == about);
    let event = story.events.into_iter().find(|told| event == Some(told.event.id));
    Ok(Why {
        email: Some(story.key.email_key),
        business: known.then_some(story.key.business),
        businesses: story.businesses,
        others: Vec::new(),
        verdict,
        payment: payment.map(|view| json::delivery(view, showing(state))),
        event: event.map(StoryEvent::from),
        refused_requests: refused(state, caller),
    })
}

/// The story of an address, as far as its reader may see it: of a business that is not theirs it has nothing.
pub(super) async fn seen_story(
    state: &Shared,
    caller: &Caller,
    email: &str,
    business: Option<String>,
) -> Result<Story, StoreError> {
    let Some(own) = &caller.who.business else { return state.store.story(email, business.as_deref()).await };
    let mut story = state.store.story(email, Some(own)).await?;
    story.businesses.retain(|known| known == own);
    Ok(story)
}

/// Requests that were refused, of all businesses: the reader of one is not told.
fn refused(state: &Shared, caller: &Caller) -> u64 {
    if caller.who.business.is_some() {
        return 0;
    }
    state.intake.refusals().list().iter().map(|refusal| refusal.times).sum()
}

/// The verdict on a customer, or on one payment of theirs.
pub(super) fn judged(story: &Story, payment: Option<DeliveryId>) -> Judgement {
    let deliveries: Vec<&Delivery> = story.deliveries.iter().map(|view| &view.delivery).collect();
    let events: Vec<EventStand<'_>> = story.events.iter().map(stand).collect();
    let paused: Vec<&str> = story.paused.iter().map(String::as_str).collect();
    judge(&Case { deliveries: &deliveries, events: &events, paused: &paused, payment })
}

fn stand(told: &story::StoryEvent) -> EventStand<'_> {
    EventStand {
        id: told.event.id,
        state: told.event.state,
        reason: told.event.reason,
        received_at: told.event.received_at,
        code: told.fact.as_ref().and_then(|fact| fact.code.as_deref()),
    }
}

/// A judgement as the API says it.
async fn verdict(
    state: &Shared,
    caller: &Caller,
    judgement: Judgement,
    events: &[story::StoryEvent],
) -> Result<Verdict, StoreError> {
    let seen = match judgement.seen {
        Some(id) => Some(seen::words(&state.store.decisions_about(&[id.to_string()]).await?, seen::in_utc)),
        None => None,
    };
    let to_do = seen.unwrap_or_else(|| judgement.verdict.cure().to_owned());
    Ok(as_verdict(state, caller, judgement, events, to_do))
}

/// A judgement as the API and the pages say it. Where a payment may have been lost on its way, it has the commands that ask
/// for it.
pub(super) fn as_verdict(
    state: &Shared,
    caller: &Caller,
    judgement: Judgement,
    events: &[story::StoryEvent],
    to_do: String,
) -> Verdict {
    let Judgement { verdict, payment, event, because, next, seen: _ } = judgement;
    Verdict {
        code: verdict.code().to_owned(),
        sentence: verdict.sentence().to_owned(),
        because,
        to_do,
        commands: if verdict.may_be_missed() { missed::commands(state, caller, events) } else { Vec::new() },
        next,
        payment: payment.map(|id| id.to_string()),
        event: event.map(|id| id.to_string()),
    }
}

/// The body of an event, as long as there is room for it.
async fn shown_body(
    state: &Shared,
    told: &story::StoryEvent,
    room: &mut usize,
) -> Result<serde_json::Value, StoreError> {
    let stored = state.store.body(told.event.id).await?;
    let raw = stored.and_then(|body| body::decompress(&body, state.body_bytes_max.min(*room)));
    *room -= raw.as_ref().map_or(0, Vec::len).min(*room);
    Ok(json::body(raw))
}

impl From<story::StoryEvent> for StoryEvent {
    fn from(told: story::StoryEvent) -> Self {
        let fact = told.fact;
        Self {
            event: told.event.into(),
            at: fact.as_ref().map(|fact| fact.at),
            code: fact.as_ref().and_then(|fact| fact.code.clone()),
            fact,
            body: None,
        }
    }
}
