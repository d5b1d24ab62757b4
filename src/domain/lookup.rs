//! What a payment says of itself, for a look-up of more about it.

use jiff::Timestamp;

use super::mode::Mode;

/// A payment, as far as its provider is asked for more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The payment's identity.
    pub identity: String,
    /// The subscription that it pays for.
    pub subscription: Option<String>,
    /// Ids that no other payment has.
    pub ties: Vec<String>,
    /// The provider's id of the customer.
    pub customer: Option<String>,
    /// The connected account.
    pub account: Option<String>,
    /// Real money or not.
    pub mode: Mode,
    /// When it was made.
    pub at: Timestamp,
}
