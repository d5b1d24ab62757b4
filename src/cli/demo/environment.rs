//! The demo's two servers, a local Refairn and the bridge, on free ports of this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tempfile::TempDir;

use super::calendar;
use super::customers::{DEMO, PLUS, PRICE_PLUS, TEST};
use crate::app::App;
use crate::cli::output;
use crate::clock::Clock;
use crate::config::{self, Config, Sources};
use crate::domain::provider::ProviderKind;
use crate::domain::secret::Secret;
use crate::providers::provider;
use crate::sandbox::{self, Book, Business, Sandbox};
use crate::store::Store;
use crate::tasks::Tasks;

/// The shops of the story, by whom they are paid through.
const SHOPS: [ProviderKind; 2] = [ProviderKind::Stripe, ProviderKind::Paystack];
/// The key of the sandbox's business.
const API_KEY: &str = "sk_sandbox_demo";
/// How long a subscription's first payment waits for its session: less than the usual 15, for nobody wants to watch it,
/// and long enough for a machine with other things to do.
const FIRST_PAYMENT_WAIT_S: u32 = 5;
/// How long the sandbox may take to stop.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);

/// What only the demo and its providers know.
pub(super) struct Secrets {
    /// What webhooks are signed with, of each provider of the story.
    pub(super) signing: BTreeMap<ProviderKind, Secret>,
    pub(super) admin_token: Secret,
}

impl Secrets {
    fn make_up() -> anyhow::Result<Self> {
        let secret = |start: &str| Secret::parse(format!("{start}{}", super::made_up(32)));
        let signing = SHOPS.iter().map(|kind| {
            let start = format!("{}demo_", provider(*kind).descriptor().secret.prefix);
            Ok((*kind, secret(&start)?))
        });
        Ok(Self { signing: signing.collect::<anyhow::Result<_>>()?, admin_token: secret("")? })
    }

    /// What webhooks of this provider are signed with.
    ///
    /// # Errors
    /// The story has no such shop.
    pub(super) fn of(&self, provider: ProviderKind) -> anyhow::Result<&Secret> {
        self.signing.get(&provider).with_context(|| format!("the demo has no shop that is paid through {provider}"))
    }
}

/// Both servers, running.
pub(super) struct Environment {
    pub(super) sandbox: Sandbox,
    pub(super) sandbox_addr: SocketAddr,
    pub(super) secrets: Secrets,
    pub(super) clock: Clock,
    app: App,
    tasks: Tasks,
    // Fields are dropped in this order: the folder goes last.
    _folder: TempDir,
}

/// A new folder that nobody else can read, in the system's place for temporary files. It goes with all it holds when this
/// is dropped.
///
/// # Errors
/// The system's folder for temporary files cannot be written.
fn folder() -> anyhow::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.prefix("refairn-bridge-demo-").tempdir().context("cannot make a temporary folder")
}

impl Environment {
    /// Starts both.
    ///
    /// # Errors
    /// There is no free port, or no place for a temporary database.
    pub(super) async fn open(clock: &Clock) -> anyhow::Result<Self> {
        let (folder, tasks, secrets) = (folder()?, Tasks::new(), Secrets::make_up()?);
        let sandbox = Sandbox::new(Book::new().with(Business::demo()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        let sandbox_addr = listener.local_addr()?;
        let today = clock.clone();
        let today: sandbox::Today = Arc::new(move || calendar::day(today.now()));
        let server = sandbox::start(listener, sandbox.clone(), today, 1).context("cannot start the sandbox")?;
        let (handle, stop) = (server.handle(), tasks.stopping());
        tasks.spawn_vital("sandbox", |_| async move {
            // It ends when its handle is stopped.
            let _ = server.await;
        });
        tasks.begin_vigil().context("cannot start a thread")?;
        tasks.spawn(async move {
            stop.cancelled().await;
            handle.stop(false).await;
        });
        let config = configuration(sandbox_addr, &secrets, &folder)?;
        let app = App::start(&config, secrets.admin_token.clone(), clock).await.context("cannot start the bridge")?;
        Ok(Self { sandbox, sandbox_addr, secrets, clock: clock.clone(), app, tasks, _folder: folder })
    }

    pub(super) fn bridge_url(&self) -> String {
        format!("http://{}", self.app.addr())
    }

    pub(super) fn sandbox_url(&self) -> String {
        format!("http://{}", self.sandbox_addr)
    }

    /// What the bridge has on disk.
    pub(super) const fn store(&self) -> &Store {
        self.app.store()
    }

    /// Waits until a part of either fails; perhaps for ever.
    pub(super) async fn failed(&self) -> anyhow::Error {
        let failure = tokio::select! {
            failure = self.tasks.failed() => failure,
            failure = self.app.tasks().failed() => failure,
        };
        output::failed(failure, "please report this; nothing of the demo is left")
    }

    /// Stops both and removes what they kept.
    pub(super) async fn close(self) {
        self.app.stop().await;
        self.tasks.stop(STOP_WAIT_MAX).await;
    }
}

/// What `serve` would be given by its environment; no file is read.
fn configuration(sandbox: SocketAddr, secrets: &Secrets, folder: &TempDir) -> anyhow::Result<Config> {
    let environment = [
        ("BRIDGE_LISTEN", "127.0.0.1:0".to_owned()),
        ("BRIDGE_ADMIN_TOKEN", secrets.admin_token.expose().to_owned()),
        ("DATABASE_URL", "sqlite://demo.db".to_owned()),
        ("REFAIRN_BASE_URL", format!("http://{sandbox}")),
        ("REFAIRN_API_KEY", API_KEY.to_owned()),
        ("REFAIRN_BUSINESS_ID", Business::demo().id().to_owned()),
        ("REFAIRN_PRODUCT_ID", DEMO.id.to_owned()),
        ("REFAIRN_TEST_PRODUCT_ID", TEST.id.to_owned()),
        ("REFAIRN_BRIDGE__DELIVERY__FIRST_PAYMENT_WAIT_S", FIRST_PAYMENT_WAIT_S.to_string()),
        // The payments of this story are weeks old when they are heard of, and none was delayed by an outage.
        ("REFAIRN_BRIDGE__DELIVERY__LATE_PAYMENT_WAIT_MAX_S", "0".to_owned()),
    ];
    let variable = |kind: &ProviderKind| provider(*kind).descriptor().variables[0];
    let signing = secrets.signing.iter().map(|(kind, secret)| (variable(kind), secret.expose().to_owned()));
    let environment = environment.into_iter().chain(signing);
    let environment: BTreeMap<String, String> = environment.map(|(k, v)| (k.to_owned(), v)).collect();
    let sources = Sources { config_file: None, environment, working_dir: Some(folder.path().to_owned()) };
    let mut config = config::load(sources).map_err(|mistakes| anyhow!("{mistakes}"))?;
    for endpoint in &mut config.endpoints {
        // All of the demo is on this machine: no provider is asked for anything, with no key that was made up.
        endpoint.api_key = None;
    }
    for endpoint in config.endpoints.iter_mut().filter(|e| e.provider == ProviderKind::Stripe) {
        endpoint.rules.products.insert(PRICE_PLUS.to_owned(), PLUS.id.to_owned());
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn its_folder_is_new_each_time_and_nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (one, other) = (folder().unwrap(), folder().unwrap());
        assert_ne!(one.path(), other.path());
        assert_eq!(std::fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_configuration_has_no_mistake() {
        let folder = folder().unwrap();
        let secrets = Secrets::make_up().unwrap();
        let config = configuration(([127, 0, 0, 1], 9).into(), &secrets, &folder).unwrap();
        assert_eq!(config.endpoints.len(), 2);
        assert!(config.warnings().is_empty(), "{:?}", config.warnings());
        assert_eq!(config.refairn.base_url, "http://127.0.0.1:9");
        // Nothing of it leaves this machine.
        assert!(config.endpoints.iter().all(|endpoint| endpoint.api_key.is_none()));
    }
}
