//! Stripe's webhook endpoints, made and found by its API.

use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::list::{HEADERS, VERSION};
use crate::domain::endpoint::Rules;
use crate::providers::Provider;
use crate::providers::connect::{Ask, Registered, Registry, Verb, Wanted};
use crate::providers::lookup::SEGMENT;

/// Where Stripe's API has them.
const PATH: &str = "/v1/webhook_endpoints";
/// The key of their metadata that names the bridge's endpoint.
const OURS: &str = "refairn_bridge";
/// What a body is written as.
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

impl Registry for super::Stripe {
    fn wanted(&self, name: &str, url: &str, rules: &Rules) -> Wanted {
        let (name, url) = (name.to_owned(), url.to_owned());
        Wanted { name, url, events: self.wanted_events(rules).tick, api_version: VERSION }
    }

    fn list(&self) -> Ask {
        ask(Verb::Get, format!("{PATH}?limit=100"), None)
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<Registered>, String> {
        let list: List = serde_json::from_slice(body).map_err(|_| "it is no list of webhook endpoints".to_owned())?;
        Ok(list.data.into_iter().map(Registered::from).collect())
    }

    fn create(&self, wanted: &Wanted) -> Ask {
        let more = [("api_version", wanted.api_version), ("description", "refairn-bridge")];
        ask(Verb::Post, PATH.to_owned(), Some(form(wanted, &more)))
    }

    fn created(&self, body: &[u8]) -> Result<(Registered, String), String> {
        let made: Object = serde_json::from_slice(body).map_err(|_| "it is no webhook endpoint".to_owned())?;
        let secret = made.secret.clone().filter(|secret| secret.starts_with("whsec_"));
        let secret = secret.ok_or("it has no signing secret")?;
        Ok((made.into(), secret))
    }

    fn change(&self, id: &str, wanted: &Wanted) -> Ask {
        ask(Verb::Post, of(id), Some(form(wanted, &[("disabled", "false")])))
    }

    fn disable(&self, id: &str) -> Ask {
        ask(Verb::Post, of(id), Some("disabled=true".to_owned()))
    }

    fn remove(&self, id: &str) -> Ask {
        ask(Verb::Delete, of(id), None)
    }

    fn right(&self) -> &'static str {
        "Webhook Endpoints (write)"
    }

    fn harmful(&self) -> &'static [(&'static str, &'static str)] {
        &[("invoice.created", "a receiver that fails delays your own invoices by up to three days")]
    }
}

fn ask(verb: Verb, path: String, body: Option<String>) -> Ask {
    let form = body.is_some().then_some(FORM);
    Ask { verb, path, headers: HEADERS.iter().copied().chain(form).collect(), body }
}

fn of(id: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(id, SEGMENT))
}

fn form(wanted: &Wanted, more: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("url", &wanted.url).append_pair(&format!("metadata[{OURS}]"), &wanted.name);
    wanted.events.iter().for_each(|event| {
        form.append_pair("enabled_events[]", event);
    });
    form.extend_pairs(more);
    form.finish()
}

#[derive(Deserialize)]
struct List {
    data: Vec<Object>,
}

/// A webhook endpoint as Stripe shows it. The secret is there once, when it is made.
#[derive(Deserialize)]
struct Object {
    id: String,
    url: String,
    #[serde(default)]
    enabled_events: Vec<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    metadata: Value,
    secret: Option<String>,
}

impl From<Object> for Registered {
    fn from(object: Object) -> Self {
        let Object { id, url, enabled_events, status, metadata, secret: _ } = object;
        let name = metadata.get(OURS).and_then(Value::as_str).map(str::to_owned);
        Self { id, url, events: enabled_events, enabled: status != "disabled", name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::stripe::Stripe;
    use crate::providers::toy;

    #[test]
    fn exactly_our_events_are_asked_for_in_the_version_that_fixtures_cover() {
        let wanted = Stripe.wanted("shop", "https://bridge.example.com/webhooks/stripe/shop", &toy::rules());
        let Ask { verb, path, body, headers } = Stripe.create(&wanted);
        assert_eq!((verb, path.as_str()), (Verb::Post, "/v1/webhook_endpoints"));
        assert!(headers.contains(&FORM), "{headers:?}");
        let body = body.unwrap();
        let given: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let events: Vec<&str> =
            given.iter().filter(|(key, _)| key == "enabled_events[]").map(|(_, event)| event.as_str()).collect();
        assert_eq!(events, Stripe.wanted_events(&toy::rules()).tick);
        assert!(!events.contains(&"invoice.created") && !events.contains(&"*"));
        let has = |key: &str, value: &str| given.contains(&(key.to_owned(), value.to_owned()));
        assert!(has("api_version", VERSION) && has("metadata[refairn_bridge]", "shop"), "{body}");
        let fixture = include_str!(
            "../../../tests/fixtures/stripe/_sequence/lines-cut-off-subscription-known/03-invoice-paid.json"
        );
        assert!(fixture.contains(VERSION), "a fixture is written in it");
    }

    #[test]
    fn what_is_there_is_read_and_the_secret_once() {
        let one = r#"{"id":"we_1","object":"webhook_endpoint","url":"https://a.example.com","enabled_events":["*"],
            "status":"enabled","metadata":{"refairn_bridge":"stripe"},"secret":"whsec_new"}"#;
        let list = format!(r#"{{"object":"list","data":[{one}],"has_more":false}}"#);
        let [found] = Stripe.listed(list.as_bytes()).unwrap().try_into().unwrap();
        assert_eq!((found.name.as_deref(), found.enabled), (Some("stripe"), true));
        assert_eq!(found.harms(&Stripe).len(), 1);
        let (made, secret) = Stripe.created(one.as_bytes()).unwrap();
        assert_eq!((made.id.as_str(), secret.as_str()), ("we_1", "whsec_new"));
        assert!(Stripe.created(br#"{"id":"we_1","url":"https://a.example.com"}"#).is_err());
        assert!(Stripe.listed(b"{}").is_err());
        assert_eq!(Stripe.remove("we/1").path, "/v1/webhook_endpoints/we%2F1");
    }
}
