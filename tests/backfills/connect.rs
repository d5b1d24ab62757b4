//! `connect`, `disconnect`, and what `check` says of webhook endpoints: the real binary asks a provider's API.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kit::command::{Dir, Done, finish, same_as_before};
use crate::kit::provider::{PROVIDER_KEY, Provider};

const URL: &str = "https://bridge.example.com";

/// A configuration whose Stripe endpoint has no secret yet.
struct Setup {
    dir: Dir,
    provider: Provider,
}

impl Setup {
    async fn new() -> Self {
        let (dir, provider) = (Dir::new(), Provider::start().await);
        let api = format!("api_key = \"{PROVIDER_KEY}\"\napi_base_url = \"http://{}\"", provider.addr);
        let file = format!(
            "[[endpoints]]\nprovider = \"stripe\"\nsecrets_file = \"secrets/stripe\"\n{api}\n\
             [[endpoints]]\nprovider = \"paystack\"\nsecrets = [\"{PROVIDER_KEY}\"]\n{api}\n"
        );
        dir.write("config/refairn-bridge.toml", &file);
        Self { dir, provider }
    }

    async fn run(&self, args: &[&str]) -> Done {
        let mut command = self.dir.command(args);
        command.envs([
            ("REFAIRN_API_KEY", "sk_sandbox_demo"),
            ("REFAIRN_BUSINESS_ID", "biz_demo"),
            ("REFAIRN_PRODUCT_ID", "prod_demo"),
            ("REFAIRN_BASE_URL", "http://127.0.0.1:9"),
            ("BRIDGE_LISTEN", "127.0.0.1:0"),
            ("BRIDGE_ADMIN_TOKEN", "a-token-that-is-long-enough-for-tests"),
        ]);
        tokio::task::spawn_blocking(move || finish(command)).await.expect("it runs")
    }

    async fn connect(&self, more: &[&str]) -> Done {
        self.run(&[&["connect", "stripe", "--public-url", URL], more].concat()).await
    }

    fn secret(&self) -> PathBuf {
        self.dir.path().join("secrets/stripe")
    }

    fn hooks(&self) -> Vec<Value> {
        self.provider.lists(|lists| lists.hooks.clone())
    }
}

fn text(title: &str, done: &Done) -> String {
    format!("=== {title}\n{}\n--- standard error\n{}\n", done.stdout, done.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_made_once_and_found_again() {
    let setup = Setup::new().await;
    let dry = setup.connect(&["--dry-run"]).await.succeeds();
    assert!(setup.hooks().is_empty() && !setup.secret().exists());
    let made = setup.connect(&[]).await.succeeds();
    let [hook] = setup.hooks().try_into().expect("one");
    assert_eq!(
        (&hook["url"], &hook["metadata"]["refairn_bridge"]),
        (&json!(format!("{URL}/webhooks/stripe")), &json!("stripe"))
    );
    let events = hook["enabled_events"].as_array().expect("events");
    assert!(events.contains(&json!("invoice.paid")) && !events.contains(&json!("invoice.created")));
    assert_eq!(std::fs::read_to_string(setup.secret()).expect("a secret"), "whsec_of_1\n");
    assert_eq!(std::fs::metadata(setup.secret()).expect("a file").permissions().mode() & 0o777, 0o600);
    let again = setup.connect(&[]).await.succeeds();
    assert_eq!(setup.hooks().len(), 1);
    // Somebody has ticked something else.
    setup.provider.lists(|lists| lists.hooks[0]["enabled_events"] = json!(["invoice.paid", "invoice.created"]));
    let checked = setup.run(&["check", "--public-url", URL]).await;
    assert!(checked.stdout.contains("we_1 at Stripe sends invoice.created"), "{}", checked.stdout);
    assert!(checked.stdout.contains("we_1 at Stripe does not send charge.dispute.closed"), "{}", checked.stdout);
    let mended = setup.connect(&[]).await.succeeds();
    assert_eq!(setup.hooks(), [hook]);
    // The secret is lost: nobody can show it again.
    std::fs::remove_file(setup.secret()).expect("removed");
    let anew = setup.connect(&[]).await.succeeds();
    let states: Vec<Value> = setup.hooks().iter().map(|hook| hook["status"].clone()).collect();
    assert_eq!(states, ["disabled", "enabled"]);
    assert_eq!(std::fs::read_to_string(setup.secret()).expect("a secret"), "whsec_of_2\n");
    let gone = setup.run(&["disconnect", "stripe"]).await.succeeds();
    assert!(setup.hooks().is_empty() && !setup.secret().exists());
    let texts =
        [("--dry-run", &dry), ("made", &made), ("again", &again), ("other events", &mended), ("no secret", &anew)];
    let texts: String = texts.iter().chain(&[("disconnect", &gone)]).map(|(title, done)| text(title, done)).collect();
    let folder = format!("{}/", setup.dir.path().display());
    same_as_before("connect", &texts.replace(&folder, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_make_endpoints_leaves_nothing() {
    let setup = Setup::new().await;
    setup.provider.lists(|lists| lists.forbidden.insert("/v1/webhook_endpoints".to_owned()));
    let refused = setup.connect(&[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("Webhook Endpoints (write)"), "{}", refused.stderr);
    assert!(!setup.secret().exists());
    // What check cannot look at it does not tell of.
    let checked = setup.run(&["check", "--public-url", URL]).await;
    assert!(!checked.stdout.contains("Providers"), "{}", checked.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer_is_named_with_where_it_was_asked() {
    let setup = Setup::new().await;
    let config = setup.dir.path().join("config/refairn-bridge.toml");
    let text = std::fs::read_to_string(&config).expect("readable");
    // Nobody listens there.
    std::fs::write(&config, text.replace(&setup.provider.addr.to_string(), "127.0.0.1:9")).expect("written");
    let refused = setup.connect(&[]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("Stripe does not answer: cannot connect"), "{}", refused.stderr);
    assert!(refused.stderr.contains("reaches http://127.0.0.1:9"), "{}", refused.stderr);
    assert!(!setup.secret().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_api_the_key_is_tried_and_what_to_paste_is_printed() {
    let setup = Setup::new().await;
    let connect = ["connect", "paystack", "--public-url", URL];
    let fine = setup.run(&connect).await.succeeds();
    assert!(fine.stdout.contains(&format!("{URL}/webhooks/paystack")), "{}", fine.stdout);
    setup.provider.refuses_key(true);
    let refused = setup.run(&connect).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("Paystack refuses it"), "{}", refused.stderr);
}
