//! Who is signed in: a cookie that we sign and the browser carries. Nothing is kept here, so it costs no memory, and all
//! replicas of a store know each other's. A new admin token ends all of them.

use std::fmt;

use actix_web::HttpRequest;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::secret::Secret;

/// The cookie's name.
pub(super) const COOKIE: &str = "refairn_bridge_session";
/// How long a session lasts.
pub(super) const SESSION: SignedDuration = SignedDuration::from_hours(12);
/// Random bytes of a session, which tell it from every other.
const NONCE_BYTES: usize = 16;
/// Longest cookie that is looked at, bytes.
const COOKIE_BYTES_MAX: usize = 512;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Everything: whose session was opened with the admin token.
    Admin,
}

impl Role {
    const ALL: &[Self] = &[Self::Admin];

    const fn code(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The name of the person who is signed in, as pages show it.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// When it ends.
    pub(super) until: Timestamp,
    nonce: String,
}

impl Session {
    /// A new session of the one who has the admin token.
    pub(super) fn of_admin(now: Timestamp) -> Self {
        let nonce = hex::encode(rand::random::<[u8; NONCE_BYTES]>());
        Self { name: "admin".to_owned(), role: Role::Admin, until: now.saturating_add(SESSION).unwrap_or(now), nonce }
    }

    /// Whether it may change anything.
    pub(super) const fn may_act(&self) -> bool {
        match self.role {
            Role::Admin => true,
        }
    }

    fn text(&self) -> String {
        let (until_s, name) = (self.until.as_second(), hex::encode(&self.name));
        format!("{until_s}.{}.{name}.{}", self.role.code(), self.nonce)
    }

    fn read(text: &str) -> Option<Self> {
        let [until_s, role, name, nonce] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            name: String::from_utf8(hex::decode(name).ok()?).ok()?,
            role: Role::ALL.iter().copied().find(|known| known.code() == role)?,
            until: Timestamp::from_second(until_s.parse().ok()?).ok()?,
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
        let text = session.text();
        format!("{text}.{}", self.sign(Purpose::Session, &text))
    }

    /// The session of a cookie's value, if we signed it and it has not ended.
    pub(super) fn read(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let (text, signature) = cookie.rsplit_once('.')?;
        let is_ours = self.sign(Purpose::Session, text).as_bytes().ct_eq(signature.as_bytes());
        let session = Session::read(text).filter(|_| bool::from(is_ours))?;
        // One that ends later than a new one does was made by a clock that was ahead.
        let left = session.until.duration_since(now);
        (left > SignedDuration::ZERO && left <= SESSION).then_some(session)
    }

    /// The session of a request.
    pub(super) fn of(&self, request: &HttpRequest, now: Timestamp) -> Option<Session> {
        let cookie = request.cookie(COOKIE)?;
        self.read(cookie.value(), now)
    }

    /// What every form of a session carries, and no other site can know.
    pub(super) fn form_token(&self, session: &Session) -> String {
        self.sign(Purpose::Form, &session.text())
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

    fn sessions(token: &str, salt: &str) -> Sessions {
        Sessions::new(&Secret::parse(token).unwrap(), salt)
    }

    #[test]
    fn a_session_holds_until_its_end_and_nobody_else_can_make_one() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let ours = sessions("a token", "salt");
        let session = Session { name: "Ada B.".to_owned(), ..Session::of_admin(now) };
        let cookie = ours.cookie(&session);
        let later = |hours: i64| now + SignedDuration::from_hours(hours);
        assert_eq!(ours.read(&cookie, later(11)), Some(session.clone()));
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
    fn a_form_is_of_one_session_and_its_token_is_no_session() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let ours = sessions("a token", "salt");
        let (one, other) = (Session::of_admin(now), Session::of_admin(now));
        assert!(ours.is_form_token(&one, &ours.form_token(&one)));
        assert!(!ours.is_form_token(&one, &ours.form_token(&other)));
        assert!(!ours.is_form_token(&one, ""));
        assert_eq!(ours.read(&format!("{}.{}", one.text(), ours.form_token(&one)), now), None);
    }
}
