//! The commission bases that only Paystack's events tell.

use crate::domain::endpoint::CommissionBase;

/// What was asked for, before fees were added that the customer bears.
pub(super) const REQUESTED: CommissionBase =
    CommissionBase { code: "requested", meaning: "what was asked for, before fees the customer bears" };

/// What was paid less the provider's fees.
pub(super) const NET_OF_FEES: CommissionBase =
    CommissionBase { code: "net_of_fees", meaning: "less the provider's fees" };
