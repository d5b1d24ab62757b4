//! The dashboard in a real Chromium, as people use it.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::Value;

use crate::chromium::Chromium;
use crate::kit::place::package;
use crate::kit::samples::Sale;
use crate::kit::world::{Setup, World};
use crate::shop::{Shop, hostile};

/// Pages, each with what shows that it is there.
fn pages(shop: &Shop) -> Vec<String> {
    let customer = |email: &str| format!("/customers/{}", email.replace('@', "%40"));
    let mut pages: Vec<String> = [
        "/",
        "/?mode=test&range=12mo",
        "/attention",
        "/customers",
        "/payments",
        "/activity",
        "/calls",
        "/set-up",
        "/search?q=example",
    ]
    .map(str::to_owned)
    .to_vec();
    pages.extend([customer(&shop.nobody), customer(&shop.held)]);
    pages.extend([format!("/deliveries/{}", shop.held_call), format!("/events/{}", shop.event)]);
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_finds_a_customer_reads_the_story_and_sends_what_was_held() {
    let mut world = Setup::new().at("2026-06-15T18:00:00Z").start().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let browser = Chromium::start(true).await;
    browser.go(&world, "/attention").await;
    assert_eq!(browser.path().await, "/sign-in?back=%2Fattention");
    browser.write("#token", "a guess").await;
    browser.click("button.first").await;
    browser.reads("This token opens nothing").await;
    browser.write("#token", &format!("admin-token-of-world-{}", world.n)).await;
    browser.click("button.first").await;
    browser.reads("Sign out").await;
    assert_eq!(browser.path().await, "/attention", "back to where it was asked for");

    // The key leads to the search box, wherever one is.
    browser.write("body", "/").await;
    let id = browser.run("return document.activeElement.id").await;
    assert_eq!(id, "q");
    browser.write("#q", "hal@").await;
    browser.write("#q", &char::from(Key::Enter).to_string()).await;
    browser.reads("something else has its day").await;
    browser.reads("we told Refairn").await;
    assert!(browser.path().await.starts_with("/customers/hal"), "{}", browser.path().await);

    // Typed text stays when the page is brought up to date.
    browser.write("input[name='note']", "two real orders").await;
    browser.click("button[formaction$='/release']").await;
    browser.reads("it goes out by itself now").await;
    browser.reads("On its way").await;
    browser.reads("two real orders").await;
    browser.write("#q", "half a wor").await;
    // The next free day begins, within the session.
    let held = world.get(&format!("/api/v1/deliveries/{}", shop.held_call)).await;
    world.clock.set(held["due_at"].as_str().expect("a time").parse().expect("a time"));
    let told = "return document.body.innerText.split('Told, nobody credited').length - 1";
    crate::kit::until("both are told, as the open page says", async || (browser.run(told).await == 2).then_some(()))
        .await;
    assert_eq!(browser.run("return document.getElementById('q').value").await, "half a wor");
    browser.end().await;
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_shows_what_happens_without_being_loaded_again() {
    let mut world = World::new().await;
    world.leave.open = true;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.reads("Nothing has come yet.").await;
    browser.run("window.stayed = true").await;
    let email = world.email("ada");
    let sale = crate::kit::samples::Sale::new("s1", &email, world.ago(60)).code("ADA10");
    world.stripe(&sale.event()).await;
    browser.reads("1 payment today, every one told").await;
    assert_eq!(browser.run("return window.stayed").await, true, "the page is the same one");
    // The stream is cut, as a restart behind a proxy does, and comes back.
    let at = world.app().admin_addr();
    world.config.server.listen = at;
    world.restart().await;
    let more = crate::kit::samples::Sale::new("s2", &world.email("ben"), world.ago(60));
    world.stripe(&more.event()).await;
    browser.reads("2 payments today, every one told").await;
    assert_eq!(browser.run("return window.stayed").await, true);
    browser.end().await;
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_after_signing_out_shows_nothing() {
    let world = World::new().await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.go(&world, "/payments").await;
    browser.go(&world, "/set-up").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.reads("The one that you were given").await;
    browser.client.back().await.expect("back");
    crate::kit::until("the form is there", async || browser.path().await.starts_with("/sign-in").then_some(())).await;
    browser.reads("The one that you were given").await;
    assert!(!browser.text().await.contains("Paste this address"));
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_everything_is_seen_and_done() {
    let mut world = World::new().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let browser = Chromium::start(false).await;
    browser.sign_in(&world).await;
    for path in pages(&shop) {
        browser.go(&world, &path).await;
        assert!(browser.text().await.contains("Sign out"), "{path}");
    }
    browser.go(&world, "/attention").await;
    let form = format!("form[action='/deliveries/{}/release']", shop.held_call);
    browser.write(&format!("{form} input[name='note']"), "two real orders").await;
    browser.click(&format!("{form} button")).await;
    browser.reads("it goes out by itself now").await;
    browser.write("#q", "nell").await;
    browser.write("#q", &char::from(Key::Enter).to_string()).await;
    browser.reads("no referral code came").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.reads("The one that you were given").await;
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_wider_than_a_telephone_or_lacks_contrast_or_a_name() {
    let mut world = World::new().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    world.stripe(&hostile(&world).1).await;
    world.idle().await;
    let axe = std::fs::read_to_string(package("axe-core/axe.min.js")).expect("a text");
    let browser = Chromium::start(true).await;
    browser.go(&world, "/sign-in").await;
    is_accessible(&browser, &axe, "/sign-in").await;
    browser.sign_in(&world).await;
    for (width, dark) in [(1440, false), (390, true)] {
        browser.screen(width, dark).await;
        for path in pages(&shop) {
            browser.go(&world, &path).await;
            let wide = browser.run("return document.documentElement.scrollWidth").await;
            assert!(wide.as_u64().is_some_and(|wide| wide <= u64::from(width)), "{path} is {wide} wide of {width}");
            let paper = browser.run("return getComputedStyle(document.documentElement).backgroundColor").await;
            assert_eq!(paper.as_str().is_some_and(|c| c.starts_with("rgb(16,")), dark, "{path}: {paper}");
            is_accessible(&browser, &axe, &path).await;
        }
    }
    // What a strict policy keeps out would be told of here.
    let blocked = browser.client.find_all(Locator::Css("script:not([src])")).await.expect("found");
    assert!(blocked.is_empty());
    browser.end().await;
    world.end().await;
}

/// Runs the checker on the page: nothing serious, and nothing critical.
async fn is_accessible(browser: &Chromium, axe: &str, path: &str) {
    browser.run(axe).await;
    let script = "const done = arguments[arguments.length - 1]; axe.run().then((r) => done(r.violations), (e) => done(String(e)));";
    let found = browser.client.execute_async(script, vec![]).await.expect("run");
    let Value::Array(found) = found else { panic!("{path}: {found}") };
    let grave = |finding: &&Value| ["serious", "critical"].contains(&finding["impact"].as_str().unwrap_or_default());
    let grave: Vec<String> =
        found.iter().filter(grave).map(|f| format!("{}: {}", f["id"], f["nodes"][0]["target"])).collect();
    assert!(grave.is_empty(), "{path}: {grave:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_given_a_link_looks_and_decides_nothing_until_it_is_taken_back() {
    let mut world = World::new().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let given = world.act("/api/v1/access?name=finance&role=read&days=7").await.json();
    let browser = Chromium::start(true).await;
    // Somebody follows the link: the token goes into the form, and out of the address.
    browser.go(&world, given["link"].as_str().expect("a link")).await;
    browser.reads("Sign out").await;
    browser.reads("finance").await;
    let address = browser.run("return location.href").await;
    assert!(!address.to_string().contains("rba_"), "{address}");
    for path in pages(&shop) {
        browser.go(&world, &path).await;
        assert!(browser.text().await.contains("Sign out"), "{path}");
        let buttons = "return [...document.querySelectorAll('main button')].filter((b) => b.type === 'submit' \
            && b.form.method === 'post').length";
        assert_eq!(browser.run(buttons).await, 0, "{path} has a button");
        let text = browser.text().await;
        let told = text.lines().filter(|line| line.to_lowercase().contains("press ")).collect::<Vec<_>>();
        let for_others = |line: &&str| line.starts_with("For somebody with the role operate: ");
        assert!(told.iter().all(for_others), "{path}: {told:?}");
        assert!(!text.contains("needs you") && !text.contains("need you."), "{path}: {text}");
    }
    // A page that was made by hand sends the form all the same.
    browser.go(&world, "/attention").await;
    let posted = format!(
        "const csrf = document.querySelector('[name=csrf]').value; const body = new URLSearchParams({{ csrf, back: '/', note: 'x' }}); \
         return fetch('/deliveries/{}/discard', {{ method: 'POST', body }}).then((answer) => answer.status)",
        shop.held_call
    );
    assert_eq!(browser.run(&posted).await, 403);
    assert_eq!(world.get(&format!("/api/v1/deliveries/{}", shop.held_call)).await["state"], "held");
    // The open page leads to the form once the access is taken back.
    assert_eq!(world.act("/api/v1/access/finance/revoke").await.status, 200);
    browser.reads("The one that you were given").await;
    browser.go(&world, "/payments").await;
    assert_eq!(browser.path().await, "/sign-in?back=%2Fpayments");
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_about_money_is_not_sent_without_a_note() {
    let mut world = World::new().await;
    world.leave.open = true;
    let shop = Shop::open(&world).await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    let page = format!("/deliveries/{}", shop.held_call);
    browser.go(&world, &page).await;
    browser.click("button[formaction$='/discard']").await;
    // The browser asks for it, and nothing was sent.
    assert_eq!(browser.path().await, page);
    assert_eq!(world.get(&format!("/api/v1{page}")).await["state"], "held");
    browser.write("input[name='note']", "paid twice by mistake").await;
    browser.click("button[formaction$='/discard']").await;
    browser.reads("it is off the list").await;
    browser.reads("decided not to send it").await;
    browser.reads("paid twice by mistake").await;
    assert_eq!(world.get(&format!("/api/v1{page}")).await["state"], "discarded");
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_page_has_the_line_for_codes_and_ticks_it_when_the_first_code_comes() {
    let mut world = World::new().await;
    world.leave.open = true;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.go(&world, "/set-up").await;
    let line = browser.run("return document.getElementById('script-line').value").await;
    assert_eq!(line, format!("<script src=\"http://{}/refairn.js\" async></script>", world.addr()));
    browser.reads("waiting for the first referral code").await;
    let steps = "return document.querySelectorAll('#codes li.ok').length";
    assert_eq!(browser.run(steps).await, 0);
    // A sale without a code ticks nothing.
    world.stripe(&crate::kit::samples::Sale::new("s1", &world.email("ben"), world.ago(60)).event()).await;
    browser.reads("the last webhook came").await;
    assert_eq!(browser.run(steps).await, 0);
    world.stripe(&crate::kit::samples::Sale::new("s2", &world.email("ada"), world.ago(60)).checkout("ADA10")).await;
    browser.reads("referral codes come in").await;
    assert_eq!(browser.run(steps).await, 2);
    browser.end().await;
    world.idle().await;
    world.end().await;
}

/// What is uneven in the form of filters: fields that do not fill their row, and gaps that differ from the others.
const UNEVEN: &str = "
    const form = document.querySelector('.filters'), whole = form.getBoundingClientRect();
    const boxes = [...form.children].map((child) => [child, ...child.querySelectorAll('input, select')].at(-1));
    const rows = new Map();
    for (const [n, child] of [...form.children].entries()) {
        const place = child.getBoundingClientRect(), top = Math.round(place.top);
        rows.set(top, [...(rows.get(top) ?? []), { place, field: boxes[n].getBoundingClientRect() }]);
    }
    const uneven = [], gaps = new Set();
    let bottom = null;
    for (const row of rows.values()) {
        const [first, last] = [row[0].field, row.at(-1).field];
        const widths = new Set(row.map(({ field }) => Math.round(field.width)));
        if (Math.abs(first.left - whole.left) > 1 || Math.abs(last.right - whole.right) > 1) uneven.push(`${first.left} to ${last.right} of ${whole.left} to ${whole.right}`);
        if (widths.size > 1) uneven.push(`widths ${[...widths]}`);
        row.slice(1).forEach(({ field }, n) => gaps.add(Math.round(field.left - row[n].field.right)));
        if (bottom !== null) gaps.add(Math.round(row[0].place.top - bottom));
        bottom = Math.max(...row.map(({ place }) => place.bottom));
    }
    if (gaps.size > 1) uneven.push(`gaps ${[...gaps]}`);
    return uneven.join('; ');
";

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_of_a_list_are_even_on_a_telephone() {
    let world = World::new().await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    for (width, dark) in [(390, false), (390, true), (320, false)] {
        browser.screen(width, dark).await;
        for path in ["/payments", "/activity", "/customers"] {
            browser.go(&world, path).await;
            assert_eq!(browser.run(UNEVEN).await, "", "{path} at {width}");
        }
    }
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_a_list_stands_in_one_line() {
    let mut world = World::new().await;
    world.leave.open = true;
    let email = world.email("penelope.featherstonehaugh+subscriptions");
    world.stripe(&Sale::new("c1", &email, world.ago(60)).code("SPRINGCAMPAIGN").event()).await;
    world.idle().await;
    let browser = Chromium::start(true).await;
    browser.sign_in(&world).await;
    browser.screen(1440, false).await;
    for path in ["/payments", "/customers"] {
        browser.go(&world, path).await;
        let lines = browser
            .run("const text = document.createRange(); text.selectNodeContents(document.querySelector('td[data-label=Code]')); return text.getClientRects().length")
            .await;
        assert_eq!(lines, 1, "{path}");
    }
    browser.end().await;
    world.end().await;
}
