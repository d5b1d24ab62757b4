//! What needs a person: by what has to be done, and by when.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::civil::Date;

use super::cures;
use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, EventRow, Lens, Row, date, form, name_days, read_again};
use crate::api::LastReconciliation;
use crate::domain::access::Who;
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, Reason};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{AppState, Shared};
use crate::store::queries::{DeliveryFilter, DeliveryView, EventFilter, EventView, PAGE_ITEMS_MAX};

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

    const fn about(self) -> &'static str {
        match self {
            Self::Reverse => "The money went back. Take the commission back in Refairn before its hold date.",
            Self::Decide => "Nothing goes out before you have decided.",
            Self::Credit => "The code came late. Credit the agent in Refairn by hand.",
            Self::AskAgent => "Refairn knows no agent by this code.",
            Self::Mend => "Something has to be put right first.",
        }
    }

    fn of(view: &DeliveryView) -> Self {
        use DeliveryReason as R;
        let Some(reason) = view.delivery.reason else { return Self::Decide };
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
    pub(super) cure: &'static str,
    pub(super) detail: String,
    deadline: Option<Date>,
    /// `by 4 Dec, 7 days left`; empty where there is none.
    pub(super) by: String,
    pub(super) holder: String,
    pub(super) holder_what: String,
}

/// An event that needs a person.
pub(super) struct EventNeed {
    pub(super) row: EventRow,
    pub(super) cure: &'static str,
    pub(super) detail: String,
}

/// All that needs a person, as far as a page shows it.
pub(super) struct Needs {
    pub(super) calls: Vec<Need>,
    pub(super) events: Vec<EventNeed>,
    pub(super) more: bool,
}

/// What needs a person, as far as `who` may see it, of one mode or of both: the soonest deadline of the most urgent task
/// first. At most so many of each kind.
pub(super) async fn needs(state: &Shared, who: &Who, mode: Option<Mode>, limit: u32) -> Result<Needs, Problem> {
    let lens = Lens::of(state);
    let business = || who.business.clone();
    let deliveries = DeliveryFilter { attention: true, business: business(), mode, limit, ..DeliveryFilter::default() };
    let events = EventFilter { attention: true, business: business(), mode, limit, ..EventFilter::default() };
    let deliveries = state.store.deliveries(deliveries).await?;
    let events = state.store.events(events).await?;
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = deliveries.len() >= full || events.len() >= full;
    let mut calls: Vec<Need> = deliveries.iter().map(|view| need(&lens, view)).collect();
    calls.sort_by_key(|need| (need.task, need.deadline.unwrap_or(Date::MAX)));
    Ok(Needs { calls, events: events.iter().map(|event| event_need(&lens, event)).collect(), more })
}

fn need(lens: &Lens<'_>, view: &DeliveryView) -> Need {
    let d = &view.delivery;
    let task = Task::of(view);
    let hold = d.receipt.as_ref().and_then(|receipt| date(receipt.hold_until.as_deref()?));
    let deadline = hold.filter(|_| d.state.is_acknowledged());
    let by = deadline.map(|hold| {
        let left = lens.today.until(hold).map(|span| span.get_days()).unwrap_or_default();
        let left = match left {
            ..0 => "past".to_owned(),
            0 => "today".to_owned(),
            1 => "1 day left".to_owned(),
            n => format!("{n} days left"),
        };
        format!("by {}, {left}", lens.day(hold))
    });
    let reason = d.reason.map(DeliveryReason::reason);
    let (holder, holder_what) =
        view.day_holder.as_ref().map(|(id, what)| (id.to_string(), what.clone())).unwrap_or_default();
    Need {
        task,
        verb: task.title(),
        row: lens.row(view),
        why: reason.map(Reason::sentence).unwrap_or_default(),
        // What to do stands above the group, and on the buttons.
        cure: reason.filter(|_| task >= Task::Credit).map(cures::of_reason).unwrap_or_default(),
        detail: d.detail.clone().unwrap_or_default(),
        deadline,
        by: by.unwrap_or_default(),
        holder,
        holder_what,
    }
}

fn event_need(lens: &Lens<'_>, event: &EventView) -> EventNeed {
    let cure = event.reason.map(|reason| cures::of_reason(reason.into())).unwrap_or_default();
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
    events: &'a [EventNeed],
    paused: Vec<Paused>,
    differing: Vec<&'a LastReconciliation>,
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

/// The routes that are paused.
pub(super) fn paused(asked: &Asked) -> Vec<Paused> {
    let paused = asked.now.stats.routes.iter().filter(|route| route.state == "paused");
    paused
        .map(|route| Paused {
            name: format!("{}/{}", route.business, route.product),
            why: route.detail.clone().unwrap_or_default(),
        })
        .collect()
}

/// `GET /attention`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let mut needs = needs(&state, &asked.caller().who, None, PAGE_ITEMS_MAX).await?;
    let frame = asked.frame(&state, "attention", "Attention");
    if frame.may_act {
        name_days(&Lens::of(&state), needs.calls.iter_mut().map(|need| &mut need.row).collect()).await?;
    }
    let group = |task: &Task| Group {
        title: task.title(),
        about: task.about(),
        needs: needs.calls.iter().filter(|need| need.task == *task).collect(),
    };
    let groups = Task::ALL.iter().map(group).filter(|group| !group.needs.is_empty()).collect();
    let refairn = state.refairn_url.as_str();
    let differing = asked.now.stats.reconciliations.iter().filter(|last| last.to_see > 0).collect();
    let (events, paused, more) = (&needs.events, paused(&asked), needs.more);
    answer(&Page { frame, groups, events, paused, differing, more, refairn })
}
