//! Health: what supervisors and load balancers ask.

use serde::{Deserialize, Serialize};

/// `GET /livez`, where all that the process cannot do without goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// True. Trouble is answered with a [`super::Problem`].
    pub live: bool,
}

/// `GET /readyz`, where an event could be recorded now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// True. Trouble is answered with a [`super::Problem`].
    pub ready: bool,
}
