//! Secrets: a canary in each of them, looked for in all that the program says. What every class of attacks leaves
//! behind is searched by [`Target::end`]; here it is what the commands print, and what mistakes say.

use serde_json::Value;

use super::target::{FORGED, Store, Target, signed};
use crate::kit::program::TOKEN;
use crate::kit::samples::corpus;
use crate::kit::until;
use crate::kit::wire::Request;

on_both! {
    commands_and_mistakes_say_no_secret
    a_full_run_writes_no_address_and_no_secret
}

/// In every secret that is given by mistake.
const CANARY: &str = "canary";

const COMMANDS: [&[&str]; 9] = [
    &["check"],
    &["events", "list"],
    &["events", "show", "evt_1"],
    &["events", "show", "evt_99"],
    &["deliveries", "list"],
    &["deliveries", "show", "dlv_1"],
    &["stats"],
    &["backup", "copy.db"],
    &["healthcheck"],
];

/// Variables with a mistake in a secret, or beside one.
const MISTAKES: [(&str, &str); 17] = [
    ("STRIPE_WEBHOOK_SECRET", "whsec_canary,"),
    ("STRIPE_WEBHOOK_SECRET", " whsec_canary x"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_canary\n\u{1b}"),
    ("PAYSTACK_SECRET_KEY", "sk_live_canary,sk_live_canary"),
    ("PAYSTACK_SECRET_KEY", "sk_live_canary\u{e9}"),
    ("REFAIRN_API_KEY", "rk_canary\nx"),
    ("REFAIRN_API_KEY", "rk_canary \u{1}"),
    ("REFAIRN_API_KEY_FILE", "/nowhere/canary/\0x"),
    ("BRIDGE_ADMIN_TOKEN", "canary\nx"),
    ("DATABASE_URL", "postgres://user:canary@127.0.0.1:1/db"),
    ("DATABASE_URL", "postgres://user:canary@127.0.0.1:1:2/db"),
    ("DATABASE_URL", "postgres://user:canary@[::1/db?sslmode=odd"),
    ("DATABASE_URL", "postgres://user:cana%72y@127.0.0.1:1/db?password=canary"),
    ("DATABASE_URL", "mysql://user:canary@127.0.0.1/db"),
    ("DATABASE_URL", "host=127.0.0.1 port=1 password=canary"),
    ("REFAIRN_BASE_URL", "http://user:canary@127.0.0.1:1"),
    ("REFAIRN_BRIDGE__ADMIN__TOKEN", "canary\u{7f}"),
];

async fn commands_and_mistakes_say_no_secret(store: Store) {
    let mut target = Target::start(store).await;
    for args in COMMANDS {
        let said = said(&target, args, None);
        let secrets = target.all_secrets();
        let found = secrets.iter().find(|secret| said.contains(secret.as_str()));
        target.holds(&args.join(" "), found.is_none() && !said.contains("panicked"), || said.clone());
    }
    for mistake in MISTAKES.into_iter().filter(|(_, value)| !value.contains('\0')) {
        let said = said(&target, &["check"], Some(mistake));
        let shown = format!("{} = {:?}", mistake.0, mistake.1);
        target.holds(&shown, !said.contains(CANARY) && !said.contains("panicked"), || said.clone());
    }
    target.end().await;
}

impl Target {
    /// No secret is in anything that the bridge wrote or answers; and no address where none belongs.
    pub async fn secrets_are_nowhere(&mut self) {
        // What it wrote to standard output is in it.
        let mut places = vec![("the log", self.process.log().into_bytes())];
        for path in ["/livez", "/readyz", "/refairn.js", "/webhooks/nobody", "/metrics"] {
            let token = if path == "/metrics" { format!("Bearer {TOKEN}") } else { String::new() };
            let reply = Request::new("GET", path).header("Authorization", token).send(self.process.addr).await;
            places.push((path, reply.body));
        }
        for (place, bytes) in &places {
            let text = String::from_utf8_lossy(bytes);
            // The script has the sign where it says what no code has in it.
            assert!(
                !text.contains('@') || *place == "/refairn.js",
                "an address is in {place}: {:?}",
                line_with(&text, "@")
            );
        }
        for path in ["/api/v1/stats", "/api/v1/events?limit=500", "/api/v1/deliveries?limit=500"] {
            let request = Request::new("GET", path).header("Authorization", format!("Bearer {TOKEN}"));
            let reply = request.send(self.process.addr).await;
            assert_eq!(reply.status, 200, "{path}");
            places.push((path, reply.body));
        }
        match &self.database {
            Some(database) => places.push(("the database", database.dump().into_bytes())),
            None => {
                for name in ["bridge.db", "bridge.db-wal", "bridge.db.spool", "bridge.db.spool-wal"] {
                    places.push((name, std::fs::read(self.process.folder.path().join(name)).expect("a file")));
                }
            }
        }
        let secrets = self.all_secrets();
        for (place, bytes) in places {
            let text = String::from_utf8_lossy(&bytes);
            for secret in secrets.iter().chain([&FORGED.to_owned()]) {
                assert!(!text.contains(secret), "{secret:?} is in {place}: {:?}", line_with(&text, secret));
            }
        }
    }
}

fn line_with(all: &str, text: &str) -> Option<String> {
    let line = all.lines().find(|line| line.contains(text))?;
    Some(line.chars().take(500).collect())
}

/// Every payload there is, from all kinds of senders, at the finest log.
async fn a_full_run_writes_no_address_and_no_secret(store: Store) {
    let mut target = Target::start(store).await;
    let (mut taken, mut addresses) = (0, 0);
    for (name, kind, body) in corpus() {
        let reply = signed(kind, &body).send(target.process.addr).await;
        assert!([200, 413].contains(&reply.status), "{name}: {}", reply.text());
        taken += u32::from(reply.status == 200);
        addresses += body.iter().filter(|byte| **byte == b'@').count();
    }
    assert!(taken > 100 && addresses > 100, "{taken} payloads with {addresses} addresses");
    until("all is read, and what is due is told", async || {
        let stats = target.process.get("/api/v1/stats").await;
        let none = |what: &Value| what.as_i64().unwrap_or(0) == 0;
        (none(&stats["events"]["received"]) && none(&stats["deliveries"]["sending"])).then_some(())
    })
    .await;
    target.secrets_are_nowhere().await;
    target.process.log_is_clean();
    target.end_at_once();
}

/// All that a command prints, perhaps with another value of a variable.
fn said(target: &Target, args: &[&str], variable: Option<(&str, &str)>) -> String {
    let mut command = target.process.command(args);
    command.envs(variable);
    let out = command.output().expect("it runs");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}
