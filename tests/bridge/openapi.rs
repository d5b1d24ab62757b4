//! The API's description: it is of all routes and of what they take, and what they answer is as it says.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::kit::command::finish;
use crate::kit::samples::{Sale, charge};
use crate::kit::tool;
use crate::kit::world::{Setup, World};

/// What it checks, and what it leaves out.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bridge/schemathesis.toml");
/// How many requests the checker makes up for each operation, beside those at the edges of what is described.
const MADE_UP: &str = "20";
/// The same ones each time: what it finds, it finds again.
const SEED: &str = "1";

/// Longest wait for the checker.
const CHECKED_WITHIN: Duration = Duration::from_secs(300);

in_both! {
    what_is_answered_is_as_described
}

/// A customer who is credited, one who is not, and a payment that is held.
async fn filled(setup: fn() -> Setup) -> World {
    let world = setup().start().await;
    let (ada, ben) = (world.email("ada"), world.email("ben"));
    for (id, email) in [("s1", &ada), ("s2", &ada), ("s3", &ben)] {
        world.stripe(&Sale::new(id, email, world.ago(60)).event()).await;
        world.idle().await;
    }
    world.paystack(&charge("ref_1", &ben, 500_000, "AGENT1", world.ago(30))).await;
    world.idle().await;
    world
}

/// An outside checker makes up requests by the description, right and wrong ones, and holds each answer against it.
async fn what_is_answered_is_as_described(setup: fn() -> Setup) {
    let world = filled(setup).await;
    let url = format!("http://{}/api/v1/openapi.json", world.addr());
    let folder = tempfile::tempdir().expect("a folder");
    let bearer = format!("Authorization: {}", world.bearer());
    let checked = tokio::task::spawn_blocking(move || {
        let mut checker = Command::new(tool("schemathesis/bin/schemathesis"));
        checker.args(["--config-file", CONFIG, "run", &url, "--header", &bearer]);
        checker.args(["--max-examples", MADE_UP, "--seed", SEED, "--generation-database", "none", "--no-color"]);
        checker.current_dir(folder.path()).stdin(Stdio::null());
        finish(checker)
    });
    let done = tokio::time::timeout(CHECKED_WITHIN, checked).await.expect("in time").expect("it runs");
    done.succeeds();
    // What it released is told on a free day.
    world.drive(Duration::from_secs(2 * 86_400)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_path_takes_is_described() {
    let world = World::new().await;
    let document = world.get("/api/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let all = operation["parameters"].as_array().expect("parameters");
            let in_query = all.iter().filter(|parameter| parameter["in"] == "query");
            let described: Vec<&str> = in_query.filter_map(|parameter| parameter["name"].as_str()).collect();
            let described = if described.is_empty() { "none".to_owned() } else { described.join(", ") };
            let path = path.replace("{id}", "1").replace("{email}", "ada%40example.com").replace("{name}", "ada");
            let asked = world.admin(&verb.to_uppercase(), &format!("{path}?no_such=1{}", required(all)));
            let reply = asked.send(world.addr()).await;
            reply.is_problem(400, "unknown_parameter");
            let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
            assert_eq!(detail, format!("no_such is no parameter of this path; it takes {described}"), "{path}");
        }
    }
    world.end().await;
}

/// What has to be there before anything else is looked at.
fn required(parameters: &[Value]) -> String {
    let in_query = parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true);
    let value = |p: &Value| match p["schema"]["type"].as_str() {
        Some("integer") => "1".to_owned(),
        _ => p["schema"]["enum"][0].as_str().unwrap_or("2026-10-01").to_owned(),
    };
    in_query.map(|p| format!("&{}={}", p["name"].as_str().expect("a name"), value(p))).collect()
}
