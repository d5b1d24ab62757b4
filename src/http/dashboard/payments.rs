//! Payments of a month, or of the last days: what they add up to, and each of them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::future::try_join;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::compared::{Month, months as months_compared};
use super::frame::{Asked, Frame, answer};
use super::period::Period;
use super::view::{Lens, Row};
use super::words::{count, counted, money};
use crate::domain::delivery::Fate;
use crate::domain::mode::Mode;
use crate::http::api::{after, page_is_full};
use crate::http::parameters::Parameters;
use crate::http::payments::start_of;
use crate::http::problem::Problem;
use crate::http::{AppState, Shared, rights};
use crate::store::StoreError;
use crate::store::payments::{CODE_EVENTS_MAX, PaymentFilter};
use crate::store::totals::Total;

/// Payments of a page.
const PAGE_ITEMS: u32 = 100;
/// Payments that a page adds up where that is not kept, the newest. Of a code there are fewer.
const ADDED_UP_MAX: u32 = 10_000;

/// What became of payments, as a list can be asked for it: what the address says, its words, and the fates.
struct Became(&'static str, &'static str, &'static [Fate]);

const BECAME: &[Became] = &[
    Became(Fate::Credited.code(), "Credited", &[Fate::Credited]),
    // What Today and its chart count together.
    Became("nobody", "Nobody credited, or not known", &[Fate::CreditedNobody, Fate::CreditUnknown]),
    Became(Fate::CreditedNobody.code(), "Told, nobody credited", &[Fate::CreditedNobody]),
    Became(Fate::CreditUnknown.code(), "Told, credit not known", &[Fate::CreditUnknown]),
];

/// What the filters are.
#[derive(Default)]
struct Filters {
    month: String,
    fate: &'static str,
    agent: String,
    code: String,
    mode: &'static str,
}

impl Filters {
    /// The address of a page with them.
    fn path(&self, after: &str) -> String {
        let parts = [
            ("month", self.month.as_str()),
            ("fate", self.fate),
            ("agent", &self.agent),
            ("code", &self.code),
            ("mode", self.mode),
            ("after", after),
        ];
        let given = parts.iter().filter(|(_, value)| !value.is_empty());
        let given = given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        format!("/payments?{}", given.collect::<Vec<_>>().join("&"))
    }
}

/// Payments of one currency.
pub(super) struct Sum {
    currency: String,
    pub(super) credited: String,
    pub(super) nobody: String,
    rest: String,
    payments: String,
}

#[derive(Template)]
#[template(path = "payments.html")]
struct Page {
    frame: Frame,
    head: String,
    title: String,
    periods: Vec<(String, String)>,
    became: &'static [Became],
    filters: Filters,
    sums: Vec<Sum>,
    is_complete: bool,
    looked_at_max: String,
    lists_all: bool,
    code_events_max: String,
    compared: Vec<Month>,
    may_compare: bool,
    rows: Vec<Row>,
    next: String,
    is_first: bool,
}

/// `GET /payments`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let lens = Lens::of(&state);
    let period = query.parsed("month", Period::EXPECTED, Period::read)?;
    let period = period.unwrap_or(Period::Month(lens.today.first_of_month()));
    let mode = query.one_of("mode", &[Mode::Live, Mode::Test], Mode::code)?.unwrap_or(Mode::Live);
    let became = query.one_of("fate", &BECAME.iter().collect::<Vec<_>>(), |one| one.0)?;
    let (agent, code, after) = (query.text("agent"), query.text("code"), after(&mut query, "dlv_")?);
    query.close()?;
    let (first, end) = period.days(lens.today);
    let filters = Filters {
        month: period.code(),
        fate: became.map_or("", |one| one.0),
        agent: agent.clone().unwrap_or_default(),
        code: code.clone().unwrap_or_default(),
        mode: mode.code(),
    };
    let filter = PaymentFilter {
        from: start_of(first, &state.time_zone),
        to: end.and_then(|day| start_of(day, &state.time_zone)),
        agent,
        code,
        mode: Some(mode),
        fates: became.map_or(&[][..], |one| one.2).to_vec(),
        business: asked.caller().business(),
        limit: PAGE_ITEMS,
        after,
    };
    // Of a code the sums are of the customers whose payments are listed.
    let most = if filter.code.is_some() { CODE_EVENTS_MAX } else { ADDED_UP_MAX };
    // Only the first page is about the month as a whole.
    let of_month = async {
        if after.is_some() {
            return Ok::<_, StoreError>((Vec::new(), true, Vec::new()));
        }
        let (totals, is_complete) = state.store.totals_soon(&filter, most).await?;
        Ok((totals, is_complete, compared(&state, &lens, period, &filter).await?))
    };
    let listed = try_join(state.store.payment_lines(&filter), state.store.lists_all(&filter));
    let ((found, lists_all), (totals, is_complete, compared)) = try_join(listed, of_month).await?;
    let next = found.last().and_then(|view| view.delivery.id).map(|id| id.to_string());
    let next = next.filter(|_| page_is_full(found.len(), PAGE_ITEMS)).map(|id| filters.path(&id));
    let mut frame = asked.frame(&state, "payments", "Payments");
    frame.test = mode == Mode::Test;
    let title = period.words();
    answer(&Page {
        frame,
        head: if after.is_none() { head(&title, &totals) } else { format!("{title}, further payments.") },
        title,
        periods: Period::all(lens.today).map(|period| (period.code(), period.words())).collect(),
        became: BECAME,
        filters,
        sums: by_currency(&totals),
        is_complete,
        looked_at_max: count(i64::from(most)),
        lists_all,
        code_events_max: count(i64::from(CODE_EVENTS_MAX)),
        compared,
        may_compare: rights::may_post(rights::COMPARE, &asked.caller().who),
        rows: found.iter().map(|view| lens.row(view)).collect(),
        next: next.unwrap_or_default(),
        is_first: after.is_none(),
    })
}

/// The month at its providers. A comparison is of all payments of a month: beside others it has nothing to say.
async fn compared(
    state: &Shared,
    lens: &Lens<'_>,
    period: Period,
    filter: &PaymentFilter,
) -> Result<Vec<Month>, StoreError> {
    let PaymentFilter { agent, code, fates, business, mode, .. } = filter;
    match (period, mode) {
        (Period::Month(month), Some(mode)) if agent.is_none() && code.is_none() && fates.is_empty() => {
            months_compared(state, lens, month, *mode, business.as_deref()).await
        }
        _ => Ok(Vec::new()),
    }
}

/// An agent gets something for it.
fn is_credited(fate: Option<Fate>) -> bool {
    fate == Some(Fate::Credited)
}

/// Refairn was told, and nobody is credited, or it is not known who.
const fn is_nobodys(fate: Option<Fate>) -> bool {
    matches!(fate, Some(Fate::CreditedNobody | Fate::CreditUnknown))
}

/// Refairn was told, and it is not known who is credited.
pub(super) fn is_unknown(fate: Option<Fate>) -> bool {
    fate == Some(Fate::CreditUnknown)
}

/// How many payments have such a fate.
pub(super) fn number(totals: &[Total], wanted: fn(Option<Fate>) -> bool) -> i64 {
    let of_fate = totals.iter().filter(|total| wanted(total.fate)).map(|total| total.payments).sum::<u64>();
    i64::try_from(of_fate).unwrap_or(i64::MAX)
}

/// The time in a sentence.
fn head(title: &str, totals: &[Total]) -> String {
    let (all, credited) = (number(totals, |_| true), number(totals, is_credited));
    let told = number(totals, |fate| fate.is_some());
    if all == 0 {
        return format!("{title}: no payment.");
    }
    format!("{title}: {}, {} told, {} credited.", counted(all, "payment"), count(told), count(credited))
}

/// A row for each currency: amounts of two currencies are never added.
pub(super) fn by_currency(totals: &[Total]) -> Vec<Sum> {
    let mut currencies: Vec<_> = totals.iter().map(|total| total.currency).collect();
    currencies.dedup();
    let row = |currency| {
        let of = |wanted: fn(Option<Fate>) -> bool| {
            let mut chosen = totals.iter().filter(|total| total.currency == currency && wanted(total.fate)).peekable();
            if chosen.peek().is_none() {
                return String::new();
            }
            let amount = chosen.try_fold(rust_decimal::Decimal::ZERO, |sum, total| sum.checked_add(total.amount?));
            amount.map_or_else(|| "too long to add up".to_owned(), |amount| money(amount, currency))
        };
        let payments =
            totals.iter().filter(|total| total.currency == currency).map(|total| total.payments).sum::<u64>();
        Sum {
            currency: currency.code(),
            credited: of(is_credited),
            nobody: of(is_nobodys),
            rest: of(|fate| fate.is_none()),
            payments: count(i64::try_from(payments).unwrap_or(i64::MAX)),
        }
    };
    currencies.into_iter().map(row).collect()
}
