//! What is done on a page is done, and only from there.

use std::time::Duration;

use serde_json::json;

use crate::kit::samples::{charge, refund};
use crate::kit::world::Setup;
use crate::shop::Shop;
use crate::visitor::Visitor;

in_both! {
    a_held_payment_is_sent_by_its_button_and_delivered
    nothing_is_done_for_another_site
    of_more_than_is_shown_the_most_urgent_stands_first
}

async fn a_held_payment_is_sent_by_its_button_and_delivered(new: fn() -> Setup) {
    let world = new().start().await;
    let shop = Shop::open(&world).await;
    let visitor = Visitor::enter(&world).await;
    let attention = visitor.page("/attention").await;
    for words in ["Send, dated 16 Jun", "I have reversed it", "Read again", "same_day_payment", "Reverse"] {
        assert!(attention.contains(words), "{words}: {attention}");
    }
    let path = format!("/deliveries/{}/release", shop.held_call);
    let reply = visitor.press("/attention", &path).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/attention?done=release")));
    let after = visitor.page("/attention?done=release").await;
    assert!(after.contains("it goes out by itself now") && !after.contains(&path), "{after}");
    world.drive(Duration::from_secs(86_400)).await;
    // The session has ended meanwhile.
    let visitor = Visitor::enter(&world).await;
    let page = visitor.page(&format!("/deliveries/{}", shop.held_call)).await;
    for words in ["Told, nobody credited", "2026-06-16", "200"] {
        assert!(page.contains(words), "{words}: {page}");
    }

    // What makes no sense any more is said, with a way back.
    let csrf = visitor.csrf().await;
    let again = visitor.send(&path, &[("csrf", &csrf), ("back", "/attention"), ("note", "again")]).await;
    assert_eq!(again.status, 409);
    assert!(
        again.text().contains("cannot be released") && again.text().contains("href=\"/attention\""),
        "{}",
        again.text()
    );

    // A refund that was seen is off the list; an event is read again.
    let reversed = world.deliveries_to(&shop.reversed).await;
    let reversed = reversed.iter().find(|d| d["reason"] == "reversed").expect("a refund");
    let id = reversed["id"].as_str().expect("an id");
    assert_eq!(visitor.press("/attention", &format!("/deliveries/{id}/discard")).await.status, 303);
    assert_eq!(world.detail(reversed).await["needs_attention"], json!(false));
    let page = format!("/events/{}", shop.event);
    let reply = visitor.press(&page, &format!("{page}/remap")).await;
    assert_eq!(reply.header("location"), Some(format!("{page}?done=remap").as_str()));
    world.idle().await;
    world.end().await;
}

async fn of_more_than_is_shown_the_most_urgent_stands_first(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.open = true;
    let (reversed, held) = (world.email("rae"), world.email("hal"));
    world.paystack(&charge("r1", &reversed, 2_000_000, "BAYO15", world.ago(1000))).await;
    world.idle().await;
    world.paystack(&refund("r1", 2_000_000)).await;
    world.idle().await;
    let calls = world.deliveries_to(&reversed).await;
    let urgent = calls.iter().find(|call| call["reason"] == "reversed").expect("a refund")["id"].clone();
    // Of one day all but the first are held.
    for n in 0..201 {
        world.paystack(&charge(&format!("h{n}"), &held, 2_000_000, "BAYO15", world.ago(500))).await;
    }
    for n in 0..100 {
        let odd = json!({ "id": format!("evt_odd{n}"), "object": "event", "type": "invoice.paid", "data": 7 });
        world.stripe(&odd).await;
    }
    world.idle().await;
    let visitor = Visitor::enter(&world).await;
    let page = visitor.page("/attention").await;
    let first = page.split("<article").nth(1).expect("something that needs a person");
    assert!(first.contains(urgent.as_str().expect("an id")), "{first}");
    assert!(page.contains("There is more than this page shows"), "{page}");
    assert_eq!(page.matches("<article").count(), 100 + 100);
    let today = visitor.page("/").await;
    assert!(today.contains("100 events that could not be read"), "{today}");
    assert!(today.contains("Needs you") && today.contains("301"), "{today}");
    world.end().await;
}

async fn nothing_is_done_for_another_site(new: fn() -> Setup) {
    let mut world = new().start().await;
    let shop = Shop::open(&world).await;
    world.leave.open = true;
    let visitor = Visitor::enter(&world).await;
    let csrf = visitor.csrf().await;
    let path = format!("/deliveries/{}/discard", shop.held_call);
    let send = async |fields: &[(&str, &str)], headers: &[(&str, &str)], cookie: bool| {
        let mut request = crate::visitor::form(&path, fields);
        if cookie {
            request = request.header("Cookie", &visitor.cookie);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send(world.addr()).await
    };
    let right = [("csrf", csrf.as_str()), ("back", "/attention"), ("note", "a test order")];
    let other = Visitor::enter(&world).await.csrf().await;
    for (fields, headers) in [
        (&[][..], &[][..]),
        (&[("csrf", "")], &[]),
        (&[("csrf", other.as_str())], &[]),
        (&right, &[("Origin", "http://evil.example")]),
        (&right, &[("Origin", "null")]),
        (&right, &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://bridge.example.com")]),
        (&right, &[("Sec-Fetch-Site", "same-site")]),
    ] {
        let reply = send(fields, headers, true).await;
        assert_eq!(reply.status, 403, "{fields:?} {headers:?}");
        assert!(reply.text().contains("not_our_form"), "{}", reply.text());
    }
    let nobody = send(&right, &[], false).await;
    assert_eq!((nobody.status, nobody.header("location")), (303, Some("/sign-in?back=%2Fattention")));
    assert_eq!(visitor.get(&path).await.status, 405, "a link does nothing");
    let held = world.get(&format!("/api/v1/deliveries/{}", shop.held_call)).await;
    assert_eq!(held["state"], "held", "{held}");
    let done = send(&right, &[("Origin", "http://bridge.example.com"), ("Sec-Fetch-Site", "same-origin")], true).await;
    assert_eq!(done.status, 303);
    world.end().await;
}
