//! How many things need a person: the command, the pages and the metrics tell one number. How many payments are credited: the
//! figure, the chart and the list tell one.

use std::time::Duration;

use serde_json::json;

use crate::kit::command::Dir;
use crate::kit::provider::Provider;
use crate::kit::refairn::business;
use crate::kit::samples::{Sale, charge, sample};
use crate::kit::until;
use crate::kit::world::{Setup, World};
use crate::shop::Shop;
use crate::visitor::Visitor;

in_both! {
    the_command_the_pages_and_the_metrics_agree_on_what_needs_a_person
    a_figure_of_today_is_that_of_the_chart_and_of_the_list_that_it_leads_to
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

/// The count that stands in the box of this kind, and where the box leads to.
fn box_of<'a>(page: &'a str, kind: &str) -> (i64, &'a str) {
    let (_, rest) = page.split_once(&format!("<div class=\"box {kind}\">")).expect("the box");
    let rest = rest.split("</div>").next().unwrap_or_default();
    let after = |words: &str, end: char| rest.split(words).nth(1).and_then(|rest| rest.split(end).next());
    let count = after("<p class=\"count\">", '<').expect("a count").parse().expect("a number");
    (count, after("<a href=\"", '"').unwrap_or_default())
}

/// The count that stands in the box of what needs somebody.
fn in_the_box(page: &str) -> i64 {
    box_of(page, "waits").0
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
        // Nothing has come in yet, which is not that all is well.
        0 => "no webhook has come yet".to_owned(),
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
    until("the route is paused, and every event read", async || {
        world.pass(Duration::from_secs(1));
        let stats = world.get("/api/v1/stats").await;
        let is_paused = stats["routes"].as_array()?.iter().any(|route| route["state"] == "paused");
        (is_paused && stats["events"]["received"].as_u64().unwrap_or(0) == 0).then_some(())
    })
    .await;
    agree(&world, 6).await;
    let page = Visitor::enter(&world).await.page("/attention").await;
    for words in ["Calls for <b>biz_1/prod_1</b> wait", "2 payments of endpoint <b>paystack</b> were to be looked at"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    world.end().await;
}

/// What stands in the legend beside the colour of this kind.
fn in_the_legend(page: &str, kind: &str) -> i64 {
    let (_, rest) = page.split_once(&format!("<span class=\"key {kind}\">")).expect("the legend");
    rest.split(' ').next().expect("a count").parse().expect("a number")
}

async fn a_figure_of_today_is_that_of_the_chart_and_of_the_list_that_it_leads_to(new: fn() -> Setup) {
    let mut world = new().at("2026-06-03T12:00:00Z").start().await;
    world.leave.open = true;
    // One of them is credited, and its money went back: it needs a person, too.
    Shop::open(&world).await;
    // Paid before this month, and before this week.
    for (name, days) in [("mae", 5), ("wes", 9)] {
        let sale = Sale::new(name, &world.email(name), world.ago(days * 86_400)).code("ADA10");
        world.stripe(&sale.event()).await;
    }
    // Refairn has it, and does not say whom it credits.
    let unknown = world.email("una");
    world.fault(&json!({ "drop": "after", "email": unknown }).to_string());
    world.stripe(&Sale::new("u1", &unknown, world.ago(60)).event()).await;
    world.drive(Duration::from_secs(3)).await;
    let mut ended = sample("stripe/customer.subscription.deleted/canceled-after-failures-clover/body.json");
    ended["created"] = json!(world.ago(30).as_second());
    for (name, value) in
        [("id", json!("sub_c1")), ("customer", json!("cus_c1")), ("ended_at", ended["created"].clone())]
    {
        ended["data"]["object"][name] = value;
    }
    world.stripe(&ended).await;
    world.idle().await;
    let visitor = Visitor::enter(&world).await;
    for (range, mode, credited, nobody, undecided) in
        [("7d", "live", 3, 3, 1), ("30d", "live", 4, 3, 1), ("12mo", "live", 4, 3, 1), ("30d", "test", 0, 1, 0)]
    {
        let of = format!("{range} {mode}");
        let page = visitor.page(&format!("/?range={range}&mode={mode}")).await;
        for (kind, expected) in [("good", credited), ("quiet", nobody)] {
            let (figure, list) = box_of(&page, kind);
            assert_eq!((figure, in_the_legend(&page, kind)), (expected, expected), "{of}, {kind}: {page}");
            let listed = visitor.page(&list.replace("&amp;", "&")).await;
            let rows = listed.matches("<td data-label=\"When\">").count();
            assert_eq!(i64::try_from(rows), Ok(expected), "{of}, {kind}, {list}: {listed}");
        }
        assert_eq!((in_the_legend(&page, "moving"), in_the_legend(&page, "waits")), (0, undecided), "{of}: {page}");
        // A subscription has ended: that is told when its day is over.
        let (figure, list) = box_of(&page, "moving");
        let expected = i64::from(mode == "live");
        assert_eq!((figure, list.is_empty()), (expected, expected == 0), "{of}: {page}");
        let listed = visitor.page(&format!("/calls?mode={mode}")).await;
        assert_eq!(listed.matches("<td data-label=\"Goes out\">").count(), usize::from(mode == "live"), "{listed}");
        assert!(mode == "test" || listed.contains("now cancelled, from "), "{listed}");
        // Where nobody is needed, nobody is asked to decide.
        let (needs, decide) = box_of(&page, "waits");
        assert_eq!(needs == 0, decide.is_empty(), "{of}: {page}");
        assert_eq!(page.contains("of 1 the credit is not known"), mode == "live", "{of}: {page}");
    }
    world.end().await;
}
