//! A provider that nobody has, with what the next ones bring: a signature in one of two headers, no event id, and webhooks
//! that only ring. It is a file and nothing elsewhere.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::connect::{Ask, Connect, Plan, Registered, Registry, Verb, Wanted, plan};
use super::fingerprint::fingerprint;
use super::headers::values_of;
use super::list::{List, Lists, Page, Period, Row};
use super::lookup::{Answer, LookupResult, LookupTarget, Origin, Question, Reader, segment};
use super::{
    Dashboard, Descriptor, Examples, Piece, Provider, Secrets, Signature, SignatureError, WantedEvents, hmac, provider,
    signatures,
};
use crate::domain::email::Email;
use crate::domain::endpoint::{CodeRule, CommissionBase, Endpoint, IdScope, Rules};
use crate::domain::event::{EventId, Identity};
use crate::domain::fact::{Customer, Fact, FactKind, Reading};
use crate::domain::json;
use crate::domain::mode::Mode;
use crate::domain::product::Product;
use crate::domain::provider::ProviderKind;
use crate::domain::reason::EventReason;
use crate::domain::secret::Secret;
use crate::domain::setting::Setting;

/// The HMAC-SHA256 of the body, in hex.
const HEADER: &str = "toy-signature";
/// The secret itself, as it was done before.
const OLDER_HEADER: &str = "toy-hash";

/// What becomes of an event that only rings.
const BELLS: Setting = Setting { key: "bells", words: &["look_up", "ignore"] };

const DESCRIPTOR: Descriptor = Descriptor {
    title: "Toy",
    api_base_url: "https://api.toy.example",
    variables: ["TOY_SECRET", "TOY_SECRET_FILE"],
    signature_header: HEADER,
    other_signature_headers: &[OLDER_HEADER],
    secret: Secrets {
        title: "Toy's secrets",
        prefix: "toy_",
        other_prefixes: &["key_"],
        hint: "copy the secret (toy_...) from Toy's dashboard",
        are_api_keys: false,
    },
    api_keys: [(Mode::Live, &["key_live_"]), (Mode::Test, &["key_test_"])],
    ids: IdScope::Account,
    commission_bases: &[CommissionBase::PAID],
    settings: &[&BELLS],
    dates_signatures: false,
    dashboard: Dashboard {
        page: "Settings",
        url_note: None,
        secret: "the secret (toy_...) of the same page",
        api_key: "a key in Settings",
    },
    members: "type and id",
    dispute_without_charge: "a dispute over",
    examples: Examples { list: &[], ids: &[], references: &[], mode: ("mode", |mode| mode.code().into()) },
};

struct Toy;

impl Provider for Toy {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn check_form(&self, signatures: &[Signature<'_>]) -> Result<(), SignatureError> {
        match signatures {
            [] => Err(SignatureError::Missing),
            [_] => Ok(()),
            [_, _, ..] => Err(SignatureError::Repeated),
        }
    }

    fn verify(
        &self,
        endpoint: &Endpoint,
        signatures: &[Signature<'_>],
        body: &[u8],
        _now: Timestamp,
    ) -> Result<(), SignatureError> {
        self.check_form(signatures)?;
        let older = values_of(signatures, OLDER_HEADER);
        let fits = endpoint.secrets.iter().map(|secret| secret.expose()).any(|secret| match older.as_slice() {
            [shown] => {
                hmac::matches_any(&[hmac::sha256(b"toy", &[shown])], &hmac::sha256(b"toy", &[secret.as_bytes()]))
            }
            _ => values_of(signatures, HEADER) == [self.sign(secret, body, Timestamp::UNIX_EPOCH).as_bytes()],
        });
        if fits { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    fn sign(&self, secret: &str, body: &[u8], _at: Timestamp) -> String {
        hex::encode(hmac::sha256(secret.as_bytes(), &[body]))
    }

    fn identify(&self, body: &[u8]) -> Identity {
        let event_type = json::value(body).ok().and_then(|v| Some(v.get("type")?.as_str()?.to_owned()));
        Identity {
            dedup_key: fingerprint(body),
            provider_event_id: None,
            event_type: event_type.unwrap_or_default(),
            snapshot_event: None,
            mode: None,
        }
    }

    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
        let Ok(event) = json::value(body) else {
            return Reading::Unmappable(EventReason::Unreadable, "the body is not JSON".to_owned());
        };
        let Some(object) = event.get("object") else {
            if rules.settings.holds(&BELLS, "ignore") {
                return Reading::Ignored(EventReason::NotRelevant);
            }
            return Reading::Unmappable(EventReason::ThinEvent, "the event only rings".to_owned());
        };
        Reading::Fact(Box::new(Fact {
            mode: Mode::Live,
            account: None,
            at: received_at,
            customer: object.get("id").and_then(Value::as_str).map(str::to_owned),
            keys: Vec::new(),
            email: object.get("email").and_then(Value::as_str).and_then(Email::parse),
            name: None,
            code: None,
            code_at: None,
            code_refused: None,
            product: rules.product_id.clone().map_or(Product::Unnamed, Product::Id),
            rank: rules.rank,
            matter: FactKind::Customer(Customer::default()),
        }))
    }

    fn ask(&self, wanted: LookupTarget<'_>, _bytes_max: usize) -> Result<Question, String> {
        let id = match wanted {
            LookupTarget::Customer { id, .. } => id.to_owned(),
            LookupTarget::Object { body } => {
                let event = json::value(body).map_err(|error| error.to_string())?;
                event.get("id").and_then(Value::as_str).ok_or("it names no object")?.to_owned()
            }
            LookupTarget::Lines(_) | LookupTarget::Session(_) => return Err("toy has no such thing".to_owned()),
        };
        let path = format!("/objects/{}", segment(&id)?);
        Ok(Question { path, headers: Vec::new(), needs_no_more_rights: true, reader: Box::new(Asked(id)) })
    }

    fn connect(&self) -> Connect {
        Connect::ByApi(&Toy)
    }

    fn lists(&self) -> Option<&'static dyn Lists> {
        Some(&Toy)
    }

    fn piece(&self, json: &Value) -> Option<Piece> {
        json.get("id").is_some().then_some(Piece::Event)
    }

    fn wanted_events(&self, _rules: &Rules) -> WantedEvents {
        WantedEvents { tick: vec!["sale"], for_manual_capture: None }
    }
}

impl Lists for Toy {
    fn requests_per_second(&self) -> u32 {
        1
    }

    fn of_period(&self, period: &Period, _rules: &Rules) -> Vec<List> {
        let path = format!("/objects?since={}", period.since.as_second());
        vec![List { name: "objects", right: "Objects", path, headers: &[] }]
    }

    fn page(&self, list: &List, _path: &str, body: &[u8], _at: Timestamp) -> Result<Page, String> {
        let page = json::value(body).map_err(|error| format!("no list of {}: {error}", list.name))?;
        let objects = page.get("objects").and_then(Value::as_array).ok_or("it has no objects")?;
        let row = |object: &Value| Row {
            name: object.get("id").and_then(Value::as_str).map(str::to_owned),
            body: json!({"type": "sale", "object": object}).to_string().into_bytes(),
        };
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        Ok(Page { rows: objects.iter().map(row).collect(), next })
    }
}

impl Registry for Toy {
    fn wanted(&self, name: &str, url: &str, rules: &Rules) -> Wanted {
        Wanted { name: name.into(), url: url.into(), events: self.wanted_events(rules).tick, api_version: "1" }
    }

    fn list(&self) -> Ask {
        Ask { verb: Verb::Get, path: "/bells".into(), headers: Vec::new(), body: None }
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<Registered>, String> {
        let bells = json::value(body).map_err(|error| error.to_string())?;
        let bell = |bell: &Value| {
            let text = |key: &str| bell.get(key).and_then(Value::as_str).map(str::to_owned);
            let (id, url) = (text("id").ok_or("it has no id")?, text("url").ok_or("it has no url")?);
            Ok(Registered { id, url, events: vec!["sale".into()], enabled: true, name: text("name") })
        };
        bells.as_array().ok_or("it is no list")?.iter().map(bell).collect()
    }

    fn create(&self, wanted: &Wanted) -> Ask {
        let body = json!({"url": wanted.url, "name": wanted.name}).to_string();
        Ask { verb: Verb::Post, path: "/bells".into(), headers: Vec::new(), body: Some(body) }
    }

    fn created(&self, body: &[u8]) -> Result<(Registered, String), String> {
        let made = json::value(body).map_err(|error| error.to_string())?;
        let secret = made.get("secret").and_then(Value::as_str).ok_or("it has no secret")?.to_owned();
        let [bell] = self.listed(json!([made]).to_string().as_bytes())?.try_into().map_err(|_| "several")?;
        Ok((bell, secret))
    }

    fn change(&self, id: &str, wanted: &Wanted) -> Ask {
        Ask { path: format!("/bells/{id}"), ..self.create(wanted) }
    }

    fn disable(&self, id: &str) -> Ask {
        self.remove(id)
    }

    fn remove(&self, id: &str) -> Ask {
        Ask { verb: Verb::Delete, path: format!("/bells/{id}"), headers: Vec::new(), body: None }
    }

    fn right(&self) -> &'static str {
        "Bells"
    }

    fn harmful(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// The object that was asked for.
#[derive(Debug)]
struct Asked(String);

impl Reader for Asked {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        match json::value(body) {
            Ok(object) if object.get("id").and_then(Value::as_str) == Some(&self.0) => {
                let body = json!({"type": "sale", "object": object, "lookup": origin});
                Answer::Found(LookupResult { event_type: "sale".to_owned(), body: body.to_string().into_bytes() })
            }
            Ok(_) | Err(_) => Answer::Unlike(None),
        }
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        name: "toy".into(),
        provider: ProviderKind::ALL[0],
        secrets: vec![Secret::parse("toy_secret").unwrap()],
        signature_tolerance: std::time::Duration::from_secs(300),
        allowed_ips: vec![],
        business: "biz_1".into(),
        ids: DESCRIPTOR.ids,
        account: None,
        api_key: None,
        api_base_url: DESCRIPTOR.api_base_url.into(),
        reconcile_every: None,
        rules: Rules {
            rank: 0,
            product_id: Some("prod_1".into()),
            test_product_id: None,
            products: Default::default(),
            unmapped: Default::default(),
            commission_base: Default::default(),
            minimum_amount: Default::default(),
            settings: Default::default(),
            referral_code_from: CodeRule::defaults(),
            time_zone: jiff::tz::TimeZone::UTC,
        },
    }
}

/// Rules of a live endpoint, for the tests of every provider.
pub(super) fn rules() -> Rules {
    endpoint().rules
}

const BELL: &[u8] = br#"{"type":"sale","id":"obj/1"}"#;

#[test]
fn a_signature_may_stand_in_one_of_two_headers() {
    let signed = Toy.sign("toy_secret", BELL, Timestamp::UNIX_EPOCH);
    let check = |sent: &[(&'static str, &str)], expected: Result<(), &str>| {
        let values = |header| sent.iter().filter(move |(name, _)| *name == header).map(|(_, value)| value.as_bytes());
        let all = signatures(&DESCRIPTOR, values);
        let verified = Toy.verify(&endpoint(), &all, BELL, Timestamp::UNIX_EPOCH).map_err(SignatureError::code);
        assert_eq!(verified, expected, "{sent:?}");
    };
    check(&[(HEADER, &signed)], Ok(()));
    check(&[(OLDER_HEADER, "toy_secret")], Ok(()));
    check(&[(OLDER_HEADER, &signed)], Err("signature_mismatch"));
    check(&[(HEADER, "toy_secret")], Err("signature_mismatch"));
    check(&[(HEADER, &signed), (OLDER_HEADER, "toy_secret")], Err("signature_repeated"));
    check(&[("x-other", &signed)], Err("signature_missing"));
}

#[test]
fn a_webhook_that_only_rings_is_looked_up_and_read() {
    let identity = Toy.identify(BELL);
    assert_eq!((identity.event_type.as_str(), identity.provider_event_id), ("sale", None));
    let rules = endpoint().rules;
    let bell = Toy.read(BELL, &rules, Timestamp::UNIX_EPOCH);
    assert!(matches!(bell, Reading::Unmappable(EventReason::ThinEvent, _)), "{bell:?}");
    let ignoring = Rules { settings: rules.settings.clone().with(&BELLS, "ignore"), ..rules.clone() };
    assert_eq!(Toy.read(BELL, &ignoring, Timestamp::UNIX_EPOCH), Reading::Ignored(EventReason::NotRelevant));
    let mut question = Toy.ask(LookupTarget::Object { body: BELL }, 1 << 20).unwrap();
    assert_eq!(question.path, "/objects/obj%2F1");
    let origin = || Origin::new("/objects/obj%2F1", EventId(1), Timestamp::UNIX_EPOCH);
    assert_eq!(question.reader.read(br#"{"id":"another"}"#, origin()), Answer::Unlike(None));
    let answer = question.reader.read(br#"{"id":"obj/1","email":"jane@example.com"}"#, origin());
    let Answer::Found(LookupResult { body, .. }) = answer else { panic!("{answer:?}") };
    let Reading::Fact(fact) = Toy.read(&body, &rules, Timestamp::UNIX_EPOCH) else { panic!("no fact") };
    assert_eq!(fact.email.unwrap().as_given(), "jane@example.com");
    assert_ne!(Toy.identify(&body).dedup_key, identity.dedup_key);
}

#[test]
fn its_lists_are_read_as_its_webhooks_are() {
    let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let rules = endpoint().rules;
    let lists = Toy.lists().unwrap();
    let [list] = lists.of_period(&Period { since, until, begun_at: until }, &rules).try_into().unwrap();
    assert!(lists.page(&list, &list.path, b"[]", until).is_err());
    let body = br#"{"objects":[{"id":"obj/1","email":"jane@example.com"}],"next":"/objects?after=obj1"}"#;
    let page = lists.page(&list, &list.path, body, until).unwrap();
    assert_eq!(page.next.as_deref(), Some("/objects?after=obj1"));
    let [row] = page.rows.try_into().unwrap();
    assert_eq!(row.name.as_deref(), Some("obj/1"));
    let Reading::Fact(fact) = Toy.read(&row.body, &rules, until) else { panic!("no fact") };
    assert_eq!(fact.email.unwrap().as_given(), "jane@example.com");
}

#[test]
fn its_endpoint_is_made_once_and_found_again() {
    let Connect::ByApi(registry) = Toy.connect() else { panic!("by hand") };
    let wanted = registry.wanted("toy", "https://bridge.example.com/webhooks/toy", &rules());
    let none = registry.listed(b"[]").unwrap();
    assert_eq!(plan(none, &wanted, false), Plan::Create { disable: vec![] });
    let asked: Value = serde_json::from_str(&registry.create(&wanted).body.unwrap()).unwrap();
    let made = json!({"id": "bell_1", "url": asked["url"], "name": asked["name"], "secret": "toy_1"}).to_string();
    let (made, secret) = registry.created(made.as_bytes()).unwrap();
    assert_eq!((secret.as_str(), plan(vec![made.clone()], &wanted, true)), ("toy_1", Plan::Nothing(made)));
}

#[test]
fn it_shares_nothing_with_the_others() {
    let piece = json!({"id": "obj/1"});
    assert_eq!(Toy.piece(&piece), Some(Piece::Event));
    for kind in ProviderKind::ALL {
        let of = provider(*kind);
        assert!(of.piece(&piece).is_none() && of.signature_header() != HEADER, "{kind}");
        assert!(!matches!(of.read(BELL, &endpoint().rules, Timestamp::UNIX_EPOCH), Reading::Fact(_)), "{kind}");
    }
    assert_eq!(DESCRIPTOR.mode_of_key("key_test_1"), Some(Mode::Test));
    assert_eq!(Toy.wanted_events(&endpoint().rules).tick, ["sale"]);
}
