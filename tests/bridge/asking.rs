//! What people ask of a bridge, over its API.

use serde_json::{Value, json};

use crate::kit::samples::{Sale, sample};
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

in_both! {
    anything_that_is_known_of_a_sale_finds_it
    a_customer_has_a_verdict_and_a_story
    payments_are_listed_by_day_and_added_up
    the_last_webhook_of_each_endpoint_and_mode_is_known
}

/// Kind and id of each hit.
async fn hits(world: &World, sought: &str) -> Vec<(String, String)> {
    let page = world.get(&format!("/api/v1/search?q={sought}")).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    page["hits"].as_array().expect("hits").iter().map(|hit| (text(&hit["kind"]), text(&hit["id"]))).collect()
}

/// The payment of this customer, once it has a fate.
async fn payment_to(world: &World, email: &str) -> Value {
    until("the payment is told", async || {
        world.deliveries_to(email).await.into_iter().find(|d| d["provider_id"].is_string() && d["fate"].is_string())
    })
    .await
}

async fn anything_that_is_known_of_a_sale_finds_it(new: fn() -> Setup) {
    let world = new().start().await;
    let ada = world.email("ada.lovelace");
    let event = world.stripe(&Sale::new("s1", &ada, world.ago(60)).code("ADA10").event()).await;
    let payment = payment_to(&world, &ada).await;
    let customer = ("customer".to_owned(), ada.clone());
    let paid = ("payment".to_owned(), payment["id"].as_str().expect("an id").to_owned());
    let reported = ("event".to_owned(), event.clone());
    for sought in ["lovelace", "ADA.LOVE", "ada10", "in_s1", "cus_s1", "sub_s1"] {
        assert!(hits(&world, sought).await.contains(&customer), "{sought}");
    }
    for sought in ["in_s1", "cus_s1", payment["agent_id"].as_str().expect("an agent"), &paid.1] {
        assert!(hits(&world, sought).await.contains(&paid), "{sought}");
    }
    assert_eq!(
        hits(&world, payment["commission_id"].as_str().expect("a commission")).await,
        std::slice::from_ref(&paid)
    );
    for sought in ["in_s1", "evt_s1", &event] {
        assert!(hits(&world, sought).await.contains(&reported), "{sought}");
    }
    let page = world.get("/api/v1/search?q=in_s1").await;
    for hit in page["hits"].as_array().expect("hits").iter().filter(|hit| hit["kind"] != "customer") {
        assert_eq!(world.get(hit["link"].as_str().expect("a link")).await["id"], hit["id"]);
    }
    let hit = page["hits"].as_array().expect("hits").iter().find(|hit| hit["kind"] == "payment").expect("a payment");
    assert_eq!((&hit["fate"], &hit["what"]), (&json!("credited"), &json!("2026-06-15 29.99 EUR")), "{hit}");
    let commands =
        ["refairn-bridge reconcile paystack --month 2026-06", "refairn-bridge backfill paystack --since 2026-06-01"];
    let nothing = json!({ "hits": [], "more": false, "commands": commands });
    assert_eq!(world.get("/api/v1/search?q=nobody@example.net").await, nothing);
    for wrong in ["", "?q=", "?q=a", "?q=%20a"] {
        world.admin("GET", &format!("/api/v1/search{wrong}")).send(world.addr()).await.is_problem(400, "bad_parameter");
    }
    world.end().await;
}

async fn verdict(world: &World, sought: &str) -> Value {
    world.get(&format!("/api/v1/why?q={sought}")).await
}

async fn a_customer_has_a_verdict_and_a_story(new: fn() -> Setup) {
    let world = new().start().await;
    let [ada, ben, eve] = ["ada", "ben", "eve"].map(|name| world.email(name));
    world.stripe(&Sale::new("s1", &ada, world.ago(60)).code("ADA10").event()).await;
    world.stripe(&Sale::new("s2", &ben, world.ago(60)).event()).await;
    world.stripe(&Sale::new("s3", &ben, world.ago(30)).event()).await;
    world.stripe(&Sale::new("s4", &eve, world.ago(60)).test_mode().event()).await;
    let mut nobodys = Sale::new("s5", &eve, world.ago(60)).event();
    nobodys["data"]["object"]["customer_email"] = Value::Null;
    world.stripe(&nobodys).await;
    world.idle().await;
    for (sought, code) in [
        (ada.as_str(), "credited"),
        ("in_s1", "credited"),
        ("in_s2", "no_code"),
        ("in_s3", "held_for_its_day"),
        (ben.as_str(), "held_for_its_day"),
        (eve.as_str(), "test_mode"),
        ("in_s5", "waits_for_address"),
        ("nobody@example.net", "nothing_came"),
        ("in_never", "nothing_came"),
    ] {
        let why = verdict(&world, sought).await;
        assert_eq!(why["verdict"]["code"], code, "{sought}: {why}");
        assert!(why["verdict"]["sentence"].is_string() && why["verdict"]["to_do"].is_string(), "{why}");
    }
    // What leads to several customers says so, and is about the one found first; an address is one customer's.
    assert_eq!(verdict(&world, &ben).await["others"], Value::Null);
    let part = ben.split_once('@').expect("an address").1;
    let of_many = verdict(&world, part).await;
    let others = of_many["others"].as_array().map(Vec::len);
    assert!(others == Some(2) && !of_many["others"].as_array().unwrap().contains(&of_many["email"]), "{of_many}");
    // An event that is no payment is its customer's, who has paid.
    let mut known = sample("stripe/customer.updated/code-added/body.json");
    known["id"] = json!("evt_known");
    for (name, value) in [("id", "cus_s1"), ("email", ada.as_str())] {
        known["data"]["object"][name] = json!(value);
    }
    world.stripe(&known).await;
    world.idle().await;
    assert_eq!(verdict(&world, "evt_known").await["verdict"]["code"], "credited");
    // Of a customer the commands name the month of the first event, and its endpoint; that one has no api_key.
    assert_eq!(verdict(&world, &ada).await["verdict"]["commands"], Value::Null);
    let commands = &verdict(&world, "in_never").await["verdict"]["commands"];
    assert_eq!(commands[0], "refairn-bridge reconcile paystack --month 2026-06");
    let held = verdict(&world, "in_s3").await;
    let told = world.deliveries_to(&ben).await.into_iter().find(|d| d["provider_id"] == "in_s2").expect("a payment");
    let holder = format!("{} (2026-06-15 29.99 EUR)", told["id"].as_str().expect("an id"));
    assert_eq!(held["payment"]["day_held_by"], json!(holder));
    assert_eq!(held["verdict"]["because"], json!(format!("{holder} has the day")));

    let story = world.get(&format!("/api/v1/customers/{ben}")).await;
    let count = |list: &str| story[list].as_array().map(Vec::len);
    assert_eq!((count("payments"), count("deliveries"), count("events")), (Some(2), Some(2), Some(2)), "{story}");
    assert_eq!((&story["business"], &story["more"]), (&json!("biz_1"), &json!(false)));
    assert_eq!((&story["events"][0]["body"], &story["deliveries"][0]["attempt_log"]), (&Value::Null, &Value::Null));
    let all = world.get(&format!("/api/v1/customers/{}?business=biz_1&everything=true", ben.to_uppercase())).await;
    assert_eq!(all["events"][0]["body"]["data"]["object"]["id"], "in_s2");
    assert_eq!(all["deliveries"][0]["attempt_log"].as_array().map(Vec::len), Some(1), "{all}");
    let elsewhere = world.get(&format!("/api/v1/customers/{ben}?business=biz_9")).await;
    assert_eq!((&elsewhere["events"], &elsewhere["verdict"]["code"]), (&json!([]), &json!("nothing_came")));
    let asked = world.get(&format!("/api/v1/customers/{ben}?payment={}", told["id"].as_str().expect("an id"))).await;
    assert_eq!(asked["verdict"]["code"], "no_code");
    world.admin("GET", "/api/v1/why").send(world.addr()).await.is_problem(400, "bad_parameter");
    world.end().await;
}

async fn payments_are_listed_by_day_and_added_up(new: fn() -> Setup) {
    let world = new().start().await;
    for n in 0..5 {
        let email = world.email(&format!("c{n}"));
        let sale = Sale::new(&format!("s{n}"), &email, world.ago(60 + 86_400 * n)).cents(1_010);
        let sale = if n < 2 { sale.code("ADA10") } else { sale };
        world.stripe(&if n == 4 { sale.test_mode() } else { sale }.event()).await;
    }
    world.idle().await;
    let listed = async |filter: &str| {
        let page = world.get(&format!("/api/v1/payments?{filter}")).await;
        let ids = page["payments"].as_array().expect("a list").iter().map(|p| p["provider_id"].clone());
        (ids.collect::<Vec<Value>>(), page["totals"]["sums"].clone(), page["next"].clone())
    };
    let ids = |numbers: &[u32]| numbers.iter().map(|n| json!(format!("in_s{n}"))).collect::<Vec<_>>();
    let agent = payment_to(&world, &world.email("c0")).await["agent_id"].as_str().expect("an agent").to_owned();
    for (filter, found) in [
        (String::new(), &[0, 1, 2, 3, 4][..]),
        ("from=2026-06-13&to=2026-06-14".to_owned(), &[1, 2]),
        ("to=2026-06-12".to_owned(), &[3, 4]),
        (format!("agent={agent}"), &[0, 1]),
        ("code=ada10".to_owned(), &[0, 1]),
        ("mode=test".to_owned(), &[4]),
        ("fate=credited_nobody&mode=live".to_owned(), &[2, 3]),
        ("agent=nobody".to_owned(), &[]),
    ] {
        assert_eq!(listed(&filter).await.0, ids(found), "{filter}");
    }
    let (first, sums, next) = listed("mode=live&limit=3").await;
    assert_eq!(first, ids(&[0, 1, 2]));
    let mut all = vec![
        json!({ "mode": "live", "currency": "EUR", "fate": "credited", "payments": 2, "amount": 20.2 }),
        json!({ "mode": "live", "currency": "EUR", "fate": "credited_nobody", "payments": 2, "amount": 20.2 }),
    ];
    assert_eq!(sums, json!(all));
    // Where both are asked for, tests stand apart.
    all.push(json!({ "mode": "test", "currency": "EUR", "fate": "credited_nobody", "payments": 1, "amount": 10.1 }));
    assert_eq!(listed("").await.1, json!(all));
    let next = next.as_str().expect("a next page");
    assert_eq!(listed(&format!("mode=live&limit=3&after={next}")).await, (ids(&[3]), Value::Null, Value::Null));
    for wrong in ["from=June", "to=2026-13-01", "mode=sandbox", "fate=lost", "limit=0", "email=x"] {
        let reply = world.admin("GET", &format!("/api/v1/payments?{wrong}")).send(world.addr()).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    world.end().await;
}

async fn the_last_webhook_of_each_endpoint_and_mode_is_known(new: fn() -> Setup) {
    let world = new().start().await;
    let last = async || {
        let stats = world.get("/api/v1/stats").await;
        let found = stats["last_webhooks"].as_array().expect("a list").iter();
        found.map(|l| (l["endpoint"].clone(), l["mode"].clone(), l["at"].clone())).collect::<Vec<_>>()
    };
    let never = |endpoint: &str, mode: &str| (json!(endpoint), json!(mode), Value::Null);
    let [stripe, paystack] = ["stripe", "paystack"].map(|endpoint| ["live", "test"].map(|mode| never(endpoint, mode)));
    assert_eq!(last().await, [stripe.clone(), paystack.clone()].concat());
    let id = world.stripe(&Sale::new("s1", &world.email("a"), world.ago(60)).test_mode().event()).await;
    let at = json!(world.now().to_string());
    world.idle().await;
    assert_eq!(last().await[..2], [stripe[0].clone(), (json!("stripe"), json!("test"), at)]);
    world.stripe(&Sale::new("s2", &world.email("b"), world.ago(60)).test_mode().event()).await;
    let told = || log::text().lines().filter(|l| l.contains("the first test webhook came to endpoint stripe")).count();
    assert!(told() >= 1 && log::text().contains(&format!("was recorded as {id}")), "{}", told());
    assert_eq!(world.get(&format!("/api/v1/events/{id}")).await["mode"], "test");
    world.idle().await;
    world.end().await;
}
