//! Refairn as far as the tests need it: the sandbox on a port of its own.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use refairn_bridge::clock::Clock;
use refairn_bridge::sandbox::{self, Book, Business, Program, Sandbox};
use refairn_bridge::tasks::Tasks;

/// A sandbox that answers. It has to be ended by [`Refairn::end`].
pub struct Refairn {
    pub url: String,
    server: ServerHandle,
    tasks: Tasks,
}

impl Refairn {
    /// Starts to answer for `sandbox`, whose today is the clock's.
    pub fn start(sandbox: &Sandbox, clock: &Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let clock = clock.clone();
        let today = Arc::new(move || clock.now().to_zoned(jiff::tz::TimeZone::UTC).date());
        let running = sandbox::start(listener, sandbox.clone(), today, 1).expect("a sandbox");
        let (server, tasks) = (running.handle(), Tasks::new());
        tasks.spawn(async move { running.await.unwrap_or_default() });
        Self { url, server, tasks }
    }

    pub async fn end(self) {
        self.server.stop(false).await;
        assert!(self.tasks.stop(Duration::from_secs(10)).await, "the sandbox did not stop");
    }
}

/// A sandbox that knows one business.
pub fn sandbox(business: Business) -> Sandbox {
    Sandbox::new(Book::new().with(business))
}

/// A business as the sandbox knows it, with its agents ADA10 and BAYO15.
pub fn business(id: &str, key: &str) -> Business {
    let twenty = Program::recurring(20.into(), 14);
    let business = Business::new(id, key).product("prod_1", twenty).product("prod_2", twenty);
    let business = business.product("prod_test", Program::recurring(0.into(), 14));
    business.agent("agent_ada", "Ada", "ADA10").agent("agent_bayo", "Bayo", "BAYO15")
}
