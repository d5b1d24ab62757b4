//! The real program with a provider that lists what it has, and the real sandbox.

use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;

use crate::bridge::{Data, LIVE_KEY};
use crate::kit::command::{Background, Dir, Done, finish};
use crate::kit::postgres::Database;
use crate::kit::program::lasting_addr;
use crate::kit::provider::Provider;
use crate::kit::until;
use crate::kit::wire::Request;

const TOKEN: &str = "a-token-that-is-long-enough-for-tests";

/// A sandbox, a bridge, a provider, and the environment that they share.
pub struct Installation {
    pub dir: Dir,
    variables: Vec<(&'static str, String)>,
    bridge: Option<Background>,
    sandbox: Background,
    pub provider: Provider,
    /// Where its data is, if not in a file.
    database: Option<Database>,
}

impl Installation {
    pub async fn open() -> Self {
        Self::open_on(Data::Sqlite).await
    }

    pub async fn open_on(data: Data) -> Self {
        let dir = Dir::new();
        let provider = Provider::start().await;
        provider.takes_key(LIVE_KEY);
        provider.lists(|lists| lists.now = Some(Timestamp::now()));
        let sandbox = Background::start(dir.command(&["sandbox", "--listen", "127.0.0.1:0"]), "listening on http://");
        let mut variables = vec![
            ("REFAIRN_BASE_URL", format!("http://{}", sandbox.addr)),
            ("REFAIRN_API_KEY", "sk_sandbox_demo".to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_demo".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_demo".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test".to_owned()),
            ("BRIDGE_LISTEN", lasting_addr().to_string()),
            ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned()),
        ];
        let database = match data {
            Data::Sqlite => None,
            Data::Postgres => Some(Database::make()),
        };
        variables.extend(database.as_ref().map(|database| ("DATABASE_URL", database.url())));
        let endpoint = format!(
            "[[endpoints]]\nprovider = \"stripe\"\napi_key = \"{LIVE_KEY}\"\napi_base_url = \"http://{}\"\n",
            provider.addr
        );
        dir.write("config/refairn-bridge.toml", &endpoint);
        let mut installation = Self { dir, variables, bridge: None, sandbox, provider, database };
        installation.serve();
        installation
    }

    fn serve(&mut self) {
        let serve = self.with(self.dir.command(&["serve"]));
        self.bridge = Some(Background::start(serve, "listening on http://"));
    }

    /// Ends the bridge in an instant, and starts it again, when what it had taken for itself is free.
    pub async fn kill(&mut self) {
        drop(self.bridge.take());
        // On a server that takes minutes: another replica could still have it.
        if let Some(database) = &self.database {
            let connected = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
            until("the server has done what it was last asked for", async || {
                (database.ask(connected) == "0").then_some(())
            })
            .await;
            database.run(
                "UPDATE queue SET leased_until = 0 WHERE leased = 1; UPDATE claims SET until = 0; UPDATE backfills SET claimed_until = 0",
            );
        }
        self.serve();
    }

    /// Asks the bridge; gives its answer.
    pub async fn ask(&self, method: &str, path: &str) -> Value {
        let addr = self.bridge.as_ref().expect("a bridge").addr.parse().expect("an address");
        let reply = Request::new(method, path).header("Authorization", format!("Bearer {TOKEN}")).send(addr).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    fn with(&self, mut command: Command) -> Command {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub async fn run(&self, args: &[&str]) -> Done {
        let command = self.with(self.dir.command(args));
        tokio::task::spawn_blocking(move || finish(command)).await.expect("it runs")
    }

    /// Runs a command until it says `sign` on standard error, and after.
    pub fn watch(&self, args: &[&str], sign: &str) -> Background {
        Background::start(self.with(self.dir.command(args)), sign)
    }

    /// The payments that the sandbox holds.
    pub async fn payments(&self) -> Vec<Value> {
        let addr = self.sandbox.addr.parse().expect("an address");
        let state = Request::new("GET", "/_sandbox/state").send(addr).await.json();
        state["payments"].as_array().expect("payments").clone()
    }
}

/// So many days ago, by the machine's clock.
pub fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - days * 86_400).expect("a time")
}

pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
