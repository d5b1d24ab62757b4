//! The only wiring: configuration → store, client, workers, server.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::sync::{Notify, mpsc, watch};

use crate::alerts;
use crate::backfill;
use crate::clock::Clock;
use crate::config::{Alerts, Config, StorageUrl};
use crate::crash::{self, Point};
use crate::delivery::policy::RetryPolicy;
use crate::delivery::{self, Dispatcher, Settings};
use crate::domain::endpoint::Endpoint;
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use crate::http::{
    self, AlertPlaces, BodyMemory, Guesses, Keys, Live, Readiness, Sessions, Shared, Side, UnnamedProxy,
};
use crate::intake::Intake;
use crate::lookup;
use crate::mapping::{Mapper, Reader};
use crate::refairn::{Client, ClientError};
use crate::store::{Store, StoreError};
use crate::tasks::{TURN_MAX, Tasks};
use crate::telemetry::events;
use crate::upkeep;

/// How long the workers may take to finish what is on its way.
const STOP_WAIT_MAX: Duration = Duration::from_secs(40);

/// Random bytes of the store's part in the key of sessions.
const SALT_BYTES: usize = 32;

/// Why the bridge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("cannot open the database: {0}")]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Opens the store that the configuration names.
///
/// # Errors
/// The database cannot be used.
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    let policy = config.policy.clone();
    match &config.storage.url {
        StorageUrl::Sqlite(path) => Ok(Store::open(path, policy)?),
        StorageUrl::Postgres(url) => Ok(Store::connect(url, config.storage.connections_max, policy).await?),
    }
}

/// A running bridge.
pub struct App {
    addr: SocketAddr,
    admin_addr: SocketAddr,
    store: Store,
    tasks: Tasks,
    servers: Vec<ServerHandle>,
}

impl App {
    /// Starts everything. When this returns, webhooks are taken.
    ///
    /// # Errors
    /// Why it does not start; nothing is left running.
    pub async fn start(config: &Config, admin_token: Secret, machine_clock: &Clock) -> Result<Self, StartError> {
        let listener = listen(config.server.listen)?;
        let admin_listener = config.server.admin_listen.map(listen).transpose()?;
        let store = open_store(config).await?;
        events::store_opened(store.home());
        let clock = &store.clock(machine_clock).await?;
        bring_up_to_date(&store, config, clock).await?;
        let client =
            Client::new(&config.refairn.base_url, config.refairn.timeout, &config.proxies, machine_clock.clone())?;
        let (lookups, backfills) = askers(config, &store, clock)?;
        let salt = store.session_salt(hex::encode(rand::random::<[u8; SALT_BYTES]>())).await?;
        let (inbox, outbox, wanted) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (test, tests) = mpsc::channel(1);
        let tasks = Tasks::new();
        let shared = Arc::new(Shared {
            endpoints: config.endpoints.clone(),
            intake: Intake::new(store.clone(), inbox.clone(), config.server.failed_signatures_per_minute),
            store: store.clone(),
            reader: Reader::new(&config.endpoints, config.server.body_max_bytes),
            clock: clock.clone(),
            machine_clock: machine_clock.clone(),
            sessions: Sessions::new(&admin_token, &salt),
            keys: Keys::new(admin_token),
            public_url: config.server.public_url.clone(),
            alerts: AlertPlaces { names: places(config).names(), test },
            live: Live::default(),
            warnings: config.warnings().iter().map(ToString::to_string).collect(),
            refairn_url: config.refairn.base_url.clone(),
            guesses: Guesses::default(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            unnamed_proxy: UnnamedProxy::default(),
            body_bytes_max: config.server.body_max_bytes,
            body_memory: BodyMemory::new(config.server.body_max_bytes),
            event_id: config.refairn.event_id,
            time_zone: config.policy.time_zone.clone(),
            readiness: Readiness::default(),
            tasks: tasks.clone(),
            inbox: inbox.clone(),
            outbox: outbox.clone(),
            backfills: wanted.clone(),
        });
        let local = |l: &TcpListener| l.local_addr().map_err(|e| StartError::Listen(config.server.listen, e));
        let addr = local(&listener)?;
        let admin_addr = admin_listener.as_ref().map(local).transpose()?.unwrap_or(addr);

        let servers = serve(&tasks, &shared, listener, admin_listener).map_err(|e| StartError::Listen(addr, e))?;
        let mapper = Mapper::new(
            store.clone(),
            clock.clone(),
            &config.endpoints,
            config.server.body_max_bytes,
            inbox.clone(),
            outbox.clone(),
        );
        let asked = Arc::new(Notify::new());
        let stop = || tasks.stopping();
        tasks.spawn_vital("mapper", |pulse| mapper.waking(asked.clone()).run(pulse, stop()));
        if let Some(lookups) = lookups {
            tasks.spawn_vital("look-ups", |pulse| lookups.run(inbox.clone(), asked.clone(), pulse, stop()));
        }
        tasks.spawn_vital("backfills", |pulse| backfills.run(inbox.clone(), wanted, pulse, stop()));
        tasks.spawn_vital("watch", |pulse| store.clone().watch(inbox, outbox.clone(), pulse, stop()));
        look_after(&tasks, &store, clock, machine_clock, config, [outbox.clone(), asked]);
        let dispatcher = Dispatcher::new(store.clone(), client, clock.clone(), settings(config), outbox);
        let alerts = alerter(config, &store, clock, dispatcher.reach())?;
        tasks.spawn_vital("alerts", |pulse| alerts.run(tests, pulse, stop()));
        tasks.spawn_vital("dispatcher", |pulse| dispatcher.run(pulse, stop()));
        store.pulses().into_iter().for_each(|pulse| tasks.watch(pulse));
        tasks.begin_vigil().map_err(StartError::Thread)?;
        Ok(Self { addr, admin_addr, store, tasks, servers })
    }

    /// Where webhooks are taken.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the dashboard, the API and the metrics are; the same unless `admin_listen` is set.
    #[must_use]
    pub const fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The store, for those who look from inside.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The background tasks, whose failure ends the process: without them webhooks would be taken and nothing told.
    #[must_use]
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Runs until `stop` is done, then stops.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) {
        stop.await;
        self.stop().await;
    }

    /// Takes no more webhooks, finishes what is on its way, and closes the store; bounded in time.
    pub async fn stop(self) {
        crash::here(Point::Stopping);
        // Side by side: the wait for a slow sender is not added to that for an answer of Refairn's.
        let servers = futures_util::future::join_all(self.servers.iter().map(|server| server.stop(true)));
        // The tasks are told first: then a server that ends has not failed.
        let (in_time, _) = tokio::join!(self.tasks.stop(STOP_WAIT_MAX), servers);
        if !in_time {
            events::stopped_in_haste();
        }
        crash::here(Point::Stopping);
        self.store.close().await;
        crash::here(Point::Stopping);
    }
}

/// What a start owes to what is stored: before any event is read, and before any call goes out.
async fn bring_up_to_date(store: &Store, config: &Config, clock: &Clock) -> Result<(), StoreError> {
    for endpoint in store.rescope(&config.endpoints).await? {
        events::rescoped(&endpoint);
    }
    let mut planned = 0;
    loop {
        let more = store.plan_anew(clock.now()).await?;
        if more == 0 {
            break;
        }
        planned += more;
    }
    if planned > 0 {
        events::planned_anew(planned);
    }
    store.probe_routes(clock.now()).await
}

/// Who asks the providers.
fn askers(
    config: &Config,
    store: &Store,
    clock: &Clock,
) -> Result<(Option<lookup::Worker>, backfill::Worker), ClientError> {
    let (endpoints, body_bytes_max, proxies) = (&config.endpoints, config.server.body_max_bytes, &config.proxies);
    let lookups = lookup::Worker::new(store.clone(), clock.clone(), endpoints, body_bytes_max, proxies)?;
    let backfills = backfill::Worker::new(store.clone(), clock.clone(), endpoints, body_bytes_max, proxies)?;
    Ok((lookups, backfills))
}

/// Who tells people what they have to know.
fn alerter(
    config: &Config,
    store: &Store,
    clock: &Clock,
    reach: watch::Receiver<Option<Reach>>,
) -> Result<alerts::Worker, ClientError> {
    let names = |of: fn(&&Endpoint) -> bool| config.endpoints.iter().filter(of).map(|e| e.name.clone()).collect();
    let file = match &config.storage.url {
        StorageUrl::Sqlite(file) => Some(file.clone()),
        StorageUrl::Postgres(_) => None,
    };
    let Alerts { silent_after, disk_free_min_mib, .. } = config.alerts;
    let watched = alerts::Watched {
        silent_after,
        disk_free_min_mib,
        file,
        endpoints: names(|_| true),
        compared: names(|endpoint| endpoint.is_compared()),
        time_zone: config.policy.time_zone.clone(),
    };
    alerts::Worker::new(store.clone(), clock.clone(), watched, places(config), reach, &config.proxies)
}

/// Where alerts go.
fn places(config: &Config) -> alerts::Places {
    let Alerts { slack_url, webhook, .. } = config.alerts.clone();
    alerts::Places { slack: slack_url, webhook, public_url: config.server.public_url.clone() }
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    http::listen(addr).map_err(|e| StartError::Listen(addr, e))
}

fn settings(config: &Config) -> Settings {
    Settings {
        concurrency: config.delivery.concurrency,
        max_per_second: config.delivery.max_per_second,
        retry_policy: RetryPolicy {
            retry_max_wait: config.delivery.retry_max_wait,
            give_up_after: config.delivery.give_up_after,
        },
        timeout: config.refairn.timeout,
        event_id: config.refairn.event_id,
        api_keys: config.businesses.iter().map(|b| (b.id.clone(), b.api_key.clone())).collect(),
    }
}

/// Serves what was listened on, as tasks that the process cannot do without.
fn serve(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
) -> std::io::Result<Vec<ServerHandle>> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let side = if admin_listener.is_some() { Side::Public } else { Side::Both };
    let listeners = std::iter::once((listener, side, workers)).chain(admin_listener.map(|l| (l, Side::Admin, 1)));
    let mut servers = Vec::new();
    for (listener, side, workers) in listeners {
        let server = http::serve(listener, shared.clone(), side, workers)?;
        servers.push(server.handle());
        tasks.spawn_vital("server", |pulse| async move {
            drop(pulse.step(TURN_MAX));
            // It ends when its handle is stopped; an error here has closed the listener already.
            let _ = server.await;
        });
    }
    Ok(servers)
}

/// Whatever is done beside the one path.
fn look_after(
    tasks: &Tasks,
    store: &Store,
    clock: &Clock,
    machine_clock: &Clock,
    config: &Config,
    wake: [Arc<Notify>; 2],
) {
    let (tell, jumps) = upkeep::jumps();
    let machine = machine_clock.clone();
    let stop = || tasks.stopping();
    tasks.spawn_vital("clock", |pulse| upkeep::keep_time(store.clone(), clock.clone(), machine, tell, pulse, stop()));
    let lease = delivery::lease_length(config.refairn.timeout);
    tasks.spawn_vital("waits", |pulse| {
        upkeep::end_waits(store.clone(), clock.clone(), lease, jumps.clone(), wake, pulse, stop())
    });
    tasks.spawn_vital("unread", |pulse| upkeep::look_for_unread(store.clone(), clock.clone(), pulse, stop()));
    tasks.spawn_vital("overdue", |pulse| {
        upkeep::look_for_overdue(store.clone(), clock.clone(), jumps.clone(), pulse, stop())
    });
    let retention = Duration::from_secs(u64::from(config.storage.retention_days) * 86_400);
    let of_bodies = jumps.clone();
    tasks
        .spawn_vital("prune", |pulse| upkeep::prune(store.clone(), clock.clone(), retention, of_bodies, pulse, stop()));
    if let Some(days) = config.storage.customers_retention_days {
        let retention = Duration::from_secs(u64::from(days) * 86_400);
        tasks.spawn_vital("forget", |pulse| {
            upkeep::forget_old_customers(store.clone(), clock.clone(), retention, jumps, pulse, stop())
        });
    }
}
