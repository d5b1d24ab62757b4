//! A customer is forgotten on a page: it says first what that comes to, and asks.

use refairn_bridge::domain::access::Role;

use crate::decided::audit;
use crate::kit::samples::Sale;
use crate::kit::world::Setup;
use crate::people::{enter, give};
use crate::visitor::Visitor;

in_both! {
    a_customer_is_forgotten_on_a_page_that_says_what_it_comes_to
}

async fn a_customer_is_forgotten_on_a_page_that_says_what_it_comes_to(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.forgotten = true;
    let jane = world.email("jane");
    // The second payment of a day is held.
    for id in ["s1", "s2"] {
        world.stripe(&Sale::new(id, &jane, world.ago(60)).code("ADA10").event()).await;
        world.idle().await;
    }
    let page = format!("/customers/{}", jane.replace('@', "%40"));
    let asks = format!("{page}/forget");
    let token = give(&world, "omar", Role::Operate, 7, None).await;
    let omar = enter(&world, &token).await;
    assert!(!omar.page(&page).await.contains("Forget this customer"), "only an admin may");
    assert_eq!(omar.get(&asks).await.status, 403);
    let omars = omar.csrf().await;
    let fields = [("csrf", omars.as_str()), ("email", &jane), ("anyway", "yes")];
    assert_eq!(omar.send("/customers/forget", &fields).await.status, 403);

    let admin = Visitor::enter(&world).await;
    assert!(admin.page(&page).await.contains("Forget this customer"));
    let text = admin.page(&asks).await;
    let expected = ["2 events and 3 calls", "2 bodies", "was not sent yet", "1 call is never sent", "brings it back"];
    for words in expected {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let csrf = admin.csrf().await;
    let fields = |csrf, anyway| {
        [("csrf", csrf), ("back", page.as_str()), ("email", jane.as_str()), ("note", "by mail"), ("anyway", anyway)]
    };
    assert_eq!(admin.send("/customers/forget", &fields("", "yes")).await.status, 403, "a form of our own page only");
    let refused = admin.send("/customers/forget", &fields(&csrf, "")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(world.deliveries_to(&jane).await.len(), 3, "nothing was changed");

    let done = admin.send("/customers/forget", &fields(&csrf, "yes")).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let leads = done.header("location").expect("a page").to_owned();
    let text = admin.page(&leads).await;
    for words in ["Done: the customer is forgotten", "had the customer forgotten", "by mail"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(!text.contains("jane") && !text.contains("Forget this customer"), "{text}");
    assert!(world.deliveries_to(&jane).await.is_empty());
    assert_eq!(admin.get(&asks).await.status, 404);
    let decided = audit(&world, "decision=forget").await;
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert!(decided[0].starts_with("admin dashboard forget "), "{decided:?}");
    assert!(decided[0].ends_with("@forgotten.invalid by mail - - - -"), "{decided:?}");
    world.end().await;
}
