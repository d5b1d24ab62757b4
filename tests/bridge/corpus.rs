//! The whole corpus against the running bridge, each body twice and signed: new, then known, and in the end all of it
//! explained.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::kit::samples::corpus;
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

/// Fewer bodies than this mean that the corpus was not found.
const BODIES_MIN: usize = 300;
/// After this, whatever waits for the end of a day or a free one has gone out.
const DAYS: u64 = 40;

/// Posts every body twice; gives the names by our numbers.
async fn replay(world: &World) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for (name, provider, body) in corpus() {
        let first = world.signed(provider, &body).send(world.addr()).await;
        assert_eq!(first.status, 200, "{name}: {}", first.text());
        let id = first.json()["event"].as_str().expect("a number").to_owned();
        assert_eq!(first.json()["duplicate"], false, "{name}: taken for {:?}", names.get(&id));
        assert!(ids.insert(id.clone()), "{name}: {id} was given twice");
        let again = world.signed(provider, &body).send(world.addr()).await;
        assert_eq!(
            (again.status, &again.json()["duplicate"], again.json()["event"].as_str()),
            (200, &Value::Bool(true), Some(id.as_str())),
            "{name}"
        );
        names.insert(id, name);
    }
    names
}

in_both! {
    the_whole_corpus_is_taken_and_explained
}

async fn the_whole_corpus_is_taken_and_explained(new: fn() -> Setup) {
    let mut world = new().at("2026-11-20T12:00:00Z").start().await;
    let names = replay(&world).await;
    assert!(names.len() >= BODIES_MIN, "only {} bodies", names.len());
    world.drive(Duration::from_secs(DAYS * 86_400)).await;
    let events = world.all("events", "").await;
    assert_eq!(events.len(), names.len());
    for event in &events {
        let name = &names[event["id"].as_str().expect("an id")];
        let malformed = name.contains("_malformed");
        assert!(!malformed || event["state"] != "mapped", "{name}: {event}");
        assert!(!name.contains("_unknown") || event["state"] == "ignored", "{name}: {event}");
    }
    let calls = world.sandbox.calls();
    assert!(calls.len() > 100, "only {} calls", calls.len());
    let emails: BTreeSet<String> = calls
        .iter()
        .map(|c| {
            let body: Value = serde_json::from_str(&c.body).expect("JSON");
            body["customerEmail"].as_str().expect("an e-mail").to_owned()
        })
        .collect();
    for email in emails {
        assert_eq!(log::line_with(&email), None);
    }
    // Nothing changes when all of it comes once more, after a restart.
    let before = world.all("deliveries", "").await;
    world.restart().await;
    for (name, provider, body) in corpus() {
        let reply = world.signed(provider, &body).send(world.addr()).await;
        assert_eq!((reply.status, &reply.json()["duplicate"]), (200, &Value::Bool(true)), "{name}");
    }
    world.drive(Duration::from_secs(DAYS * 86_400)).await;
    assert_eq!(world.all("deliveries", "").await, before);
    assert_eq!(world.sandbox.calls().len(), calls.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mapped_anew_the_corpus_comes_to_the_same_calls() {
    let world = Setup::new().at("2026-11-20T12:00:00Z").start().await;
    let names = replay(&world).await;
    world.drive(Duration::from_secs(DAYS * 86_400)).await;
    seen_to(&world).await;
    let (events, deliveries) = (world.all("events", "").await, world.all("deliveries", "").await);
    let calls = world.sandbox.calls().len();
    for id in names.keys() {
        assert_eq!(world.act(&format!("/api/v1/events/{id}/remap")).await.status, 200);
    }
    world.drive(Duration::from_secs(DAYS * 86_400)).await;
    let new: Vec<String> = world.sandbox.calls().into_iter().skip(calls).map(|call| call.body).collect();
    assert_eq!(new, Vec::<String>::new());
    for (mut before, mut after) in deliveries.into_iter().zip(world.all("deliveries", "").await) {
        // What is not to be sent is due at no time.
        for delivery in [&mut before, &mut after] {
            delivery["due_at"].take();
        }
        assert_eq!(before, after);
    }
    seen_to(&world).await;
    for (before, after) in events.iter().zip(world.all("events", "").await) {
        assert_eq!(before, &after, "{}", names[after["id"].as_str().expect("an id")]);
    }
    world.end().await;
}

/// Waits until whatever has waited for more than a day has ended or needs attention; that is looked for each minute.
async fn seen_to(world: &World) {
    until("nothing waits unseen", async || {
        world.pass(Duration::from_secs(60));
        let events = world.all("events", "").await;
        let unseen = events.iter().any(|event| event["state"] == "waiting" && event["needs_attention"] == false);
        (!unseen).then_some(())
    })
    .await;
}
