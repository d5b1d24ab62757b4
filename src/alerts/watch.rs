//! What is so now that somebody has to know.

use std::path::Path;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::{Watched, differences};
use crate::domain::alert::{AlertItem, AlertKind, MORE};
use crate::domain::mode::Mode;
use crate::domain::reach::Reach;
use crate::store::alerts::{TASKS_MAX, Task};
use crate::store::{STANDING_MAX, Store, StoreError};

/// How many days before its hold date a commission that has to be reversed is told of.
const DEADLINE_DAYS: i64 = 2;

/// What is so, and of which kinds that could not be found out.
pub(super) struct Found {
    pub(super) items: Vec<AlertItem>,
    pub(super) unknown: Vec<AlertKind>,
}

/// Looks at everything.
pub(super) async fn look(
    store: &Store,
    watched: &Watched,
    reach: Option<Reach>,
    now: Timestamp,
) -> Result<Found, StoreError> {
    let mut found = Found { items: Vec::new(), unknown: Vec::new() };
    let today = now.to_zoned(watched.time_zone.clone()).date();
    match store.tasks().await? {
        Some(tasks) => tasks.iter().for_each(|task| found.items.extend(of_task(task, today))),
        None => {
            found.unknown.push(AlertKind::Deadline);
            let text = format!("More than {TASKS_MAX} things need a person.");
            more_than(&mut found, AlertKind::Attention, text, "/attention");
        }
    }
    match differences::look(store, watched).await? {
        Some(items) => found.items.extend(items),
        None => {
            let text = format!("More than {STANDING_MAX} payments stand otherwise at their provider.");
            more_than(&mut found, AlertKind::Difference, text, "/payments");
        }
    }
    let paused = store.stats().await?.routes.into_iter().filter(|route| route.paused_since.is_some());
    found.items.extend(paused.map(|route| {
        let name = format!("{}/{}", route.business, route.product);
        let text = format!("Refairn refuses our API key, business or product: calls for {name} wait.");
        item(AlertKind::RoutePaused, format!("route {name}"), text, "/attention")
    }));
    // What was told before a restart is over when Refairn has answered, and not because nobody has asked it yet.
    match reach.and_then(|reach| reach.is_outage(now)) {
        Some(true) => found.items.push(item(AlertKind::RefairnDown, "refairn".to_owned(), of_outage(reach), "/")),
        Some(false) => {}
        None => found.unknown.push(AlertKind::RefairnDown),
    }
    found.items.extend(silent(store, watched, now).await?);
    match watched.file.as_deref().map(free_mib) {
        Some(Some(free)) if free < watched.disk_free_min_mib => {
            let text = format!("The disk of the database is nearly full: {free} MiB are free.");
            found.items.push(item(AlertKind::DiskNearlyFull, "disk".to_owned(), text, "/set-up"));
        }
        Some(Some(_)) | None => {}
        Some(None) => found.unknown.push(AlertKind::DiskNearlyFull),
    }
    Ok(found)
}

/// What is told of an outage. Of a few customers' calls nobody knows whether others would go through.
fn of_outage(reach: Option<Reach>) -> String {
    match reach {
        Some(Reach::Fails { is_down: false, .. }) => {
            "Calls to Refairn fail, and none has gone through since: they wait, and go out by themselves when it answers."
        }
        Some(Reach::Fails { .. } | Reach::Answers) | None => {
            "Refairn does not answer: calls wait, and go out by themselves when it does."
        }
    }
    .to_owned()
}

/// How much room a file's disk has left. `None` when that cannot be found out.
fn free_mib(file: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(file).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize) >> 20)
}

/// What is told of more than can be told one by one: those that were told stay as they are.
fn more_than(found: &mut Found, kind: AlertKind, text: String, path: &str) {
    found.unknown.push(kind);
    found.items.push(item(kind, format!("{}{MORE}", kind.code()), text, path));
}

fn item(kind: AlertKind, item: String, text: String, path: impl Into<String>) -> AlertItem {
    AlertItem { item, kind, text, path: path.into() }
}

/// What is told of something that needs a person.
fn of_task(task: &Task, today: Date) -> Vec<AlertItem> {
    let Task { id, reason: (code, sentence), hold_until } = task;
    let path = if id.starts_with("dlv_") { format!("/deliveries/{id}") } else { format!("/events/{id}") };
    let text = format!("{id} needs a person: {code}. {sentence}");
    let mut items = vec![item(AlertKind::Attention, format!("attention {id}"), text, path.clone())];
    let hold = hold_until.as_deref().and_then(|text| text.get(..10)?.parse::<Date>().ok());
    let from = hold.and_then(|hold| hold.checked_sub(DEADLINE_DAYS.days()).ok());
    if let (Some(hold), true) = (hold, from.is_some_and(|from| from <= today)) {
        let text = format!("The commission of {id} has to be reversed in Refairn by {hold}.");
        items.push(item(AlertKind::Deadline, format!("deadline {id}"), text, path));
    }
    items
}

/// The endpoints to which nothing real has come for too long, and something had come before.
async fn silent(store: &Store, watched: &Watched, now: Timestamp) -> Result<Vec<AlertItem>, StoreError> {
    let Some(longest) = watched.silent_after else { return Ok(Vec::new()) };
    let last = store.last_webhooks(watched.endpoints.iter().map(String::as_str)).await?;
    let live = last.into_iter().filter(|last| last.mode == Mode::Live);
    let silent = live.filter(|last| last.at.is_some_and(|at| now.duration_since(at).unsigned_abs() >= longest));
    let hours = longest.as_secs() / 3600;
    let told = |name: String| {
        let text = format!("No live webhook has come to endpoint {name} for {hours} hours.");
        item(AlertKind::Silent, format!("silent {name}"), text, "/set-up")
    };
    Ok(silent.map(|last| told(last.endpoint)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commission_is_told_of_two_days_before_its_hold_date() {
        let check = |hold: Option<&str>, expected: usize| {
            let hold_until = hold.map(str::to_owned);
            let task = Task { id: "dlv_1".to_owned(), reason: ("reversed", "It went back."), hold_until };
            let items = of_task(&task, "2026-06-15".parse().unwrap());
            assert_eq!(items.len(), expected, "{hold:?}");
            assert!(items.iter().all(|item| item.path == "/deliveries/dlv_1"));
        };
        check(None, 1);
        check(Some("2026-06-18"), 1);
        check(Some("2026-06-17T00:00:00.000Z"), 2);
        check(Some("2026-06-01"), 2);
        check(Some("soon"), 1);
    }
}
