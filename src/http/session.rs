//! Who is signed in: a cookie that we sign and the browser carries. Nothing is kept here, so it costs no memory, and all
//! replicas of a store know each other's. A session ends with the token that opened it; a new admin token ends all of them.

use std::fmt;

use actix_web::HttpRequest;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Shared;
use super::keys::Caller;
use super::problem::Problem;
use crate::domain::access::AccessId;
use crate::domain::secret::Secret;

/// The cookie's name.
pub(super) const COOKIE: &str = "refairn_bridge_session";
/// How long a session lasts.
pub(super) const SESSION: SignedDuration = SignedDuration::from_hours(12);
/// Random bytes of a session, which tell it from every other.
const NONCE_BYTES: usize = 16;
/// Longest cookie that is looked at, bytes.
const COOKIE_BYTES_MAX: usize = 512;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Who is signed in.
    pub(super) caller: Caller,
    /// When it ends.
    pub(super) until: Timestamp,
    nonce: String,
}

/// What a cookie says of a session. Who it is of, and what they may do, is asked of the token's list at every request: so
/// a token that was taken back ends its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ticket {
    until: Timestamp,
    access: Option<AccessId>,
    nonce: String,
}

impl Session {
    /// A new session of somebody with a token. It ends with the token, or after some hours.
    pub(super) fn new(caller: Caller, now: Timestamp) -> Self {
        let nonce = hex::encode(rand::random::<[u8; NONCE_BYTES]>());
        let longest = now.saturating_add(SESSION).unwrap_or(now);
        let until = caller.ends_at.map_or(longest, |end| end.min(longest));
        Self { caller, until, nonce }
    }

    /// The session of a request, if it has one that holds.
    ///
    /// # Errors
    /// The store cannot say whether it does.
    pub(super) async fn of(state: &Shared, request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let (now, cookie) = (state.clock.now(), request.cookie(COOKIE));
        let Some(ticket) = cookie.and_then(|cookie| state.sessions.read(cookie.value(), now)) else { return Ok(None) };
        let caller = state.keys.of(&state.store, ticket.access, now).await?;
        let Ticket { until, nonce, .. } = ticket;
        Ok(caller.map(|caller| Self { caller, until, nonce }))
    }

    fn ticket(&self) -> Ticket {
        Ticket { until: self.until, access: self.caller.access, nonce: self.nonce.clone() }
    }
}

impl Ticket {
    fn text(&self) -> String {
        let access = self.access.map_or_else(String::new, |id| id.0.to_string());
        format!("{}.{access}.{}", self.until.as_second(), self.nonce)
    }

    fn read(text: &str) -> Option<Self> {
        let [until_s, access, nonce] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            until: Timestamp::from_second(until_s.parse().ok()?).ok()?,
            access: if access.is_empty() { None } else { Some(AccessId(access.parse().ok()?)) },
            nonce: nonce.to_owned(),
        })
    }
}

/// What signs sessions.
pub struct Sessions {
    key: Secret,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

/// What a signature is for, so that none can stand for another.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Session,
    Form,
}

impl Sessions {
    /// The key comes of the admin token and of the store's `salt`: who has only one of them cannot make a session.
    #[must_use]
    pub fn new(admin_token: &Secret, salt: &str) -> Self {
        let key = mac(admin_token.expose(), &format!("refairn-bridge sessions {salt}"));
        // Hexadecimal digits are a secret in any case.
        Self { key: Secret::parse(key).unwrap_or_else(|_| admin_token.clone()) }
    }

    fn sign(&self, purpose: Purpose, text: &str) -> String {
        let purpose = match purpose {
            Purpose::Session => "session",
            Purpose::Form => "form",
        };
        mac(self.key.expose(), &format!("{purpose} {text}"))
    }

    /// The cookie's value.
    pub(super) fn cookie(&self, session: &Session) -> String {
        let text = session.ticket().text();
        format!("{text}.{}", self.sign(Purpose::Session, &text))
    }

    /// What a cookie says, if we signed it and it has not ended.
    fn read(&self, cookie: &str, now: Timestamp) -> Option<Ticket> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let (text, signature) = cookie.rsplit_once('.')?;
        let is_ours = self.sign(Purpose::Session, text).as_bytes().ct_eq(signature.as_bytes());
        let ticket = Ticket::read(text).filter(|_| bool::from(is_ours))?;
        // One that ends later than a new one does was made by a clock that was ahead.
        let left = ticket.until.duration_since(now);
        (left > SignedDuration::ZERO && left <= SESSION).then_some(ticket)
    }

    /// What every form of a session carries, and no other site can know.
    pub(super) fn form_token(&self, session: &Session) -> String {
        self.sign(Purpose::Form, &session.ticket().text())
    }

    /// Whether a form is one of this session's.
    pub(super) fn is_form_token(&self, session: &Session, given: &str) -> bool {
        self.form_token(session).as_bytes().ct_eq(given.as_bytes()).into()
    }
}

fn mac(key: &str, text: &str) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Who;

    fn sessions(token: &str, salt: &str) -> Sessions {
        Sessions::new(&Secret::parse(token).unwrap(), salt)
    }

    fn session(now: Timestamp) -> Session {
        let caller = Caller { who: Who::admin(), access: Some(AccessId(7)), ends_at: None };
        Session::new(caller, now)
    }

    #[test]
    fn a_session_holds_until_its_end_and_nobody_else_can_make_one() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let ours = sessions("a token", "salt");
        let session = session(now);
        let cookie = ours.cookie(&session);
        let later = |hours: i64| now + SignedDuration::from_hours(hours);
        assert_eq!(ours.read(&cookie, later(11)), Some(session.ticket()));
        assert_eq!(ours.read(&cookie, later(12)), None, "it has ended");
        assert_eq!(ours.read(&cookie, later(-1)), None, "no session ends that late");
        for other in [sessions("another", "salt"), sessions("a token", "other")] {
            assert_eq!(other.read(&cookie, now), None);
            assert!(!other.is_form_token(&session, &ours.form_token(&session)));
        }
        for n in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[n] ^= 1;
            assert_eq!(String::from_utf8(bytes).ok().and_then(|forged| ours.read(&forged, now)), None, "{n}");
        }
        for nonsense in ["", ".", "....", "a.b.c.d.e", &"x".repeat(10_000)] {
            assert_eq!(ours.read(nonsense, now), None);
        }
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let end = now + SignedDuration::from_hours(1);
        let caller = Caller { who: Who::admin(), access: Some(AccessId(7)), ends_at: Some(end) };
        assert_eq!(Session::new(caller, now).until, end);
        assert_eq!(session(now).until, now + SESSION);
    }

    #[test]
    fn a_form_is_of_one_session_and_its_token_is_no_session() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let ours = sessions("a token", "salt");
        let (one, other) = (session(now), session(now));
        assert!(ours.is_form_token(&one, &ours.form_token(&one)));
        assert!(!ours.is_form_token(&one, &ours.form_token(&other)));
        assert!(!ours.is_form_token(&one, ""));
        assert_eq!(ours.read(&format!("{}.{}", one.ticket().text(), ours.form_token(&one)), now), None);
    }
}
