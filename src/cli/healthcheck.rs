//! `healthcheck`: asks the bridge on this machine whether it can take webhooks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::configuration::ConfigFile;
use super::http_client::{HttpClient, Url};
use super::process::block_on;
use super::{Verdict, output};
use crate::api::{Problem, Ready};

/// Longest wait for the answer: longer than the bridge itself waits for its store, shorter than a supervisor waits for us.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(4);

/// Ask the bridge on this machine whether it can take webhooks
///
/// Exit code 0: it can. 1: it cannot, or nobody answers. Made for the health
/// check of a container.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// How ready a bridge is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It takes webhooks.
    Ready,
    /// It runs but cannot take webhooks; why.
    NotReady(String),
    /// Nobody answers, or somebody else; why.
    Absent(String),
}

/// Asks.
///
/// # Errors
/// It is not ready.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    // A container's supervisor knows 0 and 1 only, so a mistake is a failure here.
    let config = match args.config.try_load() {
        Ok(config) => config,
        Err(mistakes) => {
            let hint = "the health check reads the configuration to know where the bridge listens";
            output::report(&output::wrong_usage(mistakes, hint));
            return Ok(Verdict::NotFine);
        }
    };
    let listen = config.server.listen;
    match block_on(async { readiness(listen).await })? {
        Readiness::Ready => {
            output::talk("ready");
            Ok(Verdict::Fine)
        }
        Readiness::NotReady(why) => {
            Err(output::failed(format!("the bridge on {listen} cannot take webhooks: {why}"), "see its log"))
        }
        Readiness::Absent(why) => {
            Err(output::failed(format!("no bridge answers on {listen}: {why}"), "start it with: refairn-bridge serve"))
        }
    }
}

/// Asks the bridge that listens on `listen`.
///
/// # Errors
/// The HTTP client cannot be set up.
pub(super) async fn readiness(listen: SocketAddr) -> anyhow::Result<Readiness> {
    let url = Url::parse(&format!("http://{}/readyz", reachable(listen)))?;
    let reply = match HttpClient::new(&url, ANSWER_WAIT_MAX)?.get(&url).await {
        Ok(reply) => reply,
        Err(no_answer) => return Ok(Readiness::Absent(no_answer.to_string())),
    };
    let is_ready = || reply.read().is_some_and(|Ready { ready }| ready);
    let problem = || reply.read().filter(|problem: &Problem| !problem.code.is_empty());
    Ok(match (reply.status, problem()) {
        (200, _) if is_ready() => Readiness::Ready,
        (503, Some(Problem { code, detail, .. })) => Readiness::NotReady(format!("{code}: {detail}")),
        (status, _) => Readiness::Absent(format!("something else answered {status}")),
    })
}

/// Where a listener can be reached from its own machine: "any address" is none to connect to.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => listen.ip(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_is_reached_on_this_machine() {
        let check = |listen: &str, expected: &str| {
            assert_eq!(reachable(listen.parse().unwrap()), expected.parse().unwrap());
        };
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("10.1.2.3:80", "10.1.2.3:80");
    }
}
