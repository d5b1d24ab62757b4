//! `events remap --changed`: what an update reads otherwise, and what would follow.

use std::collections::BTreeMap;

use serde_json::json;

use super::Remap;
use crate::api::{ChangedEvent, ChangedPage, Delivery, EventPage, Standing};
use crate::cli::operator::bulk::BULK_ITEMS_MAX;
use crate::cli::operator::{Api, Page, json as compact, standing};
use crate::cli::{Verdict, output};

/// What is read otherwise, and the calls that would follow, by whom and what they are about.
#[derive(Default)]
struct News {
    looked_at: usize,
    events: Vec<ChangedEvent>,
    calls: BTreeMap<String, Delivery>,
}

pub(super) async fn remap(api: &Api, args: &Remap) -> anyhow::Result<Verdict> {
    let news = find(api).await?;
    let ids: Vec<String> = news.events.iter().map(|event| output::line(&event.id)).collect();
    if args.bridge.json {
        output::json(&json!({ "events": news.events, "calls": news.calls.values().collect::<Vec<_>>() }))?;
    } else {
        show(&news)?;
    }
    if args.bulk.dry_run || ids.is_empty() {
        return Ok(Verdict::Fine);
    }
    if !args.bulk.yes {
        output::talk("nothing was read anew: run it with --yes for that");
        return Ok(Verdict::NotFine);
    }
    args.bulk.act_on_all::<EventPage>(api, &ids, "remap").await
}

async fn find(api: &Api) -> anyhow::Result<News> {
    let mut news = News::default();
    let mut after: Option<String> = None;
    while news.events.len() < BULK_ITEMS_MAX {
        let query: Vec<(&str, &str)> = after.iter().map(|after| ("after", after.as_str())).collect();
        let page: ChangedPage = api.ask(false, &[EventPage::PATH, "changed"], &query).await?;
        news.looked_at += page.looked_at;
        news.events.extend(page.events);
        for call in page.calls {
            // One that several pages lead to is one call.
            let about = if call.id.is_empty() { compact(call.request.as_ref()) } else { call.id.clone() };
            news.calls.insert(about, call);
        }
        after = page.next;
        if after.is_none() {
            return Ok(news);
        }
    }
    output::talk(&format!("more than {BULK_ITEMS_MAX} events are read otherwise; run it again for the rest"));
    Ok(news)
}

fn show(news: &News) -> anyhow::Result<()> {
    let words = |Standing { state, reason }: &Standing| standing(state, reason.as_deref());
    // Most are read otherwise only in what they note for later.
    let (same, other): (Vec<_>, Vec<_>) = news.events.iter().partition(|event| event.now == event.then);
    let rows = other.iter().map(|event| [event.id.clone(), words(&event.now), "->".to_owned(), words(&event.then)]);
    output::data(&output::columns(rows, 0))?;
    let rows = news.calls.values().map(|call| {
        let id = if call.id.is_empty() { "new" } else { call.id.as_str() };
        let standing = standing(&call.state, call.reason.as_deref());
        [id.to_owned(), call.kind.clone(), standing, compact(call.request.as_ref())]
    });
    output::data(&output::columns(rows, 0))?;
    output::talk(&format!(
        "of {} events that an earlier version read, {} are read otherwise today: {} of them come to something else, {} \
         to the same; {} calls would be new or change",
        news.looked_at,
        news.events.len(),
        other.len(),
        same.len(),
        news.calls.len()
    ));
    Ok(())
}
