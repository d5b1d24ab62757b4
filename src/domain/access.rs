//! Who may look and act: the holder of the admin token, and those who were given a named token.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The name of the one who holds the admin token. Nobody else can have it.
pub const ADMIN: &str = "admin";
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 40;
/// Longest time for which a token is given, days. One that is needed for longer is made anew.
pub const ACCESS_DAYS_MAX: u32 = 366;

/// What a person may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Read,
    /// Decide: send, do not send, read again, fetch what was missed.
    Operate,
    /// Give others access, and take it back.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Read, Self::Operate, Self::Admin];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The role of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.code() == code)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Our number of a token that was given; written `acc_3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessId(pub i64);

impl fmt::Display for AccessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acc_{}", self.0)
    }
}

/// Somebody who asks, or decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Their name, as everybody reads it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The only business that they see; all of them when there is none.
    pub business: Option<String>,
}

impl Who {
    /// The holder of the admin token.
    #[must_use]
    pub fn admin() -> Self {
        Self { name: ADMIN.to_owned(), role: Role::Admin, business: None }
    }

    /// Whether they see what belongs to a business.
    #[must_use]
    pub fn sees(&self, business: &str) -> bool {
        self.business.as_deref().is_none_or(|own| own == business)
    }
}

/// A token that will be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub who: Who,
    /// When it ends.
    pub ends_at: Timestamp,
}

impl Grant {
    /// A token for so many days from now.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn new(
        name: &str,
        role: Role,
        business: Option<String>,
        days: u32,
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
            return Err("name takes 1 to 40 letters, digits, dots, hyphens and underscores");
        }
        if name.eq_ignore_ascii_case(ADMIN) {
            return Err("admin is the name of whoever has the admin token; choose another one");
        }
        if !(1..=ACCESS_DAYS_MAX).contains(&days) {
            return Err("days takes a number from 1 to 366");
        }
        if role == Role::Admin && business.is_some() {
            return Err("an admin sees every business; a token of one business takes the role read or operate");
        }
        let ends_at = now.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MAX);
        Ok(Self { who: Who { name: name.to_owned(), role, business }, ends_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_to_a_name_for_a_time() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let check = |name: &str, role, business: Option<&str>, days, fine: bool| {
            let grant = Grant::new(name, role, business.map(str::to_owned), days, now);
            assert_eq!(grant.is_ok(), fine, "{name:?} {role} {business:?} {days}");
        };
        check("finance", Role::Read, None, 7, true);
        check("ada.b-2_x", Role::Operate, Some("biz_1"), 366, true);
        check("ops", Role::Admin, None, 1, true);
        check("ops", Role::Admin, Some("biz_1"), 1, false);
        for name in ["", "admin", "Admin", "a b", "ada@example.com", "a/b", "\u{e9}", &"x".repeat(41)] {
            check(name, Role::Read, None, 7, false);
        }
        for days in [0, 367, u32::MAX] {
            check("finance", Role::Read, None, days, false);
        }
        let grant = Grant::new("finance", Role::Read, None, 7, now).unwrap();
        assert_eq!(grant.ends_at.to_string(), "2026-06-22T12:00:00Z");
    }

    #[test]
    fn each_role_may_what_those_before_it_may() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(Role::parse(role.code()), Some(*role));
        }
        assert_eq!(Role::parse("owner"), None);
    }
}
