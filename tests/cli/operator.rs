//! An operator at the command line: the real binary asks a running bridge, whose Refairn is the real sandbox.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::kit::command::{Background, Dir, Done, finish};
use crate::kit::program::lasting_addr;
use crate::kit::rules::fixtures;

const TOKEN: &str = "a-token-that-is-long-enough-for-tests";
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A sandbox, a bridge, and the environment that both share.
pub struct Installation {
    pub dir: Dir,
    variables: Vec<(&'static str, String)>,
    pub bridge: Background,
    _sandbox: Background,
}

impl Installation {
    pub fn open() -> Self {
        let dir = Dir::new();
        let sandbox = Background::start(dir.command(&["sandbox", "--listen", "127.0.0.1:0"]), "listening on http://");
        let variables = vec![
            ("REFAIRN_BASE_URL", format!("http://{}", sandbox.addr)),
            ("REFAIRN_API_KEY", "sk_sandbox_demo".to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_demo".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_demo".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test".to_owned()),
            ("BRIDGE_LISTEN", lasting_addr().to_string()),
            ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned()),
        ];
        let serve = with(dir.command(&["serve"]), &variables);
        let bridge = Background::start(serve, "listening on http://");
        Self { dir, variables, bridge, _sandbox: sandbox }
    }

    pub fn run(&self, args: &[&str]) -> Done {
        finish(with(self.dir.command(args), &self.variables))
    }

    fn send(&self, file: &str) {
        let path = fixtures().join(file);
        let to = format!("http://{}", self.bridge.addr);
        self.run(&["send", "stripe", path.to_str().unwrap(), "--to", &to]).succeeds();
    }

    /// Waits until the command's output holds `sign`.
    #[track_caller]
    pub fn until(&self, args: &[&str], sign: &str) -> String {
        let end = Instant::now() + WAIT_MAX;
        loop {
            let done = self.run(args);
            if done.code == Some(0) && done.stdout.contains(sign) {
                return done.stdout;
            }
            assert!(Instant::now() < end, "no {sign:?} in:\n{}", done.stdout);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn with(mut command: Command, variables: &[(&'static str, String)]) -> Command {
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

#[test]
fn an_operator_sees_why_a_payment_is_held_and_lets_it_go() {
    let installed = Installation::open();
    let two = "stripe/_sequence/two-payments-one-day-held";
    installed.send(&format!("{two}/01-checkout-session-completed-morning.json"));
    installed.send(&format!("{two}/02-checkout-session-completed-evening.json"));
    let listed = installed.until(&["deliveries", "list", "--attention"], "same_day_payment");
    let id = listed.split_whitespace().next().unwrap().to_owned();

    let shown = installed.run(&["deliveries", "show", &id]).succeeds().stdout;
    assert!(shown.contains("Release it to send it dated on the next free day"), "{shown}");
    let event = shown.lines().find_map(|l| l.strip_prefix("because of")).unwrap().trim().to_owned();
    let shown = installed.run(&["events", "show", &event]).succeeds().stdout;
    assert!(shown.contains("held: same_day_payment") && shown.contains("reports"), "{shown}");

    let refused = installed.run(&["deliveries", "retry", &id]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("cannot be retried"), "{}", refused.stderr);
    // What a filter finds is shown and counted before it is taken.
    let shown = installed.run(&["deliveries", "release", "--state", "held", "--dry-run"]).succeeds();
    assert!(shown.stdout.starts_with(&id) && shown.stdout.lines().count() == 1, "{}", shown.stdout);
    assert!(shown.stderr.contains("it would release 1 deliveries; nothing was changed"), "{}", shown.stderr);
    let unasked = installed.run(&["deliveries", "release", "--state", "held"]);
    assert_eq!(unasked.code, Some(2), "{}", unasked.stderr);
    assert!(unasked.stderr.contains("nobody can be asked here whether to release 1 deliveries"), "{}", unasked.stderr);
    let none = installed.run(&["deliveries", "release", "--state", "rejected"]).succeeds();
    assert!(none.stderr.contains("there is nothing to release"), "{}", none.stderr);
    installed.run(&["deliveries", "release", "--state", "held", "--yes", "--note", "two real orders"]).succeeds();
    let audit = installed.run(&["audit", "list"]).succeeds().stdout;
    let words = audit.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("admin release {id} \"two real orders\"; held: same_day_payment")), "{audit}");
    let shown = installed.run(&["deliveries", "show", &id]).succeeds().stdout;
    assert!(shown.contains("let go") && shown.contains("two real orders"), "{shown}");
    installed.until(&["deliveries", "list", "--state", "delivered"], &id);
    installed.run(&["events", "remap", "--type", "checkout.session.completed", "--yes"]).succeeds();
    installed.until(&["events", "list", "--state", "mapped"], &event);
    let json = installed.run(&["deliveries", "list", "--json"]).succeeds().stdout;
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    let delivered = page["deliveries"].as_array().unwrap().iter().filter(|d| d["state"] == "delivered").count();
    assert_eq!(delivered, 2, "nothing was sent again: {json}");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn somebody_is_given_a_link_asks_with_the_token_and_is_shut_out_again() {
    let installed = Installation::open();
    let args = ["access", "create", "--name", "finance", "--role", "read", "--days", "7", "--note", "quarter end"];
    let given = installed.run(&args).succeeds();
    let token = given.stdout.lines().find_map(|line| line.strip_prefix("token")).expect("a token").trim().to_owned();
    let link = given.stdout.lines().find_map(|line| line.strip_prefix("link")).expect("a link").trim().to_owned();
    assert_eq!(link, format!("http://{}/sign-in#token={token}", installed.bridge.addr));
    let as_finance = |args: &[&str]| {
        let mut command = with(installed.dir.command(args), &installed.variables);
        command.env("BRIDGE_ADMIN_TOKEN", &token);
        finish(command)
    };
    as_finance(&["deliveries", "list"]).succeeds();
    let refused = as_finance(&["deliveries", "discard", "dlv_1"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("this takes the role operate, and finance has the role read"),
        "{}",
        refused.stderr
    );
    let listed = installed.run(&["access", "list"]).succeeds().stdout;
    assert!(listed.starts_with("finance") && listed.contains("everything"), "{listed}");
    assert!(!listed.contains(&token[4..]) && listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
    let again = installed.run(&args);
    assert!(again.code == Some(1) && again.stderr.contains("has access already"), "{}", again.stderr);
    installed.run(&["access", "revoke", "finance"]).succeeds();
    let shut_out = as_finance(&["deliveries", "list"]);
    assert!(shut_out.code == Some(1) && shut_out.stderr.contains("401 unauthorized"), "{}", shut_out.stderr);
    let log = installed.run(&["audit", "list", "--json"]).succeeds().stdout;
    let page: serde_json::Value = serde_json::from_str(&log).unwrap();
    let decided: Vec<_> =
        page["audit"].as_array().unwrap().iter().map(|entry| entry["decision"].as_str().unwrap()).collect();
    assert_eq!(decided, ["revoke_access", "give_access"], "{log}");
    assert_eq!(page["audit"][1]["note"], "quarter end");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn an_operator_sees_why_a_payment_credited_nobody() {
    let installed = Installation::open();
    installed.send("stripe/invoice.paid/renewal-clover/body.json");
    let listed = installed.until(&["deliveries", "list", "--fate", "credited_nobody"], "credited_nobody");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
    let id = listed.split_whitespace().next().unwrap().to_owned();
    let shown = installed.run(&["deliveries", "show", &id]).succeeds().stdout;
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Nobody is credited: no referral code is known for this customer."), "{shown}");
    assert!(words.contains("In events to endpoint stripe it is looked for in metadata.refairn_code,"), "{shown}");
    assert!(words.contains("provider's id in_"), "{shown}");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn events_that_need_attention_are_listed_by_reason_and_endpoint() {
    let installed = Installation::open();
    let thin = "stripe/v1.invoice.paid/thin/body.json";
    installed.send(thin);
    installed.until(&["events", "list", "--state", "unmappable"], "thin_event");
    let groups = installed.run(&["events", "list", "--attention"]).succeeds().stdout;
    let words = groups.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("thin_event stripe 1 A thin event: it only points at an object"), "{groups}");
    let events = installed.run(&["events", "list", "--attention", "--endpoint", "stripe"]).succeeds().stdout;
    assert!(events.starts_with("evt_1") && events.contains("unmappable: thin_event"), "{events}");
    let json = installed.run(&["events", "list", "--attention", "--json"]).succeeds().stdout;
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(page["events"][0]["needs_attention"], true, "{json}");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn what_an_update_reads_otherwise_is_shown_first() {
    let installed = Installation::open();
    installed.send("stripe/_sequence/first-sale");
    installed.until(&["deliveries", "list", "--state", "delivered"], "49.00 USD");
    let read_by = |reading: u32| {
        // As a version with another reading would have left it.
        let db = rusqlite::Connection::open(installed.dir.path().join("data/refairn-bridge.db")).unwrap();
        db.busy_timeout(WAIT_MAX).unwrap();
        let sql =
            "UPDATE events SET reading = ?1, state = 'ignored', reason = 'unknown_type' WHERE type = 'invoice.paid'";
        assert_eq!(db.execute(sql, [reading]).unwrap(), 1);
        db.execute("DELETE FROM facts WHERE event_id IN (SELECT id FROM events WHERE type = 'invoice.paid')", [])
            .unwrap();
    };
    let none = installed.run(&["events", "remap", "--changed"]).succeeds();
    assert!(none.stderr.contains("of 0 events"), "{}", none.stderr);
    read_by(1);
    let shown = installed.run(&["events", "remap", "--changed", "--dry-run"]).succeeds();
    assert!(shown.stdout.contains("ignored: unknown_type") && shown.stdout.contains("->"), "{}", shown.stdout);
    assert!(shown.stderr.contains("1 are read otherwise today"), "{}", shown.stderr);
    assert_eq!(installed.run(&["events", "remap", "--changed"]).code, Some(1), "not without --yes");
    installed.run(&["events", "list", "--state", "ignored"]).succeeds().stdout.find("unknown_type").unwrap();
    installed.run(&["events", "remap", "--changed", "--yes"]).succeeds();
    installed.until(&["events", "remap", "--changed", "--json"], "\"events\": []");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn what_cannot_be_asked_says_why() {
    let installed = Installation::open();
    let check = |args: &[&str], code: i32, sign: &str| {
        let done = installed.run(args);
        assert_eq!(done.code, Some(code), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(sign), "{args:?}: {}", done.stderr);
    };
    check(&["events", "show", "evt_999"], 1, "there is no event evt_999");
    check(&["events", "list", "--state", "sunny"], 1, "state takes received, mapped, ignored, waiting, unmappable");
    check(&["deliveries", "release"], 2, "give ids, or a filter");
    check(&["deliveries", "release", "dlv_1", "--state", "held"], 2, "give one of them");
    check(&["events", "list", "--url", &format!("http://{}", lasting_addr())], 1, "no bridge answers");
    check(&["events", "list", "--url", &format!("http://{}", lasting_addr())], 1, "which --url or BRIDGE_URL names");
    check(&["events", "list", "--url", &format!("https://{}", lasting_addr())], 1, "it speaks http://");
    check(&["audit", "list"], 0, "nobody has decided anything yet");
    check(&["access", "list"], 0, "nobody was given access yet");
    check(&["access", "revoke", "nora"], 1, "nobody has access by this name");
    check(&["deliveries", "list"], 0, "no call was made yet");
    check(&["deliveries", "list", "--attention"], 0, "no call needs attention");
    check(&["deliveries", "list", "--email", "ben"], 0, "--email takes a whole address");
    check(&["events", "list", "--url", "ftp://bridge"], 2, "write http:// or https:// and a host");
    let without_token: Vec<_> =
        installed.variables.iter().filter(|(n, _)| *n != "BRIDGE_ADMIN_TOKEN").cloned().collect();
    let done = finish(with(installed.dir.command(&["events", "list"]), &without_token));
    assert!(done.code == Some(1) && done.stderr.contains("set BRIDGE_ADMIN_TOKEN"), "{}", done.stderr);
    let mut wrong_token = without_token;
    wrong_token.push(("BRIDGE_ADMIN_TOKEN", "another-token-that-is-long-enough".to_owned()));
    let done = finish(with(installed.dir.command(&["events", "list"]), &wrong_token));
    let says = ["does not take this token", "set BRIDGE_ADMIN_TOKEN", "401 unauthorized"];
    assert!(done.code == Some(1) && says.iter().all(|word| done.stderr.contains(word)), "{}", done.stderr);
    assert!(!done.stderr.contains("Authorization:"), "{}", done.stderr);
}

#[test]
fn an_address_and_a_token_are_enough_to_ask_a_bridge() {
    let installed = Installation::open();
    let url = format!("http://{}", installed.bridge.addr);
    let elsewhere = Dir::new();
    // What else is configured there has no say.
    std::fs::create_dir(elsewhere.path().join("config")).unwrap();
    std::fs::write(elsewhere.path().join("config/refairn-bridge.toml"), "[delivery]\ntime_zone = \"Nowhere\"\n")
        .unwrap();
    let ask = |variables: &[(&'static str, String)]| finish(with(elsewhere.command(&["events", "list"]), variables));
    let token = || ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned());
    let done = ask(&[("BRIDGE_URL", url.clone()), token()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let file = elsewhere.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let done = ask(&[("BRIDGE_URL", url.clone()), ("BRIDGE_ADMIN_TOKEN_FILE", file.display().to_string())]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // Before the first webhook it is not said that all is well.
    let status = installed.run(&["status"]).succeeds().stdout;
    assert!(status.contains("no webhook has come yet") && !status.contains("nothing to do"), "{status}");
    let check = |variables: &[(&'static str, String)], code: i32, sign: &str| {
        let done = ask(variables);
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        assert!(done.stderr.contains(sign), "{}", done.stderr);
    };
    check(&[token()], 2, "set BRIDGE_URL to the running bridge's address");
    check(&[("BRIDGE_URL", "bridge.internal".to_owned()), token()], 2, "BRIDGE_URL: ");
    std::fs::remove_file(elsewhere.path().join("config/refairn-bridge.toml")).unwrap();
    check(&[("BRIDGE_URL", url)], 1, "set BRIDGE_ADMIN_TOKEN");
}

#[test]
fn anything_that_is_known_of_a_sale_finds_it() {
    let installed = Installation::open();
    installed.send("stripe/_sequence/first-sale");
    let listed = installed.until(&["deliveries", "list", "--state", "delivered"], "49.00 USD");
    let id = listed.lines().find(|line| line.contains("49.00 USD")).unwrap().split_whitespace().next().unwrap();
    let shown = installed.run(&["deliveries", "show", id, "--json"]).succeeds().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    for sought in ["email", "provider_id"] {
        let found = installed.run(&["find", shown[sought].as_str().unwrap()]).succeeds().stdout;
        assert!(found.lines().all(|line| line.chars().count() <= 80), "{found}");
        assert!(found.lines().next().unwrap().ends_with("customer"), "{found}");
    }
    let found = installed.run(&["find", shown["provider_id"].as_str().unwrap()]).succeeds().stdout;
    assert!(found.contains(id) && found.contains("49.00 USD") && found.contains("invoice.paid"), "{found}");
    let nothing = installed.run(&["find", "nobody@example.net"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("nothing has to do with nobody@"), "{}", nothing.stderr);
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn why_a_payment_is_held_is_said_first_and_the_whole_story_after() {
    let installed = Installation::open();
    let two = "stripe/_sequence/two-payments-one-day-held";
    installed.send(&format!("{two}/01-checkout-session-completed-morning.json"));
    installed.send(&format!("{two}/02-checkout-session-completed-evening.json"));
    let listed = installed.until(&["deliveries", "list", "--attention"], "same_day_payment");
    assert!(listed.contains(", by dlv_"), "{listed}");
    let email = listed.split_whitespace().find(|word| word.contains('@')).unwrap();
    let why = installed.run(&["why", email]).succeeds().stdout;
    let words = why.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with(email) && words.contains("Held: something else has its day"), "{why}");
    assert!(words.contains("because dlv_") && words.contains("do Release it"), "{why}");
    let story = installed.run(&["customer", email]).succeeds().stdout;
    assert!(story.contains("checkout.session.completed") && story.contains("held: same_day_payment"), "{story}");
    let json = installed.run(&["customer", email, "--json"]).succeeds().stdout;
    let story: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(story["verdict"]["code"], "held_for_its_day");
    assert!(story["events"][0]["body"]["id"].is_string(), "{json}");
    let nobody = installed.run(&["why", "nobody@example.net"]).succeeds().stdout;
    assert!(nobody.contains("Nothing of this ever came."), "{nobody}");

    let status = installed.run(&["status"]);
    assert_eq!(status.code, Some(1), "{}", status.stderr);
    assert!(
        status.stdout.contains("1 thing needs a person") && status.stdout.contains("1 same_day_payment"),
        "{}",
        status.stdout
    );
    let url = ("BRIDGE_URL", format!("http://{}", installed.bridge.addr));
    let check = finish(with(installed.dir.command(&["check"]), &[installed.variables.clone(), vec![url]].concat()));
    assert!(check.code == Some(1) && check.stdout.contains("1 same_day_payment"), "{}", check.stdout);
    installed.run(&["deliveries", "release", "--state", "held", "--yes"]).succeeds();
    let status = installed.until(&["status"], "nothing to do");
    assert!(status.contains("stripe test: never") && status.contains("stripe live: the last"), "{status}");
    let unknown = installed.run(&["status", "--url", &format!("http://{}", lasting_addr())]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);

    let payments = installed.run(&["payments", "list"]).succeeds().stdout;
    assert!(payments.lines().all(|line| line.chars().count() <= 80) && payments.contains("total"), "{payments}");
    let json = installed.run(&["payments", "list", "--json", "--mode", "live"]).succeeds().stdout;
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(page["payments"].as_array().map(Vec::len), Some(2), "{json}");
    installed.bridge.ends_well_on("TERM");
}

#[test]
fn what_comes_in_is_watched_until_it_is_enough() {
    let installed = Installation::open();
    let mut tail = with(installed.dir.command(&["tail"]), &installed.variables);
    let out = std::fs::File::create(installed.dir.path().join("seen")).unwrap();
    tail.stdout(out).stderr(std::process::Stdio::piped());
    let mut child = crate::kit::child::Running::start(&mut tail);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.take_stderr()));
    assert!(lines.next().unwrap().unwrap().contains("waiting for webhooks"));
    installed.send("stripe/_sequence/first-sale");
    let end = Instant::now() + WAIT_MAX;
    let seen = || std::fs::read_to_string(installed.dir.path().join("seen")).unwrap();
    while !(seen().contains("invoice.paid") && seen().contains("credited")) {
        assert!(Instant::now() < end, "{}", seen());
        std::thread::sleep(Duration::from_millis(20));
    }
    child.signal("INT");
    assert_eq!(child.ended().code(), Some(0));
    installed.bridge.ends_well_on("TERM");
}
