//! What a provider's reply means: total, every status has one meaning.

use std::time::Duration;

use super::client::{Reply, ReplyError};
use crate::domain::event::EventId;
use crate::domain::json;
use crate::domain::redact::Redactor;
use crate::outbound::message_of;
use crate::providers::lookup::{Answer, LookupResult, Origin, Question};
use jiff::Timestamp;

/// What a reply brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// All that was wanted.
    Whole(LookupResult),
    /// A part. The next one is under this path.
    Part(String),
}

/// Why a reply does not bring what was wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The provider has nothing that helps. This may change, but not soon.
    Nothing(String),
    /// The provider refuses our key or our address for it, whatever we ask for.
    Refused(String),
    /// No answer now. It may come later.
    TryLater {
        /// When the provider asks to come back.
        retry_after: Option<Duration>,
        /// What happened.
        message: String,
    },
}

/// The meaning of a reply to `question`, which was asked for `event` and came at `now`. What `private` takes out is in no
/// message.
pub(super) fn answer(
    reply: Result<Reply, ReplyError>,
    question: &mut Question,
    event: EventId,
    now: Timestamp,
    private: &Redactor,
) -> Result<Brought, LookupError> {
    let Reply { status, retry_after, body } = match reply {
        Ok(reply) => reply,
        Err(ReplyError::TooLong) => {
            return Err(LookupError::Nothing("the provider's answer is too long to be read".to_owned()));
        }
        Err(ReplyError::Failed(message)) => return Err(LookupError::TryLater { retry_after: None, message }),
    };
    let message = || message_of(status, &body, private);
    match status {
        200..=299 => brought(status, &body, question, event, now),
        300..=399 => {
            Err(LookupError::Refused(format!("api_base_url answers with a redirect ({status}), which is not followed")))
        }
        403 if !question.needs_no_more_rights => Err(LookupError::Nothing(message())),
        401 | 403 => Err(LookupError::Refused(message())),
        404 | 410 => Err(LookupError::Nothing(format!("the provider does not know it ({status})"))),
        0..=199 | 408 | 409 | 423..=425 | 429 | 500.. => Err(LookupError::TryLater { retry_after, message: message() }),
        400..=499 => Err(LookupError::Nothing(message())),
    }
}

/// What the body of a success brings.
fn brought(
    status: u16,
    body: &[u8],
    question: &mut Question,
    event: EventId,
    now: Timestamp,
) -> Result<Brought, LookupError> {
    let mended = json::mended(body);
    let origin = Origin::new(&question.path, event, now);
    match question.reader.read(mended.as_deref().unwrap_or(body), origin) {
        Answer::Found(found) => Ok(Brought::Whole(found)),
        Answer::Next(path) => Ok(Brought::Part(path)),
        Answer::Nothing(why) => Err(LookupError::Nothing(why)),
        Answer::Unlike(said) => {
            let message = said.unwrap_or_else(|| format!("the provider's answer {status} is not what was asked for"));
            Err(LookupError::TryLater { retry_after: None, message })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::lookup::Sought;
    use crate::domain::mode::Mode;
    use crate::domain::provider::ProviderKind;
    use crate::providers::lookup::LookupTarget;
    use crate::providers::provider;
    use crate::providers::stripe::NO_SESSION;

    fn key() -> Redactor {
        Redactor::default().and("a-key/of+the tests")
    }

    fn now() -> Timestamp {
        "2026-06-14T12:00:00Z".parse().unwrap()
    }

    fn customer(account: Option<&str>) -> Question {
        let wanted = LookupTarget::Customer { id: "cus_1", account, mode: Mode::Test };
        provider(ProviderKind::Stripe).ask(wanted, 1 << 20).unwrap()
    }

    fn heard(reply: Result<Reply, ReplyError>, mut question: Question) -> Result<LookupResult, LookupError> {
        answer(reply, &mut question, EventId(3), now(), &key()).map(|brought| match brought {
            Brought::Whole(found) => found,
            Brought::Part(path) => panic!("there is more under {path}"),
        })
    }

    fn reply(status: u16, retry_after: Option<Duration>, body: &str) -> Result<LookupResult, LookupError> {
        heard(Ok(Reply { status, retry_after, body: body.as_bytes().to_vec() }), customer(None))
    }

    #[test]
    fn every_status_has_its_meaning() {
        let check = |status: u16, expected: fn(&LookupError) -> bool| {
            for body in ["", "<html>", r#"{"error":{"message":"No such thing"}}"#] {
                let answer = reply(status, None, body).unwrap_err();
                assert!(expected(&answer), "{status} {body}: {answer:?}");
            }
        };
        for status in [401, 403, 301, 302, 307, 308] {
            check(status, |a| matches!(a, LookupError::Refused(_)));
        }
        for status in [400, 402, 404, 405, 410, 422, 451] {
            check(status, |a| matches!(a, LookupError::Nothing(_)));
        }
        for status in [100, 200, 204, 408, 409, 425, 429, 500, 502, 503, 504, 599, 999] {
            check(status, |a| matches!(a, LookupError::TryLater { .. }));
        }
        let refused = Reply { status: 403, retry_after: None, body: Vec::new() };
        assert!(matches!(heard(Ok(refused), customer(Some("acct_1"))), Err(LookupError::Nothing(_))));
        assert!(matches!(heard(Err(ReplyError::TooLong), customer(None)), Err(LookupError::Nothing(_))));
        let broken = Err(ReplyError::Failed("no answer in time".to_owned()));
        assert!(matches!(heard(broken, customer(None)), Err(LookupError::TryLater { .. })));
    }

    #[test]
    fn a_provider_may_say_when_to_come_back() {
        for asked in [None, Some(Duration::from_secs(7))] {
            let Err(LookupError::TryLater { retry_after, .. }) = reply(429, asked, "") else { panic!("no retry") };
            assert_eq!(retry_after, asked);
        }
    }

    #[test]
    fn a_customer_becomes_an_event_that_says_where_it_comes_from() {
        let body = r#"{"id":"cus_1","object":"customer","email":"jane@example.com","balance":1.50}"#;
        let found = reply(200, None, body).unwrap();
        let expected =
            r#"{"id":"lookup_cus_1","object":"event","api_version":null,"created":1781438400,"data":{"object":"#
                .to_owned()
                + body
                + r#"},"livemode":false,"pending_webhooks":0,"request":null,"type":"customer.updated","#
                + r#""lookup":{"path":"/v1/customers/cus_1","at":"2026-06-14T12:00:00Z","event":"evt_3"}}"#;
        assert_eq!(String::from_utf8(found.body).unwrap(), expected);
        assert_eq!(found.event_type, "customer.updated");
    }

    #[test]
    fn an_answer_about_something_else_is_no_answer() {
        for body in ["[]", "7", "{}", r#"{"id":"cus_2","email":"jane@example.com"}"#, &"[".repeat(10_000)] {
            let answer = reply(200, None, body);
            assert!(matches!(answer, Err(LookupError::TryLater { .. })), "{answer:?}");
        }
        for body in [r#"{"id":"cus_1","deleted":true}"#, r#"{"id":"cus_1","email":null}"#] {
            assert!(matches!(reply(200, None, body), Err(LookupError::Nothing(_))), "{body}");
        }
    }

    #[test]
    fn a_session_dates_neither_its_payment_nor_its_code() {
        let sought = Sought {
            identity: "in_1".to_owned(),
            subscription: Some("sub_1".to_owned()),
            ties: Vec::new(),
            customer: Some("cus_1".to_owned()),
            account: None,
            mode: Mode::Live,
            at: now() - jiff::SignedDuration::from_mins(20),
        };
        let question = || provider(ProviderKind::Stripe).ask(LookupTarget::Session(&sought), 1 << 20).unwrap();
        let ask = |list: &str| {
            let reply = Reply { status: 200, retry_after: None, body: list.as_bytes().to_vec() };
            heard(Ok(reply), question())
        };
        let told = |list: &str| {
            let LookupResult { event_type, body } = ask(list).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["created"], &body["livemode"]), (&json!(1_781_437_200), &json!(true)));
            (event_type, body["data"]["object"].clone())
        };
        let session = json!({"id": "cs_1", "subscription": {"id": "sub_1"}, "created": 1});
        let list = json!({"data": [session], "has_more": true}).to_string();
        assert_eq!(told(&list), ("checkout.session.completed".to_owned(), session));
        let none = json!({"object": "checkout.session", "customer": "cus_1", "subscription": "sub_1"});
        assert_eq!(told(r#"{"data":[]}"#), (NO_SESSION.to_owned(), none));
        for wrong in ["[]", "{}", r#"{"data":[{"id":"cs_1","subscription":"sub_2"}]}"#, r#"{"data":[7]}"#] {
            assert!(matches!(ask(wrong), Err(LookupError::TryLater { .. })), "{wrong}");
        }
        let refused = Reply { status: 403, retry_after: None, body: Vec::new() };
        assert!(matches!(heard(Ok(refused), question()), Err(LookupError::Nothing(_))));
    }

    #[test]
    fn messages_hold_no_keys_and_no_addresses() {
        let text = r#"{"error":{"message":"Key rk_live_a1 of jane@example.com lacks 'rak_customer_read'"}}"#;
        let Err(LookupError::Refused(message)) = reply(401, None, text) else { panic!("not refused") };
        assert_eq!(message, "the provider answered 401: Key … of … lacks 'rak_customer_read'");
        let text = r#"{"message":"A-KEY%2Fof%2Bthe%20tests of jane%40example.com is no key"}"#;
        let Err(LookupError::Refused(message)) = reply(401, None, text) else { panic!("not refused") };
        assert_eq!(message, "the provider answered 401: … of … is no key");
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5000));
        let Err(LookupError::Nothing(message)) = reply(400, None, &long) else { panic!("something") };
        assert!(message.chars().count() < 250);
    }
}
