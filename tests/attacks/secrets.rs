//! Secrets: a canary in each of them, looked for in all that the program says. What every class of attacks leaves
//! behind is searched by [`Target::end`]; here it is what the commands print, and what mistakes say.

use super::target::{Store, Target};

on_both! { commands_and_mistakes_say_no_secret }

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

/// All that a command prints, perhaps with another value of a variable.
fn said(target: &Target, args: &[&str], variable: Option<(&str, &str)>) -> String {
    let mut command = target.process.command(args);
    command.envs(variable);
    let out = command.output().expect("it runs");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}
