//! Every page, over a shop with some of everything.

use crate::kit::samples::Sale;
use crate::kit::wire::Request;
use crate::kit::world::{Setup, World};
use crate::shop::{Shop, hostile};
use crate::visitor::Visitor;

in_both! {
    every_page_says_what_it_has_to
    what_strangers_wrote_is_text_on_every_page
    lists_go_on_page_by_page
    amounts_and_days_are_written_in_one_way_on_every_page
    a_customer_whose_code_nobody_knows_is_not_said_to_be_paid
}

/// What each page says at the least.
fn expected(shop: &Shop) -> Vec<(String, Vec<&str>)> {
    let page = |path: &str, words: &[&'static str]| (path.to_owned(), words.to_vec());
    let customer = |email: &str| format!("/customers/{}", email.replace('@', "%40"));
    vec![
        page(
            "/",
            &[
                "Money flows.",
                "5 payments today, 1 held or refused",
                "Credited",
                "Told, nobody credited",
                "<svg",
                "As a table",
                "Pipes",
            ],
        ),
        page("/?range=12mo&mode=live", &["12 months", "Jun 2026"]),
        page("/?mode=test", &["Test mode: no real money moved.", "class=\"test\""]),
        page("/attention", &["Reverse", "Decide", "Mend: events", "20\u{202f}000.00\u{a0}NGN"]),
        page("/customers", &["29.99\u{a0}EUR", "1\u{202f}234.56\u{a0}EUR"]),
        (
            customer(&shop.credited),
            vec!["An agent is credited.", "we told Refairn", "stripe said", "invoice.paid", "Copy link"],
        ),
        (customer(&shop.nobody), vec!["no referral code came", "Where a code was looked for", "no_code"]),
        (customer(&shop.held), vec!["something else has its day", "Send, dated 16 Jun"]),
        (customer(&shop.reversed), vec!["The money went back", "I have reversed it"]),
        (customer("nobody@example.com"), vec!["Nothing of this ever came.", "webhook requests were refused"]),
        page("/payments", &["June 2026:", "29.99\u{a0}EUR", "20\u{202f}000.00\u{a0}NGN", "in_c1"]),
        page("/payments?fate=credited", &["ADA10", "in_c1"]),
        page("/payments?fate=nobody&month=7d", &["Last 7 days: 2 payments, 2 told, 0 credited.", "in_n1", "in_h1"]),
        page("/payments?mode=test", &["in_t1", "Test mode"]),
        page("/payments?month=2020-01", &["January 2020: no payment.", "No payment fits."]),
        page("/activity", &["invoice.paid", "charge.success", "A sale", "Not a sale", "Could not be read"]),
        page("/activity?state=unmappable", &["evt_odd"]),
        page("/calls", &["No call is on its way."]),
        page(
            "/set-up",
            &["/webhooks/stripe", "/webhooks/paystack", "signature_mismatch", "customer.subscription.created"],
        ),
        page("/search?q=x", &["Two characters or more"]),
        page("/search?q=example.com", &["Customers"]),
        page(
            "/search?q=nothing-has-this",
            &[
                "Nothing has to do with",
                "refairn-bridge reconcile paystack --month ",
                "refairn-bridge backfill paystack --since ",
            ],
        ),
        (format!("/deliveries/{}", shop.held_call), vec!["Held for you", "None yet.", "paymentDate"]),
        (format!("/events/{}", shop.event), vec!["What it reports", "As it arrived", "Read again", "customer_email"]),
        page("/events/evt_odd", &["Could not be read"]),
    ]
}

async fn every_page_says_what_it_has_to(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let visitor = Visitor::enter(&world).await;
    for (path, words) in expected(&shop) {
        let reply = visitor.get(&path).await;
        let text = reply.text();
        assert_eq!(reply.status, 200, "{path}: {text}");
        for word in words {
            assert!(text.contains(word), "{path} lacks {word:?}: {text}");
        }
        has_its_headers(&reply, &path);
        // One sentence first, landmarks, and nothing that a strict policy would forbid.
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        for needed in
            ["<main id=\"main\"", "<nav class=\"sections\"", "lang=\"en\"", "role=\"search\"", "class=\"skip\""]
        {
            assert!(text.contains(needed), "{path} lacks {needed}");
        }
        for forbidden in [" style=", "<style", "onclick=", "javascript:", "<script>"] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
    }
    for (path, status) in [
        ("/deliveries/dlv_999", 404),
        ("/events/evt_999", 404),
        ("/payments?fate=sunny", 400),
        ("/payments?month=8d", 400),
        ("/?x=1", 400),
    ] {
        let reply = visitor.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.text().contains("class=\"card problem\""), "{path}: {}", reply.text());
        has_its_headers(&reply, path);
    }
    what_is_not_there_is_told_as_it_was_asked(&world).await;
    for name in ["dashboard.css", "dashboard.js", "icon.svg"] {
        let reply = Request::new("GET", &format!("/assets/{name}")).send(world.addr()).await;
        assert_eq!(reply.status, 200, "{name}");
        assert!(reply.header("cache-control").is_some_and(|value| value.contains("immutable")), "{reply:?}");
    }
    let sign_in = Request::new("GET", "/sign-in").send(world.addr()).await;
    has_its_headers(&sign_in, "/sign-in");
    let found = visitor.get(&format!("/search?q={}", shop.held_call)).await;
    assert_eq!(found.header("location"), Some(format!("/deliveries/{}", shop.held_call).as_str()), "the only hit");
    world.end().await;
}

/// What a page shows outside of its codes and bodies, in words.
fn words_of(page: &str) -> Vec<String> {
    let mut text = page.split_once("<main").map_or("", |(_, main)| main).to_owned();
    for tag in ["code", "pre"] {
        while let Some((before, rest)) = text.split_once(&format!("<{tag}")) {
            text = format!("{before} {}", rest.split_once(&format!("</{tag}>")).map_or("", |(_, after)| after));
        }
    }
    let outside = text.split('<').filter_map(|part| part.split_once('>')).map(|(_, shown)| shown);
    outside.flat_map(|shown| shown.split([' ', '\n'])).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

async fn amounts_and_days_are_written_in_one_way_on_every_page(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let visitor = Visitor::enter(&world).await;
    let mut paths: Vec<String> = expected(&shop).into_iter().map(|(path, _)| path).collect();
    for email in [&shop.credited, &shop.held, &shop.reversed] {
        paths.extend(
            world.deliveries_to(email).await.iter().map(|d| format!("/deliveries/{}", d["id"].as_str().unwrap())),
        );
    }
    let (mut amounts, mut holds) = (0, 0);
    for path in paths {
        let page = visitor.page(&path).await;
        let words = words_of(&page);
        let is_day = |word: &&String| word.trim_matches(['.', ',', '(', ')']).parse::<jiff::civil::Date>().is_ok();
        assert_eq!(words.iter().find(is_day), None, "{path}");
        // An amount and its currency are one word: no line ends between them.
        let loose = words.iter().find(|word| ["EUR", "NGN"].contains(&word.trim_matches(['.', ',', ';', ')'])));
        assert!(loose.is_none() || page.contains(">Currency</th>"), "{path}: {words:?}");
        amounts += usize::from(page.contains("20\u{202f}000.00 of 20\u{202f}000.00\u{a0}NGN was taken back"));
        holds += usize::from(page.contains("on hold until 29\u{a0}Jun"));
    }
    // On Attention, and on the pages of the customer and the call.
    assert!(amounts >= 2 && holds >= 3, "{amounts} {holds}");
    world.end().await;
}

async fn a_customer_whose_code_nobody_knows_is_not_said_to_be_paid(new: fn() -> Setup) {
    let mut world = new().start().await;
    world.leave.open = true;
    world.stripe(&Sale::new("c1", &world.email("kim"), world.ago(60)).code("NOBODY7").event()).await;
    world.idle().await;
    let page = Visitor::enter(&world).await.page("/attention").await;
    assert!(page.contains("<dt>Came</dt>") && !page.contains("<dt>Paid</dt>"), "{page}");
    world.end().await;
}

/// A browser gets a page with a way on, a program a document, and a stranger no more than anybody.
async fn what_is_not_there_is_told_as_it_was_asked(world: &World) {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let ask = async |method: &str, path: &str, accept: &str| {
        Request::new(method, path).header("Accept", accept).send(world.addr()).await
    };
    for (method, path, status) in [
        ("GET", "/nothing-here", 404),
        ("GET", "/apiary", 404),
        ("GET", "/customers/a/b/c", 404),
        ("POST", "/payments", 405),
        ("GET", "/deliveries/dlv_1/release", 405),
        ("PUT", "/sign-in", 405),
    ] {
        let reply = ask(method, path, browser).await;
        let text = reply.text();
        assert_eq!(reply.status, status, "{method} {path}: {text}");
        assert!(
            text.contains("class=\"card problem\"") && text.contains("href=\"/payments\""),
            "{method} {path}: {text}"
        );
        has_its_headers(&reply, path);
        let allowed = reply.header("allow").is_some();
        assert_eq!(allowed, status == 405, "{method} {path}");
        ask(method, path, "application/json")
            .await
            .is_problem(status, if status == 404 { "not_found" } else { "method_not_allowed" });
    }
    for (path, code, status) in
        [("/api", "not_found", 404), ("/api/v2/events", "not_found", 404), ("/livez/x", "not_found", 404)]
    {
        ask("GET", path, browser).await.is_problem(status, code);
    }
    world
        .admin("GET", "/api/v1/nothing")
        .header("Accept", browser)
        .send(world.addr())
        .await
        .is_problem(404, "not_found");
    ask("GET", "/api/v1/nothing", browser).await.is_problem(401, "unauthorized");
    ask("GET", "/webhooks/stripe", browser).await.is_problem(405, "method_not_allowed");
}

#[track_caller]
fn has_its_headers(reply: &crate::kit::wire::Reply, path: &str) {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
        form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{path}");
    }
}

async fn what_strangers_wrote_is_text_on_every_page(new: fn() -> Setup) {
    let world = new().start().await;
    let (email, sale) = hostile(&world);
    let event = world.stripe(&sale).await;
    world.idle().await;
    // And a path that nobody has, which set-up shows.
    Request::new("POST", "/webhooks/%3Cscript%3Ealert(5)%3C/script%3E").send(world.addr()).await;
    let visitor = Visitor::enter(&world).await;
    let customer = percent_encoding::utf8_percent_encode(&email, percent_encoding::NON_ALPHANUMERIC).to_string();
    let paths = [
        "/".to_owned(),
        "/attention".to_owned(),
        "/customers".to_owned(),
        "/payments".to_owned(),
        "/activity".to_owned(),
        "/set-up".to_owned(),
        format!("/customers/{customer}"),
        format!("/events/{event}"),
        "/search?q=%3Cscript%3Ealert(6)%3C%2Fscript%3E".to_owned(),
        "/payments?agent=%22%3E%3Cscript%3Ealert(7)%3C/script%3E".to_owned(),
        "/activity?type=%22%3E%3Cscript%3Ealert(8)%3C/script%3E".to_owned(),
        "/customers/%3Cscript%3Ealert(9)%3C%2Fscript%3E".to_owned(),
        "/deliveries/%3Cscript%3Ealert(10)".to_owned(),
        "/sign-in?back=/%22%3E%3Cscript%3Ealert(11)".to_owned(),
    ];
    let mut told = 0;
    for path in paths {
        let text = visitor.get(&path).await.text();
        for markup in ["<script>", "<svg onload", "<img/src", "</pre><script", "</title><script"] {
            assert!(!text.contains(markup), "{path} has {markup}: {text}");
        }
        told += usize::from(text.contains("&#60;script&#62;") || text.contains("&#60;img/src=x&#62;"));
    }
    assert!(told >= 6, "the words themselves are shown on {told} pages");
    world.end().await;
}

async fn lists_go_on_page_by_page(new: fn() -> Setup) {
    use crate::kit::samples::Sale;
    let mut world = new().start().await;
    world.leave.open = true;
    for n in 0..60 {
        let email = world.email(&format!("many{n}"));
        world.stripe(&Sale::new(&format!("m{n}"), &email, world.ago(60 + n)).event()).await;
    }
    world.idle().await;
    let visitor = Visitor::enter(&world).await;
    for (path, row) in [("/customers", "<b>many"), ("/activity", "<li>\n<div class=\"when\">")] {
        let first = visitor.page(path).await;
        assert_eq!(first.matches(row).count(), 50, "{path}: {first}");
        let next = first.split("href=\"").find(|link| link.split('"').next().is_some_and(|l| l.contains("after=")));
        let next = next.and_then(|link| link.split('"').next()).expect("a next page").replace("&#38;", "&");
        let second = visitor.page(&next).await;
        assert_eq!(second.matches(row).count(), 10, "{next}: {second}");
        assert!(!second.contains(">Older<"), "{second}");
    }
    world.end().await;
}
