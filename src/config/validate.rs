//! From what was typed to what is sound, section by section.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::alerts;
use super::businesses;
use super::endpoints::{self, Context};
use super::mistake::Mistake;
use super::raw::{Item, Reader, Reported};
use super::table::Table;
use super::urls::{self, StorageUrl};
use super::{Config, Delivery, Refairn, Server, Storage};
use crate::domain::policy::Policy;
use crate::domain::proxy::Proxies;

/// What is said of a key that only the compiled-in file can have lost.
const DEFAULT_LOST: &str = "give it a value";

/// Reads every section; `variables` hold the providers' secrets that the environment gives.
pub(super) fn config(mut root: Table, variables: Table, reader: &mut Reader) -> Result<Config, Reported> {
    let server = root.section("server", reader).and_then(|table| server(table, reader));
    let admin_token = root.section("admin", reader).and_then(|mut table| {
        let token = table.secret(["token", "token_file"], reader);
        table.close(reader);
        token
    });
    let storage = root.section("storage", reader).and_then(|table| storage(table, reader));
    let alerts = root.section("alerts", reader).and_then(|table| alerts::alerts(table, reader));
    let extra = root.each("businesses", reader, |item| Ok(item.clone()));
    let (refairn, drafts) = match (root.section("refairn", reader), extra) {
        (Ok(mut section), Ok(extra)) => {
            let drafts = businesses::drafts(&mut section, extra.unwrap_or_default(), reader);
            (refairn(section, reader), Ok(drafts))
        }
        (Ok(_) | Err(Reported), _) => (Err(Reported), Err(Reported)),
    };
    let delivery = root.section("delivery", reader).and_then(|table| delivery(table, reader));
    // With the wrong zone the endpoints can still be read for their own mistakes.
    let time_zone = delivery.as_ref().map_or(TimeZone::UTC, |(_, policy)| policy.time_zone.clone());
    let context = Context { businesses: drafts.as_deref().ok(), time_zone: &time_zone };
    let endpoints = root
        .each("endpoints", reader, |item| Ok(item.clone()))
        .and_then(|items| endpoints::endpoints(items.unwrap_or_default(), variables, context, reader));
    root.close(reader);
    let businesses = drafts.and_then(|drafts| businesses::finish(drafts, reader));
    let (delivery, policy) = delivery?;
    Ok(Config {
        server: server?,
        admin_token: admin_token?,
        storage: storage?,
        refairn: refairn?,
        businesses: businesses?,
        endpoints: endpoints?,
        delivery,
        policy,
        alerts: alerts?,
        proxies: Proxies::default(),
        secret_files: BTreeMap::new(),
        noted: Vec::new(),
    })
}

fn server(mut table: Table, reader: &mut Reader) -> Result<Server, Reported> {
    let hint = "write an address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every address";
    let listen = table.required("listen", reader, DEFAULT_LOST, |item| item.parsed(socket, hint));
    let admin_listen = table.optional("admin_listen", reader, |item| {
        let address = item.parsed(socket, hint)?;
        let same = listen.as_ref().is_ok_and(|listen| *listen == address && address.port() != 0);
        if same {
            return Err(item.mistake("it is the same as server.listen", "take another port, or take admin_listen away"));
        }
        Ok(address)
    });
    let public_url = table.optional("public_url", reader, |item| {
        item.parsed(urls::base_url, "write https:// and the host at which people open the dashboard")
    });
    let trusted_proxies = table.each("trusted_proxies", reader, Item::network);
    let body_max_bytes =
        table.required("body_max_bytes", reader, DEFAULT_LOST, |item| item.integer(&(1 << 10..=16 << 20)));
    let failed_signatures_per_minute =
        table.required("failed_signatures_per_minute", reader, DEFAULT_LOST, |item| item.integer(&(0..=6000)));
    table.close(reader);
    Ok(Server {
        listen: listen?,
        admin_listen: admin_listen?,
        public_url: public_url?,
        trusted_proxies: trusted_proxies?.unwrap_or_default(),
        body_max_bytes: size(body_max_bytes?),
        failed_signatures_per_minute: failed_signatures_per_minute?,
    })
}

fn storage(mut table: Table, reader: &mut Reader) -> Result<Storage, Reported> {
    let hint = "write sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE";
    let url = table.secret_text(["url", "url_file"], reader).and_then(|found| {
        let (form, text) = found.ok_or_else(|| reader.note(Mistake::new("storage.url", "it is missing", hint)))?;
        let url = StorageUrl::parse(&text, reader.files().directory());
        if let Ok(StorageUrl::Postgres(_)) = &url {
            reader.holds_secret(form.file());
        }
        reader.keep(url.map_err(|wrong| form.item().mistake(wrong.cause, wrong.hint)))
    });
    let connections_max = table.required("connections_max", reader, DEFAULT_LOST, |item| item.integer(&(2..=200)));
    let retention_days = table.required("retention_days", reader, DEFAULT_LOST, |item| item.integer(&(1..=3650)));
    let least = *retention_days.as_ref().unwrap_or(&1);
    let customers_retention_days =
        table.optional("customers_retention_days", reader, |item| item.integer(&(least..=36_500)));
    table.close(reader);
    Ok(Storage {
        url: url?,
        connections_max: size(connections_max?),
        retention_days: retention_days?,
        customers_retention_days: customers_retention_days?,
    })
}

fn refairn(mut table: Table, reader: &mut Reader) -> Result<Refairn, Reported> {
    let base_url = table.required("base_url", reader, DEFAULT_LOST, |item| {
        item.parsed(urls::base_url, "write https://app.refairn.com, or where else Refairn is")
    });
    let timeout_ms = table.required("timeout_ms", reader, DEFAULT_LOST, |item| item.integer(&(100..=120_000)));
    let event_id = table.required("event_id", reader, DEFAULT_LOST, |item| item.boolean());
    table.close(reader);
    Ok(Refairn { base_url: base_url?, timeout: Duration::from_millis(u64::from(timeout_ms?)), event_id: event_id? })
}

fn delivery(mut table: Table, reader: &mut Reader) -> Result<(Delivery, Policy), Reported> {
    let concurrency = table.required("concurrency", reader, DEFAULT_LOST, |item| item.integer(&(1..=1024)));
    let retry_max_wait_s = table.required("retry_max_wait_s", reader, DEFAULT_LOST, |item| item.integer(&(1..=86_400)));
    let give_up_after_h = table.required("give_up_after_h", reader, DEFAULT_LOST, |item| item.integer(&(1..=720)));
    let max_per_second = table.optional("max_per_second", reader, |item| item.integer(&(1..=10_000)));
    let status_updates = table.required("status_updates", reader, DEFAULT_LOST, |item| item.choice());
    let same_day_payments = table.required("same_day_payments", reader, DEFAULT_LOST, |item| item.choice());
    let late_payment_wait_max_s =
        table.required("late_payment_wait_max_s", reader, DEFAULT_LOST, |item| item.integer(&(0..=86_400)));
    let first_payment_wait_s =
        table.required("first_payment_wait_s", reader, DEFAULT_LOST, |item| item.integer(&(0..=600)));
    let leads = table.required("leads", reader, DEFAULT_LOST, |item| item.choice());
    let time_zone = table.required("time_zone", reader, DEFAULT_LOST, |item| {
        let zone = |name: &str| TimeZone::get(name).map_err(|_| format!("{name:?} is no time zone"));
        item.parsed(zone, "write a name of the IANA time zone database, such as UTC or Africa/Lagos")
    });
    table.close(reader);
    let delivery = Delivery {
        concurrency: size(concurrency?),
        retry_max_wait: seconds(retry_max_wait_s?),
        give_up_after: seconds(give_up_after_h?.saturating_mul(3600)),
        max_per_second: max_per_second?,
    };
    let policy = Policy {
        status_updates: status_updates?,
        same_day_payments: same_day_payments?,
        first_payment_wait: seconds(first_payment_wait_s?),
        late_payment_wait_max: seconds(late_payment_wait_max_s?),
        leads: leads?,
        time_zone: time_zone?,
    };
    Ok((delivery, policy))
}

/// An address and a port; `localhost` is this machine's own.
fn socket(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| format!("{text:?} is not an address with a port"))
}

const fn seconds(count: u32) -> Duration {
    Duration::from_secs(count as u64)
}

/// A number of the file as a size; it was held against its range before.
fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
