//! The settings that only Stripe's endpoints have, and the commission base that only its events tell.

use crate::domain::endpoint::{CommissionBase, Rules};
use crate::domain::setting::Setting;

/// Without tax.
pub(super) const EXCLUDING_TAX: CommissionBase = CommissionBase { code: "excluding_tax", meaning: "without tax" };

/// Which events report one-off payments: checkout sessions in payment mode, or `payment_intent.succeeded` too, for
/// integrations without Checkout and without invoices.
pub(super) const ONE_TIME: Setting = Setting { key: "one_time", words: &["checkout", PAYMENT_INTENT] };

/// What becomes of invoices marked as paid outside of Stripe, in old API versions where the mark is seen: they are ignored,
/// or sent with the amount that was due.
pub(super) const OUT_OF_BAND: Setting = Setting { key: "out_of_band", words: &["ignore", SEND] };

const PAYMENT_INTENT: &str = "payment_intent";
const SEND: &str = "send";

/// Whether one-off payments are reported by their intents, too.
pub(super) fn intents_count(rules: &Rules) -> bool {
    rules.settings.holds(&ONE_TIME, PAYMENT_INTENT)
}

/// Whether invoices that were paid outside of Stripe are payments.
pub(super) fn out_of_band_counts(rules: &Rules) -> bool {
    rules.settings.holds(&OUT_OF_BAND, SEND)
}
