//! What Refairn said of a call that it has.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

/// How a payment stands that Refairn does not have. One that is not told, and rightly so, has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes out by itself.
    OnItsWay,
    /// A person has to look at it: it is held, or was refused.
    Undecided,
}

impl Standing {
    /// Every standing.
    pub const ALL: &[Self] = &[Self::OnItsWay, Self::Undecided];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OnItsWay => "on_its_way",
            Self::Undecided => "undecided",
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

/// An answer as Refairn writes it. One to a payment names a commission and an agent, null where nobody is credited.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_amount: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_until: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl Receipt {
    /// The answer that says this and no more; nothing where the amount is none of Refairn's.
    #[must_use]
    pub fn answer(&self) -> Option<String> {
        let is_of_payment = self.commission_status.is_some();
        let (commission_id, agent_id) = (self.commission_id.as_deref(), self.agent_id.as_deref());
        let answer = Answer {
            success: true,
            lead_id: self.lead_id.as_deref(),
            commission_id: (is_of_payment || commission_id.is_some()).then_some(commission_id),
            agent_id: (is_of_payment || agent_id.is_some()).then_some(agent_id),
            commission_amount: self.commission_amount.as_deref().map(serde_json::from_str).transpose().ok()?,
            commission_status: self.commission_status.as_deref(),
            hold_until: self.hold_until.as_deref(),
            message: self.message.as_deref(),
        };
        serde_json::to_string(&answer).ok()
    }

    /// Whether an answer is that, byte for byte: then it need not be kept beside this.
    #[must_use]
    pub fn is_all_of(&self, answer: &str) -> bool {
        self.answer().as_deref() == Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(agent: Option<&str>) -> Receipt {
        Receipt {
            commission_id: agent.map(|_| "comm_1".to_owned()),
            agent_id: agent.map(str::to_owned),
            commission_amount: Some(agent.map_or("0", |_| "20.00").to_owned()),
            commission_status: Some("pending".to_owned()),
            hold_until: Some("2026-06-28".to_owned()),
            ..Receipt::default()
        }
    }

    #[test]
    fn an_answer_is_told_by_its_receipt_if_it_is_written_as_refairn_does() {
        let credited = receipt(Some("agent_ada"));
        let own = r#"{"success":true,"commissionId":"comm_1","agentId":"agent_ada","commissionAmount":20.00,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#;
        assert_eq!(credited.answer().as_deref(), Some(own));
        let nobody = r#"{"success":true,"commissionId":null,"agentId":null,"commissionAmount":0,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#;
        assert_eq!(receipt(None).answer().as_deref(), Some(nobody));
        let check = |receipt: &Receipt, answer: &str, expected: bool| {
            assert_eq!(receipt.is_all_of(answer), expected, "{answer}");
        };
        check(&credited, own, true);
        check(&receipt(None), nobody, true);
        check(&credited, &own.replace(":", ": "), false);
        check(&credited, &own.replace("20.00", "20.0"), false);
        check(&credited, &own.replace("true,", "true,\"attribution\":\"first_touch\","), false);
        check(&credited, &own.replace("comm_1", "comm_2"), false);
        check(&credited, nobody, false);
        check(&credited, &own[..own.len() - 1], false);
        check(&Receipt { commission_amount: Some("20 EUR".to_owned()), ..credited.clone() }, own, false);
    }
}
