//! The lists of a provider's API, over objects that a test gives: filters, pages, what may be expanded, limits, failures,
//! and keys that may not read everything. It is written after the providers' documents and shares no code with the bridge.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::provider::{Says, error};

/// How long Stripe keeps events, seconds.
const EVENTS_KEPT: i64 = 30 * 86_400;
/// Types that one request for events may name.
const TYPES_MAX: usize = 20;
/// Rows of a page, where nothing is said.
const ROWS: usize = 10;

/// An account at a provider.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// When it is: older events are gone.
    pub now: Option<Timestamp>,
    /// By the path of their list. What stands under `_of` is expanded only where that is asked for.
    objects: BTreeMap<String, Vec<Value>>,
    /// Paths that the key may not read.
    pub forbidden: BTreeSet<String>,
    /// Every so many requests are answered 429.
    pub busy_every: Option<usize>,
    /// Every so many requests are answered 500.
    pub fails_every: Option<usize>,
    /// Requests so far.
    pub requests: usize,
    /// Webhook endpoints, and how many were made.
    pub hooks: Vec<Value>,
    pub made: usize,
}

/// What a request asks for.
struct Query {
    path: String,
    parameters: Vec<(String, String)>,
}

impl Query {
    fn read(path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parameters = form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned()));
        Self { path: path.to_owned(), parameters: parameters.collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name).map(|text| text.parse().expect("a number"))
    }
}

impl Lists {
    /// Adds an object to the list at `path`.
    pub fn add(&mut self, path: &str, object: Value) {
        self.objects.entry(path.to_owned()).or_default().push(object);
    }

    /// Changes the objects of the list at `path`, and takes out those of which it gives false.
    pub fn change(&mut self, path: &str, keep: impl FnMut(&mut Value) -> bool) {
        self.objects.entry(path.to_owned()).or_default().retain_mut(keep);
    }

    /// Whether there is such a list.
    pub fn has(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.objects.contains_key(path) || LISTS.contains(&path)
    }

    /// The answer to a request for a list.
    pub fn answer(&mut self, path: &str) -> Says {
        self.requests += 1;
        let is_turn = |every: Option<usize>| every.is_some_and(|every| self.requests.is_multiple_of(every));
        if is_turn(self.busy_every) {
            return Says::Busy(1);
        }
        if is_turn(self.fails_every) {
            return Says::Status(500, "<html>".to_owned());
        }
        let query = Query::read(path);
        if self.forbidden.contains(&query.path) {
            return error(403, &format!("The provided key does not have the required permissions for {}", query.path));
        }
        if query.path.starts_with("/v1/") { self.stripe(&query) } else { self.paystack(&query) }
    }

    /// The answer to what is asked of webhook endpoints.
    pub fn hook(&mut self, method: &str, path: &str, body: &str) -> Option<Says> {
        let rest = path.split('?').next()?.strip_prefix("/v1/webhook_endpoints")?;
        if self.forbidden.contains("/v1/webhook_endpoints") {
            return Some(error(403, "The provided key does not have the required permissions for webhook endpoints"));
        }
        let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let one = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let apply = |hook: &mut Value| {
            let events: Vec<&String> =
                form.iter().filter(|(key, _)| key == "enabled_events[]").map(|(_, e)| e).collect();
            if !events.is_empty() {
                hook["enabled_events"] = json!(events);
            }
            for (key, field) in [("url", "url"), ("api_version", "api_version")] {
                one(key).into_iter().for_each(|value| hook[field] = json!(value));
            }
            one("metadata[refairn_bridge]")
                .into_iter()
                .for_each(|name| hook["metadata"]["refairn_bridge"] = json!(name));
            one("disabled")
                .into_iter()
                .for_each(|off| hook["status"] = json!(if off == "true" { "disabled" } else { "enabled" }));
        };
        let place = self.hooks.iter().position(|hook| hook["id"] == rest.trim_start_matches('/'));
        Some(match (method, rest, place) {
            ("GET", "", _) => Says::Object(json!({"object": "list", "has_more": false, "data": self.hooks})),
            ("POST", "", _) => {
                self.made += 1;
                let mut hook = json!({"id": format!("we_{}", self.made), "object": "webhook_endpoint", "status": "enabled",
                    "metadata": {}});
                apply(&mut hook);
                self.hooks.push(hook.clone());
                // The only time that it is shown.
                hook["secret"] = json!(format!("whsec_of_{}", self.made));
                Says::Object(hook)
            }
            ("POST", _, Some(place)) => {
                apply(&mut self.hooks[place]);
                Says::Object(self.hooks[place].clone())
            }
            ("DELETE", _, Some(place)) => Says::Object(self.hooks.remove(place)),
            _ => error(404, "No such webhook endpoint"),
        })
    }

    fn stripe(&self, query: &Query) -> Says {
        let types = query.all("types[]");
        if types.len() > TYPES_MAX {
            return error(400, "You may only specify up to 20 event types");
        }
        let oldest = self.now.map(|now| now.as_second() - EVENTS_KEPT).filter(|_| query.path == "/v1/events");
        let made = |object: &Value| object["created"].as_i64().expect("a time");
        let named = |object: &Value, key: &str| query.get(key).is_none_or(|id| object[key] == id);
        let fits = |object: &&Value| {
            let status = match query.get("status") {
                Some("all") => true,
                Some(status) => object["status"] == status,
                // Without a word cancelled subscriptions are left out.
                None => query.path != "/v1/subscriptions" || object["status"] != "canceled",
            };
            let typed = types.is_empty() || types.iter().any(|name| object["type"] == *name);
            let in_time = query.number("created[gte]").is_none_or(|from| made(object) >= from)
                && query.number("created[lte]").is_none_or(|to| made(object) <= to)
                && oldest.is_none_or(|oldest| made(object) >= oldest);
            status
                && typed
                && in_time
                && ["customer", "subscription", "payment_intent"].iter().all(|key| named(object, key))
        };
        let mut found: Vec<&Value> = self.objects.get(&query.path).into_iter().flatten().filter(fits).collect();
        found.sort_by_key(|object| std::cmp::Reverse((made(object), object["id"].as_str().map(str::to_owned))));
        let begin = query
            .get("starting_after")
            .map_or(0, |id| found.iter().position(|object| object["id"] == id).map_or(found.len(), |place| place + 1));
        let limit = query.number("limit").map_or(ROWS, |limit| usize::try_from(limit.clamp(1, 100)).expect("positive"));
        let page: Vec<Value> = found.iter().skip(begin).take(limit).map(|o| shown(o, &query.all("expand[]"))).collect();
        let has_more = begin + page.len() < found.len();
        Says::Object(json!({"object": "list", "url": query.path, "has_more": has_more, "data": page}))
    }

    fn paystack(&self, query: &Query) -> Says {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let made = |object: &Value| time(object["createdAt"].as_str().expect("a time"));
        let fits = |object: &&Value| {
            query.get("status").is_none_or(|status| object["status"] == status)
                && query.get("from").is_none_or(|from| made(object) >= time(from))
                && query.get("to").is_none_or(|to| made(object) <= time(to))
        };
        let mut found: Vec<&Value> = self.objects.get(&query.path).into_iter().flatten().filter(fits).collect();
        found.sort_by_key(|object| std::cmp::Reverse(made(object)));
        let rows = query.number("perPage").map_or(50, |n| usize::try_from(n.clamp(1, 100)).expect("positive"));
        let page = query.number("page").map_or(1, |n| usize::try_from(n.max(1)).expect("positive"));
        let data: Vec<&Value> = found.iter().skip((page - 1) * rows).take(rows).copied().collect();
        let meta = json!({"total": found.len(), "skipped": (page - 1) * rows, "perPage": rows, "page": page,
            "pageCount": found.len().div_ceil(rows)});
        Says::Object(json!({"status": true, "message": "retrieved", "data": data, "meta": meta}))
    }
}

/// Lists that are there although they may be empty.
const LISTS: &[&str] = &[
    "/v1/events",
    "/v1/invoices",
    "/v1/checkout/sessions",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/subscriptions",
    "/transaction",
    "/refund",
    "/dispute",
    "/subscription",
];

/// An object as a list shows it: with what was to be expanded, and ids in the place of the rest.
fn shown(object: &Value, expand: &[&str]) -> Value {
    let mut shown = object.clone();
    let Some(fields) = shown.as_object_mut() else { return shown };
    let Some(Value::Object(inner)) = fields.remove("_of") else { return shown };
    for (name, whole) in inner {
        if expand
            .iter()
            .any(|path| path.strip_prefix("data.").is_some_and(|path| path.split('.').next() == Some(&name)))
        {
            fields.insert(name, whole);
        }
    }
    shown
}
