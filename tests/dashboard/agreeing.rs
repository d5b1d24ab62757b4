//! How many things need a person: the command, the pages and the metrics tell one number.

use std::time::Duration;

use serde_json::json;

use crate::kit::command::Dir;
use crate::kit::provider::Provider;
use crate::kit::refairn::business;
use crate::kit::samples::{Sale, charge};
use crate::kit::until;
use crate::kit::world::{Setup, World};
use crate::visitor::Visitor;

in_both! {
    the_command_the_pages_and_the_metrics_agree_on_what_needs_a_person
}

/// What `status` says, and its exit code.
async fn status(world: &World) -> (String, Option<i32>) {
    let (url, token) = (format!("http://{}", world.addr()), format!("admin-token-of-world-{}", world.n));
    let run = move || {
        let mut command = Dir::new().command(&["status", "--url", &url]);
        command.current_dir("/").env("BRIDGE_ADMIN_TOKEN", token);
        crate::kit::command::finish(command)
    };
    let done = tokio::task::spawn_blocking(run).await.expect("it ran");
    (done.stdout, done.code)
}

/// The count that stands in the box of what needs somebody.
fn in_the_box(page: &str) -> i64 {
    let (_, rest) = page.split_once("<div class=\"box waits\">").expect("the box");
    let count = rest.split("<p class=\"count\">").nth(1).and_then(|rest| rest.split('<').next());
    count.expect("a count").parse().expect("a number")
}

/// All gauges that are alerted on, added up.
async fn in_the_metrics(world: &World) -> i64 {
    let text = world.admin("GET", "/metrics").send(world.addr()).await.text();
    let names =
        ["refairn_bridge_attention", "refairn_bridge_routes_paused", "refairn_bridge_reconciliation_differences"];
    let of_these = |line: &&str| names.iter().any(|name| line.starts_with(name));
    let value = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<i64>().ok()).expect("a number");
    text.lines().filter(of_these).map(value).sum()
}

async fn agree(world: &World, things: i64) {
    let (said, code) = status(world).await;
    let words = match things {
        0 => "nothing to do".to_owned(),
        1 => "1 thing needs a person".to_owned(),
        n => format!("{n} things need a person"),
    };
    assert!(said.contains(&words), "{things}: {said}");
    assert_eq!(code, Some(i32::from(things > 0)), "{said}");
    let visitor = Visitor::enter(world).await;
    let badge =
        if things > 0 { format!("Attention <span class=\"n\">{things}</span>") } else { ">Attention</a>".to_owned() };
    // What pages are told is of one second.
    let live = until(&format!("the mark says {things}"), async || {
        let page = visitor.page("/").await;
        page.contains(&badge).then_some(page)
    })
    .await;
    let test = visitor.page("/?mode=test").await;
    assert_eq!(in_the_box(&live) + in_the_box(&test), things, "{live}");
    let attention = visitor.page("/attention").await;
    let headline = match things {
        0 => "Nothing needs you.".to_owned(),
        1 => "1 thing needs you.".to_owned(),
        n => format!("{n} things need you."),
    };
    assert!(attention.contains(&headline), "{things}: {attention}");
    // The gauges are those of the process, in which other worlds are asked for theirs.
    until(&format!("the metrics say {things}"), async || (in_the_metrics(world).await == things).then_some(())).await;
}

async fn the_command_the_pages_and_the_metrics_agree_on_what_needs_a_person(new: fn() -> Setup) {
    let provider = Provider::start().await;
    let setup = new();
    provider.takes_key(&format!("sk_live_w{}", setup.n));
    let endpoints = format!(
        "[[endpoints]]\nprovider = \"paystack\"\napi_base_url = \"http://{}\"\n[[endpoints]]\nprovider = \"stripe\"\n",
        provider.addr
    );
    let mut world = setup.file(&endpoints).start().await;
    (world.leave.open, world.leave.refused_calls) = (true, true);
    agree(&world, 0).await;
    // A payment that is held for its day, of live mode and of test mode, and an event that cannot be read.
    let day = world.ago(2 * 86_400);
    let mut charges = Vec::new();
    for reference in ["h1", "h2"] {
        charges.push(charge(reference, &world.email("hal"), 500_000, "ADA10", day));
        world.paystack(&charges[charges.len() - 1]).await;
        world.idle().await;
        world
            .stripe(&Sale::new(&format!("t{reference}"), &world.email("tess"), world.ago(900)).test_mode().event())
            .await;
        world.idle().await;
    }
    agree(&world, 2).await;
    world.stripe(&json!({ "id": "evt_odd", "object": "event", "type": "invoice.paid", "data": 7 })).await;
    world.idle().await;
    agree(&world, 3).await;
    // Two that the provider has and the bridge does not. What is held is no further thing.
    for reference in ["lost1", "lost2"] {
        charges.push(charge(reference, &world.email(reference), 500_000, "ADA10", day));
    }
    provider.lists(|lists| {
        lists.now = Some(world.now());
        for charge in &charges {
            let mut row = charge["data"].clone();
            row["createdAt"] = json!(world.ago(2 * 86_400 + 60).to_string());
            lists.add("/transaction", row);
        }
    });
    world.act("/api/v1/reconciliations?provider=paystack&month=2026-06").await;
    until("the month is compared", async || {
        world.pass(Duration::from_millis(100));
        let all = world.get("/api/v1/reconciliations").await;
        (all["reconciliations"][0]["to_see"] == 3).then_some(())
    })
    .await;
    agree(&world, 5).await;
    // Refairn refuses the key: the route is one thing, whatever waits for it.
    world.sandbox.change(|book| book.set_business(business("biz_1", "another key")));
    for n in 0..3 {
        world.stripe(&Sale::new(&format!("p{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    until("the route is paused", async || {
        world.pass(Duration::from_secs(1));
        let stats = world.get("/api/v1/stats").await;
        let routes = stats["routes"].as_array()?;
        routes.iter().any(|route| route["state"] == "paused").then_some(())
    })
    .await;
    agree(&world, 6).await;
    let page = Visitor::enter(&world).await.page("/attention").await;
    for words in ["Calls for <b>biz_1/prod_1</b> wait", "2 payments of endpoint <b>paystack</b> were to be looked at"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    world.end().await;
}
