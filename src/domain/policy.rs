//! How careful the ledger is: choices of the merchant, which decide which calls are made, and when.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The choices the ledger decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// When a changed subscription status is told.
    pub status_updates: StatusUpdates,
    /// What becomes of a customer's second payment of one day.
    pub same_day_payments: SameDayPayments,
    /// How long a subscription's first payment waits for a referral code that may still be on its way.
    pub first_payment_wait: Duration,
    /// The longest that a payment waits for its code which was heard of late.
    pub late_payment_wait_max: Duration,
    /// Which customers Refairn is told of.
    pub leads: Leads,
    /// The zone whose days calls are dated in.
    pub time_zone: TimeZone,
}

impl Default for Policy {
    /// The same as the compiled-in configuration file says; `the_compiled_in_file_is_the_documented_default` proves it.
    fn default() -> Self {
        Self {
            status_updates: StatusUpdates::EndOfDay,
            same_day_payments: SameDayPayments::Hold,
            first_payment_wait: Duration::from_secs(15),
            late_payment_wait_max: Duration::from_secs(3600),
            leads: Leads::Referred,
            time_zone: TimeZone::UTC,
        }
    }
}

/// When a changed subscription status is told, as a payment of amount zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusUpdates {
    /// Once a day is over on which nothing else was sent for that e-mail: it can take no payment's place.
    EndOfDay,
    /// At once; it may take the place of a payment of the same day.
    Immediate,
    /// Never: Refairn learns a status only with a payment.
    Off,
}

/// What becomes of a customer's second payment of one day, which Refairn would take for a repetition of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameDayPayments {
    /// It waits for a person to release it.
    Hold,
    /// It is dated on the next day without a payment.
    NextFreeDay,
    /// It is sent as it is; Refairn's refusal then needs attention.
    Send,
}

/// Which customers Refairn is told of before they pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leads {
    /// Those with a referral code, once it is known: the first call wins, and one without a code loses the agent.
    Referred,
    /// Everybody, as soon as an e-mail is known.
    All,
    /// Nobody.
    Off,
}
