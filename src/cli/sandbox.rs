//! `sandbox`: a local Refairn, until a signal ends it.

use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;

use super::process::{Signals, block_on};
use super::serve::listen_hint;
use super::{Verdict, output};
use crate::clock::Clock;
use crate::sandbox::{self, Book, Business, Sandbox, Today};
use crate::tasks::Tasks;

/// The key of [`Business::demo`].
const API_KEY: &str = "sk_sandbox_demo";
/// Threads that answer.
const WORKERS: usize = 2;
/// How long calls under way may take to end.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);

/// Run a local Refairn to develop and test against
///
/// Answers both of Refairn's calls with every status of the contract, credits
/// agents, computes commissions, and misbehaves on demand. Nothing leaves this
/// machine, and nothing is kept when it stops.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
}

/// Runs the sandbox.
///
/// # Errors
/// It cannot listen.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(serve(args.listen))
}

async fn serve(addr: SocketAddr) -> anyhow::Result<Verdict> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(addr).map_err(|error| {
        output::failed(format!("cannot listen on {addr}: {error}"), listen_hint(addr, &error, "--listen"))
    })?;
    listener.set_nonblocking(true).context("cannot use the listener")?;
    let addr = listener.local_addr().context("cannot use the listener")?;
    let server =
        sandbox::start(listener, Sandbox::new(Book::demo()), today(), WORKERS).context("cannot start the server")?;
    let (handle, tasks) = (server.handle(), Tasks::new());
    tasks.spawn_vital("server", |_| async move {
        // It ends when its handle is stopped; an error here has closed the listener already.
        let _ = server.await;
    });
    tasks.begin_vigil().context("cannot start a thread")?;
    output::talk(&how_to_use(addr));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        failure = tasks.failed() => return Err(output::failed(failure, "start it again")),
    };
    output::talk(&format!("{signal}: stopping"));
    tokio::join!(tasks.stop(STOP_WAIT_MAX), handle.stop(true));
    Ok(Verdict::Fine)
}

/// The day in UTC, by the machine's clock.
fn today() -> Today {
    let clock = Clock::system();
    Arc::new(move || clock.now().to_zoned(TimeZone::UTC).date())
}

/// What to do with it.
fn how_to_use(addr: SocketAddr) -> String {
    let demo = Business::demo();
    let codes: Vec<&str> = demo.agents().keys().map(String::as_str).collect();
    let code = codes.first().copied().unwrap_or_default();
    let mut text =
        format!("a local Refairn is listening on http://{addr}\n\nPoint the bridge at it with these variables:\n\n");
    for (name, value) in [
        ("REFAIRN_BASE_URL", format!("http://{addr}")),
        ("REFAIRN_API_KEY", API_KEY.to_owned()),
        ("REFAIRN_BUSINESS_ID", demo.id().to_owned()),
        ("REFAIRN_PRODUCT_ID", "prod_demo".to_owned()),
        ("REFAIRN_TEST_PRODUCT_ID", "prod_test".to_owned()),
    ] {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  export {name}={value}");
    }
    let _ = write!(
        text,
        "\nReferral codes: {codes}\n\n\
         What it holds:   curl http://{addr}/_sandbox/state\n\
         Misbehave:       curl http://{addr}/_sandbox/faults -d '{{\"status\":503,\"times\":3}}'\n\
         A referral link: http://{addr}/r/{code}\n\
         All it can do:   curl http://{addr}/\n",
        codes = codes.join(", "),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{ApiCall, Kind};

    #[test]
    fn what_is_printed_is_taken() {
        let text = how_to_use("127.0.0.1:8090".parse().unwrap());
        let value = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split_once('=').unwrap().1.to_owned()
        };
        for product in ["REFAIRN_PRODUCT_ID", "REFAIRN_TEST_PRODUCT_ID"].map(value) {
            let body = format!(
                r#"{{"businessId":"{}","productId":"{product}","customerEmail":"{product}@example.com","customerName":"Jane"}}"#,
                value("REFAIRN_BUSINESS_ID")
            );
            let bearer = format!("Bearer {}", value("REFAIRN_API_KEY"));
            let reply = Book::demo().call(ApiCall {
                kind: Kind::CustomerCreated,
                authorization: Some(&bearer),
                cookie_code: None,
                body: body.as_bytes(),
                today: "2026-06-14".parse().unwrap(),
            });
            assert_eq!(reply.status, 200, "{body}");
        }
    }
}
