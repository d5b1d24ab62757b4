//! `check`: everything that is wrong with the set-up at once, and what to paste into each provider's dashboard.

mod findings;

use std::fmt::Write;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use self::findings::{Area, Finding};
use super::configuration::{ConfigFile, storage, storage_warnings, webhook_path};
use super::connect::looked_at;
use super::dashboard::{Dashboard, public_url};
use super::healthcheck::{Readiness, readiness};
use super::http_client::Url;
use super::operator::{Bridge, status};
use super::process::block_on;
use super::serve::store_hint;
use super::{Verdict, output};
use crate::app::{self, StartError};
use crate::clock::{Clock, SLACK};
use crate::config::{Business, Config};
use crate::refairn::{Client, KeyProbe};
use crate::store::{Crowd, FACTS_SOFT_MAX, Home, IntegrityCheck, RELATED_MAX, Room, Scattered, Store, StoreError};
use crate::telemetry::events;

/// Find what is wrong with the set-up, and what to paste at each provider's
///
/// Reads the configuration, opens the database and writes to it, and asks Refairn
/// whether it takes the API keys, without creating a record. Exit code 1 when
/// anything is wrong.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Where the providers reach the bridge: an https address, without /webhooks
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<Url>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// How long the database is read to find damage: some gigabytes.
const LOOK_FOR_DAMAGE_MAX: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
    dashboards: Vec<Dashboard>,
}

/// Checks.
///
/// # Errors
/// Standard output cannot be written. What is wrong with the set-up is no error of this command.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    let report = match args.config.try_load() {
        Err(mistakes) => {
            let mut findings: Vec<Finding> = mistakes.iter().map(Finding::mistake).collect();
            let later = "the database, the API keys and the dashboards are looked at once the configuration is right";
            findings.push(Finding::skipped(Area::Configuration, later));
            Report { ok: false, findings, dashboards: Vec::new() }
        }
        Ok(config) => {
            let findings = block_on(async {
                let mut findings = look_around(&config, args.public_url.as_ref()).await;
                findings.extend(running(&args.config).await);
                Ok(findings)
            })?;
            let dashboards = config.endpoints.iter().map(|e| Dashboard::of(&config, e, args.public_url.as_ref()));
            Report { ok: !findings.iter().any(Finding::is_wrong), findings, dashboards: dashboards.collect() }
        }
    };
    if args.json {
        output::json(&report)?;
    } else {
        output::data(&report.text())?;
    }
    Ok(if report.ok { Verdict::Fine } else { Verdict::NotFine })
}

async fn look_around(config: &Config, public_url: Option<&Url>) -> Vec<Finding> {
    let mut findings = configuration(config);
    if public_url.is_some_and(|url| url.scheme() == "http") {
        let cause = "--public-url is not https, and providers send live events to https addresses only";
        findings.push(Finding::warning(Area::Configuration, cause));
    }
    findings.extend(database(config).await);
    let warnings = storage_warnings(&config.storage.url).into_iter();
    findings.extend(warnings.map(|warning| Finding::warning(Area::Storage, warning)));
    findings.extend(keys(config).await);
    findings.extend(webhooks(config, public_url).await);
    findings
}

/// What the webhook endpoints at the providers lack, and what harms. They are looked for by the address that is said to be
/// the bridge's.
async fn webhooks(config: &Config, public_url: Option<&Url>) -> Vec<Finding> {
    let Some(base) = public_url.map(|url| url.as_str().trim_end_matches('/')) else { return Vec::new() };
    let asked = config.endpoints.iter().filter(|endpoint| endpoint.api_key.is_some());
    let looked_at = join_all(asked.map(|endpoint| async move {
        looked_at(endpoint, &format!("{base}{}", webhook_path(config, endpoint))).await
    }));
    looked_at.await.into_iter().flatten().map(|warning| Finding::warning(Area::Providers, warning)).collect()
}

fn configuration(config: &Config) -> Vec<Finding> {
    let count = |n: usize, one: &str, several: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {several}") };
    let endpoints = count(config.endpoints.len(), "endpoint", "endpoints");
    let businesses = count(config.businesses.len(), "business", "businesses");
    let mut findings = vec![Finding::fine(Area::Configuration, format!("no mistakes: {endpoints}, {businesses}"))];
    findings.extend(config.proxies_in_use().into_iter().map(|used| Finding::fine(Area::Configuration, used)));
    findings.extend(config.warnings().into_iter().map(Finding::of_warning));
    let ignored = config.ignores_tests_of();
    if !ignored.is_empty() {
        let what = format!("there is no product for test events, so those of {} are ignored", ignored.join(", "));
        let cure = "set test_product_id (REFAIRN_TEST_PRODUCT_ID) to a product whose rates are all zero, or send no test events";
        findings.push(Finding::look_at(Area::Configuration, what, cure));
    }
    if config.admin_token.is_none() {
        let what = "no admin token is set: serve at a terminal makes one and shows it; elsewhere the dashboard, the API and the \
             metrics stay shut";
        findings.push(Finding::fine(Area::Configuration, what));
    }
    findings
}

/// Whether the database opens and takes a write. A bridge that is running is asked instead: a second one would take its
/// work away.
async fn database(config: &Config) -> Vec<Finding> {
    match readiness(config.server.listen).await {
        Ok(Readiness::Ready) => {
            let what = format!("the bridge that runs on {} takes webhooks", config.server.listen);
            return vec![Finding::fine(Area::Storage, what)];
        }
        Ok(Readiness::NotReady(why)) => {
            let what = format!("the bridge that runs on {} cannot take webhooks: {why}", config.server.listen);
            return vec![Finding::wrong(Area::Storage, what, "see its log")];
        }
        Ok(Readiness::Absent(_)) | Err(_) => {}
    }
    let wrong = |error: StartError| {
        let cure = match &error {
            StartError::Store(store) => store_hint(store, &storage(&config.storage.url)),
            StartError::Listen(..) | StartError::Client(_) | StartError::Thread(_) => {
                "leave DATABASE_URL out to keep the data in data/refairn-bridge.db".to_owned()
            }
        };
        vec![Finding::wrong(Area::Storage, error.to_string(), cure)]
    };
    let store = match app::open_store(config).await {
        Ok(store) => store,
        Err(error) => return wrong(error),
    };
    let found = look_into(&store).await;
    store.close().await;
    found.unwrap_or_else(|error| wrong(StartError::Store(error)))
}

/// What an open store is like.
async fn look_into(store: &Store) -> Result<Vec<Finding>, StoreError> {
    let Home { place, is_new, others } = store.home();
    let place = if *is_new { format!("{place} (made just now: a new, empty store)") } else { place.clone() };
    store.probe().await?;
    let mut findings = vec![match store.damage(LOOK_FOR_DAMAGE_MAX).await? {
        IntegrityCheck::Sound => Finding::fine(Area::Storage, format!("{place} opens, takes a write, and is sound")),
        IntegrityCheck::NotAll => Finding::fine(Area::Storage, format!("{place} opens and takes a write")),
        IntegrityCheck::Damaged(what) => Finding::wrong(
            Area::Storage,
            format!("{place} is damaged: {what}"),
            "stop the bridge, keep the file, look at the disk, and put your last backup in its place",
        ),
    }];
    findings.extend(others.iter().map(|other| {
        let what = format!("schema {other} of the same database holds another store, which this bridge does not use");
        Finding::warning(Area::Storage, what)
    }));
    if let Some((customers, Crowd { event, facts })) = store.crowds().await? {
        let what = format!(
            "customers with more than {FACTS_SOFT_MAX} events, which makes each further one slow: {customers}; that of \
             {event} has {facts}. Let no address stand for many buyers"
        );
        findings.push(Finding::warning(Area::Storage, what));
    }
    let scattered = store.scattered().await?;
    if !scattered.is_empty() {
        let name = |Scattered { customer, addresses }: &Scattered| format!("{customer} ({addresses})");
        let names: Vec<String> = scattered.iter().map(name).collect();
        let what = format!(
            "customers of a provider's with more than {RELATED_MAX} e-mail addresses, so that a referral code known under one \
             counts for no other: {}. Let each buyer be a customer of their own",
            names.join(", ")
        );
        findings.push(Finding::warning(Area::Storage, what));
    }
    if let Some(Room { wanted, free }) = store.room().await?
        && free < wanted
    {
        let what = format!(
            "the server, or a pooler in front of it, has {free} connections for this bridge, which takes up to {wanted}: \
             give it more, or lower storage.connections_max"
        );
        findings.push(Finding::warning(Area::Storage, what));
    }
    findings.extend(clocks(store).await);
    Ok(findings)
}

/// Whether this machine's clock stands apart from the database's. What cannot be asked now is told of by [`database`].
async fn clocks(store: &Store) -> Option<Finding> {
    let machine = Clock::system();
    let skew = machine.now().duration_since(store.clock(&machine).await.ok()?.now());
    (skew.unsigned_abs() > SLACK).then(|| Finding::warning(Area::Storage, events::apart(skew)))
}

/// What `status` says of the bridge that `BRIDGE_URL` names.
async fn running(config: &ConfigFile) -> Vec<Finding> {
    let stats = match Bridge::named(config) {
        Ok(None) => return Vec::new(),
        Ok(Some(bridge)) => status::ask(&bridge).await,
        Err(error) => Err(error),
    };
    let see = "see: refairn-bridge status";
    match stats {
        Err(error) => vec![Finding::wrong(Area::Bridge, output::error_line(&error), see)],
        Ok(stats) => {
            let needs = status::needs(&stats, Clock::system().now());
            if needs.is_empty() {
                return vec![Finding::fine(Area::Bridge, "nothing needs a person")];
            }
            needs.into_iter().map(|need| Finding::wrong(Area::Bridge, need, see)).collect()
        }
    }
}

/// Whether Refairn takes the API key of each business.
async fn keys(config: &Config) -> Vec<Finding> {
    let client = match Client::new(&config.refairn.base_url, config.refairn.timeout, &config.proxies, Clock::system()) {
        Ok(client) => client,
        Err(error) => {
            let cure =
                "install the system's certificates (the package is called ca-certificates), or set SSL_CERT_FILE";
            return vec![Finding::wrong(Area::Refairn, error.to_string(), cure)];
        }
    };
    let probes = config.businesses.iter().map(async |business| {
        let probe = client.probe(&business.api_key).await;
        key(business, probe, &config.refairn.base_url)
    });
    join_all(probes).await.into_iter().flatten().collect()
}

fn key(business: &Business, probe: KeyProbe, base_url: &str) -> Vec<Finding> {
    let of = format!("business {}", business.id);
    let area = Area::Refairn;
    vec![match probe {
        KeyProbe::Good => {
            let ids = format!(
                "{of}: whether this id and the products' ids belong to the key shows with the first call (status tells of it)"
            );
            return vec![
                Finding::fine(area, format!("{of}: {base_url} takes the API key")),
                Finding::skipped(area, ids),
            ];
        }
        KeyProbe::Bad(message) => Finding::wrong(
            area,
            format!("{of}: {message}"),
            "copy the API key from Refairn's dashboard, Settings → Integrations; it is shown once, so you may need a new one",
        ),
        KeyProbe::Unreachable(message) => Finding::wrong(
            area,
            format!("{of}: {base_url} does not answer: {message}"),
            "look at REFAIRN_BASE_URL, and whether this machine may connect to it",
        ),
        KeyProbe::Unexpected(status, message) => Finding::wrong(
            area,
            format!("{of}: {base_url} answers {status}, which tells nothing about the API key: {message}"),
            "look at REFAIRN_BASE_URL: something else than Refairn may be there; after a 5xx, try again later",
        ),
    }]
}

impl Report {
    fn text(&self) -> String {
        let mut text = findings::text(&self.findings);
        for dashboard in &self.dashboards {
            let _ = write!(text, "\n{dashboard}");
        }
        let wrong = self.findings.iter().filter(|f| f.is_wrong()).count();
        let open = self.findings.iter().filter(|f| f.is_open()).count();
        let things = |n: usize| if n == 1 { "1 thing".to_owned() } else { format!("{n} things") };
        let (verdict, tone) = match (wrong, open) {
            (0, 0) => ("all is well".to_owned(), output::Tone::Good),
            (0, open) => (format!("nothing is wrong; {} to look at", things(open)), output::Tone::Warning),
            (1, _) => ("1 thing is wrong".to_owned(), output::Tone::Bad),
            (wrong, _) => (format!("{} are wrong", things(wrong)), output::Tone::Bad),
        };
        let verdict = output::paint(&verdict, tone, output::Stream::Data);
        let _ = writeln!(text, "\n{verdict}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    #[test]
    fn only_a_key_that_is_taken_is_fine() {
        let business = Business {
            id: "biz_1".to_owned(),
            api_key: Secret::parse("sk_hidden").unwrap(),
            product_id: None,
            test_product_id: None,
        };
        let check = |probe: KeyProbe, fine: bool| {
            let found = key(&business, probe, "https://app.example.com");
            assert_eq!(!found.iter().any(Finding::is_wrong), fine);
            let text = findings::text(&found);
            assert!(text.contains("biz_1") && !text.contains("sk_hidden"), "{text}");
        };
        check(KeyProbe::Good, true);
        check(KeyProbe::Bad("the API key is missing or invalid".to_owned()), false);
        check(KeyProbe::Unreachable("cannot connect".to_owned()), false);
        check(KeyProbe::Unexpected(502, "no message".to_owned()), false);
    }
}
