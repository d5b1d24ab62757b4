//! A page of a list: asked for, read as events are, and written.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures_util::future::join;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::answer::{PageError, answer};
use super::{Step, Worker, recorded};
use crate::clock::after;
use crate::domain::backfill::Purpose;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Identity;
use crate::domain::fact::{FactKind, Reading};
use crate::domain::redact::Redactor;
use crate::mapping::Reader;
use crate::outbound::{Bearer, Method, Request};
use crate::providers::list::{List, Lists, Page, Period, Row};
use crate::providers::{Provider, provider};
use crate::store::{Backfill, Listed, Place, StoreError, Written, body};
use crate::tasks::blocking;

/// What was paid so long before or after the time of a reconciliation is compared where ours was paid within it.
const COMPARED_BESIDE: Duration = Duration::from_secs(3 * 86_400);
/// No further page is asked for after so long: others may have to be listed, too.
const TURN: Duration = Duration::from_secs(1);

/// What is listed, and for whom.
struct Listing<'a> {
    backfill: &'a Backfill,
    endpoint: &'a Endpoint,
    of: &'static dyn Provider,
    lists: &'static dyn Lists,
    all: Vec<List>,
}

/// A page that has come and is not written yet.
struct Fetched {
    rows: Vec<Row>,
    place: Place,
    next: Option<Place>,
    /// When it is the next page's turn.
    next_due_at: Timestamp,
}

impl Worker {
    /// Asks for the next pages, for about a second. A page is written while the next one is on its way.
    pub(super) async fn list(
        &self,
        backfill: &Backfill,
        endpoint: &Endpoint,
        stop: &CancellationToken,
    ) -> Result<Step, StoreError> {
        let begun = Instant::now();
        let of = provider(endpoint.provider);
        let Some(lists) = of.lists() else {
            return Ok(Step::Failed(format!("{} has no lists that could be read", of.descriptor().title)));
        };
        let period = Period { since: backfill.since, until: backfill.until, begun_at: backfill.created_at };
        let all = lists.of_period(&period, &endpoint.rules);
        let listing = Listing { backfill, endpoint, of, lists, all };
        let mut fetched = match self.fetch(&listing, backfill.place.clone(), backfill.due_at, stop).await {
            Ok(fetched) => fetched,
            Err(step) => return Ok(step),
        };
        loop {
            let due_at = fetched.next_due_at;
            let more = fetched.next.clone().filter(|_| begun.elapsed() < TURN && !stop.is_cancelled());
            let ask = async {
                match more {
                    Some(place) => Some(self.fetch(&listing, place, due_at, stop).await),
                    None => None,
                }
            };
            let (written, next) = join(self.write_fetched(&listing, fetched), ask).await;
            if !written? {
                return Ok(Step::Next(None));
            }
            fetched = match next {
                Some(Ok(next)) => next,
                Some(Err(step)) => return Ok(step),
                None => return Ok(Step::Next(Some(due_at))),
            };
        }
    }

    /// Asks for a page once it is its turn.
    async fn fetch(
        &self,
        listing: &Listing<'_>,
        place: Place,
        due_at: Timestamp,
        stop: &CancellationToken,
    ) -> Result<Fetched, Step> {
        let Listing { endpoint, of, lists, all, .. } = listing;
        tokio::select! {
            () = self.clock.sleep_until(due_at) => {}
            () = stop.cancelled() => return Err(Step::Next(Some(due_at))),
        }
        let begun_at = self.clock.now();
        let number = usize::try_from(place.list).ok();
        let Some(list) = number.and_then(|number| all.get(number)) else {
            return Err(Step::Failed("its place is in none of the provider's lists: begin it anew".to_owned()));
        };
        let path = place.page.as_deref().unwrap_or(&list.path);
        let page = self.ask(endpoint, *lists, list, path).await.map_err(|error| match error {
            PageError::TryLater { retry_after, message } => Step::Again(retry_after, message),
            PageError::Refused(message) => {
                let (title, name) = (of.descriptor().title, &endpoint.name);
                Step::Failed(format!(
                    "the api_key of endpoint {name} may not read {} at {title}: {message}",
                    list.right
                ))
            }
            PageError::Unlike(message) => Step::Failed(message),
        })?;
        let next = match page.next {
            Some(page) => Some(Place { list: place.list, page: Some(page) }),
            None => Some(Place { list: place.list + 1, page: None })
                .filter(|next| usize::try_from(next.list).is_ok_and(|next| next < all.len())),
        };
        // By when it was due, not by when it began: so what a page takes beside the wait for its turn costs no turn. A bridge
        // that is late does not make up for it.
        let gap = Duration::from_secs(1) / lists.requests_per_second().max(1);
        let next_due_at = after(due_at, gap);
        let next_due_at = if is_late(next_due_at, begun_at, gap) { after(begun_at, gap) } else { next_due_at };
        Ok(Fetched { rows: page.rows, place, next, next_due_at })
    }

    /// Reads the rows of a page, and writes those that report something. Gives whether its backfill is still listed.
    async fn write_fetched(&self, listing: &Listing<'_>, fetched: Fetched) -> Result<bool, StoreError> {
        let Listing { backfill, endpoint, of, .. } = listing;
        let Fetched { rows, place, next, .. } = fetched;
        let now = self.clock.now();
        // What one side dates a day earlier is compared, too.
        let margin = match backfill.purpose {
            Purpose::Record => Duration::ZERO,
            Purpose::Compare => COMPARED_BESIDE,
        };
        let paid = before(backfill.since, margin)..=after(backfill.until, margin);
        let count = rows.len();
        let (reader, of, endpoint) = (self.reader.clone(), *of, (*endpoint).clone());
        let body_bytes_max = self.body_bytes_max;
        let read = RowReader { reader, of, endpoint, paid, body_bytes_max, now };
        let rows = blocking(move || rows.into_iter().map(|row| read.row(&row)).collect::<Result<Vec<_>, _>>()).await?;
        let rows: Vec<Listed> = rows.into_iter().flatten().collect();
        let ignored = count.saturating_sub(rows.len());
        let page = Written { place, next, rows, ignored };
        self.store.write_page(backfill.id, page, now).await
    }

    async fn ask(&self, endpoint: &Endpoint, lists: &dyn Lists, list: &List, path: &str) -> Result<Page, PageError> {
        let Some(api_key) = &endpoint.api_key else {
            return Err(PageError::Refused("it has none any more".to_owned()));
        };
        let bearer = Bearer::of(api_key)
            .ok_or_else(|| PageError::Refused("it has characters that a header cannot carry".to_owned()))?;
        let headers: Vec<(&str, &str)> =
            std::iter::once(("accept", "application/json")).chain(list.headers.iter().copied()).collect();
        let url = format!("{}{path}", endpoint.api_base_url);
        let request = Request { method: Method::Get, url: &url, bearer: Some(bearer), headers: &headers, body: None };
        let reply = self.client.ask(request).await;
        let (title, at) = (provider(endpoint.provider).descriptor().title, &endpoint.api_base_url);
        let body = answer(reply, title, at, list.name, &Redactor::of(api_key))?;
        let page = lists.page(list, path, &body, self.clock.now()).map_err(|what| PageError::TryLater {
            retry_after: None,
            message: format!("the provider's answer is not what was asked for: {what}"),
        })?;
        if page.next.as_deref() == Some(path) {
            return Err(PageError::Unlike(format!("the provider's pages of {} go in a circle", list.name)));
        }
        Ok(page)
    }
}

/// Reads rows as events are read.
struct RowReader {
    reader: Reader,
    of: &'static dyn Provider,
    endpoint: Endpoint,
    /// When it has to be paid.
    paid: RangeInclusive<Timestamp>,
    body_bytes_max: usize,
    now: Timestamp,
}

impl RowReader {
    /// A row that reports something of the period.
    fn row(&self, row: &Row) -> Result<Option<Listed>, StoreError> {
        let identity = identity(self.of, row);
        let body_zstd = body::compress(&row.body)?;
        let readable = row.body.len() <= self.body_bytes_max;
        let reading = self.reader.map(recorded(body_zstd.clone(), &self.endpoint, self.now)).reading;
        Ok(match reading {
            Reading::Fact(fact) => {
                let paid_at_another_time = matches!(fact.matter, FactKind::Payment(_)) && !self.paid.contains(&fact.at);
                (!paid_at_another_time).then(|| Listed::of(&fact, identity, body_zstd))
            }
            Reading::Ignored(_) => None,
            // The store keeps no body that is longer than a webhook's may be.
            Reading::Unmappable(..) => readable.then(|| Listed::unreadable(identity, body_zstd, self.now)),
        })
    }
}

fn before(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// Whether a page that began at `begun_at` came more than a turn after it was due.
fn is_late(next_due_at: Timestamp, begun_at: Timestamp, gap: Duration) -> bool {
    after(next_due_at, gap) < begun_at || next_due_at > after(begun_at, gap)
}

/// What tells the event of a row from every other of its endpoint.
fn identity(of: &dyn Provider, row: &Row) -> Identity {
    // The mode tells of what the provider sent, and nothing of this was.
    let identity = Identity { mode: None, ..of.identify(&row.body) };
    match &row.name {
        None => identity,
        Some(name) => Identity { dedup_key: format!("listed/{name}"), provider_event_id: None, ..identity },
    }
}
