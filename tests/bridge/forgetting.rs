//! A customer is forgotten: nothing holds the address, what was told stays theirs, and an event may bring it back.

use std::time::Duration;

use refairn_bridge::config::StorageUrl;
use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge, refund, sample};
use crate::kit::until;
use crate::kit::wire::Reply;
use crate::kit::world::{Setup, World};

in_both! {
    nothing_holds_the_address_of_a_forgotten_customer
    what_comes_after_joins_what_was_told_before
    nobody_is_forgotten_while_something_is_unsent
    a_payment_that_names_no_address_waits_for_it
    who_was_not_heard_of_for_long_is_forgotten
}

async fn ask(world: &World, email: &str, anyway: bool) -> Reply {
    let body = json!({ "email": email, "anyway": anyway }).to_string();
    world.admin("POST", "/api/v1/customers/forget").body(body.as_bytes()).send(world.app().admin_addr()).await
}

async fn forget(world: &World, email: &str) -> Value {
    let reply = ask(world, email, false).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// All that the database holds, as far as a text can be told from it: the file's and its log's bytes, or every row.
#[allow(clippy::disallowed_methods, reason = "the connection is the test's own, and ends with it")]
async fn stored(world: &World) -> String {
    match &world.config.storage.url {
        StorageUrl::Sqlite(path) => {
            let mut all = Vec::new();
            for ending in ["", "-wal", "-shm", ".spool", ".spool-wal", ".spool-shm"] {
                let path = format!("{}{ending}", path.display());
                all.extend(std::fs::read(path).unwrap_or_default());
            }
            String::from_utf8_lossy(&all).to_lowercase()
        }
        StorageUrl::Postgres(url) => {
            let (client, connection) =
                tokio_postgres::connect(url.address.expose(), tokio_postgres::NoTls).await.expect("connected");
            tokio::spawn(connection);
            let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let mut all = String::new();
            for row in client.query(tables, &[]).await.expect("tables") {
                let name: String = row.get(0);
                let rows = client.query(&format!("SELECT t::text FROM \"{name}\" t"), &[]).await.expect("rows");
                rows.iter().for_each(|row| all.push_str(&row.get::<_, String>(0)));
            }
            all.to_lowercase()
        }
    }
}

async fn nothing_holds_the_address_of_a_forgotten_customer(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.forgotten = true;
    let [jane, other] = ["jane.doe-x", "other"].map(|name| world.email(name));
    let told = world.stripe(&Sale::new("s1", &jane, world.ago(60)).code("ADA10").event()).await;
    world.stripe(&Sale::new("s2", &other, world.ago(60)).event()).await;
    // Nothing is read off this one, but its body has the address, too.
    let mut ignored = sample("stripe/charge.succeeded/default-off-basil/body.json");
    ignored["data"]["object"]["billing_details"]["email"] = json!(jane.to_uppercase());
    let ignored = world.stripe(&ignored).await;
    world.idle().await;
    assert_eq!(world.deliveries_to(&jane).await.len(), 2);
    assert!(stored(&world).await.contains("jane.doe-x@"), "the test sees what is stored");

    let receipt = forget(&world, &jane.to_uppercase()).await;
    assert_eq!(
        (&receipt["events"], &receipt["bodies_removed"], &receipt["calls"], &receipt["discarded"]),
        (&json!(1), &json!(2), &json!(2), &json!(0)),
        "{receipt}"
    );
    assert!(receipt["not_reached"][0].as_str().expect("a sentence").contains("brings it back"), "{receipt}");
    assert!(receipt["file_is_clean"].as_bool().unwrap_or(true), "{receipt}");
    let stored = stored(&world).await;
    for gone in ["jane.doe", "name of s1", "doe-x@"] {
        assert!(!stored.contains(gone), "{gone} is still there");
    }
    assert!(stored.contains("other@"), "and nothing else is gone");
    assert_eq!(world.get("/api/v1/search?q=jane.doe").await["hits"], json!([]));
    assert_eq!(world.deliveries_to(&jane).await, Vec::<Value>::new());
    let pseudonym = receipt["pseudonym"].as_str().expect("an address").to_owned();
    let calls = world.deliveries_to(&pseudonym).await;
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call["request"]["customerEmail"] == json!(pseudonym)), "{calls:?}");
    for event in [&told, &ignored] {
        assert_eq!(world.get(&format!("/api/v1/events/{event}")).await["body"], Value::Null);
        world.act(&format!("/api/v1/events/{event}/remap")).await.is_problem(409, "not_now");
    }
    assert_eq!(world.deliveries_to(&other).await.len(), 1);
    ask(&world, &jane, false).await.is_problem(404, "unknown_item");
    for wrong in ["{}", r#"{"email":"nobody"}"#, r#"{"email":"a@b","force":true}"#, "email=a@b"] {
        let request = world.admin("POST", "/api/v1/customers/forget").body(wrong.as_bytes());
        request.send(world.app().admin_addr()).await.is_problem(400, "bad_parameter");
    }
    world.end().await;
}

async fn what_comes_after_joins_what_was_told_before(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.forgotten = true;
    let jane = world.email("jane");
    let first = charge("ref_1", &jane, 500_000, "ADA10", world.ago(60));
    world.paystack(&first).await;
    world.idle().await;
    let pseudonym = forget(&world, &jane).await["pseudonym"].as_str().expect("an address").to_owned();

    let again = world.signed(ProviderKind::Paystack, first.to_string().as_bytes()).send(world.addr()).await;
    assert_eq!(again.json()["duplicate"], true, "a retry is known");
    let mut back = refund("ref_1", 500_000);
    back["data"]["customer"] = Value::Null;
    world.paystack(&back).await;
    let reversed = until("the refund finds its payment", async || {
        world.deliveries_to(&pseudonym).await.into_iter().find(|call| call["reason"] == "reversed")
    })
    .await;
    assert_eq!(reversed["needs_attention"], true, "somebody has to take the commission back: {reversed}");
    let done = world.act(&format!("/api/v1/deliveries/{}/discard", reversed["id"].as_str().expect("an id"))).await;
    assert_eq!(done.status, 200, "{}", done.text());

    world.pass(Duration::from_secs(86_400));
    world.paystack(&charge("ref_2", &jane, 500_000, "ADA10", world.ago(60))).await;
    world.idle().await;
    let calls = world.deliveries_to(&jane).await;
    let kinds: Vec<&Value> = calls.iter().map(|call| &call["kind"]).collect();
    assert_eq!(kinds, ["customer-created", "payment-succeeded", "payment-succeeded"], "the address is back: {calls:?}");
    assert!(calls.iter().all(|call| call["request"]["customerEmail"] == json!(jane)), "{calls:?}");
    assert!(world.deliveries_to(&pseudonym).await.is_empty());
    world.end().await;
}

async fn nobody_is_forgotten_while_something_is_unsent(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.forgotten = true;
    let jane = world.email("jane");
    for id in ["s1", "s2"] {
        world.stripe(&Sale::new(id, &jane, world.ago(60)).event()).await;
        world.idle().await;
    }
    let preview = json!({ "email": jane, "preview": true }).to_string();
    let request = world.admin("POST", "/api/v1/customers/forget").body(preview.as_bytes());
    let preview = request.send(world.app().admin_addr()).await.json();
    assert_eq!((&preview["calls"], &preview["discarded"], &preview["pseudonym"]), (&json!(2), &json!(1), &Value::Null));
    assert!(preview["in_the_way"].as_str().expect("a sentence").contains("was not sent yet"), "{preview}");
    let refused = ask(&world, &jane, false).await;
    assert!(refused.text().contains("was not sent yet"), "{}", refused.text());
    refused.is_problem(409, "not_now");
    assert_eq!(world.deliveries_to(&jane).await.len(), 2, "nothing was changed");

    let receipt = ask(&world, &jane, true).await.json();
    assert_eq!(receipt["discarded"], 1, "{receipt}");
    let pseudonym = receipt["pseudonym"].as_str().expect("an address").to_owned();
    let decided = world.get("/api/v1/audit?decision=forget").await["audit"].clone();
    assert_eq!((&decided[0]["item"], &decided[0]["who"]), (&json!(pseudonym), &json!("admin")), "{decided}");
    assert_eq!(decided.as_array().map(Vec::len), Some(1), "{decided}");
    let discarded = world.deliveries_to(&pseudonym).await.into_iter().find(|call| call["state"] == "discarded");
    let id = discarded.expect("one")["id"].as_str().expect("an id").to_owned();
    world.act(&format!("/api/v1/deliveries/{id}/retry")).await.is_problem(409, "not_now");
    world.drive(Duration::from_secs(3 * 86_400)).await;
    let sent = world.sandbox.calls();
    assert!(!sent.iter().any(|call| call.body.contains("forgotten.invalid")), "nothing goes out under a pseudonym");
    world.end().await;
}

async fn a_payment_that_names_no_address_waits_for_it(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.forgotten = true;
    let jane = world.email("jane");
    world.stripe(&Sale::new("s1", &jane, world.ago(60)).event()).await;
    world.idle().await;
    forget(&world, &jane).await;
    world.pass(Duration::from_secs(86_400));
    let mut nameless = Sale::new("s2", &jane, world.ago(60)).event();
    nameless["data"]["object"]["customer"] = json!("cus_s1");
    nameless["data"]["object"]["customer_email"] = Value::Null;
    let waits = world.stripe(&nameless).await;
    world.idle().await;
    let event = world.get(&format!("/api/v1/events/{waits}")).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("waiting"), &json!("customer_unknown")), "{event}");
    let mut named = Sale::new("s3", &jane, world.ago(30)).event();
    named["data"]["object"]["customer"] = json!("cus_s1");
    world.pass(Duration::from_secs(86_400));
    named["data"]["object"]["status_transitions"]["paid_at"] = json!(world.ago(30).as_second());
    named["created"] = json!(world.ago(29).as_second());
    world.stripe(&named).await;
    world.idle().await;
    let told = world.deliveries_to(&jane).await;
    let ids: Vec<&Value> = told.iter().map(|call| &call["provider_id"]).collect();
    for id in ["in_s1", "in_s2", "in_s3"] {
        assert!(ids.contains(&&json!(id)), "{id} is not theirs: {told:?}");
    }
    world.end().await;
}

async fn who_was_not_heard_of_for_long_is_forgotten(new: fn() -> Setup) {
    let setup = new().key("storage", "customers_retention_days", "60").key("storage", "retention_days", "30");
    let mut world = setup.start().await;
    world.leave.forgotten = true;
    let [old, new] = ["old", "new"].map(|name| world.email(name));
    world.stripe(&Sale::new("s1", &old, world.ago(60)).event()).await;
    world.idle().await;
    world.drive(Duration::from_secs(61 * 86_400)).await;
    assert_eq!(world.deliveries_to(&old).await.len(), 1, "the clock says it alone");
    world.stripe(&Sale::new("s2", &new, world.ago(60)).event()).await;
    world.idle().await;
    until("the old customer is forgotten", async || {
        world.pass(Duration::from_secs(3600));
        world.deliveries_to(&old).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.deliveries_to(&new).await.len(), 1);
    world.idle().await;
    world.end().await;
}
