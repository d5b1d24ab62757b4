//! `events remap --changed`: what an update reads otherwise, and what would follow.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Remap;
use crate::cli::operator::{Api, BULK_ITEMS_MAX, items, state, text};
use crate::cli::{Verdict, output};

/// What is read otherwise, and the calls that would follow, by whom and what they are about.
#[derive(Default)]
struct News {
    looked_at: u64,
    events: Vec<Value>,
    calls: BTreeMap<String, Value>,
}

pub(super) async fn remap(api: &Api, args: &Remap) -> anyhow::Result<Verdict> {
    let news = find(api).await?;
    let ids: Vec<String> = news.events.iter().map(|event| text(event, "id")).collect();
    if args.bridge.json {
        output::json(&json!({ "events": news.events, "calls": news.calls.values().collect::<Vec<_>>() }))?;
    } else {
        show(&news)?;
    }
    if args.dry_run || ids.is_empty() {
        return Ok(Verdict::Fine);
    }
    if !args.yes {
        output::talk("nothing was read anew: run it with --yes for that");
        return Ok(Verdict::NotFine);
    }
    let refused = api.act_on_all("events", &ids, "remap").await?;
    Ok(if refused == 0 { Verdict::Fine } else { Verdict::NotFine })
}

async fn find(api: &Api) -> anyhow::Result<News> {
    let mut news = News::default();
    let mut after: Option<String> = None;
    while news.events.len() < BULK_ITEMS_MAX {
        let query: Vec<(&str, &str)> = after.iter().map(|after| ("after", after.as_str())).collect();
        let page = api.ask(false, &["events", "changed"], &query).await?;
        news.looked_at += page.get("looked_at").and_then(Value::as_u64).unwrap_or(0);
        news.events.extend(items(&page, "events").iter().cloned());
        for call in items(&page, "calls") {
            // One that several pages lead to is one call.
            let about = match text(call, "id") {
                id if id.is_empty() => call.get("request").map(Value::to_string).unwrap_or_default(),
                id => id,
            };
            news.calls.insert(about, call.clone());
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            return Ok(news);
        }
    }
    output::talk(&format!("more than {BULK_ITEMS_MAX} events are read otherwise; run it again for the rest"));
    Ok(news)
}

fn show(news: &News) -> anyhow::Result<()> {
    let end = |event: &Value, key: &str| event.get(key).map(state).unwrap_or_default();
    // Most are read otherwise only in what they note for later.
    let (same, other): (Vec<&Value>, Vec<&Value>) =
        news.events.iter().partition(|event| end(event, "now") == end(event, "then"));
    let rows = other.iter().map(|event| [text(event, "id"), end(event, "now"), "->".to_owned(), end(event, "then")]);
    output::data(&output::columns(rows, 0))?;
    let rows = news.calls.values().map(|call| {
        let id = Some(text(call, "id")).filter(|id| !id.is_empty()).unwrap_or_else(|| "new".to_owned());
        [id, text(call, "kind"), state(call), call.get("request").map(Value::to_string).unwrap_or_default()]
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
