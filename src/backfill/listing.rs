//! A page of a list: asked for, read as events are, and written.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;

use super::answer::{PageError, answer};
use super::{Step, Worker, recorded};
use crate::clock::after;
use crate::domain::backfill::Purpose;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Identity;
use crate::domain::fact::{FactKind, Reading};
use crate::domain::redact::Redactor;
use crate::outbound::{Bearer, Method, Request};
use crate::providers::list::{List, Lists, Page, Period, Row};
use crate::providers::{Provider, provider};
use crate::store::{Backfill, Listed, Place, StoreError, Written, body};

/// What was paid so long before or after the time of a reconciliation is compared where ours was paid within it.
const COMPARED_BESIDE: Duration = Duration::from_secs(3 * 86_400);

impl Worker {
    /// Asks for the next page, and writes what it has.
    pub(super) async fn list(&self, backfill: &Backfill, endpoint: &Endpoint) -> Result<Step, StoreError> {
        let begun_at = self.clock.now();
        let of = provider(endpoint.provider);
        let Some(lists) = of.lists() else {
            return Ok(Step::Failed(format!("{} has no lists that could be read", of.descriptor().title)));
        };
        let period = Period { since: backfill.since, until: backfill.until, begun_at: backfill.created_at };
        let all = lists.of_period(&period, &endpoint.rules);
        let number = usize::try_from(backfill.place.list).ok();
        let Some(list) = number.and_then(|number| all.get(number)) else {
            return Ok(Step::Failed("its place is in none of the provider's lists: begin it anew".to_owned()));
        };
        let path = backfill.place.page.as_deref().unwrap_or(&list.path);
        let page = match self.ask(endpoint, lists, list, path).await {
            Ok(page) => page,
            Err(PageError::TryLater { retry_after, message }) => return Ok(Step::Again(retry_after, message)),
            Err(PageError::Refused(message)) => {
                let (title, name) = (of.descriptor().title, &endpoint.name);
                return Ok(Step::Failed(format!(
                    "the api_key of endpoint {name} may not read {} at {title}: {message}",
                    list.right
                )));
            }
            Err(PageError::Unlike(message)) => return Ok(Step::Failed(message)),
        };
        let now = self.clock.now();
        let next = match page.next {
            Some(page) => Some(Place { list: backfill.place.list, page: Some(page) }),
            None => Some(Place { list: backfill.place.list + 1, page: None })
                .filter(|next| usize::try_from(next.list).is_ok_and(|next| next < all.len())),
        };
        let count = page.rows.len();
        // What one side dates a day earlier is compared, too.
        let margin = match backfill.purpose {
            Purpose::Record => Duration::ZERO,
            Purpose::Compare => COMPARED_BESIDE,
        };
        let paid = before(period.since, margin)..=after(period.until, margin);
        let rows = self.read_rows(of, page.rows, &paid, endpoint, now)?;
        let ignored = count.saturating_sub(rows.len());
        let page = Written { place: backfill.place.clone(), next, rows, ignored };
        self.store.write_page(backfill.id, page, now).await?;
        // By when it was due, not by when it began: so what a page takes beside the wait for its turn costs no turn. A bridge
        // that is late does not make up for it.
        let gap = Duration::from_secs(1) / lists.requests_per_second().max(1);
        let due_at = after(backfill.due_at, gap);
        Ok(Step::Next(Some(if is_late(due_at, begun_at, gap) { after(begun_at, gap) } else { due_at })))
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
        let body = answer(reply, list.name, &Redactor::of(api_key))?;
        let page = lists.page(list, path, &body, self.clock.now()).map_err(|what| PageError::TryLater {
            retry_after: None,
            message: format!("the provider's answer is not what was asked for: {what}"),
        })?;
        if page.next.as_deref() == Some(path) {
            return Err(PageError::Unlike(format!("the provider's pages of {} go in a circle", list.name)));
        }
        Ok(page)
    }

    /// The rows that report something of the period.
    fn read_rows(
        &self,
        of: &dyn Provider,
        rows: Vec<Row>,
        paid: &RangeInclusive<Timestamp>,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        for row in rows {
            let identity = identity(of, &row);
            let body_zstd = body::compress(&row.body)?;
            let readable = row.body.len() <= self.body_bytes_max;
            let reading = self.reader.map(recorded(body_zstd.clone(), endpoint, now)).reading;
            listed.extend(match reading {
                Reading::Fact(fact) => {
                    let paid_at_another_time = matches!(fact.matter, FactKind::Payment(_)) && !paid.contains(&fact.at);
                    (!paid_at_another_time).then(|| Listed::of(&fact, identity, body_zstd))
                }
                Reading::Ignored(_) => None,
                // The store keeps no body that is longer than a webhook's may be.
                Reading::Unmappable(..) => readable.then(|| Listed::unreadable(identity, body_zstd, now)),
            });
        }
        Ok(listed)
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
