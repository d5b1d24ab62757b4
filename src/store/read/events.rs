//! Events in a list, the newest first. Whatever is asked of them, an index leads to them.

use crate::domain::event::{EventState, Origin};
use crate::domain::mode::Mode;
use crate::store::codes::event_is;
use crate::store::read::conditions::Conditions;
use crate::store::read::queries::{EVENT_COLUMNS, EventFilter, EventView, PAGE_ITEMS_MAX, event};
use crate::store::{Store, StoreError};

/// The condition that an event is of this mode.
pub(super) fn of_mode(mode: Mode) -> String {
    let (is, test) = (if mode == Mode::Test { "=" } else { "<>" }, Mode::Test.code());
    format!("COALESCE(mode, '') {is} '{test}'")
}

impl Store {
    /// Events, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventView>, StoreError> {
        let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
        // Most events are in these states: in the events of one endpoint some of them are near.
        let is_common = matches!(filter.state, None | Some(EventState::Mapped | EventState::Ignored));
        let by_endpoint = filter.endpoint.is_some() && filter.event_type.is_none() && !filter.attention && is_common;
        // A column in an expression is looked at when the row is read, and leads nowhere.
        let walks_another = filter.event_type.is_some() || by_endpoint;
        let of_state = |state: EventState| {
            if walks_another { format!("state || '' = '{}'", state.code()) } else { event_is(state) }
        };
        let endpoint = if by_endpoint { "endpoint =" } else { "endpoint || '' =" };
        let conditions = Conditions::default()
            .and_if(filter.state.map(of_state))
            .and("type =", filter.event_type)
            .and(endpoint, filter.endpoint)
            .and("origin =", filter.origin.map(Origin::code))
            .and("business || '' =", filter.business)
            .and_if(filter.mode.map(of_mode))
            .and("attention =", filter.attention.then_some(true))
            .and("id <", filter.after);
        let clause = conditions.clause();
        let sql = if by_endpoint {
            // The index of an endpoint's events is in their order within each mode.
            let in_mode = |mode: &str| {
                format!(
                    "SELECT * FROM (SELECT {EVENT_COLUMNS} FROM events {clause} AND mode {mode} ORDER BY id DESC LIMIT {limit}) e"
                )
            };
            let all = ["= 'live'", "= 'test'", "IS NULL"].map(in_mode).join(" UNION ALL ");
            format!("SELECT {EVENT_COLUMNS} FROM ({all}) m ORDER BY id DESC LIMIT {limit}")
        } else {
            format!("SELECT {EVENT_COLUMNS} FROM events {clause} ORDER BY id DESC LIMIT {limit}")
        };
        self.rows(sql, conditions.values, event).await
    }
}
