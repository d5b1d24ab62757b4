//! Reconciliations: what was listed is compared with what we have, some customers at a time; then what we have and the
//! provider does not list.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::{Step, Worker};
use crate::clock::after;
use crate::domain::backfill::Purpose;
use crate::domain::endpoint::Endpoint;
use crate::providers::provider;
use crate::store::{Backfill, StoreError, Whose};
use crate::telemetry::events;

/// The last full days that a reconciliation compares which begins by itself: a payment may be listed late.
const DAYS_MIN: i64 = 3;
/// Most of them.
const DAYS_MAX: i64 = 31;
/// A day, seconds.
const DAY_S: u64 = 86_400;

impl Worker {
    /// Compares the next rows that belong together.
    pub(super) async fn compare(&self, backfill: &Backfill, endpoint: &Endpoint) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let rows = self.store.to_weigh(backfill.id).await?;
        let zone = &endpoint.rules.time_zone;
        if !rows.is_empty() {
            let rows = rows.into_iter().map(|row| self.read(row, endpoint, now)).collect();
            self.store.compare_listed(backfill, endpoint.provider, zone.clone(), rows, now).await?;
            return Ok(Step::Next(None));
        }
        let key = endpoint.api_key.as_ref().map(|key| key.expose());
        let mode = key.and_then(|key| provider(endpoint.provider).descriptor().mode_of_key(key));
        let whose = Whose { business: endpoint.business.clone(), realm: endpoint.realm(), mode };
        if self.store.compare_ours(backfill, &whose, now).await? {
            return Ok(Step::Next(None));
        }
        let name = zone.iana_name().unwrap_or("UTC");
        let summary = self.store.keep_reconciliation(backfill, name, now).await?;
        events::reconciled(&endpoint.name, provider(endpoint.provider).descriptor().title, summary.to_see());
        Ok(Step::Next(None))
    }

    /// Begins the reconciliations that are due by themselves; gives when the next one is.
    pub(super) async fn begin_comparisons(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        for endpoint in self.endpoints.values() {
            let Some(every) = endpoint.reconcile_every else { continue };
            let last = self.store.last_comparison(&endpoint.name).await?;
            // One that is under way is not replaced by one of later days: it would never end.
            let is_free = last.is_none_or(|(_, is_over)| is_over);
            let mut due_at = last.map_or(now, |(begun_at, _)| after(begun_at, every));
            if due_at <= now {
                if let Some(period) = last_days(endpoint, every, now).filter(|_| is_free) {
                    let _ = self.store.start_backfill(Purpose::Compare, &endpoint.name, period, None, now).await;
                }
                // Once it is over, the next look finds when it is time again.
                due_at = after(now, every);
            }
            next = Some(next.map_or(due_at, |next: Timestamp| next.min(due_at)));
        }
        Ok(next)
    }
}

/// The last full days: as many as lie between two comparisons, and some before them.
fn last_days(endpoint: &Endpoint, every: Duration, now: Timestamp) -> Option<[Timestamp; 2]> {
    let zone = &endpoint.rules.time_zone;
    let start = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp());
    let days = i64::try_from(every.as_secs().div_ceil(DAY_S)).unwrap_or(DAYS_MAX);
    let days = (days + DAYS_MIN - 1).clamp(DAYS_MIN, DAYS_MAX);
    let today = now.to_zoned(zone.clone()).date();
    let since = start(today.checked_sub(days.days()).ok()?)?;
    let until = start(today)?.checked_sub(jiff::SignedDuration::from_micros(1)).ok()?;
    Some([since, until])
}
