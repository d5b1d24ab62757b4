//! Who may do what: the one table of all routes that are not open to everybody. A route that it does not list is nobody's.

use actix_web::http::Method;

use super::problem::Problem;
use crate::domain::access::{Role, Who};

/// Whether a route can keep to one business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// The holder of a token of one business is answered with what is that business's.
    OwnBusiness,
    /// It is about the whole bridge, and shut to them.
    Everything,
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Right {
    /// The method; what answers GET answers HEAD, too.
    pub method: &'static str,
    /// The pattern of its address, as it is registered.
    pub path: &'static str,
    /// The least role.
    pub role: Role,
    /// Whether it can keep to one business.
    pub sees: Sees,
}

const fn right(method: &'static str, path: &'static str, role: Role, sees: Sees) -> Right {
    Right { method, path, role, sees }
}

/// Every route that somebody has to be let in for.
pub const RIGHTS: &[Right] = {
    use Role::{Admin, Operate, Read};
    use Sees::{Everything, OwnBusiness};
    &[
        right("GET", "/metrics", Read, Everything),
        right("GET", "/api/v1/events", Read, OwnBusiness),
        right("GET", "/api/v1/events/changed", Read, Everything),
        right("GET", "/api/v1/events/{id}", Read, OwnBusiness),
        right("POST", "/api/v1/events/{id}/remap", Operate, OwnBusiness),
        right("GET", "/api/v1/deliveries", Read, OwnBusiness),
        right("GET", "/api/v1/deliveries/{id}", Read, OwnBusiness),
        right("POST", "/api/v1/deliveries/{id}/{action}", Operate, OwnBusiness),
        right("GET", "/api/v1/search", Read, OwnBusiness),
        right("GET", "/api/v1/why", Read, OwnBusiness),
        right("GET", "/api/v1/customers/{email}", Read, OwnBusiness),
        right("POST", "/api/v1/customers/forget", Admin, Everything),
        right("GET", "/api/v1/payments", Read, OwnBusiness),
        right("GET", "/api/v1/backfills", Read, Everything),
        right("POST", "/api/v1/backfills", Operate, Everything),
        right("GET", "/api/v1/backfills/{id}", Read, Everything),
        right("POST", "/api/v1/backfills/{id}/{action}", Operate, Everything),
        right("GET", "/api/v1/reconciliations", Read, Everything),
        right("POST", "/api/v1/reconciliations", Operate, Everything),
        right("GET", "/api/v1/reconciliations/{id}", Read, Everything),
        right("GET", "/api/v1/reconciliations/{id}/payments", Read, Everything),
        right("GET", "/api/v1/stats", Read, Everything),
        right("GET", "/api/v1/stream", Read, Everything),
        right("GET", "/api/v1/openapi.json", Read, OwnBusiness),
        right("GET", "/api/v1/audit", Read, OwnBusiness),
        right("GET", "/api/v1/access", Admin, Everything),
        right("POST", "/api/v1/access", Admin, Everything),
        right("POST", "/api/v1/access/{name}/revoke", Admin, Everything),
        right("POST", "/api/v1/alerts/test", Operate, Everything),
        right("GET", "/", Read, Everything),
        right("GET", "/attention", Read, OwnBusiness),
        right("GET", "/customers", Read, OwnBusiness),
        right("GET", "/customers/{email}", Read, OwnBusiness),
        right("GET", "/customers/{email}/forget", Admin, Everything),
        right("GET", "/payments", Read, OwnBusiness),
        right("GET", "/activity", Read, OwnBusiness),
        right("GET", "/calls", Read, OwnBusiness),
        right("GET", "/search", Read, OwnBusiness),
        right("GET", "/set-up", Read, Everything),
        right("GET", "/events/{id}", Read, OwnBusiness),
        right("GET", "/deliveries/{id}", Read, OwnBusiness),
        right("POST", "/events/{id}/remap", Operate, OwnBusiness),
        right("POST", DECIDE, Operate, OwnBusiness),
        right("POST", COMPARE, Operate, Everything),
        right("POST", FETCH, Operate, Everything),
        right("POST", ANSWER, Operate, Everything),
        right("POST", REVOKE, Admin, Everything),
        right("POST", TEST_ALERTS, Operate, Everything),
        right("POST", FORGET, Admin, Everything),
    ]
};

/// Where the forms of calls are sent.
pub(super) const DECIDE: &str = "/deliveries/{id}/{action}";
/// Where a comparison with a provider's list is asked for on a page.
pub(super) const COMPARE: &str = "/payments/{month}/{endpoint}/compare";
/// Where a page asks a provider for what a comparison found missing.
pub(super) const FETCH: &str = "/payments/{month}/{endpoint}/fetch";
/// Where a page says whether what was listed is told.
pub(super) const ANSWER: &str = "/backfills/{id}/{action}";
/// Where access is taken back on a page.
pub(super) const REVOKE: &str = "/access/{name}/revoke";

/// Where a page has a customer forgotten.
pub(super) const FORGET: &str = "/customers/forget";
/// Where a page tries out the alerts.
pub(super) const TEST_ALERTS: &str = "/alerts/test";

/// Whether somebody may send this to the route of this pattern.
///
/// # Errors
/// Their role is too low, or their token is of one business and the route is about all.
pub(super) fn check(path: &'static str, method: &Method, who: &Who) -> Result<(), Problem> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut of_path = RIGHTS.iter().filter(|right| right.path == path).peekable();
    if of_path.peek().is_none() {
        return Err(Problem::no_such_path());
    }
    // What answers no such method says so, and does nothing else.
    let Some(right) = of_path.find(|right| right.method == method.as_str()) else { return Ok(()) };
    if who.role < right.role {
        return Err(Problem::role_too_low(who, right.role));
    }
    match (right.sees, &who.business) {
        (Sees::Everything, Some(business)) => Err(Problem::one_business_only(who, business)),
        (Sees::Everything, None) | (Sees::OwnBusiness, _) => Ok(()),
    }
}

/// Whether somebody may press the button that posts to this route.
pub(super) fn may_post(path: &'static str, who: &Who) -> bool {
    check(path, &Method::POST, who).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_is_not_listed_is_nobodys() {
        assert!(check("/api/v1/events", &Method::HEAD, &Who::admin()).is_ok());
        assert!(check("/api/v1/event", &Method::GET, &Who::admin()).is_err());
        assert!(check(DECIDE, &Method::GET, &Who { role: Role::Read, ..Who::admin() }).is_ok(), "405 follows");
    }

    #[test]
    fn each_route_is_listed_once() {
        for (n, right) in RIGHTS.iter().enumerate() {
            let same = |other: &&Right| (other.method, other.path) == (right.method, right.path);
            assert!(!RIGHTS[..n].iter().any(|other| same(&other)), "{right:?}");
        }
    }
}
