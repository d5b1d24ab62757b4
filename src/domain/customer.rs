//! All that is known of one customer of one business, and which calls follow from it: the ledger's question and answer.

use jiff::{SignedDuration, Timestamp};

use super::delivery::{Delivery, DeliveryId, DeliveryKey, DeliveryState};
use super::event::{EventId, Outcome};
use super::fact::Fact;

/// A customer of a business: calls to Refairn are ordered, and deduplicated, within this.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerKey {
    /// Refairn's business.
    pub business: String,
    /// The e-mail address in lower case.
    pub email_key: String,
}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CustomerKey({}, …)", self.business)
    }
}

/// A fact and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// The event that reported it.
    pub event: EventId,
    /// The realm of its ids; see [`super::delivery::scope`].
    pub scope: String,
    /// When the event arrived, by our clock.
    pub received_at: Timestamp,
    /// It is another address's: only its referral code counts here, for they share a provider's customer.
    pub is_related: bool,
    /// A related change of status whose subscription is this address's by now: it stayed where it was told.
    pub has_stayed: bool,
    /// What is reported.
    pub fact: Fact,
}

/// Everything known of one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerHistory {
    /// Whose facts and deliveries these are.
    pub key: CustomerKey,
    /// What was reported, in the order of events.
    pub facts: Vec<KnownFact>,
    /// What was sent or will be, in the order of making.
    pub deliveries: Vec<Delivery>,
}

/// A code that came into being later than that after a payment has nothing to do with it.
pub const CODE_AFTER_PAYMENT_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What has to change, after the ledger has looked at a customer.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Calls that are new, or become others, in the order of the customer's calls. Each says why by its reason.
    pub changes: Vec<Change>,
    /// What each event of the customer came to.
    pub outcomes: Vec<(EventId, Outcome)>,
    /// Payments heard of late that wait for a code which their checkout session may have: what the provider says of the
    /// session, when it is asked, ends their wait.
    pub sessions_wanted: Vec<DeliveryKey>,
}

/// One difference between a customer's calls and what the plan wants them to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A call that is not there yet.
    New(Delivery),
    /// A call that is there, as it becomes.
    Changed {
        /// Its number, which the store gave it.
        id: DeliveryId,
        /// What it becomes.
        delivery: Delivery,
    },
}

impl Change {
    /// The call as it becomes.
    #[must_use]
    pub const fn delivery(&self) -> &Delivery {
        match self {
            Self::New(delivery) | Self::Changed { delivery, .. } => delivery,
        }
    }
}

impl CustomerHistory {
    /// Makes a planned change; `id` is the call's number, which the store has given to a new one.
    pub fn change(&mut self, change: Change, id: DeliveryId) {
        match change {
            Change::New(mut delivery) => {
                delivery.number(id);
                self.deliveries.push(delivery);
            }
            Change::Changed { id, delivery } => {
                if let Some(place) = self.deliveries.iter_mut().find(|d| d.id == Some(id)) {
                    *place = delivery;
                }
            }
        }
    }

    /// The delivery whose turn it is: payments from before anybody referred the customer, then the customer's own call,
    /// then payments in the order in which they were made, then whatever is dated later. Nothing when nothing is open.
    #[must_use]
    pub fn head(&self) -> Option<&Delivery> {
        let referred_at = |d: &Delivery| matches!(d.subject, DeliveryKey::Lead(_)).then_some(d.at);
        let referred_at = self.deliveries.iter().filter(|d| d.state.is_open()).find_map(referred_at);
        let before = |d: &Delivery| referred_at.is_some_and(|at| at.duration_since(d.at) > CODE_AFTER_PAYMENT_MAX);
        self.deliveries.iter().filter(|d| d.state.is_open()).min_by_key(|d| {
            let rank = match (&d.subject, d.state) {
                (_, DeliveryState::Sending) => 0,
                (DeliveryKey::Lead(_), _) => 2,
                (DeliveryKey::Payment { .. } | DeliveryKey::Status(_), _) if d.waits_for_its_day() => 4,
                (DeliveryKey::Payment { .. }, _) if before(d) => 1,
                (DeliveryKey::Payment { .. } | DeliveryKey::Status(_), _) => 3,
            };
            (rank, if rank == 4 { d.due_at } else { d.at }, d.at, d.id)
        })
    }
}
