//! What Refairn said of a call that it has.

use serde::{Deserialize, Serialize};

/// What became of a payment that Refairn has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// An agent is credited.
    Credited,
    /// Refairn named no agent.
    CreditedNobody,
    /// Refairn had it before, and did not say whom it credits.
    CreditUnknown,
}

impl Fate {
    /// Every fate.
    pub const ALL: &[Self] = &[Self::Credited, Self::CreditedNobody, Self::CreditUnknown];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Credited => "credited",
            Self::CreditedNobody => "credited_nobody",
            Self::CreditUnknown => "credit_unknown",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.code() == code)
    }
}

/// How a payment stands, as people count them. One that is not told, and rightly so, has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An agent is credited.
    Credited,
    /// Refairn was told, and nobody is credited, or it is not known who.
    Nobody,
    /// It goes out by itself.
    OnItsWay,
    /// A person has to look at it.
    NeedsYou,
}

impl Standing {
    /// Every standing.
    pub const ALL: &[Self] = &[Self::Credited, Self::Nobody, Self::OnItsWay, Self::NeedsYou];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Credited => "credited",
            Self::Nobody => "nobody",
            Self::OnItsWay => "on_its_way",
            Self::NeedsYou => "needs_you",
        }
    }
}

/// What Refairn answered to a call that succeeded; amounts as it wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The lead that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
    /// The commission that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_id: Option<String>,
    /// The agent who is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The commission, in the payment's currency, as Refairn wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_amount: Option<String>,
    /// `pending` at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_status: Option<String>,
    /// The day after which the commission is approved, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
