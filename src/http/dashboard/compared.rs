//! A month beside what its providers list: a sentence for each endpoint, what needs a look, and a button to compare now.

use jiff::Timestamp;
use jiff::civil::Date;

use super::fetching::Fetch;
use super::view::{ActionForm, Lens, Verb};
use super::words::{Moment, count, counted, money};
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::email::Email;
use crate::domain::endpoint::Endpoint;
use crate::domain::mode::Mode;
use crate::domain::reason::EventReason;
use crate::domain::reconciliation::{Compared, Comparison, Summary};
use crate::http::Shared;
use crate::http::backfills::end_of;
use crate::http::payments::start_of;
use crate::http::reconciliations::mode_of_key;
use crate::providers::provider;
use crate::store::{ComparedFilter, Standing, StoreError};

/// Payments that are shown of each endpoint.
const SHOWN: u32 = 50;

/// What is known of a month at one endpoint's provider.
pub(super) struct Month {
    pub(super) endpoint: String,
    path: String,
    /// The sentence; empty before the first comparison.
    pub(super) sentence: String,
    /// When it was compared.
    pub(super) compared: Option<Moment>,
    /// It is being compared.
    pub(super) under_way: bool,
    /// Why the last comparison came to nothing, or what it waits for.
    pub(super) note: String,
    pub(super) rows: Vec<Difference>,
    /// Whether anything of it could be fetched.
    lacks: bool,
    pub(super) fetch: Fetch,
}

/// A payment that needs a look.
pub(super) struct Difference {
    comparison: Comparison,
    pub(super) words: &'static str,
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) what: String,
}

impl Month {
    /// Whether what is missing can be asked for now.
    pub(super) const fn may_be_fetched(&self) -> bool {
        self.lacks && self.fetch.is_open()
    }

    /// The buttons.
    pub(super) fn form<'a>(&'a self, csrf: &'a str, back: &'a str) -> ActionForm<'a> {
        let verb = |action, words: &str| Verb { action, words: words.to_owned(), asks_why: false };
        let mut verbs = vec![verb("compare", "Compare now")];
        if self.may_be_fetched() {
            verbs.insert(0, verb("fetch", "Fetch what is missing"));
        }
        ActionForm { path: self.path.clone(), verbs, asks_why: false, csrf, back, about: &self.endpoint }
    }
}

/// The month at each provider whose lists can be read.
pub(super) async fn months(
    state: &Shared,
    lens: &Lens<'_>,
    month: Date,
    mode: Mode,
    business: Option<&str>,
) -> Result<Vec<Month>, StoreError> {
    let mut months = Vec::new();
    let fetched = state.store.backfills(Purpose::Record).await?;
    // A provider is asked in the mode of its key; where a key does not say it, it is real money.
    let is_seen = |endpoint: &&Endpoint| {
        let of_mode = mode_of_key(endpoint).unwrap_or(Mode::Live) == mode;
        of_mode && business.is_none_or(|business| endpoint.business == business)
    };
    for endpoint in state.endpoints.iter().filter(is_seen) {
        let of = provider(endpoint.provider);
        let zone = &endpoint.rules.time_zone;
        let (Some(since), Some(until)) = (start_of(month, zone), end_of(month.last_of_month(), zone)) else { continue };
        if of.lists().is_none() || endpoint.api_key.is_none() || since > lens.now {
            continue;
        }
        let kept = state.store.reconciliations(Some(&endpoint.name)).await?;
        let kept = kept.into_iter().find(|kept| (kept.since, kept.until) == (since, until));
        // After the result: with a new one nothing is under way any more.
        let under_way = state.store.backfills(Purpose::Compare).await?;
        let last = under_way.iter().find(|b| b.endpoint == endpoint.name && (b.since, b.until) == (since, until));
        let title = of.descriptor().title;
        let fetch = Fetch::of(&fetched, &endpoint.name, [since, until], kept.as_ref().map(|kept| kept.id));
        let mut lacks = kept.as_ref().is_some_and(|kept| kept.summary.lacking() > 0);
        let rows = match &kept {
            Some(kept) => differences(state, kept.id).await?,
            None => {
                let some_days = of_some_days(state, &endpoint.name, [since, until]).await?;
                lacks = some_days.iter().any(|row| Comparison::FETCHED.contains(&row.comparison));
                some_days
            }
        };
        months.push(Month {
            path: format!("/payments/{}/{}", month.strftime("%Y-%m"), endpoint.name),
            sentence: match &kept {
                Some(kept) => sentence(month, title, &kept.summary) + &not_compared(state, endpoint).await?,
                None => String::new(),
            },
            compared: kept.as_ref().map(|kept| lens.ago(kept.compared_at)),
            under_way: last.is_some_and(|b| !b.state.is_over()),
            note: last
                .filter(|b| b.state == BackfillState::Failed || !b.state.is_over())
                .and_then(|b| b.note.clone())
                .unwrap_or_default(),
            rows,
            lacks,
            fetch,
            endpoint: endpoint.name.clone(),
        });
    }
    Ok(months)
}

/// "October: 112 paid at Stripe, 109 told, 2 test, 1 held, missing 0"
fn sentence(month: Date, title: &str, summary: &Summary) -> String {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let paid = summary.totals.iter().map(|totals| totals.provider.count).sum::<u64>();
    let told = summary.totals.iter().map(|totals| totals.told.count).sum::<u64>();
    let test = EventReason::TestModeOff.code();
    let tests = summary.sums.iter().filter(|sum| sum.reason.as_deref() == Some(test)).map(|sum| sum.count).sum::<u64>();
    let mut parts = vec![format!("{} paid at {title}", count(number(paid))), format!("{} told", count(number(told)))];
    parts.extend((tests > 0).then(|| counted(number(tests), "test")));
    let others = Comparison::ALL.iter().filter(|c| !matches!(c, Comparison::Same | Comparison::Missing));
    for comparison in others {
        let own = summary.count(*comparison) - if *comparison == Comparison::Ignored { tests } else { 0 };
        parts.extend((own > 0).then(|| format!("{} {}", count(number(own)), comparison.words())));
    }
    parts.extend((summary.unreadable > 0).then(|| format!("{} unreadable", count(number(summary.unreadable)))));
    parts.push(format!("missing {}", count(number(summary.count(Comparison::Missing)))));
    format!("{}: {}", month.strftime("%B"), parts.join(", "))
}

/// The connected accounts whose sales the endpoint's key does not list.
async fn not_compared(state: &Shared, endpoint: &Endpoint) -> Result<String, StoreError> {
    let accounts = state.store.connected_accounts(&endpoint.realm(), &endpoint.business).await?.len();
    let accounts = i64::try_from(accounts).unwrap_or(i64::MAX);
    Ok(if accounts > 0 { format!("; {} not compared", counted(accounts, "connected account")) } else { String::new() })
}

/// The payments that need a look, the gravest first.
async fn differences(state: &Shared, id: BackfillId) -> Result<Vec<Difference>, StoreError> {
    let mut rows: Vec<Difference> = Vec::new();
    for comparison in Comparison::ALL.iter().rev().filter(|comparison| comparison.needs_a_person()) {
        let left = SHOWN.saturating_sub(u32::try_from(rows.len()).unwrap_or(SHOWN));
        if left == 0 {
            break;
        }
        let filter = ComparedFilter { comparison: Some(*comparison), limit: left, after: None };
        let (found, _) = state.store.compared(id, &filter).await?;
        rows.extend(found.iter().map(difference));
    }
    Ok(rows)
}

/// What comparisons of some days of the month have found, before one of the whole month.
async fn of_some_days(
    state: &Shared,
    endpoint: &str,
    [since, until]: [Timestamp; 2],
) -> Result<Vec<Difference>, StoreError> {
    let found = state.store.standing_differences().await?.unwrap_or_default();
    let is_here = |one: &&Standing| one.endpoint == endpoint && (since..=until).contains(&one.compared.paid_at);
    Ok(found.iter().filter(is_here).take(SHOWN as usize).map(|one| difference(&one.compared)).collect())
}

fn difference(compared: &Compared) -> Difference {
    let side = compared.provider.as_ref().or(compared.ours.as_ref());
    let amount = side.map_or_else(String::new, |side| money(side.amount, side.currency));
    let differs = compared.differs.iter().map(|field| field.code()).collect::<Vec<_>>().join(", ");
    let more = if differs.is_empty() { compared.reason.clone().unwrap_or_default() } else { differs };
    Difference {
        comparison: compared.comparison,
        words: compared.comparison.words(),
        id: compared.id.clone(),
        customer: side.and_then(|side| side.email.as_ref()).map_or("", Email::as_given).to_owned(),
        what: if more.is_empty() { amount } else { format!("{amount} · {more}") },
    }
}
