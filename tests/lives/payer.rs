//! A person as a customer of a provider's, and where the merchant hears of them.

use refairn_bridge::domain::mode::Mode;
use refairn_bridge::domain::provider::ProviderKind;

use crate::kit::rules::BUSINESS;
use crate::life::Price;

/// The person as one customer of one account of a provider.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) provider: ProviderKind,
    pub(crate) account: Option<&'static str>,
    pub(crate) mode: Mode,
    /// Where the merchant hears of them, in the order of the configuration.
    pub(crate) endpoints: &'static [Endpoint],
    /// Nothing for guests.
    pub(crate) customer: Option<String>,
    /// How many addresses come with this customer, and at which of them they are while their life is written.
    pub(crate) addresses: Addresses,
    pub(crate) address: usize,
    /// Objects as Stripe writes them since 2025-03-31.
    pub(crate) new_shape: bool,
}

/// An endpoint of the merchant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Counts only what is sold in the program.
    Program,
    Stripe,
    /// Has other products for the same prices.
    Shop,
    Paystack,
}

/// The addresses of one customer of a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    One,
    /// It changes.
    Moves,
    /// The checkout is done under another one.
    Differs,
    /// So many people are one customer.
    Shared(usize),
}

impl Endpoint {
    pub(crate) const ALL: [Self; 4] = [Self::Program, Self::Stripe, Self::Shop, Self::Paystack];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Stripe => "stripe",
            Self::Shop => "shop",
            Self::Paystack => "paystack",
        }
    }

    pub(crate) const fn provider(self) -> ProviderKind {
        match self {
            Self::Program | Self::Stripe | Self::Shop => ProviderKind::Stripe,
            Self::Paystack => ProviderKind::Paystack,
        }
    }

    /// What it calls what is sold at a price; in the test mode all is the same.
    pub(crate) const fn product(self, price: Price) -> &'static str {
        match (self, price) {
            (Self::Program | Self::Stripe | Self::Paystack, Price::Basic) => "prod_1",
            (Self::Program | Self::Stripe | Self::Paystack, Price::Plus) => "prod_2",
            (Self::Shop, Price::Basic) => "prod_3",
            (Self::Shop, Price::Plus) => "prod_4",
        }
    }
}

impl Payer {
    /// The realm of its ids, as the bridge writes it.
    pub(crate) fn scope(&self) -> String {
        let realm = if self.is_stripe() { "stripe" } else { "paystack:paystack" };
        format!("{realm}/{BUSINESS}/{}/{}", self.account.unwrap_or(""), self.mode.code())
    }

    pub(crate) fn is_stripe(&self) -> bool {
        self.provider == ProviderKind::Stripe
    }
}
