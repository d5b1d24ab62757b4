//! A customer: the verdict first, then what it rests on, then the whole story.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;

use super::cures;
use super::decisions::{self, Decided};
use super::forget::forget_path;
use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, EventRow, Lens, Row, customer_path, form, name_days};
use crate::api::{LookedIn, Verdict};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::DeliveryState;
use crate::domain::mode::Mode;
use crate::domain::pseudonym::is_pseudonym;
use crate::http::credit::looked_in;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::rights::{DECIDE, FORGET, may_post};
use crate::http::seen;
use crate::http::story::{as_verdict, judged, seen_story};
use crate::http::{AppState, api};
use crate::store::audit::AuditView;
use crate::store::queries::DeliveryView;
use crate::store::story::Story;

/// A line of the story.
enum Line {
    Came { event: Box<EventRow>, code: String },
    Told { row: Box<Row>, agent: String, by_whom: &'static str },
    Decided(Decided),
}

#[derive(Template)]
#[template(path = "customer.html")]
struct Page {
    frame: Frame,
    email: String,
    name: String,
    ids: Vec<String>,
    business: String,
    others: Vec<(String, String)>,
    verdict: Verdict,
    tone: &'static str,
    about: Option<Row>,
    refused: u64,
    looked_in: Vec<LookedIn>,
    lines: Vec<Line>,
    more: bool,
    refairn: String,
    /// The page on which they can be forgotten; empty where nobody can be.
    forget: String,
}

impl Page {
    fn form(&self) -> Option<ActionForm<'_>> {
        self.about.as_ref().and_then(|row| form(row, &self.frame.csrf, &self.frame.here))
    }
}

/// `GET /customers/{email}`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let business = query.text("business");
    let payment = query.text("payment").map(|id| api::delivery_id(&id)).transpose()?;
    query.close()?;
    let lens = Lens::of(&state);
    let may_forget = may_post(FORGET, &asked.caller().who);
    let story = seen_story(&state, asked.caller(), &path, business).await?;
    let judgement = judged(&story, payment);
    let about =
        story.deliveries.iter().find(|view| judgement.payment.is_some() && view.delivery.id == judgement.payment);
    let looked_in = about.and_then(|view| looked_in(view, &state.endpoints)).unwrap_or_default();
    let tone = tone(judgement.verdict.code());
    let (judged_call, mut about) = (about, about.map(|view| lens.row(view)));
    let decisions = decisions::about(&lens, &story.items()).await?;
    let may_act = may_post(DECIDE, &asked.caller().who);
    let is_seen = judgement.seen.is_some();
    let to_do = judgement.seen.map_or_else(
        || cures::of_verdict(judgement.verdict, may_act).into_owned(),
        |id| {
            let about_it = decisions.iter().filter(|(view, _)| view.item == id.to_string());
            let about_it: Vec<AuditView> = about_it.map(|(view, _)| view.clone()).collect();
            seen::words(&about_it, |at| lens.moment(at).text())
        },
    );
    let mut verdict = as_verdict(&state, asked.caller(), judgement, &story.events, to_do);
    let noted = judged_call.map(|view| &view.delivery).filter(|d| d.detail == verdict.because);
    verdict.because = verdict.because.map(|text| noted.map_or_else(|| lens.written(&text), |call| lens.noted(call)));
    let mut frame = asked.frame(&state, "customers", &story.key.email_key);
    frame.test = is_test(&story);
    if let Some(row) = about.as_mut().filter(|_| frame.may_act) {
        name_days(&lens, vec![row]).await?;
    }
    let others = story.businesses.iter().filter(|other| **other != story.key.business).map(|business| {
        let key = CustomerKey { business: business.clone(), email_key: story.key.email_key.clone() };
        (business.clone(), customer_path(&key))
    });
    let facts = || story.events.iter().rev().filter_map(|told| told.fact.as_ref());
    let mut ids: Vec<String> = Vec::new();
    for id in facts().filter_map(|fact| fact.customer.clone()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let as_given = story.deliveries.first().map(|view| view.delivery.call.email().as_given().to_owned());
    answer(&Page {
        email: as_given.unwrap_or_else(|| story.key.email_key.clone()),
        name: facts().find_map(|fact| fact.name.clone()).unwrap_or_default(),
        ids,
        business: story.key.business.clone(),
        others: others.collect(),
        tone: if is_seen && tone == "waits" { "quiet" } else { tone },
        about,
        refused: asked.now.stats.refused_requests.iter().map(|refused| refused.times).sum(),
        looked_in,
        lines: lines(&lens, &story, decisions),
        more: story.is_cut,
        refairn: state.refairn_url.clone(),
        forget: if may_forget && is_known(&story) { forget_path(&story.key.email_key) } else { String::new() },
        verdict,
        frame,
    })
}

/// Whether there is somebody who is not forgotten yet.
fn is_known(story: &Story) -> bool {
    !story.businesses.is_empty() && !is_pseudonym(&story.key.email_key)
}

/// Whether nothing of the customer is real.
fn is_test(story: &Story) -> bool {
    let mut modes = story.deliveries.iter().map(|view| view.delivery.mode).peekable();
    modes.peek().is_some() && modes.all(|mode| mode == Mode::Test)
}

/// The colour of a verdict.
fn tone(code: &str) -> &'static str {
    match code {
        "credited" => "good",
        "on_its_way" => "moving",
        "held_for_its_day" | "held_for_a_person" | "route_paused" | "refused_by_refairn" | "code_late"
        | "code_unknown" | "taken_back" | "waits_for_address" => "waits",
        _ => "quiet",
    }
}

/// Whether Refairn was told.
const fn by_whom(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Delivered | DeliveryState::Duplicate => "we told Refairn",
        DeliveryState::Queued | DeliveryState::Sending => "we shall tell Refairn",
        DeliveryState::Held => "not told yet:",
        DeliveryState::Rejected => "Refairn did not take",
        DeliveryState::Cancelled | DeliveryState::Superseded | DeliveryState::Discarded => "not told:",
    }
}

/// What came, what was told and what people decided, the newest first.
fn lines(lens: &Lens<'_>, story: &Story, decisions: Vec<(AuditView, Decided)>) -> Vec<Line> {
    let mut lines: Vec<(Timestamp, u8, i64, Line)> = Vec::new();
    for told in &story.events {
        let calls: &[DeliveryView] = &[];
        let mut event = lens.event(&told.event, calls);
        let is_sale = story.deliveries.iter().any(|view| view.is_payment() && view.delivery.event == told.event.id);
        event.badge = super::words::Badge::of_event(
            told.event.state,
            told.event.reason.map(|reason| reason.code()),
            told.event.attention,
            is_sale,
        );
        let code = told.fact.as_ref().and_then(|fact| fact.code.clone()).unwrap_or_default();
        lines.push((told.event.received_at, 0, told.event.id.0, Line::Came { event: Box::new(event), code }));
    }
    for view in &story.deliveries {
        let d = &view.delivery;
        let at = d.settled_at.or(d.first_attempt_at).unwrap_or(d.created_at);
        let mut row = lens.row(view);
        row.at = lens.moment(at);
        let agent = row.agent.clone();
        lines.push((
            at,
            1,
            d.id.map_or(0, |id| id.0),
            Line::Told { row: Box::new(row), agent, by_whom: by_whom(d.state) },
        ));
    }
    let decided = decisions.into_iter().map(|(view, decided)| (view.at, 2, view.id, Line::Decided(decided)));
    lines.extend(decided);
    lines.sort_by_key(|(at, kind, id, _)| std::cmp::Reverse((*at, *kind, *id)));
    lines.into_iter().map(|(.., line)| line).collect()
}
