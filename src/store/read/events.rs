//! Events in a list, the newest first. Whatever is asked of them, an index leads to them.

use std::cmp::Reverse;

use futures_util::future::try_join3;

use crate::domain::event::{EventState, Origin};
use crate::domain::mode::Mode;
use crate::store::codes::{NEEDS_ATTENTION, event_is};
use crate::store::read::conditions::{Conditions, newest_along};
use crate::store::read::queries::{EVENT_COLUMNS, EventFilter, EventView, PAGE_ITEMS_MAX, event};
use crate::store::read::walks::Page;
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
        Ok(self.page_of_events(filter).await?.items)
    }

    /// The same, with where the next page begins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn page_of_events(&self, filter: EventFilter) -> Result<Page<EventView>, StoreError> {
        let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
        // An index leads to the few that are in another state or need attention, and to no origin.
        let are_many = matches!(filter.state, None | Some(EventState::Mapped | EventState::Ignored));
        let down_to = match filter.origin {
            Some(_) if are_many && !filter.attention => Some(self.down_to("events", filter.after).await?),
            _ => None,
        };
        let events = self.events_down_to(filter, limit, down_to).await?;
        Ok(Page::of(events, limit, down_to, |event| Some(event.id.0)))
    }

    async fn events_down_to(
        &self,
        filter: EventFilter,
        limit: u32,
        down_to: Option<i64>,
    ) -> Result<Vec<EventView>, StoreError> {
        // Most events are in these states: in the events of one endpoint some of them are near.
        let is_common = matches!(filter.state, None | Some(EventState::Mapped | EventState::Ignored));
        let by_endpoint = filter.event_type.is_none() && !filter.attention && is_common;
        // A column in an expression is looked at when the row is read, and leads nowhere.
        let walks_another = filter.event_type.is_some() || by_endpoint && filter.endpoint.is_some();
        let of_state = |state: EventState| {
            if walks_another { format!("state || '' = '{}'", state.code()) } else { event_is(state) }
        };
        let conditions = Conditions::default()
            .and_if(filter.state.map(of_state))
            .and("origin =", filter.origin.map(Origin::code))
            .and("business || '' =", filter.business)
            .and_if(filter.mode.map(of_mode))
            .and_if(filter.attention.then(|| NEEDS_ATTENTION.to_owned()));
        if down_to.is_some() {
            // So few rows are looked at by their numbers, whatever else is asked for.
            let conditions = conditions.and("type || '' =", filter.event_type).and("endpoint || '' =", filter.endpoint);
            let conditions = conditions.and("id <", filter.after).and("id >=", down_to);
            return self.newest_events(conditions, "id DESC".to_owned(), limit).await;
        }
        match (filter.event_type, filter.endpoint) {
            (None, Some(endpoint)) if by_endpoint => {
                self.events_of_endpoint(&endpoint, conditions, filter.after, limit).await
            }
            (event_type, endpoint) => {
                let conditions = conditions.and("endpoint || '' =", endpoint);
                let (conditions, order) = match event_type {
                    Some(of) => (conditions.along("type", &of, filter.after), newest_along("type")),
                    None => (conditions.and("id <", filter.after), "id DESC".to_owned()),
                };
                self.newest_events(conditions, order, limit).await
            }
        }
    }

    /// The index of an endpoint's events is in their order within each mode.
    async fn events_of_endpoint(
        &self,
        endpoint: &str,
        conditions: Conditions,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<EventView>, StoreError> {
        let conditions = conditions.and("endpoint =", Some(endpoint));
        let in_mode = |mode: Mode| {
            self.newest_events(conditions.clone().along("mode", mode.code(), below), newest_along("mode"), limit)
        };
        let modeless = conditions.clone().and_always("mode IS NULL").and("id <", below);
        let modeless = self.newest_events(modeless, newest_along("mode"), limit);
        let (live, test, modeless) = try_join3(in_mode(Mode::Live), in_mode(Mode::Test), modeless).await?;
        let mut events: Vec<EventView> = live.into_iter().chain(test).chain(modeless).collect();
        events.sort_by_key(|event| Reverse(event.id));
        events.truncate(limit as usize);
        Ok(events)
    }

    async fn newest_events(
        &self,
        conditions: Conditions,
        order: String,
        limit: u32,
    ) -> Result<Vec<EventView>, StoreError> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events {} ORDER BY {order} LIMIT {limit}", conditions.clause());
        self.rows(sql, conditions.values, event).await
    }
}
