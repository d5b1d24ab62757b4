//! Look-ups: ids that lead elsewhere, and a provider's API that answers as none does. The key goes to the configured
//! host and to paths of one customer or object; nobody is told of by an answer that is none.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use refairn_bridge::providers::provider;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::target::{Store, Target, secret, signature};
use crate::kit::provider::{PROVIDER_KEY, Provider, Says};
use crate::kit::samples::{Sale, charge};
use crate::kit::until;
use crate::kit::wire::Request;

on_both! { ids_that_lead_elsewhere_and_answers_that_are_none }

/// A renewal of a customer whose address is not said.
fn of_nobody(kind: ProviderKind, n: usize, customer: &str, at: Timestamp) -> Value {
    let id = format!("nobody{n}");
    match kind {
        Stripe => {
            let mut event = Sale::new(&id, "", at).event();
            event["data"]["object"]["customer_email"] = Value::Null;
            event["data"]["object"]["customer"] = json!(customer);
            event
        }
        Paystack => {
            let mut event = charge(&id, "", 500_000, "", at);
            event["event"] = json!("subscription.create");
            event["data"] = json!({ "domain": "live", "status": "active", "subscription_code": format!("SUB_{n}"),
                "created_at": at.to_string(), "plan": { "plan_code": "PLN_1" },
                "customer": { "customer_code": customer } });
            event
        }
    }
}

/// Answers about the customer `id` that are none.
fn answers(kind: ProviderKind, id: &str) -> Vec<Says> {
    let named = |id: Value, email: Value| match kind {
        Stripe => json!({ "id": id, "object": "customer", "email": email, "name": "\u{1b}[2J", "metadata": [] }),
        Paystack => json!({ "status": true, "data": { "customer_code": id, "email": email, "metadata": 5 } }),
    };
    let customer = |email: Value| named(json!(id), email);
    let mut deleted = customer(json!("nobody@example.com"));
    deleted["deleted"] = json!(true);
    deleted["status"] = json!(false);
    let deep = format!("{{\"id\":\"{id}\",\"email\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    vec![
        Says::Object(named(json!("CUS_another"), json!("nobody@example.com"))),
        Says::Object(named(json!([id]), json!("nobody@example.com"))),
        Says::Object(json!([customer(json!("nobody@example.com"))])),
        Says::Object(deleted),
        Says::Object(customer(Value::Null)),
        Says::Object(customer(json!(5))),
        Says::Object(customer(json!(["nobody@example.com"]))),
        Says::Object(customer(json!(""))),
        Says::Object(customer(json!("nobody"))),
        Says::Object(customer(json!("nobody@"))),
        Says::Object(customer(json!("a\u{0}b@example.com"))),
        Says::Object(customer(json!("a\r\nb@example.com"))),
        Says::Object(customer(json!("\u{1b}[2J@example.com"))),
        Says::Object(customer(json!(format!("{}@example.com", "x".repeat(5000))))),
        Says::Status(200, deep),
        Says::Status(200, format!("{{\"id\":\"{id}\",\"email\":\"nobody@exam")),
        Says::Status(200, "<html>Welcome to the network</html>".to_owned()),
        Says::Status(200, String::new()),
        Says::Status(200, "\0".repeat(1000)),
        Says::Status(204, String::new()),
        Says::Status(500, "{\"error\":{\"message\":\"\\u001b[2J\\u0000\\r\\nERROR made-up line\"}}".to_owned()),
        Says::Status(404, format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(100_000))),
        Says::Status(418, "{}".to_owned()),
        Says::Flood,
        Says::HangUp,
    ]
}

/// As many as there are of [`answers`].
const ANSWERS: usize = 25;

const ELSEWHERE: [&str; 16] = [
    "../charges",
    "../../v2/core/accounts",
    "..%2F..%2Fcharges",
    "cus_1/../../charges",
    "cus_1?expand[]=sources",
    "cus_1#x",
    "cus_1\\..\\x",
    "cus_1\r\nX-Injected: yes",
    "cus_1 HTTP/1.1\r\nHost: CANARY\r\n\r\n",
    "http://CANARY/x",
    "//CANARY/x",
    "@CANARY/x",
    ":80@CANARY/x",
    "cus_\u{0}",
    "..",
    "cus_\u{e9}\u{1f600}",
];

async fn ids_that_lead_elsewhere_and_answers_that_are_none(store: Store) {
    // Nobody may ever connect to it.
    let canary = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let host = canary.local_addr().expect("an address").to_string();
    let api = Provider::start().await;
    let file = endpoints(&api, ANSWERS + 1);
    let mut target = Target::start_with(store, &[], &file).await;
    target.secrets.push(PROVIDER_KEY.to_owned());
    let (at, mut n) = (target.began, 0);
    let mut asked_for = Vec::new();
    for (kind, path) in [(Stripe, "/v1/customers/"), (Paystack, "/customer/")] {
        for index in 0..=ANSWERS {
            n += 1;
            let id = format!("CUS_{n}");
            let path = format!("{path}{id}");
            let mut says = answers(kind, &id);
            assert_eq!(says.len(), ANSWERS);
            says.push(Says::Elsewhere(format!("http://{host}{path}")));
            api.says(&path, [says.swap_remove(index)]);
            post(&mut target, kind, &format!("e{index}"), &of_nobody(kind, n, &id, at)).await;
            asked_for.push(path);
        }
        let ids = ELSEWHERE.map(|id| id.replace("CANARY", &host)).into_iter();
        // Paystack's codes begin so, or are not asked for.
        let ids = ids.flat_map(|id| [format!("CUS_{id}"), id]);
        for id in ids.chain(["x".repeat(10_000), "CUS_last".to_owned()]) {
            n += 1;
            post(&mut target, kind, kind.code(), &of_nobody(kind, n, &id, at)).await;
        }
        asked_for.push(format!("{path}CUS_last"));
    }
    thin_events(&mut target, &host).await;
    post(&mut target, Stripe, "stripe", &of_nobody(Stripe, n + 1, "CUS_very_last", at)).await;
    asked_for.push("/v1/customers/CUS_very_last".to_owned());
    for path in asked_for {
        until(&format!("{path} is asked for"), async || (api.times(&path) > 0).then_some(())).await;
    }
    target.genuine_sale().await;
    target.idle().await;
    for asked in api.asked() {
        let starts = ["/v1/customers/", "/v1/invoices/", "/customer/"];
        let rest = starts.iter().find_map(|start| asked.path.strip_prefix(start));
        let one_segment = rest.is_some_and(|id| !id.contains(['/', '?', '#', '\\']) && !id.chars().all(|c| c == '.'));
        target.holds("a path", one_segment, || format!("{asked:?}"));
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), canary.accept()).await;
    target.holds("elsewhere", nobody.is_err(), || format!("the other host was called: {nobody:?}"));
    target.end().await;
}

/// An endpoint of each provider by its name, and so many more of each: one that fails is asked less.
fn endpoints(asked: &Provider, more: usize) -> String {
    let mut file = String::new();
    for kind in [Stripe, Paystack] {
        let api = format!("api_base_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"", asked.addr);
        file += &format!("[[endpoints]]\nprovider = \"{kind}\"\n{api}\n");
        for n in 0..more {
            let own = format!("name = \"{kind}-e{n}\"\nsecrets = [\"{}\"]", secret(kind));
            file += &format!("[[endpoints]]\nprovider = \"{kind}\"\n{own}\n{api}\n");
        }
    }
    file
}

/// Posts an event to the endpoint of this name, or to the one of this number.
async fn post(target: &mut Target, kind: ProviderKind, name: &str, event: &Value) {
    let name = if name == kind.code() { name.to_owned() } else { format!("{kind}-{name}") };
    let body = event.to_string();
    let request = Request::new("POST", &format!("/webhooks/{kind}/{name}")).body(body.as_bytes());
    let header = provider(kind).signature_header();
    let reply = request.header(header, signature(kind, body.as_bytes())).send(target.process.addr).await;
    target.holds("an event", reply.status == 200, || reply.text());
}

/// Events that say where their content is: only the provider's own paths are followed.
async fn thin_events(target: &mut Target, host: &str) {
    let urls = [
        "http://CANARY/v1/invoices/in_1",
        "//CANARY/v1/invoices/in_1",
        "@CANARY/v1/invoices/in_1",
        "/../v1/invoices/in_1",
        "/v1/invoices/../charges",
        "/v1/invoices/in_1?expand=x",
        "/v1/invoices/in_1\r\nX-Injected: yes",
        "/v9/anything",
        "file:///etc/passwd",
        "",
    ];
    for (n, url) in urls.into_iter().enumerate() {
        let url = url.replace("CANARY", host);
        let event = json!({ "id": format!("evt_thin{n}"), "object": "v2.core.event", "type": "v1.invoice.paid",
            "created": target.began.to_string(), "livemode": true, "account": "acct_1\r\nX-Injected: yes",
            "related_object": { "id": format!("in_{n}"), "type": "invoice", "url": url } });
        post(target, Stripe, "stripe", &event).await;
    }
}
