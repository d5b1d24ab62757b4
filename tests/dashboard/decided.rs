//! What people decide is kept, with who, when and why.

use std::time::Duration;

use refairn_bridge::domain::access::Role;
use serde_json::Value;

use crate::kit::world::{Setup, World};
use crate::people::{enter, give, with};
use crate::shop::Shop;
use crate::visitor::Visitor;

in_both! {
    what_is_decided_is_kept_with_who_when_and_why
}

/// The decisions that the API lists, the oldest first, in a line each.
pub async fn audit(world: &World, filter: &str) -> Vec<String> {
    let page = world.get(&format!("/api/v1/audit?{filter}")).await;
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        ["who", "via", "decision", "item", "note", "before", "after", "day_before", "day_after"].map(text).join(" ")
    };
    page["audit"].as_array().expect("a list").iter().rev().map(line).collect()
}

async fn what_is_decided_is_kept_with_who_when_and_why(new: fn() -> Setup) {
    let world = new().start().await;
    let shop = Shop::open(&world).await;
    let token = give(&world, "omar", Role::Operate, 7, None).await;
    let omar = enter(&world, &token).await;
    let call = shop.held_call.as_str();
    let attention = omar.page("/attention").await;
    // What the button says is what comes of it.
    assert!(attention.contains("Send, dated 16 Jun"), "{attention}");
    let path = format!("/deliveries/{call}/release");
    let csrf = omar.csrf().await;
    let without = omar.send(&path, &[("csrf", &csrf), ("back", "/attention")]).await;
    assert_eq!(without.status, 422, "{}", without.text());
    assert!(without.text().contains("note_missing"));
    assert_eq!(world.get(&format!("/api/v1/deliveries/{call}")).await["state"], "held");
    let fields = [("csrf", csrf.as_str()), ("back", "/attention"), ("note", "two real <orders>")];
    assert_eq!(omar.send(&path, &fields).await.status, 303);
    let released = world.get(&format!("/api/v1/deliveries/{call}")).await;
    assert_eq!((&released["released"], &released["moved_from"]), (&true.into(), &"2026-06-15".into()));
    assert_eq!(released["request"]["paymentDate"], "2026-06-16", "{released}");
    assert_eq!(released["decisions"].as_array().map(Vec::len), Some(1), "{released}");
    let waits = "queued: waiting_for_free_day";
    let one =
        format!("omar dashboard release {call} two real <orders> held: same_day_payment {waits} 2026-06-15 2026-06-16");
    assert_eq!(audit(&world, &format!("item={call}")).await, [one]);
    let held = shop.held.replace('@', "%40");
    for page in [format!("/deliveries/{call}"), format!("/customers/{held}")] {
        let text = omar.page(&page).await;
        for words in ["omar", "sent it, dated 16 Jun instead of 15 Jun", "two real &#60;orders&#62;"] {
            assert!(text.contains(words), "{page} lacks {words}: {text}");
        }
    }
    let story = world.get(&format!("/api/v1/customers/{held}")).await;
    assert_eq!(story["decisions"][0]["who"], "omar", "{story}");

    // By the API, with and without a word; what is refused leaves no trace.
    let event = &shop.event;
    with(&world, &token, "POST", &format!("/api/v1/events/{event}/remap?note=new%20rules")).await;
    with(&world, &token, "POST", &format!("/api/v1/deliveries/{call}/release")).await.is_problem(409, "not_now");
    let long = "x".repeat(501);
    with(&world, &token, "POST", &format!("/api/v1/events/{event}/remap?note={long}"))
        .await
        .is_problem(400, "bad_parameter");
    world.idle().await;
    let reversed = world.deliveries_to(&shop.reversed).await;
    let reversed =
        reversed.iter().find(|d| d["reason"] == "reversed").expect("a refund")["id"].as_str().expect("an id");
    world.act(&format!("/api/v1/deliveries/{reversed}/discard?note=done")).await;
    let all = audit(&world, "").await;
    let expected = [
        "admin api give_access acc_1 - - omar: operate - -".to_owned(),
        all[1].clone(),
        format!("omar api remap {event} new rules mapped received - -"),
        format!(
            "admin api discard {reversed} done delivered: reversed delivered: reversed, seen 2026-06-15 2026-06-15"
        ),
    ];
    assert_eq!(all, expected);
    assert_eq!(audit(&world, "who=omar").await.len(), 2);
    assert_eq!(audit(&world, "decision=discard").await.len(), 1);
    assert_eq!(audit(&world, "limit=1").await, expected[3..]);
    assert_eq!(audit(&world, "limit=2&after=aud_3").await, expected[..2]);
    what_was_seen_is_said_and_not_what_to_do(&world, &omar, &shop, reversed).await;
    assert!(omar.page(&format!("/events/{event}")).await.contains("had it read again"));
    world.drive(Duration::from_secs(86_400)).await;
    world.end().await;
}

/// Of a call that somebody has seen to, everything says who, when and why.
async fn what_was_seen_is_said_and_not_what_to_do(world: &World, omar: &Visitor<'_>, shop: &Shop, reversed: &str) {
    let page = omar.page(&format!("/deliveries/{reversed}")).await;
    assert!(page.contains("Nothing to do: admin has reversed it, 15 Jun 12:00: “done”."), "{page}");
    assert!(!page.contains("Reverse the commission"), "{page}");
    let whose = shop.reversed.replace('@', "%40");
    let page = omar.page(&format!("/customers/{whose}")).await;
    assert!(page.contains("Nothing to do: admin has reversed it, 15 Jun 12:00: “done”."), "{page}");
    let done = "Nothing to do: admin has reversed it, 2026-06-15 12:00 UTC: “done”.";
    let shown = world.get(&format!("/api/v1/deliveries/{reversed}")).await;
    let explained = shown["explanation"].as_str().expect("words");
    assert!(explained.contains(done) && !explained.contains("Reverse the commission"), "{explained}");
    assert_eq!(world.get(&format!("/api/v1/why?q={whose}")).await["verdict"]["to_do"], done);
    assert_eq!(world.get(&format!("/api/v1/customers/{whose}")).await["verdict"]["to_do"], done);
    let listed = world.deliveries_to(&shop.reversed).await;
    assert!(listed.iter().all(|call| !call.to_string().contains("Reverse the commission")), "{listed:?}");
}
