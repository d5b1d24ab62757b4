//! What became of a payment that Refairn has, and why: for whom it is credited, and where a referral code was looked for.

use crate::api::{FoundCode, LookedIn};
use crate::domain::delivery::{Delivery, Fate};
use crate::domain::endpoint::Endpoint;
use crate::domain::reason::DeliveryReason;
use crate::store::queries::{DeliveryView, Searched};

/// Where a code was looked for, of a payment that credited nobody.
pub(super) fn looked_in(view: &DeliveryView, endpoints: &[Endpoint]) -> Option<Vec<LookedIn>> {
    if view.delivery.fate() != Some(Fate::CreditedNobody) {
        return None;
    }
    let mut names: Vec<&str> = Some(view.endpoint.as_str()).filter(|name| !name.is_empty()).into_iter().collect();
    for searched in &view.searched {
        if !names.contains(&searched.endpoint.as_str()) {
            names.push(&searched.endpoint);
        }
    }
    let at = |name: &str| {
        let rules = endpoints.iter().find(|e| e.name == name).map(|e| e.rules.referral_code_from.as_slice());
        let found = view.searched.iter().filter(|searched| searched.endpoint == name);
        LookedIn {
            endpoint: name.to_owned(),
            rules: rules.unwrap_or_default().iter().map(ToString::to_string).collect(),
            found: found.map(FoundCode::from).collect(),
        }
    };
    Some(names.into_iter().map(at).collect())
}

impl From<&Searched> for FoundCode {
    fn from(searched: &Searched) -> Self {
        let Searched { event, event_type, code, refused, .. } = searched;
        let (event_id, event_type) = (event.to_string(), event_type.clone());
        Self { event_id, event_type, code: code.clone(), refused: refused.clone() }
    }
}

fn found_words(found: &FoundCode) -> String {
    let FoundCode { event_id, event_type, code, refused } = found;
    match (code, refused) {
        (Some(code), _) => format!(" {event_id} ({event_type}) brought the code {code}."),
        (None, Some(why)) => format!(" What {event_id} ({event_type}) holds is not used: {why}."),
        (None, None) => format!(" {event_id} ({event_type}) holds none."),
    }
}

/// A payment's fate in plain words.
pub(super) fn words(view: &DeliveryView, looked_in: Option<&[LookedIn]>) -> Option<String> {
    let delivery = &view.delivery;
    Some(match delivery.fate()? {
        Fate::Credited => credited(delivery),
        Fate::CreditedNobody => nobody(delivery, view.code.as_deref(), looked_in.unwrap_or_default()),
        Fate::CreditUnknown => {
            "Refairn had this payment already, and did not say whom it credits: look for the customer \
             in Refairn's dashboard."
                .to_owned()
        }
    })
}

fn credited(delivery: &Delivery) -> String {
    let receipt = delivery.receipt.clone().unwrap_or_default();
    let agent = receipt.agent_id.unwrap_or_default();
    let amount = delivery.commission().map_or_else(String::new, |amount| format!(" of {amount}"));
    let commission = receipt.commission_id.map_or_else(String::new, |id| format!(", with commission {id}{amount}"));
    let hold = receipt.hold_until.map_or_else(String::new, |day| format!(", on hold until {day}"));
    format!("Agent {agent} is credited{commission}{hold}.")
}

fn nobody(delivery: &Delivery, code: Option<&str>, looked_in: &[LookedIn]) -> String {
    match code {
        Some(code) if delivery.reason == Some(DeliveryReason::ReferralCodeLate) => {
            format!("Nobody is credited: the referral code {code} came after Refairn had been told of the payment.")
        }
        Some(code) => format!(
            "Nobody is credited, although the customer's referral code {code} is known: Refairn has no agent for it, or \
             its program credits nobody for this payment. See the delivery of the customer's own call."
        ),
        None => {
            let places = looked_in.iter().map(|LookedIn { endpoint, rules, found }| {
                let found: String = found.iter().map(found_words).collect();
                let rules = if rules.is_empty() { "its rules of then".to_owned() } else { rules.join(", ") };
                format!(" In events to endpoint {endpoint} it is looked for in {rules}.{found}")
            });
            format!("Nobody is credited: no referral code is known for this customer.{}", places.collect::<String>())
        }
    }
}
