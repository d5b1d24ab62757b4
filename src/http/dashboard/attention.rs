//! What needs a person: by what has to be done, and by when.

use std::borrow::Cow;
use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::TryFutureExt;
use futures_util::future::try_join;
use jiff::civil::Date;

use super::cures;
use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, EventRow, Lens, Row, date, form, name_days, read_again};
use super::words::Moment;
use crate::api::{LastReconciliation, Stats};
use crate::domain::access::Who;
use crate::domain::delivery::DeliveryId;
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, Reason};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::reconciliations::mode_of_key;
use crate::http::rights::{DECIDE, may_post};
use crate::http::{AppState, Shared};
use crate::store::queries::{DeliveryView, EventFilter, EventView};

/// Calls that the page shows, and events. Each has its forms: of a thousand nobody sees to more at a time.
const NEEDS_SHOWN_MAX: u32 = 100;

/// What has to be done, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Reverse,
    Decide,
    Credit,
    AskAgent,
    Mend,
}

impl Task {
    const ALL: &[Self] = &[Self::Reverse, Self::Decide, Self::Credit, Self::AskAgent, Self::Mend];

    const fn title(self) -> &'static str {
        match self {
            Self::Reverse => "Reverse",
            Self::Decide => "Decide",
            Self::Credit => "Credit",
            Self::AskAgent => "Ask the agent",
            Self::Mend => "Mend",
        }
    }

    const fn about(self, may_act: bool) -> &'static str {
        match self {
            Self::Reverse => "The money went back. Take the commission back in Refairn before its hold date.",
            Self::Decide if may_act => "Nothing goes out before you have decided.",
            Self::Decide => "Nothing goes out before somebody with the role operate has decided.",
            Self::Credit => "The code came late. Credit the agent in Refairn by hand.",
            Self::AskAgent => "Refairn knows no agent by this code.",
            Self::Mend => "Something has to be put right first.",
        }
    }

    fn of(reason: Option<DeliveryReason>) -> Self {
        use DeliveryReason as R;
        let Some(reason) = reason else { return Self::Decide };
        match reason {
            R::Reversed | R::ReversedInAnotherCurrency | R::ReversedOutcomeUnknown | R::ToldTwice => Self::Reverse,
            R::ReferralCodeLate | R::PaidBeforeReferral => Self::Credit,
            R::ReferralCodeUnknown => Self::AskAgent,
            R::RefusedByRefairn | R::GivenUp | R::CustomerCreatedRejected | R::InternalError => Self::Mend,
            R::SameDayPayment
            | R::DayTakenByStatus
            | R::DaySlotTaken
            | R::MayBeReportedAlready
            | R::AmountUnknown
            | R::AlreadyAtRefairn
            | R::AlreadyReported
            | R::DiscardedByOperator
            | R::Remapped
            | R::Retrying
            | R::ReversedBeforeSending
            | R::ReversedNobodyCredited
            | R::RoutePaused
            | R::Superseded
            | R::TestOfALiveCustomer
            | R::WaitingForDayEnd
            | R::WaitingForFreeDay
            | R::WaitingForInvoice
            | R::WaitingForReferralCode => Self::Decide,
        }
    }
}

/// A call that needs a person.
pub(super) struct Need {
    task: Task,
    pub(super) verb: &'static str,
    pub(super) row: Row,
    pub(super) why: &'static str,
    pub(super) cure: Cow<'static, str>,
    pub(super) detail: String,
    /// `by 4 Dec, 7 days left`; empty where there is none.
    pub(super) by: String,
    pub(super) holder: String,
    pub(super) holder_what: String,
}

/// An event that needs a person.
pub(super) struct EventNeed {
    pub(super) row: EventRow,
    pub(super) cure: Cow<'static, str>,
    pub(super) detail: String,
}

/// What needs a person, as far as a page shows it.
pub(super) struct Needs {
    /// The calls that it shows, the most urgent first.
    pub(super) calls: Vec<Need>,
    /// How many calls there are, and how many events.
    pub(super) all_calls: i64,
    pub(super) all_events: i64,
    /// By when the first of the calls has to be seen to; empty where none has a deadline.
    pub(super) first_deadline: String,
}

/// The calls that need a person, as far as `who` may see them, of one mode or of both: the soonest deadline of the most
/// urgent task first. Of more than `considered` they are those with the soonest deadlines, and then the newest.
pub(super) async fn needs(
    state: &Shared,
    who: &Who,
    mode: Option<Mode>,
    (considered, shown): (u32, usize),
) -> Result<Needs, Problem> {
    let lens = Lens::of(state);
    let to_see = state.store.to_see(who.business.as_deref(), mode, considered).await?;
    let mut urgent: Vec<(Task, Option<Date>, DeliveryId)> = to_see
        .urgent
        .iter()
        .map(|call| (Task::of(call.reason), call.hold_until.as_deref().and_then(date), call.id))
        .collect();
    urgent.sort_by_key(|(task, deadline, _)| (*task, deadline.unwrap_or(Date::MAX)));
    let first_deadline = urgent.iter().find_map(|(_, deadline, _)| *deadline);
    let ids: Vec<DeliveryId> = urgent.iter().take(shown).map(|(_, _, id)| *id).collect();
    let mut views: HashMap<_, _> =
        state.store.calls_to_see(&ids).await?.into_iter().map(|view| (view.delivery.id, view)).collect();
    let may_act = may_post(DECIDE, who);
    let calls = ids.iter().filter_map(|id| Some(need(&lens, &views.remove(&Some(*id))?, may_act))).collect();
    let first_deadline = first_deadline.map(|hold| by(&lens, hold)).unwrap_or_default();
    Ok(Needs { calls, all_calls: to_see.calls, all_events: to_see.events, first_deadline })
}

/// By when, and how long that is.
fn by(lens: &Lens<'_>, hold: Date) -> String {
    let left = lens.today.until(hold).map(|span| span.get_days()).unwrap_or_default();
    let left = match left {
        ..0 => "past".to_owned(),
        0 => "today".to_owned(),
        1 => "1 day left".to_owned(),
        n => format!("{n} days left"),
    };
    format!("by {}, {left}", lens.day(hold))
}

fn need(lens: &Lens<'_>, view: &DeliveryView, may_act: bool) -> Need {
    let d = &view.delivery;
    let task = Task::of(d.reason);
    let hold = d.receipt.as_ref().and_then(|receipt| date(receipt.hold_until.as_deref()?));
    let by = hold.filter(|_| d.state.is_acknowledged()).map(|hold| by(lens, hold));
    let reason = d.reason.map(DeliveryReason::reason);
    let (holder, holder_what) =
        view.day_holder.as_ref().map(|(id, what)| (id.to_string(), lens.written(what))).unwrap_or_default();
    Need {
        task,
        verb: task.title(),
        row: lens.row(view),
        why: reason.map(Reason::sentence).unwrap_or_default(),
        // What to do stands above the group, and on the buttons.
        cure: reason.filter(|_| task >= Task::Credit).map(|of| cures::of_reason(of, may_act)).unwrap_or_default(),
        detail: lens.noted(d),
        by: by.unwrap_or_default(),
        holder,
        holder_what,
    }
}

fn event_need(lens: &Lens<'_>, event: &EventView, may_act: bool) -> EventNeed {
    let cure = event.reason.map(|reason| cures::of_reason(reason.into(), may_act)).unwrap_or_default();
    EventNeed { row: lens.event(event, &[]), cure, detail: event.detail.clone().unwrap_or_default() }
}

/// What has to be done alike.
struct Group<'a> {
    title: &'static str,
    about: &'static str,
    needs: Vec<&'a Need>,
}

#[derive(Template)]
#[template(path = "attention.html")]
struct Page<'a> {
    frame: Frame,
    groups: Vec<Group<'a>>,
    events: Vec<EventNeed>,
    obstacles: Obstacles<'a>,
    more: bool,
    refairn: &'a str,
}

impl Page<'_> {
    fn form<'a>(&'a self, row: &'a Row) -> Option<ActionForm<'a>> {
        form(row, &self.frame.csrf, &self.frame.here)
    }

    fn read_again<'a>(&'a self, row: &'a EventRow) -> ActionForm<'a> {
        read_again(row, &self.frame.csrf, &self.frame.here)
    }
}

/// A route that is paused.
pub(super) struct Paused {
    pub(super) name: String,
    pub(super) why: String,
}

/// What keeps things from going on, and what comparisons have found: it needs a person, and is no call and no event.
pub(super) struct Obstacles<'a> {
    /// The routes that are paused.
    pub(super) paused: Vec<Paused>,
    /// What the last comparison with each provider came to, where it found anything.
    pub(super) differing: Vec<&'a LastReconciliation>,
    /// Since when an event has waited to be read, where that is too long.
    pub(super) unread: Option<Moment>,
}

impl Obstacles<'_> {
    /// How many there are.
    pub(super) fn count(&self) -> i64 {
        let differences: i64 = self.differing.iter().map(|last| last.differences).sum();
        let paused = i64::try_from(self.paused.len()).unwrap_or(i64::MAX);
        paused + differences + i64::from(self.unread.is_some())
    }
}

/// All of them; of one mode, if one is given. What is of neither counts as real money's.
pub(super) fn obstacles<'a>(lens: &Lens<'_>, stats: &'a Stats, mode: Option<Mode>) -> Obstacles<'a> {
    let endpoints = lens.state.endpoints.as_slice();
    let is_of = |found: Mode| mode.is_none_or(|mode| mode == found);
    let mode_of_product = |product: &str| {
        let is_test = endpoints.iter().any(|e| e.rules.test_product_id.as_deref() == Some(product));
        if is_test { Mode::Test } else { Mode::Live }
    };
    let mode_of_endpoint = |name: &str| {
        let known = endpoints.iter().find(|endpoint| endpoint.name == name);
        known.and_then(mode_of_key).unwrap_or(Mode::Live)
    };
    let paused = stats.paused().filter(|route| is_of(mode_of_product(&route.product))).map(|route| Paused {
        name: format!("{}/{}", route.business, route.product),
        why: route.detail.clone().unwrap_or_default(),
    });
    let differing = stats.reconciliations.iter().filter(|last| last.differences > 0);
    Obstacles {
        paused: paused.collect(),
        differing: differing.filter(|last| is_of(mode_of_endpoint(&last.endpoint))).collect(),
        unread: stats.unread_for_long(lens.now).filter(|_| is_of(Mode::Live)).map(|since| lens.ago(since)),
    }
}

/// `GET /attention`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let who = &asked.caller().who;
    let events = EventFilter {
        attention: true,
        business: who.business.clone(),
        limit: NEEDS_SHOWN_MAX,
        ..EventFilter::default()
    };
    let shown = (NEEDS_SHOWN_MAX, NEEDS_SHOWN_MAX as usize);
    let (mut needs, events) = try_join(needs(&state, who, None, shown), state.store.events(events).err_into()).await?;
    let more = needs.all_calls.max(needs.all_events) > i64::from(NEEDS_SHOWN_MAX);
    let frame = asked.frame(&state, "attention", "Attention");
    if frame.may_act {
        name_days(&Lens::of(&state), needs.calls.iter_mut().map(|need| &mut need.row).collect()).await?;
    }
    let group = |task: &Task| Group {
        title: task.title(),
        about: task.about(frame.may_act),
        needs: needs.calls.iter().filter(|need| need.task == *task).collect(),
    };
    let groups = Task::ALL.iter().map(group).filter(|group| !group.needs.is_empty()).collect();
    let refairn = state.refairn_url.as_str();
    let lens = Lens::of(&state);
    let obstacles = obstacles(&lens, &asked.now.stats, None);
    let events: Vec<EventNeed> = events.iter().map(|event| event_need(&lens, event, frame.may_act)).collect();
    answer(&Page { frame, groups, events, obstacles, more, refairn })
}
