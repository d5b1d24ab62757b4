//! Today: does money flow, and is anybody needed.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::TryFutureExt;
use futures_util::future::try_join4;
use jiff::civil::Date;

use super::attention::{Need, Obstacles, needs, obstacles};
use super::chart::{Chart, Range};
use super::frame::{Asked, Frame, answer};
use super::payments::{Sum, by_currency, is_unknown, number};
use super::period::Period;
use super::set_up::{Pipe, pipes};
use super::view::Lens;
use super::words::{Moment, count, counted};
use crate::domain::mode::Mode;
use crate::http::parameters::Parameters;
use crate::http::payments::start_of;
use crate::http::problem::Problem;
use crate::http::{AppState, Shared};
use crate::store::days::Counts;
use crate::store::payments::PaymentFilter;
use crate::store::stats::COUNTED_MAX;

/// Things that need a person, as far as this page shows them.
const NEEDS_SHOWN: usize = 5;
/// Calls that need a person of which it looks for the most urgent.
const NEEDS_CONSIDERED: u32 = 100;

#[derive(Template)]
#[template(path = "today.html")]
struct Page<'a> {
    frame: Frame,
    /// The sentence, in two parts: how it goes, and what there was.
    head: &'static str,
    is_bad: bool,
    told: String,
    last: Option<Moment>,
    boxes: Boxes,
    chart: Chart,
    range: Range,
    mode: Mode,
    needs: Vec<Need>,
    event_needs: i64,
    needs_all: String,
    obstacles: Obstacles<'a>,
    pipes: Vec<Pipe>,
}

/// What there was in the time that the chart shows.
struct Boxes {
    credited: String,
    credited_money: Vec<String>,
    nobody: String,
    nobody_money: Vec<String>,
    /// How many of them it is not known of.
    unknown: i64,
    on_its_way: String,
    next_due: Option<Moment>,
    needs_you: String,
    first_deadline: String,
}

/// `GET /`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let range = query.one_of("range", Range::ALL, Range::code)?.unwrap_or(Range::Month);
    let mode = query.one_of("mode", &[Mode::Live, Mode::Test], Mode::code)?.unwrap_or(Mode::Live);
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let lens = Lens::of(&state);
    let start = |day: Date| start_of(day, &state.time_zone).unwrap_or(lens.now);
    let mut spans = range.spans(lens.today);
    spans.push((lens.today, lens.today.tomorrow().unwrap_or(lens.today)));
    let times: Vec<_> = spans.into_iter().map(|(first, next)| (start(first), start(next))).collect();
    let (mut counts, open, sums, needs) = try_join4(
        state.store.payments_within(&times, mode).err_into(),
        state.store.open_of(mode).err_into(),
        sums(&state, range, mode),
        needs(&state, &asked.caller().who, Some(mode), (NEEDS_CONSIDERED, NEEDS_SHOWN)),
    )
    .await?;
    // The last time is this day, which is asked for in any range.
    let today = counts.pop().unwrap_or_default();
    let chart = Chart::new(range, lens.today, &counts);
    let (stats, pipes) = (&asked.now.stats, pipes(&state, &asked).await?);
    let obstacles = obstacles(&lens, stats, Some(mode));
    let needs_you = count(needs.all_calls + needs.all_events + obstacles.count());
    let of_mode = stats.last_webhooks.iter().filter(|last| last.mode == mode.code());
    let last = of_mode.filter_map(|last| last.at).max();
    let boxes = Boxes {
        credited: count(chart.sum.credited),
        credited_money: sums.credited_money,
        nobody: count(chart.sum.nobody),
        nobody_money: sums.nobody_money,
        unknown: sums.unknown,
        on_its_way: at_least(open.calls),
        next_due: open.first_due.map(|at| lens.moment(at.max(lens.now))),
        needs_you: needs_you.clone(),
        first_deadline: needs.first_deadline,
    };
    let is_bad = !obstacles.paused.is_empty();
    let head = match (is_bad, last) {
        (true, _) => "Refairn refuses our calls.",
        (false, None) => "Nothing has come yet.",
        (false, Some(_)) if mode == Mode::Test => "These are tests.",
        (false, Some(_)) => "Money flows.",
    };
    let told = told(today);
    let mut frame = asked.frame(&state, "today", "Today");
    frame.test = mode == Mode::Test;
    let event_needs = needs.all_events;
    let needs_all = needs_you;
    let last = last.map(|at| lens.ago(at));
    answer(&Page {
        frame,
        head,
        is_bad,
        told,
        last,
        boxes,
        chart,
        range,
        mode,
        needs: needs.calls,
        event_needs,
        needs_all,
        obstacles,
        pipes,
    })
}

/// A count that goes no further than the calls are counted.
fn at_least(n: i64) -> String {
    if n < COUNTED_MAX { count(n) } else { format!("{} and more", count(n)) }
}

/// What came of this day's payments so far.
fn told(today: Counts) -> String {
    let all = counted(today.total(), "payment");
    let left = [(today.on_its_way, "on the way"), (today.undecided, "held or refused")];
    let left: Vec<String> =
        left.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", count(*n))).collect();
    match (today.total(), left.is_empty()) {
        (0, _) => "No payment yet today".to_owned(),
        (_, true) => format!("{all} today, every one told"),
        (_, false) => format!("{all} today, {}", left.join(" and ")),
    }
}

/// What payments that were told add up to by currency.
struct Sums {
    credited_money: Vec<String>,
    nobody_money: Vec<String>,
    unknown: i64,
}

/// Of the same payments as the chart and the lists that the boxes lead to.
async fn sums(state: &Shared, range: Range, mode: Mode) -> Result<Sums, Problem> {
    let lens = Lens::of(state);
    let (first, end) = Period::Last(range).days(lens.today);
    let from = start_of(first, &state.time_zone);
    let to = end.and_then(|day| start_of(day, &state.time_zone));
    let filter = PaymentFilter { from, to, mode: Some(mode), ..PaymentFilter::default() };
    let (totals, _) = state.store.totals(&filter).await?;
    let by_currency = by_currency(&totals);
    let of_some = |money: fn(&Sum) -> &String| {
        by_currency.iter().map(money).filter(|money| !money.is_empty()).cloned().collect::<Vec<_>>()
    };
    Ok(Sums {
        credited_money: of_some(|sum| &sum.credited),
        nobody_money: of_some(|sum| &sum.nobody),
        unknown: number(&totals, is_unknown),
    })
}
