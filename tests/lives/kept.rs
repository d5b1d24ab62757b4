//! Where the bridge of a world keeps what it has.

use refairn_bridge::domain::policy::Policy;

use crate::drive::Way;
use crate::kit::place::{Place, Server};
use crate::kit::postgres::Database;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    File,
    /// In a database of the test's PostgreSQL.
    Server,
}

impl Kept {
    pub(crate) async fn place(self, policy: &Policy) -> Place {
        match self {
            Self::File => Place::file(),
            Self::Server => Place::emptied(&Server::new(&Database::make()).await, policy).await,
        }
    }

    /// The ways in which every life is run. A server's leases end by its own clock, which no test moves: there nobody goes
    /// away with a call in hand.
    pub(crate) const fn ways(self) -> &'static [Way] {
        match self {
            Self::File => &[Way::InOrder, Way::Shuffled, Way::AsItGoes],
            Self::Server => &[Way::InOrder, Way::Shuffled],
        }
    }
}
